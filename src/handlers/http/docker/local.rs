//! What belongs to the machine besides images and containers, and how much room all of it takes.

use serde_json::{Map, Value, json};

use super::super::super::Context;
use super::super::answer::Answer;
use super::machine::MAX_LOCAL;
use super::{Docker, value};

/// Characters of a name that are kept, and bytes of labels or options.
pub(super) const MAX_NAME: usize = 128;
const MAX_KEPT: usize = 1_024;

pub(super) fn text<'a>(config: &'a Value, key: &str) -> &'a str {
    config.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn name_in(config: &Value) -> String {
    text(config, "Name").chars().take(MAX_NAME).collect()
}

/// Labels or options that are kept: an object, if it is short.
pub(super) fn object_in(config: &Value, key: &str) -> Option<Map<String, Value>> {
    let object = config.get(key)?.as_object()?;
    let size = |value: &Value| value.as_str().map_or_else(|| value.to_string().len(), str::len);
    let length: usize = object.iter().map(|(name, value)| name.len() + size(value)).sum();
    (length <= MAX_KEPT).then(|| object.clone())
}

impl Docker {
    /// `docker system df`.
    pub(super) fn usage(&self, cx: &Context<'_>) -> Answer {
        let now = cx.now();
        let (images, containers, size) = self.with(cx, |machine| {
            let users = |image: &super::image::Image| {
                let mut shown = image.listed();
                let count = machine.containers.iter().filter(|container| container.image_id == image.id).count();
                if let Some(shown) = shown.as_object_mut() {
                    shown.insert("Containers".to_owned(), count.into());
                    shown.insert("SharedSize".to_owned(), 0.into());
                }
                shown
            };
            let images: Vec<Value> = machine.images.iter().map(users).collect();
            let size: u64 = machine.images.iter().map(super::image::Image::size).sum();
            let containers: Vec<Value> = machine.containers.iter().map(|container| container.listed(now)).collect();
            (images, containers, size)
        });
        let volumes: Vec<Value> = self.with(cx, |machine| {
            let used = |volume: &Value| {
                let users = machine.users_of_volume(text(volume, "Name")).len();
                let mut shown = volume.clone();
                if let Some(shown) = shown.as_object_mut() {
                    shown.insert("UsageData".to_owned(), json!({"RefCount": users, "Size": 0}));
                }
                shown
            };
            machine.volumes.iter().map(used).collect()
        });
        let usage = json!({"LayersSize": size, "Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": null, "BuilderSize": 0});
        value(200, &usage)
    }
}

/// Keeps a list short: the oldest goes.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= MAX_LOCAL {
        list.remove(0);
    }
    list.push(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_no_texts_take_room_as_well() {
        let kept = |value: Value| object_in(&json!({"Labels": {"a": value}}), "Labels").is_some();
        assert!(kept("x".repeat(1_000).into()) && kept(true.into()));
        assert!(!kept("x".repeat(2_000).into()) && !kept(vec!["x"; 2_000].into()));
    }
}
