//! What all connections of one source have open on the drive: who may open what besides, which bytes are locked, who watches.

use super::access;
use super::change::Watch;
use super::lock::Lock;
use super::path::{below, same};
use super::status::Status;

/// Files and directories that all connections of one source have open on the drive.
const MAX: usize = 128;

/// An open file or directory: its session, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) session: u64,
    pub(super) id: u16,
}

/// What is open.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) owner: Owner,
    /// On the drive.
    pub(super) path: String,
    /// Rights that it was opened with, and what others may have.
    pub(super) access: u32,
    pub(super) shared: u32,
    /// What lies there is deleted when this is closed.
    pub(super) deletes: bool,
    pub(super) locks: Vec<Lock>,
    /// Where a lock was refused last: SMB1 tells who asks again another reason (MS-CIFS 3.3.5.30).
    pub(super) refused: Option<u64>,
    pub(super) watch: Option<Watch>,
}

/// All of one source.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX
    }

    pub(super) fn add(&mut self, claim: Claim) {
        self.0.push(claim);
    }

    pub(super) fn remove(&mut self, owner: Owner) -> Option<Claim> {
        let at = self.0.iter().position(|claim| claim.owner == owner)?;
        Some(self.0.swap_remove(at))
    }

    pub(super) fn find(&self, owner: Owner) -> Option<&Claim> {
        self.0.iter().find(|claim| claim.owner == owner)
    }

    pub(super) fn find_mut(&mut self, owner: Owner) -> Option<&mut Claim> {
        self.0.iter_mut().find(|claim| claim.owner == owner)
    }

    pub(super) fn at(&self, path: &str) -> impl Iterator<Item = &Claim> {
        self.0.iter().filter(move |claim| same(&claim.path, path))
    }

    pub(super) fn is_open(&self, path: &str) -> bool {
        self.at(path).next().is_some()
    }

    /// Something in this directory is open.
    pub(super) fn is_open_below(&self, directory: &str) -> bool {
        self.0.iter().any(|claim| below(&claim.path, directory).is_some_and(|rest| !rest.is_empty()))
    }

    pub(super) fn is_watched(&self) -> bool {
        self.0.iter().any(|claim| claim.watch.is_some())
    }

    /// Whether this may be opened with these rights, and these for others (MS-FSA 2.1.5.1.2.2).
    pub(super) fn suffer(&self, path: &str, rights: u32, shared: u32) -> Result<(), Status> {
        let suffers = |claim: &Claim| access::suffers((claim.access, claim.shared), (rights, shared));
        if self.at(path).all(suffers) { Ok(()) } else { Err(Status::SHARING_VIOLATION) }
    }

    /// What is open at a path has another.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        for claim in self.0.iter_mut().filter(|claim| same(&claim.path, from)) {
            to.clone_into(&mut claim.path);
        }
    }
}
