//! NTSTATUS values (MS-ERREF 2.3.1, MS-CIFS 2.2.2.4), as Windows gives them.

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(pub(super) u32);

impl Status {
    pub(super) const OK: Self = Self(0);
    /// What was asked for has not happened yet.
    pub(super) const PENDING: Self = Self(0x0000_0103);
    /// More of the answer than the visitor has room for: the rest can be read.
    pub(super) const BUFFER_OVERFLOW: Self = Self(0x8000_0005);
    /// A watched directory is closed.
    pub(super) const NOTIFY_CLEANUP: Self = Self(0x0000_010b);
    pub(super) const NO_MORE_FILES: Self = Self(0x8000_0006);
    pub(super) const NO_MORE_ENTRIES: Self = Self(0x8000_001a);
    pub(super) const INVALID_SMB: Self = Self(0x0001_0002);
    pub(super) const SMB_BAD_TID: Self = Self(0x0005_0002);
    pub(super) const SMB_BAD_COMMAND: Self = Self(0x0016_0002);
    pub(super) const SMB_BAD_UID: Self = Self(0x005b_0002);
    pub(super) const OS2_ATOMIC_LOCKS_NOT_SUPPORTED: Self = Self(0x00ae_0001);
    pub(super) const OS2_CANCEL_VIOLATION: Self = Self(0x00ad_0001);
    pub(super) const OS2_INVALID_LEVEL: Self = Self(0x007c_0001);
    pub(super) const NOT_IMPLEMENTED: Self = Self(0xc000_0002);
    pub(super) const INVALID_INFO_CLASS: Self = Self(0xc000_0003);
    pub(super) const INFO_LENGTH_MISMATCH: Self = Self(0xc000_0004);
    pub(super) const INVALID_HANDLE: Self = Self(0xc000_0008);
    pub(super) const INVALID_PARAMETER: Self = Self(0xc000_000d);
    pub(super) const NO_SUCH_FILE: Self = Self(0xc000_000f);
    pub(super) const INVALID_DEVICE_REQUEST: Self = Self(0xc000_0010);
    pub(super) const END_OF_FILE: Self = Self(0xc000_0011);
    pub(super) const MORE_PROCESSING_REQUIRED: Self = Self(0xc000_0016);
    pub(super) const ACCESS_DENIED: Self = Self(0xc000_0022);
    pub(super) const BAD_IMPERSONATION_LEVEL: Self = Self(0xc000_00a5);
    pub(super) const BUFFER_TOO_SMALL: Self = Self(0xc000_0023);
    pub(super) const OBJECT_NAME_INVALID: Self = Self(0xc000_0033);
    pub(super) const OBJECT_NAME_NOT_FOUND: Self = Self(0xc000_0034);
    pub(super) const OBJECT_NAME_COLLISION: Self = Self(0xc000_0035);
    pub(super) const OBJECT_PATH_NOT_FOUND: Self = Self(0xc000_003a);
    pub(super) const OBJECT_PATH_SYNTAX_BAD: Self = Self(0xc000_003b);
    pub(super) const SHARING_VIOLATION: Self = Self(0xc000_0043);
    pub(super) const DELETE_PENDING: Self = Self(0xc000_0056);
    pub(super) const FILE_LOCK_CONFLICT: Self = Self(0xc000_0054);
    pub(super) const LOCK_NOT_GRANTED: Self = Self(0xc000_0055);
    pub(super) const INVALID_OWNER: Self = Self(0xc000_005a);
    pub(super) const INVALID_SECURITY_DESCRIPTOR: Self = Self(0xc000_0079);
    /// More has changed than there is room for: the directory is to be listed again.
    pub(super) const NOTIFY_ENUM_DIR: Self = Self(0x0000_010c);
    pub(super) const NO_EAS_ON_FILE: Self = Self(0xc000_0052);
    pub(super) const PRIVILEGE_NOT_HELD: Self = Self(0xc000_0061);
    pub(super) const LOGON_FAILURE: Self = Self(0xc000_006d);
    pub(super) const ACCOUNT_DISABLED: Self = Self(0xc000_0072);
    pub(super) const RANGE_NOT_LOCKED: Self = Self(0xc000_007e);
    pub(super) const INVALID_VIEW_SIZE: Self = Self(0xc000_001f);
    pub(super) const INSUFFICIENT_RESOURCES: Self = Self(0xc000_009a);
    pub(super) const PIPE_BROKEN: Self = Self(0xc000_014b);
    pub(super) const INVALID_LOCK_RANGE: Self = Self(0xc000_01a1);
    pub(super) const DISK_FULL: Self = Self(0xc000_007f);
    pub(super) const PIPE_EMPTY: Self = Self(0xc000_00d9);
    pub(super) const FILE_IS_A_DIRECTORY: Self = Self(0xc000_00ba);
    pub(super) const NOT_SUPPORTED: Self = Self(0xc000_00bb);
    pub(super) const NETWORK_NAME_DELETED: Self = Self(0xc000_00c9);
    pub(super) const BAD_DEVICE_TYPE: Self = Self(0xc000_00cb);
    pub(super) const BAD_NETWORK_NAME: Self = Self(0xc000_00cc);
    pub(super) const REQUEST_NOT_ACCEPTED: Self = Self(0xc000_00d0);
    pub(super) const DIRECTORY_NOT_EMPTY: Self = Self(0xc000_0101);
    pub(super) const NOT_A_DIRECTORY: Self = Self(0xc000_0103);
    pub(super) const TOO_MANY_OPENED_FILES: Self = Self(0xc000_011f);
    pub(super) const CANNOT_DELETE: Self = Self(0xc000_0121);
    pub(super) const CANCELLED: Self = Self(0xc000_0120);
    pub(super) const FILE_CLOSED: Self = Self(0xc000_0128);
    pub(super) const USER_SESSION_DELETED: Self = Self(0xc000_0203);
    pub(super) const INSUFF_SERVER_RESOURCES: Self = Self(0xc000_0205);
    pub(super) const NOT_FOUND: Self = Self(0xc000_0225);
    pub(super) const NOT_A_REPARSE_POINT: Self = Self(0xc000_0275);
    pub(super) const FS_DRIVER_REQUIRED: Self = Self(0xc000_019c);
}
