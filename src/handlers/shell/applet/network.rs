//! Programs about the network: what they say is what [`Network`] and `/proc/net` say.
//!
//! [`Network`]: super::super::device::Network

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::super::device::Network;
use super::super::run::{Io, Run};
use super::{has_flag, lossy, number, operands, operands_beside, usage, value_of};

fn network(run: &Run<'_, '_>) -> Network {
    run.device.network(run.cx.session())
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

pub(super) fn ifconfig(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let network = network(run);
    let (name, address, broadcast) = (network.card, network.address, network.broadcast());
    let [(rx, rx_bytes), (tx, tx_bytes)] = run.device.traffic(run.cx.now());
    let card = format!(
        "{name:<10}Link encap:Ethernet  HWaddr {}\n          inet addr:{address}  Bcast:{broadcast}  Mask:255.255.255.0\n          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n          RX packets:{rx} errors:0 dropped:0 overruns:0 frame:0\n          TX packets:{tx} errors:0 dropped:0 overruns:0 carrier:0\n          collisions:0 txqueuelen:1000\n          RX bytes:{} ({}.{} MiB)  TX bytes:{} ({}.{} MiB)\n\n",
        mac_text(network.mac).to_uppercase(),
        rx_bytes,
        rx_bytes >> 20,
        ((rx_bytes & 0xf_ffff) * 10) >> 20,
        tx_bytes,
        tx_bytes >> 20,
        ((tx_bytes & 0xf_ffff) * 10) >> 20,
    );
    let loopback = "lo        Link encap:Local Loopback\n          inet addr:127.0.0.1  Mask:255.0.0.0\n          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n          RX packets:24 errors:0 dropped:0 overruns:0 frame:0\n          TX packets:24 errors:0 dropped:0 overruns:0 carrier:0\n          collisions:0 txqueuelen:1\n          RX bytes:2088 (2.0 KiB)  TX bytes:2088 (2.0 KiB)\n\n";
    let shown = match operands_beside(words, b"").as_slice() {
        [] => card + loopback,
        [b"lo"] => loopback.to_owned(),
        [other] if *other == name.as_bytes() => card,
        [other] => {
            let why = "error fetching interface information: Device not found";
            return run.fail(io, words, &format!("{}: {why}", lossy(other)));
        }
        // A card is set up, or taken down: nothing is said.
        _ => return 0,
    };
    run.print(io.out, shown.as_bytes());
    0
}

pub(super) fn ip(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let network = network(run);
    let rest: Vec<&[u8]> = operands(words).map(Vec::as_slice).collect();
    let (object, rest) = rest.split_first().map_or((&b""[..], &rest[..]), |(object, rest)| (*object, rest));
    let is = |name: &[u8]| !object.is_empty() && name.starts_with(object);
    if rest.first().is_some_and(|verb| [&b"add"[..], b"del", b"delete", b"set", b"flush", b"replace"].contains(verb)) {
        if is(b"route") {
            change_route(run, rest);
        }
        return 0;
    }
    let card = rest.iter().copied().rfind(|word| ![&b"show"[..], b"list", b"ls", b"dev", b"s", b"sh"].contains(word));
    let text = if is(b"address") || is(b"link") {
        let all = cards(&network, is(b"address"));
        match card.map(|card| (card, all.iter().find(|(name, _)| name.as_bytes() == card))) {
            Some((card, None)) => return run.fail(io, words, &format!("can't find device '{}'", lossy(card))),
            Some((_, Some((_, text)))) => text.clone(),
            None => all.map(|(_, text)| text).concat(),
        }
    } else if is(b"route") {
        let (name, address, net) = (network.card, network.address, network.net());
        let way_out =
            if has_way_out(run) { format!("default via {} dev {name}\n", network.gateway()) } else { String::new() };
        format!("{way_out}{net}/24 dev {name} scope link  src {address}\n")
    } else if is(b"neigh") {
        format!(
            "{} dev {} lladdr {} ref 1 used 0/0/0 probes 1 REACHABLE\n",
            network.gateway(),
            network.card,
            mac_text(network.gateway_mac)
        )
    } else {
        return usage(run, "ip", io);
    };
    run.print(io.out, text.as_bytes());
    0
}

/// What `ip link`, and with addresses `ip address`, says of each card.
fn cards(network: &Network, with_addresses: bool) -> [(&str, String); 2] {
    let (name, address, mac) = (network.card, network.address, mac_text(network.mac));
    let for_ever = "       valid_lft forever preferred_lft forever\n";
    let shown = |text: String| if with_addresses { text + for_ever } else { String::new() };
    let loopback = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n";
    let card = format!(
        "2: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast qlen 1000\n    link/ether {mac} brd ff:ff:ff:ff:ff:ff\n"
    );
    [
        ("lo", loopback.to_owned() + &shown("    inet 127.0.0.1/8 scope host lo\n".to_owned())),
        (name, card + &shown(format!("    inet {address}/24 brd {} scope global {name}\n", network.broadcast()))),
    ]
}

/// `arp`, `arp -a`, `arp -n`.
pub(super) fn arp(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if has_flag(words, b's') || has_flag(words, b'd') {
        return 0;
    }
    let network = network(run);
    let (gateway, mac) = (network.gateway(), mac_text(network.gateway_mac));
    run.print_line(io.out, &format!("? ({gateway}) at {mac} [ether]  on {}", network.card));
    0
}

/// The way to everything else was taken away: it stays so for its source.
const NO_WAY_OUT: &str = "no default route";

fn has_way_out(run: &Run<'_, '_>) -> bool {
    run.settings.value(NO_WAY_OUT).is_none()
}

/// `route add|del`, `ip route add|del`: of what is changed only the default route is seen.
fn change_route(run: &mut Run<'_, '_>, words: &[&[u8]]) {
    if !words.iter().any(|word| matches!(*word, b"default" | b"0.0.0.0" | b"0.0.0.0/0")) && words != [b"flush"] {
        return;
    }
    match words.first() {
        Some(&b"del" | &b"delete" | &b"flush") => run.settings.set(NO_WAY_OUT.to_owned(), String::new()),
        _ => run.settings.remove(NO_WAY_OUT),
    }
}

/// `route [add|del ...]`; names for what is everything, with `-n` numbers.
pub(super) fn route(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest: Vec<&[u8]> = operands(words).map(Vec::as_slice).collect();
    match rest.first() {
        None => {}
        Some(&b"add" | &b"del" | &b"delete") => {
            change_route(run, &rest);
            return 0;
        }
        Some(_) => return usage(run, "route", io),
    }
    let network = network(run);
    let (any, none) = if has_flag(words, b'n') { ("0.0.0.0", "0.0.0.0") } else { ("default", "*") };
    let (name, net, gateway) = (network.card, network.net().to_string(), network.gateway().to_string());
    let way_out = format!("{any:<15} {gateway:<15} 0.0.0.0         UG    0      0        0 {name}\n");
    let way_out = if has_way_out(run) { way_out } else { String::new() };
    run.print(
        io.out,
        format!(
            "Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface\n\
             {way_out}{net:<15} {none:<15} 255.255.255.0   U     0      0        0 {name}\n"
        )
        .as_bytes(),
    );
    0
}

pub(super) fn netstat(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let network = network(run);
    if has_flag(words, b'r') {
        let (any, name) = (Ipv4Addr::UNSPECIFIED, network.card);
        let row = |net: Ipv4Addr, gateway: Ipv4Addr, mask: &str, flags: &str| {
            format!("{:<16}{:<16}{mask:<16}{flags:<6}    0 0          0 {name}\n", net.to_string(), gateway.to_string())
        };
        let text =
            "Kernel IP routing table\nDestination     Gateway         Genmask         Flags   MSS Window  irtt Iface\n"
                .to_owned()
                + &row(any, network.gateway(), "0.0.0.0", "UG")
                + &row(network.net(), any, "255.255.255.0", "U");
        run.print(io.out, text.as_bytes());
        return 0;
    }
    let [is_tcp, is_udp, is_unix] = [b't', b'u', b'x'].map(|flag| has_flag(words, flag));
    let is_all = !(is_tcp || is_udp || is_unix || has_flag(words, b'w'));
    let mut text = String::new();
    if is_all || !is_unix || is_tcp || is_udp {
        text += &connections(&network, words, run.state.pid, is_all || is_tcp);
    }
    if is_all || is_unix {
        text += "Active UNIX domain sockets";
        text += scope(words);
        text += "\nProto RefCnt Flags       Type       State         I-Node Path\nunix  3      [ ]         DGRAM                      1042 /dev/log\n";
    }
    run.print(io.out, text.as_bytes());
    0
}

/// Which sockets are shown.
fn scope(words: &[Vec<u8>]) -> &'static str {
    match (has_flag(words, b'l'), has_flag(words, b'a')) {
        (_, true) => " (servers and established)",
        (true, false) => " (only servers)",
        _ => " (w/o servers)",
    }
}

