//! The broker as one source sees it: its clients' sessions with their subscriptions and mailboxes, and the retained messages. What
//! a client publishes lands in the mailboxes of those who subscribed; each connection empties its own.
//!
//! Bounded: [`MAX_CLIENTS`] sessions of [`MAX_SUBSCRIPTIONS`] subscriptions and [`MAX_QUEUE`] messages, [`MAX_RETAINED`] retained
//! messages; the messages of a source hold [`MAX_SOURCE`] bytes, those of all sources [`MAX_TOTAL`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::session::{Delivery, MAX_SUBSCRIPTIONS, Session, Subscription, Unsettled};
use super::sys::Traffic;
use super::topic;
use crate::clock::Timestamp;
use crate::handlers::held::{Held, Share};

const MAX_CLIENTS: usize = 64;
/// Messages that wait for one client.
pub(super) const MAX_QUEUE: usize = 200;
pub(super) const MAX_RETAINED: usize = 256;
const MAX_SOURCE: usize = 2 * 1024 * 1024;
const MAX_TOTAL: usize = 64 * 1024 * 1024;

/// A published message; its bytes count as long as anybody keeps it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// MQTT 5 properties that travel with it, as bytes.
    pub(super) properties: Vec<u8>,
    /// When it is worth nothing any more.
    pub(super) expires: Option<Timestamp>,
    _share: Share,
}

/// A will whose client may still come back.
#[derive(Debug)]
struct Pending {
    client: String,
    due: Timestamp,
    message: Arc<Message>,
    qos: u8,
    retain: bool,
}

/// All that one source does.
#[derive(Debug, Default)]
pub(super) struct Broker {
    sessions: Vec<Session>,
    retained: BTreeMap<String, (Arc<Message>, u8)>,
    held: Held,
    wills: Vec<Pending>,
    last_link: u64,
    turns: u64,
    pub(super) traffic: Traffic,
}

impl Broker {
    /// Connects a client: its link number, and whether it finds its session of before. `None`: too many clients.
    pub(super) fn connect(
        &mut self,
        id: &str,
        clean: bool,
        expiry_secs: Option<u32>,
        now: Timestamp,
    ) -> Option<(u64, bool)> {
        self.forget_expired(now);
        self.last_link += 1;
        let link = self.last_link;
        let found = self.sessions.iter().position(|session| session.id == id);
        let mut present = false;
        let resumes = !clean && found.and_then(|at| self.sessions.get(at)).is_some_and(|it| it.expiry_secs != Some(0));
        self.settle_will(id, resumes);
        if let Some(session) = found.and_then(|at| self.sessions.get_mut(at)) {
            present = !clean;
            session.link = Some(link);
            session.expiry_secs = expiry_secs;
            if clean {
                session.subscriptions.clear();
                session.mailbox.clear();
                session.unsettled = Unsettled::default();
            }
        } else {
            if self.sessions.len() >= MAX_CLIENTS {
                let longest = self.sessions.iter().enumerate().filter(|(_, session)| session.link.is_none());
                let at = longest.min_by_key(|(_, session)| session.left).map(|(at, _)| at)?;
                self.sessions.remove(at);
            }
            self.sessions.push(Session {
                id: id.to_owned(),
                link: Some(link),
                subscriptions: Vec::new(),
                mailbox: VecDeque::new(),
                expiry_secs,
                left: now,
                unsettled: Unsettled::default(),
                hears_each: false,
            });
        }
        Some((link, present))
    }

    fn forget_expired(&mut self, now: Timestamp) {
        self.sessions.retain(|session| {
            let away = now.saturating_since(session.left).as_secs();
            session.link.is_some() || session.expiry_secs.is_none_or(|secs| away < u64::from(secs))
        });
    }

