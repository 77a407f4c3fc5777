//! What this machine has not: a cluster, plugins. Each request is refused as an engine refuses it that never had any.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::ask::Ask;
use super::decode::{Shape, json as decode, number};
use super::{error, value};

pub(super) const NONE: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
const JOINING: &str = "Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the \"docker info\" command to see the current swarm status of your node.";
// The client adds what to specify.
const ADDRESSES: &str = "could not choose an IP address to advertise since this system has multiple addresses on different interfaces (10.0.2.15 on eth0 and 192.168.56.12 on eth1)";
const NO_ADDRESS: &str = "invalid ListenAddr \"\": invalid empty address";

const fn shape(name: &'static str) -> Shape {
    Shape { name, short: "", fields: &[], status: 400 }
}

/// Requests about clusters: this machine is in none, and cannot choose an address for one.
pub(super) fn swarm(ask: &Ask<'_>, method: &str, parts: &[&str]) -> Option<Answer> {
    let has_address =
        |body: &Value| body.get("ListenAddr").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let versioned = |kind: &str| {
        let given = ask.field("version").unwrap_or_default();
        let why = format!("invalid {kind} version '{given}': strconv.ParseUint: parsing {given:?}: invalid syntax");
        Some(error(400, &why)).filter(|_| given.parse::<u64>().is_err())
    };
    let body = |name| decode(ask, &shape(name));
    Some(match (method, parts) {
        ("POST", ["swarm", "init"]) => match body("swarm.InitRequest") {
            Err(refused) => *refused,
            Ok(wanted) if !has_address(&wanted) => error(400, NO_ADDRESS),
            Ok(_) => error(400, ADDRESSES),
        },
        ("POST", ["swarm", "join"]) => match body("swarm.JoinRequest") {
            Err(refused) => *refused,
            Ok(wanted) if !has_address(&wanted) => error(400, NO_ADDRESS),
            Ok(_) => error(503, JOINING),
        },
        ("POST", ["swarm", "leave"]) => error(503, "This node is not part of a swarm"),
        ("POST", ["swarm", "update"]) => versioned("swarm").unwrap_or_else(|| error(503, NONE)),
        ("POST", [kind @ ("services" | "nodes" | "secrets" | "configs"), _, "update"]) => {
            versioned(kind.trim_end_matches('s')).unwrap_or_else(|| error(503, NONE))
        }
        ("GET", ["services" | "tasks", _, "logs"]) if !ask.is_set("stdout") && !ask.is_set("stderr") => {
            error(500, "Bad parameters: you must choose at least one stream")
        }
        ("GET", ["swarm" | "services" | "nodes" | "tasks" | "secrets" | "configs"] | ["swarm", "unlockkey"])
        | ("GET", ["services" | "nodes" | "tasks" | "secrets" | "configs", _] | ["services" | "tasks", _, "logs"])
        | ("POST", ["swarm", "unlock"] | ["services" | "secrets" | "configs", "create"])
        | ("DELETE", ["services" | "nodes" | "secrets" | "configs", _]) => error(503, NONE),
        _ => return None,
    })
}

/// Requests about plugins: there is none.
pub(super) fn plugins(ask: &Ask<'_>, method: &str, rest: &[&str]) -> Option<Answer> {
    let missing = |name: &str| error(404, &format!("plugin {name:?} not found"));
    if let ("POST", [_, "enable"], Err(why)) = (method, rest, number(ask.field("timeout").as_deref())) {
        return Some(error(500, &why));
    }
    Some(match (method, rest) {
        ("GET", [] | ["privileges"]) => value(200, &json!([])),
        ("POST", ["create"]) => error(500, "no rootfs found: EOF"),
        ("POST", ["pull"]) => error(
            500,
            "pull access denied, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
        ),
        ("GET", [name, "json"])
        | ("DELETE", [name])
        | ("POST", [name, "enable" | "disable" | "push" | "upgrade" | "set"]) => missing(name),
        _ => return None,
    })
}
