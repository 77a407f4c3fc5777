//! What servers enforce and answer beside the usual: numbers and credits, rights, sharing, locks, contexts, codes.

use super::super::header::file_id;
use super::super::{ASYNC, FROM_SERVER};
use super::*;

/// An open file: its number, and what stands in a body for it.
fn file(at: u16) -> Vec<u8> {
    file_id(1, 0x4000 + at).into_iter().flat_map(u64::to_le_bytes).collect()
}

/// A CREATE with these rights, this sharing, an oplock and a context.
fn open(session: u64, path: &str, (access, shared): (u32, u32), oplock: u8, context: &[u8]) -> Vec<u8> {
    let name = utf16(path);
    let mut body = Vec::new();
    body.put16(57)
        .put8(0)
        .put8(oplock)
        .put32(2)
        .put64(0)
        .put64(0)
        .put32(access)
        .put32(0x80)
        .put32(shared)
        .put32(3)
        .put32(0);
    body.put16(120).put_len16(name.len());
    let at = (120 + name.len()).next_multiple_of(8);
    body.put_len32(if context.is_empty() { 0 } else { at }).put_len32(context.len()).put(&name);
    body.resize(at - 64, 0);
    body.put(context).put8(0);
    message(5, (session, 1), None, &body)
}

fn context(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put32(0).put16(16).put16(4).put16(0).put16(24).put_len32(data.len()).put(name).put32(0).put(data);
    out
}

const ALL: u32 = 0x001f_01ff;

fn read(session: u64, at: u16, len: u32, least: u32) -> Vec<u8> {
    let mut body = Vec::new();
    body.put16(49).put16(0).put32(len).put64(0).put(&file(at)).put32(least).put(&[0; 12]).put8(0);
    message(8, (session, 1), None, &body)
}

fn write(session: u64, at: u16, text: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put16(49).put16(112).put_len32(text.len()).put64(0).put(&file(at)).put(&[0; 16]).put(text);
    message(9, (session, 1), None, &body)
}

fn close(session: u64, at: u16) -> Vec<u8> {
    let mut body = vec![24, 0, 0, 0, 0, 0, 0, 0];
    body.put(&file(at));
    message(6, (session, 1), None, &body)
}

/// One range: shared 1, exclusive 2, unlocked 4, and 16 for who does not wait.
fn lock(session: u64, at: u16, (offset, len): (u64, u64), flags: u32) -> Vec<u8> {
    let mut body = vec![48, 0, 1, 0, 0, 0, 0, 0];
    body.put(&file(at)).put64(offset).put64(len).put32(flags).put32(0);
    message(10, (session, 1), None, &body)
}

fn control(session: u64, at: u16, code: u32, input: &[u8]) -> Vec<u8> {
    let mut body = vec![57, 0, 0, 0];
    body.put32(code)
        .put(&file(at))
        .put32(120)
        .put_len32(input.len())
        .put32(0)
        .put32(0)
        .put32(0)
        .put32(4280)
        .put32(1)
        .put32(0);
    body.put(input).put8(0);
    message(11, (session, 1), None, &body)
}

/// What alice does with a file and a directory: a dialogue to be spoilt.
pub(in super::super::super) fn at_work() -> Vec<Vec<u8>> {
    let (mut all, session, _) = login(ALICE, 0x0210, 1, "Secret12");
    let path = utf16("\\\\x\\C$");
    let mut body = Vec::new();
    body.put16(9).put16(0).put16(72).put_len16(path.len()).put(&path);
    all.push(message(3, (session, 0), None, &body));
    let mut pieces = file(0);
    pieces.put64(0).put32(1).put32(0).put64(1).put64(0).put32(4).put32(0);
    let mut list = vec![33, 0, 37, 0, 0, 0, 0, 0];
    list.put(&file(1)).put16(96).put16(2).put32(4000).put(&utf16("*"));
    let mut security = vec![41, 0, 3, 0];
    security.put32(4000).put(&[0; 8]).put32(7).put32(0).put(&file(0)).put8(0);
    all.extend([
        open(session, "new", (ALL, 7), 9, &context(b"MxAc", &[])),
        create(session, "", 1, 1),
        write(session, 0, b"xhello"),
        read(session, 0, 6, 1),
        lock(session, 0, (0, 10), 0x12),
        control(session, 0, 0x0014_40f2, &pieces),
        message(14, (session, 1), None, &list),
        message(16, (session, 1), None, &security),
        close(session, 0),
    ]);
    all
}

fn statuses(replies: &[Vec<u8>]) -> Vec<u32> {
    replies.iter().map(|reply| status(reply)).collect()
}

