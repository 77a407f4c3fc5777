//! Security descriptors (MS-DTYP 2.4.6), self-relative: what Windows gives files below the root of its drive.

use super::host::Host;
use super::status::Status;
use super::wire::{Fields, Put, patch};

/// What is asked for (MS-DTYP 2.4.7): owner, group, access, auditing.
const OWNER: u32 = 0x01;
const GROUP: u32 = 0x02;
const ACCESS: u32 = 0x04;
const AUDITING: u32 = 0x08;

/// SE_DACL_PRESENT, SE_DACL_AUTO_INHERITED, SE_DACL_PROTECTED, SE_SELF_RELATIVE.
const PRESENT: u16 = 0x0004;
const INHERITED: u16 = 0x0400;
const PROTECTED: u16 = 0x1000;
const SELF_RELATIVE: u16 = 0x8000;
/// Flags of an entry: inherited, and in directories inherited by what lies in them.
const ENTRY_INHERITED: u8 = 0x10;
const ENTRY_INHERITS: u8 = 0x03;

/// Who may what: Administrators and SYSTEM everything, Users read, who has logged in changes.
const ENTRIES: [(&[u32], u32); 4] =
    [(&[32, 544], 0x001f_01ff), (&[18], 0x001f_01ff), (&[32, 545], 0x0012_00a9), (&[11], 0x0013_01bf)];

/// A SID of the authority NT (MS-DTYP 2.4.2.2).
fn put_sid(out: &mut Vec<u8>, parts: &[u32]) {
    out.put8(1).put8(u8::try_from(parts.len()).unwrap_or(0)).put(&[0, 0, 0, 0, 0, 5]);
    for part in parts {
        out.put32(*part);
    }
}

/// Owner and group, each a SID, and who may what, an ACL (MS-DTYP 2.4.5); empty for none.
#[derive(Debug, Clone, Copy, Default)]
struct Parts<'a> {
    owner: &'a [u8],
    group: &'a [u8],
    access: &'a [u8],
    /// Of the control bits, those of the ACL.
    control: u16,
}

impl<'a> Parts<'a> {
    /// Reads a self-relative descriptor; `None` when a part of it lies outside.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let part = |at: usize, len: &dyn Fn(&[u8]) -> Option<usize>| match bytes.at32(at)? {
            0 => Some(&[][..]),
            offset => {
                let rest = bytes.get(offset..)?;
                rest.get(..len(rest)?)
            }
        };
        let sid = |sid: &[u8]| sid.byte(1).filter(|count| *count <= 15).map(|count| 8 + 4 * usize::from(count));
        let access = part(16, &|acl| acl.at16(2).filter(|len| *len >= 8))?;
        let control = bytes.le16(2)? & (PRESENT | INHERITED | PROTECTED);
        Some(Self { owner: part(4, &sid)?, group: part(8, &sid)?, access, control })
    }

    /// A self-relative descriptor of those parts that are asked for.
    fn put(&self, asked: u32) -> Vec<u8> {
        let mut out = vec![1, 0];
        out.put16(SELF_RELATIVE | if asked & ACCESS != 0 { self.control } else { 0 }).put(&[0; 16]);
        for (bit, at, part) in [(OWNER, 4, self.owner), (GROUP, 8, self.group), (ACCESS, 16, self.access)] {
            if asked & bit != 0 && !part.is_empty() {
                let offset = u32::try_from(out.len()).unwrap_or(0);
                patch(&mut out, at, &offset.to_le_bytes());
                out.put(part);
            }
        }
        out
    }
}

/// What Windows gives a file or directory that inherits everything.
fn usual(host: &Host, is_directory: bool) -> Vec<u8> {
    let (mut owner, mut group, mut access) = (Vec::new(), Vec::new(), Vec::new());
    put_sid(&mut owner, &[32, 544]);
    let [a, b, c] = host.sid;
    put_sid(&mut group, &[21, a, b, c, 513]);
    let flags = ENTRY_INHERITED | if is_directory { ENTRY_INHERITS } else { 0 };
    let len = 8 + ENTRIES.iter().map(|(parts, _)| 16 + 4 * parts.len()).sum::<usize>();
    access.put8(2).put8(0).put_len16(len).put_len16(ENTRIES.len()).put16(0);
    for (parts, rights) in ENTRIES {
        access.put8(0).put8(flags).put_len16(16 + 4 * parts.len()).put32(rights);
        put_sid(&mut access, parts);
    }
    let parts = Parts { owner: &owner, group: &group, access: &access, control: PRESENT | INHERITED };
    parts.put(OWNER | GROUP | ACCESS)
}

