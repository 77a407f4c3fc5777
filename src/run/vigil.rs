//! Looking after what was installed: a sensor that another program has cut off must not go on in silence.

use std::collections::BTreeSet;

use log::{debug, warn};

use crate::firewall::{self, RuleSetText, Shown};
use crate::host;

/// What was there when it was installed, and what the operator has been told.
#[derive(Debug, Default)]
pub(super) struct Vigil {
    shown: Option<Shown>,
    /// Told already, and not over.
    trouble: Option<String>,
    gone: BTreeSet<String>,
}

impl Vigil {
    /// Takes note of what is there now, right after these rules were installed.
    pub(super) fn begin(&mut self, rules: &RuleSetText) {
        let shown = firewall::shown(rules);
        self.shown = shown.inspect_err(|error| warn!("the firewall rules are not looked after: {error}")).ok();
    }

    /// Nothing is installed any more.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Installs again what another program has taken out, and says so; once, if that goes on.
    pub(super) fn look(&mut self, rules: &RuleSetText, interfaces: &[String]) {
        let Some(before) = &self.shown else { return };
        let trouble = match firewall::shown(rules) {
            Ok(shown) if shown == *before => ineffective(rules, interfaces),
            Ok(_) => Some(self.restore(rules)),
            // A command that was killed or had to wait says nothing about the rules.
            Err(error) => return debug!("the firewall rules could not be looked at: {error}"),
        };
        if let Some(text) = trouble.as_ref().filter(|text| self.trouble.as_ref() != Some(*text)) {
            warn!("{text}");
        }
        self.trouble = trouble;
        interfaces.iter().for_each(|name| self.look_for(name));
    }

    fn restore(&mut self, rules: &RuleSetText) -> String {
        const WHY: &str = "another program has removed or changed the firewall rules of this sensor";
        match firewall::apply(rules) {
            Ok(()) => {
                self.begin(rules);
                format!("{WHY}: they are installed again, and looked after")
            }
            Err(error) => format!("{WHY}, and nothing is diverted: {error}"),
        }
    }

    /// Rules name interfaces: what has another name now is not diverted.
    fn look_for(&mut self, interface: &str) {
        match host::check_interface(interface) {
            Ok(()) if self.gone.remove(interface) => warn!("interface `{interface}` is back, and diverted"),
            Err(host::Error::NoInterface { .. }) if self.gone.insert(interface.to_owned()) => {
                warn!(
                    "interface `{interface}` is gone or has another name: nothing is diverted from it until it is back"
                );
            }
            _ => {}
        }
    }
}

/// Why rules that are there do not do what they are for.
fn ineffective(rules: &RuleSetText, interfaces: &[String]) -> Option<String> {
    let misrouted = firewall::check_routes(rules).err().map(|error| error.to_string());
    misrouted.or_else(|| {
        let bridge = rules.uses_tproxy().then(|| firewall::bridge_without_sockets(interfaces)).flatten()?;
        Some(format!("TPROXY does not work any more for what comes by the bridge {bridge} (net.bridge.bridge-nf-call-iptables is 1): start again"))
    })
}
