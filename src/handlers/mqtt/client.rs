//! A connected client: what it sends is done and acknowledged, what its mailbox holds is sent to it (MQTT 3.1.1 and 5.0, sections 3
//! and 4.3).

mod publish;
mod subscribe;

use std::sync::Arc;
use std::time::Duration;

use super::broker::{Broker, Message};
use super::connect::{Connect, Will};
use super::packet::{self, Fault, Packet, Reader, put_binary, put_length};
use super::property::{self, Properties};
use super::session::{Delivery, InFlight, Session, Unsettled};
use super::{Log, Shared};
use crate::clock::Timestamp;

/// Publications of the broker's own topics that a silent client gets: forty minutes of them.
const MAX_UNASKED: u32 = 240;
/// Bytes that one call delivers; the rest follows at the next.
const MAX_DELIVERED: usize = 512 * 1024;

/// From here on reason codes say that something went wrong (MQTT 5 section 2.4).
const REFUSED: u8 = 0x80;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client broke the rules: MQTT 5 says why.
    Reason(u8),
    /// Without a word: mosquitto's way also when a client is lost.
    HangUp,
    /// Another connection has taken the session: without a word, too.
    TakenOver,
    /// The client said goodbye; its will is void.
    Goodbye,
    /// The client said goodbye and wants its will published.
    WithWill,
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unspoken => Self::HangUp,
            fault => Self::Reason(fault as u8),
        }
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

