//! Who this sensor is: its id, and the persona that is drawn from it. Read before privileges are given up.

use std::path::Path;
use std::sync::Arc;

use log::warn;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::events;
use crate::handlers::{Persona, PersonaError};
use crate::state;

/// Name of the file that says when this sensor first started: microseconds since the Unix epoch.
const BORN: &str = "born";

/// Who this sensor is, to itself and to visitors.
#[derive(Debug)]
pub(super) struct Identity {
    /// In every event.
    pub(super) sensor_id: String,
    /// What visitors meet.
    pub(super) persona: Arc<Persona>,
}

impl Identity {
    /// The identity kept in the state directory, or a new one that is kept there from now on.
    pub(super) fn open(config: &Config) -> Result<Self, PersonaError> {
        let state_dir = &config.engine.state_dir;
        let sensor_id = events::sensor_id(&config.events.sensor_id, state_dir);
        let born = born(state_dir, Clock::start().now());
        let persona = Arc::new(Persona::draw(&sensor_id, born, &config.persona)?);
        Ok(Self { sensor_id, persona })
    }
}

/// When this sensor first started; now, when the file is not there or can be none.
fn born(state_dir: &Path, now: Timestamp) -> Timestamp {
    let kept = state::read(state_dir, BORN);
    let kept =
        kept.inspect_err(|error| warn!("cannot read {}: {error}", state_dir.join(BORN).display())).ok().flatten();
    let kept = kept.and_then(|text| text.trim().parse().ok()).map(Timestamp::from_micros);
    if let Some(born) = kept.filter(|&born| born <= now) {
        return born;
    }
    if let Err(error) = state::write(state_dir, BORN, 0o644, &format!("{}\n", now.as_micros())) {
        warn!("cannot write {}: {error}: the uptime that visitors see starts anew", state_dir.join(BORN).display());
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_is_remembered_and_a_time_to_come_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let at = Timestamp::from_micros;
        assert_eq!(born(dir.path(), at(5_000)), at(5_000));
        assert_eq!(born(dir.path(), at(9_000)), at(5_000));
        assert_eq!(born(dir.path(), at(4_000)), at(4_000), "the clock was wrong then or is now");
        std::fs::write(dir.path().join(BORN), "yesterday").unwrap();
        assert_eq!(born(dir.path(), at(7_000)), at(7_000));
    }

    #[test]
    fn a_sensor_is_the_same_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.engine.state_dir = dir.path().to_owned();
        let [one, other] = [(), ()].map(|()| Identity::open(&config).unwrap());
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}
