//! The REST services below `/ws/v1/cluster` (ResourceManager REST APIs), in JSON or, for who asks for it, XML.

use serde_json::{Value, json};

use super::super::super::Context;
use super::super::Version;
use super::super::answer::{Answer, Measure};
use super::super::ask::Ask;
use super::app::App;
use super::layout::STATES;
use super::{CORES, Hadoop, MEMORY, exception, no_such_app, xml};
use crate::clock::Timestamp;

/// What of the services takes which methods besides GET; what an application has is told by `*`.
const WRITABLE: [(&str, &str); 12] = [
    ("apps/new-application", "POST"),
    ("apps", "POST"),
    ("apps/*/state", "PUT"),
    ("apps/*/queue", "PUT"),
    ("apps/*/priority", "PUT"),
    ("apps/*/timeout", "PUT"),
    ("delegation-token", "POST"),
    ("delegation-token", "DELETE"),
    ("reservation/submit", "POST"),
    ("reservation/update", "POST"),
    ("reservation/delete", "POST"),
    ("reservation/new-reservation", "POST"),
];

impl Hadoop {
    pub(super) fn rest(&self, cx: &mut Context<'_>, ask: &Ask<'_>, path: &str) -> Option<Answer> {
        let answer = self.service(cx, ask, path);
        let wants_xml = ask.head.values("accept").any(|kinds| {
            let kinds = kinds.to_ascii_lowercase();
            kinds.contains("application/xml") && !kinds.contains("application/json")
        });
        // JSON is written as it is made, XML when it is whole (the same documentation's examples).
        let is_piecemeal = !answer.body.is_empty() && ask.head.version == Version::Http11;
        let measure = if is_piecemeal { Measure::Chunk } else { Measure::Bytes };
        Some(if wants_xml { xml::of(answer) } else { Answer { measure, ..answer } })
    }

