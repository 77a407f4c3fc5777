//! Who this sensor is: its id, and the persona that is drawn from it. Read before privileges are given up.

use std::path::Path;
use std::sync::Arc;

use log::warn;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::events;
use crate::handlers::tls::{Certificate, CertificateError};
use crate::handlers::{Guise, Persona, PersonaError, TlsKit};
use crate::state;

/// Name of the file that says when this sensor first started: microseconds since the Unix epoch.
const BORN: &str = "born";

/// Name of the file with the TLS certificate and its key: nobody else's to read.
const CERTIFICATE: &str = "tls.pem";

/// Why this sensor has no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The `[persona]` table is refused.
    #[error(transparent)]
    Persona(#[from] PersonaError),
    /// No certificate could be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Who this sensor is, to itself and to visitors.
#[derive(Debug)]
pub(super) struct Identity {
    /// In every event.
    pub(super) sensor_id: String,
    /// What visitors meet.
    pub(super) guise: Guise,
}

impl Identity {
    /// The identity kept in the state directory, or a new one that is kept there from now on.
    pub(super) fn open(config: &Config) -> Result<Self, IdentityError> {
        let state_dir = &config.engine.state_dir;
        let sensor_id = events::sensor_id(&config.events.sensor_id, state_dir);
        let now = Clock::start().now();
        let persona = Arc::new(Persona::draw(&sensor_id, born(state_dir, now), &config.persona)?);
        let tls = Arc::new(TlsKit::new(&certificate(state_dir, &persona, now)?)?);
        Ok(Self { sensor_id, guise: Guise { persona, tls } })
    }
}

/// The certificate that is kept, as long as it fits; else a new one, with the old key where there is one.
fn certificate(state_dir: &Path, persona: &Persona, now: Timestamp) -> Result<Certificate, CertificateError> {
    let path = state_dir.join(CERTIFICATE);
    let kept = state::read(state_dir, CERTIFICATE);
    let kept = kept.inspect_err(|error| warn!("cannot read {}: {error}", path.display())).ok().flatten();
    let kept = kept.and_then(|text| Certificate::from_pem(&text));
    if let Some(certificate) = kept.as_ref().filter(|certificate| certificate.fits(persona, now)) {
        return Ok(certificate.clone());
    }
    let certificate = Certificate::issue(persona, now, kept.as_ref())?;
    if let Err(error) = state::write(state_dir, CERTIFICATE, 0o600, &certificate.to_pem()) {
        warn!("cannot write {}: {error}: the certificate serves for this run", path.display());
    }
    Ok(certificate)
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
    use std::os::unix::fs::PermissionsExt;

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
        let [one, other] = [(), ()].map(|()| {
            let Identity { sensor_id, guise } = Identity::open(&config).unwrap();
            let certificate = std::fs::read_to_string(dir.path().join(CERTIFICATE)).unwrap();
            (sensor_id, format!("{:?}", guise.persona), certificate)
        });
        assert_eq!(one, other);
        let mode = std::fs::metadata(dir.path().join(CERTIFICATE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
