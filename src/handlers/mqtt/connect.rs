//! CONNECT (MQTT 3.1.1 section 3.1, MQTT 5 section 3.1, and 3.1 as its specification of 2010 has it): read, or refused in mosquitto's
//! way.

use std::time::Duration;

use serde_json::{Map, Value};

use super::super::recording::put_text;
use super::packet::{self, CONNACK, Fault, Packet, Reader, put_binary};
use super::property::{self, Properties};
use super::topic;

/// Messages with an acknowledgement to come that mosquitto sends or takes at a time (`max_inflight_messages`).
pub(super) const RECEIVE_MAXIMUM: u16 = 20;
/// Topic aliases that mosquitto takes.
pub(super) const TOPIC_ALIAS_MAXIMUM: u16 = 10;

/// What is published when the client is lost.
#[derive(Debug)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) properties: Vec<u8>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    /// How long it waits for the client to come back (MQTT 5 section 3.1.3.2.2).
    pub(super) delay: Duration,
    /// How long it is worth something, once it is published.
    pub(super) lifetime: Option<Duration>,
}

/// A well-formed CONNECT.
#[derive(Debug, Default)]
pub(super) struct Connect {
    /// 3 (3.1), 4 (3.1.1) or 5.
    pub(super) version: u8,
    /// The upper bit of the level: mosquitto's own sign for a bridge.
    pub(super) is_bridge: bool,
    pub(super) client_id: String,
    pub(super) clean: bool,
    /// Seconds; 0 is none.
    pub(super) keep_alive: u16,
    pub(super) will: Option<Will>,
    pub(super) username: Option<Vec<u8>>,
    pub(super) password: Option<Vec<u8>>,
    /// How long the session outlives the connection, in seconds; `None` for ever.
    pub(super) expiry_secs: Option<u32>,
    /// Messages with an acknowledgement to come that the client takes at a time.
    pub(super) window: u16,
    /// Bytes of a packet that the client takes.
    pub(super) max_packet: usize,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// mosquitto hangs up.
    HangUp,
    /// CONNACK with this code (section 3.2.2.3 of 3.1.1).
    Old(u8),
    /// CONNACK with this reason code (section 3.2.2.2 of 5).
    New(u8),
}

impl From<Fault> for Refusal {
    fn from(_: Fault) -> Self {
        Self::HangUp
    }
}

impl Refusal {
    /// The packet that says so.
    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            Self::HangUp => Vec::new(),
            Self::Old(code) => packet::packet(CONNACK, 0, &[0, code]),
            Self::New(code) => packet::packet(CONNACK, 0, &[0, code, 0]),
        }
    }
}

/// CONNACK for a client that is let in; `assigned` is the identifier that it was given for want of its own.
pub(super) fn accepted(connect: &Connect, session_present: bool, assigned: bool) -> Vec<u8> {
    let mut body = vec![u8::from(session_present), 0];
    if connect.version == 5 {
        let mut properties = vec![property::TOPIC_ALIAS_MAXIMUM];
        properties.extend(TOPIC_ALIAS_MAXIMUM.to_be_bytes());
        if connect.keep_alive == 0 {
            properties.push(property::SERVER_KEEP_ALIVE);
            properties.extend(u16::MAX.to_be_bytes());
        }
        if assigned {
            properties.push(property::ASSIGNED_CLIENT_ID);
            put_binary(&mut properties, connect.client_id.as_bytes());
        }
        properties.push(property::RECEIVE_MAXIMUM);
        properties.extend(RECEIVE_MAXIMUM.to_be_bytes());
        packet::put_length(&mut body, properties.len());
        body.extend(properties);
    }
    packet::packet(CONNACK, 0, &body)
}

