//! The rules as text: what iptables-restore reads.

use std::collections::BTreeSet;
use std::fmt;

use super::routes::Routes;
use super::tool::RESTORE_OPTIONS;
use super::{
    CHAIN_KEEP, CHAIN_NAT, CHAIN_NEW, CHAIN_OUT, CHAIN_UNTRACKED, Family, Host, KernelPath, Plan, PlanError, Table,
    template,
};
use crate::engine::Course;

const TEMPLATE: &str = include_str!("../../iptables/rules.template");

/// Ports that one `multiport` match takes (XT_MULTI_PORTS of `linux/netfilter/xt_multiport.h`).
const MULTIPORT_MAX: usize = 15;

/// Packets of connections that others opened.
const ORIGINAL: &str = "-m conntrack --ctdir ORIGINAL";
/// Those of connections that were answered.
const ESTABLISHED: &str = "-m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL";
/// Packets for which there is a socket of the transparent listener's.
const SOCKET: &str = "-m socket --transparent";

/// ICMP errors about a datagram (RFC 792): destination unreachable, time exceeded, parameter problem.
const ICMP_ERRORS: [u8; 3] = [3, 11, 12];
/// ICMPv6 errors (RFC 4443, section 2.1): destination unreachable, packet too big, time exceeded, parameter problem.
const ICMPV6_ERRORS: [u8; 4] = [1, 2, 3, 4];
const ICMP_ECHO_REQUEST: u8 = 8;
const ICMPV6_ECHO_REQUEST: u8 = 128;
const ICMP_UNREACHABLE: u8 = 3;
const ICMPV6_UNREACHABLE: u8 = 1;

/// Rules for iptables-restore, one text a family, and the routes that they lead to. `Display` prints the commands that [`super::apply`] runs, ready for a
/// shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSetText {
    texts: Vec<(Family, String)>,
    routes: Vec<Routes>,
}

impl RuleSetText {
    /// The families and what each one's iptables-restore reads.
    pub fn texts(&self) -> impl Iterator<Item = (Family, &str)> {
        self.texts.iter().map(|(family, text)| (*family, text.as_str()))
    }

    /// Whether connections are brought to a transparent listener.
    pub fn uses_tproxy(&self) -> bool {
        self.texts.iter().any(|(_, text)| text.contains("-j TPROXY"))
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = &Routes> {
        self.routes.iter()
    }
}

impl fmt::Display for RuleSetText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for routes in self.routes() {
            f.write_str(&routes.command())?;
        }
        for (family, text) in self.texts() {
            writeln!(f, "{}-restore {} <<'EOF'\n{text}EOF", family.program(), RESTORE_OPTIONS.join(" "))?;
        }
        Ok(())
    }
}

/// Makes the rules for every family that `host` can take.
///
/// # Errors
/// The plan has no interface, a name that is none, or queue numbers that do not exist.
pub fn build(plan: &Plan, host: &Host) -> Result<RuleSetText, PlanError> {
    plan.validate()?;
    let queues = [plan.queues.option()?, plan.queues.first_packets()?.option()?];
    let texts = host.families.iter().map(|&family| (family, text(plan, host, family, &queues))).collect();
    let routes = host.families.iter().filter_map(|&family| Routes::of(plan, family)).collect();
    Ok(RuleSetText { texts, routes })
}

