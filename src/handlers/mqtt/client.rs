//! A connected client: what it sends is done and acknowledged, what its mailbox holds is sent to it (MQTT 3.1.1 and 5.0, sections 3
//! and 4.3).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::broker::{Broker, Delivery, Message, Session, Subscription};
use super::connect::{Connect, RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM, Will};
use super::packet::{self, Fault, Packet, Reader, put_binary, put_length};
use super::property::{self, Properties};
use super::{Log, Shared, topic};
use crate::clock::Timestamp;

/// QoS 2 messages of a client that wait for its PUBREL.
const MAX_UNRELEASED: usize = 64;
/// Publications of the broker's own topics that a silent client gets: forty minutes of them.
const MAX_UNASKED: u32 = 240;
/// Bytes that one call delivers; the rest follows at the next.
const MAX_DELIVERED: usize = 512 * 1024;
/// MQTT 5 reason codes (section 2.4).
const NO_SUBSCRIBERS: u8 = 0x10;
const NO_SUBSCRIPTION: u8 = 0x11;
const NOT_AUTHORIZED: u8 = 0x87;
pub(super) const KEEP_ALIVE_TIMEOUT: u8 = 0x8d;
pub(super) const TAKEN_OVER: u8 = 0x8e;
const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
const TOPIC_ALIAS_INVALID: u8 = 0x94;
const QUOTA_EXCEEDED: u8 = 0x97;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client broke the rules: MQTT 5 says why.
    Reason(u8),
    /// Without a word.
    HangUp,
    /// The client said goodbye; its will is void.
    Goodbye,
    /// The client said goodbye and wants its will published.
    WithWill,
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Reason(fault as u8)
    }
}

/// What a client's packet may touch.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) broker: &'a mut Broker,
    pub(super) shared: &'a Shared,
    pub(super) now: Timestamp,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) log: &'a mut Log,
}

impl Turn<'_> {
    pub(super) fn send(&mut self, kind: u8, flags: u8, body: &[u8]) {
        let bytes = packet::packet(kind, flags, body);
        self.broker.traffic.messages_sent += 1;
        self.broker.traffic.bytes_sent += bytes.len() as u64;
        self.out.extend(bytes);
    }
}

/// A message that the client has not acknowledged.
#[derive(Debug)]
struct InFlight {
    id: u16,
    delivery: Delivery,
    /// PUBREC has come: only PUBCOMP is missing.
    received: bool,
}

/// A QoS 2 message that waits for PUBREL.
type Unreleased = (u16, Option<Arc<Message>>, bool);

/// One connection after its CONNECT.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) link: u64,
    version: u8,
    keep_alive: Option<Duration>,
    heard: Timestamp,
    will: Option<Will>,
    window: usize,
    max_packet: usize,
    next_id: u16,
    in_flight: Vec<InFlight>,
    unreleased: Vec<Unreleased>,
    aliases: Vec<(u16, String)>,
    /// The last publication of `$SYS` that was sent, and its values.
    sys: Option<(u64, Vec<(String, String)>)>,
    /// Publications of them that may still come before the client says something.
    unasked: u32,
    /// Another client's message was sent since [`Client::has_heard`] was last asked.
    heard_others: bool,
}

impl Client {
    pub(super) fn new(link: u64, connect: Connect, now: Timestamp) -> Self {
        // A client is lost after one and a half times its interval (section 3.1.2.10).
        let keep_alive = match connect.keep_alive {
            0 => None,
            secs => Some(Duration::from_millis(u64::from(secs) * 1_500)),
        };
        Self {
            link,
            version: connect.version,
            keep_alive,
            heard: now,
            will: connect.will,
            window: usize::from(connect.window),
            max_packet: connect.max_packet,
            next_id: 0,
            in_flight: Vec::new(),
            unreleased: Vec::new(),
            aliases: Vec::new(),
            sys: None,
            unasked: MAX_UNASKED,
            heard_others: false,
        }
    }

