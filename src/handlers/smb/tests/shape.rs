//! The shapes of answers, and what detectors look for.

use super::*;

#[test]
fn a_negotiation_without_extended_security_has_the_bytes_of_windows_7() {
    let message = One { flags2: 0xc053, ..negotiate() }.bytes();
    let (replies, _) = play(std::slice::from_ref(&message));
    let reply = &replies[0];
    assert_eq!((reply.flags, reply.flags2), (0x98, 0xc053));
    let words = &reply.words;
    assert_eq!(words[..23], *b"\x03\0\x03\x32\0\x01\0\x04\x11\0\0\0\0\x01\0\0\0\0\0\xfc\xe3\x01\0");
    assert_eq!(words.as_slice().le64(23), Some(1_700_000_000 * 10_000_000 + 116_444_736_000_000_000));
    assert_eq!(words[31..], [0, 0, 8]);
    let name = Persona::example().windows_name().to_owned();
    assert_eq!(reply.data[8..], utf16(&format!("WORKGROUP\0{name}\0")));
    assert_eq!(reply.len, 69 + 8 + 20 + 2 * (name.len() + 1));
}

#[test]
fn a_negotiation_with_extended_security_has_the_guid_and_offers_ntlm() {
    let (replies, _) = play(&[One { flags2: 0xc853, ..negotiate() }.bytes()]);
    assert_eq!(replies[0].words[19..23], [0xfc, 0xe3, 0x01, 0x80]);
    assert_eq!(replies[0].data[..16], Persona::example().guid());
    assert_eq!(replies[0].data[16..], super::super::spnego::offer());
}

#[test]
fn unicode_logins_and_trees_have_the_shapes_of_windows_7() {
    let mut unicode = setup();
    unicode.flags2 = UNICODE;
    unicode.data = [vec![0], utf16("\0\0Windows\0Lan\0")].concat();
    let messages = [
        negotiate().bytes(),
        unicode.bytes(),
        tree(UNICODE, 8, "\\\\x\\IPC$").bytes(),
        tree(UNICODE, 0, "IPC$").bytes(),
    ];
    let (replies, _) = play(&messages);
    let text = utf16("Windows 7 Professional 7601 Service Pack 1\0Windows 7 Professional 6.1\0WORKGROUP\0");
    assert_eq!(replies[1].data, [vec![0], text].concat());
    assert_eq!(
        replies[2].words, *b"\xff\0\x38\0\x01\0\xff\xff\x1f\0\xff\xff\x1f\0",
        "the longer answer, which was asked for"
    );
    assert_eq!(replies[2].data, b"IPC\0\0\0\0");
    assert_eq!((replies[3].words.len(), replies[3].tid), (6, 0x0801));
}

#[test]
fn errors_are_those_that_detectors_expect() {
    let mut bogus = vec![0xff, 0, 0, 0, 0];
    bogus.put16(10).put32(0).put32(0).put32(1).put64(0).put32(0).put32(3).put32(1).put32(0).put32(2).put8(0);
    let mut messages = start();
    messages.extend([
        tree(UNICODE, 8, "\\\\x\\NOTHERE").bytes(),
        tree(UNICODE, 8, "\\\\x\\C$").bytes(),
        one(0xa2, &bogus, &[vec![0], utf16("\\bogus\0")].concat()).bytes(),
        One { tid: 0x0999, ..peek() }.bytes(),
        one(0x17, &[], &[]).bytes(),
        one(0x04, &[0, 0x40, 0, 0, 0, 0], &[]).bytes(),
    ]);
    let (replies, _) = play(&messages);
    let statuses: Vec<u32> = replies[3..].iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [0xc000_00cc, 0xc000_0022, 0xc000_0034, 0x0005_0002, 0x0016_0002, 0xc000_0008]);
}

