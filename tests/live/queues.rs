//! Several queues: how packets are spread, and where those who serve them run.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::client::echo;
use crate::lab::engine::Engine;
use crate::lab::events::{dialled, kind, source};
use crate::lab::frame::FrameSender;
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};

const RULES: &str = "
version: 1
rules:
  - {name: noise, match: tcp dst port 7007, type: drop}
  - {name: web, match: tcp dst port 7006, type: handler, target: echo}
  - {name: rest, match: tcp or udp, type: handler, target: echo}
";
/// Addresses that visitors come from, besides the attacker's own.
const VISITORS: u8 = 12;
/// Connections of each visitor.
const VISITS: u16 = 30;
/// Sources whose one packet is sent twice at the same time.
const TWINS: u32 = 600;

fn visitor(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 77, 0, 100 + n).into()
}

/// Connects from this address and is echoed.
fn visit(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    socket.connect_timeout(&to.into(), PATIENCE).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(echo(&mut stream, b"which queue is this?").unwrap(), b"which queue is this?");
    stream
}

/// CPUs that this test may use.
fn cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect()
}

/// Who dialled what, by rule, of all flows that were opened.
type Opened = BTreeMap<&'static str, HashSet<(SocketAddr, SocketAddr)>>;

/// Everybody at once; every connection is kept until the end, so that no port is used twice.
fn all_visits(lab: &Lab) -> Opened {
    let mut opened = Opened::new();
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS)
            .map(|n| {
                scope.spawn(move || {
                    lab.attacker(|| {
                        let ports = (0..VISITS).map(|visit| 7005 + visit % 2);
                        ports.map(|port| (port, visit(visitor(n), at(SENSOR[0], port)))).collect::<Vec<_>>()
                    })
                })
            })
            .collect();
        for (port, stream) in visitors.into_iter().flat_map(|visitor| visitor.join().unwrap()) {
            let rule = if port == 7006 { "web" } else { "rest" };
            opened.entry(rule).or_default().insert((stream.local_addr().unwrap(), stream.peer_addr().unwrap()));
        }
    });
    opened
}

/// The same first packets from several CPUs at the same time: each handles what it sends up to the queue.
fn all_twins(lab: &Lab) -> HashSet<(SocketAddr, SocketAddr)> {
    let twin = |n: u32| Ipv4Addr::from(0x0b00_0000 + n * 13);
    let port = |n: u32| 1024 + n as u16;
    std::thread::scope(|scope| {
        for cpu in cpus() {
            scope.spawn(move || {
                let mut only = CpuSet::new();
                only.set(cpu);
                sched_setaffinity(None, &only).unwrap();
                let frames = FrameSender::new(lab);
                (0..TWINS).for_each(|n| frames.send_syn(twin(n), port(n), 7007));
            });
        }
    });
    (0..TWINS).map(|n| (at(twin(n).into(), port(n)), at(SENSOR[0], 7007))).collect()
}

fn flows(seen: &[Value]) -> impl Iterator<Item = &Value> {
    seen.iter().filter(|event| kind(event) == "flow_open")
}

/// Many sources at once through two workers: as many flows as were dialled, each told once, under the rule that it belongs to.
fn each_flow_is_decided_once(spread: &str, datapath: &str) {
    let lab = Lab::new();
    for n in 0..VISITORS {
        lab.attacker_namespace().ip(&format!("addr add {}/24 dev veth0", visitor(n))).unwrap();
    }
    let config = format!("[engine]\nqueues = 2\nspread = \"{spread}\"\ndatapath = \"{datapath}\"\n");
    let mut engine = lab.engine().rules(RULES).config(&config).start();
    let mut expected = all_visits(&lab);
    expected.insert("noise", all_twins(&lab));
    let count: usize = expected.values().map(HashSet::len).sum();
    let seen = engine.events.await_that("event of the last flow", PATIENCE, |seen| {
        (flows(seen).count() >= count).then(|| flows(seen).cloned().collect::<Vec<_>>())
    });
    let ids: HashSet<&str> = seen.iter().map(|event| event["flow_id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), seen.len()), (count, count), "a flow was told twice, or its number given twice");
    for (rule, expected) in &expected {
        let of_rule = seen.iter().filter(|event| event["rule"] == *rule);
        let of_rule: HashSet<_> = of_rule.map(|event| (source(event).unwrap(), dialled(event).unwrap())).collect();
        assert_eq!(&of_rule, expected, "flows of rule {rule}");
    }
    for first_packets in [2, 3] {
        let queued = lab.packets_queued_in(first_packets);
        // The kernel's choice by CPU needs several of them.
        assert!(queued > 0 || cpus().len() == 1, "queue {first_packets} had nothing to do");
    }
    let said = engine.end_and_say();
    assert!(said.contains(&format!(" {count} flows (0 evicted, 0 refused)")), "the engine counted others: {said}");
}

#[test]
fn many_visitors_at_once_are_decided_once_each_by_two_workers_that_see_every_packet() {
    each_flow_is_decided_once("hosts", "userspace");
}

#[test]
fn many_visitors_at_once_are_decided_once_each_by_two_workers_and_carried_by_the_kernel() {
    each_flow_is_decided_once("hosts", "tproxy");
    each_flow_is_decided_once("hosts", "redirect");
}

#[test]
fn a_flow_whose_packets_meet_several_workers_is_decided_once() {
    each_flow_is_decided_once("cpu", "userspace");
    each_flow_is_decided_once("cpu", "tproxy");
}

/// The CPUs that each queue thread may use, in the order of the workers.
fn queue_threads(engine: &Engine<'_>) -> Vec<String> {
    let [child] = engine.children()[..] else { panic!("the parent has one child") };
    let mut threads: Vec<(String, String)> = tasks(child).filter(|(name, _)| name.starts_with("queue-")).collect();
    threads.sort();
    threads.into_iter().map(|(_, cpus)| cpus).collect()
}

/// Name and allowed CPUs of every thread.
fn tasks(pid: Pid) -> impl Iterator<Item = (String, String)> {
    let tasks = std::fs::read_dir(PathBuf::from(format!("/proc/{}/task", pid.as_raw_nonzero()))).unwrap();
    tasks.map(|task| {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let value = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
        (value("Name:"), value("Cpus_allowed_list:"))
    })
}

#[test]
fn there_is_a_worker_for_each_cpu_and_it_stays_there_when_asked() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let free = queue_threads(&engine);
    assert_eq!(free.len(), std::thread::available_parallelism().unwrap().get().min(16));
    engine.stop();

    let count = cpus().len();
    let config = format!("[engine]\npin = true\nqueues = {}\n", count + 1);
    let engine = lab.engine().rules(RULES).config(&config).start();
    let expected: Vec<String> = cpus().into_iter().chain([cpus()[0]]).map(|cpu| cpu.to_string()).collect();
    // Threads pin themselves when they run first.
    let pinned = within(PATIENCE, || Some(queue_threads(&engine)).filter(|found| *found == expected));
    assert!(pinned.is_some(), "{:?} are not {expected:?}", queue_threads(&engine));
    let warning = format!("engine.pin: {} workers share {count} CPUs", count + 1);
    assert_eq!(engine.said().matches(&warning).count(), 1, "{}", engine.said());
    engine.stop();
}
