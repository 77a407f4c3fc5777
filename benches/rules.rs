//! The first match among many rules must cost what it costs among few.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench without its rules has nothing to measure")]

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use glutton_nfq::rules::RuleSet;
use glutton_nfq::rules::filter::{Filter, Input};

/// Rules of mixed kinds: ports, hosts, networks, ranges, either end, and the rest.
fn rules(count: usize) -> RuleSet {
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
    RuleSet::from_yaml(&text, "bench").unwrap_or_else(|errors| panic!("{errors}"))
}

/// SYNs of a sweep: other sources and other ports every time.
fn packets() -> Vec<Vec<u8>> {
    (0..1024_u32)
        .map(|n| {
            let n = n.wrapping_mul(2_654_435_761);
            let [a, b, c, d] = n.to_be_bytes();
            let builder = PacketBuilder::ipv4([a, b, c, d], [192, 0, 2, 1], 64);
            let mut packet = Vec::new();
            let ports = (32_768 | (n >> 8) as u16, n as u16);
            builder.tcp(ports.0, ports.1, 1, 1024).syn().write(&mut packet, &[]).expect("a vector takes all");
            packet
        })
        .collect()
}

fn first_match(criterion: &mut Criterion) {
    let packets = packets();
    let mut group = criterion.benchmark_group("first_match");
    for count in [10, 1_000, 10_000] {
        let rules = rules(count);
        let mut next = packets.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                let bytes = next.next().map(Vec::as_slice).unwrap_or_default();
                black_box(rules.first_match(&Input::new(black_box(bytes), bytes.len()))).is_some()
            });
        });
    }
    group.finish();
}

fn load(criterion: &mut Criterion) {
    let text: String =
        (0..10_000).map(|n| format!("- match: tcp dst port {}\n  type: handler\n  target: tcp\n", 1 + n)).collect();
    let text = format!("rules:\n{text}");
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("10000", |bencher| bencher.iter(|| RuleSet::from_yaml(black_box(&text), "bench").is_ok()));
    group.finish();
}

/// Prefixes of one list.
const LISTED: u32 = 100_000;

/// An address is looked up among a hundred thousand prefixes, those of the list and others by turns.
fn list_lookup(criterion: &mut Criterion) {
    let prefixes: String = (0..LISTED)
        .map(|n| format!("{}/18\n2001:db8:{:x}:{:x}::/64\n", Ipv4Addr::from(n << 15), n >> 15, n << 1 & 0xffff))
        .collect();
    let path = std::env::temp_dir().join(format!("glutton-nfq-bench-list-{}", std::process::id()));
    std::fs::write(&path, prefixes).expect("the folder for temporary files can be written");
    let filter = Filter::parse(&format!("src in @{}", path.display()));
    std::fs::remove_file(&path).expect("it was written above");
    let filter = filter.unwrap_or_else(|error| panic!("{error}"));
    let mut group = criterion.benchmark_group("list_lookup");
    for (family, packets) in [("ipv4", packets()), ("ipv6", packets6())] {
        let mut next = packets.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(family), |bencher| {
            bencher.iter(|| {
                let bytes = next.next().map(Vec::as_slice).unwrap_or_default();
                black_box(filter.matches(&Input::new(black_box(bytes), bytes.len())))
            });
        });
    }
    group.finish();
}

/// The same over IPv6, from the networks of [`list_lookup`] and from those between.
fn packets6() -> Vec<Vec<u8>> {
    (0..1024_u32)
        .map(|n| {
            let n = n.wrapping_mul(2_654_435_761);
            let source = [0x2001, 0xdb8, (n >> 16) as u16 & 3, n as u16, 0, 0, 0, 1];
            let builder = PacketBuilder::ipv6(Ipv6Addr::from(source).octets(), Ipv6Addr::LOCALHOST.octets(), 64);
            let mut packet = Vec::new();
            builder.tcp(40_000, 80, 1, 1024).syn().write(&mut packet, &[]).expect("a vector takes all");
            packet
        })
        .collect()
}

criterion_group!(benches, first_match, load, list_lookup);
criterion_main!(benches);
