//! Security descriptors (MS-DTYP 2.4.6), self-relative: what Windows gives files below the root of its drive.

use super::host::Host;
use super::status::Status;
use super::wire::{Put, patch};

/// What is asked for (MS-DTYP 2.4.7): owner, group, access, auditing.
const OWNER: u32 = 0x01;
const GROUP: u32 = 0x02;
const ACCESS: u32 = 0x04;
const AUDITING: u32 = 0x08;

/// SE_DACL_PRESENT, SE_DACL_AUTO_INHERITED, SE_SELF_RELATIVE.
const PRESENT: u16 = 0x0004;
const INHERITED: u16 = 0x0400;
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

/// The parts that are asked for; auditing is only for who has the privilege, which nobody has over the network.
pub(super) fn descriptor(host: &Host, is_directory: bool, asked: u32) -> Result<Vec<u8>, Status> {
    if asked & AUDITING != 0 {
        return Err(Status::ACCESS_DENIED);
    }
    let control = SELF_RELATIVE | if asked & ACCESS != 0 { PRESENT | INHERITED } else { 0 };
    let mut out = vec![1, 0];
    out.put16(control).put(&[0; 16]);
    let here = |out: &mut Vec<u8>, at: usize| {
        let offset = u32::try_from(out.len()).unwrap_or(0);
        patch(out, at, &offset.to_le_bytes());
    };
    if asked & OWNER != 0 {
        here(&mut out, 4);
        put_sid(&mut out, &[32, 544]);
    }
    if asked & GROUP != 0 {
        here(&mut out, 8);
        let [a, b, c] = host.sid;
        put_sid(&mut out, &[21, a, b, c, 513]);
    }
    if asked & ACCESS != 0 {
        here(&mut out, 16);
        let flags = ENTRY_INHERITED | if is_directory { ENTRY_INHERITS } else { 0 };
        let len = 8 + ENTRIES.iter().map(|(parts, _)| 16 + 4 * parts.len()).sum::<usize>();
        out.put8(2).put8(0).put_len16(len).put_len16(ENTRIES.len()).put16(0);
        for (parts, rights) in ENTRIES {
            out.put8(0).put8(flags).put_len16(16 + 4 * parts.len()).put32(rights);
            put_sid(&mut out, parts);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::Environment;
    use crate::handlers::smb::wire::Fields;

    #[test]
    fn only_what_is_asked_for_is_told() {
        let table = toml::Table::new();
        let host = Host::prepared(&Environment::example(&table)).unwrap();
        let ask = |asked: u32| descriptor(&host, false, asked);
        assert_eq!(ask(0).unwrap(), [&[1, 0, 0, 0x80][..], &[0; 16]].concat());
        let all = ask(7).unwrap();
        assert_eq!([4, 8, 12, 16].map(|at| all.le32(at).unwrap()), [20, 36, 0, 64]);
        let len = all.at16(66).unwrap();
        assert_eq!((all.len(), all.at16(68)), (64 + len, Some(ENTRIES.len())));
        assert_eq!(ask(8), Err(Status::ACCESS_DENIED));
    }
}
