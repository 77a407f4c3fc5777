//! What callers of the account interfaces get: scanners' questions in their order, and anything else.

use std::sync::Arc;

use super::super::account::{Exchange, Turn};
use super::super::host::Host;
use super::super::wire::{Fields, Put, text_of_utf16};
use super::handle::{self, Kind, handle};
use super::ndr::Results;
use super::principal::{Domain, Sid};
use super::*;
use crate::handlers::Environment;

mod administration;
mod endpoint;

fn host(settings: &str) -> Arc<Host> {
    Host::prepared(&Environment::example(&settings.parse().unwrap())).unwrap()
}

fn caller<'a>(host: &'a Host, user: &'a str) -> Caller<'a> {
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let source = IpAddr::from([192, 0, 2, 1]);
    Caller { host, now, source, dialled: None, seed: 7, user, is_admin: !user.is_empty() }
}

/// Judges no login.
fn nobody(_: &mut Exchange, _: u32, _: &[u8]) -> Turn {
    Turn::Refused(Status::LOGON_FAILURE)
}

/// The status that a call returns.
fn status(answer: &[u8]) -> u32 {
    answer.le32(answer.len() - 4).unwrap()
}

/// A stub of a handle and what comes after.
fn with(given: &[u8], rest: impl FnOnce(&mut Results) -> &mut Results) -> Vec<u8> {
    let mut out = Results::default();
    out.put(given);
    rest(&mut out).whole()
}

fn shows(answer: &[u8], name: &str) -> bool {
    text_of_utf16(answer).contains(name) || text_of_utf16(&answer[2..]).contains(name)
}

#[test]
fn nobody_sees_the_domain_but_neither_accounts_nor_names() {
    let host = host("");
    let nobody = caller(&host, "");
    let refused = samr::samr(&nobody, 62, &[0; 16]).unwrap();
    assert_eq!((&refused[..20], status(&refused)), (&[0; 20][..], ACCESS_DENIED));
    let open = |access: u32| lsarpc::lsarpc(&nobody, 44, &[&[0; 28][..], &access.to_le_bytes()].concat()).unwrap();
    assert_eq!(status(&open(0x0200_0800)), ACCESS_DENIED, "to look up names");
    let opened = open(0x0200_0000);
    assert_eq!(status(&opened), 0);
    let workgroup = lsarpc::lsarpc(&nobody, 7, &with(&opened[..20], |out| out.short(3))).unwrap();
    assert!(shows(&workgroup, "WORKGROUP") && status(&workgroup) == 0);
    let sids = with(&opened[..20], |out| out.long(1).pointer().long(1).pointer().sid(&Domain::Builtin.sid(&host)));
    assert_eq!(status(&lsarpc::lsarpc(&nobody, 15, &sids).unwrap()), ACCESS_DENIED);
}

#[test]
fn who_has_an_account_finds_it_among_the_others() {
    let host = host("credentials = { list = ['alice:a', 'bob:b', '*:c'] }");
    let bob = caller(&host, "bob");
    let server = samr::samr(&bob, 64, &[0; 24]).unwrap()[16..36].to_vec();
    let sid = Domain::Machine.sid(&host);
    let domain = samr::samr(&bob, 7, &with(&server, |out| out.long(0x0200_0000).sid(&sid))).unwrap();
    assert_eq!(status(&domain), 0);
    let users = samr::samr(&bob, 13, &with(&domain[..20], |out| out.long(0).long(0).long(u32::MAX))).unwrap();
    for name in ["Administrator", "Guest", "alice", "bob", "HomeGroupUser$"] {
        assert!(shows(&users, name), "{name} is missing");
    }
    assert_eq!(users.le32(4 + 4 + 4 + 4 + 4 + 12), Some(501), "in the order of their numbers");
    assert!(samr::samr(&bob, 13, &with(&[1; 20], |out| out.long(0))) == Err(BAD_HANDLE));
    let other = Caller { seed: 8, ..bob };
    assert!(samr::samr(&other, 13, &with(&domain[..20], |out| out.long(0))) == Err(BAD_HANDLE), "another session's");
}

