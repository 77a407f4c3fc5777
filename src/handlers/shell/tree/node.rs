//! Entries of a file system.

use crate::clock::Timestamp;

/// One entry of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Node {
    pub(in super::super) kind: Kind,
    /// Permission bits.
    pub(in super::super) mode: u16,
    pub(in super::super) changed: Timestamp,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Directory,
    /// Symbolic link to this path.
    Link(Vec<u8>),
    File {
        content: Content,
        /// The visitor has written it and it has not been taken as a sample.
        fresh: bool,
    },
    /// A character device.
    Special(Special),
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Content {
    Kept(Vec<u8>),
    /// The device's one program for everything, `busybox` or `toybox`.
    Program,
    /// What stands for a file that the visitor has had fetched from elsewhere: a program of this many bytes.
    StandIn {
        len: u32,
        seed: u64,
    },
    /// Written anew whenever it is read.
    Live(Live),
}

/// Files of `/proc` that change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Live {
    Uptime,
    Load,
    Memory,
    Stat,
    /// `/proc/net/dev`
    Network,
    /// `/proc/self/status`
    Own,
}

/// What reading and writing a character device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Special {
    /// Takes all, gives nothing.
    Null,
    /// Takes all, gives zeros without end.
    Zero,
    /// Takes all, gives randomness without end.
    Random,
    /// The visitor's terminal.
    Terminal,
    /// Some hardware.
    Other,
}

impl Node {
    pub(in super::super) const fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    pub(in super::super) const fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }

    /// Bytes that the entry itself keeps in memory.
    pub(in super::super) fn kept(&self) -> usize {
        match &self.kind {
            Kind::File { content: Content::Kept(bytes), .. } | Kind::Link(bytes) => bytes.len(),
            _ => 0,
        }
    }

    /// Permission bits with the type of `st_mode` (inode(7)).
    pub(in super::super) fn full_mode(&self) -> u32 {
        let kind = match self.kind {
            Kind::Directory => 0o040_000,
            Kind::Link(_) => 0o120_000,
            Kind::File { .. } => 0o100_000,
            Kind::Special(_) => 0o020_000,
        };
        kind | u32::from(self.mode)
    }
}
