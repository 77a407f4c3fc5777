//! The `$SYS` topics of mosquitto 2.0, in the order in which it publishes them: every eleven seconds those that have changed. All but
//! the version are worth nothing a minute later, so a value that stands still is missing from what a new subscriber gets.
//!
//! A broker on the Internet is never alone: what a source sees counts the visits of others, too. Whoever comes back after a minute finds
//! that they have just made every value change, and so does a source that comes for the first time.

use std::fmt;
use std::time::Duration;

use super::broker::Broker;
use super::load::{Load, SPANS};
use super::topic;
use crate::clock::Timestamp;

/// Seconds between two publications: mosquitto waits until more than its `sys_interval` of ten has passed.
const INTERVAL_SECS: u64 = 11;
pub(super) const INTERVAL: f64 = 11.0;
/// The broker's own retained messages before the first has expired.
const WHOLE: u64 = 53;
/// The message expiry of a published value.
const LIFE: Duration = Duration::from_secs(60);
/// A load average that has moved less since the publication before is not published.
const LEAST_MOVE: f64 = 0.01;

/// What the broker counts for one source.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    pub(super) messages_received: u64,
    pub(super) messages_sent: u64,
    pub(super) publish_dropped: u64,
    pub(super) publish_received: u64,
    pub(super) publish_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) sockets: u64,
    pub(super) connections: u64,
    pub(super) publish_bytes_received: u64,
    pub(super) publish_bytes_sent: u64,
    loads: [Load; 9],
    /// Every topic but the version, from the first publication on.
    entries: Vec<Entry>,
    /// The next publication.
    next: u64,
    /// Most clients that a publication has seen.
    maximum: u64,
    /// Visits of others that are counted.
    visits: u64,
}

/// A value on its way out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Seconds(u64),
    Count(u64),
    Load(f64),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(secs) => write!(f, "{secs} seconds"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Load(average) => write!(f, "{average:.2}"),
        }
    }
}

/// What was last published of one topic.
#[derive(Debug, Clone)]
struct Entry {
    value: Value,
    tick: u64,
    /// Expired, and taken out when a subscriber asked for it: mosquitto counts it as stored until then.
    dropped: bool,
}

/// A topic of the broker's own that has not expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) value: String,
    /// The publication that it is from.
    pub(super) tick: u64,
    pub(super) expires: Option<Timestamp>,
}

/// Names of the counts before and after the load averages, below `$SYS/broker/`.
const FIRST: [&str; 8] = [
    "uptime",
    "clients/total",
    "clients/inactive",
    "clients/disconnected",
    "clients/active",
    "clients/connected",
    "clients/expired",
    "clients/maximum",
];
const LAST: [&str; 17] = [
    "messages/stored",
    "messages/received",
    "messages/sent",
    "store/messages/count",
    "store/messages/bytes",
    "subscriptions/count",
    "shared_subscriptions/count",
    "retained messages/count",
    "heap/current",
    "heap/maximum",
    "publish/messages/dropped",
    "publish/messages/received",
    "publish/messages/sent",
    "publish/bytes/received",
    "publish/bytes/sent",
    "bytes/received",
    "bytes/sent",
];

