//! Too much of everything: what a flooding source costs others, and what the operator is told.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Instant;

use rustix::process::{Signal, kill_process};

use crate::lab::client::{dial, echo};
use crate::lab::frame::FrameSender;
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};

const RULES: &str = "
version: 1
rules:
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";
/// Where packets of one flooding source come from; the route there leads to the attacker.
const FLOODER: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);

/// The count in the line that says that this is over.
fn count_of(said: &str, name: &str) -> Option<u64> {
    let over = said.lines().find_map(|line| line.split_once(&format!("{name}: over, ")))?.1;
    over.split(' ').next()?.parse().ok()
}

#[test]
fn a_source_that_opens_too_many_flows_is_dropped_and_others_are_served() {
    const PACKETS: u16 = 5_000;
    let lab = Lab::new();
    let config = "[engine]\nnew_flows_per_source = 20\n";
    let engine = lab.engine().rules(RULES).config(config).start();
    // The kernel carries what is opened: only what is sent here is queued.
    let begin = Instant::now();
    let frames = FrameSender::new(&lab);
    (0..PACKETS).for_each(|n| frames.send_syn(FLOODER, 1_024 + n, 7005));
    let queued =
        within(PATIENCE, || (lab.packets_queued() >= PACKETS.into() && lab.packets_waiting() == 0).then_some(()));
    assert!(queued.is_some(), "the packets did not reach the engine");
    let most = 40 + 20 * (begin.elapsed().as_secs() + 1);
    assert_eq!(echo(&mut lab.dial(at(SENSOR[0], 7005)), b"and I?").unwrap(), b"and I?");
    let said = engine.end_and_say();
    let limited =
        count_of(&said, "new flows of a source").unwrap_or_else(|| panic!("nothing is said about it: {said}"));
    let opened = u64::from(PACKETS) - limited;
    assert!((40..=most).contains(&opened), "{opened} flows, of at most {most}");
}

#[test]
fn what_a_source_opens_too_much_can_go_to_the_host_as_if_there_were_no_sensor() {
    let lab = Lab::new();
    let config = "[engine]\nnew_flows_per_source = 1\nnew_flows_beyond = \"pass\"\n";
    let engine = lab.engine().rules(RULES).config(config).start();
    for address in SENSOR {
        let dialled: Vec<_> = lab.attacker(|| (0..40).map(|n| dial(at(address, 7005 + n))).collect());
        let refused = dialled.iter().filter_map(|outcome| outcome.as_ref().err());
        assert!(refused.clone().all(|error| error.kind() == ErrorKind::ConnectionRefused), "{dialled:?}");
        assert!((2..=38).contains(&refused.count()), "{dialled:?}");
    }
    engine.stop();
}

#[test]
fn what_passes_a_full_queue_undecided_is_told_although_the_kernel_does_not_count_it() {
    const NAME: &str = "full queue that fails open: packets pass undecided";
    let lab = Lab::new();
    let config = "[engine]\nqueues = 1\nqueue_len = 16\nfail = \"open\"\n";
    let engine = lab.engine().rules(RULES).config(config).without_events().start();
    let frames = FrameSender::new(&lab);
    let mut sent = 0;
    let told = within(PATIENCE, || {
        // More at once than the queue holds, again and again, so that a look finds it full.
        (0..2_000).for_each(|n| frames.send_syn(Ipv4Addr::from(0x0b00_0000 + sent + n), 1_024, 7005));
        sent += 2_000;
        engine.said().contains(NAME).then_some(())
    });
    assert!(told.is_some(), "nothing is said after {sent} packets: {}", engine.said());
    let said = engine.end_and_say();
    assert_eq!(said.matches(NAME).count(), 1, "{said}");
    assert!(count_of(&said, "full queue that fails open") > Some(0), "{said}");
}

#[test]
fn a_flood_is_told_in_two_lines_for_each_limit_that_it_hits() {
    const CONFIG: &str = "
[engine]
queues = 1
queue_len = 16
max_flows = 1024
new_flows_per_source = 10
[server]
max_sessions_per_source = 1
";
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).config(CONFIG).without_events().start();
    // Refused ones may be reset before they are seen to be connected.
    let kept: Vec<_> = lab.attacker(|| (0..3).map(|_| dial(at(SENSOR[0], 7005))).collect());
    let told = |what: &str| within(PATIENCE, || engine.said().contains(what).then_some(())).is_some();
    assert!(told("sessions of a source: connections are closed; raise server.max_sessions_per_source"));
    let frames = FrameSender::new(&lab);
    // Several floods, not one: a pause of a moment is no end.
    for round in 0..20_u32 {
        for n in 0..20_000_u32 {
            let source = if n % 2 == 0 { FLOODER } else { Ipv4Addr::from(0x0b00_0100 + round * 20_000 + n) };
            frames.send_syn(source, 1_024 + (n % 60_000) as u16, 1 + (n % 4_000) as u16);
        }
        assert!(within(PATIENCE, || (lab.packets_waiting() == 0).then_some(())).is_some(), "the engine stands still");
    }
    for (name, mend) in [
        ("full queue: packets are dropped", "engine.queue_len"),
        ("full flow table: half-open flows end early", "engine.max_flows"),
        ("new flows of a source: first packets are not decided", "engine.new_flows_per_source"),
    ] {
        assert!(told(name), "nothing is said about {name}: {}", engine.said());
        let said = engine.said();
        let lines: Vec<_> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(lines.len() == 1 && lines[0].contains(mend), "{lines:?}");
    }
    drop(kept);
    let said = engine.end_and_say();
    let warnings = said.lines().filter(|line| line.contains(" WARN ") && !line.contains("server listens"));
    for name in ["full queue", "full flow table", "new flows of a source", "sessions of a source"] {
        let lines = warnings.clone().filter(|line| line.contains(&format!("{name}: "))).count();
        assert_eq!(lines, 2, "a beginning and an end of {name}: {said}");
        assert!(count_of(&said, name) > Some(0), "{said}");
    }
    assert!(warnings.count() <= 2 * 8, "{said}");
}

#[test]
fn what_passes_a_full_receive_buffer_undecided_is_told_with_how_much_it_was() {
    const NAME: &str = "full receive buffer that fails open";
    const PACKETS: u32 = 10_000;
    let lab = Lab::new();
    let config = "[engine]\nqueues = 1\nreceive_buffer_bytes = 1048576\nfail = \"open\"\n";
    let engine = lab.engine().rules(RULES).config(config).without_events().start();
    let frames = FrameSender::new(&lab);
    let process = engine.children()[0];
    kill_process(process, Signal::STOP).unwrap();
    // More than the buffer holds.
    (0..PACKETS).for_each(|n| frames.send_syn(Ipv4Addr::from(0x0b00_0000 + n), 1_024, 7005));
    kill_process(process, Signal::CONT).unwrap();
    let told = within(PATIENCE, || engine.said().contains(NAME).then_some(()));
    assert!(told.is_some(), "nothing is said: {}", engine.said());
    let (queued, said) = (lab.packets_queued(), engine.end_and_say());
    let passed = count_of(&said, NAME).unwrap_or_default();
    assert!(passed > 0 && passed < u64::from(PACKETS) && queued > 0, "{queued} queued: {said}");
}
