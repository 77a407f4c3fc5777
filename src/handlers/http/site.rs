//! What one handler serves: its families, its server software, its settings; one row a name in the registry.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::super::builtin::Builtin;
use super::super::registry::{Environment, Maker, boxed};
use super::super::{Context, Count, Credentials, Persona, Policy, Random, Session};
use super::answer::Answer;
use super::ask::Ask;
use super::citrix::Citrix;
use super::docker::Docker;
use super::door::Door;
use super::ethereum::Ethereum;
use super::face::Face;
use super::family::Family;
use super::hadoop::Hadoop;
use super::login::{Login, refuse_credentials};
use super::server::Connection;
use super::vmware::Vmware;
use super::wallet::Wallet;
use crate::flow::Transport;

const fn row(
    name: &'static str,
    default_ports: &'static [u16],
    about: &'static str,
    prepare: fn(&Environment<'_>) -> Result<Maker, toml::de::Error>,
) -> Builtin {
    Builtin { name, aliases: &[], transports: &[Transport::Tcp], default_ports, about, prepare }
}

/// Any family by path or body, behind a web server with a login page.
pub(in crate::handlers) const HTTP: Builtin = row(
    "http",
    &[80, 8080, 8000, 8888],
    "a web server with a login page; Ethereum, YARN, Docker, Citrix, VMware by path",
    |environment| prepare(environment, Home::Login, true, false),
);
/// The same inside TLS, behind a Citrix gateway.
pub(in crate::handlers) const HTTPS: Builtin =
    row("https", &[443, 8443], "the http handler inside TLS, a Citrix gateway by default", |environment| {
        prepare(environment, Home::Citrix, true, true)
    });
/// Ethereum JSON-RPC on a port of its own.
pub(in crate::handlers) const ETHEREUM: Builtin = row(
    "ethereum",
    &[8545],
    "an Ethereum node's JSON-RPC: accounts, blocks that advance, calls recorded",
    |environment| prepare(environment, Home::Ethereum, false, false),
);
/// Hadoop YARN on a port of its own.
pub(in crate::handlers) const HADOOP: Builtin = row(
    "hadoop",
    &[8088],
    "a Hadoop YARN resource manager: takes applications, records their commands",
    |environment| prepare(environment, Home::Hadoop, false, false),
);
/// The Docker API on a port of its own.
pub(in crate::handlers) const DOCKER: Builtin = row(
    "docker",
    &[2375],
    "a Docker engine's API: images, containers and commands as its clients expect",
    |environment| prepare(environment, Home::Docker, false, false),
);

/// The family that answers what no other claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Home {
    /// A web server with a login page.
    Login,
    /// A Citrix ADC gateway.
    Citrix,
    /// A VMware ESX host.
    Vmware,
    /// A node's JSON-RPC.
    Ethereum,
    /// A YARN resource manager.
    Hadoop,
    /// A Docker engine.
    Docker,
}

/// `[handlers.http]`, and the same for the other names.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Silence after which a connection is closed, in seconds.
    silence_secs: u64,
    /// The family that answers what no other claims; each name has its own default.
    site: Option<Home>,
    /// The `Server` header: text that begins with `nginx` or `Apache`; drawn when empty.
    server: String,
    /// Bytes that are kept of each body, in KiB; a longer one is stored cut.
    max_body_kib: usize,
    /// Which logins are let in.
    credentials: Policy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            silence_secs: 60,
            site: None,
            server: String::new(),
            max_body_kib: 1_024,
            credentials: Count::try_from(3).map_or(Policy::RejectAll, Policy::After),
        }
    }
}

/// How long sessions can be resumed: nginx's `ssl_session_timeout` and Apache's SSLSessionCacheTimeout.
const TICKET_LIFETIME: Duration = Duration::from_secs(300);
/// The `family` field of requests that no family answers.
pub(super) const NO_FAMILY: &str = "none";
/// Most KiB that are kept of a body: what the reader takes.
const MAX_BODY_KIB: usize = 16 * 1024;

/// What all connections of one handler share.
pub(super) struct Site {
    families: Vec<Box<dyn Family>>,
    face: Face,
    persona: Arc<Persona>,
    pub(super) secure: bool,
    pub(super) silence: Duration,
    /// Bytes of a body that families see and that are stored.
    pub(super) kept_of_body: usize,
    /// Bytes of a body that an event shows.
    pub(super) shown_of_body: usize,
}

fn prepare(environment: &Environment<'_>, home: Home, others: bool, secure: bool) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let site = Arc::new(Site::new(environment, &settings, home, others, secure));
    if !secure {
        return Ok(boxed(move |_: &Session| Connection::new(Arc::clone(&site))));
    }
    let kit = environment.tls_kit().with_alpn(site.face.protocols()).with_ticket_lifetime(TICKET_LIFETIME);
    Ok(boxed(move |_: &Session| Door::new(&kit, &site)))
}

