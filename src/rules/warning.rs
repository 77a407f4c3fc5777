//! What is right in form and probably not meant: rules that never match, handlers that do not exist, proxies into the sensor.

use std::fmt;
use std::net::IpAddr;

use super::filter::{Constraints, Filter};
use super::rule::{Action, ProxyTarget, Rule};
use super::set::RuleSet;
use crate::flow::Transport;
use crate::near::nearest;

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
    /// The port of the operator's own SSH is diverted, and this rule takes it.
    CutsOffSsh,
    /// `proxy_ssh` relays, but does not see into the session.
    SshStaysEncrypted,
    /// A handler or proxy for packets that carry no session.
    NoSession,
    /// The rule type has no use for the target.
    TargetIgnored,
}

impl WarningKind {
    /// The word in `check --json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverMatches => "never_matches",
            Self::UnknownHandler => "unknown_handler",
            Self::ProxyIntoSelf => "proxy_into_self",
            Self::CutsOffSsh => "cuts_off_ssh",
            Self::SshStaysEncrypted => "ssh_stays_encrypted",
            Self::NoSession => "no_session",
            Self::TargetIgnored => "target_ignored",
        }
    }
}

/// What rules are judged by, besides themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// Names of the handlers that exist.
    pub handlers: &'a [&'a str],
    /// Ports of this sensor's handler server.
    pub server_ports: &'a [u16],
    /// Addresses of this host.
    pub addresses: &'a [IpAddr],
    /// Port of the SSH connection that the operator works over.
    pub ssh_port: Option<u16>,
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
    /// Warnings about the rules, in their order.
    pub fn warnings(&self, surroundings: &Surroundings<'_>) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = Vec::new();
        let cuts_off_ssh = surroundings.ssh_port.and_then(|port| Some((self.first_to_take_ssh(port)?, port)));
        for (rule, filter) in self.with_filters() {
            let found = [
                self.never_matches(rule, filter),
                unknown_handler(rule, surroundings.handlers),
                proxy_into_self(rule, surroundings),
                cuts_off_ssh.filter(|(position, _)| *position == rule.position).map(|(_, port)| takes_ssh(port)),
                ssh_stays_encrypted(rule),
                no_session(rule, filter),
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

    /// The position of the rule that takes the operator's SSH away. Nobody does while no rule names the port: it is exempt then. A rule that
    /// passes some of it shows that the operator has thought of it.
    fn first_to_take_ssh(&self, port: u16) -> Option<usize> {
        if !self.names_dst_port(Transport::Tcp, port) {
            return None;
        }
        let fits = |constraints: &Constraints| {
            let Constraints { protocols, dst_ports, .. } = constraints;
            protocols.as_ref().is_none_or(|numbers| numbers.contains(&(Transport::Tcp as u8)))
                && dst_ports.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(&port)))
        };
        let (first, _) = self.with_filters().find(|(_, filter)| filter.alternatives().iter().any(fits))?;
        (first.action != Action::Pass).then_some(first.position)
    }

    /// The first earlier rule that takes all that this one would. Only rules that the index holds for candidates are compared.
    fn never_matches(&self, rule: &Rule, filter: &Filter) -> Option<Finding> {
        let mut earlier = self.earlier_candidates(rule.position, filter);
        let (earlier, _) = earlier.find(|(_, earlier)| earlier.takes_all_of(filter))?;
        let line = self.origin().lines.get(earlier.position).map(|line| format!(" in line {line}")).unwrap_or_default();
        let message =
            format!("can never match: rule `{}`{line} takes all that it would; move it up or remove it", earlier.name);
        Some((WarningKind::NeverMatches, message))
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

fn takes_ssh(port: u16) -> Finding {
    let message = format!(
        "takes port {port}, over which you are logged in by SSH: the next login fails; put `match: tcp dst port {port}` with \
         `type: pass` before it, or let sshd listen elsewhere"
    );
    (WarningKind::CutsOffSsh, message)
}

fn proxy_into_self(rule: &Rule, surroundings: &Surroundings<'_>) -> Option<Finding> {
    let (Action::Proxy(target) | Action::ProxySsh(target)) = &rule.action else {
        return None;
    };
    let ProxyTarget::Tcp { host, port } = target else {
        return None;
    };
    let is_local = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified() || surroundings.addresses.contains(&address)
        });
    (is_local && surroundings.server_ports.contains(port)).then(|| {
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

fn no_session(rule: &Rule, filter: &Filter) -> Option<Finding> {
    let carriers: &[Transport] = match rule.action {
        Action::Handler(_) => &[Transport::Tcp, Transport::Udp],
        Action::Proxy(_) | Action::ProxySsh(_) => &[Transport::Tcp],
        _ => return None,
    };
    let protocols = filter.constraints().protocols?;
    if carriers.iter().any(|transport| protocols.contains(&(*transport as u8))) {
        return None;
    }
    let names: Vec<&str> = carriers.iter().map(|transport| transport.as_str()).collect();
    let message =
        format!("can match neither packet that `{}` could use: it needs {}", rule.action.kind(), names.join(" or "));
    Some((WarningKind::NoSession, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind and line of every warning about these rules, given as the lines of a YAML list.
    fn warnings(rules: &str) -> Vec<(WarningKind, usize)> {
        let set =
            RuleSet::from_yaml(&format!("rules:\n{rules}"), "rules.yml").unwrap_or_else(|errors| panic!("{errors}"));
        let warnings = set.warnings(&Surroundings {
            handlers: &["tcp", "udp", "telnet", "log_tcp"],
            server_ports: &[5000, 5001],
            addresses: &["192.0.2.5".parse().unwrap(), "2001:db8::5".parse().unwrap()],
            ssh_port: Some(2222),
        });
        warnings.iter().map(|warning| (warning.kind, warning.line.unwrap())).collect()
    }

    #[test]
    fn a_rule_after_one_that_takes_everything_can_never_match() {
        let rules = "- type: pass\n- match: tcp\n  type: drop\n- match: icmp\n  type: drop\n";
        assert_eq!(warnings(rules), [(WarningKind::NeverMatches, 3), (WarningKind::NeverMatches, 5)]);
    }

    #[test]
    fn a_rule_that_an_earlier_one_takes_whole_can_never_match() {
        let rules = "- match: tcp\n  type: log_tcp\n\
                     - match: tcp dst port 22 or tcp port 2202\n  type: drop\n\
                     - match: udp\n  type: drop\n\
                     - match: udp and host 10.0.0.1\n  type: pass\n";
        assert_eq!(warnings(rules), [(WarningKind::NeverMatches, 4), (WarningKind::NeverMatches, 8)]);
    }

    #[test]
    fn a_rule_that_matches_something_of_its_own_is_not_warned_about() {
        let rules = "- match: tcp dst port 23 or port 2323\n  type: log_tcp\n\
                     - match: tcp port 23\n  type: drop\n\
                     - match: tcp and not dst port 22\n  type: drop\n\
                     - match: tcp\n  type: pass\n- type: drop\n";
        assert_eq!(warnings(rules), []);
    }

    #[test]
    fn an_unknown_handler_is_named_with_its_neighbours() {
        let set = RuleSet::from_yaml("rules:\n- type: handler\n  target: tlenet\n  name: t\n", "rules.yml").unwrap();
        let warnings = set.warnings(&Surroundings { handlers: &["tcp", "telnet"], ..Surroundings::default() });
        assert_eq!(
            warnings[0].to_string(),
            "rules.yml:2: warning: rule `t` names the handler `tlenet`, which does not exist; did you mean `telnet`?"
        );
    }

    #[test]
    fn proxies_that_cannot_do_what_they_say_are_warned_about() {
        let proxy = |target: &str| warnings(&format!("- match: tcp\n  type: proxy\n  target: {target}\n"));
        for target in [
            "127.0.0.1:5000",
            "localhost:5001",
            "'[::1]:5000'",
            "0.0.0.0:5000",
            "192.0.2.5:5000",
            "'[2001:db8::5]:5001'",
        ] {
            assert_eq!(proxy(target), [(WarningKind::ProxyIntoSelf, 2)], "{target}");
        }
        assert_eq!(proxy("127.0.0.1:22"), []);
        assert_eq!(proxy("10.0.0.1:5000"), []);
        let ssh = "- match: tcp\n  type: proxy_ssh\n  target: 10.0.0.1:22\n";
        assert_eq!(warnings(ssh), [(WarningKind::SshStaysEncrypted, 2)]);
    }

    #[test]
    fn a_rule_that_takes_the_operators_ssh_is_warned_about_once() {
        let handler = |filter: &str| format!("- match: {filter}\n  type: handler\n  target: tcp\n");
        let pass = "- match: src net 198.51.100.0/24 and tcp dst port 2222\n  type: pass\n";
        assert_eq!(warnings(&handler("tcp")), [], "a port that no rule names is exempt");
        assert_eq!(warnings(&handler("tcp dst portrange 1-65535")), [], "a range names no port");
        assert_eq!(warnings(&handler("tcp dst port 2222")), [(WarningKind::CutsOffSsh, 2)]);
        let both = handler("tcp dst port 23") + &handler("tcp dst port 22 or port 2222") + &handler("tcp");
        assert_eq!(warnings(&both), [(WarningKind::CutsOffSsh, 5)]);
        assert_eq!(warnings(&(pass.to_owned() + &both)), [], "who passes some of it has thought of it");
        assert_eq!(warnings(&handler("udp dst port 2222")), []);
    }

    #[test]
    fn a_handler_without_a_session_is_warned_about() {
        let rules =
            "- match: icmp\n  type: handler\n  target: tcp\n- match: udp\n  type: proxy\n  target: 10.0.0.1:53\n";
        assert_eq!(warnings(rules), [(WarningKind::NoSession, 2), (WarningKind::NoSession, 5)]);
    }

    #[test]
    fn a_target_without_use_is_warned_about() {
        let rules = "- match: tcp\n  type: drop\n  target: bittorrent\n";
        assert_eq!(warnings(rules), [(WarningKind::TargetIgnored, 2)]);
    }

    #[test]
    fn warnings_about_ten_thousand_rules_take_moments() {
        let rules: String =
            (0..10_000).map(|n| format!("- match: tcp dst port {}\n  type: drop\n", 1 + n % 5_000)).collect();
        let start = std::time::Instant::now();
        assert_eq!(warnings(&rules).len(), 5_000 + 1, "half of them never match, and one takes the port of SSH");
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "took {:?}", start.elapsed());
    }
}