#[test]
fn a_message_whose_number_was_used_or_never_granted_ends_the_connection() {
    let echo = |number: u64| numbered(number, 13, (0, 0), None, &[4, 0, 0, 0]);
    for (numbers, answers) in [(&[1, 2, 2, 3][..], 3), (&[2, 1, 3][..], 4), (&[1, 500, 2][..], 2), (&[0][..], 1)] {
        let mut messages = vec![negotiate(0x0210)];
        messages.extend(numbers.iter().map(|number| echo(*number)));
        let (replies, outcome) = play("", &messages);
        assert_eq!((replies.len(), outcome.closed), (answers, answers <= numbers.len()), "{numbers:?}");
        assert_eq!(replies[0].le16(14), Some(64), "credits as asked for");
    }
}

#[test]
fn what_is_not_paid_for_with_credits_is_refused() {
    let replies = at_home(|session| {
        let unpaid = vec![open(session, "new", (ALL, 7), 0, &[]), read(session, 0, 70_000, 0)];
        let mut paid = read(session, 0, 70_000, 0);
        patch(&mut paid, 4 + 6, &[2]);
        [unpaid, vec![paid]].concat()
    });
    assert_eq!(statuses(&replies), [0, 0xc000_000d, 0xc000_0011]);
}

#[test]
fn a_file_does_what_it_was_opened_for_and_what_others_let_it() {
    let replies = at_home(|session| {
        vec![
            open(session, "new", (0x0012_0089, 1), 0, &[]),
            write(session, 0, b"x"),
            open(session, "new", (0x0012_0116, 7), 0, &[]),
            open(session, "NEW", (0x8000_0000, 1), 0, &[]),
            open(session, "other", (0, 7), 0, &[]),
            open(session, "other", (0x0100_0000, 7), 0, &[]),
        ]
    });
    assert_eq!(statuses(&replies), [0, 0xc000_0022, 0xc000_0043, 0, 0xc000_0022, 0xc000_0061]);
}

#[test]
fn ranges_are_locked_against_others_and_waited_for() {
    let replies = at_home(|session| {
        vec![
            open(session, "new", (ALL, 7), 0, &[]),
            open(session, "new", (ALL, 7), 0, &[]),
            lock(session, 0, (0, 10), 0x12),
            lock(session, 0, (5, 10), 0x12),
            lock(session, 1, (9, 1), 0x11),
            lock(session, 1, (10, 1), 0x11),
            write(session, 1, b"x"),
            read(session, 1, 1, 0),
            lock(session, 1, (0, 10), 2),
            lock(session, 0, (0, 10), 4),
            lock(session, 0, (0, 10), 4),
            lock(session, 0, (u64::MAX, 2), 0x12),
        ]
    });
    let (denied, conflict) = (0xc000_0055, 0xc000_0054);
    let expected = [0, 0, 0, denied, denied, 0, conflict, conflict, 0x103, 0, 0, 0xc000_007e, 0xc000_01a1];
    assert_eq!(statuses(&replies), expected);
    assert_eq!(replies[10].le32(16), Some(FROM_SERVER | ASYNC), "the one that waited, once it is unlocked");
}

#[test]
fn who_reads_a_silent_pipe_waits_until_it_is_closed_and_who_watches_a_directory_too() {
    let (mut messages, session, _) = login(ALICE, 0x0210, 1, "Secret12");
    messages.push(connect(session, None));
    messages.extend([create(session, "srvsvc", 1, 0), read(session, 0, 100, 0), close(session, 0)]);
    let (replies, _) = play(ALICE, &messages);
    assert_eq!(statuses(&replies[5..]), [0x103, 0xc000_014b, 0]);
    let replies = at_home(|session| {
        let watch = about(32, 8, &[0x17, 0, 0, 0, 0, 0, 0, 0]);
        vec![create(session, "", 1, 1), message(15, (session, 1), None, &watch), close(session, 0)]
    });
    assert_eq!(statuses(&replies), [0, 0x103, 0x10b, 0]);
}

