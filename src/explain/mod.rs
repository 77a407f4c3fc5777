//! Which rule takes a packet, why each one before it does not, and what becomes of the packet.
//!
//! Owns the answer as data; refuses to print it. Every part of it comes from what decides live: the rules' own filters and index
//! say who takes the packet, an [`Engine`] of its own says what becomes of it.

mod build;
mod packet_text;
mod summary;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::clock::Timestamp;
use crate::config::Timeouts;
use crate::control::Counters;
use crate::engine::{Checksum, Engine, Hook, Meta, Settings, Verdict};
use crate::flow::{FlowEvent, FlowTable, Seed, Transport};
use crate::packet::{Malformed, Packet, Payload};
use crate::rules::filter::{Input, Mismatch};
use crate::rules::{Action, ProxyTarget, Rule, RuleSet, Scope};

pub use packet_text::{PacketTextError, packet_from_text};
pub use summary::summary;

/// One packet needs no more; the table splits them among its shards.
const MAX_FLOWS: usize = 64;

/// A rule that a packet went by.
#[derive(Debug, Clone)]
pub struct PassedOver {
    /// The rule.
    pub rule: Arc<Rule>,
    /// The parts of its filter that the packet does not match.
    pub why: Vec<Mismatch>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// To the host, untouched.
    Accepted,
    /// Away.
    Dropped,
    /// To this address and port of the host.
    Rewritten(SocketAddr),
}

/// Why rules did not have their way with a packet, or may not have it live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The headers contradict the bytes: such a packet is let through without asking a rule.
    Malformed(Malformed),
    /// No rule matches: the packet passes.
    Unmatched,
    /// A TCP packet that belongs to no flow and is no SYN opens none.
    Midstream,
    /// A fragment behind the first has no ports, so no flow.
    LaterFragment,
    /// An ICMP error goes the way of the flow that it quotes.
    IcmpError,
    /// Neither TCP, UDP nor an echo request: it has no flow.
    NoFlow,
    /// The port of the handler server itself, which is closed to the outside.
    OwnPort(u16),
    /// The rule has a limit or a sample: of many such packets it does not take all.
    Choosy,
    /// The configuration exempts the port and no rule names it: the kernel never diverts the packet.
    Exempt(u16),
    /// No rule names the port: where a service of the host listens on it, the kernel never diverts the packet.
    ExemptIfServed(u16),
}

/// The whole answer about one packet.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The packet in one line.
    pub packet: String,
    /// The rules before the one that takes it, or all; in order.
    pub passed_over: Vec<PassedOver>,
    /// The rule that takes it: the first that matches, unless a limit or sample leaves the packet to one behind it.
    pub rule: Option<Arc<Rule>>,
    /// What the engine does with it as the first packet from outside.
    pub fate: Fate,
    /// What else there is to know.
    pub notes: Vec<Note>,
}

/// What the answer rests on besides the packet.
#[derive(Debug, Clone, Copy)]
pub struct Sensor<'a> {
    /// The rules.
    pub rules: &'a Arc<RuleSet>,
    /// Ports of the engine.
    pub settings: Settings,
    /// Ports that the configuration exempts, host byte order.
    pub exempt_ports: &'a [u16],
}

/// Explains what becomes of a packet that comes from outside and is the first of its flow. `bytes` begin with the IP header; on
/// the wire the packet had `wire_len` of them.
pub fn explain(sensor: &Sensor<'_>, bytes: &[u8], wire_len: usize) -> Explanation {
    let input = Input::new(bytes, wire_len);
    let rules = sensor.rules;
    let hits = |rule: &Arc<Rule>| rule.hits.load(Relaxed);
    let before: Vec<(Arc<Rule>, u64)> = rules.matches(&input).map(|rule| (Arc::clone(rule), hits(rule))).collect();
    let (fate, opened) = decide(sensor, bytes);
    let taken = before.iter().find(|(rule, was)| {
        let has_opened = opened.as_ref().is_some_and(|opened| opened.position == rule.position);
        has_opened || (rule.scope == Scope::Packet && hits(rule) != *was)
    });
    // What opens no flow is taken by nobody; the first that matches is whose flow it would be.
    let would_take = before.iter().find(|(rule, _)| !rule.is_choosy());
    let rule = taken.or(would_take).map(|(rule, _)| Arc::clone(rule));
    let end = rule.as_ref().map_or(rules.rules().len(), |rule| rule.position);
    let passed_over = rules.rules().iter().take(end).map(|rule| PassedOver::new(rules, rule, &input)).collect();
    let notes = notes(sensor, bytes, rule.as_deref(), opened.as_deref());
    Explanation { packet: summary(bytes, wire_len), passed_over, notes, rule, fate }
}

