//! Which interface is found behind which pipe, and what RPC tells about itself.

use super::super::endpoint;
use super::super::handle::LEN;
use super::super::interface::{INTERFACES, Interface, Process, find, find_pipe};
use super::*;

const LSARPC: &[u8] = b"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab";

#[test]
fn an_interface_is_behind_every_pipe_of_its_process_and_behind_no_other() {
    for (pipe, version, expected) in [
        ("lsarpc", [0, 0], Some(Interface::Lsarpc)),
        ("samr", [0, 0], Some(Interface::Lsarpc)),
        ("netlogon", [0, 0], Some(Interface::Lsarpc)),
        ("lsarpc", [0, 1], None),
        ("lsarpc", [9, 0], None),
        ("spoolss", [0, 0], None),
        ("srvsvc", [0, 0], None),
    ] {
        let known = find_pipe(pipe, true, false).unwrap();
        assert_eq!(find(known.process, LSARPC, version), expected, "{pipe} {version:?}");
    }
}

#[test]
fn a_process_tells_its_interfaces_and_is_not_stopped() {
    let told = endpoint::management(Process::Netsvcs, 0, &[]).unwrap();
    let count = INTERFACES.iter().filter(|known| known.process == Some(Process::Netsvcs)).count();
    assert_eq!((told.at32(4), status(&told)), (Some(count), 0));
    assert_eq!(endpoint::management(Process::Netsvcs, 2, &[]), Ok(vec![0, 0, 0, 0, 1, 0, 0, 0]), "it listens");
    assert_eq!(endpoint::management(Process::Netsvcs, 3, &[]), Err(DENIED));
}

#[test]
fn endpoints_are_listed_one_by_one_to_their_end() {
    let host = host("");
    let eve = caller(&host, "eve");
    let mut given = vec![0; LEN];
    let (mut names, mut mapper) = (Vec::new(), endpoint::Mapper::default());
    let all: Vec<_> = mapped::entries().collect();
    for _ in 0..=all.len() {
        let stub = [&[0; 16][..], &given, &1_u32.to_le_bytes()].concat();
        let answer = mapper.call(&eve, 2, &stub).unwrap();
        // nmap's msrpc-enum goes on with the handle that it was given first.
        assert!(names.is_empty() || answer.le32(LEN) == Some(0) || answer[..LEN] == given, "the handle stays");
        given = answer[..LEN].to_vec();
        if answer.le32(LEN) == Some(0) {
            assert_eq!((status(&answer), given.as_slice()), (0x16c9_a0d6, &[0; LEN][..]));
            break;
        }
        names.push(String::from_utf8_lossy(&answer).into_owned());
    }
    assert_eq!(names.len(), all.len());
    for (name, (mapped, binding)) in names.iter().zip(all) {
        assert!(name.contains(mapped.annotation), "{name} {binding:?}");
    }
    assert!(names.iter().any(|name| name.contains("\\pipe\\lsass")));
}