    /// When the client is lost, if it stays silent.
    pub(super) fn lost_at(&self) -> Option<Timestamp> {
        self.keep_alive.map(|time| self.heard + time)
    }

    /// Does what a packet asks for.
    pub(super) fn take(&mut self, packet: &Packet, turn: &mut Turn<'_>) -> Result<(), End> {
        self.heard = turn.now;
        self.unasked = MAX_UNASKED;
        let mut reader = Reader(&packet.body);
        // mosquitto lets clients of MQTT 3.1 write there what they like.
        let has_flags = packet.flags == 2 || self.version == 3;
        match packet.kind {
            packet::PUBLISH => self.publish(packet, turn)?,
            packet::PUBACK => self.acknowledged(&mut reader, false)?,
            packet::PUBREC => self.received(&mut reader, turn)?,
            packet::PUBREL if has_flags => self.released(&mut reader, turn)?,
            packet::PUBCOMP => self.acknowledged(&mut reader, true)?,
            packet::SUBSCRIBE if has_flags => self.subscribe(&mut reader, turn)?,
            packet::UNSUBSCRIBE if has_flags => self.unsubscribe(&mut reader, turn)?,
            packet::PUBREL | packet::SUBSCRIBE | packet::UNSUBSCRIBE => return Err(Fault::Malformed.into()),
            packet::PINGREQ => turn.send(packet::PINGRESP, 0, &[]),
            packet::DISCONNECT => return Err(self.goodbye(&mut reader, turn)),
            packet::CONNECT | packet::CONNACK | packet::AUTH => return Err(End::HangUp),
            // mosquitto can be a client of other brokers, and takes these without having asked.
            packet::SUBACK | packet::UNSUBACK | packet::PINGRESP => {}
            _ => return Err(Fault::Protocol.into()),
        }
        self.deliver(turn)
    }