impl Traffic {
    fn counters(&self) -> [(&'static str, u64); 9] {
        [
            ("messages/received", self.messages_received),
            ("messages/sent", self.messages_sent),
            ("publish/dropped", self.publish_dropped),
            ("publish/received", self.publish_received),
            ("publish/sent", self.publish_sent),
            ("bytes/received", self.bytes_received),
            ("bytes/sent", self.bytes_sent),
            ("sockets", self.sockets),
            ("connections", self.connections),
        ]
    }

    /// Names of the entries, in their order.
    fn names(&self) -> impl Iterator<Item = String> {
        let loads =
            self.counters().into_iter().flat_map(|(name, _)| SPANS.map(|(_, span)| format!("load/{name}/{span}")));
        let names = FIRST.map(str::to_owned).into_iter().chain(loads).chain(LAST.map(str::to_owned));
        names.map(|name| format!("$SYS/broker/{name}"))
    }

    /// Lets the load averages pass over `ticks` publications: the averages, and whether each has moved.
    fn advance(&mut self, ticks: u64) -> Vec<(Value, bool)> {
        let counters = self.counters();
        let mut out = Vec::with_capacity(3 * counters.len());
        for (load, (_, count)) in self.loads.iter_mut().zip(counters) {
            let before = load.averages;
            load.advance(count, ticks);
            let moved = load.averages.iter().zip(before);
            out.extend(moved.map(|(&now, before)| (Value::Load(now), (now - before).abs() >= LEAST_MOVE)));
        }
        out
    }

    /// Retained messages of the broker's own.
    fn stored(&self) -> u64 {
        let own = self.entries.iter().filter(|entry| !entry.dropped);
        1 + own.map(|_| 1).sum::<u64>()
    }

    /// Others have come and gone: they connected, subscribed and left, and one in four read the broker's own topics.
    fn visited(&mut self, visits: u64) {
        let new = visits.saturating_sub(self.visits);
        let readers = visits / 4 - self.visits.min(visits) / 4;
        self.visits = visits;
        self.sockets += new;
        self.connections += new;
        self.messages_received += 3 * new;
        self.bytes_received += 41 * new;
        self.messages_sent += 2 * new + WHOLE * readers;
        self.bytes_sent += 9 * new + 2_326 * readers;
        self.publish_sent += WHOLE * readers;
        self.publish_bytes_sent += 271 * readers;
    }

    fn publish(&mut self, tick: u64, first: [Value; 8], last: [u64; 17]) {
        let loads = self.advance(1);
        let values = first
            .map(|value| (value, false))
            .into_iter()
            .chain(loads)
            .chain(last.map(|value| (Value::Count(value), false)));
        if self.entries.is_empty() {
            self.entries = values.map(|(value, _)| Entry { value, tick, dropped: false }).collect();
            return;
        }
        for (entry, (value, moved)) in self.entries.iter_mut().zip(values) {
            if moved || !matches!(value, Value::Load(_)) && value != entry.value {
                *entry = Entry { value, tick, dropped: false };
            }
        }
    }
}

/// What the broker says about itself.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) version: String,
    /// When it was started.
    pub(super) started: Timestamp,
    /// How often somebody else comes by.
    pub(super) visit_secs: u64,
    /// How many of the others were there at most at a time.
    pub(super) most_others: u64,
}

impl Server {
    /// The number of the last publication, from the broker's start.
    pub(super) fn tick(&self, now: Timestamp) -> u64 {
        now.saturating_since(self.started).as_secs() / INTERVAL_SECS
    }

    /// Makes the publications that are due. When the source was away for longer than a value lives, all that can be seen of the time
    /// between is that everything was published at its end.
    pub(super) fn publish(&self, broker: &mut Broker, now: Timestamp) {
        let last = self.tick(now);
        let next = broker.traffic.next;
        if next > last {
            return;
        }
        let traffic = &mut broker.traffic;
        let is_new = traffic.entries.is_empty();
        let was_away = is_new || self.end_of(next.saturating_sub(1)) <= now;
        if was_away {
            traffic.entries.clear();
            traffic.maximum = traffic.maximum.max(self.most_others);
        }
        traffic.visited(last * INTERVAL_SECS / self.visit_secs.max(1));
        if is_new {
            // What was counted before is long past.
            let counters = traffic.counters();
            traffic.loads.iter_mut().zip(counters).for_each(|(load, (_, count))| load.counted = count);
        } else if was_away {
            traffic.advance(last - next);
        }
        for tick in if was_away { last } else { next }..=last {
            Self::publish_one(broker, tick);
        }
        broker.traffic.next = last + 1;
    }

    fn publish_one(broker: &mut Broker, tick: u64) {
        let ((total, connected), (retained, bytes)) = (broker.clients(), broker.kept());
        let [total, connected, retained, bytes, subscriptions] =
            [total, connected, retained, bytes, broker.subscriptions()].map(|count| count as u64);
        let traffic = &mut broker.traffic;
        traffic.maximum = traffic.maximum.max(total);
        let [total_now, away, connected, none] = [total, total - connected, connected, 0].map(Value::Count);
        let (uptime, maximum) = (Value::Seconds(tick * INTERVAL_SECS), Value::Count(traffic.maximum));
        let first = [uptime, total_now, away, away, connected, connected, none, maximum];
        // Before the first publication nobody has taken any out.
        let own = if traffic.entries.is_empty() { WHOLE } else { traffic.stored() };
        let stored = retained + own;
        let last = [
            stored,
            traffic.messages_received,
            traffic.messages_sent,
            stored,
            bytes + 205,
            subscriptions,
            0,
            stored,
            44_720 + 504 * total + bytes,
            46_168 + 504 * traffic.maximum + bytes,
            traffic.publish_dropped,
            traffic.publish_received,
            traffic.publish_sent,
            traffic.publish_bytes_received,
            traffic.publish_bytes_sent,
            traffic.bytes_received,
            traffic.bytes_sent,
        ];
        traffic.publish(tick, first, last);
    }

