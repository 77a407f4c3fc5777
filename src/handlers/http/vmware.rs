//! A VMware ESX host: its SOAP service on `/sdk`, and the `hyper/send` probes. What they name is recorded, never dialled.

use data_encoding::HEXUPPER;
use serde_json::Value;

use super::super::{Context, Persona};
use super::answer::Answer;
use super::ask::Ask;
use super::face::{Face, escaped};
use super::family::Family;
use super::site::draw;
use crate::clock::Timestamp;
use crate::events::Event;

/// Words of a `hyper/send` body that are looked at.
const MAX_WORDS: usize = 64;

/// The host.
pub(super) struct Vmware {
    version: &'static str,
    build: &'static str,
    uuid: String,
}

impl Vmware {
    pub(super) fn new(persona: &Persona) -> Self {
        let releases =
            [("4.0.0", "164009"), ("4.0.0", "208167"), ("4.0.0", "261974"), ("4.1.0", "260247"), ("4.1.0", "348481")];
        let (version, build) = draw(&mut persona.random("http vmware"), &releases);
        Self { version, build, uuid: HEXUPPER.encode(&persona.guid()) }
    }

    /// The `RetrieveServiceContent` answer (vSphere Web Services, ServiceContent).
    fn service_content(&self, schema: &str) -> String {
        let Self { version, build, uuid } = self;
        envelope(&format!(
            "<RetrieveServiceContentResponse xmlns=\"{schema}\"><returnval>\
             <rootFolder type=\"Folder\">ha-folder-root</rootFolder><propertyCollector type=\"PropertyCollector\">ha-property-collector</propertyCollector>\
             <viewManager type=\"ViewManager\">ViewManager</viewManager><about><name>VMware ESX</name>\
             <fullName>VMware ESX {version} build-{build}</fullName><vendor>VMware, Inc.</vendor><version>{version}</version><build>{build}</build>\
             <localeVersion>INTL</localeVersion><localeBuild>000</localeBuild><osType>vmnix-x86</osType><productLineId>esx</productLineId>\
             <apiType>HostAgent</apiType><apiVersion>{version}</apiVersion><instanceUuid>{uuid}</instanceUuid>\
             <licenseProductName>VMware ESX Server</licenseProductName><licenseProductVersion>4.0</licenseProductVersion></about>\
             <setting type=\"OptionManager\">HostAgentSettings</setting><userDirectory type=\"UserDirectory\">ha-user-directory</userDirectory>\
             <sessionManager type=\"SessionManager\">ha-sessionmgr</sessionManager></returnval></RetrieveServiceContentResponse>"
        ))
    }

    /// The file that CVE-2009-3733 is tried with: a host's virtual machines.
    fn inventory(&self) -> Answer {
        let Self { uuid, .. } = self;
        let volume = uuid.get(..8).unwrap_or_default().to_ascii_lowercase();
        let machines = ["dc01", "files"].iter().zip([16, 32]).enumerate().map(|(at, (name, id))| {
            format!(
                "  <ConfigEntry id=\"{at:04}\">\n    <objID>{id}</objID>\n    <vmxCfgPath>/vmfs/volumes/{volume}/{name}/{name}.vmx</vmxCfgPath>\n  </ConfigEntry>\n"
            )
        });
        Answer::new(200, "text/xml", format!("<ConfigRoot>\n{}</ConfigRoot>\n", machines.collect::<String>()))
            .decoded("vulnerability", "CVE-2009-3733")
    }

    /// A fault of this kind (vSphere Web Services, MethodFault).
    fn fault(reason: &str, kind: &str, schema: &str, detail: &str) -> Answer {
        Answer::new(
            500,
            "text/xml; charset=utf-8",
            envelope(&format!(
                "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{reason}</faultstring>\
                 <detail><{kind}Fault xmlns=\"{schema}\" xsi:type=\"{kind}\">{detail}</{kind}Fault></detail></soapenv:Fault>"
            )),
        )
    }

    fn soap(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        let body = String::from_utf8_lossy(ask.body);
        let method = soap_method(&body);
        // The answer is in the schema that the question is in.
        let schema = if body.contains("\"urn:vim25\"") { "urn:vim25" } else { SCHEMA };
        let answer = match method {
            "RetrieveServiceContent" | "" => Answer::new(200, "text/xml; charset=utf-8", self.service_content(schema)),
            "CurrentTime" => Answer::new(
                200,
                "text/xml; charset=utf-8",
                envelope(&format!(
                    "<CurrentTimeResponse xmlns=\"{schema}\"><returnval>{}</returnval></CurrentTimeResponse>",
                    zulu(cx.now())
                )),
            ),
            "Login" => {
                let of = |name| element(&body, name).unwrap_or_default();
                let event = Event::new("login", format!("login {} refused", of("userName")));
                cx.event(
                    event.with("username", of("userName")).with("password", of("password")).with("success", false),
                );
                let reason = "Cannot complete login due to an incorrect user name or password.";
                Self::fault(reason, "InvalidLogin", schema, "")
            }
            _ => {
                let this = element_with_type(&body, "_this");
                let detail = this.map_or_else(String::new, |(kind, name)| {
                    format!(
                        "<object type=\"{}\">{}</object><privilegeId>System.View</privilegeId>",
                        escaped(kind),
                        escaped(name)
                    )
                });
                Self::fault("The session is not authenticated.", "NotAuthenticated", schema, &detail)
            }
        };
        answer.header("Cache-Control", "no-cache").decoded("soap_method", method)
    }

