//! Expressions over the whole grammar, some of them wrong.

use crate::random::Random;

/// Expressions that a generator would seldom find, and those that people write.
pub(crate) const FIXED: &[&str] = &[
    "",
    "tcp dst port 80",
    "port 80 or 443",
    "tcp port 80 or 443 and not host 10.0.0.1",
    "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
    "icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "gateway snup and ip[2:2] > 576",
    "ip[0] & 0xf != 5",
    "ip[6:2] & 0x1fff = 0",
    "not arp and tcp",
    "arp",
    "arp or tcp",
    "not (arp or rarp)",
    "arp host 10.0.0.1 or port 80",
    "stp or not isis",
    "atalk or decnet or udp",
    "arp[0] = 1 or tcp",
    "lat[0:2] = 1 or udp",
    "tcp and udp",
    "ip6 proto 6",
    "ip6 protochain 6",
    "ip protochain 17",
    "protochain 58",
    "ip6 protochain \\tcp and port 80",
    "proto \\udp",
    "ip proto \\icmp",
    "proto 300",
    "proto tcp",
    "ip multicast",
    "ip6 multicast",
    "ip broadcast",
    "ip6 broadcast",
    "tcp multicast",
    "less 60",
    "greater 60",
    "len > 60",
    "length <= 100",
    "len = 60 or ip[200] = 1 or len = 61",
    "ip[9] = 6 or ip[200] = 1 or ip[9] = 17",
    "ip[9] = 6 and ip[200] = 1 and ip[9] = 17",
    "byte 0 = 69",
    "byte 0 & 64",
    "byte 0 | 1",
    "byte 9 < 10",
    "byte 9 > 10 and byte 5 & 0",
    "tcp[-1] = 0",
    "ip[-1] = 0",
    "tcp[4294967295] = 0",
    "tcp[0:4] = 0x00500050",
    "tcp[tcp[12] >> 2] = 0",
    "ip[ip[0] & 0xf] = 0",
    "udp[ip6[6]] = 0",
    "1 + udp[0] = 1",
    "udp[0] + 1 = 1",
    "1 = udp[0]",
    "icmp6[0] = 128",
    "icmp6[icmp6type] = icmp6-echo",
    "sctp[0:2] = 80",
    "vrrp[0] = 1",
    "ah[0] = 1",
    "pim[0] = 1",
    "tcp[0:3] = 1",
    "10 % 3 + 1 = 2",
    "10 % 3 + 1 = 3",
    "7 - 1 % 4 + 1 = 6",
    "2 * 5 ^ 1 = 8",
    "- 1 % 4 = 3",
    "1 << 4 | 1 = 17",
    "len / 0 = 1",
    "len % 0 = 1",
    "len << 32 = 1",
    "len / (0 + 1) = 1",
    "1 = 1",
    "1 = 0",
    "0 = 0 and tcp",
    "-len = -40",
    "len - - 1 = 41",
    "src or dst port 80",
    "src and dst port 80",
    "src or dst host 10.0.0.1",
    "src and dst net 10",
    "dst or src net 10.1",
    "tcp src or dst port 80 or 22",
    "host 10.0.0.1 or 10.0.0.2 or 192.168.1.1",
    "host (10.0.0.1 or 10.0.0.2) and port (80 or 22)",
    "port (80)",
    "port ((80))",
    "port (80 or (22 and 23))",
    "port ((80 or 22) or 23)",
    "port 80 or (443 or 22)",
    "port 80 or (tcp or 443)",
    "port 80 or (udp port 53) or 443",
    "port 80 or not 443",
    "port not 80",
    "(port 80) or 443",
    "port 80 and (not (22 or 23))",
    "port 80 or 443 + 1 = 444",
    "port 80 or (443) + 1 = 444",
    "(1) = 1 and tcp",
    "((1)) + (2) = (3) and tcp",
    "(ip[0]) = 0x45",
    "(ip[0] + 1) = 0x46 or tcp",
    "not not tcp",
    "! tcp && ! udp || icmp",
    "tcp or udp and port 22",
    "net 10.0.0.0/8",
    "net 10.0.0.0/7",
    "net 10.0.0.1/8",
    "net 10/8",
    "net 10.0/16",
    "net 0.0.0.0/0",
    "net 10.0.0.0/33",
    "net 10.0.0.0 mask 255.0.0.0",
    "net 10.0.0.0 mask 255.0.255.0",
    "net 10.1 mask 255.255.0.0",
    "net 10.1 mask 255.0.0.0",
    "host 10.0.0.0/8",
    "host 10.1",
    "host 10",
    "net 10",
    "net 0",
    "net 4294967295",
    "src net 192.168.1",
    "net 2001:db8::/32",
    "net 2001:db8::1/32",
    "net ::/0",
    "net ::/129",
    "net fe80::/10",
    "host ::1",
    "host ::ffff:10.0.0.1",
    "host fe80::1 or ::1",
    "ip6 host 10.0.0.1",
    "ip host ::1",
    "ip6 src host ::1",
    "tcp host 10.0.0.1",
    "host 256.1.1.1",
    "host 1.2.3.0x10",
    "host 010.0.0.1",
    "host localhost",
    "ip6 host localhost",
    "src localhost",
    "net loopback",
    "net default",
    "port http",
    "port domain",
    "port ssh or domain",
    "tcp port domain",
    "udp port http",
    "port nosuchservice",
    "port \\http",
    "port 65536",
    "port 0x50",
    "port 010",
    "port 08",
    "portrange 20-80",
    "portrange 80-20",
    "portrange 80",
    "portrange 20-80x",
    "portrange ssh-http",
    "portrange 20-http",
    "portrange 1-65535",
    "portrange 0-70000",
    "portrange 80-",
    "udp portrange 50-60 or 8000-9000",
    "icmp port 80",
    "src proto 6",
    "ip proto 6 or 17",
    "ip6 proto 44",
    "proto 0",
    "igrp or igmp or pim or carp or esp or ah",
    "tcp 80",
    "port",
    "80",
    "localhost",
    "tcp and",
    "and tcp",
    "tcp udp",
    "(tcp",
    "tcp)",
    "()",
    "tcp # comment",
    "tcp[0",
    "tcp[] = 1",
    "tcp[0] = ",
    "tcp[0] == 1",
    "tcp[0] <> 1",
    "ip[0] & 1",
    "not",
    "inbound",
    "ifindex 3",
    "outbound or tcp",
    "action pass",
    "dst prot 80",
    "ip src 10.0.0.1",
    "src 10.0.0.1 and dst 10.0.0.2",
    "dst port 80 and src port 1000 or dst port 22",
    "(dst port 80 or dst port 22) and (src host 10.0.0.1 or src host 10.0.0.2) and not dst host 10.0.0.1",
    "tcp[0:2] = 80 or tcp[2:2] = 80 or udp[0:2] = 80",
    "ip[16] >= 224 and ip[16] < 240",
    "ip[2:2] > 100 and ip[8] < 10 or ip[2:2] < 50",
    "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
    "udp[8:4] & 0xffff0000 = 0 and udp[4:2] - 8 > 10",
    // Blocks that are the same only once equal blocks are shared decide whether the root is skipped, and its load with it.
    "0x1fff == 40 and not ((!ip[tcpflags:2] + ip[8] >= -0) or (3 == (0)) or !!dst and src host 255.255.255.255) or \
     (not -1000 * icmp6[1:4] != len or (ip) and ip or (esp and dst port 0 or 53))",
    "1+1=2",
    "tcp[13]&2!=0",
    "ip[0]&0xf>5",
    "tcp[2:2]-80=0",
    "len-4 > 10",
    "len -4 > 10",
];

