//! Programs about the network. Addresses are those that the visitor can see: the one it dialled and its own.

use std::net::IpAddr;
use std::time::Duration;

use super::super::run::{Io, Run};
use super::{has_flag, lossy, number, operands_beside, usage, value_of};

/// The address that the visitor dialled, if it is IPv4.
fn own_address(run: &Run<'_, '_>) -> String {
    match run.cx.session().dialled.ip().to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(_) => "192.168.1.1".to_owned(),
    }
}

/// Its network's broadcast address and first host, as for a /24.
fn neighbours(address: &str) -> (String, String, String) {
    let net = address.rsplit_once('.').map_or(address, |(net, _)| net);
    (format!("{net}.255"), format!("{net}.1"), format!("{net}.0"))
}

fn mac_text(run: &Run<'_, '_>, separator: &str) -> String {
    run.device.mac().map(|byte| format!("{byte:02X}")).join(separator)
}

pub(super) fn ifconfig(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let address = own_address(run);
    let (broadcast, ..) = neighbours(&address);
    let name = run.device.card();
    let [(rx, rx_bytes), (tx, tx_bytes)] = run.device.traffic(run.cx.now());
    let card = format!(
        "{name:<10}Link encap:Ethernet  HWaddr {}\n          inet addr:{address}  Bcast:{broadcast}  Mask:255.255.255.0\n          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n          RX packets:{rx} errors:0 dropped:0 overruns:0 frame:0\n          TX packets:{tx} errors:0 dropped:0 overruns:0 carrier:0\n          collisions:0 txqueuelen:1000\n          RX bytes:{} ({}.{} MiB)  TX bytes:{} ({}.{} MiB)\n\n",
        mac_text(run, ":"),
        rx_bytes,
        rx_bytes >> 20,
        ((rx_bytes & 0xf_ffff) * 10) >> 20,
        tx_bytes,
        tx_bytes >> 20,
        ((tx_bytes & 0xf_ffff) * 10) >> 20,
    );
    let loopback = "lo        Link encap:Local Loopback\n          inet addr:127.0.0.1  Mask:255.0.0.0\n          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n          RX packets:24 errors:0 dropped:0 overruns:0 frame:0\n          TX packets:24 errors:0 dropped:0 overruns:0 carrier:0\n          collisions:0 txqueuelen:1\n          RX bytes:2088 (2.0 KiB)  TX bytes:2088 (2.0 KiB)\n\n";
    let wanted = operands_beside(words, b"");
    match wanted.first().copied() {
        None => run.print(io.out, [card.as_bytes(), loopback.as_bytes()].concat().as_slice()),
        Some(b"lo") => run.print(io.out, loopback.as_bytes()),
        Some(other) if other == name.as_bytes() => run.print(io.out, card.as_bytes()),
        Some(other) => {
            return run.fail(
                io,
                words,
                &format!("{}: error fetching interface information: Device not found", lossy(other)),
            );
        }
    }
    0
}

pub(super) fn ip(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let address = own_address(run);
    let (broadcast, gateway, net) = neighbours(&address);
    let name = run.device.card();
    let mac = mac_text(run, ":").to_lowercase();
    match words.iter().skip(1).find(|word| !word.starts_with(b"-")).map(Vec::as_slice) {
        Some(command) if b"address".starts_with(command) || b"link".starts_with(command) => {
            run.print_line(io.out, "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00");
            if command.first() == Some(&b'a') {
                run.print_line(
                    io.out,
                    "    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever",
                );
            }
            run.print_line(io.out, &format!("2: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast qlen 1000\n    link/ether {mac} brd ff:ff:ff:ff:ff:ff"));
            if command.first() == Some(&b'a') {
                run.print_line(io.out, &format!("    inet {address}/24 brd {broadcast} scope global {name}\n       valid_lft forever preferred_lft forever"));
            }
            0
        }
        Some(command) if b"route".starts_with(command) => {
            run.print_line(
                io.out,
                &format!("default via {gateway} dev {name}\n{net}/24 dev {name} scope link  src {address}"),
            );
            0
        }
        _ => usage(run, "ip", io),
    }
}

pub(super) fn route(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    let (_, gateway, net) = neighbours(&own_address(run));
    let name = run.device.card();
    run.print_line(
        io.out,
        "Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface",
    );
    run.print_line(io.out, &format!("{:<15} {gateway:<15} 0.0.0.0         UG    0      0        0 {name}", "0.0.0.0"));
    run.print_line(io.out, &format!("{net:<15} 0.0.0.0         255.255.255.0   U     0      0        0 {name}"));
    0
}

pub(super) fn netstat(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let session = run.cx.session();
    let (here, there) = (session.dialled, session.client);
    let shown = |address: std::net::SocketAddr| format!("{}:{}", address.ip().to_canonical(), address.port());
    let (here, there) = (shown(here), shown(there));
    let listens = has_flag(words, b'l') || has_flag(words, b'a');
    let both = if listens { " (servers and established)" } else { " (w/o servers)" };
    run.print_line(io.out, &format!("Active Internet connections{both}\nProto Recv-Q Send-Q Local Address           Foreign Address         State       "));
    if listens {
        let port = run.cx.session().dialled.port();
        for port in [80, port] {
            run.print_line(
                io.out,
                &format!("tcp        0      0 {:<23} {:<23} LISTEN      ", format!("0.0.0.0:{port}"), "0.0.0.0:*"),
            );
        }
    }
    if !has_flag(words, b'l') {
        run.print_line(io.out, &format!("tcp        0      0 {here:<23} {there:<23} ESTABLISHED "));
    }
    0
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
