//! The table on a virtual clock: random clients, packets, losses and pauses, with every invariant checked after every step.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::shard::Shard;
use super::*;
use super::{CloseReason, FlowEvent};
use crate::clock::Timestamp;
use crate::config::Timeouts;
use crate::packet::{Address, Tcp, tcp_flag};
use crate::rules::{Action, Rule};

const SERVER: u16 = 5_000;
const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A table, its clock, and what it has reported.
struct World {
    table: FlowTable,
    rule: Arc<Rule>,
    now: Timestamp,
    records: Vec<FlowEvent>,
}

impl World {
    fn new(max_flows: usize) -> Self {
        let rule = Arc::new(Rule { name: "all".into(), ..Rule::new(Action::Handler("tcp".into())) });
        let table = FlowTable::new(max_flows, Timeouts::default(), Seed([1, 2, 3]), START);
        Self { table, rule, now: START, records: Vec::new() }
    }

    fn inbound(&mut self, tuple: Tuple, flags: u8, ack: u32) -> Inbound {
        let tcp = Tcp { src_port: tuple.client_port, dst_port: tuple.host_port, seq: 1, ack, flags };
        let passage = Passage { direction: Direction::In, tcp: Some(&tcp), len: 40, now: self.now };
        let rule = Arc::clone(&self.rule);
        let opens = flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN;
        let wanted = || {
            let target = (tuple.host, SERVER);
            opens.then_some(NewFlow {
                dialled: tuple,
                rule,
                disposition: Disposition::Translate,
                target,
                instead: None,
            })
        };
        self.table.inbound(&tuple, &passage, &mut |record| self.records.push(record), wanted)
    }

    fn outbound(&mut self, tuple: Tuple, flags: u8, seq: u32) -> Option<Known> {
        let tcp = Tcp { src_port: tuple.host_port, dst_port: tuple.client_port, seq, ack: 2, flags };
        let passage = Passage { direction: Direction::Out, tcp: Some(&tcp), len: 40, now: self.now };
        self.table.outbound(&tuple, &passage, &mut |record| self.records.push(record))
    }

    /// SYN, SYN-ACK, ACK; gives the tuple that the server sees.
    fn connect(&mut self, tuple: Tuple) -> Tuple {
        let Inbound::Opened(known, _) = self.inbound(tuple, tcp_flag::SYN, 0) else { panic!("not opened") };
        let seen = translated(&tuple, known);
        self.outbound(seen, tcp_flag::SYN | tcp_flag::ACK, 99).unwrap();
        self.inbound(tuple, tcp_flag::ACK, 100);
        seen
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.table.expire(self.now, usize::MAX, &mut |record| self.records.push(record));
    }

    fn reasons(&self) -> Vec<CloseReason> {
        let reason = |record: &FlowEvent| match record {
            FlowEvent::Closed { reason, .. } => Some(*reason),
            _ => None,
        };
        self.records.iter().filter_map(reason).collect()
    }
}

fn translated(tuple: &Tuple, known: Known) -> Tuple {
    Tuple { client_port: known.endpoints.src_port, host_port: known.endpoints.dst_port, ..*tuple }
}

fn tuple(client: u8, client_port: u16, host_port: u16) -> Tuple {
    Tuple {
        client: Address::v4([192, 0, 2, client]),
        host: Address::v4([10, 0, 0, 1]),
        client_port,
        host_port,
        transport: Transport::Tcp,
    }
}

#[test]
fn one_client_port_to_a_thousand_ports_gets_a_thousand_aliases() {
    let mut world = World::new(10_000);
    let mut seen = HashMap::new();
    for port in 1..=1_000 {
        let alias = world.connect(tuple(1, 40_000, port)).client_port;
        assert_eq!(seen.insert(alias, port), None, "alias {alias} given twice");
    }
    for (alias, port) in seen {
        let server_side = Tuple { client_port: alias, host_port: SERVER, ..tuple(1, 0, 0) };
        let flow = world.table.translated(&server_side).unwrap();
        assert_eq!((flow.key.client_port, flow.key.dialled_port), (40_000, port));
    }
}

