//! Many flows at once: from one source, and to several workers.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::config::{self, Beyond};

/// Rules and a limit of five flows a second for each source.
fn limited(rules: &str, new_flows_beyond: Beyond) -> Bed {
    let bed = Bed::new(rules);
    let config = config::Engine { new_flows_per_source: 5, new_flows_beyond, ..config::Engine::default() };
    Bed { engine: bed.engine.limiting_sources(&config), ..bed }
}

fn hits(bed: &Bed) -> u64 {
    bed.rules.rules().iter().map(|rule| rule.hits.load(std::sync::atomic::Ordering::Relaxed)).sum()
}

/// A SYN from this address to port 23.
fn syn_from(source: &str, port: u16) -> Vec<u8> {
    let (family, source) = match source.parse().unwrap() {
        source @ IpAddr::V4(_) => (Family::V4, source),
        source @ IpAddr::V6(_) => (Family::V6, source),
    };
    let mut bytes = Vec::new();
    family.builder(source, family.sensor()).tcp(port, 23, 1, 1_024).syn().write(&mut bytes, &[]).unwrap();
    bytes
}

#[test]
fn a_source_opens_as_many_flows_as_it_may_and_the_rest_is_dropped_before_any_rule() {
    let mut bed = limited("- {match: tcp, type: handler, target: tcp}\n", Beyond::Drop);
    let mut opened = |ports: std::ops::Range<u16>| {
        let decisions = ports.map(|port| bed.enter(&mut Family::V4.syn(port, 23)));
        decisions.filter(|decision| decision.verdict == Verdict::Accept).count()
    };
    assert_eq!(opened(1_000..1_100), 10, "two seconds' worth at once");
    assert_eq!(opened(1_000..1_100), 10, "flows that are open go on");
    assert_eq!(hits(&bed), 10);
    assert_eq!((bed.counters.value(Counter::FlowsLimited), bed.records.len()), (180, 10));
    assert!(bed.enter(&mut syn_from("192.0.2.8", 1_000)).rewritten, "another source is another matter");
    let meta = Meta { hook: Hook::In, checksum: Checksum::Ready, mark: 0, ifindex: 1 };
    let later = NOW + Duration::from_secs(1);
    let opened = (2_000..2_100).filter(|&port| {
        bed.engine.decide(&mut Family::V4.syn(port, 23), &meta, later, &mut |_| ()).verdict == Verdict::Accept
    });
    assert_eq!(opened.count(), 5, "and then its rate");
}

#[test]
fn what_a_source_opens_too_much_may_pass_to_the_host_instead() {
    let mut bed = limited("- {match: tcp, type: drop}\n", Beyond::Pass);
    let decisions = (1_000..1_020).map(|port| bed.enter(&mut Family::V6.syn(port, 23)));
    let passed = decisions.filter(|decision| *decision == Decision::ACCEPT).count();
    assert_eq!((passed, hits(&bed)), (10, 10));
}

#[test]
fn an_ipv6_network_of_64_bits_is_one_source() {
    let mut bed = limited("- {match: tcp, type: handler, target: tcp}\n", Beyond::Drop);
    let mut opened = |network: &str| {
        let sources = (10..=59).map(|host| format!("{network}{host}"));
        sources.filter(|source| bed.enter(&mut syn_from(source, 1_000)).verdict == Verdict::Accept).count()
    };
    assert_eq!(opened("2001:db8::"), 10);
    assert_eq!(opened("2001:db8:0:1::"), 10);
    assert_eq!(opened("192.0.2."), 50, "IPv4 addresses are sources each");
}

#[test]
fn workers_that_get_the_same_packets_at_the_same_time_open_each_flow_once() {
    const FLOWS: u16 = 900;
    let bed = Bed::new("- {match: tcp, type: handler, target: tcp}\n- {match: udp, type: drop}\n");
    let opened = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let meta = Meta { hook: Hook::In, checksum: Checksum::Ready, mark: 0, ifindex: 1 };
                for n in 0..FLOWS {
                    let mut packet =
                        if n % 2 == 0 { Family::V4.syn(1 + n, 23) } else { Family::V6.udp(1 + n, 53, b"x") };
                    bed.engine.decide(&mut packet, &meta, NOW, &mut |event| {
                        if let FlowEvent::Opened { flow, .. } = event {
                            opened.lock().unwrap().push(flow.id);
                        }
                    });
                }
            });
        }
    });
    let opened = opened.into_inner().unwrap();
    assert_eq!(opened.len(), usize::from(FLOWS));
    assert_eq!(opened.iter().collect::<HashSet<_>>().len(), usize::from(FLOWS), "a number was given twice");
    assert_eq!((hits(&bed), bed.counters.value(Counter::FlowsOpened)), (FLOWS.into(), FLOWS.into()));
}
