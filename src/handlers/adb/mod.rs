//! `adb`: an Android device that lets everybody in over the network, as the boxes do that worms such as ADB.Miner look for.
//!
//! The transport (AOSP packages/modules/adb, protocol.txt): CNXN on both sides, then streams: OPEN, OKAY, WRTE, CLSE. Every WRTE waits
//! for its OKAY, in both directions. What a stream is connected to is in `service.rs`; the shell is the one that telnet visitors meet,
//! in its Android flavour.
//!
//! Bounds: one message of [`message::MAX_DATA`] bytes, [`MAX_STREAMS`] streams; messages, answers that wait and files as in `budget.rs`.

mod budget;
mod message;
mod service;
mod shell;
mod sync;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod worms;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use self::budget::{Budget, Held};
use self::message::{Command, Fault, MAX_DATA, Message, Reader, VERSION, request};
use self::service::Service;
use super::builtin::Builtin;
use super::recording::{Direction, Recording, with_payload};
use super::registry::{Environment, Maker, boxed};
use super::shell::{Device, Flavor};
use super::{Context, Handler, Session};
use crate::events::Event;
use crate::flow::Transport;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "adb",
    aliases: &[],
    transports: &[Transport::Tcp],
    default_ports: &[5555],
    about: "an Android device open to everybody: shell, push, pull, install; files are kept",
    prepare,
};

/// Streams at the same time; a client has one or two.
const MAX_STREAMS: usize = 8;
/// Streams that one connection opens.
const MAX_OPENED: u32 = 10_000;
/// Messages out of place that are recorded; the connection ends with the next.
const MAX_UNEXPECTED: u32 = 64;
/// Silence after which what followed a broken message is taken as the whole.
const QUIET: Duration = Duration::from_millis(250);

/// `[handlers.adb]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Programs that the device has not.
    without: Vec<String>,
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let device = Device::new(Flavor::Android, &environment.persona, &settings.without);
    let budget = Budget::default();
    let limit = environment.max_payload;
    Ok(boxed(move |_: &Session| Adb {
        device: Arc::clone(&device),
        budget: budget.clone(),
        held: budget.held(),
        reader: Reader::default(),
        max_data: None,
        streams: Vec::new(),
        opened: 0,
        ending: false,
        broken: None,
        limit,
        messages: 0,
        unexpected: 0,
    }))
}

/// One connection.
struct Adb {
    device: Arc<Device>,
    budget: Budget,
    held: Held,
    reader: Reader,
    /// Data that a message to the client may carry; `None` before CNXN.
    max_data: Option<usize>,
    streams: Vec<Stream>,
    opened: u32,
    /// A service restarts the device: the connection ends with its stream.
    ending: bool,
    /// Set once something was no message: why, and what it was.
    broken: Option<(Fault, Recording)>,
    limit: usize,
    messages: u64,
    unexpected: u32,
}

/// A stream between the client and a service.
struct Stream {
    /// Our number of it, and the client's.
    local: u32,
    remote: u32,
    service: Box<dyn Service>,
    /// Answers that wait, of which so many bytes have gone out.
    queue: Vec<u8>,
    sent: usize,
    /// The client has not taken the last WRTE yet.
    waits: bool,
}

impl Stream {
    /// Sends what may be sent; false once the stream is done.
    fn pump(&mut self, cx: &mut Context<'_>, max_data: usize) -> bool {
        if self.waits {
            return true;
        }
        let rest = self.queue.get(self.sent..).unwrap_or_default();
        let piece = rest.get(..max_data).unwrap_or(rest);
        if !piece.is_empty() {
            cx.send(Message::new(Command::WRTE, self.local, self.remote, piece).emit());
            self.sent += piece.len();
            self.waits = true;
            if self.sent == self.queue.len() {
                self.queue = Vec::new();
                self.sent = 0;
            }
            return true;
        }
        if self.service.is_over() {
            cx.send(Message::new(Command::CLSE, self.local, self.remote, b"").emit());
            return false;
        }
        true
    }
}

