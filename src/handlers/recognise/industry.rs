//! Protocols of plants, buildings, hospitals and petrol stations.

use super::look::{Doubt, Seen, must};

type Outcome = Result<(), Doubt>;

/// The first request to an EtherNet/IP device: ListServices, ListIdentity, ListInterfaces or RegisterSession, without a session yet
/// (CIP volume 2, sections 2-3 and 2-4; little-endian).
pub(super) fn ethernet_ip(seen: Seen<'_>) -> Outcome {
    const REGISTER_SESSION: u8 = 0x65;
    let command = seen.byte(0)?;
    must(matches!(command, 0x04 | 0x63 | 0x64 | REGISTER_SESSION))?;
    seen.literal(1, &[0, if command == REGISTER_SESSION { 4 } else { 0 }, 0])?;
    // No session, status 0; behind the sender's context no options.
    seen.literal(4, &[0; 8])?;
    seen.bytes::<8>(12)?;
    seen.literal(20, &[0; 4])
}

/// A link frame of DNP3 from a primary station (IEEE 1815 section 9.2): start bytes, length, control.
pub(super) fn dnp3(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0x05, 0x64])?;
    must(seen.byte(2)? >= 5)?;
    must(seen.byte(3)? & 0x40 != 0)
}

/// STARTDT, STOPDT or TESTFR of IEC 60870-5-104 (section 5.1): the frames without numbers that a master begins with.
pub(super) fn iec_104(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0x68, 4])?;
    must(matches!(seen.byte(2)?, 0x07 | 0x13 | 0x43))?;
    seen.literal(3, &[0; 3])
}

/// A frame of Omron's FINS over TCP: magic, length, command.
pub(super) fn fins(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"FINS\0\0")
}

/// The greeting of a Niagara Fox client.
pub(super) fn niagara_fox(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"fox a ")
}

/// HEL of OPC UA (part 6, section 7.1.2): type, the letter for "final", a little-endian length that holds an address.
pub(super) fn opc_ua(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"HELF")?;
    let length = seen.bytes(4).map(u32::from_le_bytes)?;
    must((32..=8_192).contains(&length))
}

/// Read or write of Mitsubishi's MELSEC protocol, frame 3E in binary: subheader, the own network and station.
pub(super) fn melsec(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0x50, 0, 0, 0xff, 0xff, 3, 0])
}

/// The start of a CODESYS runtime's block driver over TCP, or the older one's question for its name, in both byte orders.
pub(super) fn codesys(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0xbb, 0xbb, 1, 0, 0, 0]).or_else(|doubt| match doubt {
        Doubt::Short => Err(doubt),
        Doubt::Unfit => seen.literal(0, &[0xbb, 0xbb, 0, 0, 0, 1]),
    })
}

/// The first message to a Phoenix Contact controller (PCWorx): it names the client's network card.
pub(super) fn pcworx(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[1, 1, 0, 0x1a])?;
    seen.bytes::<10>(4)?;
    seen.literal(14, b"IBETH")
}

/// The question of a ProConOS client for what runs.
pub(super) fn proconos(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0xcc, 1, 0, 0x0b, 0x40, 2])
}

/// A request to a tank gauge of Veeder-Root: start of heading, `I` or `S`, code and tank. A printer's queue would have to be named so.
pub(super) fn tank_gauge(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[1])?;
    must(matches!(seen.byte(1)?, b'I' | b'S' | b'i' | b's'))?;
    for at in 2..7 {
        must(seen.byte(at)?.is_ascii_digit())?;
    }
    Ok(())
}

/// Session initiate of HART-IP (HCF_SPEC-085): version 1, a request, type 0, 13 bytes, as the primary master.
pub(super) fn hart_ip(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[1, 0, 0, 0])?;
    seen.bytes::<2>(4)?;
    seen.literal(6, &[0, 13, 1])
}

/// A message of HL7 version 2 in its lower layer protocol: vertical tab, header segment.
pub(super) fn hl7(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"\x0bMSH|")
}

/// A-ASSOCIATE-RQ of DICOM (PS3.8 section 9.3.2): type 1, length, protocol version 1.
pub(super) fn dicom(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[1, 0, 0, 0])?;
    must(seen.u16(4)? >= 68)?;
    seen.literal(6, &[0, 1, 0, 0])
}