/// The sockets of the Internet: servers, and the visitor's own connection.
fn connections(network: &Network, words: &[Vec<u8>], shell: u32, with_tcp: bool) -> String {
    let [listens, everything, with_programs] = [b'l', b'a', b'p'].map(|flag| has_flag(words, flag));
    let program = |pid: u32, name: &str| {
        if with_programs { format!("{:<20}", format!("{pid}/{name}")) } else { String::new() }
    };
    let row = |here: &str, there: &str, state: &str, program: String| {
        format!("tcp        0      0 {here:<23} {there:<23} {state:<12}{program}\n")
    };
    let title = if with_programs { "PID/Program name    " } else { "" };
    let mut text = format!(
        "Active Internet connections{}\nProto Recv-Q Send-Q Local Address           Foreign Address         State       {title}\n",
        scope(words)
    );
    if with_tcp && (listens || everything) {
        for (port, pid, name) in &network.servers {
            text += &row(&format!("0.0.0.0:{port}"), "0.0.0.0:*", "LISTEN", program(*pid, name));
        }
    }
    if with_tcp && (everything || !listens) {
        let (here, there) = network.connection;
        let owner = network.servers.iter().find(|server| server.0 == here.port());
        let owner = owner.map_or_else(|| program(shell, "sh"), |(_, pid, name)| program(*pid, name));
        text += &row(&here.to_string(), &there.to_string(), "ESTABLISHED", owner);
    }
    text
}

