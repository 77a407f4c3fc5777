//! `decide`: from a packet and what is known to a decision.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::ArcSwap;

use super::capture::Capture;
use super::limit::{Active, Applicant, Limiter};
use super::source_limit::SourceLimit;
use super::{Course, Decision, Hook, Kernel, Meta, Verdict};
use crate::clock::Timestamp;
use crate::config;
use crate::control::{Counter, Counters};
use crate::flow::FlowEvent;
use crate::flow::{Direction, Disposition, FlowTable, Inbound, Known, NewFlow, Passage, Refusal, Tuple};
use crate::packet::{Address, Endpoints, Packet, Payload, Quoted, Tcp, Transport, rewrite, rewrite_quoted, tcp_flag};
use crate::rules::filter::Input;
use crate::rules::{Action, Rule, RuleSet, Scope};

/// Ports of this host that translated packets go to; all in host byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// TCP port of the handler server.
    pub tcp_port: u16,
    /// UDP port of the handler server.
    pub udp_port: u16,
    /// A TCP port that is reserved and closed: the kernel's own reset is what a rejected client gets.
    pub closed_tcp_port: u16,
    /// A UDP port that is reserved and closed, for the kernel's own port unreachable.
    pub closed_udp_port: u16,
    /// What the kernel carries after the first packet.
    pub kernel: Kernel,
}

/// Everything that decides: rules, flows, settings. One engine serves all queue workers.
#[derive(Debug)]
pub struct Engine {
    active: ArcSwap<Active>,
    limiter: Limiter,
    source_limit: Option<SourceLimit>,
    flows: Arc<FlowTable>,
    counters: Arc<Counters>,
    settings: Settings,
    capture: Capture,
    /// Takes who dials our own ports and would not have been translated: from outside they are closed.
    own_ports: Arc<Rule>,
}

/// The transport header of a packet that can have a flow.
struct Segment {
    transport: Transport,
    src_port: u16,
    dst_port: u16,
    tcp: Option<Tcp>,
}

impl Segment {
    /// Client and host side of the packet: on its way in, the client is its source.
    const fn tuple(&self, packet: &Packet, hook: Hook) -> Tuple {
        let (src, dst) = ((packet.src, self.src_port), (packet.dst, self.dst_port));
        let ((client, client_port), (host, host_port)) = match hook {
            Hook::In => (src, dst),
            Hook::Out => (dst, src),
        };
        Tuple { client, host, client_port, host_port, transport: self.transport }
    }
}

impl Engine {
    /// An engine over these rules and this table.
    pub fn new(rules: Arc<RuleSet>, flows: Arc<FlowTable>, counters: Arc<Counters>, settings: Settings) -> Self {
        let own_ports =
            Arc::new(Rule { position: usize::MAX, name: "#own-ports".to_owned(), ..Rule::new(Action::Reject) });
        let active = ArcSwap::from_pointee(Active::new(rules));
        let (limiter, capture) = (Limiter::new(), Capture::default());
        Self { active, limiter, source_limit: None, flows, counters, settings, capture, own_ports }
    }

    /// Answers for networks that are not this host's.
    #[must_use]
    pub fn capturing(self, capture: Capture) -> Self {
        Self { capture, ..self }
    }

    /// Limits what one source may open, as `new_flows_per_source` and `new_flows_beyond` say.
    #[must_use]
    pub fn limiting_sources(self, config: &config::Engine) -> Self {
        let per_second = NonZeroU32::new(config.new_flows_per_source);
        let source_limit = per_second.map(|per_second| SourceLimit::new(per_second, config.new_flows_beyond));
        Self { source_limit, ..self }
    }

    /// Puts other rules in force, from the next packet on: each packet is decided by the old rules or by the new ones. Flows keep what
    /// was decided for them; counters and limits of rules with the same name go on. To be called by one thread at a time.
    pub fn replace_rules(&self, rules: RuleSet) {
        let active = Active::succeeding(rules, &self.active.load());
        self.active.store(Arc::new(active));
        self.counters.count(Counter::RulesReloaded);
    }