    /// The session of this connection; `None` once another connection has taken it over.
    pub(super) fn session(&mut self, link: u64) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.link == Some(link))
    }

    /// The connection ends. What is not settled waits for the client's return, if the session lives on.
    pub(super) fn disconnect(&mut self, link: u64, now: Timestamp) {
        if let Some(session) = self.session(link) {
            session.link = None;
            session.left = now;
            session.mailbox.retain(|delivery| delivery.qos > 0);
        }
        self.forget_expired(now);
    }

    /// Clients altogether, and those connected.
    pub(super) fn clients(&self) -> (usize, usize) {
        (self.sessions.len(), self.sessions.iter().filter(|session| session.link.is_some()).count())
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.sessions.iter().map(|session| session.subscriptions.len()).sum()
    }

    /// Retained messages, and the bytes of all messages kept.
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.retained.len(), self.held.bytes())
    }

    /// A message that counts against the limits; `None` when they are reached.
    pub(super) fn message(
        &self,
        total: &Held,
        topic: &str,
        payload: &[u8],
        properties: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> Option<Arc<Message>> {
        /// What a message costs beside its content.
        const OVERHEAD: usize = 128;
        let size = topic.len() + payload.len() + properties.len() + OVERHEAD;
        let share = Share::take([(&self.held, MAX_SOURCE), (total, MAX_TOTAL)], size)?;
        let (topic, payload) = (topic.to_owned(), payload.to_vec());
        Some(Arc::new(Message { topic, payload, properties, expires, _share: share }))
    }

    /// Keeps a message for later subscribers; an empty one takes the old one away.
    pub(super) fn retain(&mut self, message: &Arc<Message>, qos: u8) {
        if message.payload.is_empty() {
            self.retained.remove(&message.topic);
        } else if self.retained.len() < MAX_RETAINED || self.retained.contains_key(&message.topic) {
            self.retained.insert(message.topic.clone(), (Arc::clone(message), qos));
        } else {
            self.traffic.publish_dropped += 1;
        }
    }

    /// The will of a client that has gone: it waits until its delay is over, unless too many wait already.
    pub(super) fn delay_will(&mut self, client: &str, due: Timestamp, message: Arc<Message>, qos: u8, retain: bool) {
        if self.wills.len() < MAX_CLIENTS {
            self.wills.push(Pending { client: client.to_owned(), due, message, qos, retain });
        }
    }

    /// A client is back: its will is void when it resumes its session, and due at once when it begins anew.
    fn settle_will(&mut self, client: &str, resumes: bool) {
        self.wills.retain(|will| !(resumes && will.client == client));
        let due = self.wills.extract_if(.., |will| will.client == client).collect();
        self.publish_wills(due);
    }

    /// Publishes the wills whose delay is over.
    pub(super) fn publish_due(&mut self, now: Timestamp) {
        let due = self.wills.extract_if(.., |will| will.due <= now).collect();
        self.publish_wills(due);
    }

    fn publish_wills(&mut self, wills: Vec<Pending>) {
        for Pending { message, qos, retain, .. } in wills {
            if retain {
                self.retain(&message, qos);
            }
            self.publish(&message, qos, retain, 0);
        }
    }

    /// One subscription of each group that a topic concerns, the one longest unserved: session and place in it.
    fn take_turns(&mut self, topic: &str) -> Vec<(usize, usize)> {
        let mut chosen: BTreeMap<String, (u64, usize, usize)> = BTreeMap::new();
        for (at, session) in self.sessions.iter().enumerate() {
            for (place, it) in session.subscriptions.iter().enumerate() {
                if it.group().is_some() && it.matches(topic) {
                    let candidate = (it.served, at, place);
                    let best = chosen.entry(it.filter.clone()).or_insert(candidate);
                    *best = candidate.min(*best);
                }
            }
        }
        for &(_, at, place) in chosen.values() {
            self.turns += 1;
            if let Some(it) = self.sessions.get_mut(at).and_then(|session| session.subscriptions.get_mut(place)) {
                it.served = self.turns;
            }
        }
        chosen.into_values().map(|(_, at, place)| (at, place)).collect()
    }

    /// Puts a message into the mailboxes of those who subscribed; true when there are any. `from` is the publisher's link.
    pub(super) fn publish(&mut self, message: &Arc<Message>, qos: u8, retain: bool, from: u64) -> bool {
        let mut any = false;
        let chosen = self.take_turns(&message.topic);
        for (at, session) in self.sessions.iter_mut().enumerate() {
            let own = session.link == Some(from);
            let concerned = session.subscriptions.iter().enumerate().filter(|(_, it)| it.matches(&message.topic));
            let mut matching: Vec<&Subscription> = concerned
                .filter(|&(place, it)| it.group().is_none() || chosen.contains(&(at, place)))
                .map(|(_, it)| it)
                .collect();
            // Whoever wants nothing of its own is a subscriber still.
            any |= !matching.is_empty();
            matching.retain(|subscription| !(own && subscription.no_local));
            matching.sort_by_cached_key(|subscription| subscription.rank());
            matching.truncate(if session.hears_each { MAX_SUBSCRIPTIONS } else { 1 });
            for subscription in matching {
                let delivery = Delivery {
                    message: Arc::clone(message),
                    qos: subscription.qos.min(qos),
                    retain: retain && subscription.retain_as_published,
                    identifier: subscription.identifier,
                };
                if (session.link.is_none() && delivery.qos == 0) || session.mailbox.len() >= MAX_QUEUE {
                    self.traffic.publish_dropped += 1;
                } else {
                    session.mailbox.push_back(delivery);
                }
            }
        }
        any
    }

    /// The retained messages that a filter matches.
    pub(super) fn retained(&self, filter: &str, now: Timestamp) -> Vec<(Arc<Message>, u8)> {
        let alive = |message: &Message| message.expires.is_none_or(|end| end > now);
        let all =
            self.retained.values().filter(|(message, _)| topic::matches(filter, &message.topic) && alive(message));
        all.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(filter: &str) -> Subscription {
        Subscription {
            filter: filter.to_owned(),
            qos: 2,
            no_local: false,
            retain_as_published: false,
            identifier: None,
            served: 0,
        }
    }

    #[test]
    fn a_shared_subscription_gives_each_message_to_one_member_in_turn() {
        let (mut broker, total, now) = (Broker::default(), Held::default(), Timestamp::default());
        let links = ["one", "two"].map(|id| broker.connect(id, true, Some(0), now).unwrap().0);
        for link in links {
            broker.session(link).unwrap().subscribe(subscription("$share/g/a/#")).unwrap();
        }
        for _ in 0..4 {
            let message = broker.message(&total, "a/b", b"x", Vec::new(), None).unwrap();
            assert!(broker.publish(&message, 1, false, 99));
        }
        for link in links {
            assert_eq!(broker.session(link).unwrap().mailbox.len(), 2);
        }
    }

    #[test]
    fn a_will_waits_for_its_delay_and_is_void_when_the_client_resumes_its_session() {
        let (mut broker, total, now) = (Broker::default(), Held::default(), Timestamp::default());
        let (watcher, _) = broker.connect("watcher", true, Some(0), now).unwrap();
        broker.session(watcher).unwrap().subscribe(subscription("gone")).unwrap();
        let heard = |broker: &mut Broker| broker.session(watcher).unwrap().mailbox.len();
        let due = now + std::time::Duration::from_secs(5);
        for (clean, wills) in [(false, 0), (true, 1)] {
            let (link, _) = broker.connect("c", clean, None, now).unwrap();
            broker.disconnect(link, now);
            let message = broker.message(&total, "gone", b"x", Vec::new(), None).unwrap();
            broker.delay_will("c", due, message, 1, false);
            broker.publish_due(now);
            assert_eq!(heard(&mut broker), 0);
            broker.connect("c", clean, None, now).unwrap();
            assert_eq!(heard(&mut broker), wills, "{clean}");
        }
        let message = broker.message(&total, "gone", b"x", Vec::new(), None).unwrap();
        broker.delay_will("c", due, message, 1, false);
        broker.publish_due(due);
        assert_eq!(heard(&mut broker), 2);
    }

    #[test]
    fn a_session_is_taken_over_by_the_second_connection() {
        let mut broker = Broker::default();
        let now = Timestamp::default();
        let (first, present) = broker.connect("c", false, None, now).unwrap();
        assert!(!present);
        let (second, present) = broker.connect("c", false, None, now).unwrap();
        assert!(present && broker.session(first).is_none() && broker.session(second).is_some());
    }

    #[test]
    fn messages_wait_for_a_client_that_is_away_and_their_bytes_are_counted() {
        let (mut broker, total, now) = (Broker::default(), Held::default(), Timestamp::default());
        let (link, _) = broker.connect("away", false, None, now).unwrap();
        broker.session(link).unwrap().subscribe(subscription("a/#")).unwrap();
        broker.disconnect(link, now);
        let message = broker.message(&total, "a/b", b"x", Vec::new(), None).unwrap();
        assert!(broker.publish(&message, 1, false, 99));
        assert!(broker.publish(&message, 0, false, 99), "it matches, but is not kept");
        drop(message);
        assert_eq!(total.bytes(), 132);
        let (link, present) = broker.connect("away", false, None, now).unwrap();
        assert!(present);
        let session = broker.session(link).unwrap();
        assert_eq!(session.take(true, now).unwrap().qos, 1);
        assert!(session.take(true, now).is_none());
        assert_eq!(total.bytes(), 0);
    }

    #[test]
    fn a_source_holds_no_more_than_its_bound() {
        let (mut broker, total) = (Broker::default(), Held::default());
        for n in 0..1_000 {
            if let Some(message) = broker.message(&total, &n.to_string(), &[0; 100_000], Vec::new(), None) {
                broker.retain(&message, 0);
            }
        }
        assert!(total.bytes() <= MAX_SOURCE && broker.kept().0 > 10);
        for n in 0..300 {
            broker.connect(&n.to_string(), false, None, Timestamp::default());
        }
        assert_eq!(broker.clients(), (MAX_CLIENTS, MAX_CLIENTS));
    }
}