#[test]
fn a_flow_that_keeps_talking_lives_for_ever() {
    let mut world = World::new(10);
    let dialled = tuple(1, 40_000, 23);
    world.connect(dialled);
    for _ in 0..1_000 {
        world.wait(Duration::from_secs(600));
        assert!(matches!(world.inbound(dialled, tcp_flag::ACK, 100), Inbound::Known(_)));
    }
}

#[test]
fn ten_idle_minutes_do_not_end_an_established_flow() {
    let mut world = World::new(10);
    let dialled = tuple(1, 40_000, 23);
    world.connect(dialled);
    world.wait(Duration::from_secs(600));
    assert!(matches!(world.inbound(dialled, tcp_flag::ACK, 100), Inbound::Known(_)));
    world.wait(Timeouts::default().tcp_established + Duration::from_secs(1));
    assert!(world.table.is_empty());
    assert_eq!(world.reasons(), [CloseReason::Timeout]);
}

#[test]
fn a_flood_of_half_open_flows_evicts_only_its_like() {
    let mut world = World::new(100);
    let established = tuple(1, 40_000, 23);
    world.connect(established);
    for i in 0..5_000_u16 {
        world.inbound(tuple(1, i, 80), tcp_flag::SYN, 0);
        assert!(world.table.len() <= 100);
    }
    assert!(matches!(world.inbound(established, tcp_flag::ACK, 100), Inbound::Known(_)));
}

#[test]
fn established_flows_are_never_evicted_for_a_syn() {
    let mut world = World::new(50);
    for port in 0..50 {
        world.connect(tuple(1, 40_000 + port, 23));
    }
    assert_eq!(world.inbound(tuple(1, 50_000, 23), tcp_flag::SYN, 0), Inbound::Refused(Refusal::Full));
    assert_eq!(world.table.len(), 50);
}

#[test]
fn one_client_that_fills_the_table_does_not_shut_out_the_others() {
    let mut world = World::new(50);
    for i in 0..50 {
        world.inbound(tuple(1, i, 80), tcp_flag::SYN, 0);
    }
    for client in 2..100 {
        assert!(matches!(world.inbound(tuple(client, 40_000, 23), tcp_flag::SYN, 0), Inbound::Opened(..)), "{client}");
    }
}

#[test]
fn clients_that_fill_the_table_one_after_the_other_do_not_make_it_grow_beyond_twice_its_size() {
    const MAX: usize = 1_280;
    let mut world = World::new(MAX);
    // Clients in many shards, each with the table to itself when its turn comes.
    world.table = FlowTable::new(MAX, Timeouts::default(), Seed([1, 2, 0x9e37_79b9_7f4a_7c15]), START);
    for client in 0..=250 {
        for i in 0..MAX as u16 {
            assert!(matches!(world.inbound(tuple(client, i, 80), tcp_flag::SYN, 0), Inbound::Opened(..)), "{client}");
        }
        assert!(world.table.len() <= MAX && world.table.capacity() <= 2 * MAX, "{}", world.table.capacity());
        world.wait(Duration::from_secs(60));
        world.records.clear();
    }
    world.table.check_invariants();
}

#[test]
fn a_reused_five_tuple_begins_a_new_flow() {
    let mut world = World::new(10);
    let dialled = tuple(1, 40_000, 23);
    let seen = world.connect(dialled);
    world.inbound(dialled, tcp_flag::FIN | tcp_flag::ACK, 100);
    world.outbound(seen, tcp_flag::FIN | tcp_flag::ACK, 100);
    world.inbound(dialled, tcp_flag::ACK, 101);
    assert_eq!(world.reasons(), [CloseReason::Finished]);
    assert_eq!(world.connect(dialled), seen, "the same source port serves again");
    assert_eq!(world.table.len(), 1);
}

/// The kernel's listener for redirected connections.
const REDIRECT: u16 = 6_000;

