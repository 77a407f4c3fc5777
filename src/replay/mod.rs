//! A capture through the real engine, offline: what would these rules have made of that traffic?
//!
//! Owns the order of a replay, the directions of its packets and the accounts of its rules. Refuses I/O, clocks and randomness: the
//! capture's own time drives the engine and its seeds are constants, so the same capture and rules give the same bytes every time.
//!
//! A packet that a host of the capture sent is on its way out, any other is on its way in. An answer in a capture left from the port
//! that was dialled, where live it leaves from the port that the flow was rewritten to; so it is given the endpoints that our
//! server would have used before the engine sees it, and the engine puts the dialled ones back. What goes out is what the client
//! would have seen, and the flow goes through its states. An answer to what a rule drops is dropped, too: no host would have given
//! it. ICMP errors that a host sent about translated flows pass untouched.

mod account;
mod hosts;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::capture::{CapturedPacket, Record};
use crate::clock::Timestamp;
use crate::config::{self, Timeouts};
use crate::control::Counters;
use crate::engine::{Checksum, Decision, Engine, Hook, Meta, Settings};
use crate::flow::{Disposition, FlowEvent, FlowTable, Seed, Transport, Tuple};
use crate::packet::{Packet, Payload, rewrite};
use crate::rules::filter::Input;
use crate::rules::{Rule, RuleSet, Scope};

pub use account::{Account, Closed, Report};
use account::{Ledger, Taker};
pub use hosts::{GUESS_BYTES, Hosts, guess_hosts};

/// The same flows get the same place and the same alias in every replay.
const SEED: Seed = Seed([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0]);
/// Time of the capture between two looks at flows whose time has come, as live.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// What a replay rests on besides the capture.
#[derive(Debug)]
pub struct Options {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// Ports of the engine.
    pub settings: Settings,
    /// When silent flows end.
    pub timeouts: Timeouts,
    /// Bound of the flow table.
    pub max_flows: usize,
    /// The addresses of the sensor in the capture.
    pub hosts: Hosts,
}

/// A replay under way.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    rules: Arc<RuleSet>,
    counters: Arc<Counters>,
    hosts: Hosts,
    ledger: Ledger,
    now: Timestamp,
    housekept: Timestamp,
    /// The packet at hand, which the engine may change.
    bytes: Vec<u8>,
}

impl Replay {
    /// An engine without flows.
    pub fn new(options: Options) -> Self {
        let Options { rules, settings, timeouts, max_flows, hosts } = options;
        let counters = Arc::new(Counters::default());
        let flows = Arc::new(FlowTable::new(max_flows, timeouts, SEED, Timestamp::default()));
        Self {
            engine: Engine::new(Arc::clone(&rules), flows, Arc::clone(&counters), settings),
            ledger: Ledger::new(rules.rules().len()),
            rules,
            counters,
            hosts,
            now: Timestamp::default(),
            housekept: Timestamp::default(),
            bytes: Vec::new(),
        }
    }

    /// Limits what one source may open, as live.
    #[must_use]
    pub fn limiting_sources(self, config: &config::Engine) -> Self {
        Self { engine: self.engine.limiting_sources(config), ..self }
    }

    /// Takes the next record of the capture. The bytes of its packet as they go on; `None` if it is dropped, or no IP.
    pub fn record(&mut self, record: &Record<'_>) -> Option<&[u8]> {
        self.advance(record.time);
        let Some(packet) = record.packet else {
            self.ledger.not_ip += 1;
            return None;
        };
        let (taker, decision) = self.decide(&packet);
        self.ledger.enter(taker, packet.wire_len, &decision);
        (decision.verdict != crate::engine::Verdict::Drop).then_some(self.bytes.as_slice())
    }

    /// Ends all flows and closes the accounts.
    pub fn finish(mut self) -> Report {
        let ledger = &mut self.ledger;
        self.engine.flows().close_all(self.now, &mut |event| ledger.flow(&event));
        self.ledger.into_report(self.rules, &self.counters)
    }