impl Adb {
    fn message(&mut self, cx: &mut Context<'_>, message: &Message) {
        self.messages += 1;
        let Message { command, arg0, arg1, data } = message;
        match *command {
            Command::CNXN => self.connect(cx, *arg0, *arg1, data),
            _ if self.max_data.is_none() => self.ignore(cx, message),
            Command::OPEN if *arg0 != 0 => self.open_stream(cx, *arg0, data),
            Command::OKAY | Command::WRTE | Command::CLSE => match self.find(*arg1, *arg0) {
                Some(at) => self.on_stream(cx, at, message),
                // A stream that has just been closed.
                None if data.is_empty() => {}
                None => self.ignore(cx, message),
            },
            _ => self.ignore(cx, message),
        }
    }

    fn on_stream(&mut self, cx: &mut Context<'_>, at: usize, message: &Message) {
        let Some(stream) = self.streams.get_mut(at) else { return };
        match message.command {
            Command::WRTE => {
                stream.service.receive(cx, &self.device, &message.data, &mut stream.queue);
                cx.send(Message::new(Command::OKAY, stream.local, stream.remote, b"").emit());
                self.pump(cx, at);
            }
            Command::OKAY => {
                stream.waits = false;
                self.pump(cx, at);
            }
            _ => {
                cx.send(Message::new(Command::CLSE, stream.local, stream.remote, b"").emit());
                self.remove(cx, at);
            }
        }
    }

    /// What comes before CNXN, is unknown (STLS), or not called for (AUTH) is ignored by a device; we record it.
    fn ignore(&mut self, cx: &mut Context<'_>, message: &Message) {
        self.unexpected += 1;
        if self.unexpected > MAX_UNEXPECTED {
            cx.close();
            self.ending = true;
            return;
        }
        let Command(name) = message.command;
        let mut recording = Recording::new(self.limit);
        recording.push(&message.emit());
        let text = format!("ADB message {} out of place", name.escape_ascii());
        let event = Event::new("payload", text).with("direction", "recv");
        cx.event(with_payload(event, recording.bytes(), recording.is_truncated()));
    }

    /// Both sides use the lower version and the shorter messages.
    fn connect(&mut self, cx: &mut Context<'_>, version: u32, max_data: u32, banner: &[u8]) {
        self.close_streams(cx);
        let sdk = self.device.property("ro.build.version.sdk").and_then(|sdk| sdk.parse().ok());
        let release = Release::of(sdk.unwrap_or(25));
        let max_data = max_data.clamp(1, release.max_data);
        self.max_data = usize::try_from(max_data).ok();
        let version_text = format!("{version:#010x}");
        cx.event(request("connect", trim(banner)).with("version", version_text).with("max_data", max_data));
        let property = |name| self.device.property(name).unwrap_or("unknown");
        let answer = format!(
            "device::ro.product.name={};ro.product.model={};ro.product.device={};{}",
            property("ro.product.name"),
            property("ro.product.model"),
            property("ro.product.device"),
            release.features,
        );
        cx.send(Message::new(Command::CNXN, version.min(VERSION), max_data, answer.as_bytes()).emit());
    }

    fn open_stream(&mut self, cx: &mut Context<'_>, remote: u32, name: &[u8]) {
        self.opened += 1;
        let mut queue = Vec::new();
        let service = if self.streams.len() < MAX_STREAMS && self.opened <= MAX_OPENED {
            service::open(cx, &self.device, &self.budget, trim(name), &mut queue)
        } else {
            cx.event(request("refused", trim(name)));
            None
        };
        let Some(service) = service else {
            return cx.send(Message::new(Command::CLSE, 0, remote, b"").emit());
        };
        let local = self.opened;
        cx.send(Message::new(Command::OKAY, local, remote, b"").emit());
        self.streams.push(Stream { local, remote, service, queue, sent: 0, waits: false });
        self.pump(cx, self.streams.len() - 1);
    }

