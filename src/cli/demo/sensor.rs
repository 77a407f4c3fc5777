//! The engine of the demonstration: this binary, as a process of its own in the sensor's namespace.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::DemoError;
use crate::netns::Namespace;

/// What the engine prints when it serves; the beginning of the line.
const READY: &str = "glutton-nfq: ready";
const START_LIMIT: Duration = Duration::from_secs(15);

/// A running engine and the directory of its events; both go on drop.
pub(super) struct Sensor {
    child: Child,
    directory: PathBuf,
    said: Receiver<String>,
}

impl Sensor {
    /// Starts the engine and waits until it serves.
    pub(super) fn start(namespace: &Namespace, rules: Option<&Path>) -> Result<Self, DemoError> {
        let binary =
            std::env::current_exe().map_err(|source| DemoError::Io { what: "finding this program", source })?;
        let directory = std::env::temp_dir().join(namespace.name());
        fs::create_dir(&directory)
            .map_err(|source| DemoError::Io { what: "making a directory for the events", source })?;
        let mut command = Command::new(binary);
        command.arg("-l").arg(directory.join("events.jsonl"));
        if let Some(rules) = rules {
            command.arg("-r").arg(rules);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = match namespace.spawn(&mut command) {
            Ok(child) => child,
            Err(error) => {
                remove(&directory);
                return Err(error.into());
            }
        };
        let (line, said) = unbounded();
        if let Some(stderr) = child.stderr.take() {
            // Ends with the engine, whose standard error then closes.
            std::thread::spawn(move || {
                for text in BufReader::new(stderr).lines().map_while(Result::ok) {
                    // Nobody listens any more once the demonstration is over.
                    let _ = line.send(text);
                }
            });
        }
        let sensor = Self { child, directory, said };
        sensor.await_ready()?;
        Ok(sensor)
    }

    fn await_ready(&self) -> Result<(), DemoError> {
        let mut last = String::from("it said nothing");
        loop {
            match self.said.recv_timeout(START_LIMIT) {
                Ok(text) if text.starts_with(READY) => return Ok(()),
                Ok(text) => last = text,
                Err(RecvTimeoutError::Disconnected) => return Err(DemoError::Engine(last)),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(DemoError::Engine(format!("not ready after {START_LIMIT:?}, last words: {last}")));
                }
            }
        }
    }

    /// Ends the engine in order, so that the last flows are recorded, too, and returns all its events.
    pub(super) fn stop(&mut self) -> Result<Vec<Value>, DemoError> {
        // A child that has ended by itself has written its events already.
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        self.child.wait().map_err(|source| DemoError::Io { what: "waiting for the engine", source })?;
        let text = fs::read_to_string(self.directory.join("events.jsonl"))
            .map_err(|source| DemoError::Io { what: "reading the events", source })?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
        remove(&self.directory);
    }
}

/// What cannot be removed from the system's directory for temporary files is the system's to remove.
fn remove(directory: &Path) {
    let _ = fs::remove_dir_all(directory);
}
