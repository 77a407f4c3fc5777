//! What one handler serves: its families, its server software, its settings; one row a name in the registry.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::super::builtin::Builtin;
use super::super::native::is_native;
use super::super::registry::{Environment, Maker, boxed};
use super::super::release::Release;
use super::super::{Context, Count, Credentials, Persona, Policy, Random, Session};
use super::answer::Answer;
use super::ask::Ask;
use super::citrix::Citrix;
use super::docker::Docker;
use super::door::Door;
use super::ethereum::Ethereum;
use super::face::Face;
use super::family::Family;
use super::front;
use super::hadoop::Hadoop;
use super::login::{Login, refuse_credentials};
use super::server::Connection;
use super::vmware::Vmware;
use super::wallet::Wallet;
use crate::clock::Timestamp;
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
    "web servers, each port with a login of its own; Ethereum, YARN, Docker, Citrix, VMware by path",
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
    /// Silence after which a connection is closed, in seconds; when not given, the times of the software that is shown.
    silence_secs: Option<u64>,
    /// The family that answers what no other claims; each name has its own default, on its first port.
    site: Option<Home>,
    /// The `Server` header: text that begins with `nginx` or `Apache`; drawn when empty. With this or `site`, all ports show the same.
    server: String,
    /// Bytes that are kept of each body, in KiB; a longer one is stored cut.
    max_body_kib: usize,
    /// Which logins are let in.
    credentials: Policy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            silence_secs: None,
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

/// What all connections to one port of one handler share.
#[derive(Clone)]
pub(super) struct Site {
    /// Those that are told by path or body.
    families: Arc<[Arc<dyn Family>]>,
    /// The one that takes what is left.
    home: Arc<dyn Family>,
    face: Face,
    persona: Arc<Persona>,
    credentials: Arc<Credentials>,
    /// The port whose site this is; `None` when it is that of all ports.
    own_port: Option<u16>,
    /// It is another port's than its own.
    elsewhere: bool,
    /// Requests are recorded and not answered.
    pub(super) mute: bool,
    pub(super) secure: bool,
    /// Silence after which a connection is closed whatever it waits for.
    pub(super) silence: Option<Duration>,
    /// Bytes of a body that families see and that are stored.
    pub(super) kept_of_body: usize,
    /// Bytes of a body that an event shows.
    pub(super) shown_of_body: usize,
}

fn prepare(environment: &Environment<'_>, home: Home, others: bool, secure: bool) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let site = Arc::new(Site::new(environment, &settings, home, others, secure));
    if !secure {
        return Ok(boxed(move |session: &Session| {
            let port = session.dialled.port();
            Connection::new(Site::on(&site, port), port)
        }));
    }
    let kit = |protocols: &[&str]| environment.tls_kit().with_alpn(protocols).with_ticket_lifetime(TICKET_LIFETIME);
    let (nginx, others) =
        (Arc::new(kit(&["http/1.1", "http/1.0", "http/0.9"])), Arc::new(kit(&["http/1.1"]).by_client()));
    Ok(boxed(move |session: &Session| {
        let port = session.dialled.port();
        let site = Site::on(&site, port);
        Door::new(if matches!(site.face, Face::Nginx { .. }) { &nginx } else { &others }, &site, port)
    }))
}

/// The family of this kind.
fn family(home: Home, persona: &Arc<Persona>, credentials: &Arc<Credentials>) -> Arc<dyn Family> {
    match home {
        Home::Login => Arc::new(Login::new(persona, credentials)),
        Home::Citrix => Arc::new(Citrix::new(persona, credentials)),
        Home::Vmware => Arc::new(Vmware::new(persona)),
        Home::Ethereum => Arc::new(Ethereum::new(persona, credentials)),
        Home::Hadoop => Arc::new(Hadoop::new(persona)),
        Home::Docker => Arc::new(Docker::new(persona)),
    }
}