impl Connect {
    /// Reads the packet. `decoded` gets what could be read, also when the rest is refused.
    pub(super) fn read(packet: &Packet, decoded: &mut Map<String, Value>) -> Result<Self, Refusal> {
        let mut reader = Reader(&packet.body);
        let name = reader.binary()?;
        put_text(decoded, "protocol", name);
        let level = reader.u8()?;
        decoded.insert("level".to_owned(), level.into());
        // The upper bit is a bridge's.
        let version = level & 0x7f;
        match (name, version) {
            (b"MQIsdp", 3) | (b"MQTT", 4 | 5) => {}
            (b"MQIsdp" | b"MQTT", _) => return Err(Refusal::Old(1)),
            _ => return Err(Refusal::HangUp),
        }
        let flags = reader.u8()?;
        let keep_alive = reader.u16()?;
        let has = |bit: u8| flags & bit != 0;
        let clean = has(0x02);
        decoded.insert("clean".to_owned(), clean.into());
        decoded.insert("keep_alive".to_owned(), keep_alive.into());
        if packet.flags != 0 || has(0x01) {
            return Err(Refusal::HangUp);
        }
        // mosquitto reads none of a bridge.
        let properties = match level {
            5 => Properties::read(&mut reader, property::IN_CONNECT)?,
            _ => Properties::default(),
        };
        properties.put(decoded);
        let client_id = reader.text()?.to_owned();
        decoded.insert("client_id".to_owned(), client_id.clone().into());
        let will = read_will(&mut reader, flags, version, decoded)?;
        let username = if has(0x80) { Some(reader.binary()?.to_vec()) } else { None };
        let password = if has(0x40) { Some(reader.binary()?.to_vec()) } else { None };
        if !reader.is_empty() || (version != 5 && password.is_some() && username.is_none()) {
            return Err(Refusal::HangUp);
        }
        if properties.has(property::AUTHENTICATION_METHOD) {
            return Err(Refusal::New(0x8c));
        }
        let asks = [property::REQUEST_PROBLEM_INFORMATION, property::REQUEST_RESPONSE_INFORMATION];
        if asks.iter().any(|&id| properties.number(id) > Some(1)) {
            return Err(Refusal::HangUp);
        }
        if client_id.is_empty() && (version == 3 || version == 4 && !clean) {
            return Err(Refusal::Old(2));
        }
        let is_bridge = level != version && version != 5;
        let mut connect =
            Self { version, is_bridge, client_id, clean, keep_alive, will, username, password, ..Self::default() };
        connect.read_limits(&properties)?;
        Ok(connect)
    }

    fn read_limits(&mut self, properties: &Properties<'_>) -> Result<(), Refusal> {
        self.expiry_secs = match self.version {
            5 => match properties.number(property::SESSION_EXPIRY) {
                Some(u32::MAX) => None,
                secs => Some(secs.unwrap_or(0)),
            },
            _ if self.clean => Some(0),
            _ => None,
        };
        let window = properties
            .number(property::RECEIVE_MAXIMUM)
            .map_or(RECEIVE_MAXIMUM, |window| u16::try_from(window).unwrap_or(RECEIVE_MAXIMUM).min(RECEIVE_MAXIMUM));
        let most = properties.number(property::MAXIMUM_PACKET_SIZE).unwrap_or(u32::MAX);
        if window == 0 || most == 0 {
            return Err(Refusal::HangUp);
        }
        self.window = window;
        self.max_packet = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(())
    }
}

fn read_will(
    reader: &mut Reader<'_>,
    flags: u8,
    version: u8,
    decoded: &mut Map<String, Value>,
) -> Result<Option<Will>, Refusal> {
    let (qos, retain) = (flags >> 3 & 3, flags & 0x20 != 0);
    if flags & 0x04 == 0 {
        return if qos == 0 && !retain { Ok(None) } else { Err(Refusal::HangUp) };
    }
    let properties = match version {
        5 => Properties::read(reader, property::IN_WILL)?,
        _ => Properties::default(),
    };
    let topic = reader.text()?;
    let payload = reader.binary()?;
    let mut shown = Map::new();
    shown.insert("topic".to_owned(), topic.into());
    put_text(&mut shown, "payload", payload);
    shown.insert("qos".to_owned(), qos.into());
    shown.insert("retain".to_owned(), retain.into());
    properties.put(&mut shown);
    decoded.insert("will".to_owned(), Value::Object(shown));
    if qos == 3 || !topic::is_name(topic) {
        return Err(Refusal::HangUp);
    }
    let secs = |id| properties.number(id).map(|secs| Duration::from_secs(u64::from(secs)));
    Ok(Some(Will {
        topic: topic.to_owned(),
        payload: payload.to_vec(),
        properties: properties.forwarded(),
        qos,
        retain,
        delay: secs(property::WILL_DELAY).unwrap_or_default(),
        lifetime: secs(property::MESSAGE_EXPIRY),
    }))
}
