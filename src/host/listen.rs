//! `/proc/net/tcp`, `tcp6`, `udp` and `udp6`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// TCP_LISTEN of `net/tcp_states.h`.
const LISTEN: u8 = 0x0A;
/// TCP_CLOSE of `net/tcp_states.h`, which for UDP means bound and not connected.
const UNCONNECTED: u8 = 0x07;

/// A socket that waits for strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// TCP, or else UDP.
    pub tcp: bool,
    /// Where it is bound.
    pub address: SocketAddr,
}

pub(super) fn tcp(text: &str) -> Vec<Listener> {
    sockets(text, LISTEN).map(|address| Listener { tcp: true, address }).collect()
}

pub(super) fn udp(text: &str) -> Vec<Listener> {
    sockets(text, UNCONNECTED).map(|address| Listener { tcp: false, address }).collect()
}

/// Local addresses of the sockets in this state. Columns: slot, local address, remote address, state, ...
fn sockets(text: &str, wanted: u8) -> impl Iterator<Item = SocketAddr> {
    text.lines().filter_map(move |line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, _remote, state) = (words.next()?, words.next()?, words.next()?);
        if u8::from_str_radix(state, 16).ok()? == wanted { address(local) } else { None }
    })
}

/// `0100007F:1F90`: the address in words of the host's byte order, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |start: usize| {
        let digits = ip.get(start..start + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (index, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index * 8)?);
            }
            // A v4 socket of a dual-stack program: what counts is whether that is loopback.
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn addresses(listeners: &[Listener]) -> Vec<String> {
        listeners.iter().map(|listener| listener.address.to_string()).collect()
    }

    #[test]
    fn listening_tcp_sockets_are_found_and_connected_ones_are_not() {
        let text = format!(
            "{HEAD}   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n   \
             1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0\n   \
             2: 0A00000A:0016 0B00000A:C350 01 00000000:00000000 02:00000000 00000000     0        0 3 1 0 20 4 30 10 -1\n"
        );
        assert_eq!(addresses(&tcp(&text)), ["127.0.0.1:8080", "0.0.0.0:22"]);
        assert_eq!(addresses(&udp(&text)), [""; 0]);
    }

    #[test]
    fn bound_udp_sockets_are_found_in_both_families() {
        let text = "  0: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 x\n \
                    1: 0000000000000000FFFF00000100007F:0045 00000000000000000000000000000000:0000 07 x\n \
                    2: 000080FE00000000FF005450B6AD1DFE:0222 00000000000000000000000000000000:0000 07 x\n \
                    3: 3500007F:0035 0100007F:9999 01 x\n";
        assert_eq!(addresses(&udp(text)), ["[::1]:53", "127.0.0.1:69", "[fe80::5054:ff:fe1d:adb6]:546"]);
    }

    #[test]
    fn garbage_is_no_socket() {
        for line in [
            "",
            ":",
            "0: : : 0A",
            "0: 1:2 3 0A",
            "0: 0100007F:1F9000 0 0A",
            "0: éééé:0016 0 0A",
            "0: 0100007Z:0016 0 0A",
        ] {
            assert_eq!(tcp(line), [], "{line:?}");
        }
    }
}
