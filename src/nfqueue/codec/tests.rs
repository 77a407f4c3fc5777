//! Known byte images, round trips, and garbage.

use proptest::prelude::*;

use super::*;
use crate::config::Fail;
use crate::engine::Verdict;

/// Little-endian images; the netlink headers are in host byte order.
#[cfg(target_endian = "little")]
mod images {
    use super::*;

    #[test]
    fn bind_is_one_message_with_every_setting() {
        let image = Bind { queue: 0x0102, queue_len: 65_536, fail: Fail::Open }.emit();
        let expected: &[u8] = &[
            64, 0, 0, 0, 2, 3, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr: NFQNL_MSG_CONFIG, REQUEST | ACK
            0, 0, 1, 2, // nfgenmsg: AF_UNSPEC, V0, queue
            8, 0, 1, 0, 1, 0, 0, 0, // CMD: BIND
            9, 0, 2, 0, 0, 0, 0xff, 0xfb, 2, 0, 0, 0, // PARAMS: 65531, COPY_PACKET
            8, 0, 3, 0, 0, 1, 0, 0, // QUEUE_MAXLEN
            8, 0, 4, 0, 0, 0, 0, 5, // MASK
            8, 0, 5, 0, 0, 0, 0, 5, // FLAGS
        ];
        assert_eq!(image, expected);
    }

    #[test]
    fn fail_closed_clears_the_flag_and_keeps_it_in_the_mask() {
        let image = Bind { queue: 0, queue_len: 1, fail: Fail::Closed }.emit();
        assert_eq!(image[48..], [8, 0, 4, 0, 0, 0, 0, 5, 8, 0, 5, 0, 0, 0, 0, 4]);
    }

    #[test]
    fn verdict_counts_padding_in_the_message_and_not_in_the_attribute() {
        let verdict = VerdictMessage {
            scope: Scope::One,
            id: 7,
            verdict: Verdict::Accept,
            mark: Some(0x0a0b_0c0d),
            payload_len: Some(21),
        };
        let mut image = Vec::new();
        verdict.emit(3, &mut image);
        let expected: &[u8] = &[
            68, 0, 0, 0, 1, 3, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr: NFQNL_MSG_VERDICT, REQUEST
            0, 0, 0, 3, // nfgenmsg
            12, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 7, // VERDICT_HDR: NF_ACCEPT, id
            8, 0, 3, 0, 0x0a, 0x0b, 0x0c, 0x0d, // MARK
            25, 0, 10, 0, // PAYLOAD: 4 + 21; 24 bytes follow
        ];
        assert_eq!(image, expected);
        assert_eq!(image.len(), VerdictMessage::MAX_HEAD);
    }