/// Properties of a message on its way out, in mosquitto's order.
fn sent_properties(delivery: &Delivery, now: Timestamp) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(identifier) = delivery.identifier {
        out.push(property::SUBSCRIPTION_ID);
        put_length(&mut out, usize::try_from(identifier).unwrap_or(0));
    }
    out.extend_from_slice(&delivery.message.properties);
    if let Some(end) = delivery.message.expires {
        // What is left of its life, to the nearest second.
        let left = (end.saturating_since(now) + Duration::from_millis(500)).as_secs();
        out.push(property::MESSAGE_EXPIRY);
        out.extend(u32::try_from(left).unwrap_or(u32::MAX).to_be_bytes());
    }
    out
}

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
    /// It is a bridge: what it subscribes to shows what is retained, and nothing of its own.
    is_bridge: bool,
    aliases: Vec<(u16, String)>,
    /// The last publication of `$SYS` that was sent.
    sys: Option<u64>,
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
            is_bridge: connect.is_bridge,
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
            packet::PUBACK => self.acknowledged(&mut reader, false, turn)?,
            packet::PUBREC => self.received(&mut reader, turn)?,
            packet::PUBREL if has_flags => self.released(&mut reader, turn)?,
            packet::PUBCOMP => self.acknowledged(&mut reader, true, turn)?,
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

    fn pass_on(&self, message: &Arc<Message>, qos: u8, retain: bool, turn: &mut Turn<'_>) -> bool {
        if retain {
            turn.broker.retain(message, qos);
        }
        turn.broker.publish(message, qos, retain, self.link)
    }

    fn unsettled<'a>(&self, turn: &'a mut Turn<'_>) -> Result<&'a mut Unsettled, End> {
        turn.broker.session(self.link).map(|session| &mut session.unsettled).ok_or(End::TakenOver)
    }

    fn received(&self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> Result<(), End> {
        let (id, reason) = self.acknowledgement(reader)?;
        let unsettled = self.unsettled(turn)?;
        if reason >= REFUSED {
            unsettled.settle(|sent| sent.id == id);
            return Ok(());
        }
        if let Some(sent) = unsettled.in_flight.iter_mut().find(|sent| sent.id == id) {
            sent.received = true;
        }
        self.acknowledge(packet::PUBREL, 2, id, 0, turn);
        Ok(())
    }

    fn acknowledged(&self, reader: &mut Reader<'_>, completes: bool, turn: &mut Turn<'_>) -> Result<(), End> {
        let (id, _) = self.acknowledgement(reader)?;
        self.unsettled(turn)?.settle(|sent| sent.id == id && (sent.delivery.qos == 2) == completes);
        Ok(())
    }

    /// Packet identifier and reason code of an acknowledgement; properties may follow (MQTT 5 section 3.4.2).
    fn acknowledgement(&self, reader: &mut Reader<'_>) -> Result<(u16, u8), End> {
        let id = reader.u16()?;
        let mut reason = 0;
        if self.version == 5 && !reader.is_empty() {
            reason = reader.u8()?;
            if !reader.is_empty() {
                Properties::read(reader, property::IN_ACKNOWLEDGEMENT)?;
            }
        }
        if id == 0 { Err(Fault::Malformed.into()) } else { Ok((id, reason)) }
    }

    fn acknowledge(&self, kind: u8, flags: u8, id: u16, reason: u8, turn: &mut Turn<'_>) {
        let [high, low] = id.to_be_bytes();
        if self.version == 5 && reason != 0 {
            turn.send(kind, flags, &[high, low, reason]);
        } else {
            turn.send(kind, flags, &[high, low]);
        }
    }

    fn goodbye(&mut self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> End {
        let read = || -> Result<u8, Fault> {
            if self.version != 5 || reader.is_empty() {
                return Ok(0);
            }
            let reason = reader.u8()?;
            if !reader.is_empty() {
                let properties = Properties::read(reader, property::IN_DISCONNECT).map_err(|_| Fault::Unspoken)?;
                if let (Some(secs), Some(session)) =
                    (properties.number(property::SESSION_EXPIRY), turn.broker.session(self.link))
                {
                    if secs > 0 && session.is_short() {
                        return Err(Fault::Protocol);
                    }
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

    /// Sends what the mailbox holds, as far as the client's window and the call's bound go. An error: the session has gone to another
    /// connection.
    pub(super) fn deliver(&mut self, turn: &mut Turn<'_>) -> Result<(), End> {
        turn.broker.publish_due(turn.now);
        self.watch_own_topics(turn);
        while turn.out.len() < MAX_DELIVERED {
            let session = turn.broker.session(self.link).ok_or(End::TakenOver)?;
            let has_window = session.unsettled.in_flight.len() < self.window;
            let Some(delivery) = session.take(has_window, turn.now) else { break };
            let id = if delivery.qos > 0 { session.unsettled.fresh_id() } else { 0 };
            if self.send(&delivery, id, false, turn) && id > 0 {
                self.unsettled(turn)?.in_flight.push(InFlight { id, delivery, received: false });
            }
        }
        Ok(())
    }

    /// Goes on where the session's last connection ended: what was not acknowledged comes again, what was only received is released.
    pub(super) fn resume(&mut self, turn: &mut Turn<'_>) -> Result<(), End> {
        for InFlight { id, delivery, received } in self.unsettled(turn)?.in_flight.clone() {
            if received {
                self.acknowledge(packet::PUBREL, 2, id, 0, turn);
            } else if !self.send(&delivery, id, true, turn) {
                self.unsettled(turn)?.settle(|sent| sent.id == id);
            }
        }
        self.deliver(turn)
    }

    /// Sends a message, perhaps `again`; false when it is too large for this client.
    fn send(&mut self, delivery: &Delivery, id: u16, again: bool, turn: &mut Turn<'_>) -> bool {
        let message = &delivery.message;
        let mut body = Vec::with_capacity(message.topic.len() + message.payload.len() + 16);
        put_binary(&mut body, message.topic.as_bytes());
        if id > 0 {
            body.extend(id.to_be_bytes());
        }
        if self.version == 5 {
            let properties = sent_properties(delivery, turn.now);
            put_length(&mut body, properties.len());
            body.extend(properties);
        }
        body.extend_from_slice(&message.payload);
        if packet::is_oversize(body.len(), self.max_packet) {
            turn.broker.traffic.publish_dropped += 1;
            return false;
        }
        let flags = u8::from(again) << 3 | delivery.qos << 1 | u8::from(delivery.retain);
        self.heard_others |= !message.topic.starts_with("$SYS");
        turn.broker.traffic.publish_sent += 1;
        turn.broker.traffic.publish_bytes_sent += message.payload.len() as u64;
        turn.send(packet::PUBLISH, flags, &body);
        true
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

    fn publish_will(&self, will: Will, turn: &mut Turn<'_>) {
        let Will { topic, payload, properties, qos, retain, delay, lifetime } = will;
        let due = turn.now + delay;
        let expires = lifetime.map(|lifetime| due + lifetime);
        let message = turn.broker.message(&turn.shared.held, &topic, &payload, properties, expires);
        let Some(message) = message.filter(|_| !topic.starts_with("$SYS")) else { return };
        if delay.is_zero() {
            self.pass_on(&message, qos, retain, turn);
        } else if let Some(id) = turn.broker.session(self.link).map(|session| session.id().to_owned()) {
            turn.broker.delay_will(&id, due, message, qos, retain);
        }
    }

    /// The connection is over: the will is published unless it is void, the session waits or goes.
    pub(super) fn leave(&mut self, will_is_void: bool, turn: &mut Turn<'_>) {
        if let Some(will) = self.will.take().filter(|_| !will_is_void) {
            self.publish_will(will, turn);
        }
        turn.broker.disconnect(self.link, turn.now);
    }
}