    /// The clock follows the capture and never goes back, whatever order its packets have.
    fn advance(&mut self, time: Duration) {
        let time = Timestamp::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        self.now = self.now.max(time);
        if self.now.saturating_since(self.housekept) >= HOUSEKEEPING {
            self.housekept = self.now;
            let ledger = &mut self.ledger;
            self.engine.housekeeping(self.now, usize::MAX, &mut |event| ledger.flow(&event));
        }
    }

    fn decide(&mut self, captured: &CapturedPacket<'_>) -> (Taker, Decision) {
        self.bytes.clear();
        self.bytes.extend_from_slice(captured.bytes);
        if captured.bytes.len() < captured.wire_len {
            self.ledger.cut_short += 1;
        }
        let parsed = Packet::parse(&self.bytes).ok();
        let hook = match &parsed {
            Some(packet) if self.hosts.contain(packet.src) => Hook::Out,
            _ => Hook::In,
        };
        let dialled = parsed.as_ref().and_then(|packet| dialled(packet, hook));
        if let (Some(packet), Some(dialled), Hook::Out) = (&parsed, &dialled, hook) {
            self.as_our_server_sent_it(packet, dialled);
        }
        let meta = Meta { hook, checksum: Checksum::Ready, mark: 0, ifindex: 0 };
        let ledger = &mut self.ledger;
        let mut opened = None;
        let decision = self.engine.decide(&mut self.bytes, &meta, self.now, &mut |event| {
            ledger.flow(&event);
            if let FlowEvent::Opened { flow, .. } = event {
                opened = Some(flow.rule);
            }
        });
        let rules = self.rules.rules().len();
        let alone =
            parsed.filter(|_| hook == Hook::In && !decision.rewritten).and_then(|packet| self.taken_alone(&packet));
        if let Some(rule) = opened.or(alone) {
            return (Taker::new(Some(&rule), rules), decision);
        }
        match dialled.and_then(|dialled| self.engine.flows().taken_by(&dialled)) {
            Some((rule, Disposition::Drop)) => (Taker::new(Some(&rule), rules), Decision::DROP),
            Some((rule, _)) => (Taker::new(Some(&rule), rules), decision),
            None => (Taker::new(None, rules), decision),
        }
    }

    /// Undoes for an answer of the capture what the engine will do to it.
    fn as_our_server_sent_it(&mut self, packet: &Packet, dialled: &Tuple) {
        if let Some(delivered) = self.engine.flows().delivered(dialled) {
            rewrite(&mut self.bytes, packet, &delivered.reversed(), Checksum::Ready);
        }
    }

    /// The rule that has decided this packet alone, without a flow: the one whose hits have changed.
    fn taken_alone(&mut self, packet: &Packet) -> Option<Arc<Rule>> {
        if !self.rules.has_packet_rules() {
            return None;
        }
        let input = Input::new(self.bytes.get(..packet.len)?, packet.len);
        let mut candidates = self.rules.matches(&input).filter(|rule| rule.scope == Scope::Packet);
        let ledger = &mut self.ledger;
        candidates.find(|rule| ledger.has_hit(rule.position, rule.hits.load(Relaxed))).cloned()
    }
}

/// The flow that a packet would belong to, as the client dialled it.
fn dialled(packet: &Packet, hook: Hook) -> Option<Tuple> {
    let (transport, source, destination) = match packet.payload {
        Payload::Tcp(tcp) => (Transport::Tcp, tcp.src_port, tcp.dst_port),
        Payload::Udp { src_port, dst_port } => (Transport::Udp, src_port, dst_port),
        Payload::Echo { request: true, id } if hook == Hook::In => {
            (if packet.src.is_v4() { Transport::Icmp } else { Transport::Icmpv6 }, id, 0)
        }
        _ => return None,
    };
    Some(match hook {
        Hook::In => {
            Tuple { client: packet.src, host: packet.dst, client_port: source, host_port: destination, transport }
        }
        Hook::Out => {
            Tuple { client: packet.dst, host: packet.src, client_port: destination, host_port: source, transport }
        }
    })
}

#[cfg(test)]
mod tests;
