//! Volumes: directories of the machine that containers share.

use serde_json::{Value, json};

use super::super::super::Context;
use super::super::answer::Answer;
use super::super::ask::Ask;
use super::config;
use super::decode::{Shape, Type, json as decode};
use super::engine::rfc3339;
use super::filter::Filters;
use super::local::{name_in, object_in, push, text};
use super::machine::{Machine, id};
use super::network::has_label;
use super::refusal::Refusal;
use super::{Docker, error, refused, value};
use crate::clock::Timestamp;

const VOLUME: Shape = Shape {
    name: "volume.VolumeCreateBody",
    short: "VolumeCreateBody",
    fields: &[("Name", Type::Text), ("Driver", Type::Text)],
    status: 400,
};

/// Why there is no volume of this name, driver and options.
fn refuses_volume(name: &str, wanted: &Value) -> Option<Refusal> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let driver = text(wanted, "Driver");
    let option = wanted.get("DriverOpts").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name);
    let unknown = option.into_iter().find(|name| !matches!(name.as_str(), "type" | "o" | "device"));
    if !matches!(driver, "" | "local") {
        let why = format!("create {name}: error looking up volume plugin {driver}: plugin {driver:?} not found");
        return Some((404, why));
    }
    if name.len() == 1 {
        let why = "volume name is too short, names should be at least two alphanumeric characters";
        return Some((400, format!("create {name}: {why}")));
    }
    if !name.bytes().all(is_good) || name.starts_with(['_', '.', '-']) {
        let why = "includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path";
        return Some((400, format!("create {name}: {name:?} {why}")));
    }
    unknown.map(|unknown| (400, format!("create {name}: invalid option: {unknown:?}")))
}

impl Machine {
    /// The containers that have this volume.
    pub(super) fn users_of_volume(&self, name: &str) -> Vec<String> {
        let has = |config: &Value| config::mounts(config).iter().any(|(source, _, _)| source == name);
        self.containers.iter().filter(|one| has(&one.config)).map(|one| one.id.clone()).collect()
    }

    /// The volume of this name, which is made if there is none.
    pub(super) fn volume(&mut self, name: &str, wanted: &Value, now: Timestamp) -> Value {
        if let Some(known) = self.volumes.iter().find(|one| text(one, "Name") == name) {
            return known.clone();
        }
        // To the second, as the file system has it.
        let created = Timestamp::from_micros(now.as_micros() / 1_000_000 * 1_000_000);
        let created = rfc3339(created).replace(".000000000", "");
        let volume = json!({
            "CreatedAt": created, "Driver": "local", "Labels": object_in(wanted, "Labels"), "Name": name,
            "Options": object_in(wanted, "DriverOpts").filter(|options| !options.is_empty()), "Scope": "local",
            "Mountpoint": config::volume_path(name),
        });
        self.happened_to_thing(now, "volume", "create", (name, name));
        push(&mut self.volumes, volume.clone());
        volume
    }
}

impl Docker {
    pub(super) fn volumes(&self, cx: &Context<'_>, ask: &Ask<'_>, method: &str, rest: &[&str]) -> Option<Answer> {
        let own = self.with(cx, |machine| machine.volumes.clone());
        let find = |name: &str| own.iter().find(|known| text(known, "Name") == name);
        let missing = |name: &str| {
            let space = if name.is_empty() { "" } else { " " };
            error(404, &format!("get{space}{name}: no such volume"))
        };
        Some(match (method, rest) {
            ("GET", []) => match Filters::of(ask, &[]) {
                Err((_, why)) => error(400, &format!("error reading volume filters: {why}")),
                Ok(filters) => {
                    let passes = |volume: &&Value| {
                        filters.holds("name", |name| text(volume, "Name").contains(name))
                            && filters.holds("driver", |driver| driver == "local")
                            && filters.holds("label", |label| has_label(volume, label))
                    };
                    let list: Vec<&Value> = own.iter().filter(passes).collect();
                    value(200, &json!({"Volumes": list, "Warnings": null}))
                }
            },
            ("GET", [name]) => find(name).map_or_else(|| missing(name), |volume| value(200, volume)),
            ("POST", ["create"]) => {
                let wanted = match decode(ask, &VOLUME) {
                    Ok(wanted) => wanted,
                    Err(refused) => return Some(*refused),
                };
                let drawn = || id(cx.session().seed ^ cx.now().as_micros(), own.len() as u64, "volume");
                let name = Some(name_in(&wanted)).filter(|name| !name.is_empty()).unwrap_or_else(drawn);
                if let Some(refusal) = refuses_volume(&name, &wanted) {
                    return Some(refused(refusal));
                }
                value(201, &self.with(cx, |machine| machine.volume(&name, &wanted, cx.now())))
            }
            ("POST", ["prune"]) => {
                let unused =
                    |machine: &Machine, volume: &Value| machine.users_of_volume(text(volume, "Name")).is_empty();
                let gone: Vec<&str> = self.with(cx, |machine| {
                    own.iter().filter(|volume| unused(machine, volume)).map(|volume| text(volume, "Name")).collect()
                });
                gone.iter().for_each(|name| self.remove_volume(cx, name));
                value(
                    200,
                    &json!({"VolumesDeleted": if gone.is_empty() { Value::Null } else { json!(gone) }, "SpaceReclaimed": 0}),
                )
            }
            ("DELETE", [name]) if find(name).is_some() => {
                let users = self.with(cx, |machine| machine.users_of_volume(name));
                if !users.is_empty() {
                    return Some(error(409, &format!("remove {name}: volume is in use - [{}]", users.join(", "))));
                }
                self.remove_volume(cx, name);
                Answer::empty(204)
            }
            ("DELETE", [_]) if ask.is_set("force") => Answer::empty(204),
            ("DELETE", [name]) => missing(name),
            _ => return None,
        })
    }

    /// A volume goes, with what is in it.
    fn remove_volume(&self, cx: &Context<'_>, name: &str) {
        let now = cx.now();
        self.with(cx, |machine| {
            machine.volumes.retain(|known| text(known, "Name") != name);
            let path = format!("/var/lib/docker/volumes/{name}");
            machine.ground.files(&self.device, now, |files| files.take_away(path.as_bytes()));
        });
    }
}
