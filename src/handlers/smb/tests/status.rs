//! Which status each mistake gets. Held against Samba and, where that differs, against what MS-CIFS, MS-SMB2 and MS-FSA say of Windows.

use super::*;

/// IPC$ and C$ as an administrator: their trees are 0x0800 and 0x0801.
pub(super) fn at_home() -> Vec<Vec<u8>> {
    let mut words = vec![0xff, 0, 0, 0];
    words.put16(0xffff).put16(2).put16(1).put32(0).put16(9).put32(0).put32(0);
    let login = one(0x73, &words[..20], b"Secret12\0alice\0\0Unix\0Samba\0");
    let login = One { flags2: 0x4001, uid: 0, tid: 0, ..login };
    let trees = ["IPC$", "C$"].map(|share| tree(UNICODE, 8, &format!("\\\\x\\{share}")).bytes());
    let negotiate = One { flags2: 0x4001, ..negotiate() };
    [vec![negotiate.bytes(), login.bytes()], trees.into()].concat()
}

/// The statuses of the answers to these messages.
fn statuses(messages: &[One]) -> Vec<u32> {
    let all = [at_home(), messages.iter().map(One::bytes).collect()].concat();
    let steps: Vec<Step<'_>> = all.iter().map(|message| Step::Recv(message)).collect();
    let outcome = Transcript::tcp("smb", ALICE).run(&steps);
    let replies = replies(&outcome.sent());
    assert_eq!(replies[..4].iter().map(|reply| reply.status).collect::<Vec<_>>(), [0; 4]);
    replies[4..].iter().map(|reply| reply.status).collect()
}

fn on_disk(message: One) -> One {
    One { tid: 0x0801, ..message }
}

/// Paths behind their format bytes, for a command of the core protocol.
fn core(command: u8, words: &[u16], paths: &[&str]) -> One {
    let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut data = Vec::new();
    for path in paths {
        data.put8(4);
        // Texts are aligned to the message: its data begins after 35 bytes and the words.
        if (35 + words.len() + data.len()) % 2 == 1 {
            data.put8(0);
        }
        data.put(&utf16(path)).put16(0);
    }
    on_disk(one(command, &words, &data))
}

/// NT_CREATE_ANDX with a disposition and options.
fn create(path: &str, disposition: u32, options: u32) -> One {
    let mut words = vec![0xff, 0, 0, 0, 0];
    words.put16(2 * path.len() as u16).put32(0).put32(0).put32(0x0013_019f).put64(0).put32(0).put32(7);
    words.put32(disposition).put32(options).put32(2).put8(0);
    on_disk(one(0xa2, &words, &[vec![0], utf16(path), vec![0, 0]].concat()))
}

/// TRANSACTION2 with these parameters.
fn transaction2(subcommand: u16, parameters: &[u8]) -> One {
    let len = parameters.len() as u16;
    let mut words = Vec::new();
    words.put16(len).put16(0).put16(10).put16(4000).put16(0).put16(0).put32(0).put16(0).put16(len).put16(66);
    words.put16(0).put16(0).put16(1).put16(subcommand);
    on_disk(one(0x32, &words, &[&[0], parameters].concat()))
}

/// QUERY_PATH_INFORMATION of the root.
fn about_root(level: u16) -> One {
    let mut parameters = Vec::new();
    parameters.put16(level).put32(0).put(&utf16("\\\0"));
    transaction2(5, &parameters)
}

/// NT_TRANSACT with a setup and parameters.
fn nt(function: u16, setup: &[u8], parameters: &[u8]) -> One {
    let (len, at) = (parameters.len() as u32, 32 + 1 + 38 + setup.len() as u32 + 2);
    let mut words = vec![1, 0, 0];
    words.put32(len).put32(0).put32(64).put32(4000).put32(len).put32(at).put32(0).put32(0);
    words.put8(setup.len() as u8 / 2).put16(function).put(setup);
    on_disk(one(0xa0, &words, parameters))
}

#[test]
fn words_are_counted_before_logins_and_logins_before_trees() {
    let read = [0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 10, 0, 10, 0, 0, 0, 0, 0, 0, 0];
    let nobody = |message: One| One { uid: 0x7777, ..message };
    let nowhere = |message: One| One { tid: 0x7777, ..message };
    let found = statuses(&[
        one(0x2e, &[0; 4], &[]),
        one(0x10, &[0; 2], &[]),
        nobody(one(0x2e, &[0; 4], &[])),
        nobody(one(0x2e, &read, &[])),
        nowhere(one(0x2e, &read, &[])),
        one(0x2e, &read, &[]),
        nobody(nowhere(one(0x71, &[], &[]))),
        one(0x05, &[9, 9], &[]),
        one(0x15, &[], &[]),
        one(0x11, &[], &[]),
    ]);
    let (words, login, tree, file) = (0x0001_0002, 0x005b_0002, 0x0005_0002, 0xc000_0008);
    assert_eq!(found, [words, words, words, login, tree, file, login, file, 0x0016_0002, 0]);
}

