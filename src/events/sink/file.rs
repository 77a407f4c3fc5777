//! JSON lines in a file, as logrotate likes it: moved away and reopened on SIGHUP, or copied and truncated.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::output::Output;
use super::{Block, Opened, Owner, Sink, SinkError, SinkKind, WriteError};
use crate::config;

pub(super) const KIND: SinkKind =
    SinkKind { name: "file", summary: "JSON lines in a file, reopened on SIGHUP", open: open_if_asked };

/// Owner reads and writes, group reads: payloads of visitors are nobody else's business.
const MODE: u32 = 0o640;

fn open_if_asked(events: &config::Events, owner: Option<Owner>) -> Opened {
    let Some(path) = &events.file else { return Ok(None) };
    let file = open(path, owner).map_err(|cause| SinkError {
        sink: KIND.name,
        place: path.display().to_string(),
        cause,
        mend: "give -l or events.file.path a file in a directory that exists and that this user may write to",
    })?;
    Ok(Some(Box::new(FileSink { path: path.clone(), output: Output::new(file) })))
}

/// Opens for appending (so a file that was truncated goes on at its start), makes the file when it is not there.
///
/// Only a file that is made here is given to `owner`: the directory may belong to the unprivileged engine, and whatever lies there
/// under this name (a link to somebody else's file) must not change hands.
fn open(path: &Path, owner: Option<Owner>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).mode(MODE);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            if let Some(Owner { uid, gid }) = owner {
                fchown(&file, Some(uid), Some(gid))?;
            }
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

struct FileSink {
    path: PathBuf,
    output: Output<File>,
}

impl Sink for FileSink {
    fn name(&self) -> String {
        format!("file {}", self.path.display())
    }

    fn write(&mut self, block: &Block) -> Result<(), WriteError> {
        self.output.write(block)
    }

    /// After privileges are given up a new file can only be made where the engine's user may write.
    fn reopen(&mut self) -> io::Result<()> {
        let file = open(&self.path, None).map_err(|error| {
            let mend = "let logrotate create it for the engine's user, or use copytruncate";
            io::Error::new(error.kind(), format!("{error}: {mend}"))
        })?;
        self.output = Output::new(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn sink(path: &Path) -> Box<dyn Sink> {
        let events = config::Events { file: Some(path.to_owned()), ..config::Events::default() };
        open_if_asked(&events, None).unwrap().unwrap()
    }

    fn line(text: &str) -> Block {
        Block::new(format!("{text}\n").as_bytes(), 1)
    }

    #[test]
    fn new_file_is_nobody_elses_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        sink(&path).write(&line("one")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
    }

    #[test]
    fn file_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        sink(&path).write(&line("one")).unwrap();
        sink(&path).write(&line("two")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn moved_file_is_left_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("events.jsonl"), dir.path().join("events.jsonl.1"));
        let mut sink = sink(&path);
        sink.write(&line("one")).unwrap();
        fs::rename(&path, &moved).unwrap();
        sink.write(&line("two")).unwrap();
        sink.reopen().unwrap();
        sink.write(&line("three")).unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn copied_and_truncated_file_goes_on_at_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut sink = sink(&path);
        sink.write(&line("one")).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        sink.write(&line("two")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n", "no hole of zero bytes");
    }

    #[test]
    fn failed_reopening_keeps_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("events.jsonl"), dir.path().join("events.jsonl.1"));
        let mut sink = sink(&path);
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(sink.reopen().is_err());
        sink.write(&line("still")).unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "still\n");
    }

    #[test]
    fn missing_directory_names_the_key_and_the_mend() {
        let events = config::Events { file: Some("/nowhere/at/all".into()), ..config::Events::default() };
        let Err(error) = open_if_asked(&events, None) else { panic!("opened") };
        let text = error.to_string();
        assert!(text.contains("/nowhere/at/all") && text.contains("events.file.path"), "{text}");
    }

    #[test]
    fn full_disk_costs_lines_and_is_no_end() {
        // Every write to this device says that no space is left.
        let mut sink = sink(Path::new("/dev/full"));
        assert!(matches!(sink.write(&line("one")), Err(WriteError::Lost { lines: 1, .. })));
        assert!(matches!(sink.write(&line("two")), Err(WriteError::Lost { lines: 1, .. })));
    }
}