impl Site {
    fn new(environment: &Environment<'_>, settings: &Settings, home: Home, others: bool, secure: bool) -> Self {
        let persona = Arc::clone(&environment.persona);
        let credentials = Arc::new(Credentials::new(settings.credentials.clone()));
        let kind = settings.site.unwrap_or(home);
        let home = family(kind, &persona, &credentials);
        let mut families: Vec<Arc<dyn Family>> = Vec::new();
        if others {
            let rest = [Home::Vmware, Home::Citrix, Home::Docker, Home::Hadoop, Home::Ethereum];
            families.extend(
                rest.iter().filter(|other| **other != kind).map(|&other| family(other, &persona, &credentials)),
            );
            families.push(Arc::new(Wallet));
            // On other ports than its own it is told by path as well.
            families.extend((kind != Home::Login).then(|| Arc::clone(&home)));
        }
        let is_given = settings.site.is_some() || !settings.server.is_empty();
        let face = home.face().cloned().unwrap_or_else(|| web_server(&persona, &settings.server));
        Self {
            families: families.into(),
            home,
            face,
            persona,
            credentials,
            own_port: (others && !is_given).then_some(if secure { 443 } else { 80 }),
            elsewhere: false,
            mute: false,
            secure,
            silence: settings.silence_secs.map(Duration::from_secs),
            kept_of_body: settings.max_body_kib.min(MAX_BODY_KIB) * 1_024,
            shown_of_body: environment.max_payload,
        }
    }

    /// The site of a port: this one on its own port, else another with the same families behind it.
    fn on(site: &Arc<Self>, port: u16) -> Arc<Self> {
        if site.own_port.is_none_or(|own| own == port) {
            return Arc::clone(site);
        }
        let (login, face) = front::of_port(&site.persona, &site.credentials, port);
        let mute = is_native(port);
        Arc::new(Self { home: Arc::new(login), face, mute, elsewhere: true, ..Self::clone(site) })
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
        let claimant = self.families.iter().find(|family| family.claims(ask)).unwrap_or(&self.home);
        let family = if self.elsewhere && !claimant.is_everywhere(ask) { &self.home } else { claimant };
        let face = family.face().unwrap_or(&self.face);
        if !family.judges(ask) {
            refuse_credentials(cx, ask);
        }
        let refused = if family.is_strict() { face.judge(ask) } else { None };
        let mut answer = match refused {
            Some(refused) => refused,
            None => family.answer(cx, ask).unwrap_or_else(|| face.not_found(ask)),
        };
        if !matches!(face, Face::Go) && answer.status >= 400 && answer.body.is_empty() && answer.content_type.is_none()
        {
            let page = match answer.status {
                404 => face.not_found(ask),
                405 => face.method_refused(ask).unwrap_or_else(|| face.page(405, ask)),
                status => face.page(status, ask),
            };
            let Answer { status, content_type, mut headers, body, .. } = page;
            headers.append(&mut answer.headers);
            answer = Answer { status, content_type, headers, body, ..answer };
        }
        (claimant.name(), face, face.served(ask, answer, cx.now()))
    }

    /// The answer that needs no body: nginx refuses what it lacks as soon as it has the head. Its family with it.
    pub(super) fn early(&self, ask: &Ask<'_>, now: Timestamp) -> Option<(&'static str, Answer)> {
        let home = &self.home;
        let is_claimed = || self.families.iter().any(|family| family.claims(ask));
        if !matches!(self.face, Face::Nginx { .. }) || !home.is_strict() || is_claimed() {
            return None;
        }
        let lacking = || home.lacks(ask).then(|| self.face.not_found(ask));
        self.face.judge(ask).or_else(lacking).map(|answer| (home.name(), self.face.served(ask, answer, now)))
    }
}

/// The sensor's web server, one of those that its release ships.
fn web_server(persona: &Persona, given: &str) -> Face {
    let release = Release::of(persona);
    let drawn = draw(&mut persona.random("http server"), &[release.nginx, release.apache]);
    Face::named(if given.is_empty() { drawn } else { given }, persona.host_name())
}

/// One of a list.
pub(super) fn draw<T: Copy + Default>(random: &mut Random, list: &[T]) -> T {
    let at = usize::try_from(random.within(&(0..=(list.len() as u64).saturating_sub(1)))).unwrap_or(0);
    list.get(at).copied().unwrap_or_default()
}
