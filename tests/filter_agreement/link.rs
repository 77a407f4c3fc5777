//! Captures of every link layer and file format: `glutton-nfq match` prints the numbers of the packets that tcpdump takes from the same file.
//!
//! Left out is where ours differs on purpose: VLAN tags, frames without IP, packets whose first nibble contradicts the link layer, and
//! [expressions](is_about_the_link_layer) that mean the link layer. Generated expressions look at whole packets alone: which load is the first to
//! reject a short packet depends on the code for the link layer; on raw IP that is compared elsewhere.

use std::path::Path;
use std::process::Command;

use glutton_nfq::rules::filter::Filter;

use crate::expression;
use crate::packet::{self, Packet};
use crate::random::Random;
use crate::{number_from_env, tcpdump};

const PACKETS: usize = 300;
/// Generated expressions for each file, besides [`PLAIN`].
const EXPRESSIONS: usize = 40;

/// What stands before an IP packet; `true` for IPv6.
type LinkHeader = fn(bool) -> Vec<u8>;

/// LINKTYPE numbers, <https://www.tcpdump.org/linktypes.html>, and their headers.
const LINKS: [(u16, LinkHeader); 5] = [
    (101, |_| Vec::new()),
    (1, |is_v6| [&[2; 12][..], &ethertype(is_v6)].concat()),
    (113, |is_v6| [&[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0][..], &ethertype(is_v6)].concat()),
    (276, |is_v6| [&ethertype(is_v6)[..], &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0]].concat()),
    (108, |is_v6| vec![0, 0, 0, if is_v6 { 24 } else { 2 }]),
];

/// Expressions that look at every layer, and at the length.
const PLAIN: &[&str] = &[
    "ip",
    "ip6",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "port 80",
    "src port 80 or dst port 443",
    "host 10.0.0.1",
    "net 10.0.0.0/8",
    "src net 2001:db8::/32",
    "len > 60",
    "len = 74",
    "less 60",
    "greater 100",
    "ip[2:2] > 60",
    "ip[0] & 0xf != 5",
    "ip6[6] = 6",
    "tcp[tcpflags] & tcp-syn != 0",
    "udp[0:2] = 53",
    "ip[6:2] & 0x1fff != 0",
    "ip proto 50",
    "ip6 proto 44",
    "ip protochain 6",
    "ip multicast",
    "ip6 multicast",
    "tcp[20:2] = 0x4745",
    "len - 14 = 60",
    "not tcp",
    "not ip6 and len < 90",
];

const fn ethertype(is_v6: bool) -> [u8; 2] {
    if is_v6 { [0x86, 0xdd] } else { [8, 0] }
}

/// A file format in one byte order.
#[derive(Debug, Clone, Copy)]
enum Format {
    Pcap { magic: u32 },
    PcapNg,
}

/// A capture: the time of each packet is its number in seconds.
fn file(format: Format, is_big: bool, link: u16, frames: &[Packet]) -> Vec<u8> {
    let long = |value: u32| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
    let short = |value: u16| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
    let longs = |values: &[u32]| values.iter().copied().flat_map(long).collect::<Vec<u8>>();
    let block = |kind: u32, body: &[u8]| {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let length = long((body.len() + padding.len() + 12) as u32);
        [&long(kind)[..], &length, body, &padding, &length].concat()
    };
    let mut out = match format {
        Format::Pcap { magic } => {
            [longs(&[magic]), [short(2), short(4)].concat(), longs(&[0, 0, 262_144, link.into()])].concat()
        }
        Format::PcapNg => {
            let section = [&long(0x1a2b_3c4d)[..], &short(1), &short(0), &[0xff; 8]].concat();
            let interface = [&short(link)[..], &short(0), &long(262_144)].concat();
            [block(0x0a0d_0d0a, &section), block(1, &interface)].concat()
        }
    };
    for (index, Packet { bytes, wire_len }) in frames.iter().enumerate() {
        let (seconds, caught, wire_len) = (index as u32 + 1, bytes.len() as u32, *wire_len as u32);
        match format {
            Format::Pcap { .. } => out.extend([&longs(&[seconds, 0, caught, wire_len])[..], bytes].concat()),
            Format::PcapNg => {
                let micros = u64::from(seconds) * 1_000_000;
                let fields = longs(&[0, (micros >> 32) as u32, micros as u32, caught, wire_len]);
                out.extend(block(6, &[&fields[..], bytes].concat()));
            }
        }
    }
    out
}

