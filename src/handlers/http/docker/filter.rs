//! The `filters` of a request: a JSON object of names, each with a list or an object of values.

use serde_json::Value;

use super::super::ask::Ask;
use super::decode::syntax;
use super::refusal::Refusal;

/// What lists may be filtered by.
pub(super) const CONTAINERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "isolation",
    "label",
    "name",
    "status",
    "health",
    "since",
    "volume",
    "network",
    "is-task",
    "publish",
    "expose",
    "id",
];
pub(super) const IMAGES: &[&str] = &["dangling", "label", "before", "since", "reference"];
pub(super) const NETWORKS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];
const STATES: [&str; 7] = ["paused", "restarting", "removing", "running", "dead", "created", "exited"];

/// The filters of one request.
pub(super) struct Filters(Value);

impl Filters {
    /// The filters, which must be of these names; or why they are none.
    pub(super) fn of(ask: &Ask<'_>, known: &[&str]) -> Result<Self, Refusal> {
        let given = ask.field("filters").unwrap_or_default();
        if given.is_empty() {
            return Ok(Self(Value::Null));
        }
        let filters = Self(serde_json::from_str(&given).map_err(|_| (500, syntax(given.as_bytes())))?);
        let names = filters.0.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        if let Some(name) = names.into_iter().find(|name| !known.is_empty() && !known.contains(name)) {
            return Err((400, format!("Invalid filter '{name}'")));
        }
        if let Some(state) = filters.values("status").into_iter().find(|state| !STATES.contains(state)) {
            return Err((400, format!("Invalid filter 'status={state}'")));
        }
        let dangling = filters.values("dangling");
        if !dangling.iter().all(|value| matches!(*value, "true" | "false" | "0" | "1")) {
            return Err((400, format!("Invalid filter 'dangling=[{}]'", dangling.join(" "))));
        }
        Ok(filters)
    }

    pub(super) fn any(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// One of the values of this filter fits, or it has none.
    pub(super) fn holds(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        let values = self.values(name);
        values.is_empty() || values.into_iter().any(fits)
    }

    fn values(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).take(16).collect(),
            Some(Value::Object(set)) => set.keys().map(String::as_str).take(16).collect(),
            _ => Vec::new(),
        }
    }
}
