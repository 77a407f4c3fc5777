//! Which handlers there are, by name.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::DeserializeOwned;

use super::builtin::{BUILTINS, Builtin};
use super::{Guise, Handler, Persona, Session, TlsKit};
use crate::config;
use crate::flow::Transport;
use crate::near::nearest;

/// Makes the handler of one session.
pub type Maker = Arc<dyn Fn(&Session) -> Box<dyn Handler> + Send + Sync>;

type Prepare = Arc<dyn Fn(&Environment<'_>) -> Result<Maker, toml::de::Error> + Send + Sync>;

/// What a handler is prepared from: once with its defaults, again when the configuration is known. A reload of the rules changes no handler.
#[derive(Debug)]
pub struct Environment<'a> {
    table: &'a toml::Table,
    /// Bytes of one session that a payload event holds (`max_tcp_payload`).
    pub max_payload: usize,
    /// Who the sensor pretends to be.
    pub persona: Arc<Persona>,
    /// The handlers that a session can be given to.
    pub handlers: Handlers,
    tls: Arc<TlsKit>,
}

/// Names and aliases of all handlers, each with what it can serve.
#[derive(Debug, Clone)]
pub struct Handlers(Arc<[(String, Vec<Transport>)]>);

impl Handlers {
    fn builtin() -> Self {
        let named = |row: &Builtin| {
            let names = std::iter::once(row.name).chain(row.aliases.iter().copied());
            names.map(|name| (name.to_owned(), row.transports.to_vec())).collect::<Vec<_>>()
        };
        Self(BUILTINS.iter().flat_map(named).collect())
    }

    /// There is a handler of this name that serves this transport.
    pub fn contains(&self, name: &str, transport: Transport) -> bool {
        self.0.iter().any(|(known, transports)| known == name && transports.contains(&transport))
    }
}

impl<'a> Environment<'a> {
    /// What handlers are prepared from until the configuration is known.
    pub(super) fn example(table: &'a toml::Table) -> Self {
        Self::new(table, config::Server::default().max_tcp_payload, &Guise::example(), Handlers::builtin())
    }

    fn new(table: &'a toml::Table, max_payload: usize, guise: &Guise, handlers: Handlers) -> Self {
        Self { table, max_payload, persona: Arc::clone(&guise.persona), handlers, tls: Arc::clone(&guise.tls) }
    }

    /// The persona's certificate, for handlers that speak TLS.
    pub fn tls_kit(&self) -> Arc<TlsKit> {
        Arc::clone(&self.tls)
    }

    /// The handler's `[handlers.NAME]` table; empty when the configuration has none.
    ///
    /// # Errors
    /// What the type refuses: make it `deny_unknown_fields`, so that a mistyped key is found.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, toml::de::Error> {
        self.table.clone().try_into()
    }
}

/// What is wrong with the `[handlers]` part of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A table for a handler that does not exist.
    #[error("[handlers.{name}]: no handler has this name{}", near.as_ref().map_or_else(String::new, |near| format!("; did you mean {near}?")))]
    Unknown {
        /// The name in the configuration.
        name: String,
        /// A name like it.
        near: Option<String>,
    },
    /// Not a table, or one that the handler refuses.
    #[error("[handlers.{name}]: {reason}")]
    Invalid {
        /// The name in the configuration.
        name: String,
        /// What the handler says.
        reason: String,
    },
}

/// One handler that rules can name.
#[derive(Clone)]
pub struct Entry {
    name: Arc<str>,
    aliases: &'static [&'static str],
    transports: Vec<Transport>,
    default_ports: &'static [u16],
    about: &'static str,
    prepare: Prepare,
    maker: Maker,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("transports", &self.transports).finish_non_exhaustive()
    }
}

impl Entry {
    fn prepared(builtin: &'static Builtin, environment: &Environment<'_>) -> Result<Self, toml::de::Error> {
        Ok(Self {
            name: Arc::from(builtin.name),
            aliases: builtin.aliases,
            transports: builtin.transports.to_vec(),
            default_ports: builtin.default_ports,
            about: builtin.about,
            prepare: Arc::new(builtin.prepare),
            maker: (builtin.prepare)(environment)?,
        })
    }

    /// The name in rule files and in the `handler` field of events.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Other names that rule files may use.
    pub fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// What it can serve.
    pub fn transports(&self) -> &[Transport] {
        &self.transports
    }

    /// It can serve this transport.
    pub fn serves(&self, transport: Transport) -> bool {
        self.transports.contains(&transport)
    }