const PORTS: &[&str] =
    &["22", "23", "53", "80", "443", "1000", "2222", "8080", "65535", "0", "0x50", "http", "domain", "65536"];
const RANGES: &[&str] = &["20-80", "80-20", "0-65535", "53-53", "1000-9000", "http-443", "22", "ssh-domain"];
const ADDRESSES4: &[&str] =
    &["10.0.0.1", "10.0.0.2", "10.1.2.3", "192.168.1.1", "127.0.0.1", "10.1", "192.168.1", "255.255.255.255"];
const NETS4: &[&str] = &[
    "10",
    "10.0.0.0/8",
    "10.1",
    "10.1.0.0/16",
    "192.168.0.0 mask 255.255.0.0",
    "0.0.0.0/0",
    "10.0.0.1/32",
    "10.0.0.1/8",
    "127.0.0.0/8",
    "10.0.0.0 mask 255.0.255.0",
    "172.16.0.0/12",
    "172",
];
const ADDRESSES6: &[&str] = &["::1", "fe80::1", "2001:db8::1", "2001:db8:0:1::2", "ff02::1", "::", "::ffff:10.0.0.1"];
const NETS6: &[&str] =
    &["::/0", "fe80::/10", "2001:db8::/32", "2001:db8:0:1::/64", "ff00::/8", "2001:db8::1", "::1/64"];
