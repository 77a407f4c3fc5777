//! A VMware ESX host: its SOAP service on `/sdk`, and the `hyper/send` probes. What they name is recorded, never dialled.

use data_encoding::HEXUPPER;
use serde_json::Value;

use super::super::{Context, Persona};
use super::answer::Answer;
use super::ask::Ask;
use super::face::escaped;
use super::family::Family;
use super::site::draw;
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
    fn service_content(&self) -> String {
        let Self { version, build, uuid } = self;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
             <soapenv:Body>\n<RetrieveServiceContentResponse xmlns=\"urn:internalvim25\"><returnval>\
             <rootFolder type=\"Folder\">ha-folder-root</rootFolder><propertyCollector type=\"PropertyCollector\">ha-property-collector</propertyCollector>\
             <viewManager type=\"ViewManager\">ViewManager</viewManager><about><name>VMware ESX</name>\
             <fullName>VMware ESX {version} build-{build}</fullName><vendor>VMware, Inc.</vendor><version>{version}</version><build>{build}</build>\
             <localeVersion>INTL</localeVersion><localeBuild>000</localeBuild><osType>vmnix-x86</osType><productLineId>esx</productLineId>\
             <apiType>HostAgent</apiType><apiVersion>{version}</apiVersion><instanceUuid>{uuid}</instanceUuid>\
             <licenseProductName>VMware ESX Server</licenseProductName><licenseProductVersion>4.0</licenseProductVersion></about>\
             <setting type=\"OptionManager\">HostAgentSettings</setting><userDirectory type=\"UserDirectory\">ha-user-directory</userDirectory>\
             <sessionManager type=\"SessionManager\">ha-sessionmgr</sessionManager></returnval></RetrieveServiceContentResponse>\n\
             </soapenv:Body>\n</soapenv:Envelope>\n"
        )
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

    fn fault(&self, reason: &str) -> Answer {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">\n<soapenv:Body>\n\
             <soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{}</faultstring></soapenv:Fault>\n\
             </soapenv:Body>\n</soapenv:Envelope>\n",
            escaped(reason)
        );
        Answer::new(500, "text/xml; charset=utf-8", body)
    }

    fn soap(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        let body = String::from_utf8_lossy(ask.body);
        let method = soap_method(&body);
        let answer = match method {
            "RetrieveServiceContent" | "" => Answer::new(200, "text/xml; charset=utf-8", self.service_content()),
            "Login" => {
                let of = |name| element(&body, name).unwrap_or_default();
                let event = Event::new("login", format!("login {} refused", of("userName")));
                cx.event(
                    event.with("username", of("userName")).with("password", of("password")).with("success", false),
                );
                self.fault("Cannot complete login due to an incorrect user name or password.")
            }
            _ => self.fault("The session is not authenticated."),
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

    fn answer(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        let path = ask.raw_path;
        if path.contains("hyper/send") {
            return Some(Self::hyper_send(ask));
        }
        match path {
            "/sdk" | "/sdk/" if ask.is("POST") => Some(self.soap(cx, ask)),
            "/sdk" | "/sdk/" if ask.is("GET") => {
                Some(Answer::new(200, "text/xml; charset=utf-8", self.service_content()))
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
