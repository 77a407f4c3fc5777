//! The directory of samples: each file once, under its SHA-256.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, fchown};
use std::path::Path;

use data_encoding::HEXLOWER;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use serde_json::Value;

use super::with;
use crate::config::Samples;
use crate::events::Owner;

/// Owner reads and writes, group reads, nobody runs it.
const MODE: Mode = Mode::from_raw_mode(0o640);
/// Beginning of the name of a file that is not complete yet.
const DRAFT: &str = "draft-";

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is there now.
    New,
    /// It was there already.
    Known,
}

/// Why a file is not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is longer than `samples.max_file_bytes`.
    #[error("longer than samples.max_file_bytes")]
    TooLong,
    /// The store would grow beyond `samples.max_bytes`.
    #[error("the store holds samples.max_bytes already")]
    Full,
    /// The disk.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}

/// The directory of samples. Everything in it is reached through its descriptor, never through a path that others could change.
#[derive(Debug)]
pub struct Store {
    directory: File,
    used: u64,
    max_bytes: u64,
    max_file_bytes: u64,
}

impl Store {
    /// Opens the directory; makes it, with its parents, when it is not there, and gives what it made to `owner`.
    ///
    /// # Errors
    /// It can be neither opened nor made.
    pub fn open(path: &Path, limits: &Samples, owner: Option<Owner>) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        let made = match DirBuilder::new().mode(0o750).create(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error),
        };
        // A link is the operator's own, unless it took the place of what was just made.
        let follow = if made { OFlags::NOFOLLOW } else { OFlags::empty() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
        let directory = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if let Some(Owner { uid, gid }) = owner.filter(|_| made) {
            fchown(&directory, Some(uid), Some(gid))?;
        }
        let used = tidy(directory.as_fd())?;
        Ok(Self { directory, used, max_bytes: limits.max_bytes, max_file_bytes: limits.max_file_bytes as u64 })
    }

    /// Bytes that the store holds, descriptions included.
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// Keeps a file and, when it is a new one, what is known about it: `about` is an object. `hash` is the SHA-256 of `bytes`, which nobody
    /// checks here.
    ///
    /// # Errors
    /// A limit, or the disk.
    pub fn put(&mut self, hash: &[u8; 32], bytes: &[u8], about: Value) -> Result<Stored, StoreError> {
        let len = bytes.len() as u64;
        if len > self.max_file_bytes {
            return Err(StoreError::TooLong);
        }
        let name = HEXLOWER.encode(hash);
        if statat(&self.directory, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(Stored::Known);
        }
        let mut about = with(with(about, "sha256", name.as_str()), "bytes", len).to_string();
        about.push('\n');
        let grown = self.used.saturating_add(len).saturating_add(about.len() as u64);
        if grown > self.max_bytes {
            return Err(StoreError::Full);
        }
        // The file itself comes last: where it is, the rest is.
        self.write(&format!("{name}.json"), about.as_bytes())?;
        self.write(&name, bytes)?;
        self.used = grown;
        Ok(Stored::New)
    }

    /// Written beside and renamed, so that no crash leaves half a file under its name.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let draft = format!("{DRAFT}{name}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.directory, &draft, flags, MODE)?);
        let written =
            file.write_all(bytes).and_then(|()| Ok(renameat(&self.directory, &draft, &self.directory, name)?));
        if written.is_err() {
            // The error that matters is the first one.
            let _ = unlinkat(&self.directory, &draft, AtFlags::empty());
        }
        written
    }
}

/// Adds up what is there and removes what was never completed.
fn tidy(directory: BorrowedFd<'_>) -> io::Result<u64> {
    let mut used = 0_u64;
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let stat = match statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => stat,
            Ok(_) | Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        if entry.file_name().to_bytes().starts_with(DRAFT.as_bytes()) {
            unlinkat(directory, entry.file_name(), AtFlags::empty())?;
        } else {
            used = used.saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;
    use crate::handlers::Sample;

    fn put(store: &mut Store, bytes: &[u8]) -> Result<Stored, StoreError> {
        let sample = Sample::new("x", bytes.to_vec());
        store.put(&sample.hash, &sample.bytes, json!({"name": "x"}))
    }

    #[test]
    fn a_file_is_kept_once_with_what_is_known_about_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made/samples");
        let mut store = Store::open(&path, &Samples::default(), None).unwrap();
        assert_eq!(put(&mut store, b"abc").unwrap(), Stored::New);
        assert_eq!(put(&mut store, b"abc").unwrap(), Stored::Known);
        let name = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fs::read(path.join(name)).unwrap(), b"abc");
        assert_eq!(fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777, 0o640);
        let about: Value = serde_json::from_slice(&fs::read(path.join(format!("{name}.json"))).unwrap()).unwrap();
        assert_eq!((&about["sha256"], &about["bytes"], &about["name"]), (&name.into(), &3.into(), &"x".into()));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2, "no draft is left");
        let used = store.used();
        drop(store);
        fs::write(path.join("draft-of-a-crash"), "half").unwrap();
        assert_eq!(Store::open(&path, &Samples::default(), None).unwrap().used(), used);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2);
    }

    #[test]
    fn limits_of_a_file_and_of_the_store_hold() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Samples { max_file_bytes: 100, max_bytes: 1_000, ..Samples::default() };
        let mut store = Store::open(&dir.path().join("s"), &limits, None).unwrap();
        assert!(matches!(put(&mut store, &[0; 101]), Err(StoreError::TooLong)));
        let stored = (0..100).take_while(|&n| put(&mut store, &[n; 100]).is_ok()).count();
        assert!((3..10).contains(&stored) && store.used() <= 1_000, "{stored}");
        assert!(matches!(put(&mut store, &[b'z'; 100]), Err(StoreError::Full)));
        assert_eq!(put(&mut store, &[0; 100]).unwrap(), Stored::Known, "what is there costs nothing");
    }

    #[test]
    fn a_link_in_the_directory_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join("s"), dir.path().join("victim"));
        fs::write(&victim, "whole").unwrap();
        let mut store = Store::open(&path, &Samples::default(), None).unwrap();
        let name = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        std::os::unix::fs::symlink(&victim, path.join(format!("draft-{name}"))).unwrap();
        assert!(matches!(put(&mut store, b"abc"), Err(StoreError::Io(_))));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "whole");
    }
}