/// A SYN that a rule wants redirected; gives what was decided.
fn redirect(world: &mut World, dialled: Tuple) -> Disposition {
    let tcp = Tcp { src_port: dialled.client_port, dst_port: dialled.host_port, seq: 1, ack: 0, flags: tcp_flag::SYN };
    let passage = Passage { direction: Direction::In, tcp: Some(&tcp), len: 40, now: world.now };
    let new = NewFlow {
        dialled,
        rule: Arc::clone(&world.rule),
        disposition: Disposition::Redirect,
        target: (dialled.host, REDIRECT),
        instead: Some((dialled.host, SERVER)),
    };
    match world.table.inbound(&dialled, &passage, &mut |record| world.records.push(record), || Some(new)) {
        Inbound::Known(known) | Inbound::Opened(known, _) => known.disposition,
        other => panic!("{other:?}"),
    }
}

/// An answer that was on its way when the reset came makes the flow go on; it had two closes for one open then.
#[test]
fn a_flow_is_closed_once_although_our_side_talks_on_after_a_reset() {
    let mut world = World::new(10);
    let dialled = tuple(1, 40_000, 23);
    let seen = world.connect(dialled);
    for _ in 0..2 {
        world.inbound(dialled, tcp_flag::RST, 0);
        world.outbound(seen, tcp_flag::ACK, 100).unwrap();
        world.table.check_invariants();
    }
    world.wait(Timeouts::default().tcp_established + Duration::from_secs(2));
    assert_eq!((world.reasons(), world.table.len()), (vec![CloseReason::Reset], 0));
}

#[test]
fn the_kernel_redirects_another_flow_of_a_client_port_only_when_it_has_forgotten_the_last() {
    let mut world = World::new(10);
    let (first, second) = (tuple(1, 40_000, 22), tuple(1, 40_000, 23));
    assert_eq!(redirect(&mut world, first), Disposition::Redirect);
    let flow = world.table.redirected(&first).unwrap();
    assert_eq!(flow.key.dialled_port, 22);
    assert_eq!(redirect(&mut world, second), Disposition::Translate);
    assert!(world.table.redirected(&second).is_none());
    world.table.release(&flow, world.now, || None, &mut |record| world.records.push(record));
    assert_eq!(world.reasons(), [CloseReason::Finished], "reported once, at the end of its session");
    assert_eq!(redirect(&mut world, tuple(1, 40_000, 24)), Disposition::Translate, "the kernel still knows the first");
    world.wait(Duration::from_secs(131));
    assert_eq!(redirect(&mut world, tuple(1, 40_000, 25)), Disposition::Redirect);
    world.table.check_invariants();
}

#[test]
fn a_redirected_five_tuple_that_comes_again_is_redirected_again() {
    let mut world = World::new(10);
    let dialled = tuple(1, 40_000, 22);
    for _ in 0..3 {
        assert_eq!(redirect(&mut world, dialled), Disposition::Redirect);
        let flow = world.table.redirected(&dialled).unwrap();
        world.wait(Duration::from_secs(7_300));
        assert!(world.table.redirected(&dialled).is_some(), "a held flow does not end by silence");
        world.table.release(&flow, world.now, || None, &mut |record| world.records.push(record));
        world.table.check_invariants();
    }
    assert_eq!(world.reasons(), [CloseReason::Finished; 3]);
    assert_eq!(world.table.len(), 1);
}

#[test]
fn a_client_that_resets_and_dials_again_before_its_session_has_noticed_is_a_new_flow() {
    let mut world = World::new(10);
    let dialled = tuple(1, 40_000, 22);
    redirect(&mut world, dialled);
    let first = world.table.redirected(&dialled).unwrap();
    // The client resets and dials again; the worker that serves the first session has yet to hear of it.
    assert_eq!(redirect(&mut world, dialled), Disposition::Redirect);
    world.table.release(&first, world.now, || None, &mut |record| world.records.push(record));
    let second = world.table.redirected(&dialled).unwrap();
    assert_ne!(first.id, second.id);
    world.table.release(&second, world.now, || None, &mut |record| world.records.push(record));
    assert_eq!(world.reasons(), [CloseReason::Replaced, CloseReason::Finished], "each is reported once");
    world.table.check_invariants();
}