/// The family of this kind.
fn family(home: Home, persona: &Arc<Persona>, credentials: &Arc<Credentials>) -> Box<dyn Family> {
    match home {
        Home::Login => Box::new(Login::new(persona, credentials)),
        Home::Citrix => Box::new(Citrix::new(persona, credentials)),
        Home::Vmware => Box::new(Vmware::new(persona)),
        Home::Ethereum => Box::new(Ethereum::new(persona, credentials)),
        Home::Hadoop => Box::new(Hadoop::new(persona)),
        Home::Docker => Box::new(Docker::new(persona)),
    }
}

impl Site {
    fn new(environment: &Environment<'_>, settings: &Settings, home: Home, others: bool, secure: bool) -> Self {
        let persona = Arc::clone(&environment.persona);
        let credentials = Arc::new(Credentials::new(settings.credentials.clone()));
        let home = settings.site.unwrap_or(home);
        // The home comes last: it takes what is left.
        let mut families: Vec<Box<dyn Family>> = Vec::new();
        if others {
            let rest = [Home::Vmware, Home::Citrix, Home::Docker, Home::Hadoop, Home::Ethereum];
            families.extend(
                rest.iter().filter(|other| **other != home).map(|&other| family(other, &persona, &credentials)),
            );
            families.push(Box::new(Wallet));
        }
        families.push(family(home, &persona, &credentials));
        let own = families.last().and_then(|home| home.face()).cloned();
        let face = own.unwrap_or_else(|| web_server(&persona, &settings.server));
        Self {
            families,
            face,
            persona,
            secure,
            silence: Duration::from_secs(settings.silence_secs),
            kept_of_body: settings.max_body_kib.min(MAX_BODY_KIB) * 1_024,
            shown_of_body: environment.max_payload,
        }
    }

    /// The software that refuses what is no request.
    pub(super) fn face(&self) -> &Face {
        &self.face
    }

    /// The name that the server knows itself by.
    pub(super) fn host_name(&self) -> &str {
        self.persona.host_name()
    }

    /// The family that a request belongs to, its software, and the answer.
    pub(super) fn answer<'a>(&'a self, cx: &mut Context<'_>, ask: &Ask<'_>) -> (&'static str, &'a Face, Answer) {
        let mut families = self.families.iter();
        let home = families.next_back();
        let Some(family) = families.find(|family| family.claims(ask)).or(home) else {
            return (NO_FAMILY, &self.face, self.face.not_found(ask));
        };
        let face = family.face().unwrap_or(&self.face);
        if !family.judges(ask) {
            refuse_credentials(cx, ask);
        }
        let refused = if family.is_strict() { face.judge(ask) } else { None };
        let mut answer = match refused {
            Some(refused) => refused,
            None => family.answer(cx, ask).unwrap_or_else(|| face.not_found(ask)),
        };
        if answer.status >= 400 && answer.body.is_empty() && answer.content_type.is_none() {
            let page = match answer.status {
                404 => face.not_found(ask),
                405 => face.method_refused(ask).unwrap_or_else(|| face.page(405, ask)),
                status => face.page(status, ask),
            };
            let Answer { status, content_type, mut headers, body, .. } = page;
            headers.append(&mut answer.headers);
            answer = Answer { status, content_type, headers, body, ..answer };
        }
        (family.name(), face, face.served(ask, answer))
    }

    /// The answer that needs no body: nginx refuses what it lacks as soon as it has the head. Its family with it.
    pub(super) fn early(&self, ask: &Ask<'_>) -> Option<(&'static str, Answer)> {
        let (home, others) = self.families.split_last()?;
        if !matches!(self.face, Face::Nginx { .. }) || !home.is_strict() || others.iter().any(|other| other.claims(ask))
        {
            return None;
        }
        let lacking = || home.lacks(ask).then(|| self.face.not_found(ask));
        self.face.judge(ask).or_else(lacking).map(|answer| (home.name(), self.face.served(ask, answer)))
    }
}

/// The sensor's web server, drawn from what Debian and Ubuntu ship.
fn web_server(persona: &Persona, given: &str) -> Face {
    const SERVERS: [&str; 8] = [
        "nginx/1.18.0 (Ubuntu)",
        "nginx/1.18.0",
        "nginx/1.22.1",
        "nginx/1.24.0 (Ubuntu)",
        "Apache/2.4.41 (Ubuntu)",
        "Apache/2.4.52 (Ubuntu)",
        "Apache/2.4.57 (Debian)",
        "Apache/2.4.58 (Ubuntu)",
    ];
    let drawn = draw(&mut persona.random("http server"), &SERVERS);
    let server = if given.is_empty() { drawn } else { given };
    if server.starts_with("nginx") {
        Face::Nginx { server: server.to_owned(), packed: Default::default() }
    } else {
        Face::Apache { server: server.to_owned(), signed_by: Some(persona.host_name().to_owned()) }
    }
}

/// One of a list.
pub(super) fn draw<T: Copy + Default>(random: &mut Random, list: &[T]) -> T {
    let at = usize::try_from(random.within(&(0..=(list.len() as u64).saturating_sub(1)))).unwrap_or(0);
    list.get(at).copied().unwrap_or_default()
}