#[test]
fn privileges_and_who_has_them_are_listed_to_an_administrator_once() {
    let host = host("");
    let (eve, nobody) = (caller(&host, "eve"), caller(&host, ""));
    for (operation, count) in [(2, 34), (11, 10)] {
        let ask = |caller: &Caller<'_>, start: u32| {
            let policy = handle(caller, Kind::Policy, caller.is_admin.into());
            lsarpc::lsarpc(caller, operation, &with(&policy, |out| out.long(start).long(0xffff))).unwrap()
        };
        let told = ask(&eve, 0);
        assert_eq!((told.le32(0), told.le32(4), status(&told)), (Some(count), Some(count), 0));
        assert_eq!((status(&ask(&eve, count)), status(&ask(&nobody, 0))), (0x8000_001a, ACCESS_DENIED));
    }
}

#[test]
fn names_and_sids_are_each_others() {
    let host = host("windows = '2008-r2'");
    let eve = caller(&host, "eve");
    let policy = handle(&eve, Kind::Policy, 1);
    let unknown = Sid { authority: 5, parts: vec![21, 1, 2, 3, 1000] };
    let asked = [Domain::Machine.with(&host, 1000), Domain::Builtin.with(&host, 544), unknown];
    let sids = with(&policy, |out| {
        out.count(asked.len()).array(asked.len());
        asked.iter().for_each(|_| {
            out.pointer();
        });
        asked.iter().fold(out, |out, sid| out.sid(sid))
    });
    let names = lsarpc::lsarpc(&eve, 57, &sids).unwrap();
    assert_eq!(status(&names), SOME_NOT_MAPPED);
    assert!(shows(&names, "eve") && shows(&names, "BUILTIN") && shows(&names, "Administrators"));
    let text = format!("{}\\EVE", host.name);
    let asked = with(&policy, |out| out.long(1).long(1).name(&text).name_text(&text));
    let found = lsarpc::lsarpc(&eve, 58, &asked).unwrap();
    assert_eq!(status(&found), 0);
    assert_eq!(found.le32(found.len() - 20), Some(1000), "its number, before place, flags, count and status");
}

#[test]
fn whatever_is_asked_an_answer_is_bounded() {
    let host = host("");
    let eve = caller(&host, "eve");
    let kinds = [
        Kind::ServiceManager,
        Kind::SamServer,
        Kind::SamDomain,
        Kind::User,
        Kind::Group,
        Kind::Alias,
        Kind::Policy,
        Kind::Key,
        Kind::Printer,
        Kind::Log,
    ];
    let known = find_pipe("lsarpc", true, true).unwrap();
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let mut pick = |most: usize| usize::try_from(random.within(&(0..=most as u64))).unwrap();
        let kind = kinds[pick(kinds.len() - 1)];
        let mut stub = handle(&eve, kind, [0, 1, 500, 544][pick(3)]).to_vec();
        for _ in 0..pick(40) {
            stub.put32([0, 1, 2, 3, 12, 21, 0x0002_0000, u32::MAX][pick(7)]);
        }
        let operation = u16::try_from(pick(95)).unwrap();
        let interface = interface::INTERFACES[pick(interface::INTERFACES.len() - 1)].interface;
        let mut states = States::default();
        if interface == Interface::Winreg {
            states.call((known, interface), &eve, 2, &[0; 8], &mut Vec::new()).unwrap();
        }
        let answer = states.call((known, interface), &eve, operation, &stub, &mut Vec::new());
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.len() < 32 * 1024), "operation {operation}");
    }
}

