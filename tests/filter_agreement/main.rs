//! Holds the filter language against libpcap: generated expressions over the whole grammar, and packets of all kinds, short ones
//! above all. For every expression tcpdump says whether it compiles and prints the program; a small BPF machine runs that program
//! over all packets, and `Filter::matches` must agree on each. For some, tcpdump itself reads the packets, which holds the machine
//! of this test to account.
//!
//! `GLUTTON_FILTER_SEED` (a number) chooses other expressions and packets, `GLUTTON_FILTER_EXPRESSIONS` how many.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the verdict"
)]

mod bpf;
mod expression;
mod link;
mod packet;
mod random;
mod written;

use std::path::Path;
use std::process::{Command, Output};

use glutton_nfq::rules::filter::{Filter, Input};

use bpf::Program;
use packet::Packet;
use random::Random;

/// Expressions tried when none are asked for; with the packets they make far more than 20,000 pairs.
const EXPRESSIONS: usize = 1500;
const PACKETS: usize = 600;
/// Every so many expressions tcpdump reads the capture itself.
const WHOLE_RUN_EVERY: usize = 50;

fn number_from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

fn tcpdump(capture: &Path, arguments: &[&str], expression: &str) -> Output {
    let output = Command::new("tcpdump").args(arguments).arg("-r").arg(capture).arg("--").arg(expression).output();
    output.expect("tcpdump is missing; install it with `apt-get install tcpdump`")
}

/// What libpcap makes of an expression: a program, or why it refuses.
fn compile(capture: &Path, expression: &str) -> Result<Program, String> {
    let output = tcpdump(capture, &["-ddd"], expression);
    if output.status.success() {
        Ok(Program::parse(&String::from_utf8_lossy(&output.stdout)))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// How we disagree on an expression, if we do; otherwise on how many packets we agree: none if both refuse it.
fn compare(capture: &Path, packets: &[Packet], expression: &str) -> Result<usize, String> {
    let (program, filter) = match (compile(capture, expression), Filter::parse(expression)) {
        (Ok(program), Ok(filter)) => (program, filter),
        (Err(_), Err(_)) => return Ok(0),
        (Err(theirs), Ok(_)) => return Err(format!("tcpdump refuses `{expression}`: {theirs}")),
        (Ok(_), Err(ours)) => return Err(format!("only we refuse `{expression}`: {ours}")),
    };
    for (number, packet) in packets.iter().enumerate() {
        let theirs = program.run(&packet.bytes, packet.wire_len as u32);
        let ours = filter.matches(&Input::new(&packet.bytes, packet.wire_len));
        if ours != theirs {
            let verdicts = format!("packet {number}: libpcap says {theirs}, we say {ours}");
            return Err(format!("`{expression}`, {verdicts}: len {} {:02x?}", packet.wire_len, packet.bytes));
        }
        assert_constraints_hold(&filter, packet, ours);
    }
    Ok(packets.len())
}

/// What a filter demands of packets must be true of every packet that it matches.
fn assert_constraints_hold(filter: &Filter, packet: &Packet, matched: bool) {
    let (true, Some(facts)) = (matched, packet.facts()) else { return };
    let demands = filter.constraints();
    let text = filter.text();
    if let Some(protocols) = &demands.protocols {
        assert!(protocols.contains(&facts.protocol), "`{text}` demands {protocols:?}, matched {facts:?}");
    }
    for (ports, port) in [(&demands.src_ports, facts.src_port), (&demands.dst_ports, facts.dst_port)] {
        if let (Some(ports), Some(port)) = (ports, port) {
            assert!(ports.iter().any(|range| range.contains(&port)), "`{text}` demands {ports:?}, matched {facts:?}");
        }
    }
    for (nets, address) in [(&demands.src_nets, facts.src), (&demands.dst_nets, facts.dst)] {
        if let Some(nets) = nets {
            let inside = nets.iter().any(|&net| packet::is_inside(net, address));
            assert!(inside, "`{text}` demands {nets:?}, matched {facts:?}");
        }
    }
}

/// Holds the machine of this test against tcpdump's own.
fn compare_whole_run(capture: &Path, packets: &[Packet], expression: &str) -> Result<(), String> {
    let Ok(filter) = Filter::parse(expression) else { return Ok(()) };
    let output = tcpdump(capture, &["-w", "-"], expression);
    let theirs = packet::read_capture(&output.stdout);
    let matched = |packet: &&Packet| filter.matches(&Input::new(&packet.bytes, packet.wire_len));
    let ours: Vec<Packet> = packets.iter().filter(matched).cloned().collect();
    if theirs == ours {
        return Ok(());
    }
    Err(format!("`{expression}`: tcpdump takes {} packets of {}, we {}", theirs.len(), packets.len(), ours.len()))
}

#[test]
fn filters_agree_with_libpcap() {
    let seed = number_from_env("GLUTTON_FILTER_SEED", 1);
    let count = number_from_env("GLUTTON_FILTER_EXPRESSIONS", EXPRESSIONS as u64) as usize;
    println!("GLUTTON_FILTER_SEED={seed}");
    let mut random = Random::new(seed);
    let packets = packet::generate(&mut random, PACKETS);
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("packets.pcap");
    std::fs::write(&capture, packet::write_capture(&packets)).unwrap();

    let (mut pairs, mut differences) = (0, Vec::new());
    let fixed = expression::FIXED.iter().map(|&text| text.to_owned());
    let expressions = fixed.chain((0..count).map(|_| expression::generate(&mut random)));
    for (number, expression) in expressions.enumerate() {
        match compare(&capture, &packets, &expression) {
            Ok(compared) => pairs += compared,
            Err(difference) => differences.push(difference),
        }
        if number % WHOLE_RUN_EVERY == 0 {
            differences.extend(compare_whole_run(&capture, &packets, &expression).err());
        }
    }
    println!("{pairs} pairs of expression and packet compared");
    assert!(differences.is_empty(), "seed {seed}, {} differences:\n{}", differences.len(), differences.join("\n"));
    assert!(pairs >= 20_000, "only {pairs} pairs");
}

#[test]
fn what_people_write_over_the_whole_manual_page_agrees_with_libpcap() {
    assert!(written::EXPRESSIONS.len() >= 200);
    let packets = packet::generate(&mut Random::new(number_from_env("GLUTTON_FILTER_SEED", 1)), PACKETS);
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("packets.pcap");
    std::fs::write(&capture, packet::write_capture(&packets)).unwrap();
    let differences: Vec<String> = written::EXPRESSIONS
        .iter()
        .flat_map(|text| [compare(&capture, &packets, text).err(), compare_whole_run(&capture, &packets, text).err()])
        .flatten()
        .collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn link_layer_primitives_are_refused_with_the_reason() {
    for text in [
        "ether host 1:2:3:4:5:6",
        "ether[0] = 1",
        "ether proto 0x800",
        "link[0] & 1 != 0",
        "vlan 3",
        "mpls",
        "pppoes",
        "llc",
        "broadcast",
        "multicast",
        "gateway router",
        "wlan type mgt",
        "radio[0] = 1",
        "1:2:3:4:5:6 or tcp",
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert!(error.message.contains("NFQUEUE shows n"), "{text}: {error}");
    }
}