    /// The flow table.
    pub fn flows(&self) -> &Arc<FlowTable> {
        &self.flows
    }

    /// Decides what becomes of a packet, rewriting it in place if need be. What happened to flows is told to `record`, which must not block.
    pub fn decide(
        &self,
        bytes: &mut [u8],
        meta: &Meta,
        now: Timestamp,
        record: &mut impl FnMut(FlowEvent),
    ) -> Decision {
        let Ok(packet) = Packet::parse(bytes) else {
            self.counters.count(Counter::PacketsMalformed);
            return Decision::ACCEPT;
        };
        let segment = match packet.payload {
            Payload::Tcp(tcp) => {
                Segment { transport: Transport::Tcp, src_port: tcp.src_port, dst_port: tcp.dst_port, tcp: Some(tcp) }
            }
            Payload::Udp { src_port, dst_port } => Segment { transport: Transport::Udp, src_port, dst_port, tcp: None },
            Payload::Echo { request: true, id } if meta.hook == Hook::In => {
                let transport = if packet.src.is_v4() { Transport::Icmp } else { Transport::Icmpv6 };
                Segment { transport, src_port: id, dst_port: 0, tcp: None }
            }
            Payload::IcmpError { .. } => return self.decide_error(bytes, &packet, meta),
            Payload::LaterFragment => {
                self.counters.count(Counter::Fragments);
                return Decision::ACCEPT;
            }
            Payload::Echo { .. } | Payload::Other => return Decision::ACCEPT,
        };
        match meta.hook {
            Hook::In => self.decide_in(bytes, &packet, &segment, meta, now, record),
            Hook::Out => self.decide_out(bytes, &packet, &segment, meta, now, record),
        }
    }

    fn decide_in(
        &self,
        bytes: &mut [u8],
        packet: &Packet,
        segment: &Segment,
        meta: &Meta,
        now: Timestamp,
        record: &mut impl FnMut(FlowEvent),
    ) -> Decision {
        let tuple = segment.tuple(packet, Hook::In);
        // Once for this packet: a reload in between must not mix two sets of rules.
        let active = self.active.load();
        let (input, applicant) = (input(bytes, packet, meta), Applicant { tuple: &tuple, now });
        let mut alone = None;
        if active.rules.has_packet_rules() {
            alone = self.decide_alone(&active, &input, applicant);
            if let Some(decision) = alone {
                return decision;
            }
        }
        let passage = Passage { direction: Direction::In, tcp: segment.tcp.as_ref(), len: packet.len, now };
        let wanted = || self.wanted(&active, &input, applicant, segment, &mut alone);
        match self.flows.inbound(&tuple, &passage, record, wanted) {
            Inbound::Known(known) => self.carry_out(bytes, packet, known, meta),
            Inbound::Opened(known, admission) => {
                self.counters.count(Counter::FlowsOpened);
                self.counters.add(Counter::FlowsEvicted, u64::from(admission.evicted));
                self.counters.add(Counter::AliasesUsed, u64::from(admission.aliased));
                self.counters.add(Counter::RedirectsClashed, u64::from(admission.clashed));
                self.carry_out(bytes, packet, known, meta)
            }
            Inbound::Unknown => alone.unwrap_or(Decision::ACCEPT),
            Inbound::Refused(Refusal::Full) => {
                self.counters.count(Counter::FlowsRefused);
                Decision::DROP
            }
            Inbound::Refused(Refusal::NoAlias) => {
                self.counters.count(Counter::AliasesExhausted);
                Decision::DROP
            }
        }
    }