    /// What has not expired.
    pub(super) fn topics(&self, traffic: &Traffic, now: Timestamp) -> Vec<Topic> {
        let version = Topic {
            name: "$SYS/broker/version".to_owned(),
            value: format!("mosquitto version {}", self.version),
            tick: 0,
            expires: None,
        };
        let entries = traffic.names().zip(&traffic.entries).filter_map(|(name, entry)| {
            let expires = self.end_of(entry.tick);
            (expires > now).then(|| Topic {
                name,
                value: entry.value.to_string(),
                tick: entry.tick,
                expires: Some(expires),
            })
        });
        std::iter::once(version).chain(entries).collect()
    }

    /// A subscriber asks for these: what has expired among them is taken out.
    pub(super) fn drop_expired(&self, traffic: &mut Traffic, filter: &str, now: Timestamp) {
        let names = traffic.names().collect::<Vec<_>>();
        for (entry, name) in traffic.entries.iter_mut().zip(names) {
            entry.dropped |= self.end_of(entry.tick) <= now && topic::matches(filter, &name);
        }
    }

    /// When what was published then is worth nothing.
    fn end_of(&self, tick: u64) -> Timestamp {
        self.started + Duration::from_secs(tick * INTERVAL_SECS) + LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, below `$SYS/broker/`, that a new subscriber gets.
    fn seen(server: &Server, broker: &mut Broker, secs: u64) -> Vec<String> {
        let now = server.started + Duration::from_secs(secs);
        server.publish(broker, now);
        let topics = server.topics(&broker.traffic, now);
        server.drop_expired(&mut broker.traffic, "$SYS/#", now);
        topics.into_iter().map(|topic| topic.name.replace("$SYS/broker/", "")).collect()
    }

    fn server() -> Server {
        Server { version: "2.0.11".to_owned(), started: Timestamp::default(), visit_secs: 3_000, most_others: 3 }
    }

    #[test]
    fn what_stands_still_is_gone_after_a_minute_and_counted_until_somebody_asks() {
        let (server, mut broker) = (server(), Broker::default());
        assert_eq!(seen(&server, &mut broker, 2).len(), 53);
        broker.traffic.sockets += 1;
        assert_eq!(seen(&server, &mut broker, 50).len(), 53);
        let later = seen(&server, &mut broker, 62);
        assert!(later.contains(&"load/sockets/1min".to_owned()) && !later.contains(&"clients/total".to_owned()));
        assert!(!later.contains(&"messages/stored".to_owned()), "{later:?}");
        assert!(seen(&server, &mut broker, 70).contains(&"messages/stored".to_owned()), "fewer are stored");
    }

    #[test]
    fn whoever_comes_first_or_comes_back_sees_every_topic() {
        let (server, mut broker) = (server(), Broker::default());
        for (secs, topics) in [(86_400, 53), (86_470, 53), (86_500, 53), (86_535, 2), (90_000, 53)] {
            if topics == 2 {
                // It stays connected: every publication is seen.
                (86_500..secs).for_each(|secs| server.publish(&mut broker, Timestamp::from_micros(secs * 1_000_000)));
            }
            assert_eq!(seen(&server, &mut broker, secs).len(), topics, "{secs}");
        }
    }

    #[test]
    fn a_broker_that_has_been_up_for_days_has_had_visitors() {
        let (server, mut broker) = (server(), Broker::default());
        let now = server.started + Duration::from_secs(30 * 86_400);
        server.publish(&mut broker, now);
        let topics = server.topics(&broker.traffic, now);
        let value = |name: &str| {
            let name = format!("$SYS/broker/{name}");
            topics.iter().find(|topic| topic.name == name).unwrap().value.clone()
        };
        let received: u64 = value("messages/received").parse().unwrap();
        assert!((2_580..=2_592).contains(&received), "{received}");
        assert_eq!((value("clients/maximum").as_str(), value("load/sockets/15min").as_str()), ("3", "0.00"));
    }
}