    /// The probe names a host and a port in its tenth and eleventh word.
    fn hyper_send(ask: &Ask<'_>) -> Answer {
        let body = String::from_utf8_lossy(ask.body);
        let words: Vec<&str> = body.split_whitespace().take(MAX_WORDS).collect();
        let named = words.get(9).zip(words.get(10)).map(|(host, port)| Value::from(format!("{host}:{port}")));
        Answer::new(200, "text/plain", "").decoded("probe", "hyper/send").decoded("callback", named)
    }
}

impl Family for Vmware {
    fn name(&self) -> &'static str {
        "vmware"
    }

    fn claims(&self, ask: &Ask<'_>) -> bool {
        ask.raw_path.contains("hyper/send") || ask.raw_path == "/sdk" || ask.raw_path.starts_with("/sdk/")
    }

    fn is_everywhere(&self, ask: &Ask<'_>) -> bool {
        ask.raw_path.contains("hyper/send")
    }

    fn face(&self) -> Option<&Face> {
        Some(&Face::Esx)
    }

    fn answer(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        let path = ask.raw_path;
        if path.contains("hyper/send") {
            return Some(Self::hyper_send(ask));
        }
        match path {
            "/sdk" | "/sdk/" if ask.is("POST") => Some(self.soap(cx, ask)),
            "/sdk" | "/sdk/" if ask.is("GET") => {
                Some(Answer::new(200, "text/xml; charset=utf-8", self.service_content(SCHEMA)))
            }
            "/" if ask.is("GET") && ask.secure => Some(Answer::new(200, "text/html", WELCOME)),
            "/" if ask.is("GET") => {
                let address = cx.session().dialled.ip().to_string();
                let host = if ask.host.is_empty() { &address } else { ask.host_name() };
                let to = format!("https://{host}/");
                Some(
                    Answer::new(301, "text/html", "<HTML><BODY><H1>301 Moved Permanently</H1></BODY></HTML>")
                        .header("Location", to),
                )
            }
            _ if ask.is("GET") && path.ends_with("/etc/vmware/hostd/vmInventory.xml") && is_climbing(path) => {
                Some(self.inventory())
            }
            "/sdk/vimServiceVersions.xml" if ask.is("GET") => Some(Answer::new(
                200,
                "text/xml",
                "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<namespaces version=\"1.0\">\n <namespace>\n  <name>urn:vim25</name>\n  \
                 <version>4.1</version>\n  <priorVersions>\n   <version>4.0</version>\n   <version>2.5u2</version>\n  </priorVersions>\n </namespace>\n</namespaces>\n",
            )),
            _ => None,
        }
    }

    fn is_strict(&self) -> bool {
        false
    }
}

/// The schema of the oldest clients, and of those that name none.
const SCHEMA: &str = "urn:internalvim25";

/// The page that a browser meets: its words come from a script.
const WELCOME: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\" xml:lang=\"en\">\n<head>\n\
<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\" />\n\
<script type=\"text/javascript\" src=\"en/welcomeRes.js\"></script>\n\
<script type=\"text/javascript\">\ndocument.write(\"<title>\" + ID_ESX_Welcome + \"</title>\");\n</script>\n\
<link type=\"text/css\" rel=\"stylesheet\" href=\"default.css\" />\n</head>\n<body>\n<div id=\"main\">\n\
<script type=\"text/javascript\">\ndocument.write(\"<h1>\" + ID_ESX_Welcome + \"</h1>\");\n</script>\n\
<a href=\"/folder\"><script type=\"text/javascript\">document.write(ID_BrowseDatastore);</script></a>\n\
</div>\n</body>\n</html>\n";

/// A SOAP message.
fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
         <soapenv:Body>\n{body}\n</soapenv:Body>\n</soapenv:Envelope>"
    )
}

/// The time as XML has it, in microseconds.
fn zulu(now: Timestamp) -> String {
    let micros = i64::try_from(now.as_micros()).unwrap_or(0);
    jiff::Timestamp::from_microsecond(micros).map(|time| format!("{time:.6}")).unwrap_or_default()
}

/// The `type` and the text of the first element of this name.
fn element_with_type<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (_, rest) = text.split_once(&format!("<{name} "))?;
    let (attributes, rest) = rest.split_once('>')?;
    let (_, kind) = attributes.split_once("type=\"")?;
    Some((kind.split('"').next()?, rest.split('<').next()?))
}

/// The path leaves its directory, by either spelling.
fn is_climbing(path: &str) -> bool {
    path.contains("/../") || path.to_ascii_lowercase().contains("/%2e%2e/")
}

/// The name of the first element in the SOAP body, without its prefix.
fn soap_method(text: &str) -> &str {
    let Some((_, body)) = text.split_once("Body") else { return "" };
    let Some((_, element)) = body.split_once('>').and_then(|(_, content)| content.split_once('<')) else { return "" };
    let name = element.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next().unwrap_or_default();
    name.rsplit(':').next().unwrap_or_default()
}

/// The text of the first element of this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("{name}>"))?;
    rest.split_once("</").map(|(content, _)| content)
}
