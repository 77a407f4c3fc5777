//! Networks: those of every engine, and those that a visitor makes.

use serde_json::{Map, Value, json};

use super::super::super::Context;
use super::super::answer::Answer;
use super::super::ask::Ask;
use super::cluster::NONE;
use super::container::Container;
use super::decode::{Shape, Type, json as decode};
use super::engine::rfc3339;
use super::filter::{self, Filters};
use super::local::{name_in, object_in, push, text};
use super::machine::{Machine, id};
use super::refusal::Refusal;
use super::{Docker, error, refused, value};
use crate::clock::Timestamp;

const NETWORK: Shape = Shape {
    name: "types.NetworkCreateRequest",
    short: "NetworkCreateRequest",
    fields: &[("Name", Type::Text)],
    status: 400,
};
const CONNECT: Shape =
    Shape { name: "types.NetworkConnect", short: "NetworkConnect", fields: &[("Container", Type::Text)], status: 400 };
/// The second number of the first network that an engine makes (172.18.0.0/16), and of its last.
const POOL: std::ops::Range<u8> = 18..32;

/// A container's place in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attachment {
    pub(super) network: String,
    /// The first three numbers of its addresses; empty where there are none.
    base: String,
    pub(super) bits: u8,
    last: u8,
}

impl Attachment {
    pub(super) fn address(&self) -> String {
        if self.base.is_empty() { String::new() } else { format!("{}.{}", self.base, self.last) }
    }

    pub(super) fn gateway(&self) -> String {
        if self.base.is_empty() { String::new() } else { format!("{}.1", self.base) }
    }

    pub(super) fn hardware(&self) -> String {
        let mut numbers = self.base.split('.').filter_map(|part| part.parse::<u8>().ok());
        let mut next = || numbers.next().unwrap_or(0);
        if self.base.is_empty() {
            return String::new();
        }
        format!("02:42:{:02x}:{:02x}:{:02x}:{:02x}", next(), next(), next(), self.last)
    }
}

/// A subnet's first three numbers and its bits; nothing where it is none.
fn subnet(text: &str) -> Option<(String, u8)> {
    let (address, bits) = text.split_once('/')?;
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let [a, b, c, _] = address.octets();
    Some((format!("{a}.{b}.{c}"), bits.parse().ok().filter(|bits| *bits <= 32)?))
}

/// Why there is no network of this name and driver.
fn refuses_network(name: &str, driver: &str) -> Option<Refusal> {
    match (name, driver) {
        ("bridge" | "host" | "none", _) => {
            Some((403, format!("operation is not permitted on predefined {name} network ")))
        }
        (_, "host" | "null") => Some((403, format!("only one instance of {driver:?} network is allowed"))),
        (_, "overlay") => Some((500, NONE.to_owned())),
        (_, "" | "bridge" | "macvlan" | "ipvlan") if name.trim().is_empty() => {
            Some((500, format!("invalid name: {name}")))
        }
        (_, "" | "bridge" | "macvlan" | "ipvlan") => None,
        _ => Some((404, format!("plugin {driver:?} not found"))),
    }
}

/// The address configuration of a network to be: what its request says, or the next of the engine's own.
fn addresses(wanted: &Value, known: &[Value]) -> Result<Value, Refusal> {
    let taken = |wanted: &str| {
        known
            .iter()
            .filter_map(|one| one.pointer("/IPAM/Config/0/Subnet")?.as_str())
            .any(|one| subnet(one) == subnet(wanted))
    };
    let Some(given) = wanted.pointer("/IPAM/Config/0").filter(|given| given.get("Subnet").is_some()) else {
        let free = POOL.map(|second| format!("172.{second}")).find(|base| !taken(&format!("{base}.0.0/16")));
        let base = free.ok_or_else(|| {
            (404, "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network".to_owned())
        })?;
        return Ok(json!([{"Subnet": format!("{base}.0.0/16"), "Gateway": format!("{base}.0.1")}]));
    };
    let wanted = text(given, "Subnet");
    if subnet(wanted).is_none() {
        return Err((500, format!("Invalid subnet {wanted} : invalid CIDR address: {wanted}")));
    }
    if taken(wanted) {
        return Err((403, "Pool overlaps with other one on this address space".to_owned()));
    }
    let mut kept = Map::new();
    for key in ["Subnet", "IPRange", "Gateway"] {
        let text: String = text(given, key).chars().take(48).collect();
        if !text.is_empty() {
            kept.insert(key.to_owned(), text.into());
        }
    }
    Ok(json!([kept]))
}