    /// Ports where visitors expect it; empty = any.
    pub fn default_ports(&self) -> &'static [u16] {
        self.default_ports
    }

    /// What it does, in one line.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// A handler for this session.
    pub fn make(&self, session: &Session) -> Box<dyn Handler> {
        (self.maker)(session)
    }

    fn is_called(&self, name: &str) -> bool {
        &*self.name == name || self.aliases.contains(&name)
    }
}

/// The handlers that rules can name.
#[derive(Debug)]
pub struct Registry {
    entries: Vec<Arc<Entry>>,
}

impl Registry {
    /// The built-in handlers with their default settings.
    pub fn builtin() -> Self {
        let table = toml::Table::new();
        let environment = Environment::example(&table);
        // No handler refuses its defaults; the test that walks the table holds them to it.
        let entries = BUILTINS.iter().filter_map(|row| Entry::prepared(row, &environment).ok()).map(Arc::new).collect();
        Self { entries }
    }

    /// Reads the settings of every handler: `tables` is the `[handlers]` part of the configuration, `max_payload` the bytes of one
    /// session that a payload event holds, `guise` what visitors meet. Handlers are registered before.
    ///
    /// # Errors
    /// The first table that no handler takes; the registry is as it was then.
    pub fn configure(&mut self, tables: &toml::Table, max_payload: usize, guise: &Guise) -> Result<(), SettingsError> {
        let nameless = tables.keys().find(|name| self.find(name).is_none());
        if let Some(name) = nameless {
            let near = self.near(name).map(str::to_owned);
            return Err(SettingsError::Unknown { name: name.clone(), near });
        }
        let handlers = self.handlers();
        let environment = |table| Environment::new(table, max_payload, guise, handlers.clone());
        let makers: Vec<Maker> =
            self.entries.iter().map(|entry| maker_of(entry, tables, environment)).collect::<Result<_, _>>()?;
        for (entry, maker) in self.entries.iter_mut().zip(makers) {
            *entry = Arc::new(Entry { maker, ..(**entry).clone() });
        }
        Ok(())
    }

    /// Adds a handler of your own, or replaces the one of this name. `maker` is called once a session.
    pub fn register<H: Handler + 'static>(
        &mut self,
        name: &str,
        transports: &[Transport],
        maker: impl Fn(&Session) -> H + Send + Sync + 'static,
    ) {
        let maker = boxed(maker);
        self.insert(name, transports, Arc::clone(&maker), Arc::new(move |_| Ok(Arc::clone(&maker))));
    }

    /// Like [`Registry::register`], for a handler with settings: `prepare` is called at once with none and by
    /// [`Registry::configure`] with what the configuration says.
    ///
    /// # Errors
    /// When `prepare` wants settings that have no default.
    pub fn register_with<H, M>(
        &mut self,
        name: &str,
        transports: &[Transport],
        prepare: impl Fn(&Environment<'_>) -> Result<M, toml::de::Error> + Send + Sync + 'static,
    ) -> Result<(), SettingsError>
    where
        H: Handler + 'static,
        M: Fn(&Session) -> H + Send + Sync + 'static,
    {
        let prepare: Prepare = Arc::new(move |environment| prepare(environment).map(boxed));
        let table = toml::Table::new();
        let environment = Environment::example(&table);
        let maker = prepare(&environment)
            .map_err(|error| SettingsError::Invalid { name: name.to_owned(), reason: error.message().to_owned() })?;
        self.insert(name, transports, maker, prepare);
        Ok(())
    }

    fn insert(&mut self, name: &str, transports: &[Transport], maker: Maker, prepare: Prepare) {
        self.entries.retain(|entry| !entry.is_called(name));
        self.entries.push(Arc::new(Entry {
            name: Arc::from(name),
            aliases: &[],
            transports: transports.to_vec(),
            default_ports: &[],
            about: "registered by the program",
            prepare,
            maker,
        }));
    }

    /// The handler of this name or alias.
    pub fn find(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.is_called(name))
    }

    /// Every handler, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|entry| &**entry)
    }

    fn handlers(&self) -> Handlers {
        let named = |entry: &Arc<Entry>| {
            let names = std::iter::once(&*entry.name).chain(entry.aliases.iter().copied());
            names.map(|name| (name.to_owned(), entry.transports.clone())).collect::<Vec<_>>()
        };
        Handlers(self.entries.iter().flat_map(named).collect())
    }

    /// Every name and alias that a rule file may use.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().flat_map(|entry| std::iter::once(&*entry.name).chain(entry.aliases.iter().copied()))
    }

    /// The name that someone who wrote `name` may have meant.
    pub fn near(&self, name: &str) -> Option<&str> {
        nearest(name, self.names())
    }
}

