//! Files and directories: those that a source has written or changed, and what visitors see of all.

use super::host::Host;
use super::path::split;
use super::pool::Held;
use super::status::Status;
use super::wire::filetime;
use crate::clock::Timestamp;

/// Bytes of a file while it is open.
pub(super) const MAX_UPLOAD: usize = 16 * 1024 * 1024;

/// FILE_ATTRIBUTE_* (MS-FSCC 2.6): those that are told, and all that visitors may set.
pub(super) const READ_ONLY: u32 = 0x01;
pub(super) const HIDDEN_OR_SYSTEM: u32 = 0x06;
pub(super) const DIRECTORY: u32 = 0x10;
pub(super) const ARCHIVE: u32 = 0x20;
const NORMAL: u32 = 0x80;
pub(super) const TEMPORARY: u32 = 0x100;
pub(super) const SETTABLE: u32 = 0x31a7 & !NORMAL;
/// Those that there are for files.
pub(super) const ATTRIBUTES: u32 = 0x7fb7;

/// Creation, last access, last write, change (MS-FSCC 2.4.7), as FILETIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times(pub(super) [u64; 4]);

impl Times {
    pub(super) const fn at(time: Timestamp) -> Self {
        Self([filetime(time); 4])
    }

    /// Of the last write.
    pub(super) const fn written(&self) -> u64 {
        let Self([_, _, written, _]) = self;
        *written
    }
}

/// What a source has written, or changed about what was there.
#[derive(Debug)]
pub(super) struct Written {
    /// On the drive, of which shares show parts.
    pub(super) path: String,
    pub(super) is_directory: bool,
    /// The source made it: only that can be renamed and deleted.
    pub(super) is_own: bool,
    /// It is deleted when nobody has it open any more.
    pub(super) is_doomed: bool,
    pub(super) times: Times,
    pub(super) attributes: u32,
    pub(super) index: u64,
    pub(super) content: Content,
    /// Bytes that are kept for it while it is open.
    pub(super) reserved: u64,
    /// Self-relative (MS-DTYP 2.4.6), once it is set.
    pub(super) descriptor: Option<Held>,
    /// What it takes besides, out of the budget.
    pub(super) _room: Held,
}

/// What reading gives.
#[derive(Debug)]
pub(super) enum Content {
    Text(&'static str),
    Written(Held),
    /// In use by the system: so many bytes.
    Locked(u64),
}

impl Content {
    /// The bytes; `None` when another has them open.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Written(held) => Some(held.bytes()),
            Self::Locked(_) => None,
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Locked(size) => *size,
            other => other.bytes().map_or(0, <[u8]>::len) as u64,
        }
    }
}

/// A file or directory as a visitor sees it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The last part of its path.
    pub(super) name: String,
    pub(super) is_directory: bool,
    pub(super) is_doomed: bool,
    /// Nobody else can have it open.
    pub(super) is_locked: bool,
    pub(super) size: u64,
    pub(super) reserved: u64,
    pub(super) times: Times,
    pub(super) settable: u32,
    /// A number of its own.
    pub(super) index: u64,
}

impl Entry {
    pub(super) const fn attributes(&self) -> u32 {
        match self.settable | if self.is_directory { DIRECTORY } else { 0 } {
            0 => NORMAL,
            attributes => attributes,
        }
    }

    /// What it takes in clusters of 4 KiB.
    pub(super) const fn allocated(&self) -> u64 {
        let bytes = if self.size > self.reserved { self.size } else { self.reserved };
        bytes.next_multiple_of(4096)
    }
}

impl Written {
    pub(super) fn entry(&self) -> Entry {
        Entry {
            name: split(&self.path).1.to_owned(),
            is_directory: self.is_directory,
            is_doomed: self.is_doomed,
            is_locked: matches!(self.content, Content::Locked(_)),
            size: self.content.size(),
            reserved: self.reserved,
            times: self.times,
            settable: self.attributes,
            index: self.index,
        }
    }

    /// What can be written to: a copy of what was there, in memory for uploads.
    pub(super) fn upload(&mut self, host: &Host) -> Result<&mut Held, Status> {
        if !matches!(self.content, Content::Written(_)) {
            let mut held = Held::new(&host.uploads);
            if !held.write_at(0, self.content.bytes().ok_or(Status::ACCESS_DENIED)?, MAX_UPLOAD) {
                return Err(Status::DISK_FULL);
            }
            self.content = Content::Written(held);
        }
        match &mut self.content {
            Content::Written(held) => Ok(held),
            _ => Err(Status::DISK_FULL),
        }
    }

    pub(super) fn touch(&mut self, now: Timestamp) {
        let Times([created, accessed, ..]) = self.times;
        self.times = Times([created, accessed, filetime(now), filetime(now)]);
    }
}