impl Machine {
    /// Gives a container its place in its network, which is one of these.
    pub(super) fn attach(&mut self, id: &str, all: &[Value], now: Timestamp) {
        let Some(name) = self.container(id).map(|one| one.network_name()) else { return };
        let Some(network) = all.iter().find(|one| text(one, "Name") == name || text(one, "Id") == name) else { return };
        let named = network.pointer("/IPAM/Config/0/Subnet").and_then(Value::as_str).and_then(subnet);
        let (base, bits) = named.unwrap_or_default();
        let others = self.containers.iter().filter(|other| other.id != id && other.is_running(now));
        let taken: Vec<u8> = others
            .filter_map(|other| other.attachment.as_ref())
            .filter(|other| other.base == base)
            .map(|other| other.last)
            .collect();
        let last = (2..=254).find(|last| !taken.contains(last)).unwrap_or(254);
        let attachment = Attachment { network: text(network, "Id").to_owned(), base, bits, last };
        if let Some(container) = self.container(id) {
            container.attachment = Some(attachment);
        }
    }
}

impl Docker {
    pub(super) fn networks(&self, cx: &Context<'_>, ask: &Ask<'_>, method: &str, rest: &[&str]) -> Option<Answer> {
        let (own, all) = self.with(cx, |machine| {
            let mut all = self.engine.networks(&machine.networks);
            all.iter_mut().for_each(|network| show_members(network, machine, cx.now()));
            (machine.networks.clone(), all)
        });
        let is_it = |network: &Value, name: &str| {
            text(network, "Name") == name || name.len() > 3 && text(network, "Id").starts_with(name)
        };
        let find = |name: &str| all.iter().find(|network| is_it(network, name));
        let is_own = |name: &str| own.iter().any(|network| is_it(network, name));
        let is_used = |network: &Value| network.get("Containers") != Some(&json!({}));
        let missing = |name: &str| error(404, &format!("network {name} not found"));
        Some(match (method, rest) {
            ("GET", [] | [""]) => match Filters::of(ask, filter::NETWORKS) {
                Ok(filters) => value(200, &chosen(&all, &filters).into()),
                Err(refusal) => refused(refusal),
            },
            ("GET", [name]) => match refuses_look(ask, name) {
                Some(why) => refused(why),
                None => find(name).map_or_else(|| missing(name), |network| value(200, network)),
            },
            ("POST", ["create"]) => self.new_network(cx, ask, &all),
            ("POST", ["prune"]) => {
                let unused = |network: &&Value| is_own(text(network, "Name")) && !is_used(network);
                let gone: Vec<&str> = all.iter().filter(unused).map(|network| text(network, "Name")).collect();
                self.with(cx, |machine| machine.networks.retain(|network| !gone.contains(&text(network, "Name"))));
                value(200, &json!({"NetworksDeleted": if gone.is_empty() { Value::Null } else { json!(gone) }}))
            }
            ("POST", [name, action @ ("connect" | "disconnect")]) => {
                self.connect(cx, ask, (name, find(name)), *action == "connect")
            }
            ("DELETE", [name]) => match find(name) {
                None => missing(name),
                Some(_) if !is_own(name) => {
                    error(403, &format!("{name} is a pre-defined network and cannot be removed"))
                }
                Some(network) if is_used(network) => {
                    let id = text(network, "Id");
                    error(403, &format!("error while removing network: network {name} id {id} has active endpoints"))
                }
                Some(_) => {
                    self.with(cx, |machine| machine.networks.retain(|network| !is_it(network, name)));
                    Answer::empty(204)
                }
            },
            _ => return None,
        })
    }