/// A maker that hands out boxes.
pub(super) fn boxed<H: Handler + 'static>(maker: impl Fn(&Session) -> H + Send + Sync + 'static) -> Maker {
    Arc::new(move |session| Box::new(maker(session)))
}

fn maker_of<'a>(
    entry: &Entry,
    tables: &'a toml::Table,
    environment: impl Fn(&'a toml::Table) -> Environment<'a>,
) -> Result<Maker, SettingsError> {
    static NONE: LazyLock<toml::Table> = LazyLock::new(toml::Table::new);
    let (name, table) = match tables.iter().find(|(name, _)| entry.is_called(name)) {
        Some((name, toml::Value::Table(table))) => (name.as_str(), table),
        Some((name, _)) => {
            return Err(SettingsError::Invalid {
                name: name.clone(),
                reason: "this is a table of settings, not a value".to_owned(),
            });
        }
        None => (&*entry.name, &*NONE),
    };
    (entry.prepare)(&environment(table))
        .map_err(|error| SettingsError::Invalid { name: name.to_owned(), reason: error.message().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::{Context, Output};

    struct Nothing;

    impl Handler for Nothing {
        fn data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    }

    #[test]
    fn every_builtin_is_complete_and_can_be_made() {
        let registry = Registry::builtin();
        assert_eq!(registry.entries().count(), BUILTINS.len());
        let mut names = Vec::new();
        for entry in registry.entries() {
            assert!(!entry.transports().is_empty(), "{entry:?}");
            assert!(
                !entry.about().is_empty() && !entry.about().ends_with('.') && entry.about().len() < 100,
                "{entry:?}"
            );
            names.extend(std::iter::once(&**entry.name()).chain(entry.aliases().iter().copied()));
            for &transport in entry.transports() {
                let session = Session::example(transport, 4444);
                let mut out = Output::default();
                entry.make(&session).open(&mut Context::new(&session, Default::default(), &mut out));
                assert!(out.close.is_none(), "{entry:?}");
            }
        }
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name is used twice");
    }

    #[test]
    fn gluttons_default_is_tcp() {
        assert_eq!(&**Registry::builtin().find("default").unwrap().name(), "tcp");
    }

    #[test]
    fn a_program_can_add_a_handler_and_replace_one() {
        let mut registry = Registry::builtin();
        registry.register("mine", &[Transport::Tcp], |_: &Session| Nothing);
        registry.register("echo", &[Transport::Udp], |_: &Session| Nothing);
        assert!(registry.find("mine").unwrap().serves(Transport::Tcp));
        assert!(!registry.find("echo").unwrap().serves(Transport::Tcp));
        assert_eq!(registry.entries().count(), BUILTINS.len() + 1);
    }

    #[test]
    fn handlers_know_of_each_other_also_of_those_that_a_program_adds() {
        let mut registry = Registry::builtin();
        registry.register("mine", &[Transport::Udp], |_: &Session| Nothing);
        let handlers = registry.handlers();
        assert!(handlers.contains("mine", Transport::Udp) && !handlers.contains("mine", Transport::Tcp));
        assert!(handlers.contains("default", Transport::Tcp) && !handlers.contains("nobody", Transport::Tcp));
    }

    #[test]
    fn a_misspelled_name_finds_its_handler() {
        let registry = Registry::builtin();
        assert_eq!(registry.near("log_htpp"), Some("log_http"));
        assert_eq!(registry.near("defualt"), Some("default"));
        assert_eq!(registry.near("postgresql"), None);
    }

    #[test]
    fn settings_reach_their_handler_and_mistakes_name_the_table() {
        let mut registry = Registry::builtin();
        let read = |text: &str| text.parse::<toml::Table>().unwrap();
        assert_eq!(registry.configure(&read("[tcp]\nanswer = 'silence'\n[default]\n"), 64, &Guise::example()), Ok(()));
        let unknown = registry.configure(&read("[tpc]\nanswer = 'silence'"), 64, &Guise::example()).unwrap_err();
        assert_eq!(unknown.to_string(), "[handlers.tpc]: no handler has this name; did you mean tcp?");
        let key = registry.configure(&read("[tcp]\nanswr = 'silence'"), 64, &Guise::example()).unwrap_err();
        assert!(key.to_string().starts_with("[handlers.tcp]: unknown field `answr`"), "{key}");
        assert!(registry.configure(&read("tcp = 1"), 64, &Guise::example()).is_err());
    }
}
