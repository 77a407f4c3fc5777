//! Rules by the thousand: the first match among many must cost what it costs among few, and they and their lists load in moments.
//!
//! `cargo bench --bench rules`. Rule sets of several sizes take turns within one run and each figure is that of the fastest round, which nobody else
//! interrupted; ratios are of these.

use std::hint::black_box;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use etherparse::PacketBuilder;
use glutton_nfq::rules::RuleSet;
use glutton_nfq::rules::filter::{Filter, Input};

/// Rules of the sets that are compared.
const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// Prefixes of one list.
const LISTED: u32 = 100_000;
/// Packets that are looked at in one round, all different: what a busy queue sees in a tenth of a second, and a sweep of every port, for which the index has to be
/// fetched from memory.
const BUSY: u32 = 4_096;
const SWEEP: u32 = 65_536;
const ROUNDS: usize = 100;

/// One behind the other, as in the slots that a queue's batch is received into.
struct Packets {
    bytes: Vec<u8>,
    each: usize,
}

fn main() -> Result<()> {
    let mut out = io::stdout();
    first_match(BUSY, &mut out)?;
    first_match(SWEEP, &mut out)?;
    load(&mut out)?;
    list(&mut out)
}

/// Rules of mixed kinds: ports, hosts, networks, ranges, either end, and the rest.
fn rules(count: usize) -> Result<RuleSet> {
    let mut text = String::from("rules:\n");
    for n in 0..count - 2 {
        let (a, b) = (n / 250 % 250, n % 250);
        let filter = match n % 6 {
            0 => format!("tcp dst port {}", 1024 + n),
            1 => format!("src host 10.{a}.{b}.7"),
            2 => format!("udp dst portrange {}-{}", 2000 + n, 2010 + n),
            3 => format!("src net 172.{a}.{b}.0/24 and tcp"),
            4 => format!("tcp port {}", 1024 + n),
            _ => format!("host 10.{b}.{a}.8 and tcp dst port 80"),
        };
        text.push_str(&format!("- match: {filter}\n  type: handler\n  target: tcp\n"));
    }
    text.push_str("- match: tcp\n  type: handler\n  target: tcp\n- match: udp\n  type: handler\n  target: udp\n");
    RuleSet::from_yaml(&text, "bench.yml").context("the rules of the bench")
}

impl Packets {
    fn new(count: u32, packet: impl Fn(u32) -> Result<Vec<u8>>) -> Result<Self> {
        let packets = (0..count).map(|n| packet(scattered(n))).collect::<Result<Vec<_>>>()?;
        Ok(Self { each: packets.first().map_or(1, Vec::len), bytes: packets.concat() })
    }
}

fn scattered(n: u32) -> u32 {
    n.wrapping_mul(2_654_435_761)
}

/// SYNs of a sweep: other sources and other ports every time.
fn packets(count: u32) -> Result<Packets> {
    let packet = |n: u32| {
        let builder = PacketBuilder::ipv4(n.to_be_bytes(), [192, 0, 2, 1], 64);
        let mut packet = Vec::new();
        builder.tcp(32_768 | (n >> 8) as u16, n as u16, 1, 1024).syn().write(&mut packet, &[])?;
        Ok(packet)
    };
    Packets::new(count, packet)
}

/// SYNs over IPv6, from the networks of the list and from those between.
fn packets6(count: u32) -> Result<Packets> {
    let packet = |n: u32| {
        let source = [0x2001, 0xdb8, (n >> 16) as u16 & 3, n as u16, 0, 0, 0, 1];
        let builder = PacketBuilder::ipv6(Ipv6Addr::from(source).octets(), Ipv6Addr::LOCALHOST.octets(), 64);
        let mut packet = Vec::new();
        builder.tcp(40_000, 80, 1, 1024).syn().write(&mut packet, &[])?;
        Ok(packet)
    };
    Packets::new(count, packet)
}

/// Nanoseconds that one of these packets takes.
fn nanos_each(packets: &Packets, mut takes: impl FnMut(&Input<'_>) -> bool) -> f64 {
    let start = Instant::now();
    let mut count = 0_u32;
    for bytes in packets.bytes.chunks_exact(packets.each) {
        count += 1;
        black_box(takes(&Input::new(black_box(bytes), bytes.len())));
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn first_match(count: u32, out: &mut impl Write) -> Result<()> {
    let packets = packets(count)?;
    let sets = SIZES.map(rules).into_iter().collect::<Result<Vec<_>>>()?;
    let mut best = [f64::INFINITY; SIZES.len()];
    for _ in 0..ROUNDS {
        for (best, set) in best.iter_mut().zip(&sets) {
            *best = best.min(nanos_each(&packets, |input| set.first_match(input).is_some()));
        }
    }
    for (size, nanos) in SIZES.iter().zip(best) {
        writeln!(out, "first match of a new flow, {size} rules, {count} packets: {nanos:.1} ns")?;
    }
    let [few, .., many] = best;
    writeln!(out, "first match, 10,000 rules against 10: {:.2} times (goal: at most 1.5)", many / few)?;
    Ok(())
}

fn load(out: &mut impl Write) -> Result<()> {
    let took = fastest(|| rules(10_000))?;
    writeln!(out, "10,000 rules load in {:.0} ms (goal: under 1000)", took.as_secs_f64() * 1e3)?;
    Ok(())
}

fn fastest<T>(mut work: impl FnMut() -> Result<T>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        black_box(work()?);
        best = best.min(start.elapsed());
    }
    Ok(best)
}

/// Addresses among a hundred thousand prefixes of each family, those of the list and others by turns.
fn list(out: &mut impl Write) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (family, packets) in [("IPv4", packets(SWEEP)?), ("IPv6", packets6(SWEEP)?)] {
        let prefix = |n: u32| match family {
            "IPv4" => format!("{}/18\n", Ipv4Addr::from(n << 15)),
            _ => format!("2001:db8:{:x}:{:x}::/64\n", n >> 15, n << 1 & 0xffff),
        };
        let path = folder.path().join(family);
        std::fs::write(&path, (0..LISTED).map(prefix).collect::<String>())?;
        let filter = || Filter::parse(&format!("src in @{}", path.display())).context("the list of the bench");
        let (took, filter, nothing) = (fastest(filter)?, filter()?, Filter::parse("udp").context("a filter")?);
        let (mut lookup, mut bare) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            lookup = lookup.min(nanos_each(&packets, |input| filter.matches(input)));
            bare = bare.min(nanos_each(&packets, |input| nothing.matches(input)));
        }
        writeln!(
            out,
            "list of 100,000 {family} prefixes: loads in {:.0} ms (goal: under 1000); a lookup {:.1} ns (goal: under 100), \
             the filter `udp` {:.1} ns",
            took.as_secs_f64() * 1e3,
            lookup,
            bare,
        )?;
    }
    Ok(())
}