    fn new_network(&self, cx: &Context<'_>, ask: &Ask<'_>, all: &[Value]) -> Answer {
        let wanted = match decode(ask, &NETWORK) {
            Ok(wanted) => wanted,
            Err(refused) => return *refused,
        };
        let (name, driver) = (name_in(&wanted), text(&wanted, "Driver"));
        if let Some(refusal) = refuses_network(&name, driver) {
            return refused(refusal);
        }
        if all.iter().any(|network| text(network, "Name") == name) {
            return error(409, &format!("network with name {name} already exists"));
        }
        let addresses = match addresses(&wanted, all) {
            Ok(addresses) => addresses,
            Err(refusal) => return refused(refusal),
        };
        let id = id(cx.session().seed ^ cx.now().as_micros(), all.len() as u64, &name);
        let is_set = |key: &str| wanted.get(key) == Some(&Value::Bool(true));
        let network = json!({
            "Name": name, "Id": id, "Created": rfc3339(cx.now()), "Scope": "local", "Driver": if driver.is_empty() { "bridge" } else { driver },
            "EnableIPv6": is_set("EnableIPv6"), "IPAM": {"Driver": "default", "Options": null, "Config": addresses},
            "Internal": is_set("Internal"), "Attachable": is_set("Attachable"), "Ingress": false, "ConfigFrom": {"Network": ""},
            "ConfigOnly": false, "Containers": {}, "Options": object_in(&wanted, "Options").unwrap_or_default(),
            "Labels": object_in(&wanted, "Labels").unwrap_or_default(),
        });
        self.with(cx, |machine| {
            machine.happened_to_thing(cx.now(), "network", "create", (&id, &name));
            push(&mut machine.networks, network);
        });
        value(201, &json!({"Id": id, "Warning": ""}))
    }

    fn connect(&self, cx: &Context<'_>, ask: &Ask<'_>, (name, network): (&str, Option<&Value>), joins: bool) -> Answer {
        let wanted = match decode(ask, &CONNECT) {
            Ok(wanted) => wanted,
            Err(refused) => return *refused,
        };
        let container = text(&wanted, "Container");
        if container.is_empty() {
            return error(400, "invalid name or ID supplied: \"\"");
        }
        match (self.inside(cx, container, |one| one.id.clone()), network) {
            (None, _) => error(404, &format!("No such container: {container}")),
            (_, None) => error(404, &format!("network {name} not found")),
            (Some(container), Some(network)) => {
                let pair = (text(network, "Id").to_owned(), container);
                self.with(cx, |machine| {
                    machine.joined.retain(|known| *known != pair);
                    if joins {
                        push(&mut machine.joined, pair);
                    }
                });
                Answer::empty(200)
            }
        }
    }
}

/// What is wrong with how a network is asked for.
fn refuses_look(ask: &Ask<'_>, name: &str) -> Option<Refusal> {
    let verbose = ask.field("verbose").unwrap_or_default();
    if !matches!(
        verbose.as_str(),
        "" | "0" | "1" | "t" | "f" | "T" | "F" | "true" | "false" | "True" | "False" | "TRUE" | "FALSE"
    ) {
        let why =
            format!("invalid value for verbose: {verbose}: strconv.ParseBool: parsing {verbose:?}: invalid syntax");
        return Some((400, why));
    }
    let is_ours = matches!(ask.field("scope").as_deref(), None | Some("" | "local"));
    (!is_ours).then(|| (404, format!("network {name} not found")))
}

/// Puts the running containers of a network into it.
fn show_members(network: &mut Value, machine: &Machine, now: Timestamp) {
    let (name, id) = (text(network, "Name").to_owned(), text(network, "Id").to_owned());
    let is_member = |one: &&Container| {
        let joined = || machine.joined.iter().any(|(to, who)| *to == id && *who == one.id);
        one.is_running(now) && (one.network_name() == name || one.network_name() == id || joined())
    };
    let members = machine.containers.iter().filter(is_member);
    let members: Map<String, Value> = members.map(|one| (one.id.clone(), one.endpoint(now))).collect();
    if let Some(network) = network.as_object_mut() {
        network.insert("Containers".to_owned(), members.into());
    }
}

/// The networks that pass these filters.
fn chosen(all: &[Value], filters: &Filters) -> Vec<Value> {
    let passes = |network: &&Value| {
        filters.holds("name", |name| text(network, "Name").contains(name))
            && filters.holds("id", |id| text(network, "Id").starts_with(id))
            && filters.holds("driver", |driver| text(network, "Driver") == driver)
            && filters.holds("label", |label| has_label(network, label))
            && filters.holds("type", |kind| {
                (kind == "builtin") == matches!(text(network, "Name"), "bridge" | "host" | "none")
            })
            && filters.holds("scope", |scope| scope == "local")
    };
    all.iter().filter(passes).cloned().collect()
}

/// A label has this name, or this `NAME=VALUE`.
pub(super) fn has_label(shown: &Value, label: &str) -> bool {
    let (name, value) = label.split_once('=').map_or((label, None), |(name, value)| (name, Some(value)));
    let known = shown.pointer("/Labels").and_then(|labels| labels.get(name));
    known.is_some_and(|known| value.is_none() || known.as_str() == value)
}