/// The parts that are asked for, of what was set where something was; auditing is only for who has the privilege, which nobody has over the
/// network.
pub(super) fn descriptor(host: &Host, is_directory: bool, set: Option<&[u8]>, asked: u32) -> Result<Vec<u8>, Status> {
    if asked & AUDITING != 0 {
        return Err(Status::ACCESS_DENIED);
    }
    let usual = usual(host, is_directory);
    Ok(Parts::read(set.unwrap_or(&usual)).unwrap_or_default().put(asked))
}

/// What a descriptor is once these parts of another are set.
pub(super) fn changed(
    host: &Host,
    is_directory: bool,
    set: Option<&[u8]>,
    (given, which): (&[u8], u32),
) -> Result<Vec<u8>, Status> {
    if which & AUDITING != 0 {
        return Err(Status::ACCESS_DENIED);
    }
    let given = Parts::read(given).ok_or(Status::INVALID_SECURITY_DESCRIPTOR)?;
    if which & OWNER != 0 && given.owner.is_empty() {
        return Err(Status::INVALID_OWNER);
    }
    let usual = usual(host, is_directory);
    let mut parts = Parts::read(set.unwrap_or(&usual)).unwrap_or_default();
    if which & OWNER != 0 {
        parts.owner = given.owner;
    }
    if which & GROUP != 0 {
        parts.group = given.group;
    }
    if which & ACCESS != 0 {
        (parts.access, parts.control) = (given.access, given.control);
    }
    Ok(parts.put(OWNER | GROUP | ACCESS))
}

/// The parts that a descriptor has.
pub(super) fn parts(given: &[u8]) -> u32 {
    let has = |at: usize, bit: u32| if given.le32(at).is_some_and(|offset| offset != 0) { bit } else { 0 };
    let is_present = given.le16(2).is_some_and(|control| control & PRESENT != 0);
    has(4, OWNER) | has(8, GROUP) | if is_present { ACCESS } else { 0 }
}

/// Rights that a handle needs for setting these parts.
pub(super) const fn rights_to_set(which: u32) -> u32 {
    const WRITE_ACCESS: u32 = 0x0004_0000;
    const WRITE_OWNER: u32 = 0x0008_0000;
    if which & (OWNER | GROUP) != 0 { WRITE_OWNER } else { WRITE_ACCESS }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::Environment;

    #[test]
    fn only_what_is_asked_for_is_told() {
        let table = toml::Table::new();
        let host = Host::prepared(&Environment::example(&table)).unwrap();
        let ask = |asked: u32| descriptor(&host, false, None, asked);
        assert_eq!(ask(0).unwrap(), [&[1, 0, 0, 0x80][..], &[0; 16]].concat());
        let all = ask(7).unwrap();
        assert_eq!([4, 8, 12, 16].map(|at| all.le32(at).unwrap()), [20, 36, 0, 64]);
        let len = all.at16(66).unwrap();
        assert_eq!((all.len(), all.at16(68)), (64 + len, Some(ENTRIES.len())));
        assert_eq!(ask(8), Err(Status::ACCESS_DENIED));
    }

    #[test]
    fn what_is_set_is_told_and_the_rest_stays() {
        let table = toml::Table::new();
        let host = Host::prepared(&Environment::example(&table)).unwrap();
        let mut given = vec![1, 0];
        given.put16(SELF_RELATIVE | PRESENT | PROTECTED).put32(0).put32(0).put32(0).put32(20);
        given.put(&[2, 0, 8, 0, 0, 0, 0, 0]);
        let set = changed(&host, true, None, (&given, ACCESS)).unwrap();
        assert_eq!(descriptor(&host, true, Some(&set), ACCESS).unwrap(), given);
        assert_eq!(descriptor(&host, true, Some(&set), OWNER | GROUP), descriptor(&host, true, None, OWNER | GROUP));
        assert_eq!(changed(&host, true, None, (&given, OWNER)), Err(Status::INVALID_OWNER));
        for len in 0..given.len() {
            assert_eq!(changed(&host, true, None, (&given[..len], ACCESS)), Err(Status::INVALID_SECURITY_DESCRIPTOR));
        }
    }
}
