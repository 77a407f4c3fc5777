//! A Citrix ADC gateway that CVE-2019-19781 has: paths climb from `/vpn/` to `/vpns/`, where files and Perl scripts lie open.

use std::sync::Arc;

use super::super::{Context, Credentials, Persona};
use super::answer::Answer;
use super::ask::Ask;
use super::face::Face;
use super::family::Family;
use super::login::record_credentials;
use super::record::command_event;
use crate::clock::Timestamp;

/// The gateway.
pub(super) struct Citrix {
    face: Face,
    credentials: Arc<Credentials>,
    modified: Timestamp,
    workgroup: String,
    /// The page's version mark.
    mark: u64,
}

impl Citrix {
    pub(super) fn new(persona: &Persona, credentials: &Arc<Credentials>) -> Self {
        Self {
            face: Face::Apache { server: "Apache".to_owned(), signed_by: None },
            credentials: Arc::clone(credentials),
            modified: persona.installed(),
            workgroup: persona.workgroup().to_owned(),
            mark: persona.random("http citrix").within(&(0x5_0000_0000_0000..=0x5_ffff_ffff_ffff)),
        }
    }

    fn smb_conf(&self) -> String {
        format!(
            "[global]\n\tencrypt passwords = yes\n\tworkgroup = {}\n\tname resolve order = lmhosts wins host bcast\n",
            self.workgroup
        )
    }

