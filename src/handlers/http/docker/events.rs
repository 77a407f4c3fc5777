//! `GET /events`: what happened on the machine, and what happens while a client listens.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::super::Context;
use super::super::answer::{Answer, Framing, Progress, Stream};
use super::super::ask::Ask;
use super::filter::Filters;
use super::logs::moment;
use super::{Docker, Machines, error, refused};
use crate::clock::Timestamp;

/// Events of a machine that are kept; the oldest goes.
pub(super) const MAX_EVENTS: usize = 64;
/// How often is looked, and how many times at most.
const LOOK: Duration = Duration::from_millis(200);
const MAX_LOOKS: u32 = 5 * 3_600;

/// One event. The end of a process is known when it starts: its time may lie ahead.
#[derive(Debug, Clone)]
pub(super) struct Happening {
    pub(super) at: Timestamp,
    /// `container`, `image`, `network` or `volume`.
    pub(super) of: &'static str,
    pub(super) action: String,
    pub(super) id: String,
    pub(super) attributes: Map<String, Value>,
}

impl Happening {
    fn line(&self) -> String {
        let mut shown = Map::new();
        if matches!(self.of, "container" | "image") {
            shown.insert("status".to_owned(), self.action.as_str().into());
            shown.insert("id".to_owned(), self.id.as_str().into());
        }
        if let Some(image) = self.attributes.get("image").filter(|_| self.of == "container") {
            shown.insert("from".to_owned(), image.clone());
        }
        let (seconds, nanos) = (self.at.as_micros() / 1_000_000, self.at.as_micros().saturating_mul(1_000));
        let rest = json!({
            "Type": self.of, "Action": self.action, "Actor": {"ID": self.id, "Attributes": self.attributes}, "scope": "local",
            "time": seconds, "timeNano": nanos,
        });
        if let Value::Object(rest) = rest {
            shown.extend(rest);
        }
        format!("{}\n", Value::Object(shown))
    }

    fn passes(&self, filters: &Filters) -> bool {
        let attribute = |name: &str| self.attributes.get(name).and_then(Value::as_str).unwrap_or_default();
        filters.holds("type", |of| of == self.of)
            && filters.holds("event", |action| self.action.split(':').next() == Some(action))
            && filters.holds("container", |name| {
                self.of == "container" && (self.id.starts_with(name) || attribute("name") == name)
            })
            && filters.holds("image", |name| attribute("image") == name || self.of == "image" && self.id == name)
    }
}

impl Docker {
    pub(super) fn events(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Answer {
        let time = |name: &str| match ask.field(name).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => moment(&text).map(Some),
        };
        let (since, until) = match (time("since"), time("until")) {
            (Ok(since), Ok(until)) => (since, until),
            (Err(why), _) | (_, Err(why)) => return error(500, &why),
        };
        let filters = match Filters::of(ask, &[]) {
            Ok(filters) => filters,
            Err(refusal) => return refused(refusal),
        };
        let from = since.or(until).unwrap_or_else(|| cx.now());
        let listener = Listener { machines: self.machines.clone(), from, until, filters, looks: 0 };
        let answer = Answer::streamed(200, Framing::Chunked, listener);
        Answer { content_type: Some("application/json".into()), ..answer }
    }
}

/// A client that listens.
struct Listener {
    machines: Machines,
    /// What happened before this was told.
    from: Timestamp,
    until: Option<Timestamp>,
    filters: Filters,
    looks: u32,
}

impl Stream for Listener {
    fn next(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.looks += 1;
        let now = cx.now();
        let end = self.until.map_or(now, |until| until.min(now));
        self.machines.with(cx.session().client.ip(), now, |machine| {
            let mut new: Vec<_> =
                machine.events.iter().filter(|event| self.from <= event.at && event.at < end).collect();
            new.sort_by_key(|event| event.at);
            let shown = new.into_iter().filter(|event| event.passes(&self.filters));
            shown.for_each(|event| out.extend_from_slice(event.line().as_bytes()));
        });
        self.from = self.from.max(end);
        let is_over = self.until.is_some_and(|until| until <= now) || self.looks > MAX_LOOKS;
        if is_over { Progress::Ended } else { Progress::After(LOOK) }
    }
}
