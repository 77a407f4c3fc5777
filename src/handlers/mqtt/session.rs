//! The session of one client: its subscriptions, and the mailbox that its connection empties.

use std::collections::VecDeque;
use std::sync::Arc;

use super::broker::{MAX_QUEUE, MAX_RETAINED, Message};
use super::topic;
use crate::clock::Timestamp;

/// Subscriptions of one session.
pub(super) const MAX_SUBSCRIPTIONS: usize = 64;

/// A message for one client.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    /// The subscription's identifier (MQTT 5 section 3.8.2.1.2).
    pub(super) identifier: Option<u32>,
}

/// A message that the client has not acknowledged.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    pub(super) id: u16,
    pub(super) delivery: Delivery,
    /// PUBREC has come: only PUBCOMP is missing.
    pub(super) received: bool,
}

/// A QoS 2 message that waits for PUBREL; whether it shall be retained.
pub(super) type Unreleased = (u16, Option<Arc<Message>>, bool);

/// What is not settled between the two ends: it outlives the connection as the session does (MQTT 5 section 4.1).
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    pub(super) in_flight: Vec<InFlight>,
    pub(super) unreleased: Vec<Unreleased>,
    /// The packet identifier that was used last.
    last_id: u16,
}

impl Unsettled {
    /// A packet identifier that no message in flight has: there are fewer of those than identifiers.
    pub(super) fn fresh_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.in_flight.iter().any(|sent| sent.id == self.last_id) {
                return self.last_id;
            }
        }
    }

    /// A message is settled, or never will be.
    pub(super) fn settle(&mut self, is_it: impl Fn(&InFlight) -> bool) {
        self.in_flight.retain(|sent| !is_it(sent));
    }
}

/// One subscription.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    /// As the client wrote it, `$share` included.
    pub(super) filter: String,
    pub(super) qos: u8,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
    pub(super) identifier: Option<u32>,
    /// When it last had its turn in its group.
    pub(super) served: u64,
}

impl Subscription {
    /// The group that shares what comes.
    pub(super) fn group(&self) -> Option<&str> {
        topic::shared(&self.filter).and_then(|(group, _)| group)
    }

    /// Its place among the subscriptions of a client that match the same topic.
    pub(super) fn rank(&self) -> (bool, Vec<u8>) {
        let (group, filter) = topic::shared(&self.filter).unwrap_or_default();
        (group.is_some(), topic::rank(filter))
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        topic::shared(&self.filter).is_some_and(|(_, filter)| topic::matches(filter, topic))
    }
}

/// The session of one client identifier.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    /// The connection that serves it.
    pub(super) link: Option<u64>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) mailbox: VecDeque<Delivery>,
    /// How long it lives without a connection; `None` for ever.
    pub(super) expiry_secs: Option<u32>,
    pub(super) left: Timestamp,
    pub(super) unsettled: Unsettled,
    /// A message comes once for each subscription that it matches, as MQTT 5 clients of mosquitto get it; else for the first only.
    pub(super) hears_each: bool,
}

impl Session {
    pub(super) fn has_subscriptions(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// The highest QoS of the subscriptions that see this topic.
    pub(super) fn watches(&self, topic: &str) -> Option<u8> {
        self.subscriptions.iter().filter(|subscription| subscription.matches(topic)).map(|it| it.qos).max()
    }

    /// Some subscription may see the broker's own topics.
    pub(super) fn watches_own(&self) -> bool {
        self.subscriptions.iter().any(|it| topic::shared(&it.filter).is_some_and(|(_, filter)| filter.starts_with('$')))
    }

    /// Adds or replaces a subscription: whether it is new, or `None` when there are too many.
    pub(super) fn subscribe(&mut self, subscription: Subscription) -> Option<bool> {
        let known = self.subscriptions.iter_mut().find(|known| known.filter == subscription.filter);
        if let Some(known) = known {
            // The other options stay as they were when it was made.
            (known.qos, known.identifier) = (subscription.qos, subscription.identifier);
            return Some(false);
        }
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return None;
        }
        self.subscriptions.push(subscription);
        Some(true)
    }

    /// Ends a subscription; false when there is none.
    pub(super) fn unsubscribe(&mut self, filter: &str) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|subscription| subscription.filter != filter);
        self.subscriptions.len() < before
    }

    /// For this client only.
    pub(super) fn post(&mut self, delivery: Delivery) {
        if self.mailbox.len() < MAX_QUEUE + MAX_RETAINED {
            self.mailbox.push_back(delivery);
        }
    }

    /// The next message; one with an acknowledgement to come only when `has_window`.
    pub(super) fn take(&mut self, has_window: bool, now: Timestamp) -> Option<Delivery> {
        loop {
            let next = self.mailbox.front()?;
            if next.qos > 0 && !has_window {
                return None;
            }
            let delivery = self.mailbox.pop_front()?;
            if delivery.message.expires.is_none_or(|end| end > now) {
                return Some(delivery);
            }
        }
    }

    /// The session ends with its connection.
    pub(super) fn is_short(&self) -> bool {
        self.expiry_secs == Some(0)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Changes how long the session lives on.
    pub(super) fn expire_after(&mut self, secs: Option<u32>) {
        self.expiry_secs = secs;
    }
}
