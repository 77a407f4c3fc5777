//! What holds for every handler of the table, whatever a visitor does: bounds on what it sends and records (those of the fuzz target), on
//! the memory that it holds, and no panic.

#[cfg(test)]
mod allocation;
#[cfg(test)]
#[path = "../../fuzz/dialogue.rs"]
mod dialogue;

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use glutton_nfq::handlers::{Entry, Registry};
    use proptest::prelude::*;
    use proptest::sample::select;

    use crate::allocation;
    use crate::dialogue::{PORTS, Play, Step, steps};

    /// What a session costs until its visitor says something, all in.
    const MAX_IDLE: usize = 8 * 1024;
    /// What a session holds at most, whatever its visitor does.
    const MAX_HELD: usize = 24 << 20;

    static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::builtin);

    /// Beginnings of what visitors of many protocols say.
    const BEGINNINGS: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /ws/v1/cluster/apps HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n{\"application\":1}",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"eth_blockNumber\",\"id\":1}\n",
        b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01",
        b"\x00\x00\x00\x2f\xffSMB\x72\x00\x00\x00\x00\x18\x01\x28",
        b"\x00\x00\x00\x54\xfeSMB\x40\x00",
        b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test",
        b"\x82\x06\x00\x01\x00\x01#\x00",
        b"\xff\xfd\x01\xff\xfb\x18root\r\nroot\r\n",
        b"enable\r\nsystem\r\nshell\r\nsh\r\n/bin/busybox MIRAI\r\n",
        b"cat /proc/mounts; echo -ne '\\x7f\\x45' > a; while :; do :; done\r\n",
        b"CNXN\x00\x00\x00\x01\x00\x00\x10\x00\x07\x00\x00\x00\x32\x02\x00\x00\xbc\xb1\xa7\xb1host::\x00",
        b"set a 0 0 5\r\nhello\r\nget a a a a\r\nstats\r\n",
        b"\x80\x00\x00\x01\x08\x00\x00\x00\x00\x00\x00\x09",
        b"\x00\x01\x00\x00\x00\x01\x00\x00stats\r\n",
        b"<?xml version='1.0'?><stream:stream to='a' xmlns='jabber:client' version='1.0'>",
        b"SSH-2.0-Go\r\n",
        b"*1\r\n$4\r\nINFO\r\n",
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
        b"OPTIONS sip:nm SIP/2.0\r\n\r\n",
        b"\x05\x01\x00",
    ];

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => select(BEGINNINGS).prop_map(|bytes| Step::Recv(bytes.to_vec())),
            3 => (select(BEGINNINGS), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(bytes, at, value)| {
                let mut damaged = bytes.to_vec();
                let at = at.index(damaged.len());
                damaged[at] = value;
                Step::Recv(damaged)
            }),
            3 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Step::Recv),
            1 => (select(&b"A\0\xff\n<{ "[..]), 1_usize..30_000).prop_map(|(byte, len)| Step::Recv(vec![byte; len])),
            1 => (0_u64..100_000).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
            1 => Just(Step::Eof),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

        #[test]
        fn whatever_a_visitor_does_every_bound_holds(steps in prop::collection::vec(step(), 0..12), port in 0..=PORTS.len()) {
            for entry in REGISTRY.entries() {
                for &transport in entry.transports() {
                    let before = allocation::held();
                    let mut play = Play::open(&REGISTRY, entry, transport, port);
                    for step in &steps {
                        play.run(std::slice::from_ref(step));
                        let held = allocation::held().saturating_sub(before);
                        prop_assert!(held <= MAX_HELD, "{} holds {held} bytes", entry.name());
                    }
                    play.close();
                }
            }
        }
    }

    #[test]
    fn a_visitor_that_says_nothing_costs_little() {
        const VISITORS: usize = 100;
        for entry in REGISTRY.entries() {
            for &transport in entry.transports() {
                // What the first session of a handler leaves for all others is not theirs.
                Play::open(&REGISTRY, entry, transport, 0).close();
                let before = allocation::held();
                let plays: Vec<Play<'_>> = (0..VISITORS).map(|_| Play::open(&REGISTRY, entry, transport, 0)).collect();
                let each = allocation::held().saturating_sub(before) / VISITORS;
                assert!(each <= MAX_IDLE, "{}: an idle session holds {each} bytes", entry.name());
                drop(plays);
            }
        }
    }

    #[test]
    fn a_flood_of_one_byte_or_of_one_line_ends_within_the_bounds() {
        let ports = |entry: &Entry| if entry.name().as_ref() == "tcp" { 0..=PORTS.len() } else { 0..=0 };
        for (entry, port) in REGISTRY.entries().flat_map(|entry| ports(entry).map(move |port| (entry, port))) {
            for &transport in entry.transports() {
                for beginning in BEGINNINGS.iter().copied().chain([&b"\0"[..], b"\n", b"\xff", b"a"]) {
                    let before = allocation::held();
                    let mut play = Play::open(&REGISTRY, entry, transport, port);
                    let flood = beginning.repeat(64 * 1024 / beginning.len() + 1);
                    for _ in 0..8 {
                        play.run(&[Step::Recv(flood.clone())]);
                    }
                    let held = allocation::held().saturating_sub(before + flood.len());
                    assert!(held <= MAX_HELD, "{} holds {held} bytes", entry.name());
                    play.close();
                }
            }
        }
    }

    #[test]
    fn scripts_of_the_fuzzer_become_steps() {
        let recv = |bytes: &[u8]| Step::Recv(bytes.to_vec());
        let again = [recv(b"ab"), recv(b"ab"), recv(b"ab")];
        assert_eq!(steps(b"\x02ab\xfb\x02"), again);
        assert_eq!(
            steps(b"\xfc\xfd\x03\xff\x01x"),
            [Step::Eof, Step::Wait(Duration::from_millis(300)), recv(b"\x01x")]
        );
        assert_eq!(steps(b"\x05ab"), [recv(b"ab")]);
    }
}
