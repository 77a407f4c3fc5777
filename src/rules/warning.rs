//! What is right in form and probably not meant: rules that never match, handlers that do not exist, proxies into the sensor.

use std::fmt;
use std::net::IpAddr;

use super::near::nearest;
use super::rule::{Action, ProxyTarget, Rule};
use super::set::RuleSet;
use crate::flow::Transport;

/// Something about a rule that the operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The rule file as the operator named it; empty for rules that come from no file.
    pub file: String,
    /// Line of the rule, from 1; `None` for rules that come from no file.
    pub line: Option<usize>,
    /// Position of the rule, from 0.
    pub position: usize,
    /// What it is about.
    pub kind: WarningKind,
    /// Cause and mend, in one line.
    pub message: String,
}

/// What a [`Warning`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WarningKind {
    /// An earlier rule takes every packet that this one would.
    NeverMatches,
    /// No handler has this name.
    UnknownHandler,
    /// The proxy would connect to this sensor's own handler server.
    ProxyIntoSelf,
    /// `proxy_ssh` relays, but does not see into the session.
    SshStaysEncrypted,
    /// A handler or proxy for packets that carry no session.
    NoSession,
    /// The rule type has no use for the target.
    TargetIgnored,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: warning: {}", self.file, self.message),
            None => write!(f, "warning: {}", self.message),
        }
    }
}

impl RuleSet {
    /// Warnings about the rules, in their order. `handlers` are the names of the handlers that exist, `server_ports` the ports
    /// of this sensor's handler server.
    pub fn warnings(&self, handlers: &[&str], server_ports: &[u16]) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = Vec::new();
        for rule in self.rules() {
            let found = [
                unknown_handler(rule, handlers),
                proxy_into_self(rule, server_ports),
                ssh_stays_encrypted(rule),
                no_session(rule),
                self.target_ignored(rule),
            ];
            let found = found.into_iter().flatten();
            warnings.extend(found.map(|(kind, message)| self.warning(rule, kind, &message)));
        }
        warnings
    }

    fn warning(&self, rule: &Rule, kind: WarningKind, message: &str) -> Warning {
        let origin = self.origin();
        Warning {
            file: origin.file.clone(),
            line: origin.lines.get(rule.position).copied(),
            position: rule.position,
            kind,
            message: format!("rule `{}` {message}", rule.name),
        }
    }

    fn target_ignored(&self, rule: &Rule) -> Option<Finding> {
        let is_ignored = self.origin().ignored_targets.binary_search(&rule.position).is_ok();
        is_ignored.then(|| {
            let message = format!("has a target, which `{}` does not use; remove it", rule.action.kind());
            (WarningKind::TargetIgnored, message)
        })
    }
}

/// What was found, and how the sentence about the rule goes on.
type Finding = (WarningKind, String);

fn unknown_handler(rule: &Rule, handlers: &[&str]) -> Option<Finding> {
    let Action::Handler(name) = &rule.action else {
        return None;
    };
    if handlers.contains(&name.as_str()) {
        return None;
    }
    let mend = match nearest(name, handlers.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", handlers.join(", ")),
    };
    Some((WarningKind::UnknownHandler, format!("names the handler `{name}`, which does not exist; {mend}")))
}

fn proxy_into_self(rule: &Rule, server_ports: &[u16]) -> Option<Finding> {
    let (Action::Proxy(target) | Action::ProxySsh(target)) = &rule.action else {
        return None;
    };
    let ProxyTarget::Tcp { host, port } = target else {
        return None;
    };
    let is_local = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        });
    (is_local && server_ports.contains(port)).then(|| {
        let message =
            format!("relays to port {port} of this host, where the sensor itself listens; name another target");
        (WarningKind::ProxyIntoSelf, message)
    })
}

fn ssh_stays_encrypted(rule: &Rule) -> Option<Finding> {
    matches!(rule.action, Action::ProxySsh(_)).then(|| {
        let message = "relays SSH without seeing into it: the record holds the encrypted session".to_owned();
        (WarningKind::SshStaysEncrypted, message)
    })
}

fn no_session(rule: &Rule) -> Option<Finding> {
    let carriers: &[Transport] = match rule.action {
        Action::Handler(_) => &[Transport::Tcp, Transport::Udp],
        Action::Proxy(_) | Action::ProxySsh(_) => &[Transport::Tcp],
        _ => return None,
    };
    let protocols = rule.filter.constraints().protocols?;
    if carriers.iter().any(|transport| protocols.contains(&(*transport as u8))) {
        return None;
    }
    let names: Vec<&str> = carriers.iter().map(|transport| transport.as_str()).collect();
    let message =
        format!("can match neither packet that `{}` could use: it needs {}", rule.action.kind(), names.join(" or "));
    Some((WarningKind::NoSession, message))
}
