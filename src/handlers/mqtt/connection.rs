//! One connection: its first packet, what follows, and when it looks into its mailbox.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::HEXUPPER;
use serde_json::{Map, Value};

use super::broker::Broker;
use super::client::{Client, End, Turn};
use super::connect::{self, Connect, Refusal};
use super::packet::{Framed, Framer, Packet};
use super::{Log, Shared};
use crate::clock::Timestamp;
use crate::events::Event;
use crate::handlers::look::Look;
use crate::handlers::recording::{Direction, Recording};
use crate::handlers::{Context, Handler, Random, Session};

/// How often a subscriber looks into its mailbox at least, while something goes on.
const LISTEN: Duration = Duration::from_millis(60);
/// How often a connection without subscriptions looks whether the session is still its own.
const LOOK: Duration = Duration::from_secs(1);
/// How long bytes that are no MQTT are gathered before the connection is reset.
const STRANGER_TIME: Duration = Duration::from_millis(40);
/// Time for the CONNECT: mosquitto's keep-alive of a client that has not said its own.
const CONNECT_TIME: Duration = Duration::from_secs(90);

/// One connection.
#[derive(Debug)]
pub(super) struct Mqtt {
    shared: Arc<Shared>,
    broker: Arc<Mutex<Broker>>,
    random: Random,
    framer: Framer,
    client: Option<Box<Client>>,
    out: Vec<u8>,
    log: Log,
    /// What comes is no MQTT: it is only recorded.
    stranger: Option<Recording>,
    look: Look,
    heard: bool,
}

impl Mqtt {
    pub(super) fn new(shared: &Arc<Shared>, session: &Session) -> Self {
        Self {
            shared: Arc::clone(shared),
            broker: Arc::default(),
            random: Random::new(session.seed),
            framer: Framer::default(),
            client: None,
            out: Vec::new(),
            log: Log {
                events: Vec::new(),
                left: shared.settings.max_records,
                unrecorded: 0,
                max_payload: shared.max_payload,
            },
            stranger: None,
            look: Look::default(),
            heard: false,
        }
    }