impl PassedOver {
    fn new(rules: &RuleSet, rule: &Arc<Rule>, input: &Input<'_>) -> Self {
        let mut why = rules.filter(rule).map(|filter| filter.why_not(input)).unwrap_or_default();
        if why.is_empty() {
            let found = "it matches, and leaves this packet to the rules behind it (limit or sample)".to_owned();
            why.push(Mismatch { part: String::new(), found });
        }
        Self { rule: Arc::clone(rule), why }
    }
}

/// What the engine makes of the packet, and the rule that opened a flow for it.
fn decide(sensor: &Sensor<'_>, bytes: &[u8]) -> (Fate, Option<Arc<Rule>>) {
    let now = Timestamp::default();
    let flows = Arc::new(FlowTable::new(MAX_FLOWS, Timeouts::default(), Seed([0; 3]), now));
    let engine = Engine::new(Arc::clone(sensor.rules), flows, Arc::new(Counters::default()), sensor.settings);
    let meta = Meta { hook: Hook::In, checksum: Checksum::Ready, mark: 0, ifindex: 0 };
    let mut bytes = bytes.to_vec();
    let mut opened = None;
    let decision = engine.decide(&mut bytes, &meta, now, &mut |event| {
        if let FlowEvent::Opened { flow, .. } = event {
            opened = Some(flow.rule);
        }
    });
    let fate = match (decision.verdict, decision.rewritten.then(|| destination(&bytes)).flatten()) {
        (Verdict::Drop, _) => Fate::Dropped,
        (Verdict::Accept | Verdict::Repeat, Some(to)) => Fate::Rewritten(to),
        (Verdict::Accept | Verdict::Repeat, None) => Fate::Accepted,
    };
    (fate, opened)
}

fn destination(bytes: &[u8]) -> Option<SocketAddr> {
    let packet = Packet::parse(bytes).ok()?;
    let port = match packet.payload {
        Payload::Tcp(tcp) => tcp.dst_port,
        Payload::Udp { dst_port, .. } => dst_port,
        _ => 0,
    };
    Some(SocketAddr::new(packet.dst.into(), port))
}

fn notes(sensor: &Sensor<'_>, bytes: &[u8], rule: Option<&Rule>, opened: Option<&Rule>) -> Vec<Note> {
    let packet = match Packet::parse(bytes) {
        Ok(packet) => packet,
        Err(malformed) => return vec![Note::Malformed(malformed)],
    };
    let (transport, port) = match packet.payload {
        Payload::Tcp(tcp) => (Transport::Tcp, tcp.dst_port),
        Payload::Udp { dst_port, .. } => (Transport::Udp, dst_port),
        Payload::Echo { request: true, .. } => return rule.is_none().then_some(Note::Unmatched).into_iter().collect(),
        Payload::LaterFragment => return vec![Note::LaterFragment],
        Payload::IcmpError { .. } => return vec![Note::IcmpError],
        Payload::Echo { .. } | Payload::Other => return vec![Note::NoFlow],
    };
    let mut notes = Vec::new();
    let decided_alone = rule.is_some_and(|rule| rule.scope == Scope::Packet);
    if opened.is_some() && opened.map(|rule| rule.position) != rule.map(|rule| rule.position) {
        notes.push(Note::OwnPort(port));
    } else if let Payload::Tcp(tcp) = packet.payload
        && opened.is_none()
        && !decided_alone
        && !is_first(tcp.flags)
    {
        notes.push(Note::Midstream);
    } else if rule.is_none() {
        notes.push(Note::Unmatched);
    }
    if rule.is_some_and(Rule::is_choosy) {
        notes.push(Note::Choosy);
    }
    if !sensor.rules.names_dst_port(transport, port) {
        let exempt = sensor.exempt_ports.contains(&port);
        notes.push(if exempt { Note::Exempt(port) } else { Note::ExemptIfServed(port) });
    }
    notes
}