    /// Sends what the stream at this place has to say; removes it when that was all.
    fn pump(&mut self, cx: &mut Context<'_>, at: usize) {
        let max_data = self.max_data.unwrap_or(1);
        if self.streams.get_mut(at).is_some_and(|stream| !stream.pump(cx, max_data)) {
            self.remove(cx, at);
        }
    }

    fn remove(&mut self, cx: &mut Context<'_>, at: usize) {
        let mut stream = self.streams.swap_remove(at);
        stream.service.closed(cx);
        if stream.service.ends_connection() {
            cx.close();
            self.ending = true;
        }
    }

    fn find(&self, local: u32, remote: u32) -> Option<usize> {
        self.streams.iter().position(|stream| stream.local == local && stream.remote == remote)
    }

    fn close_streams(&mut self, cx: &mut Context<'_>) {
        for mut stream in self.streams.drain(..) {
            stream.service.closed(cx);
        }
    }

    /// Ends the connection if it holds too much; asks to be called when the first service wants it.
    fn settle(&mut self, cx: &mut Context<'_>) {
        let queued: usize = self.streams.iter().map(|stream| stream.queue.len()).sum();
        if !self.held.set(queued + self.reader.remains().len()) {
            self.ending = true;
            cx.close();
        }
        match self.streams.iter().filter_map(|stream| stream.service.due()).min() {
            Some(due) => cx.deadline_in(due.saturating_since(cx.now())),
            None => cx.clear_deadline(),
        }
    }
}

impl Handler for Adb {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut input = bytes;
        while !self.ending {
            if let Some((_, recording)) = &mut self.broken {
                recording.push(input);
                return cx.deadline_in(QUIET);
            }
            match self.reader.next(&mut input) {
                Ok(Some(message)) => {
                    self.message(cx, &message);
                    self.settle(cx);
                }
                Ok(None) => break,
                Err(fault) => {
                    let mut recording = Recording::new(self.limit);
                    recording.push(self.reader.remains());
                    self.broken = Some((fault, recording));
                }
            }
        }
        self.settle(cx);
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        if self.broken.is_some() {
            return cx.close();
        }
        let now = cx.now();
        let due = |stream: &Stream| stream.service.due().is_some_and(|due| due <= now);
        while let Some(at) = self.streams.iter().position(due) {
            if let Some(stream) = self.streams.get_mut(at) {
                stream.service.tick(cx, &mut stream.queue);
            }
            self.pump(cx, at);
        }
        self.settle(cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        self.close_streams(cx);
        if let Some((fault, recording)) = self.broken.take() {
            let event = Event::new("payload", format!("no ADB message: {}", fault.text())).with("direction", "recv");
            cx.event(with_payload(event, recording.bytes(), recording.is_truncated()));
        } else if !self.reader.remains().is_empty() || self.messages == 0 {
            let mut recording = Recording::new(self.limit);
            recording.push(self.reader.remains());
            cx.event(recording.event(Direction::Recv));
        }
    }
}

/// What the daemon of an Android release says of itself.
struct Release {
    max_data: u32,
    features: &'static str,
}

impl Release {
    /// Longer messages and features came with Android 7, the second `stat` with 8 (AOSP system/core, adb/adb.h and transport.cpp).
    fn of(sdk: u32) -> Self {
        match sdk {
            ..24 => Self { max_data: 4_096, features: "\0" },
            24 | 25 => Self { max_data: MAX_DATA, features: "features=cmd,shell_v2" },
            _ => Self { max_data: MAX_DATA, features: "features=cmd,stat_v2,shell_v2" },
        }
    }
}

/// A name without the NULs that older clients send with it.
fn trim(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    name.get(..end).unwrap_or(name)
}