    fn properties<'a>(&self, reader: &mut Reader<'a>, allowed: &[u8]) -> Result<Properties<'a>, Fault> {
        if self.version == 5 { Properties::read(reader, allowed) } else { Ok(Properties::default()) }
    }

    fn publish(&mut self, packet: &Packet, turn: &mut Turn<'_>) -> Result<(), End> {
        let (qos, retain) = (packet.flags >> 1 & 3, packet.flags & 1 != 0);
        if qos == 3 {
            return Err(Fault::Malformed.into());
        }
        let mut reader = Reader(&packet.body);
        let written = reader.text()?;
        let id = if qos > 0 { reader.u16()? } else { 0 };
        if qos > 0 && id == 0 {
            return Err(Fault::Malformed.into());
        }
        let properties = self.properties(&mut reader, property::IN_PUBLISH)?;
        let topic = self.resolve(written, properties.number(property::TOPIC_ALIAS))?;
        if !topic::is_name(&topic) {
            return Err(Fault::Protocol.into());
        }
        let payload = reader.0;
        let mut decoded = Map::new();
        decoded.insert("topic".to_owned(), topic.clone().into());
        decoded.insert("qos".to_owned(), qos.into());
        decoded.insert("retain".to_owned(), retain.into());
        properties.put(&mut decoded);
        let missing = packet.total - packet.body.len();
        turn.log.record(&format!("PUBLISH {topic}"), decoded, Some((payload, missing)));
        turn.broker.traffic.publish_received += 1;
        turn.broker.traffic.publish_bytes_received += payload.len() as u64;

        let expiry = properties.number(property::MESSAGE_EXPIRY);
        let expires = expiry.map(|secs| turn.now + Duration::from_secs(u64::from(secs)));
        // Nobody may publish the broker's own topics; a message that was not kept whole is not passed on.
        let forbidden = topic.starts_with("$SYS");
        let message = if forbidden || missing > 0 {
            None
        } else {
            turn.broker.message(&turn.shared.held, &topic, payload, properties.forwarded(), expires)
        };
        let reason = if forbidden { NOT_AUTHORIZED } else { 0 };
        if qos == 2 {
            return self.hold(id, message, retain, reason, turn);
        }
        let any = message.is_some_and(|message| self.pass_on(&message, qos, retain, turn));
        self.deliver(turn)?;
        if qos == 1 {
            let reason = if reason == 0 && !any { NO_SUBSCRIBERS } else { reason };
            self.acknowledge(packet::PUBACK, 0, id, reason, turn);
        }
        Ok(())
    }

    /// The topic that was meant (MQTT 5 section 3.3.2.3.4).
    fn resolve(&mut self, written: &str, alias: Option<u32>) -> Result<String, End> {
        let Some(alias) = alias else { return Ok(written.to_owned()) };
        if alias == 0 {
            return Err(Fault::Malformed.into());
        }
        let alias = u16::try_from(alias).ok().filter(|alias| (1..=TOPIC_ALIAS_MAXIMUM).contains(alias));
        let alias = alias.ok_or(End::Reason(TOPIC_ALIAS_INVALID))?;
        let known = self.aliases.iter_mut().find(|(known, _)| *known == alias);
        match (known, written) {
            (Some((_, topic)), "") => Ok(topic.clone()),
            (None, "") => Err(Fault::Protocol.into()),
            (Some((_, topic)), written) => {
                written.clone_into(topic);
                Ok(topic.clone())
            }
            (None, written) => {
                self.aliases.push((alias, written.to_owned()));
                Ok(written.to_owned())
            }
        }
    }

    fn pass_on(&self, message: &Arc<Message>, qos: u8, retain: bool, turn: &mut Turn<'_>) -> bool {
        if retain {
            turn.broker.retain(message, qos);
        }
        turn.broker.publish(message, qos, retain, self.link)
    }

    /// A QoS 2 message is passed on when its sender releases it; the same one may come twice until then.
    fn hold(
        &mut self,
        id: u16,
        message: Option<Arc<Message>>,
        retain: bool,
        reason: u8,
        turn: &mut Turn<'_>,
    ) -> Result<(), End> {
        if reason == 0 && !self.unreleased.iter().any(|(known, _, _)| *known == id) {
            let most = if self.version == 5 { usize::from(RECEIVE_MAXIMUM) } else { MAX_UNRELEASED };
            if self.unreleased.len() >= most {
                return Err(End::Reason(RECEIVE_MAXIMUM_EXCEEDED));
            }
            self.unreleased.push((id, message, retain));
        }
        self.acknowledge(packet::PUBREC, 0, id, reason, turn);
        Ok(())
    }

    fn released(&mut self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> Result<(), End> {
        let id = self.acknowledgement(reader)?;
        if let Some(at) = self.unreleased.iter().position(|(known, _, _)| *known == id) {
            let (_, message, retain) = self.unreleased.remove(at);
            if let Some(message) = message {
                self.pass_on(&message, 2, retain, turn);
            }
        }
        self.deliver(turn)?;
        self.acknowledge(packet::PUBCOMP, 0, id, 0, turn);
        Ok(())
    }

    fn received(&mut self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> Result<(), End> {
        let id = self.acknowledgement(reader)?;
        if let Some(sent) = self.in_flight.iter_mut().find(|sent| sent.id == id) {
            sent.received = true;
        }
        self.acknowledge(packet::PUBREL, 2, id, 0, turn);
        Ok(())
    }

    fn acknowledged(&mut self, reader: &mut Reader<'_>, completes: bool) -> Result<(), End> {
        let id = self.acknowledgement(reader)?;
        self.in_flight.retain(|sent| sent.id != id || (sent.delivery.qos == 2) != completes);
        Ok(())
    }

    /// The packet identifier of an acknowledgement; reason code and properties may follow (MQTT 5 section 3.4.2).
    fn acknowledgement(&self, reader: &mut Reader<'_>) -> Result<u16, End> {
        let id = reader.u16()?;
        if self.version == 5 && !reader.is_empty() {
            reader.u8()?;
            if !reader.is_empty() {
                Properties::read(reader, property::IN_ACKNOWLEDGEMENT)?;
            }
        }
        if id == 0 { Err(Fault::Malformed.into()) } else { Ok(id) }
    }

    fn acknowledge(&self, kind: u8, flags: u8, id: u16, reason: u8, turn: &mut Turn<'_>) {
        let [high, low] = id.to_be_bytes();
        if self.version == 5 && reason != 0 {
            turn.send(kind, flags, &[high, low, reason]);
        } else {
            turn.send(kind, flags, &[high, low]);
        }
    }

    fn subscribe(&mut self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> Result<(), End> {
        let id = reader.u16()?;
        let properties = self.properties(reader, property::IN_SUBSCRIBE)?;
        let identifier = properties.number(property::SUBSCRIPTION_ID);
        if id == 0 || reader.is_empty() && self.version > 3 || identifier == Some(0) {
            return Err(Fault::Malformed.into());
        }
        let mut wanted = Vec::new();
        while !reader.is_empty() {
            let filter = reader.text()?;
            let options = reader.u8()?;
            wanted.push((self.subscription(filter, options, identifier)?, options >> 4));
        }
        let shown: Vec<Value> =
            wanted.iter().map(|(it, _)| serde_json::json!({"filter": it.filter, "qos": it.qos})).collect();
        let filters: Vec<&str> = wanted.iter().map(|(it, _)| it.filter.as_str()).collect();
        let command = format!("SUBSCRIBE {}", filters.join(" "));
        let mut decoded = Map::new();
        decoded.insert("subscriptions".to_owned(), shown.into());
        properties.put(&mut decoded);
        turn.log.record(&command, decoded, None);

        let mut body = id.to_be_bytes().to_vec();
        if self.version == 5 {
            body.push(0);
        }
        let mut retained = Vec::new();
        for (subscription, handling) in wanted {
            let code = self.enter(subscription, handling, &mut retained, turn);
            body.push(code);
        }
        turn.send(packet::SUBACK, 0, &body);
        if let Some(session) = turn.broker.session(self.link) {
            retained.into_iter().for_each(|delivery| session.post(delivery));
        }
        Ok(())
    }

    /// Checks one filter and its options (MQTT 5 section 3.8.3.1; before it only the QoS).
    fn subscription(&self, filter: &str, options: u8, identifier: Option<u32>) -> Result<Subscription, Fault> {
        let qos = options & 3;
        let unknown = if self.version == 5 { 0xc0 } else { 0xfc };
        let Some((shared, inner)) = topic::shared(filter) else { return Err(Fault::Malformed) };
        if qos == 3 || options & unknown != 0 || options >> 4 == 3 || !topic::is_filter(inner) {
            return Err(Fault::Malformed);
        }
        let no_local = options & 0x04 != 0;
        if shared && no_local {
            return Err(Fault::Protocol);
        }
        Ok(Subscription {
            filter: filter.to_owned(),
            qos,
            no_local,
            retain_as_published: options & 0x08 != 0,
            identifier,
        })
    }

    /// Makes a subscription; its answer code. `retained` gets what is sent after all answers.
    fn enter(
        &mut self,
        subscription: Subscription,
        handling: u8,
        retained: &mut Vec<Delivery>,
        turn: &mut Turn<'_>,
    ) -> u8 {
        let (filter, qos, identifier) = (subscription.filter.clone(), subscription.qos, subscription.identifier);
        let entered = turn.broker.session(self.link).and_then(|session| session.subscribe(subscription));
        let Some(is_new) = entered else { return if self.version == 5 { QUOTA_EXCEEDED } else { 0x80 } };
        let wants_retained = handling == 0 || handling == 1 && is_new;
        if wants_retained && !filter.starts_with("$share/") {
            let messages = turn.broker.retained(&filter, turn.now).into_iter().chain(self.own_topics(&filter, turn));
            retained.extend(messages.map(|(message, sent_with)| Delivery {
                message,
                qos: qos.min(sent_with),
                retain: true,
                duplicate: false,
                identifiers: identifier.into_iter().collect(),
            }));
        }
        qos
    }

    /// The broker's own retained topics that a filter matches.
    fn own_topics(&mut self, filter: &str, turn: &mut Turn<'_>) -> Vec<(Arc<Message>, u8)> {
        if !filter.starts_with('$') {
            return Vec::new();
        }
        let values = turn.shared.server.topics(turn.broker, turn.now);
        let wanted = values.iter().filter(|(topic, _)| topic::matches(filter, topic));
        let messages = wanted.filter_map(|(topic, value)| {
            turn.broker.message(&turn.shared.held, topic, value.as_bytes(), Vec::new(), None)
        });
        let messages = messages.map(|message| (message, 2)).collect();
        self.sys = Some((turn.shared.server.tick(turn.now), values));
        messages
    }

    fn unsubscribe(&mut self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> Result<(), End> {
        let id = reader.u16()?;
        let properties = self.properties(reader, property::IN_UNSUBSCRIBE)?;
        if id == 0 || reader.is_empty() && self.version > 3 {
            return Err(Fault::Malformed.into());
        }
        let mut body = id.to_be_bytes().to_vec();
        if self.version == 5 {
            body.push(0);
        }
        let mut filters = Vec::new();
        while !reader.is_empty() {
            let filter = reader.text()?;
            if filter.is_empty() {
                return Err(Fault::Malformed.into());
            }
            let was_there = turn.broker.session(self.link).is_some_and(|session| session.unsubscribe(filter));
            if self.version == 5 {
                body.push(if was_there { 0 } else { NO_SUBSCRIPTION });
            }
            filters.push(filter);
        }
        let mut decoded = Map::new();
        properties.put(&mut decoded);
        turn.log.record(&format!("UNSUBSCRIBE {}", filters.join(" ")), decoded, None);
        turn.send(packet::UNSUBACK, 0, &body);
        Ok(())
    }

    fn goodbye(&mut self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> End {
        let read = || -> Result<u8, Fault> {
            if self.version != 5 || reader.is_empty() {
                return Ok(0);
            }
            let reason = reader.u8()?;
            if !reader.is_empty() {
                let properties = Properties::read(reader, property::IN_DISCONNECT)?;
                if let (Some(secs), Some(session)) =
                    (properties.number(property::SESSION_EXPIRY), turn.broker.session(self.link))
                {
                    session.expire_after(Some(secs).filter(|&secs| secs != u32::MAX));
                }
            }
            Ok(reason)
        };
        match { read }() {
            Ok(0x04) => End::WithWill,
            Ok(_) => End::Goodbye,
            Err(fault) => fault.into(),
        }
    }

    /// Sends what the mailbox holds, as far as the client's window and one call's bound go. An error: the session has gone to another
    /// connection.
    pub(super) fn deliver(&mut self, turn: &mut Turn<'_>) -> Result<(), End> {
        self.watch_own_topics(turn);
        let start = turn.out.len();
        while turn.out.len() - start < MAX_DELIVERED {
            let has_window = self.in_flight.len() < self.window;
            let session = turn.broker.session(self.link).ok_or(End::Reason(TAKEN_OVER))?;
            let Some(delivery) = session.take(has_window, turn.now) else { break };
            self.send_message(delivery, turn);
        }
        Ok(())
    }

    fn send_message(&mut self, delivery: Delivery, turn: &mut Turn<'_>) {
        let message = Arc::clone(&delivery.message);
        let mut body = Vec::with_capacity(message.topic.len() + message.payload.len() + 16);
        put_binary(&mut body, message.topic.as_bytes());
        let id = if delivery.qos > 0 { self.fresh_id() } else { 0 };
        if id > 0 {
            body.extend(id.to_be_bytes());
        }
        if self.version == 5 {
            let mut properties = message.properties.clone();
            for &identifier in &delivery.identifiers {
                properties.push(property::SUBSCRIPTION_ID);
                put_length(&mut properties, usize::try_from(identifier).unwrap_or(0));
            }
            put_length(&mut body, properties.len());
            body.extend(properties);
        }
        body.extend_from_slice(&message.payload);
        if body.len() + 5 > self.max_packet {
            turn.broker.traffic.publish_dropped += 1;
            return;
        }
        let flags = u8::from(delivery.duplicate && id > 0) << 3 | delivery.qos << 1 | u8::from(delivery.retain);
        self.heard_others |= !message.topic.starts_with("$SYS");
        turn.broker.traffic.publish_sent += 1;
        turn.broker.traffic.publish_bytes_sent += message.payload.len() as u64;
        turn.send(packet::PUBLISH, flags, &body);
        if id > 0 {
            self.in_flight.push(InFlight { id, delivery, received: false });
        }
    }

    /// A packet identifier that no message in flight has: there are fewer of those than identifiers.
    fn fresh_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id.wrapping_add(1);
            if self.next_id != 0 && !self.in_flight.iter().any(|sent| sent.id == self.next_id) {
                return self.next_id;
            }
        }
    }

    /// Posts those of the broker's own topics that have changed since they were last sent.
    fn watch_own_topics(&mut self, turn: &mut Turn<'_>) {
        let tick = turn.shared.server.tick(turn.now);
        let Some((sent, old)) = &mut self.sys else { return };
        if *sent == tick || self.unasked == 0 {
            return;
        }
        self.unasked -= 1;
        let values = turn.shared.server.topics(turn.broker, turn.now);
        let old = std::mem::replace(old, values.clone());
        *sent = tick;
        let mut watched = false;
        for ((topic, value), (_, before)) in values.iter().zip(&old) {
            let Some(qos) = turn.broker.session(self.link).and_then(|session| session.watches(topic)) else { continue };
            watched = true;
            let message = turn.broker.message(&turn.shared.held, topic, value.as_bytes(), Vec::new(), None);
            if let (Some(message), Some(session)) =
                (message.filter(|_| value != before), turn.broker.session(self.link))
            {
                session.post(Delivery { message, qos, retain: false, duplicate: false, identifiers: Vec::new() });
            }
        }
        if !watched {
            self.sys = None;
        }
    }

    /// Another client's message was sent since this was last asked.
    pub(super) fn has_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard_others)
    }

    /// The client may be sent something at any time.
    pub(super) fn listens(&self, broker: &mut Broker) -> bool {
        broker.session(self.link).is_some_and(|session: &mut Session| session.has_subscriptions())
    }

    /// The word with which MQTT 5 ends a connection; before it there is none.
    pub(super) fn farewell(&self, reason: u8, turn: &mut Turn<'_>) {
        if self.version == 5 {
            turn.send(packet::DISCONNECT, 0, &[reason]);
        }
    }

    /// The connection is over: the will is published unless it is void, the session waits or goes.
    pub(super) fn leave(&mut self, will_is_void: bool, turn: &mut Turn<'_>) {
        if let Some(will) = self.will.take().filter(|_| !will_is_void) {
            let Will { topic, payload, properties, qos, retain } = will;
            let message = turn.broker.message(&turn.shared.held, &topic, &payload, properties, None);
            if let Some(message) = message.filter(|_| !topic.starts_with("$SYS")) {
                self.pass_on(&message, qos, retain, turn);
            }
        }
        let unanswered = self.in_flight.drain(..).filter(|sent| !sent.received).map(|sent| sent.delivery).collect();
        turn.broker.disconnect(self.link, unanswered, turn.now);
    }
}