const PROTOCOLS: &[&str] = &[
    "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp", "pim", "vrrp", "carp", "ah", "esp", "ip", "ip6", "ip",
    "ip6", "tcp", "udp", "arp", "rarp", "stp", "atalk", "iso",
];
const DIRECTIONS: &[&str] = &["", "", "src ", "dst ", "dst ", "src or dst ", "src and dst ", "dst and src "];
const INDEXED: &[&str] =
    &["ip", "ip6", "tcp", "udp", "icmp", "icmp6", "sctp", "igmp", "ip", "tcp", "udp", "pim", "arp"];
const OFFSETS: &[&str] =
    &["0", "1", "2", "4", "6", "8", "9", "12", "13", "16", "20", "33", "40", "tcpflags", "icmptype", "200", "-1"];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "6",
    "17",
    "44",
    "64",
    "80",
    "0xff",
    "0x45",
    "0xf0",
    "255",
    "1000",
    "0x1fff",
    "0xffffffff",
    "tcp-syn",
    "icmp-echo",
    "5",
    "3",
    "40",
    "0xffff",
];

pub(crate) fn generate(random: &mut Random) -> String {
    let depth = 1 + random.below(4);
    let text = chain(random, depth);
    if random.once_in(25) { damaged(random, &text) } else { text }
}

fn chain(random: &mut Random, depth: usize) -> String {
    let mut text = term(random, depth);
    for _ in 0..random.below(if depth > 1 { 5 } else { 3 }) {
        let join = random.pick(&[" and ", " or ", " && ", " || ", " or "]);
        let next = if random.once_in(12) { random.pick(PORTS).to_string() } else { term(random, depth) };
        text = text + join + &next;
    }
    text
}

fn term(random: &mut Random, depth: usize) -> String {
    match random.below(12) {
        0 | 1 if depth > 0 => format!("({})", chain(random, depth - 1)),
        2 | 3 if depth > 0 => random.pick(&["not ", "! ", "!"]).to_string() + &term(random, depth - 1),
        0..=6 => qualified(random),
        7 | 8 => comparison(random),
        9 => random.pick(PROTOCOLS).to_string(),
        _ => other(random),
    }
}

fn direction(random: &mut Random) -> &'static str {
    random.pick(DIRECTIONS)
}

