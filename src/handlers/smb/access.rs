//! What a visitor wants opened, with which rights, and what it leaves to others (MS-FSA 2.1.5.1).

/// What a visitor wants opened (MS-SMB2 2.2.13, MS-CIFS 2.2.4.64: the same numbers).
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) path: String,
    /// FILE_SUPERSEDE 0, OPEN 1, CREATE 2, OPEN_IF 3, OVERWRITE 4, OVERWRITE_IF 5.
    pub(super) disposition: u32,
    pub(super) options: u32,
    /// DesiredAccess and ShareAccess.
    pub(super) access: u32,
    pub(super) shared: u32,
    /// FileAttributes that a new file gets.
    pub(super) attributes: u32,
}

impl Wanted {
    /// By old commands, whose mode names rights and what others may have (MS-CIFS 2.2.4.3.1): nobody may delete it.
    pub(super) fn old(path: String, disposition: u32, mode: u16) -> Self {
        const READS: u32 = 0x0012_0089;
        const WRITES: u32 = 0x0012_0116;
        let access = match mode & 7 {
            1 => WRITES,
            2 => READS | WRITES,
            3 => READS | EXECUTE,
            _ => READS,
        };
        let is_program = path.get(path.len().saturating_sub(4)..).is_some_and(|end| {
            [".exe", ".com", ".dll", ".sym"].iter().any(|program| end.eq_ignore_ascii_case(program))
        });
        let shared = match (mode >> 4 & 7, mode & 7) {
            (2, _) => 1,
            (3, _) => 2,
            (4, _) => 3,
            // As DOS had it.
            (0, _) if is_program => 3,
            (0, 0 | 3) => 1,
            _ => 0,
        };
        Self { path, disposition, options: 0, access, shared, attributes: 0 }
    }
}

/// Rights to a file (MS-SMB2 2.2.13.1.1).
pub(super) const READ: u32 = 0x01;
pub(super) const WRITE: u32 = 0x02;
pub(super) const APPEND: u32 = 0x04;
pub(super) const EXECUTE: u32 = 0x20;
pub(super) const READ_CONTROL: u32 = 0x0002_0000;
pub(super) const WRITE_ATTRIBUTES: u32 = 0x0100;
pub(super) const DELETE: u32 = 0x0001_0000;
pub(super) const SYSTEM_SECURITY: u32 = 0x0100_0000;
pub(super) const ALL: u32 = 0x001f_01ff;
/// What holds others: MAXIMUM_ALLOWED, GENERIC_ALL, EXECUTE, WRITE, READ.
pub(super) const HOLDING: [(u32, u32); 5] = [
    (0x0200_0000, ALL),
    (0x1000_0000, ALL),
    (0x2000_0000, 0x0012_00a0),
    (0x4000_0000, 0x0012_0116),
    (0x8000_0000, 0x0012_0089),
];
/// What others share: reading, writing, deleting, each a bit of ShareAccess.
pub(super) const SHARED: [(u32, u32); 3] = [(READ | EXECUTE, 1), (WRITE | APPEND, 2), (DELETE, 4)];

/// The rights that are asked for, one by one.
pub(super) fn granted(asked: u32) -> u32 {
    HOLDING.iter().fold(asked & ALL, |all, (holding, held)| if asked & holding != 0 { all | held } else { all })
}

/// Whether a file that is open with these rights and this sharing may be opened with those: who only looks at attributes is in nobody's way.
pub(super) fn suffers((access, shared): (u32, u32), (wanted, leaves): (u32, u32)) -> bool {
    let touches = |access: u32| SHARED.iter().any(|(rights, _)| access & rights != 0);
    let is_denied =
        |access: u32, shared: u32| SHARED.iter().any(|(rights, share)| access & rights != 0 && shared & share == 0);
    !touches(access) || !touches(wanted) || !is_denied(wanted, shared) && !is_denied(access, leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_that_hold_others_are_those() {
        assert_eq!((granted(0x8000_0000), granted(0x0200_0000), granted(0)), (0x0012_0089, ALL, 0));
    }

    #[test]
    fn who_shares_nothing_is_alone_but_for_who_only_looks_at_attributes() {
        assert!(!suffers((READ, 0), (READ, 7)) && !suffers((READ, 7), (READ, 0)));
        assert!(suffers((READ, 0), (0x80, 0)) && suffers((READ, 1), (EXECUTE, 1)) && !suffers((READ, 1), (WRITE, 7)));
    }
}