    fn decide_out(
        &self,
        bytes: &mut [u8],
        packet: &Packet,
        segment: &Segment,
        meta: &Meta,
        now: Timestamp,
        record: &mut impl FnMut(FlowEvent),
    ) -> Decision {
        let tuple = segment.tuple(packet, Hook::Out);
        let passage = Passage { direction: Direction::Out, tcp: segment.tcp.as_ref(), len: packet.len, now };
        match self.flows.outbound(&tuple, &passage, record) {
            Some(known) => {
                let decision = self.carry_out(bytes, packet, known, meta);
                // Rewritten and again at the beginning of its hook, it meets the rule for packets from captured networks.
                let repeats = decision.rewritten && self.capture.is_untracked(known.endpoints.src);
                if repeats { Decision { verdict: Verdict::Repeat, ..decision } } else { decision }
            }
            None => Decision::ACCEPT,
        }
    }

    fn carry_out(&self, bytes: &mut [u8], packet: &Packet, known: Known, meta: &Meta) -> Decision {
        match known.disposition {
            Disposition::Pass => Decision::ACCEPT,
            Disposition::Leave => self.leave_to_kernel(Course::Pass, meta),
            Disposition::Carry => self.leave_to_kernel(Course::Transparent, meta),
            Disposition::Redirect => self.leave_to_kernel(Course::Redirect, meta),
            Disposition::Drop => Decision::DROP,
            Disposition::Translate if known.endpoints == endpoints(packet) => Decision::ACCEPT,
            Disposition::Translate => {
                rewrite(bytes, packet, &known.endpoints, meta.checksum);
                Decision::REWRITTEN
            }
        }
    }

    /// Tells the kernel to carry the connection of this packet from here on. A packet that has been told so and comes again has met rules that
    /// are not ours, or ours half removed: it goes on as it is.
    fn leave_to_kernel(&self, course: Course, meta: &Meta) -> Decision {
        match self.settings.kernel.marks {
            Some(marks) if meta.hook == Hook::In && !marks.is_set(meta.mark) => {
                let mark = Some(marks.set(meta.mark, course));
                Decision { verdict: Verdict::Repeat, rewritten: false, mark }
            }
            _ => Decision::ACCEPT,
        }
    }

    /// Rules with `per: packet` that take a packet before any rule for flows matches. Asked for every packet from a client.
    fn decide_alone(&self, active: &Active, input: &Input<'_>, applicant: Applicant<'_>) -> Option<Decision> {
        let before_flows = active.rules.matches(input).take_while(|rule| rule.scope == Scope::Packet);
        before_flows.into_iter().find(|rule| self.takes(active, rule, applicant)).map(|rule| decide_with(rule))
    }

    fn takes(&self, active: &Active, rule: &Rule, applicant: Applicant<'_>) -> bool {
        self.limiter.takes(active, rule, applicant, &self.flows, &self.counters)
    }

    /// The flow that the first rule which takes it makes of a packet that has none. The limit of its source, or a rule with `per: packet` that stands
    /// behind one with a limit, may decide the packet `alone` instead.
    fn wanted(
        &self,
        active: &Active,
        input: &Input<'_>,
        applicant: Applicant<'_>,
        segment: &Segment,
        alone: &mut Option<Decision>,
    ) -> Option<NewFlow> {
        let tuple = applicant.tuple;
        if segment.tcp.is_some_and(|tcp| tcp.flags & HANDSHAKE != tcp_flag::SYN) {
            self.counters.count(Counter::MidstreamPackets);
            *alone = segment.tcp.filter(is_stray).and_then(|_| lost_at_a_listener(active, input));
            return None;
        }
        if let Some(limit) = &self.source_limit
            && let Some(decision) = limit.refuse(applicant, &self.flows, &self.counters)
        {
            *alone = Some(decision);
            return None;
        }
        // Those that decide_alone has asked are not asked again.
        let mut matches = active.rules.matches(input).skip_while(|rule| rule.scope == Scope::Packet);
        let own = self.is_own_port(tuple);
        match matches.find(|rule| self.takes(active, rule, applicant)) {
            Some(rule) if rule.scope == Scope::Packet => {
                *alone = Some(decide_with(rule));
                None
            }
            Some(rule) if !(own && rule.action == Action::Pass) => {
                Some(self.flow_of(rule, tuple, self.carriage(active, rule, tuple)))
            }
            _ if own => Some(self.flow_of(&self.own_ports, tuple, None)),
            _ => {
                self.counters.count(Counter::UnmatchedPackets);
                None
            }
        }
    }

