use proptest::prelude::*;

use super::*;

/// IPv4 UDP, 28 bytes.
const IP: [u8; 28] = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 53, 0, 8, 0, 0];

/// The packets of a capture as (number, time, bytes, wire length), and whether it ended well.
type Packets = (Vec<(u64, Duration, Vec<u8>, usize)>, Option<CaptureError>);

fn read(file: &[u8]) -> Packets {
    let mut packets = Vec::new();
    let mut capture = match Capture::new(file) {
        Ok(capture) => capture,
        Err(error) => return (packets, Some(error)),
    };
    loop {
        match capture.next_record() {
            Ok(Some(Record { number, time, packet })) => {
                packets.extend(packet.map(|packet| (number, time, packet.bytes.to_vec(), packet.wire_len)));
            }
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

fn number(big: bool, value: u32) -> [u8; 4] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn pcap(big: bool, magic: u32, link: u32, frames: &[&[u8]]) -> Vec<u8> {
    let mut out: Vec<u8> = [magic, 0, 0, 0, 262_144, link].into_iter().flat_map(|field| number(big, field)).collect();
    for frame in frames {
        let length = frame.len() as u32;
        out.extend([1_700_000_000, 5, length, length].into_iter().flat_map(|field| number(big, field)));
        out.extend(*frame);
    }
    out
}

fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = number(big, body.len() as u32 + 12);
    [&number(big, kind)[..], &length[..], &body[..], &length[..]].concat()
}

fn pcapng(big: bool, frame: &[u8]) -> Vec<u8> {
    let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let section = [&number(big, 0x1a2b_3c4d)[..], &[0; 4], &[0xff; 8]].concat();
    // Raw IP, no limit, nanoseconds.
    let interface = [&short(101)[..], &[0; 6], &short(9), &short(1), &[9, 0, 0, 0], &short(0), &short(0)].concat();
    let ticks = 1_700_000_000_000_000_005u64;
    let fields = [0, (ticks >> 32) as u32, ticks as u32, frame.len() as u32, frame.len() as u32];
    let packet = [&fields.map(|field| number(big, field)).concat()[..], frame].concat();
    let simple = [&number(big, frame.len() as u32)[..], frame].concat();
    let blocks = [
        block(big, 0x0a0d_0d0a, &section),
        block(big, 1, &interface),
        block(big, 0x0bad, &[1; 100]),
        block(big, 6, &packet),
        block(big, 3, &simple),
    ];
    blocks.concat()
}

#[test]
fn pcap_is_read_in_both_byte_orders_and_resolutions() {
    for big in [false, true] {
        for (magic, nanos) in [(0xa1b2_c3d4, 5000), (0xa1b2_3c4d, 5)] {
            let (packets, error) = read(&pcap(big, magic, 101, &[&IP, &IP[..10]]));
            assert!(error.is_none());
            let time = Duration::new(1_700_000_000, nanos);
            assert_eq!(packets, vec![(1, time, IP.to_vec(), 28), (2, time, IP[..10].to_vec(), 10)]);
        }
    }
}

#[test]
fn pcapng_is_read_in_both_byte_orders() {
    for big in [false, true] {
        let (packets, error) = read(&pcapng(big, &IP));
        assert!(error.is_none(), "{error:?}");
        let time = Duration::new(1_700_000_000, 5);
        assert_eq!(packets, vec![(1, time, IP.to_vec(), 28), (2, Duration::ZERO, IP.to_vec(), 28)]);
    }
}

#[test]
fn sections_may_change_the_byte_order() {
    let (packets, error) = read(&[pcapng(false, &IP), pcapng(true, &IP)].concat());
    assert!(error.is_none());
    assert_eq!(packets.iter().map(|packet| packet.0).collect::<Vec<_>>(), vec![1, 2, 3, 4]);
}

#[test]
fn link_layers_are_taken_off() {
    let behind = |header: &[u8]| [header, &IP[..]].concat();
    let ethernet = behind(&[&[0; 12][..], &[8, 0]].concat());
    let vlan = behind(&[&[0; 12][..], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0]].concat());
    let cooked = behind(&[&[0; 14][..], &[8, 0]].concat());
    let cooked2 = behind(&[&[8, 0][..], &[0; 18]].concat());
    for (link, frame) in [
        (1, ethernet),
        (1, vlan),
        (113, cooked),
        (276, cooked2),
        (0, behind(&[2, 0, 0, 0])),
        (108, behind(&[0, 0, 0, 2])),
    ] {
        let (packets, error) = read(&pcap(false, 0xa1b2_c3d4, link, &[&frame]));
        assert!(error.is_none());
        assert_eq!(packets.first().map(|packet| (&packet.2[..], packet.3)), Some((&IP[..], 28)), "link type {link}");
    }
}

#[test]
fn ethernet_padding_is_cut_off_and_other_protocols_are_counted() {
    let padded = [&[0; 12][..], &[8, 0], &IP, &[0; 18]].concat();
    let arp = [&[0; 12][..], &[8, 6], &[0; 46]].concat();
    let (packets, _) = read(&pcap(false, 0xa1b2_c3d4, 1, &[&arp, &padded]));
    assert_eq!(
        packets.iter().map(|packet| (packet.0, packet.2.len(), packet.3)).collect::<Vec<_>>(),
        vec![(2, 28, 28)]
    );
}

#[test]
fn a_capture_cut_anywhere_gives_what_is_whole() {
    for file in [pcap(false, 0xa1b2_c3d4, 101, &[&IP, &IP]), pcapng(true, &IP)] {
        for cut in 0..file.len() {
            let (packets, error) = read(&file[..cut]);
            assert!(packets.len() < 2);
            assert!(matches!(error, None | Some(CaptureError::CutShort { .. })), "{cut}: {error:?}");
        }
    }
}

#[test]
fn absurd_claims_are_errors() {
    let mut long = pcap(false, 0xa1b2_c3d4, 101, &[&IP]);
    long[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(read(&long).1, Some(CaptureError::TooLong { number: 1, .. })));
    assert!(matches!(read(&[0; 100]).1, Some(CaptureError::NotACapture { magic: 0 })));
    assert!(matches!(
        read(&pcap(false, 0xa1b2_c3d4, 127, &[&IP])).1,
        Some(CaptureError::UnknownLink { link_type: 127, .. })
    ));
    assert!(matches!(read(&[]).1, Some(CaptureError::CutShort { after: 0 })));
}

proptest! {
    #[test]
    fn no_bytes_panic(mut file in proptest::collection::vec(any::<u8>(), 0..300), head in 0usize..4, at in 0usize..200, byte: u8) {
        let head = match head {
            0 => pcap(false, 0xa1b2_c3d4, 1, &[]),
            1 => pcap(true, 0xa1b2_3c4d, 113, &[]),
            2 => pcapng(false, &IP),
            _ => pcapng(true, &IP),
        };
        file.splice(0..0, head);
        if let Some(damaged) = file.get_mut(at) {
            *damaged = byte;
        }
        read(&file);
    }
}
