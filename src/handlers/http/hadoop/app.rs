//! Applications: what was submitted, and what has become of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Timestamp;

/// Time until an application runs, and until its end.
const ACCEPTED: Duration = Duration::from_secs(4);
const RUNNING: Duration = Duration::from_secs(45);
/// Characters that are kept of each text of a submission.
const MAX_TEXT: usize = 8 * 1024;

/// What a visitor submits (ResourceManager REST API, Cluster Submit Application).
pub(super) struct Submission {
    pub(super) id: String,
    name: String,
    kind: String,
    queue: String,
    /// The shell line of the application master's container.
    pub(super) command: Option<String>,
}

impl Submission {
    /// Reads JSON or XML.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        if text.trim_start().starts_with('<') {
            return Self::of(|name| element(&text, name), element(&text, "command"));
        }
        let value: Value = serde_json::from_slice(body).ok()?;
        // Some tools wrap it in the element's name, as the XML form has it.
        let context = value.get("application-submission-context").or_else(|| value.get("app")).unwrap_or(&value);
        let command = context.pointer("/am-container-spec/commands/command").and_then(Value::as_str).map(clipped);
        let of = |name: &str| match context.get(name) {
            Some(Value::String(text)) => Some(clipped(text)),
            _ => None,
        };
        Self::of(of, command)
    }

    fn of(text: impl Fn(&str) -> Option<String>, command: Option<String>) -> Option<Self> {
        Some(Self {
            id: text("application-id")?,
            name: text("application-name").unwrap_or_else(|| "N/A".to_owned()),
            kind: text("application-type").unwrap_or_else(|| "YARN".to_owned()),
            queue: text("queue").unwrap_or_else(|| "default".to_owned()),
            command,
        })
    }

    pub(super) fn to_value(&self) -> Value {
        json!({"id": self.id, "name": self.name, "type": self.kind, "queue": self.queue, "command": self.command})
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// The text of the first XML element of this name.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    let content = content.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    Some(clipped(content.trim()))
}

/// An application that was taken.
pub(super) struct App {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) kind: String,
    pub(super) queue: String,
    submitted: Timestamp,
    killed: Option<Timestamp>,
}

impl App {
    pub(super) fn new(submission: Submission, user: String, now: Timestamp) -> Self {
        let Submission { id, name, kind, queue, .. } = submission;
        Self { id, name, user, kind, queue, submitted: now, killed: None }
    }

    pub(super) fn kill(&mut self, now: Timestamp) {
        if self.state(now) != "FINISHED" {
            self.killed.get_or_insert(now);
        }
    }

    pub(super) fn state(&self, now: Timestamp) -> &'static str {
        match now.saturating_since(self.submitted) {
            _ if self.killed.is_some() => "KILLED",
            age if age < ACCEPTED => "ACCEPTED",
            age if age < RUNNING => "RUNNING",
            _ => "FINISHED",
        }
    }

    pub(super) fn final_status(&self, now: Timestamp) -> &'static str {
        match self.state(now) {
            "KILLED" => "KILLED",
            "FINISHED" => "SUCCEEDED",
            _ => "UNDEFINED",
        }
    }

    fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        self.killed.or_else(|| (self.state(now) == "FINISHED").then(|| self.submitted + RUNNING))
    }

    pub(super) fn to_value(&self, now: Timestamp, cluster: u64) -> Value {
        let millis = |time: Timestamp| time.as_micros() / 1_000;
        let state = self.state(now);
        let running = state == "RUNNING";
        let held = |value: i32| if running { value } else { -1 };
        json!({
            "id": self.id, "user": self.user, "name": self.name, "queue": self.queue, "state": state,
            "finalStatus": self.final_status(now),
            "progress": match state { "ACCEPTED" => 0.0, "RUNNING" => 50.0, _ => 100.0 },
            "trackingUI": if running { "ApplicationMaster" } else { "UNASSIGNED" }, "diagnostics": "", "clusterId": cluster,
            "applicationType": self.kind, "applicationTags": "", "startedTime": millis(self.submitted),
            "finishedTime": self.ended(now).map_or(0, millis),
            "elapsedTime": millis(self.ended(now).unwrap_or(now)).saturating_sub(millis(self.submitted)),
            "allocatedMB": held(2_048), "allocatedVCores": held(1), "runningContainers": held(1), "memorySeconds": 0,
            "vcoreSeconds": 0, "preemptedResourceMB": 0, "preemptedResourceVCores": 0, "numNonAMContainerPreempted": 0,
            "numAMContainerPreempted": 0,
        })
    }

    /// The id of something that belongs to it: an attempt or a container.
    fn part(&self, kind: &str, last: &str) -> String {
        format!("{kind}_{}_{last}", self.id.trim_start_matches("application_"))
    }

    fn began(&self, now: Timestamp) -> u64 {
        if self.state(now) == "ACCEPTED" { 0 } else { (self.submitted + ACCEPTED).as_micros() / 1_000 }
    }

    /// Its one attempt, on the cluster's one node.
    pub(super) fn attempt(&self, now: Timestamp, host: &str) -> Value {
        let container = self.part("container", "01_000001");
        json!({
            "id": 1, "startTime": self.began(now), "finishedTime": self.ended(now).map_or(0, |time| time.as_micros() / 1_000),
            "containerId": container, "nodeHttpAddress": format!("{host}:8042"), "nodeId": format!("{host}:45454"),
            "logsLink": format!("//{host}:8042/node/containerlogs/{container}/{}", self.user), "blacklistedNodes": "",
            "appAttemptId": self.part("appattempt", "000001"),
        })
    }

    /// The container of that attempt.
    pub(super) fn container(&self, now: Timestamp, host: &str) -> Value {
        let id = self.part("container", "01_000001");
        json!({
            "containerId": id, "allocatedMB": 2_048, "allocatedVCores": 1, "assignedNodeId": format!("{host}:45454"), "priority": 0,
            "startedTime": self.began(now), "finishedTime": self.ended(now).map_or(0, |time| time.as_micros() / 1_000),
            "elapsedTime": (now.as_micros() / 1_000).saturating_sub(self.began(now)),
            "logUrl": format!("http://{host}:8042/node/containerlogs/{id}/{}", self.user), "containerExitStatus": 0,
            "containerState": if self.state(now) == "RUNNING" { "RUNNING" } else { "COMPLETE" }, "nodeHttpAddress": format!("http://{host}:8042"),
        })
    }
}