pub(super) fn ping(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let operands = operands_beside(words, b"cwWsIit");
    let Some(host) = operands.first().map(|host| lossy(host)) else { return usage(run, "ping", io) };
    let count = value_of(words, b'c').and_then(number).unwrap_or(4).clamp(1, 20);
    let Ok(address) = host.parse::<IpAddr>() else {
        run.wait_about(900, 4_000);
        return run.fail(io, words, &format!("bad address '{host}'"));
    };
    run.print_line(io.out, &format!("PING {host} ({address}): 56 data bytes"));
    let mut times = Vec::new();
    for sequence in 0..count {
        let micros = run.random.within(&(9_000..=31_000));
        run.wait(Duration::from_micros(micros));
        run.print_line(
            io.out,
            &format!("64 bytes from {address}: seq={sequence} ttl=54 time={}.{:03} ms", micros / 1_000, micros % 1_000),
        );
        times.push(micros);
        if sequence + 1 < count {
            run.wait(Duration::from_secs(1));
        }
    }
    let (least, most) = (times.iter().min().copied().unwrap_or(0), times.iter().max().copied().unwrap_or(0));
    let mean = times.iter().sum::<u64>() / count;
    let shown = |micros: u64| format!("{}.{:03}", micros / 1_000, micros % 1_000);
    run.print_line(io.out, &format!("\n--- {host} ping statistics ---\n{count} packets transmitted, {count} packets received, 0% packet loss\nround-trip min/avg/max = {}/{}/{} ms", shown(least), shown(mean), shown(most)));
    0
}

pub(super) fn nslookup(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(host) = words.get(1).map(|host| lossy(host)) else { return usage(run, "nslookup", io) };
    run.wait_about(900, 3_000);
    run.print_line(io.out, "Server:    8.8.8.8\nAddress 1: 8.8.8.8\n");
    run.fail(io, words, &format!("can't resolve '{host}'"))
}