#[test]
fn port_139_grants_a_session_to_its_own_name_only() {
    let request = |name: &str| {
        let encoded: Vec<u8> =
            format!("{name:<16}").bytes().flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 15)]).collect();
        let name = [&[32][..], &encoded, &[0]].concat();
        [&[0x81, 0, 0, 68][..], &name, &name].concat()
    };
    let granted = Transcript::tcp("smb", "").run(&[Step::Recv(&request("*SMBSERVER"))]);
    assert_eq!((granted.sent(), granted.closed), (vec![0x82, 0, 0, 0], false));
    let refused = Transcript::tcp("smb", "").run(&[Step::Recv(&request("DC01"))]);
    assert_eq!((refused.sent(), refused.closed), (vec![0x83, 0, 0, 1, 0x82], true));
}

#[test]
fn what_is_no_smb_ends_the_connection_and_is_recorded() {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\xff\xff\xff\0\0"] {
        let outcome = Transcript::tcp("smb", "").run(&[Step::Recv(bytes), Step::Wait(1_000)]);
        assert!(outcome.closed && outcome.sent().is_empty(), "{bytes:?}");
        assert_eq!(outcome.the_event("payload").fields["bytes"], bytes.len(), "all of it is recorded");
    }
    for bytes in [&b"\0\0\0\x05hello"[..], b"\0\0\0\x20\xffSMB\x73aaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let outcome = Transcript::tcp("smb", "").run(&[Step::Recv(bytes), Step::Recv(&[0; 64])]);
        assert!(outcome.closed && outcome.sent().is_empty(), "{bytes:?}");
        assert_eq!(outcome.the_event("payload").fields["bytes"], bytes.len());
    }
    let outcome = Transcript::tcp("smb", "").run(&[Step::Eof]);
    outcome.the_event("connect");
}

#[test]
fn smb2_is_offered_to_who_asks_for_it_and_errors_are_those_of_windows() {
    let dialects = b"\x02NT LM 0.12\0\x02SMB 2.002\0\x02SMB 2.???\0";
    let first = One { flags2: 0xc853, uid: 0, tid: 0, ..one(0x72, &[], dialects) }.bytes();
    let two = |number: u64, command: u16, session: u64, body: &[u8]| {
        let mut out = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
        out.put16(command).put16(1).put64(0).put64(number).put32(0).put32(0).put64(session).put(&[0; 16]).put(body);
        super::super::framed(&out)
    };
    let mut negotiate = Vec::new();
    negotiate.put16(36).put16(2).put16(1).put16(0).put(&[0; 28]).put16(0x0202).put16(0x0210);
    let outcome = Transcript::tcp("smb", "").run(&[
        Step::Recv(&first),
        Step::Recv(&two(1, 0, 0, &negotiate)),
        Step::Recv(&two(2, 3, 99, &[9, 0, 0, 0, 0, 0, 0, 0, 0])),
        Step::Recv(&two(3, 1, 0, &[24; 25])),
        Step::Recv(&two(4, 77, 0, &[4, 0, 0, 0])),
        Step::Recv(&two(5, 13, 0, &[4, 0, 0, 0])),
    ]);
    let sent = outcome.sent();
    let mut rest = sent.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        found.push(&rest[4..4 + len]);
        rest = &rest[4 + len..];
    }
    assert_eq!((found[0].le16(68), found[1].le16(68)), (Some(0x02ff), Some(0x0210)));
    assert_eq!(found[1][72..88], Persona::example().guid());
    let statuses: Vec<u32> = found[2..].iter().map(|message| message.le32(8).unwrap()).collect();
    assert_eq!(statuses, [0xc000_0203, 0xc000_000d, 0xc000_000d, 0]);
}

#[test]
fn a_pipe_is_bound_and_a_share_listed() {
    let (replies, _) = play(&dialogues()[1]);
    let statuses: Vec<u32> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [0; 7]);
    assert_eq!(replies[5].data[1..4], [5, 0, 12], "bind_ack");
    assert!(replies[6].data.windows(14).any(|part| part == utf16("Windows")));
}

#[test]
fn nobody_is_connected_to_pipes_only() {
    let mut messages = start();
    messages.extend(["C$", "Users"].map(|share| tree(UNICODE, 8, &format!("\\\\x\\{share}")).bytes()));
    let (replies, _) = play(&messages);
    assert_eq!(replies[2..].iter().map(|reply| reply.status).collect::<Vec<_>>(), [0, 0xc000_0022, 0xc000_0022]);
}