    /// How the kernel carries a flow that this rule takes: `None` when every packet must be seen here.
    fn carriage(&self, active: &Active, rule: &Rule, tuple: &Tuple) -> Option<Disposition> {
        self.settings.kernel.marks?;
        let captured = self.capture.is_captured(tuple.host);
        let keeps_mark = !captured || !self.capture.untracked;
        let (kernel, whole) = (&self.settings.kernel, active.rules.has_packet_rules());
        // NAT to a port of ours leaves the address, and a captured one is not this host's.
        let can_be = |carriage: &Disposition| !captured || (self.capture.carried && *carriage == Disposition::Carry);
        match rule.action {
            // Passing needs no listener: it leaves user space whatever carries the others, if something keeps the mark.
            Action::Pass if keeps_mark && !whole => Some(Disposition::Leave),
            // Datagrams have no connection that a listener could take over; most flows of theirs are one packet.
            Action::Proxy(_) | Action::ProxySsh(_) | Action::Handler(_)
                if tuple.transport == Transport::Tcp && !self.is_own_port(tuple) =>
            {
                kernel.carriage(rule.datapath.unwrap_or(kernel.datapath), whole).filter(can_be)
            }
            _ => None,
        }
    }

    fn flow_of(&self, rule: &Arc<Rule>, tuple: &Tuple, carriage: Option<Disposition>) -> NewFlow {
        let settings = &self.settings;
        if let Some(disposition) = carriage {
            let redirect = settings.kernel.redirect_port.filter(|_| disposition == Disposition::Redirect);
            let target = (tuple.host, redirect.unwrap_or(tuple.host_port));
            let instead = redirect.map(|_| (tuple.host, settings.tcp_port));
            return NewFlow { dialled: *tuple, rule: Arc::clone(rule), disposition, target, instead };
        }
        let tcp = tuple.transport == Transport::Tcp;
        let icmp = matches!(tuple.transport, Transport::Icmp | Transport::Icmpv6);
        let port_of = |for_tcp, for_udp| if tcp { for_tcp } else { for_udp };
        // What is delivered to this host must be addressed to it.
        let host = self.capture.stand_in(tuple.host).unwrap_or(tuple.host);
        let (disposition, target) = match &rule.action {
            Action::Pass => (Disposition::Pass, None),
            Action::Drop => (Disposition::Drop, None),
            // An echo has no port to translate: only a silent host can stand in for one that is not there.
            Action::Reject if icmp => (Disposition::Drop, None),
            _ if icmp => (Disposition::Pass, None),
            Action::Reject => {
                let port = port_of(settings.closed_tcp_port, settings.closed_udp_port);
                (Disposition::Translate, Some((host, port)))
            }
            Action::Rewrite { address, port } => {
                let same_family = address.map(Address::from).filter(|new| new.is_v4() == host.is_v4());
                (Disposition::Translate, Some((same_family.unwrap_or(host), *port)))
            }
            Action::Proxy(_) | Action::ProxySsh(_) | Action::Handler(_) => {
                (Disposition::Translate, Some((host, port_of(settings.tcp_port, settings.udp_port))))
            }
        };
        let target = target.unwrap_or((tuple.host, tuple.host_port));
        NewFlow { dialled: *tuple, rule: Arc::clone(rule), disposition, target, instead: None }
    }