const fn is_first(flags: u8) -> bool {
    use crate::packet::tcp_flag::{ACK, FIN, RST, SYN};
    flags & (FIN | SYN | ACK | RST) == SYN
}

impl Explanation {
    /// What becomes of the packet, in a sentence without a subject.
    pub fn says(&self) -> String {
        let rule = self.rule.as_deref().filter(|_| !self.notes.iter().any(Note::overrules));
        match (self.fate, rule.map(|rule| &rule.action)) {
            (Fate::Accepted, _) => "passes to the host, untouched".to_owned(),
            (Fate::Dropped, Some(Action::Reject)) => {
                "is dropped: only a silent host can stand in for one that is not there".to_owned()
            }
            (Fate::Dropped, _) => "is dropped".to_owned(),
            (Fate::Rewritten(to), Some(Action::Handler(name))) => {
                format!("goes to handler `{name}`: rewritten to {to}")
            }
            (Fate::Rewritten(to), Some(Action::Proxy(target))) => {
                format!("is relayed to {}: rewritten to {to}", target_text(target))
            }
            (Fate::Rewritten(to), Some(Action::ProxySsh(target))) => {
                format!("is relayed to {} with SSH in the middle: rewritten to {to}", target_text(target))
            }
            (Fate::Rewritten(to), Some(Action::Rewrite { .. })) => format!("is rewritten to {to}"),
            (Fate::Rewritten(_), _) => "is rejected: it meets a closed port, and the host says so".to_owned(),
        }
    }
}

fn target_text(target: &ProxyTarget) -> String {
    match target {
        ProxyTarget::Tcp { host, port } if host.contains(':') => format!("tcp://[{host}]:{port}"),
        ProxyTarget::Tcp { host, port } => format!("tcp://{host}:{port}"),
        ProxyTarget::Docker { container, port } => format!("docker://{container}:{port}"),
    }
}

impl Note {
    /// Whether the matching rule is not what decided.
    const fn overrules(&self) -> bool {
        !matches!(self, Self::Choosy | Self::Exempt(_) | Self::ExemptIfServed(_))
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "the packet is malformed ({why}): it passes without asking a rule"),
            Self::Unmatched => f.write_str("no rule matches: what no rule takes passes"),
            Self::Midstream => f.write_str(
                "a TCP packet that is no SYN opens no flow: if it belongs to one, it shares that one's fate; the probe of a scan without SYN and ACK meets silence where a handler, a proxy or `drop` stands",
            ),
            Self::LaterFragment => f.write_str("a fragment that is not the first has no ports: it passes"),
            Self::IcmpError => f.write_str("an ICMP error passes, translated if it is about a translated flow"),
            Self::NoFlow => f.write_str("only TCP, UDP and echo requests have flows: anything else passes"),
            Self::OwnPort(port) => {
                write!(f, "port {port} is the handler server's own: from outside it is closed")
            }
            Self::Choosy => f.write_str(
                "the rule has a limit or a sample: of many such packets some fall through to the rules behind it",
            ),
            Self::Exempt(port) => {
                write!(f, "port {port} is in exempt_ports and no rule names it: live, its packets never come here")
            }
            Self::ExemptIfServed(port) => {
                write!(
                    f,
                    "no rule names port {port}: where a service of the host listens on it, its packets never come here"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
