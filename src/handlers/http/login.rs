//! A web server with a login page: what a scanner finds on a port without anything better. Credentials are recorded wherever they come.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::super::recording::with_text;
use super::super::{Context, Credentials, Persona, Random};
use super::answer::Answer;
use super::ask::Ask;
use super::face::escaped;
use super::family::Family;
use super::record::basic_credentials;
use super::site::draw;
use super::xmlrpc;
use crate::clock::Timestamp;
use crate::events::Event;

/// Names of form fields that hold a user name or a password.
const USER_FIELDS: [&str; 16] = [
    "username",
    "user",
    "login",
    "email",
    "name",
    "log",
    "uname",
    "user_name",
    "userid",
    "account",
    "usr",
    "j_username",
    "loginname",
    "pma_username",
    "luci_username",
    "f_username",
];
const PASSWORD_FIELDS: [&str; 14] = [
    "password",
    "pass",
    "passwd",
    "pwd",
    "psd",
    "pw",
    "j_password",
    "loginpassword",
    "pma_password",
    "luci_password",
    "passphrase",
    "secret",
    "f_password",
    "user_password",
];

/// Where the login page is, and what else there is.
const PAGES: [&str; 6] = ["/", "/index.html", "/index.php", "/login", "/login/", "/login.php"];
const OTHERS: [&str; 3] = ["/dashboard", "/logout", "/robots.txt"];

/// The login page and what lies behind it.
pub(super) struct Login {
    credentials: Arc<Credentials>,
    /// Whose page it is.
    company: String,
    product: &'static str,
    colour: u64,
    /// Makes the session cookies of this sensor.
    secret: u64,
    cookie: &'static str,
    user_field: &'static str,
    /// What the whole site asks credentials for, if it is guarded as a whole.
    realm: Option<String>,
    modified: Timestamp,
}

/// What the pages are of. Neighbouring ports take neighbouring ones.
const PRODUCTS: [&str; 16] = [
    "Portal",
    "Intranet",
    "Management Console",
    "Device Manager",
    "Control Panel",
    "Webmail",
    "Monitoring",
    "Backup Server",
    "Ticket System",
    "File Exchange",
    "Time Tracking",
    "Storage Manager",
    "Print Server",
    "Video Server",
    "Helpdesk",
    "Inventory",
];

impl Login {
    pub(super) fn new(persona: &Persona, credentials: &Arc<Credentials>) -> Self {
        Self::drawn(persona, credentials, persona.random("http login"), 0)
    }

    /// The one of a port; `guarded`: the browser's own window asks for the credentials.
    pub(super) fn on_port(persona: &Persona, credentials: &Arc<Credentials>, port: u16, guarded: bool) -> Self {
        let random = persona.random(&format!("http login {port}"));
        // The sixteenth makes 80, 8000 and 8080 differ, which the list's length would not.
        let mut login = Self::drawn(persona, credentials, random, u32::from(port) + u32::from(port) / 16);
        login.realm = guarded.then(|| format!("{} {:04X}", login.product, login.colour & 0xffff));
        login
    }

    fn drawn(persona: &Persona, credentials: &Arc<Credentials>, mut random: Random, step: u32) -> Self {
        let company = persona.domain().split('.').next().unwrap_or_default().to_owned();
        let first = persona.random("http product").within(&(0..=PRODUCTS.len() as u64 - 1)) + u64::from(step);
        let at = usize::try_from(first).unwrap_or(0) % PRODUCTS.len();
        Self {
            credentials: Arc::clone(credentials),
            company,
            product: PRODUCTS.get(at).copied().unwrap_or("Portal"),
            colour: random.within(&(0x10_20_30..=0x60_80_a0)),
            secret: random.bits(),
            cookie: draw(&mut random, &["PHPSESSID", "SESSIONID", "sid", "session"]),
            user_field: draw(&mut random, &["username", "user", "login", "email"]),
            realm: None,
            modified: persona.installed(),
        }
    }

    fn has(&self, path: &str) -> bool {
        path == "/admin" || path.starts_with("/admin/") || PAGES.contains(&path) || OTHERS.contains(&path)
    }

