//! The name of this sensor in every event.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use log::warn;
use uuid::Uuid;

/// Name of the file in the state directory.
const FILE: &str = "sensor-id";
/// A longer id is no id; also bounds what is read.
const MAX_LEN: usize = 128;

/// The configured id, else the one kept in `state_dir`, else a random UUID that is kept there from now on.
///
/// To be called before privileges are given up, because the directory usually belongs to root. When the id can be neither
/// read nor kept, a warning says so and the new one serves for this run.
pub fn sensor_id(configured: &str, state_dir: &Path) -> String {
    if !configured.is_empty() {
        return configured.to_owned();
    }
    let path = state_dir.join(FILE);
    match read(&path) {
        Ok(Some(id)) => return id,
        Ok(None) => warn!("{} holds no sensor id: a new one is drawn", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => warn!("sensor id: cannot read {}: {error}: a new one is drawn", path.display()),
    }
    let id = Uuid::new_v4().to_string();
    if let Err(error) = keep(state_dir, &path, &id) {
        warn!(
            "sensor id: cannot write {}: {error}: {id} serves for this run; set events.sensor_id to keep one",
            path.display()
        );
    }
    id
}

/// The id in the file; `None` when what is there cannot be one.
fn read(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_LEN as u64 + 2).read_to_string(&mut text)?;
    let id = text.trim();
    let valid = (1..=MAX_LEN).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic());
    Ok(valid.then(|| id.to_owned()))
}

/// Written beside and renamed, so that no crash leaves half an id.
fn keep(state_dir: &Path, path: &Path, id: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(state_dir)?;
    let draft = state_dir.join(format!("{FILE}.{id}"));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&draft)
        .and_then(|mut file| file.write_all(format!("{id}\n").as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // The draft may not exist at all; the error that matters is the first one.
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_drawn_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("made/on/demand");
        let first = sensor_id("", &state);
        assert_eq!(first.len(), 36);
        assert_eq!(sensor_id("", &state), first);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn configured_id_wins_and_nothing_is_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(sensor_id("north", dir.path()), "north");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn damaged_id_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for damage in ["", "two words", "line\nbreak", &"x".repeat(1 << 16)] {
            fs::write(dir.path().join(FILE), damage).unwrap();
            let id = sensor_id("", dir.path());
            assert_eq!(id.len(), 36);
            assert_eq!(sensor_id("", dir.path()), id);
        }
    }

    #[test]
    fn unwritable_directory_gives_an_id_for_this_run() {
        let dir = tempfile::tempdir().unwrap();
        let occupied = dir.path().join("a-file");
        fs::write(&occupied, "").unwrap();
        assert_eq!(sensor_id("", &occupied).len(), 36);
    }
}