#[test]
fn every_answer_of_a_pipe_is_read_by_itself() {
    let host = host("");
    let eve = caller(&host, "eve");
    let mut pipe = Pipe::open("lsarpc", true, false).unwrap();
    pipe.contexts.push((0, Interface::Lsarpc));
    let mut stub = with(&handle(&eve, Kind::Policy, 1), |out| out.long(1000).pointer().long(1000));
    stub.put(&1_u32.to_le_bytes().repeat(1000));
    for rid in 0..1000 {
        stub = with(&stub, |out| out.sid(&Domain::Machine.with(&host, rid)));
    }
    // In fragments, as impacket sends it.
    let count = stub.len().div_ceil(4000);
    for (number, part) in stub.chunks(4000).enumerate() {
        let flags = u8::from(number == 0) | u8::from(number + 1 == count) << 1;
        let mut pdu = vec![5, 0, REQUEST, flags, 0x10, 0, 0, 0];
        pdu.put_len16(24 + part.len()).put16(0).put32(1).put32(0).put16(0).put16(15).put(part);
        pipe.write(&eve, &pdu, &mut nobody).unwrap();
    }
    let mut lengths = Vec::new();
    while let (bytes, false) = pipe.read(1024 * 1024) {
        if bytes.is_empty() {
            break;
        }
        assert_eq!(bytes.at16(8), Some(bytes.len()), "one PDU");
        lengths.push(bytes.len());
    }
    assert_eq!(lengths.len(), 4);
    assert_eq!(handle::number(&eve, Kind::Policy, &[0; 20]), None);
}

#[test]
fn services_of_every_windows_are_listed_told_of_and_not_given_away() {
    let host = host("");
    let eve = caller(&host, "eve");
    let manager = handle(&eve, Kind::ServiceManager, 0);
    let mut services = service::Services::default();
    let mut call = |operation: u16, stub: &[u8]| services.call(&eve, operation, stub, &mut Vec::new()).unwrap();
    let list = |room: u32| with(&manager, |out| out.long(0x30).long(3).long(room).long(0));
    let refused = call(14, &list(0));
    let needed = refused.le32(4).unwrap();
    assert_eq!((status(&refused), refused.le32(8)), (234, Some(0)), "more data than there is room for");
    let listed = call(14, &list(needed));
    assert!(status(&listed) == 0 && shows(&listed, "RemoteRegistry") && shows(&listed, "Print Spooler"));
    let open = |call: &mut dyn FnMut(u16, &[u8]) -> Vec<u8>, name: &str| {
        let opened = call(16, &with(&manager, |out| out.text(name).long(1)));
        (opened[..20].to_vec(), status(&opened))
    };
    assert_eq!(open(&mut call, "nothere").1, 1060);
    let (spooler, _) = open(&mut call, "spooler");
    assert_eq!(call(6, &spooler)[4..8], [4, 0, 0, 0], "running");
    let config = call(17, &with(&spooler, |out| out.long(1000)));
    assert!(status(&config) == 0 && shows(&config, "C:\\Windows\\System32\\spoolsv.exe"));
    assert_eq!(status(&call(17, &with(&spooler, |out| out.long(0)))), 122);
    assert_eq!((status(&call(19, &spooler)), status(&call(2, &spooler))), (1056, 5));
    let (registry, _) = open(&mut call, "RemoteRegistry");
    assert_eq!(
        (call(6, &registry)[4], status(&call(19, &registry)), call(6, &registry)[4]),
        (1, 0, 4),
        "stopped, started"
    );
    let stop = with(&registry, |out| out.long(1));
    assert_eq!((status(&call(1, &stop)), status(&call(1, &stop))), (0, 1062), "and stopped once");
}

