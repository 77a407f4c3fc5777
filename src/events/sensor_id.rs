//! The name of this sensor in every event.

use std::io;
use std::path::Path;

use log::warn;
use uuid::Uuid;

use crate::state;

/// Name of the file in the state directory.
const FILE: &str = "sensor-id";
/// A longer id is no id.
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
    match read(state_dir) {
        Ok(Some(id)) => return id,
        Ok(None) if path.exists() => warn!("{} holds no sensor id: a new one is drawn", path.display()),
        Ok(None) => {}
        Err(error) => warn!("sensor id: cannot read {}: {error}: a new one is drawn", path.display()),
    }
    let id = Uuid::new_v4().to_string();
    if let Err(error) = state::write(state_dir, FILE, 0o644, &format!("{id}\n")) {
        warn!(
            "sensor id: cannot write {}: {error}: {id} serves for this run; set events.sensor_id to keep one",
            path.display()
        );
    }
    id
}

/// The id in the file; `None` when what is there cannot be one.
fn read(state_dir: &Path) -> io::Result<Option<String>> {
    let text = state::read(state_dir, FILE)?.unwrap_or_default();
    let id = text.trim();
    let valid = (1..=MAX_LEN).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic());
    Ok(valid.then(|| id.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

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