    /// Works on the broker.
    fn turn<R>(&mut self, now: Timestamp, work: impl FnOnce(&mut Option<Box<Client>>, &mut Turn<'_>) -> R) -> R {
        let mut broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.server.publish(&mut broker, now);
        let mut turn = Turn { broker: &mut broker, shared: &self.shared, now, out: &mut self.out, log: &mut self.log };
        work(&mut self.client, &mut turn)
    }

    /// Hands out what this call has brought, and asks to be called when something may have come.
    fn flush(&mut self, cx: &mut Context<'_>) {
        if !self.out.is_empty() {
            cx.send(&self.out);
            self.out = Vec::new();
        }
        for event in self.log.events.drain(..) {
            cx.event(event);
        }
        let now = cx.now();
        let seen = self.turn(now, |client, turn| {
            let client = client.as_deref_mut()?;
            let least = if client.listens(turn.broker) { LISTEN } else { LOOK };
            Some((client.has_heard(), least, client.lost_at()))
        });
        let Some((has_heard, least, lost_at)) = seen else { return };
        if has_heard {
            self.look.liven(now);
        }
        let look = self.look.after(now, least);
        cx.deadline_in(lost_at.map_or(look, |lost| look.min(lost.saturating_since(now))));
    }

    /// The first packet.
    fn connect(&mut self, cx: &mut Context<'_>, packet: &Packet) -> Result<(), End> {
        let mut decoded = Map::new();
        let read = Connect::read(packet, &mut decoded);
        let id = decoded.get("client_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.log.record(format!("CONNECT {id}").trim_end(), decoded, None);
        for event in self.log.events.drain(..) {
            cx.event(event);
        }
        if read.is_err() {
            self.log.record_odd(&packet.bytes(), "refused CONNECT");
        }
        let outcome = read.and_then(|connect| self.judge(cx, connect)).and_then(|connect| self.let_in(cx, connect));
        outcome.map_err(|refusal| {
            let bytes = refusal.bytes();
            self.turn(cx.now(), |_, turn| turn.broker.traffic.bytes_sent += bytes.len() as u64);
            self.out.extend(bytes);
            End::HangUp
        })
    }

    fn judge(&self, cx: &mut Context<'_>, connect: Connect) -> Result<Connect, Refusal> {
        let accepted = match (&connect.username, &connect.password) {
            (None, None) => self.shared.settings.anonymous,
            (username, password) => {
                let (username, password) = (username.as_deref(), password.as_deref());
                self.shared.credentials.judge(cx, username.unwrap_or_default(), password.unwrap_or_default())
            }
        };
        match (accepted, connect.version) {
            (true, _) => Ok(connect),
            (false, 5) => Err(Refusal::New(0x87)),
            (false, _) => Err(Refusal::Old(5)),
        }
    }

    fn let_in(&mut self, cx: &Context<'_>, mut connect: Connect) -> Result<(), Refusal> {
        let assigned = connect.client_id.is_empty();
        if assigned {
            connect.client_id = self.draw_id();
        }
        let now = cx.now();
        let answer = connect::accepted(&connect, false, assigned);
        if answer.len().saturating_sub(1) > connect.max_packet {
            // The client would not take the answer.
            return Err(Refusal::HangUp);
        }
        self.turn(now, |client, turn| {
            let entered = turn.broker.connect(&connect.client_id, connect.clean, connect.expiry_secs, now);
            let (link, present) = entered.ok_or(match connect.version {
                5 => Refusal::New(0x97),
                _ => Refusal::Old(3),
            })?;
            if let Some(session) = turn.broker.session(link) {
                session.hears_each = connect.version == 5;
            }
            let bytes = connect::accepted(&connect, present, assigned);
            turn.broker.traffic.connections += 1;
            turn.broker.traffic.messages_sent += 1;
            turn.broker.traffic.bytes_sent += bytes.len() as u64;
            turn.out.extend(bytes);
            let mut connected = Client::new(link, connect, now);
            // What waited for its return.
            let _ = connected.resume(turn);
            *client = Some(Box::new(connected));
            Ok(())
        })
    }

    /// An identifier in mosquitto's form.
    fn draw_id(&mut self) -> String {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        let text = HEXUPPER.encode(&bytes);
        let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
        format!("auto-{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
    }

    fn take(&mut self, cx: &mut Context<'_>, packet: &Packet) -> Result<(), End> {
        let bytes = packet.total as u64 + 2;
        self.turn(cx.now(), |_, turn| {
            turn.broker.traffic.messages_received += 1;
            turn.broker.traffic.bytes_received += bytes;
        });
        if self.client.is_none() {
            return self.connect(cx, packet);
        }
        let outcome = self.turn(cx.now(), |client, turn| match client {
            Some(client) => client.take(packet, turn),
            None => Err(End::HangUp),
        });
        if let Err(End::Reason(_)) = outcome {
            self.log.record_odd(&packet.bytes(), "refused packet");
        }
        outcome
    }

    /// The connection ends like this.
    fn end(&mut self, cx: &mut Context<'_>, end: End) {
        self.turn(cx.now(), |client, turn| {
            if let Some(mut client) = client.take() {
                if let End::Reason(reason) = end {
                    client.farewell(reason, turn);
                }
                client.leave(end == End::Goodbye, turn);
            }
        });
        self.flush(cx);
        cx.close();
    }
}

impl Handler for Mqtt {
    fn open(&mut self, cx: &mut Context<'_>) {
        self.look.liven(cx.now());
        self.broker = self.shared.sources.with(cx.session().client.ip(), cx.now(), |broker| Arc::clone(broker));
        self.turn(cx.now(), |_, turn| turn.broker.traffic.sockets += 1);
        cx.deadline_in(CONNECT_TIME);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.heard = true;
        self.look.liven(cx.now());
        if let Some(recording) = &mut self.stranger {
            recording.push(bytes);
            return;
        }
        let mut input = bytes;
        while let Some(framed) = self.framer.next(&mut input, self.client.is_some()) {
            match framed {
                Framed::Packet(packet) => {
                    if let Err(end) = self.take(cx, &packet) {
                        return self.end(cx, end);
                    }
                }
                Framed::Stranger => {
                    self.stranger.insert(Recording::new(self.shared.max_payload)).push(input);
                    return cx.deadline_in(STRANGER_TIME);
                }
                Framed::Unframed => {
                    let came = std::mem::take(&mut self.framer).remains();
                    self.log.record_odd(&came, "no length");
                    return self.end(cx, End::HangUp);
                }
            }
        }
        if self.client.is_some() {
            self.flush(cx);
        }
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        if self.stranger.is_some() {
            // mosquitto closes with the rest unread, which resets the connection.
            return cx.reset();
        }
        let now = cx.now();
        let outcome = self.turn(now, |client, turn| match client {
            None => Err(End::HangUp),
            Some(client) if client.lost_at().is_some_and(|lost| lost <= now) => Err(End::HangUp),
            Some(client) => client.deliver(turn),
        });
        match outcome {
            Ok(()) => self.flush(cx),
            Err(end) => self.end(cx, end),
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        self.turn(cx.now(), |client, turn| {
            if let Some(mut client) = client.take() {
                client.leave(false, turn);
            }
        });
        let rest = self.framer.remains();
        if !rest.is_empty() {
            self.log.record_odd(&rest, "incomplete packet");
        }
        for event in self.log.events.drain(..) {
            cx.event(event);
        }
        if let Some(recording) = self.stranger.take() {
            cx.event(recording.event(Direction::Recv).with("note", "no MQTT"));
        }
        if !self.heard {
            cx.event(Recording::new(0).event(Direction::Recv));
        }
        if self.log.unrecorded > 0 {
            let msg = format!("{} further packets were not recorded one by one", self.log.unrecorded);
            cx.event(Event::new("command", msg).with("unrecorded", self.log.unrecorded));
        }
    }
}