fn qualified(random: &mut Random) -> String {
    let direction = direction(random);
    let wrong = random.once_in(30);
    let transport = if wrong { random.pick(PROTOCOLS) } else { random.pick(&["", "", "tcp", "udp", "sctp"]) };
    let network = if wrong { random.pick(PROTOCOLS) } else { random.pick(&["", "", "", "ip", "arp"]) };
    match random.below(10) {
        0..=3 => {
            let ports = list(random, PORTS);
            format!("{transport} {direction}port {ports}")
        }
        4 => format!("{transport} {direction}portrange {}", random.pick(RANGES)),
        5 => {
            let host = random.pick(&["host ", "host ", if direction.is_empty() { "host " } else { "" }]);
            let addresses = list(random, ADDRESSES4);
            format!("{network} {direction}{host}{addresses}")
        }
        6 => format!("{network} {direction}net {}", random.pick(NETS4)),
        7 => format!("{} {direction}host {}", random.pick(&["", "ip6"]), random.pick(ADDRESSES6)),
        8 => format!("{} {direction}net {}", random.pick(&["", "ip6"]), random.pick(NETS6)),
        _ => {
            let network = random.pick(&["", "ip ", "ip6 "]);
            let kind = random.pick(&["proto", "proto", "proto", "proto", "protochain"]);
            let number = random.pick(&["6", "17", "1", "58", "44", "0", "51", "\\tcp", "\\udp", "132", "255"]);
            format!("{network}{kind} {number}")
        }
    }
}

/// One, or several in parentheses or joined by `or`.
fn list(random: &mut Random, choices: &[&str]) -> String {
    let first = random.pick(choices);
    if !random.once_in(4) {
        return first.to_owned();
    }
    let joined = format!("{first} {} {}", random.pick(&["or", "or", "and"]), random.pick(choices));
    if random.once_in(2) { format!("({joined})") } else { joined }
}

fn other(random: &mut Random) -> String {
    match random.below(7) {
        0 => format!("less {}", random.pick(&["20", "40", "60", "100", "1500"])),
        1 => format!("greater {}", random.pick(&["20", "40", "60", "100", "1500"])),
        2 => random.pick(&["ip multicast", "ip6 multicast", "ip broadcast"]).to_string(),
        3 => {
            let op = random.pick(&["=", "<", ">", "&", "|"]);
            format!(
                "byte {} {op} {}",
                random.pick(&["0", "6", "9", "20", "60"]),
                random.pick(&["0", "1", "6", "64", "255"])
            )
        }
        _ => random.pick(PROTOCOLS).to_string(),
    }
}

fn comparison(random: &mut Random) -> String {
    let op = random.pick(&["=", "==", "!=", "<", ">", "<=", ">=", "=", "!="]);
    let (left, right) = (1 + random.below(3), random.below(2));
    format!("{} {op} {}", arithmetic(random, left), arithmetic(random, right))
}

fn arithmetic(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 3 } else { 8 }) {
        0 => random.pick(NUMBERS).to_string(),
        1 => accessor(random, depth),
        2 => {
            if random.once_in(3) {
                "len".to_owned()
            } else {
                accessor(random, depth)
            }
        }
        3 => format!("({})", arithmetic(random, depth - 1)),
        4 if random.once_in(3) => format!("-{}", arithmetic(random, depth - 1)),
        _ => {
            let op = random.pick(&["+", "-", "*", "/", "%", "&", "&", "|", "^", "<<", ">>"]);
            let right = if matches!(op, "<<" | ">>") && !random.once_in(6) {
                random.pick(&["0", "1", "2", "4", "8"]).to_string()
            } else {
                arithmetic(random, depth - 1)
            };
            format!("{} {op} {right}", arithmetic(random, depth - 1))
        }
    }
}

fn accessor(random: &mut Random, depth: usize) -> String {
    let offset =
        if depth > 0 && random.once_in(6) { arithmetic(random, depth - 1) } else { random.pick(OFFSETS).to_string() };
    let size = random.pick(&["", "", ":1", ":2", ":4", ":2"]);
    format!("{}[{offset}{size}]", random.pick(INDEXED))
}

/// One word dropped, doubled or replaced.
fn damaged(random: &mut Random, text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    let at = random.below(words.len());
    match random.below(3) {
        0 => drop(words.remove(at)),
        1 => words.insert(at, words[at]),
        _ => {
            words[at] = random
                .pick(&["or", "not", "(", ")", "tcp", "80", "port", "10.0.0.1", "[", "host", "-", "dst", "=", "ip["])
        }
    }
    words.join(" ")
}