/// Puts packets behind a link layer; whole ones on Ethernet are padded to its shortest frame.
fn frames(link: u16, header: fn(bool) -> Vec<u8>, packets: &[Packet]) -> Vec<Packet> {
    let frame = |packet: &Packet| {
        let mut bytes = [header(packet.bytes[0] >> 4 == 6), packet.bytes.clone()].concat();
        let mut wire_len = packet.wire_len + bytes.len() - packet.bytes.len();
        if link == 1 && wire_len == bytes.len() && wire_len < 60 {
            bytes.resize(60, 0);
            wire_len = 60;
        }
        Packet { bytes, wire_len }
    };
    packets.iter().map(frame).collect()
}

/// The numbers of the packets that tcpdump takes, by their times; `None` if it refuses.
fn theirs(capture: &Path, expression: &str) -> Option<Vec<u32>> {
    let output = tcpdump(capture, &["-w", "-"], expression);
    let mut rest = output.stdout.get(24..).filter(|_| output.status.success())?;
    let mut numbers = Vec::new();
    while rest.len() >= 16 {
        let field = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap());
        numbers.push(field(0));
        rest = &rest[16 + field(8) as usize..];
    }
    Some(numbers)
}

fn ours(capture: &Path, expression: &str) -> Option<Vec<u32>> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_glutton-nfq")).arg("match").arg("--").arg(expression).arg(capture).output();
    let output = output.unwrap();
    let lines = str::from_utf8(&output.stdout).unwrap().lines();
    output.status.success().then(|| lines.map(|line| line.parse().unwrap()).collect())
}

/// Whether an expression counts bytes from the start of the frame, reaches back into it, or names a neighbour of IP.
fn is_about_the_link_layer(text: &str) -> bool {
    ["byte", "[-", "[ -", "arp", "atalk", "iso", "stp", "decnet", "lat"].iter().any(|word| text.contains(word))
}

#[test]
fn captures_of_every_link_layer_and_format_agree_with_tcpdump() {
    let seed = number_from_env("GLUTTON_FILTER_SEED", 1);
    println!("GLUTTON_FILTER_SEED={seed}");
    let mut random = Random::new(seed);
    let mut packets = packet::generate(&mut random, PACKETS);
    packets.retain(|packet| packet.bytes.first().is_some_and(|first| matches!(first >> 4, 4 | 6)));
    let directory = tempfile::tempdir().unwrap();
    let formats = [Format::Pcap { magic: 0xa1b2_c3d4 }, Format::Pcap { magic: 0xa1b2_3c4d }, Format::PcapNg];
    let (mut pairs, mut differences) = (0, Vec::new());
    let whole: Vec<Packet> = packets.iter().filter(|packet| packet.bytes.len() == packet.wire_len).cloned().collect();
    let mut compare = |link: u16, format: Format, is_big: bool, frames: &[Packet], expressions: &[String]| {
        let capture = directory.path().join("capture");
        std::fs::write(&capture, file(format, is_big, link, frames)).unwrap();
        for expression in expressions {
            let (theirs, ours) = (theirs(&capture, expression), ours(&capture, expression));
            if ours == theirs {
                pairs += ours.map_or(0, |_| frames.len());
            } else {
                let said = format!("tcpdump says {theirs:?}, we {ours:?}");
                differences.push(format!("link {link}, {format:?}, big {is_big}, `{expression}`: {said}"));
            }
        }
    };
    for (link, header) in LINKS {
        let plain: Vec<String> = PLAIN.iter().map(|text| (*text).to_owned()).collect();
        let (frames, whole) = (frames(link, header, &packets), frames(link, header, &whole));
        for (number, (format, is_big)) in
            formats.iter().flat_map(|format| [(*format, false), (*format, true)]).enumerate()
        {
            let some: Vec<String> = plain.iter().skip(number).step_by(formats.len() * 2).cloned().collect();
            compare(link, format, is_big, &frames, &some);
        }
        compare(link, formats[0], false, &frames, &plain);
        let generated: Vec<String> = std::iter::repeat_with(|| expression::generate(&mut random))
            .filter(|text| Filter::parse(text).is_ok() && !is_about_the_link_layer(text))
            .take(EXPRESSIONS)
            .collect();
        compare(link, formats[0], false, &whole, &generated);
    }
    println!("{pairs} pairs of expression and packet compared");
    assert!(differences.is_empty(), "seed {seed}, {} differences:\n{}", differences.len(), differences.join("\n"));
    assert!(pairs >= 20_000, "only {pairs} pairs");
}