    fn service(&self, cx: &mut Context<'_>, ask: &Ask<'_>, path: &str) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        let general = match parts.as_slice() {
            ["apps", id, rest @ ..] if *id != "new-application" => {
                ["apps/*", &rest.join("/")].join(if rest.is_empty() { "" } else { "/" })
            }
            _ => path.to_owned(),
        };
        let writes: Vec<&str> = WRITABLE.iter().filter(|(of, _)| *of == general).map(|(_, method)| *method).collect();
        let method = ask.head.method.as_str();
        match (method, parts.as_slice()) {
            ("POST", ["apps", "new-application"]) => Answer::json(
                200,
                &json!({"application-id": self.next_id(cx.now()), "maximum-resource-capability": {"memory": MEMORY, "vCores": CORES}}),
            ),
            ("POST", ["apps"]) => self.submit(cx, ask),
            ("GET" | "HEAD" | "PUT", ["apps", id, "state"]) => self.app_state(cx, ask, id),
            ("PUT", ["apps", id, what @ ("queue" | "priority")]) => self.changed(cx.now(), ask, id, what),
            (_, ["delegation-token", ..]) if method != "GET" => exception(
                403,
                "ForbiddenException",
                "java.lang.Exception: Delegation token operations can only be carried out on a Kerberos authenticated channel. Expected auth type is kerberos, got type simple",
            ),
            ("POST", ["reservation", _]) => exception(
                400,
                "BadRequestException",
                "java.lang.Exception: The queue is not specified. Please try again with a valid reservable queue.",
            ),
            ("GET" | "HEAD", _) => self.shown(cx.now(), ask, &parts).unwrap_or_else(|| match writes.is_empty() {
                true => unknown(ask),
                false => not_allowed(),
            }),
            _ if !writes.is_empty() || self.shown(cx.now(), ask, &parts).is_some() => not_allowed(),
            _ => unknown(ask),
        }
    }

    fn shown(&self, now: Timestamp, ask: &Ask<'_>, parts: &[&str]) -> Option<Answer> {
        let value = match parts {
            [""] | ["info"] => self.info(),
            ["metrics"] => self.metrics(now),
            ["nodes"] => self.nodes(now),
            ["nodes", id] => {
                let node = self.nodes(now).pointer("/nodes/node/0").cloned().unwrap_or_default();
                if node.get("id").and_then(Value::as_str) != Some(id) {
                    return Some(exception(
                        404,
                        "NotFoundException",
                        &format!("java.lang.Exception: nodeId, {id}, is not found"),
                    ));
                }
                json!({"node": node})
            }
            ["scheduler"] => self.scheduler(now),
            ["appstatistics"] => self.statistics(now, ask),
            ["apps"] => {
                let passes = |app: &&App| passes(app, ask, now);
                let apps: Vec<Value> = self.with(|cluster| {
                    cluster.apps.iter().filter(passes).map(|app| app.to_value(now, self.started)).collect()
                });
                let limit = ask.field("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
                let apps: Vec<Value> = apps.into_iter().take(limit).collect();
                if apps.is_empty() { json!({"apps": null}) } else { json!({"apps": {"app": apps}}) }
            }
            ["apps", id, rest @ ..] => return self.of_app(now, id, rest),
            ["reservation", "list"] => json!({"reservationListInfo": null}),
            _ => return None,
        };
        Some(Answer::json(200, &value))
    }

    fn of_app(&self, now: Timestamp, id: &str, rest: &[&str]) -> Option<Answer> {
        let known = ["", "appattempts", "queue", "priority", "timeouts"];
        if *id == *"new-application" || !known.contains(rest.first().unwrap_or(&"")) {
            return None;
        }
        if !id.starts_with("application_") || id.split('_').count() != 3 {
            return Some(exception(400, "IllegalArgumentException", &format!("Invalid ApplicationId: {id}")));
        }
        let host = &self.host;
        let found = self.with(|cluster| {
            let app = cluster.apps.iter().find(|app| app.id == id)?;
            let attempt = || app.attempt(now, host);
            Some(match rest {
                [] => Some(json!({"app": app.to_value(now, self.started)})),
                ["appattempts"] => Some(json!({"appAttempts": {"appAttempt": [attempt()]}})),
                ["appattempts", _] => Some(json!({"appAttempt": attempt()})),
                ["appattempts", _, "containers"] => Some(json!({"containers": {"container": [app.container(now, host)]}})),
                ["appattempts", _, "containers", _] => Some(json!({"container": app.container(now, host)})),
                ["queue"] => Some(json!({"queue": app.queue})),
                ["priority"] => Some(json!({"priority": 0})),
                ["timeouts"] => Some(json!({"timeouts": {"timeout": [{"type": "LIFETIME", "expiryTime": "UNLIMITED", "remainingTimeInSeconds": -1}]}})),
                _ => None,
            })
        });
        match found {
            None => Some(no_such_app(id)),
            Some(value) => value.map(|value| Answer::json(200, &value)),
        }
    }

    /// A visitor moves an application.
    fn changed(&self, now: Timestamp, ask: &Ask<'_>, id: &str, what: &str) -> Answer {
        let wanted: Value = serde_json::from_slice(ask.body).unwrap_or_default();
        let is_there = self.with(|cluster| {
            let app = cluster.apps.iter_mut().find(|app| app.id == id)?;
            if let Some(queue) = wanted.get("queue").and_then(Value::as_str).filter(|_| what == "queue") {
                app.queue = queue.chars().take(64).collect();
            }
            Some(app.state(now))
        });
        if is_there.is_none() { no_such_app(id) } else { Answer::json(200, &wanted) }
    }

    pub(super) fn scheduler(&self, now: Timestamp) -> Value {
        let running = self.with(|cluster| cluster.apps.iter().filter(|app| app.state(now) == "RUNNING").count());
        let used = (running.min(3) * 2_048 * 100) as f64 / f64::from(MEMORY);
        json!({"scheduler": {"schedulerInfo": {
            "type": "capacityScheduler", "capacity": 100.0, "usedCapacity": used, "maxCapacity": 100.0, "queueName": "root",
            "queues": {"queue": [{"type": "capacitySchedulerLeafQueueInfo", "capacity": 100.0, "usedCapacity": used,
                "maxCapacity": 100.0, "absoluteCapacity": 100.0, "absoluteMaxCapacity": 100.0, "absoluteUsedCapacity": used,
                "numApplications": running, "queueName": "default", "state": "RUNNING",
                "resourcesUsed": {"memory": running.min(3) * 2_048, "vCores": running.min(3)}, "hideReservationQueues": false,
                "nodeLabels": ["*"], "numActiveApplications": running, "numPendingApplications": 0, "numContainers": running,
                "maxApplications": 10_000, "maxApplicationsPerUser": 10_000, "userLimit": 100, "users": null, "userLimitFactor": 1.0,
                "preemptionDisabled": true}]},
        }}})
    }

    fn statistics(&self, now: Timestamp, ask: &Ask<'_>) -> Value {
        let asked = ask.field("states").unwrap_or_default().to_ascii_uppercase();
        let wanted = STATES.iter().filter(|state| asked.is_empty() || asked.split(',').any(|name| name == **state));
        let count =
            |state: &str| self.with(|cluster| cluster.apps.iter().filter(|app| app.state(now) == state).count());
        let kind = ask.field("applicationTypes").unwrap_or_else(|| "*".to_owned()).to_ascii_lowercase();
        let items: Vec<Value> =
            wanted.map(|state| json!({"state": state, "type": kind, "count": count(state)})).collect();
        json!({"appStatInfo": {"statItem": items}})
    }
}

/// The application is one that the query asks for.
fn passes(app: &App, ask: &Ask<'_>, now: Timestamp) -> bool {
    let holds = |name: &str, value: &str| {
        let wanted = ask.field(name).unwrap_or_default();
        wanted.is_empty() || wanted.split(',').any(|one| one.eq_ignore_ascii_case(value))
    };
    holds("state", app.state(now))
        && holds("states", app.state(now))
        && holds("finalStatus", app.final_status(now))
        && holds("user", &app.user)
        && holds("queue", &app.queue)
        && holds("applicationTypes", &app.kind)
}

/// What Jersey says of a path that no service has.
fn unknown(ask: &Ask<'_>) -> Answer {
    let message = format!("null for uri: {}{}", ask.origin(), ask.head.target);
    let class = "com.sun.jersey.api.NotFoundException";
    Answer::json(
        404,
        &json!({"RemoteException": {"exception": "NotFoundException", "message": message, "javaClassName": class}}),
    )
}

/// What it says of a method that a service does not take.
fn not_allowed() -> Answer {
    let class = "javax.ws.rs.WebApplicationException";
    Answer::json(405, &json!({"RemoteException": {"exception": "WebApplicationException", "javaClassName": class}}))
}