#[test]
fn a_name_that_no_file_has_is_none_and_what_contradicts_itself_is_refused() {
    let found = statuses(&[
        create("a*b", 2, 0),
        create("a\u{1}", 2, 0),
        create("..\\a", 1, 0),
        create("new", 9, 0),
        create("new", 1, 0x41),
        create("new", 5, 1),
        create("Windows", 5, 0),
        create("new", 2, 0),
        create("new::$DATA", 1, 0),
        create("new\\a", 1, 0),
        create("pagefile.sys", 1, 0x1000),
        create("Windows", 1, 0x1001),
    ]);
    let (name, parameter) = (0xc000_0033, 0xc000_000d);
    let expected = [name, name, 0xc000_003b, parameter, parameter, parameter, 0xc000_0035, 0, 0, 0xc000_003a];
    assert_eq!((&found[..10], &found[10..]), (&expected[..], &[0xc000_0121, 0xc000_0101][..]));
}

#[test]
fn what_was_written_can_be_renamed_and_removed_as_what_it_is() {
    let found = statuses(&[
        core(0x00, &[], &["made"]),
        create("made\\inner", 2, 0),
        core(0x06, &[0x16], &["made"]),
        core(0x01, &[], &["made\\inner"]),
        core(0x01, &[], &["made"]),
        // As long as something in it is open, it keeps its name.
        core(0x07, &[0x16], &["made", "moved"]),
        one(0x04, &[0, 0x40, 0, 0, 0, 0], &[]),
        core(0x07, &[0x16], &["made", "moved"]),
        core(0x08, &[], &["made"]),
        core(0x08, &[], &["moved\\inner"]),
        core(0x07, &[0x16], &["moved", "Windows"]),
        core(0x07, &[0x16], &["Windows", "Other"]),
        core(0x06, &[0x16], &["moved\\inner"]),
        core(0x01, &[], &["moved"]),
    ]);
    let (directory, no_directory, full, gone) = (0xc000_00ba, 0xc000_0103, 0xc000_0101, 0xc000_0034);
    let (exists, denied) = (0xc000_0035, 0xc000_0022);
    assert_eq!(found, [0, 0, directory, no_directory, full, denied, 0, 0, gone, 0, exists, denied, 0, 0]);
}

#[test]
fn old_levels_are_answered_and_unknown_ones_told_apart_from_classes_of_nt() {
    let found = statuses(&[
        about_root(1),
        about_root(0x0107),
        about_root(0x0108),
        about_root(0x0200),
        about_root(9999),
        transaction2(3, &1_u16.to_le_bytes()),
        transaction2(3, &0x0106_u16.to_le_bytes()),
        transaction2(3, &[]),
        One { tid: 0x0800, ..transaction2(1, &[0; 16]) },
        transaction2(9, &[]),
        transaction2(0x20, &[]),
    ]);
    let unknown = 0x007c_0001;
    let last = [0xc000_000d, 0xc000_0010, 0xc000_0002, 0x0001_0002];
    assert_eq!((&found[..7], &found[7..]), (&[0, 0, 0, unknown, 0xc000_0003, 0, unknown][..], &last[..]));
}

#[test]
fn a_watched_directory_is_silent_and_security_is_told_to_who_has_room_for_it() {
    let file = [0, 0x40, 0, 0, 4, 0, 0, 0];
    let watch = |id: u8| nt(4, &[0x17, 0, 0, 0, id, 0x40, 1, 0], &[]);
    let found = statuses(&[
        create("", 1, 1),
        create("Windows\\win.ini", 1, 0),
        watch(0),
        watch(1),
        nt(6, &[], &file),
        nt(6, &[], &[9; 8]),
        nt(5, &[], &file),
        nt(2, &[0x28, 0, 9, 0, 0, 0x40, 1, 0], &[]),
        nt(12, &[], &file),
    ]);
    assert_eq!(found, [0, 0, 0xc000_000d, 0, 0xc000_0008, 0, 0xc000_0010, 0x0001_0002], "none for what waits");
}

#[test]
fn files_are_read_and_written_with_the_core_protocol() {
    let write = |at: u8, bytes: &[u8]| {
        let len = bytes.len() as u8;
        on_disk(one(0x0b, &[0, 0x40, len, 0, at, 0, 0, 0, 0, 0], &[&[1, len, 0], bytes].concat()))
    };
    let read = |at: u8| on_disk(one(0x0a, &[0, 0x40, 9, 0, at, 0, 0, 0, 0, 0], &[]));
    let messages = [core(0x03, &[0, 0, 0], &["a.txt"]), write(0, b"hello"), read(1), write(2, b""), read(0)];
    let all = [at_home(), messages.iter().map(One::bytes).collect()].concat();
    let steps: Vec<Step<'_>> = all.iter().map(|message| Step::Recv(message)).collect();
    let outcome = Transcript::tcp("smb", ALICE).run(&steps);
    let replies = replies(&outcome.sent());
    assert_eq!((replies[4].words.as_slice(), replies[5].words.as_slice()), (&[0, 0x40][..], &[5, 0][..]));
    assert_eq!(
        (replies[6].data.as_slice(), replies[8].data.as_slice()),
        (&b"\x01\x04\0ello"[..], &b"\x01\x02\0he"[..])
    );
}