    fn page(&self, ask: &Ask<'_>, notice: &str) -> Vec<u8> {
        let Self { company, product, colour, user_field, .. } = self;
        let host = escaped(ask.host_name());
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{company} {product} - Sign in</title>\n\
             <style>body{{font-family:sans-serif;background:#f2f4f6}}main{{width:20em;margin:8em auto;padding:2em;background:#fff}}\
             button{{background:#{colour:06x};color:#fff;border:0;padding:.6em 2em}}input{{width:100%;margin:.3em 0 1em}}</style>\n\
             </head>\n<body>\n<main>\n<h1>{product}</h1>\n{notice}<form action=\"/login\" method=\"post\">\n\
             <label>User name<input type=\"text\" name=\"{user_field}\" autocomplete=\"username\" autofocus></label>\n\
             <label>Password<input type=\"password\" name=\"password\" autocomplete=\"current-password\"></label>\n\
             <button type=\"submit\">Sign in</button>\n</form>\n<p><small>{host}</small></p>\n</main>\n</body>\n</html>\n"
        )
        .into_bytes()
    }

    fn token(&self, cx: &Context<'_>) -> String {
        let digest = Sha256::new()
            .chain_update(self.secret.to_be_bytes())
            .chain_update(cx.session().client.ip().to_string())
            .finalize();
        HEXLOWER.encode(digest.get(..13).unwrap_or_default())
    }

    fn has_session(&self, cx: &Context<'_>, ask: &Ask<'_>) -> bool {
        let wanted = format!("{}={}", self.cookie, self.token(cx));
        ask.head.values("cookie").flat_map(|value| value.split(';')).any(|cookie| cookie.trim() == wanted)
    }

    fn sign_in(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        if record_credentials(cx, &self.credentials, ask) {
            let cookie = format!("{}={}; path=/; HttpOnly", self.cookie, self.token(cx));
            return Answer::new(302, "text/html; charset=UTF-8", "")
                .header("Set-Cookie", cookie)
                .header("Location", "/dashboard");
        }
        Answer::html(self.page(ask, "<p class=\"error\">Invalid username or password.</p>\n"))
    }

    fn dashboard(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Answer {
        if !self.has_session(cx, ask) {
            return Answer::new(302, "text/html; charset=UTF-8", "").header("Location", "/login");
        }
        let Self { company, product, .. } = self;
        Answer::html(format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{company} {product}</title></head>\n<body>\n\
             <h1>{product}</h1>\n<p>The service is in maintenance mode. Please try again later.</p>\n\
             <p><a href=\"/logout\">Sign out</a></p>\n</body>\n</html>\n"
        ))
    }

    /// The part that asks for `Authorization: Basic`, which may be all of it.
    fn protected(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        let let_in = record_credentials(cx, &self.credentials, ask);
        if !let_in {
            let realm = self.realm.as_deref().unwrap_or("Restricted");
            return Some(Answer::empty(401).header("WWW-Authenticate", format!("Basic realm=\"{realm}\"")));
        }
        let path = ask.path();
        matches!(path, "/" | "/admin/").then(|| {
            Answer::html(format!(
                "<html><head><title>Index of {path}</title></head>\n<body>\n<h1>Index of {path}</h1><hr><pre><a href=\"../\">../</a>\n</pre><hr></body>\n</html>\n"
            ))
        })
    }
}

impl Family for Login {
    fn name(&self) -> &'static str {
        "login"
    }

    fn claims(&self, _: &Ask<'_>) -> bool {
        true
    }

    fn judges(&self, _: &Ask<'_>) -> bool {
        true
    }

    fn lacks(&self, ask: &Ask<'_>) -> bool {
        self.realm.is_none() && !self.has(ask.path())
    }

    fn answer(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        let path = ask.path();
        let is_page = PAGES.contains(&path);
        if self.realm.is_some() || path == "/admin" || path.starts_with("/admin/") {
            return self.protected(cx, ask);
        }
        if is_page && ask.is("POST") {
            return Some(self.sign_in(cx, ask));
        }
        refuse_credentials(cx, ask);
        if !self.has(path) {
            return None;
        }
        if !ask.is("GET") {
            return Some(Answer::empty(405));
        }
        match path {
            _ if is_page => Some(Answer::html(self.page(ask, ""))),
            "/dashboard" => Some(self.dashboard(cx, ask)),
            "/logout" => Some(
                Answer::new(302, "text/html; charset=UTF-8", "")
                    .header("Set-Cookie", format!("{}=deleted; path=/; Max-Age=0", self.cookie))
                    .header("Location", "/login"),
            ),
            "/robots.txt" => Some(Answer::file("text/plain", "User-agent: *\nDisallow: /admin/\n", self.modified)),
            _ => None,
        }
    }
}

/// A user name and a password.
type Pair = (Vec<u8>, Vec<u8>);

/// The credentials that a request carries: in its header, in its form, in its calls.
fn credentials_of(ask: &Ask<'_>) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = basic_credentials(ask.head).into_iter().collect();
    if ask.head.method != "POST" || ask.body.is_empty() {
        return pairs;
    }
    pairs.extend(
        xmlrpc::logins(ask.body).into_iter().map(|(name, password)| (name.into_bytes(), password.into_bytes())),
    );
    let form = ask.form();
    let of = |names: &[&str]| {
        form.iter().find(|(key, _)| names.contains(&key.to_ascii_lowercase().as_str())).map(|(_, value)| value)
    };
    let name = of(&USER_FIELDS).cloned().unwrap_or_default();
    pairs.extend(of(&PASSWORD_FIELDS).map(|password| (name.into_bytes(), password.clone().into_bytes())));
    pairs
}

/// Judges and records what a request carries of credentials; true when they are let in.
pub(super) fn record_credentials(cx: &mut Context<'_>, credentials: &Credentials, ask: &Ask<'_>) -> bool {
    credentials_of(ask).into_iter().fold(false, |_, (name, password)| credentials.judge(cx, &name, &password))
}

/// Records credentials that nothing asked for.
pub(super) fn refuse_credentials(cx: &mut Context<'_>, ask: &Ask<'_>) {
    for (name, password) in credentials_of(ask) {
        let msg = format!("login {}:{} refused", name.escape_ascii(), password.escape_ascii());
        let event = with_text(with_text(Event::new("login", msg), "username", &name), "password", &password);
        cx.event(event.with("success", false));
    }
}
