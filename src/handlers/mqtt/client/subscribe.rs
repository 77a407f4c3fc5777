//! What a client subscribes to (MQTT 3.1.1 and 5.0, sections 3.8 to 3.11).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Client, End, Turn};
use crate::handlers::mqtt::broker::Message;
use crate::handlers::mqtt::packet::{self, Fault, Reader};
use crate::handlers::mqtt::session::{Delivery, Subscription};
use crate::handlers::mqtt::sys::Topic;
use crate::handlers::mqtt::{property, topic};

/// MQTT 5 reason codes (section 2.4).
const NO_SUBSCRIPTION: u8 = 0x11;
const QUOTA_EXCEEDED: u8 = 0x97;

/// mosquitto calls a property that may not stand in these packets malformed.
fn out_of_place(fault: Fault) -> Fault {
    if fault == Fault::Protocol { Fault::Malformed } else { fault }
}

impl Client {
    pub(super) fn subscribe(&mut self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> Result<(), End> {
        let id = reader.u16()?;
        let properties = self.properties(reader, property::IN_SUBSCRIBE).map_err(out_of_place)?;
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
        let Some((_, inner)) = topic::shared(filter) else { return Err(Fault::Malformed) };
        if qos == 3 || options & unknown != 0 || options >> 4 == 3 {
            return Err(Fault::Malformed);
        }
        // mosquitto looks at what a group shares no closer.
        if !(topic::is_filter(inner) || inner.is_empty() && inner.len() < filter.len()) {
            return Err(Fault::Malformed);
        }
        Ok(Subscription {
            filter: filter.to_owned(),
            qos,
            no_local: options & 0x04 != 0 || self.is_bridge,
            retain_as_published: options & 0x08 != 0 || self.is_bridge,
            identifier,
            served: 0,
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
                identifier,
            }));
        }
        qos
    }

    /// The broker's own retained topics that a filter matches.
    fn own_topics(&mut self, filter: &str, turn: &mut Turn<'_>) -> Vec<(Arc<Message>, u8)> {
        if !filter.starts_with('$') {
            return Vec::new();
        }
        let server = &turn.shared.server;
        self.sys = Some(server.tick(turn.now));
        let topics = server.topics(&turn.broker.traffic, turn.now);
        server.drop_expired(&mut turn.broker.traffic, filter, turn.now);
        let wanted = topics.iter().filter(|it| topic::matches(filter, &it.name));
        wanted.filter_map(|it| turn.own_message(it)).map(|message| (message, 2)).collect()
    }

    pub(super) fn unsubscribe(&mut self, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> Result<(), End> {
        let id = reader.u16()?;
        let properties = self.properties(reader, property::IN_UNSUBSCRIBE).map_err(out_of_place)?;
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
            if filter.is_empty() || !topic::shared(filter).is_some_and(|(_, inner)| topic::is_filter(inner)) {
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

    /// Posts those of the broker's own topics that have changed since they were last sent.
    pub(super) fn watch_own_topics(&mut self, turn: &mut Turn<'_>) {
        let tick = turn.shared.server.tick(turn.now);
        let Some(sent) = &mut self.sys else { return };
        if *sent == tick || self.unasked == 0 {
            return;
        }
        self.unasked -= 1;
        let before = std::mem::replace(sent, tick);
        let watches = |turn: &mut Turn<'_>, name: &str| turn.broker.session(self.link)?.watches(name);
        if !turn.broker.session(self.link).is_some_and(|session| session.watches_own()) {
            self.sys = None;
            return;
        }
        for it in turn.shared.server.topics(&turn.broker.traffic, turn.now).iter().filter(|it| it.tick > before) {
            let Some(qos) = watches(turn, &it.name) else { continue };
            let message = turn.own_message(it);
            if let (Some(message), Some(session)) = (message, turn.broker.session(self.link)) {
                session.post(Delivery { message, qos, retain: false, identifier: None });
            }
        }
    }
}

impl Turn<'_> {
    fn own_message(&self, it: &Topic) -> Option<Arc<Message>> {
        self.broker.message(&self.shared.held, &it.name, it.value.as_bytes(), Vec::new(), it.expires)
    }
}