#[test]
fn oplocks_leases_and_contexts_are_granted_as_far_as_they_make_sense() {
    let mut lease = b"0123456789abcdef".to_vec();
    lease.put32(7).put32(0).put64(0);
    let replies = at_home(|session| {
        vec![
            open(session, "a", (ALL, 7), 9, &context(b"DHnQ", &[0; 16])),
            open(session, "a", (ALL, 7), 9, &context(b"DHnQ", &[0; 16])),
            open(session, "b", (ALL, 7), 0xff, &context(b"RqLs", &lease)),
            open(session, "c", (ALL, 7), 0, &context(b"MxAc", &[])),
            open(session, "a", (ALL, 7), 0, &context(b"DHnC", &[0; 16])),
            open(session, "c", (ALL, 7), 0, &[0xff; 24]),
        ]
    });
    let levels: Vec<u8> = replies[..4].iter().map(|reply| reply[66]).collect();
    assert_eq!((levels, statuses(&replies[4..])), (vec![9, 1, 0xff, 0], vec![0xc000_0034, 0xc000_000d]));
    let given = |at: usize| {
        let reply: &[u8] = &replies[at];
        reply.part(reply.at32(64 + 80).unwrap(), reply.at32(64 + 84).unwrap()).unwrap().get(16..).map(<[u8]>::to_vec)
    };
    assert_eq!(given(0).unwrap(), b"DHnQ\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(replies[1].at32(64 + 84), Some(0), "nothing durable without a batch oplock");
    assert_eq!(given(2).unwrap(), [b"RqLs\0\0\0\0".as_slice(), &lease].concat());
    assert_eq!(given(3).unwrap(), b"MxAc\0\0\0\0\0\0\0\0\xff\x01\x1f\0");
}

#[test]
fn a_file_is_copied_by_the_server_and_other_codes_are_answered() {
    let (key, copy) = (0x0014_0078, 0x0014_40f2);
    let replies = at_home(|session| {
        let mut pieces = file(0);
        pieces.put64(0).put32(1).put32(0).put64(1).put64(0).put32(4).put32(0);
        let mut beyond = pieces.clone();
        patch(&mut beyond, 48, &[99]);
        let mut unknown = pieces.clone();
        patch(&mut unknown, 0, &[0; 16]);
        let mut long = pieces.clone();
        patch(&mut long, 48, &(1024 * 1024 + 1_u32).to_le_bytes());
        vec![
            open(session, "from", (ALL, 7), 0, &[]),
            write(session, 0, b"xhello"),
            open(session, "to", (ALL, 7), 0, &[]),
            control(session, 0, key, &[]),
            control(session, 1, copy, &pieces),
            read(session, 1, 10, 0),
            control(session, 1, copy, &beyond),
            control(session, 1, copy, &unknown),
            control(session, 0, 0x0009_003c, &[]),
            control(session, 0, 0x0014_4064, &[]),
            control(session, 0, 0x0012_3456, &[]),
            control(session, 1, copy, &long),
        ]
    });
    let expected = [0, 0, 0, 0, 0, 0, 0xc000_001f, 0xc000_0034, 0, 0, 0xc000_0010, 0xc000_000d];
    assert_eq!(statuses(&replies), expected);
    assert_eq!(replies[3][112..128], file(0), "a key that names the file");
    assert_eq!((replies[4].le32(112), replies[4].le32(120)), (Some(1), Some(4)), "one piece, four bytes");
    assert_eq!(replies[5][80..], *b"hell");
    assert_eq!(
        [112, 116, 120].map(|at| replies[11].le32(at)),
        [Some(256), Some(1 << 20), Some(16 << 20)],
        "the limits"
    );
}

#[test]
fn a_day_of_work_ends_well() {
    let (replies, _) = play(ALICE, &at_work());
    assert_eq!(statuses(&replies[2..]), [0; 11]);
}

#[test]
fn who_logs_in_again_keeps_its_key_and_what_is_open_tells_the_rights_it_was_opened_with() {
    let (mut messages, session, key) = login(ALICE, 0x0210, REQUIRED, "Secret12");
    let mut token = b"NTLMSSP\0\x01\0\0\0".to_vec();
    token.put32(0xe208_8297).put(&[0; 16]);
    messages.push(setup(session, REQUIRED, &token));
    let (replies, _) = play(ALICE, &messages);
    assert_eq!(status(&replies[3]), 0xc000_0016);
    let (last, other) = authenticate("alice", "Secret12", *replies[3][64 + 8 + 24..].first_chunk().unwrap());
    messages.extend([setup(session, REQUIRED, &last), connect(session, Some(key)), connect(session, Some(other))]);
    let (replies, _) = play(ALICE, &messages);
    assert_eq!(statuses(&replies[4..]), [0, 0, 0xc000_0022]);
    let replies = at_home(|session| {
        let mut query = vec![41, 0, 1, 8];
        query.put32(4).put(&[0; 16]).put(&file(0)).put8(0);
        let mut delegate = open(session, "x", (ALL, 7), 0, &[]);
        patch(&mut delegate, 4 + 64 + 4, &[4]);
        vec![open(session, "new", (0x8000_0000, 7), 0, &[]), message(16, (session, 1), None, &query), delegate]
    });
    assert_eq!((statuses(&replies), replies[1].le32(72)), (vec![0, 0, 0xc000_00a5], Some(0x0012_0089)));
}
