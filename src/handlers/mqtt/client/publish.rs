//! What a client publishes (MQTT 3.1.1 and 5.0, sections 3.3 to 3.7).

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;

use super::{Client, End, Turn};
use crate::handlers::mqtt::broker::Message;
use crate::handlers::mqtt::connect::{RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM};
use crate::handlers::mqtt::packet::{self, Fault, Packet, Reader};
use crate::handlers::mqtt::{property, topic};

/// QoS 2 messages of a client that wait for its PUBREL.
const MAX_UNRELEASED: usize = 64;
/// MQTT 5 reason codes (section 2.4).
const NO_SUBSCRIBERS: u8 = 0x10;
const NOT_AUTHORIZED: u8 = 0x87;
const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
const TOPIC_ALIAS_INVALID: u8 = 0x94;

impl Client {
    pub(super) fn publish(&mut self, packet: &Packet, turn: &mut Turn<'_>) -> Result<(), End> {
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
        let forbidden = topic.starts_with("$SYS") || topic.starts_with("$share");
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

    /// A QoS 2 message is passed on when its sender releases it; the same one may come twice until then.
    fn hold(
        &mut self,
        id: u16,
        message: Option<Arc<Message>>,
        retain: bool,
        reason: u8,
        turn: &mut Turn<'_>,
    ) -> Result<(), End> {
        let most = if self.version == 5 { usize::from(RECEIVE_MAXIMUM) } else { MAX_UNRELEASED };
        let unreleased = &mut self.unsettled(turn)?.unreleased;
        if reason == 0 && !unreleased.iter().any(|(known, _, _)| *known == id) {
            if unreleased.len() >= most {
                return Err(End::Reason(RECEIVE_MAXIMUM_EXCEEDED));
            }
            unreleased.push((id, message, retain));
        }
        self.acknowledge(packet::PUBREC, 0, id, reason, turn);
        Ok(())
    }

    pub(super) fn released(&mut self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> Result<(), End> {
        let (id, _) = self.acknowledgement(reader)?;
        let unreleased = &mut self.unsettled(turn)?.unreleased;
        let held = unreleased.iter().position(|(known, _, _)| *known == id).map(|at| unreleased.remove(at));
        if let Some((_, Some(message), retain)) = held {
            self.pass_on(&message, 2, retain, turn);
        }
        self.deliver(turn)?;
        self.acknowledge(packet::PUBCOMP, 0, id, 0, turn);
        Ok(())
    }
}