#[test]
fn administrators_are_told_who_is_there_and_nobody_is_not() {
    let host = host("");
    let (eve, nobody) = (caller(&host, "eve"), caller(&host, ""));
    let sessions = |level: u32| with(&[], |out| out.long(0).long(0).long(0).long(level).long(level).pointer());
    for level in [0, 1, 2, 10, 502] {
        let told = srvsvc::server(&eve, 12, &sessions(level)).unwrap();
        assert!(status(&told) == 0 && shows(&told, "\\\\192.0.2.1"), "level {level}");
        assert_eq!(status(&srvsvc::server(&nobody, 12, &sessions(level)).unwrap()), 5);
    }
    let drives = srvsvc::server(&eve, 23, &[]).unwrap();
    assert!(status(&drives) == 0 && shows(&drives, "C:"));
    let level = |level: u32| with(&[], |out| out.long(0).long(level));
    for (caller, expected) in [(&eve, 0), (&nobody, 5)] {
        assert_eq!(status(&srvsvc::server(caller, 21, &level(102)).unwrap()), expected);
        assert_eq!(status(&srvsvc::workstation(caller, 0, &level(102)).unwrap()), expected);
        assert_eq!(status(&srvsvc::workstation(caller, 2, &level(1)).unwrap()), expected);
    }
    let role = lsarpc::role(&nobody, 0, &[1, 0]).unwrap();
    assert!(role[8..10] == [0, 0] && shows(&role, "WORKGROUP"), "a workstation of a workgroup");
}

#[test]
fn accounts_of_other_kinds_are_not_listed_to_who_asks_for_those() {
    let host = host("");
    let eve = caller(&host, "eve");
    let domain = handle(&eve, Kind::SamDomain, 0);
    let users = |bits: u32| samr::samr(&eve, 13, &with(&domain, |out| out.long(0).long(bits).long(u32::MAX))).unwrap();
    assert!(shows(&users(0x10), "Administrator"), "normal ones");
    assert!(!shows(&users(0x40), "Administrator"), "those of trusted domains");
}

/// A bind to lsarpc in these transfer syntaxes, one a context: what is said to each.
fn bound(syntaxes: &[[u8; 20]]) -> Vec<(u16, Vec<u8>)> {
    let host = host("");
    let mut pipe = Pipe::open("lsarpc", true, false).unwrap();
    let mut pdu = vec![5, 0, BIND, WHOLE, 0x10, 0, 0, 0];
    pdu.put_len16(28 + 44 * syntaxes.len())
        .put16(0)
        .put32(1)
        .put16(4280)
        .put16(4280)
        .put32(0)
        .put_len32(syntaxes.len());
    for (number, syntax) in syntaxes.iter().enumerate() {
        pdu.put_len16(number).put16(1).put(b"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab\0\0\0\0");
        pdu.put(syntax);
    }
    pipe.write(&caller(&host, "eve"), &pdu, &mut nobody).unwrap();
    let (answer, _) = pipe.read(4280);
    answer[answer.len() - 24 * syntaxes.len()..]
        .chunks(24)
        .map(|one| (one.le16(0).unwrap(), one[4..].to_vec()))
        .collect()
}

#[test]
fn a_machine_of_64_bits_says_so_to_who_asks_for_nothing_else() {
    assert_eq!(bound(&[NDR64]), [(0, NDR64.to_vec())]);
    assert_eq!(bound(&[NDR, NDR64]), [(0, NDR.to_vec()), (2, vec![0; 20])]);
}

#[test]
fn no_two_sessions_are_of_one_association_group() {
    let host = host("");
    let mut bind = vec![5, 0, BIND, WHOLE, 0x10, 0, 0, 0];
    bind.put16(28).put16(0).put32(1).put16(4280).put16(4280).put32(0).put32(0);
    let group = |seed: u64| {
        let mut pipe = Pipe::open("lsarpc", true, false).unwrap();
        pipe.write(&Caller { seed, ..caller(&host, "eve") }, &bind, &mut nobody).unwrap();
        pipe.read(4280).0.le32(20)
    };
    assert_ne!(group(1), group(2));
}

#[test]
fn there_are_the_pipes_of_windows_7_and_no_registry() {
    for (name, is_admin, expected) in [
        ("\\PIPE\\eventlog", true, None),
        ("eventlog", false, Some(Status::ACCESS_DENIED)),
        ("InitShutdown", true, None),
        ("winreg", true, Some(Status::OBJECT_NAME_NOT_FOUND)),
        ("nothere", false, Some(Status::OBJECT_NAME_NOT_FOUND)),
    ] {
        assert_eq!(Pipe::open(name, is_admin, false).err(), expected, "{name}");
    }
}