fn text(plan: &Plan, host: &Host, family: Family, [queue, first_queue]: &[String; 2]) -> String {
    let marker = |table| when(host.new_tables.contains(&(family, table)), CHAIN_NEW);
    let icmp = inbound_icmp(plan, family);
    let unreachable = when(plan.outbound.unreachable, unreachable_type(family).to_string());
    let (icmp, icmpv6, unreachable, unreachable_v6) = match family {
        Family::V4 => (icmp, Vec::new(), unreachable, Vec::new()),
        Family::V6 => (Vec::new(), icmp, Vec::new(), unreachable),
    };
    let captured: Vec<String> = plan.captured(family).iter().map(ToString::to_string).collect();
    let path = plan.kernel.as_ref();
    let mark = |course| path.map(|path| path.mark(course));
    let redirect = path.and_then(|path| path.redirect);
    let redirected = mark(Course::Redirect).filter(|_| redirect.is_some());
    let routed = path.is_some_and(|path| path.route.is_some());
    let listener = path.and_then(|path| Some((path, path.listener?)));
    let nowhere = listener.map(|(path, _)| target(path, path.closed, family));
    let listener = listener.map(|(path, port)| target(path, port, family));
    let tracked = |extension: &str| vec![if plan.own_udp.is_none() { extension.to_owned() } else { String::new() }];
    let values = [
        ("keep", when(path.is_some(), CHAIN_KEEP)),
        ("mask", path.map(|path| format!("{:#x}", path.marks.mask())).into_iter().collect()),
        ("left", mark(Course::Pass).into_iter().chain(redirected.clone()).collect()),
        ("passed", mark(Course::Pass).into_iter().collect()),
        ("settle", when(listener.is_some(), CHAIN_OUT)),
        ("redirected", redirected.into_iter().collect()),
        ("redirect_chain", when(redirect.is_some(), CHAIN_NAT)),
        ("redirect_port", redirect.map(|port| port.to_string()).into_iter().collect()),
        ("carried", mark(Course::Transparent).filter(|_| listener.is_some()).into_iter().collect()),
        ("listener", listener.into_iter().collect()),
        ("nowhere", nowhere.into_iter().collect()),
        ("interface", plan.interfaces.clone()),
        ("socket", when(routed, SOCKET)),
        ("routed", if routed { captured.clone() } else { Vec::new() }),
        ("tracked_routed", if routed && plan.conntrack { captured.clone() } else { Vec::new() }),
        ("capture", if plan.conntrack { captured.clone() } else { Vec::new() }),
        ("stateless", when(!plan.conntrack && !captured.is_empty(), CHAIN_UNTRACKED)),
        ("untracked", if plan.conntrack { Vec::new() } else { captured }),
        ("queue", vec![queue.clone()]),
        ("answered_queue", when(plan.own_udp.is_none(), queue)),
        ("first_queue", vec![first_queue.clone()]),
        ("tracked", tracked(ORIGINAL)),
        ("established", tracked(ESTABLISHED)),
        ("own_udp", plan.own_udp.map(|(first, last)| format!("{first}:{last}")).into_iter().collect()),
        ("new_mangle", marker(Table::Mangle)),
        ("new_raw", marker(Table::Raw)),
        ("new_nat", if redirect.is_some() { marker(Table::Nat) } else { Vec::new() }),
        ("exempt_tcp", multiport(&plan.exempt.tcp)),
        ("exempt_udp", multiport(&plan.exempt.udp)),
        ("tcp", when(plan.inbound.tcp, "tcp")),
        ("stray_tcp", when(plan.inbound.tcp && plan.own_udp.is_none(), "tcp")),
        ("udp", when(plan.inbound.udp, "udp")),
        ("icmp", icmp),
        ("icmpv6", icmpv6),
        (
            "only_answer_tcp",
            if plan.outbound.ports.tcp.len() == 1 { each(&plan.outbound.ports.tcp) } else { Vec::new() },
        ),
        ("answer_tcp", each(&plan.outbound.ports.tcp)),
        ("answer_udp", each(&plan.outbound.ports.udp)),
        ("unreachable", unreachable),
        ("unreachable_v6", unreachable_v6),
    ];
    template::expand(TEMPLATE, &values)
}

/// Where TPROXY brings connections: a port, and an address unless the listener has a wildcard.
fn target(path: &KernelPath, port: u16, family: Family) -> String {
    let address = path.addresses.iter().find(|address| address.is_ipv4() == (family == Family::V4));
    match address {
        Some(address) => format!("--on-port {port} --on-ip {address}"),
        None => format!("--on-port {port}"),
    }
}

fn when(wanted: bool, value: impl Into<String>) -> Vec<String> {
    if wanted { vec![value.into()] } else { Vec::new() }
}

/// The types that are diverted on their way in, errors first.
fn inbound_icmp(plan: &Plan, family: Family) -> Vec<String> {
    let (errors, echo, echo_wanted) = match family {
        Family::V4 => (&ICMP_ERRORS[..], ICMP_ECHO_REQUEST, plan.inbound.icmp_echo),
        Family::V6 => (&ICMPV6_ERRORS[..], ICMPV6_ECHO_REQUEST, plan.inbound.icmpv6_echo),
    };
    let errors = if plan.inbound.tcp || plan.inbound.udp { errors } else { &[] };
    errors.iter().chain(echo_wanted.then_some(&echo)).map(u8::to_string).collect()
}

const fn unreachable_type(family: Family) -> u8 {
    match family {
        Family::V4 => ICMP_UNREACHABLE,
        Family::V6 => ICMPV6_UNREACHABLE,
    }
}

fn each(ports: &BTreeSet<u16>) -> Vec<String> {
    ports.iter().map(u16::to_string).collect()
}

/// Port lists for `multiport`, each within its limit.
fn multiport(ports: &BTreeSet<u16>) -> Vec<String> {
    each(ports).chunks(MULTIPORT_MAX).map(|chunk| chunk.join(",")).collect()
}

#[cfg(test)]
mod tests;