    /// The scripts of the exploit: what they are given is the attack.
    fn script(&self, cx: &mut Context<'_>, ask: &Ask<'_>, name: &str) -> Answer {
        let user = ask.head.values("nsc_user").next().unwrap_or_default().to_owned();
        let form = ask.form();
        for (key, value) in &form {
            if matches!(key.as_str(), "title" | "desc" | "url") && value.contains("[%") {
                cx.event(command_event(value));
            }
        }
        let body = match name {
            "picktheme.pl" => {
                "<HTML>\n<HEAD>\n<SCRIPT language=javascript>\nwindow.location = \"/vpns/portal/homepage.html\";\n</SCRIPT>\n</HEAD>\n</HTML>\n"
            }
            "rmbm.pl" => {
                "<HTML>\n<BODY>\n<SCRIPT language=javascript type=text/javascript>\nparent.window.ns_reload();\n</SCRIPT>\n</BODY>\n</HTML>\n"
            }
            _ => {
                "<HTML>\n<BODY>\n<SCRIPT language=javascript type=text/javascript>\n//parent.window.ns_reload();\nwindow.close();\n</SCRIPT>\n</BODY>\n</HTML>\n"
            }
        };
        Answer::new(200, "text/html; charset=UTF-8", body)
            .header("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
            .header("Cache-Control", "no-cache")
            .decoded("script", name)
            .decoded("nsc_user", user)
    }

    fn sign_in(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        let let_in = record_credentials(cx, &self.credentials, ask);
        let (to, cookie) = if let_in {
            (
                "/cgi/setclient?wica",
                format!("NSC_AAAC={:016x}{:013x}; Secure; HttpOnly; Path=/", cx.session().seed, self.mark),
            )
        } else {
            ("/vpn/index.html", "NSC_VPNERR=4001; Path=/; Secure".to_owned())
        };
        found(to, Some(&cookie))
    }
}

/// The gateway's own redirect, from before its web server; it takes back the cookies that a session would have.
fn found(to: &str, cookie: Option<&str>) -> Answer {
    let body = "<html><body><b>Http/1.1 Object Moved</b></body> </html>";
    let gone =
        COOKIES.iter().map(|name| format!("{name}=xyz;Path=/;expires=Wednesday, 09-Nov-1999 23:12:40 GMT;Secure"));
    let cookies: Vec<String> = match cookie {
        Some(cookie) => vec![cookie.to_owned()],
        None => gone.collect(),
    };
    let cookies: String = cookies.iter().map(|cookie| format!("Set-Cookie:{cookie}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 302 Object Moved\r\nLocation: {to}\r\n{cookies}Connection: close\r\nContent-Length: {}\r\n\
         Cache-control: no-cache, no-store\r\nPragma: no-cache\r\nContent-Type: text/html\r\n",
        body.len()
    );
    Answer { head: Some(head), ..Answer::new(302, "text/html", body) }.closing()
}

/// Cookies of the gateway's sessions.
const COOKIES: [&str; 6] = ["NSC_AAAC", "NSC_EPAC", "NSC_USER", "NSC_TEMP", "NSC_PERS", "NSC_BASEURL"];

impl Family for Citrix {
    fn name(&self) -> &'static str {
        "citrix"
    }

    fn claims(&self, ask: &Ask<'_>) -> bool {
        let path = ask.path();
        ["/vpn/", "/vpns/", "/cgi/login", "/cgi/setclient", "/logon/"].iter().any(|start| path.starts_with(start))
            || ask.raw_path.starts_with("/vpn/")
            || path == "/vpn"
    }

    fn face(&self) -> Option<&Face> {
        Some(&self.face)
    }

    fn answer(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        let path = ask.path();
        let traversal = ask.raw_path.contains("..") || ask.raw_path.to_ascii_lowercase().contains("%2e%2e");
        let told = |answer: Answer| {
            let is_attack = traversal || path.starts_with("/vpns/");
            if is_attack { answer.decoded("vulnerability", "CVE-2019-19781") } else { answer }
        };
        if path == "/cgi/login" && ask.is("POST") {
            return Some(self.sign_in(cx, ask));
        }
        let script = path.strip_prefix("/vpns/portal/scripts/").filter(|_| ask.is("GET") || ask.is("POST"));
        if let Some(name @ ("newbm.pl" | "rmbm.pl" | "picktheme.pl" | "subscription.pl" | "tips.pl")) = script {
            return Some(told(self.script(cx, ask, name)));
        }
        if !ask.is("GET") {
            return None;
        }
        match path {
            "/" | "/vpn" | "/vpn/" | "/logon/LogonPoint/" | "/cgi/setclient" => Some(found("/vpn/index.html", None)),
            "/vpn/index.html" | "/logon/LogonPoint/index.html" | "/logon/LogonPoint/tmindex.html" => {
                Some(Answer::file("text/html", INDEX.replace("@MARK@", &format!("{:x}", self.mark)), self.modified))
            }
            "/vpns/cfg/smb.conf" => {
                Some(told(Answer::file("text/plain; charset=UTF-8", self.smb_conf(), self.modified)))
            }
            "/vpn/js/gateway_login_view.js" => Some(Answer::file("application/x-javascript", VIEW, self.modified)),
            // A bookmark written by newbm.pl: its template "runs" when it is fetched.
            _ if path.starts_with("/vpns/portal/") && path.ends_with(".xml") => Some(told(Answer::new(
                200,
                "text/html; charset=UTF-8",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<user username=\"nobody\">\n<bookmarks>\n</bookmarks>\n<escbk>\n</escbk>\n<filesystems></filesystems>\n<style></style>\n</user>\n",
            ))),
            _ => None,
        }
    }

    fn judges(&self, ask: &Ask<'_>) -> bool {
        ask.path() == "/cgi/login" && ask.is("POST")
    }

    fn is_strict(&self) -> bool {
        false
    }
}

/// The gateway's login page: little in itself, its scripts draw the form.
const INDEX: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\n\
<html>\n<head>\n<meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\">\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\">\n\
<meta name=\"robots\" content=\"noindex,nofollow,noarchive\">\n<title>Citrix Gateway</title>\n\
<link rel=\"SHORTCUT ICON\" href=\"/vpn/images/AccessGateway.ico\" type=\"image/vnd.microsoft.icon\">\n\
<link href=\"/vpn/js/rdx/core/css/rdx.css?v=@MARK@\" rel=\"stylesheet\" type=\"text/css\"/>\n\
<link href=\"/logon/themes/Default/css/base.css?v=@MARK@\" rel=\"stylesheet\" type=\"text/css\" media=\"screen\"/>\n\
<link href=\"/logon/themes/Default/custom.css?v=@MARK@\" rel=\"stylesheet\" type=\"text/css\"/>\n\
<script type=\"text/javascript\" src=\"/vpn/js/rdx/core/lang/rdx_en.json.js?v=@MARK@\"></script>\n\
<script type=\"text/javascript\" src=\"/vpn/js/rdx.js?v=@MARK@\"></script>\n\
<script type=\"text/javascript\" src=\"/vpn/js/gateway_login_view.js?v=@MARK@\"></script>\n\
<script type=\"text/javascript\" src=\"/vpn/nsshare.js?v=@MARK@\"></script>\n\
<script type=\"text/javascript\" src=\"/vpn/login.js?v=@MARK@\"></script>\n</head>\n\
<body onload=\"ns_getcookie();\">\n<div id=\"rdx-body\">\n<form id=\"vpnForm\" name=\"vpnForm\" method=\"post\" action=\"/cgi/login\" autocomplete=\"off\">\n\
<div class=\"header\"><span class=\"product\">Citrix Gateway</span></div>\n<p id=\"explanation\">Please log on</p>\n\
<label for=\"Enter user name\">User name:</label><input type=\"text\" id=\"Enter user name\" name=\"login\" size=\"30\" maxlength=\"127\">\n\
<label for=\"passwd\">Password:</label><input type=\"password\" id=\"passwd\" name=\"passwd\" size=\"30\" maxlength=\"127\">\n\
<div id=\"eula\"><a href=\"/logon/themes/Default/EULA.html\" id=\"eulaLink\">Terms of Service</a></div>\n\
<input type=\"submit\" id=\"Log_On\" value=\"Log On\" class=\"custombutton\">\n</form>\n</div>\n\
<noscript>JavaScript is either disabled in or not supported by the Web browser. To continue logon, use a Web browser that supports JavaScript or enable JavaScript in your current browser.</noscript>\n\
</body>\n</html>\n";

const VIEW: &str =
    "(function ($) {\n\tctxsGateway = { view: 'login', action: '/cgi/login', method: 'POST' };\n})(jQuery);\n";
