//! Properties of MQTT 5 (section 2.2.2): which there are, where they may stand, and what they say.

use serde_json::{Map, Value};

use super::packet::{Fault, Reader};

/// Properties of one packet.
const MAX_PROPERTIES: usize = 64;

pub(super) const MESSAGE_EXPIRY: u8 = 0x02;
pub(super) const SUBSCRIPTION_ID: u8 = 0x0b;
pub(super) const SESSION_EXPIRY: u8 = 0x11;
pub(super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(super) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(super) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(super) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
pub(super) const WILL_DELAY: u8 = 0x18;
pub(super) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(super) const TOPIC_ALIAS: u8 = 0x23;
pub(super) const USER_PROPERTY: u8 = 0x26;
pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;

/// Identifiers that may stand in each packet (section 2.2.2.2).
pub(super) const IN_CONNECT: &[u8] = &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27];
pub(super) const IN_WILL: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26];
pub(super) const IN_PUBLISH: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26];
pub(super) const IN_SUBSCRIBE: &[u8] = &[0x0b, 0x26];
pub(super) const IN_UNSUBSCRIBE: &[u8] = &[0x26];
pub(super) const IN_ACKNOWLEDGEMENT: &[u8] = &[0x1f, 0x26];
pub(super) const IN_DISCONNECT: &[u8] = &[0x11, 0x1f, 0x26];
/// Those of a message that its receivers get as they are (section 3.3.2.3); the expiry runs down meanwhile.
const FORWARDED: &[u8] = &[0x01, 0x03, 0x08, 0x09, 0x26];

/// One property's value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning<'a> {
    Number(u32),
    Bytes(&'a [u8]),
    Pair(&'a str, &'a str),
}

/// The properties of one packet.
#[derive(Debug, Clone, Default)]
pub(super) struct Properties<'a> {
    list: Vec<(u8, Meaning<'a>, &'a [u8])>,
}

impl<'a> Properties<'a> {
    /// Reads the length and so many bytes of properties.
    pub(super) fn read(reader: &mut Reader<'a>, allowed: &[u8]) -> Result<Self, Fault> {
        let length = reader.varint()?;
        let mut inner = Reader(reader.bytes(usize::try_from(length).map_err(|_| Fault::Malformed)?)?);
        let mut list: Vec<(u8, Meaning<'a>, &'a [u8])> = Vec::new();
        while !inner.is_empty() {
            let start = inner.0;
            let id = inner.u8()?;
            let meaning = meaning(id, &mut inner)?;
            let repeated = id != USER_PROPERTY && list.iter().any(|(known, _, _)| *known == id);
            if !allowed.contains(&id) || list.len() == MAX_PROPERTIES {
                return Err(Fault::Protocol);
            }
            if repeated {
                return Err(Fault::Unspoken);
            }
            let raw = start.get(..start.len() - inner.0.len()).unwrap_or_default();
            list.push((id, meaning, raw));
        }
        Ok(Self { list })
    }

    /// The number that this property has.
    pub(super) fn number(&self, id: u8) -> Option<u32> {
        self.list.iter().find_map(|(known, meaning, _)| match meaning {
            Meaning::Number(number) if *known == id => Some(*number),
            _ => None,
        })
    }

    pub(super) fn has(&self, id: u8) -> bool {
        self.list.iter().any(|(known, _, _)| *known == id)
    }

    /// The bytes of those properties that travel on with a message.
    pub(super) fn forwarded(&self) -> Vec<u8> {
        let kept = self.list.iter().filter(|(id, _, _)| FORWARDED.contains(id));
        kept.flat_map(|(_, _, raw)| raw.iter().copied()).collect()
    }

    /// For an event.
    pub(super) fn put(&self, fields: &mut Map<String, Value>) {
        if self.list.is_empty() {
            return;
        }
        let shown = self.list.iter().map(|(id, meaning, _)| {
            let value: Value = match meaning {
                Meaning::Number(number) => (*number).into(),
                Meaning::Bytes(bytes) => bytes.escape_ascii().to_string().into(),
                Meaning::Pair(name, value) => format!("{name}={value}").into(),
            };
            Value::Array(vec![name(*id).into(), value])
        });
        fields.insert("properties".to_owned(), Value::Array(shown.collect()));
    }
}

fn meaning<'a>(id: u8, reader: &mut Reader<'a>) -> Result<Meaning<'a>, Fault> {
    Ok(match id {
        0x01 | 0x17 | 0x19 => Meaning::Number(reader.u8()?.into()),
        0x13 | 0x21 | 0x22 | 0x23 => Meaning::Number(reader.u16()?.into()),
        0x02 | 0x11 | 0x18 | 0x27 => Meaning::Number(reader.u32()?),
        SUBSCRIPTION_ID => Meaning::Number(reader.varint()?),
        0x03 | 0x08 | 0x12 | 0x15 | 0x1a | 0x1c | 0x1f => Meaning::Bytes(reader.text()?.as_bytes()),
        0x09 | 0x16 => Meaning::Bytes(reader.binary()?),
        USER_PROPERTY => Meaning::Pair(reader.text()?, reader.text()?),
        _ => return Err(Fault::Malformed),
    })
}

const fn name(id: u8) -> &'static str {
    match id {
        0x01 => "payload_format",
        0x02 => "message_expiry",
        0x03 => "content_type",
        0x08 => "response_topic",
        0x09 => "correlation_data",
        0x0b => "subscription_id",
        0x11 => "session_expiry",
        0x15 => "authentication_method",
        0x16 => "authentication_data",
        0x17 => "request_problem_information",
        0x18 => "will_delay",
        0x19 => "request_response_information",
        0x1f => "reason",
        0x21 => "receive_maximum",
        0x22 => "topic_alias_maximum",
        0x23 => "topic_alias",
        0x26 => "user_property",
        0x27 => "maximum_packet_size",
        _ => "unknown",
    }
}
