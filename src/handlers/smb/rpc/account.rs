//! samr (MS-SAMR) and lsarpc (MS-LSAD): who asks from outside is denied, as a Windows 7 does with `RestrictAnonymous`.

use super::ndr::Results;
use super::{Answer, DENIED, NO_SUCH_OPERATION};

/// STATUS_ACCESS_DENIED.
const ACCESS_DENIED: u32 = 0xc000_0022;

/// The connecting calls give no handle (SamrConnect, 2, 4, 5); without one nothing else can be asked.
pub(super) fn samr(operation: u16) -> Answer {
    match operation {
        0 | 57 | 62 => Ok(no_handle()),
        64 => Ok(Results::default().long(1).long(1).long(3).long(0).put(&no_handle()).returning_nothing()),
        1..=73 => Err(DENIED),
        _ => Err(NO_SUCH_OPERATION),
    }
}

/// LsarOpenPolicy and LsarOpenPolicy2 give no handle.
pub(super) fn lsarpc(operation: u16) -> Answer {
    match operation {
        6 | 44 => Ok(no_handle()),
        0..=133 => Err(DENIED),
        _ => Err(NO_SUCH_OPERATION),
    }
}

fn no_handle() -> Vec<u8> {
    Results::default().put(&[0; 20]).returning(ACCESS_DENIED)
}
