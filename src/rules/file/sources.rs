//! A rule file and the lists that it names, as bytes that another process can be handed.
//!
//! A reload needs it: the parent may read the operator's files, the engine, under an unprivileged user, may not. Files are opened by name
//! each time, so one that was replaced by renaming (editors, mounted configuration maps) is followed.

use std::ffi::OsStr;
use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::super::error::LoadError;
use super::super::filter::{ListFiles, open_list};
use super::super::set::RuleSet;
use super::{format_of, read, read_text};

/// Bytes of all lists that the rules of one file name.
pub const MAX_LIST_BYTES: usize = 64 << 20;

/// What a rule set was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    path: PathBuf,
    text: String,
    lists: Vec<(PathBuf, Vec<u8>)>,
    /// Lists that are not here are not looked for on the disk.
    is_closed: bool,
}

impl Sources {
    /// Reads the rule file, and nothing else yet.
    ///
    /// # Errors
    /// The file cannot be read, is too large, or is no text.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        format_of(path)?;
        Ok(Self { path: path.to_owned(), text: read_text(path)?, lists: Vec::new(), is_closed: false })
    }

    /// The rule file as the operator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rules. Lists that they name are read from the disk and kept, unless these sources were handed over.
    ///
    /// # Errors
    /// Everything that is wrong with the rules.
    pub fn rules(&mut self) -> Result<RuleSet, LoadError> {
        let (parse, name) = (format_of(&self.path)?, self.path.to_string_lossy().into_owned());
        let text = std::mem::take(&mut self.text);
        let rules = read(&text, &name, parse, self);
        self.text = text;
        Ok(rules?)
    }

    /// Everything in one piece, to be handed over: path, text, and path and bytes of each list, each with its length before it.
    pub fn encode(&self) -> Vec<u8> {
        let lists = self.lists.iter().flat_map(|(path, bytes)| [path.as_os_str().as_bytes(), bytes]);
        let mut encoded = Vec::new();
        for part in [self.path.as_os_str().as_bytes(), self.text.as_bytes()].into_iter().chain(lists) {
            encoded.extend((part.len() as u64).to_le_bytes());
            encoded.extend(part);
        }
        encoded
    }

    /// What [`Sources::encode`] made; `None` for anything else.
    pub fn decode(mut encoded: &[u8]) -> Option<Self> {
        let path = path_of(part(&mut encoded)?);
        let text = String::from_utf8(part(&mut encoded)?.to_vec()).ok()?;
        let mut lists = Vec::new();
        while !encoded.is_empty() {
            lists.push((path_of(part(&mut encoded)?), part(&mut encoded)?.to_vec()));
        }
        Some(Self { path, text, lists, is_closed: true })
    }

    fn read_list(&mut self, path: &Path) -> io::Result<usize> {
        let held: usize = self.lists.iter().map(|(_, bytes)| bytes.len()).sum();
        let mut bytes = Vec::new();
        let room = MAX_LIST_BYTES.saturating_sub(held);
        open_list(path)?.take(room as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > room {
            return Err(io::Error::other(format!("the lists of this rule file have more than {MAX_LIST_BYTES} bytes")));
        }
        self.lists.push((path.to_owned(), bytes));
        Ok(self.lists.len() - 1)
    }
}

impl ListFiles for Sources {
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn BufRead + '_>> {
        let index = match self.lists.iter().position(|(known, _)| known == path) {
            Some(index) => index,
            None if self.is_closed => return Err(io::ErrorKind::NotFound.into()),
            None => self.read_list(path)?,
        };
        Ok(Box::new(self.lists.get(index).map_or(&[][..], |(_, bytes)| bytes)))
    }
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Takes the first part off.
fn part<'b>(encoded: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, rest) = encoded.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    *encoded = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_lists_are_handed_over_whole_and_the_disk_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (rules, list) = (directory.path().join("rules.yml"), directory.path().join("bad.txt"));
        std::fs::write(&list, "192.0.2.0/24\n").unwrap();
        let text =
            format!("rules:\n- match: src in @{0}\n  type: drop\n- match: dst in @{0}\n  type: drop\n", list.display());
        std::fs::write(&rules, text).unwrap();
        let mut sources = Sources::read(&rules).unwrap();
        assert_eq!(sources.rules().unwrap().rules().len(), 2);
        assert_eq!(sources.lists.len(), 1, "one list is read once");
        drop(directory);
        let mut handed_over = Sources::decode(&sources.encode()).unwrap();
        assert_eq!(handed_over.rules().unwrap().rules().len(), 2);
        handed_over.lists.clear();
        assert!(handed_over.rules().is_err(), "a list that was not handed over is not looked for");
    }

    #[test]
    fn a_file_that_was_replaced_by_renaming_is_read_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, draft) = (directory.path().join("rules.yml"), directory.path().join("draft"));
        std::fs::write(&path, "rules:\n- type: drop\n").unwrap();
        assert_eq!(Sources::read(&path).unwrap().rules().unwrap().rules().len(), 1);
        std::fs::write(&draft, "rules:\n- type: drop\n- type: pass\n").unwrap();
        std::fs::rename(&draft, &path).unwrap();
        assert_eq!(Sources::read(&path).unwrap().rules().unwrap().rules().len(), 2);
    }

    #[test]
    fn what_was_not_encoded_is_not_decoded() {
        for bytes in [&[][..], &[1, 0, 0, 0, 0, 0, 0, 0], &[255; 20]] {
            assert_eq!(Sources::decode(bytes), None);
        }
    }
}
