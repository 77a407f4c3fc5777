//! Protocols of databases, brokers and what else servers say to servers.

use super::look::{Doubt, Seen, must};

type Outcome = Result<(), Doubt>;

/// A request of Kafka for the versions that the broker speaks (API key 18): length, key, version, correlation, client's name.
pub(super) fn kafka(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0, 0])?;
    must((10..=1_024).contains(&seen.u16(2)?))?;
    seen.literal(4, &[0, 18, 0])?;
    must(seen.byte(7)? <= 9)?;
    seen.bytes::<4>(8)?;
    let name = seen.u16(12)?;
    must(name <= 255 || name == u16::MAX)
}

/// A question of four letters to ZooKeeper, or the ConnectRequest of a client that has no session. Words that begin others must end.
pub(super) fn zookeeper(seen: Seen<'_>) -> Outcome {
    const WORDS: [&str; 16] = [
        "ruok", "srvr", "mntr", "isro", "wchs", "crst", "srst", "stat\n", "stat\r", "envi\n", "envi\r", "conf\n",
        "conf\r", "cons\n", "cons\r", "dump\n",
    ];
    if seen.byte(0)? != 0 {
        return seen.word(&WORDS).map(|_| ());
    }
    seen.literal(0, &[0, 0, 0])?;
    must(matches!(seen.byte(3)?, 44 | 45))?;
    // Protocol 0, no transaction seen; behind the timeout no session, and a password of 16 bytes.
    seen.literal(4, &[0; 12])?;
    seen.bytes::<4>(16)?;
    seen.literal(20, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16])
}

/// OPTIONS or STARTUP of CQL (native protocol v3 to v5, section 2): version, flags, stream, opcode, length.
pub(super) fn cassandra(seen: Seen<'_>) -> Outcome {
    must(matches!(seen.byte(0)?, 3..=5))?;
    // No flags yet: nothing is compressed before STARTUP has agreed on it.
    seen.literal(1, &[0])?;
    seen.bytes::<2>(2)?;
    let opcode = seen.byte(4)?;
    must(matches!(opcode, 1 | 5))?;
    seen.literal(5, &[0, 0])?;
    let length = seen.u16(7)?;
    must(if opcode == 5 { length == 0 } else { (20..=512).contains(&length) })
}

/// A message of Elasticsearch's transport: `ES`, a length.
pub(super) fn elasticsearch(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"ES\0\0")
}

/// The protocol header of AMQP 0-9-1 or 1.0 (section 4.2.2; 1.0 section 2.2).
pub(super) fn amqp(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"AMQP")?;
    must(seen.byte(4)? <= 3)
}

/// CONNECT or STOMP of STOMP 1.0 to 1.2.
pub(super) fn stomp(seen: Seen<'_>) -> Outcome {
    seen.word(&["CONNECT\n", "CONNECT\r\n", "STOMP\n", "STOMP\r\n"]).map(|_| ())
}

/// CONNECT of a NATS client that does not wait for INFO.
pub(super) fn nats(seen: Seen<'_>) -> Outcome {
    seen.word(&["CONNECT {", "connect {"]).map(|_| ())
}

/// The magic of Neo4j's Bolt.
pub(super) fn bolt(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0x60, 0x60, 0xb0, 0x17])
}

/// EXCSAT of DRDA (Db2, Derby): length, magic, a request, correlation, length, code point.
pub(super) fn drda(seen: Seen<'_>) -> Outcome {
    must((10..=4_096).contains(&seen.u16(0)?))?;
    seen.literal(2, &[0xd0])?;
    must(seen.byte(3)? & 0x0f == 1)?;
    seen.bytes::<4>(4)?;
    seen.literal(8, &[0x10, 0x41])
}

/// Hello of ClickHouse's native protocol: packet 0, the client's name behind its length.
pub(super) fn clickhouse(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0])?;
    must((10..=64).contains(&seen.byte(1)?))?;
    seen.literal(2, b"ClickHouse")
}

/// The handshake of a Java debugger.
pub(super) fn jdwp(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"JDWP-Handshake")
}

/// A stream of Java objects (Java Object Serialization Specification section 6.4.2): magic, version 5.
pub(super) fn java_object(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0xac, 0xed, 0, 5])
}

/// The connection header of Hadoop's IPC.
pub(super) fn hadoop_ipc(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"hrpc")
}

/// A question to Erlang's port mapper for names, a node or a registration: length, tag.
pub(super) fn epmd(seen: Seen<'_>) -> Outcome {
    match seen.u16(0)? {
        1 => must(matches!(seen.byte(2)?, b'n' | b'd' | b'k')),
        length => {
            must((2..=255).contains(&length))?;
            seen.literal(2, b"z")?;
            // A node's name, to its end.
            let name = seen.from(3).0;
            let name = name.get(..usize::from(length) - 1).ok_or(Doubt::Short).or_else(|_| {
                must(name.iter().all(u8::is_ascii_graphic))?;
                Err(Doubt::Short)
            })?;
            must(name.iter().all(u8::is_ascii_graphic))
        }
    }
}

/// A job for distcc: version 1 to 3 as eight hexadecimal digits, then the number of arguments.
pub(super) fn distcc(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"DIST0000000")?;
    must(matches!(seen.byte(11)?, b'1'..=b'3'))
}

/// A message of Zabbix: magic, flags.
pub(super) fn zabbix(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"ZBXD")?;
    must(matches!(seen.byte(4)?, 1 | 3 | 5 | 7))
}

/// A bind of SMPP 3.4 (section 4.1): length, receiver, transmitter or transceiver, status 0.
pub(super) fn smpp(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0, 0, 0])?;
    must(seen.byte(3)? >= 23)?;
    seen.literal(4, &[0, 0, 0])?;
    must(matches!(seen.byte(7)?, 1 | 2 | 9))?;
    seen.literal(8, &[0; 4])
}

/// The greeting of an rsync client.
pub(super) fn rsync(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"@RSYNCD: ")
}

/// A request to a Git daemon: its length as four hexadecimal digits, a service.
pub(super) fn git(seen: Seen<'_>) -> Outcome {
    for at in 0..4 {
        must(seen.byte(at)?.is_ascii_hexdigit())?;
    }
    seen.from(4).word(&["git-upload-pack ", "git-receive-pack ", "git-upload-archive "]).map(|_| ())
}
