//! Ports where well-known protocols are at home whose servers know nothing else: what another protocol says there is recorded and meets a
//! closed connection. Ports that a handler has for its own are not among them.

/// Every one, from WINS to BACnet; with the ports of Microsoft's RPC, printers and licence servers that scanners try for SMB.
const PORTS: &[u16] = &[
    42, 53, 88, 102, 111, 113, 119, 137, 161, 179, 389, 427, 502, 512, 513, 514, 515, 543, 544, 548, 554, 636, 1025,
    1026, 1027, 1028, 1029, 1031, 1099, 1112, 1433, 1434, 1521, 1723, 1935, 2049, 2181, 2404, 3006, 3260, 3268, 3269,
    3389, 4369, 5009, 5060, 5061, 5432, 5433, 5672, 6000, 6001, 6379, 6666, 6667, 6697, 7000, 9042, 9092, 9100, 9101,
    9102, 9103, 19_132, 20_000, 25_565, 27_000, 27_001, 27_002, 27_003, 27_004, 27_005, 27_006, 27_007, 27_008, 27_009,
    27_010, 27_017, 27_018, 44_818, 47_808,
];

/// Those of them that are spoken to within TLS: LDAP, SIP, IRC.
const WITHIN_TLS: [u16; 4] = [636, 3269, 5061, 6697];

/// A protocol is at home on this TCP port that knows no other: the catch-all records other protocols there and closes.
pub fn is_native(port: u16) -> bool {
    PORTS.binary_search(&port).is_ok()
}

/// It begins with TLS.
pub(super) fn is_within_tls(port: u16) -> bool {
    WITHIN_TLS.contains(&port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Transport;
    use crate::handlers::Registry;

    #[test]
    fn native_ports_are_in_order_and_neither_those_of_a_handler_nor_usual_for_the_web() {
        assert!(PORTS.is_sorted() && WITHIN_TLS.iter().all(|&port| is_native(port)));
        let registry = Registry::builtin();
        let of_tcp = registry.entries().filter(|entry| entry.serves(Transport::Tcp));
        let own = of_tcp.flat_map(|entry| entry.default_ports().iter().copied());
        let web = [81, 3_000, 5_000, 5_601, 7_001, 8_081, 9_000, 9_200, 10_000];
        assert_eq!(own.chain(web).find(|&port| is_native(port)), None);
    }
}