    /// Whether a client dials a port that only translated packets should reach.
    fn is_own_port(&self, tuple: &Tuple) -> bool {
        let Settings { tcp_port, udp_port, kernel, .. } = self.settings;
        match tuple.transport {
            Transport::Tcp => tuple.host_port == tcp_port || kernel.redirect_port == Some(tuple.host_port),
            Transport::Udp => tuple.host_port == udp_port,
            Transport::Icmp | Transport::Icmpv6 => false,
        }
    }

    /// ICMP errors about translated flows are translated inside; all others go on as they are.
    fn decide_error(&self, bytes: &mut [u8], packet: &Packet, meta: &Meta) -> Decision {
        let Some(quoted) = Quoted::parse(bytes, packet) else { return Decision::ACCEPT };
        let Endpoints { src, src_port, dst, dst_port } = quoted.endpoints;
        let transport = quoted.transport;
        match meta.hook {
            // The error quotes what we sent to the client.
            Hook::In => {
                let dialled = Tuple { client: dst, host: src, client_port: dst_port, host_port: src_port, transport };
                let Some(delivered) = self.flows.delivered(&dialled) else { return Decision::ACCEPT };
                let new = delivered.reversed();
                rewrite_quoted(bytes, packet, &quoted, &new, packet.src, new.src);
            }
            // The error quotes what the client sent, as our server would have got it.
            Hook::Out => {
                let translated =
                    Tuple { client: src, host: dst, client_port: src_port, host_port: dst_port, transport };
                let Some(answered) = self.flows.answered(&translated) else { return Decision::ACCEPT };
                let new = answered.reversed();
                rewrite_quoted(bytes, packet, &quoted, &new, new.dst, packet.dst);
            }
        }
        Decision::REWRITTEN
    }

    /// Work that no packet should wait for: ends flows whose time has come, looking at no more than `budget`.
    pub fn housekeeping(&self, now: Timestamp, budget: usize, record: &mut impl FnMut(FlowEvent)) {
        self.flows.expire(now, budget, record);
    }
}

/// The flags that tell whether a segment opens a connection.
const HANDSHAKE: u8 = tcp_flag::FIN | tcp_flag::SYN | tcp_flag::RST | tcp_flag::ACK;

/// Neither opens a connection nor belongs to one: the probes of FIN, NULL, Xmas and SYN-FIN scans.
const fn is_stray(tcp: &Tcp) -> bool {
    tcp.flags & (tcp_flag::ACK | tcp_flag::RST) == 0 && tcp.flags & HANDSHAKE != tcp_flag::SYN
}

/// A listener says nothing to such a packet, a closed port resets it (RFC 9293 section 3.10.7; Linux on SYN with FIN): where a rule stands in for a listener, or for
/// silence, the host behind must not answer that the port is closed.
fn lost_at_a_listener(active: &Active, input: &Input<'_>) -> Option<Decision> {
    let rule = active.rules.matches(input).find(|rule| rule.scope == Scope::Flow)?;
    match rule.action {
        Action::Drop | Action::Handler(_) | Action::Proxy(_) | Action::ProxySsh(_) => Some(Decision::DROP),
        Action::Pass | Action::Reject | Action::Rewrite { .. } => None,
    }
}

/// What a rule with `per: packet` does to a packet that it has taken.
fn decide_with(rule: &Rule) -> Decision {
    rule.hits.fetch_add(1, Relaxed);
    match rule.action {
        Action::Pass => Decision::ACCEPT,
        _ => Decision::DROP,
    }
}

fn input<'a>(bytes: &'a [u8], packet: &Packet, meta: &Meta) -> Input<'a> {
    Input::new(bytes.get(..packet.len).unwrap_or(bytes), packet.len).with_meta(meta.mark, meta.ifindex)
}

/// The endpoints that stand in the packet.
fn endpoints(packet: &Packet) -> Endpoints {
    let (src_port, dst_port) = match packet.payload {
        Payload::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
        Payload::Udp { src_port, dst_port } => (src_port, dst_port),
        _ => (0, 0),
    };
    Endpoints { src: packet.src, src_port, dst: packet.dst, dst_port }
}