    #[test]
    fn batch_verdict_is_32_bytes() {
        let verdict =
            VerdictMessage { scope: Scope::UpTo, id: 9, verdict: Verdict::Drop, mark: None, payload_len: None };
        let mut image = Vec::new();
        verdict.emit(0, &mut image);
        assert_eq!(image[..8], [32, 0, 0, 0, 3, 3, 1, 0]);
        assert_eq!(image[20..], [12, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn packet_as_the_kernel_sends_it_is_read() {
        let datagram: &[u8] = &[
            63, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr: NFQNL_MSG_PACKET
            2, 0, 0, 5, // nfgenmsg: AF_INET, queue 5
            11, 0, 1, 0, 0, 0, 0, 42, 0x08, 0x00, 3, 0, // PACKET_HDR: id 42, IPv4, LOCAL_OUT
            8, 0, 6, 0, 0, 0, 0, 2, // IFINDEX_OUTDEV
            8, 0, 3, 0, 0, 0, 1, 0, // MARK
            8, 0, 14, 0, 0, 0, 0, 3, // SKB_INFO: CSUMNOTREADY | GSO
            7, 0, 10, 0, 0x45, 0, 1, // PAYLOAD of 3, no padding at the end
        ];
        let Ok(Message::Packet(packet)) = Message::parse(datagram) else { panic!("not a packet") };
        let expected = PacketMessage {
            id: 42,
            hook: 3,
            hw_protocol: 0x0800,
            mark: 0x100,
            ifindex_in: 0,
            ifindex_out: 2,
            skb_info: SkbInfo(3),
            cap_len: None,
            payload: 60..63,
        };
        assert_eq!(packet, expected);
        assert!(packet.skb_info.is_gso() && packet.skb_info.checksum_not_ready());
    }
}

#[test]
fn error_code_zero_is_an_acknowledgement() {
    assert_eq!(Message::parse(&Message::emit_refusal(0)), Ok(Message::Acknowledged));
    assert_eq!(Message::parse(&Message::emit_refusal(libc::ENOENT)), Ok(Message::Refused(libc::ENOENT)));
}

#[test]
fn packet_without_its_header_is_refused() {
    let message = Header::emit(MSG_PACKET, 0, ATTRIBUTES, 0, 0);
    assert_eq!(Message::parse(&message), Err(ParseError { layer: "NFQA_PACKET_HDR", needed: 7, had: 0 }));
}

#[test]
fn cut_datagram_says_how_much_is_missing() {
    let mut datagram = Vec::new();
    PacketMessage { id: 1, ..PacketMessage::default() }.emit(0, &[0x45; 100], &mut datagram);
    let whole = datagram.len();
    datagram.truncate(whole - 1);
    assert_eq!(Message::parse(&datagram), Err(ParseError { layer: "nlmsghdr", needed: whole, had: whole - 1 }));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Message::parse(&bytes);
        let _ = VerdictMessage::parse(&bytes);
    }

    #[test]
    fn a_damaged_packet_message_never_points_outside(
        payload in proptest::collection::vec(any::<u8>(), 0..64),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut datagram = Vec::new();
        PacketMessage { id: 1, mark: 2, cap_len: Some(3), ..PacketMessage::default() }.emit(0, &payload, &mut datagram);
        for (at, byte) in damage {
            *at.get_mut(&mut datagram) = byte;
        }
        datagram.truncate(cut.index(datagram.len() + 1));
        if let Ok(Message::Packet(packet)) = Message::parse(&datagram) {
            prop_assert!(datagram.get(packet.payload).is_some());
        }
    }

    #[test]
    fn packet_survives_emit_and_parse(
        id: u32, hook: u8, hw_protocol: u16, mark: u32, ifindex_in: u32, ifindex_out: u32, info: u32,
        cap_len in proptest::option::of(1u32..),
        payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let sent = PacketMessage {
            id, hook, hw_protocol, mark, ifindex_in, ifindex_out, skb_info: SkbInfo(info), cap_len, payload: 0..0,
        };
        let mut datagram = Vec::new();
        sent.emit(1, &payload, &mut datagram);
        let Ok(Message::Packet(read)) = Message::parse(&datagram) else { panic!("not a packet") };
        prop_assert_eq!(&datagram[read.payload.clone()], &payload[..]);
        prop_assert_eq!(PacketMessage { payload: 0..0, ..read }, sent);
    }

    #[test]
    fn verdicts_survive_concatenation(
        verdicts in proptest::collection::vec(
            (any::<u32>(), any::<bool>(), proptest::option::of(any::<u32>()), proptest::option::of(1usize..40)), 1..8),
    ) {
        let verdicts: Vec<VerdictMessage> = verdicts.into_iter().map(|(id, accept, mark, payload_len)| VerdictMessage {
            scope: if payload_len.is_none() && accept { Scope::UpTo } else { Scope::One },
            id,
            verdict: if accept { Verdict::Accept } else { Verdict::Drop },
            mark,
            payload_len,
        }).collect();
        let mut datagram = Vec::new();
        for verdict in &verdicts {
            verdict.emit(0, &mut datagram);
            datagram.resize(datagram.len() + verdict.payload_len.map_or(0, padded), 0xee);
        }
        let mut rest = &datagram[..];
        for sent in verdicts {
            let (read, payload, next) = VerdictMessage::parse(rest).unwrap();
            prop_assert_eq!(read, sent);
            prop_assert_eq!(payload.len(), sent.payload_len.unwrap_or(0));
            rest = &rest[next..];
        }
        prop_assert!(rest.is_empty());
    }
}