#[test]
fn a_redirected_flow_that_nobody_completed_is_reported_and_forgotten_in_time() {
    let mut world = World::new(10);
    redirect(&mut world, tuple(1, 40_000, 22));
    world.wait(Timeouts::default().tcp_handshake + Duration::from_secs(1));
    assert_eq!((world.reasons(), world.table.len()), (vec![CloseReason::Timeout], 1));
    assert!(world.table.redirected(&tuple(1, 40_000, 22)).is_none(), "what is over is not opened again");
    assert_eq!(redirect(&mut world, tuple(1, 40_000, 23)), Disposition::Translate);
    world.wait(Duration::from_secs(131));
    assert_eq!((world.reasons().len(), world.table.len()), (2, 0));
}

#[test]
fn a_flow_costs_at_most_256_bytes() {
    // Either index has at most 8/3 slots of 8 bytes for a flow: filled to three quarters, rounded up to a power of two.
    let cost = size_of::<Option<entry::Flow>>() + 2 * 8 * 8 / 3;
    assert!(cost <= 256, "{cost} bytes");
}

impl FlowTable {
    /// Every list, index and counter tells the same story.
    fn check_invariants(&self) {
        assert_eq!(self.shard_sizes().iter().sum::<usize>(), self.len());
        self.for_each_shard(Shard::check_invariants);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Inbound { client: u8, client_port: u16, host_port: u16, flags: u8, ack: u32 },
    Answer { client: u8, client_port: u16, host_port: u16, flags: u8 },
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop::sample::select(vec![
        tcp_flag::SYN,
        tcp_flag::ACK,
        tcp_flag::FIN | tcp_flag::ACK,
        tcp_flag::RST,
        tcp_flag::SYN | tcp_flag::ACK,
        0,
        0xff,
    ]);
    prop_oneof![
        6 => (0..3_u8, 0..4_u16, 0..3_u16, flags.clone(), prop::sample::select(vec![0, 100, 101]))
            .prop_map(|(client, client_port, host_port, flags, ack)| Step::Inbound { client, client_port, host_port, flags, ack }),
        3 => (0..3_u8, 0..4_u16, 0..3_u16, flags)
            .prop_map(|(client, client_port, host_port, flags)| Step::Answer { client, client_port, host_port, flags }),
        1 => (0..200_000_u32).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn every_invariant_holds_after_every_step(steps in prop::collection::vec(step(), 1..200)) {
        let mut world = World::new(8);
        let mut opened = 0_usize;
        for step in steps {
            match step {
                Step::Inbound { client, client_port, host_port, flags, ack } => {
                    world.inbound(tuple(client, client_port, host_port), flags, ack);
                }
                Step::Answer { client, client_port, host_port, flags } => {
                    let flows = world.table.flows();
                    let wanted = tuple(client, client_port, host_port);
                    if let Some(flow) = flows.iter().find(|flow| Tuple::from(&flow.key) == wanted) {
                        let delivered = world.table.delivered(&Tuple::from(&flow.key)).unwrap();
                        let seen = Tuple { client_port: delivered.src_port, host_port: SERVER, ..wanted };
                        let known = world.outbound(seen, flags, 99).unwrap();
                        prop_assert_eq!(IpAddr::from(known.endpoints.dst), flow.key.client);
                        prop_assert_eq!(known.endpoints.dst_port, client_port);
                        prop_assert_eq!(known.endpoints.src_port, host_port);
                    }
                }
                Step::Wait(millis) => world.wait(Duration::from_millis(millis.into())),
            }
            world.table.check_invariants();
            prop_assert!(world.table.len() <= 8);
        }
        opened += world.records.iter().filter(|r| matches!(r, FlowEvent::Opened { .. })).count();
        world.wait(Duration::from_secs(100_000));
        prop_assert!(world.table.is_empty());
        let closed = world.reasons().len();
        prop_assert!(closed >= opened, "{} opened, {} closed", opened, closed);
    }
}
