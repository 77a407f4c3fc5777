//! `smb`: a Windows 7 that MS17-010 was never installed on, on ports 445 and 139.
//!
//! Speaks NetBIOS framing, SMB1 with both kinds of negotiation, SMB2, NTLM, and the RPC that lists shares. Follows EternalBlue and
//! DoublePulsar to their payloads; each source finds the implant after its own exploit. What visitors write is stored, what they prove
//! with NTLM is recorded as john and hashcat read it.
//!
//! Memory: an idle session holds less than 1 KiB besides what it has sent (`max_tcp_payload`). Whatever comes, one session holds at most
//! 32 open objects of 256 KiB and a transaction of 128 KiB. All connections of one source have at most 128 files and directories open, each with
//! 64 locks and a path of 1 KiB, and are to be told of 32 changes. Messages under way, uploads with listings, and the 2,048 files that a source has
//! made or changed come out of three budgets of 96 MiB for the whole handler (`pool.rs`).

mod access;
mod account;
mod change;
mod claim;
mod connection;
mod des;
mod descriptor;
mod disk;
mod drive;
mod frame;
mod guess;
mod host;
mod info;
mod lock;
mod ntlm;
mod one;
mod open;
mod opens;
mod path;
mod pool;
mod remote;
mod rpc;
mod seal;
mod spnego;
mod status;
mod two;
mod wire;
mod written;

use std::sync::Arc;
use std::time::Duration;

use frame::{Frames, Packet, decoded_name, framed};
use host::{Host, Visitor};
use one::{One, one_dialects};
use opens::Opens;
use two::Two;
use wire::Fields;

pub(super) use self::rpc::BUILTIN as MSRPC;
use super::builtin::Builtin;
use super::recording::with_payload;
use super::registry::{Environment, Maker, boxed};
use super::{Context, Direction, Handler, Random, Recording, Session};
use crate::events::Event;
use crate::flow::Transport;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "smb",
    aliases: &[],
    transports: &[Transport::Tcp],
    default_ports: &[445, 139],
    about: "Windows file sharing: SMB1 to 2.1, logins, uploads, EternalBlue and DoublePulsar",
    prepare,
};

/// `request` and `scan` events of one session; what comes after is counted.
const MAX_NOTES: u32 = 300;
/// Bytes of a message that was never completed from which on it is stored as a sample: the bodies that EternalBlue sprays are such.
const WORTH_STORING: usize = 512;
/// Silence after which what followed something that is no SMB is taken as the whole.
const QUIET: Duration = Duration::from_millis(250);

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let host = Host::prepared(environment)?;
    Ok(boxed(move |session: &Session| Smb {
        frames: Frames::new(&host.messages),
        recording: Recording::new(host.max_payload),
        core: Core { random: Random::new(session.seed), opens: Opens::default(), notes: 0 },
        one: None,
        two: None,
        host: Arc::clone(&host),
        wants_request: session.dialled.port() == 139,
        is_over: false,
        is_faulty: false,
    }))
}

/// What both protocols share in one session.
#[derive(Debug)]
struct Core {
    random: Random,
    opens: Opens,
    /// Events so far, those that were left out included.
    notes: u32,
}

/// The machine, the call and the session, as commands need them.
struct Peer<'a, 'b> {
    host: &'a Host,
    cx: &'a mut Context<'b>,
    core: &'a mut Core,
}

impl Peer<'_, '_> {
    /// Sends a message in its frame.
    fn send(&mut self, message: &[u8]) {
        self.cx.send(framed(message));
    }

    /// Records an event, up to a limit for the session.
    fn note(&mut self, event: Event) {
        self.core.notes = self.core.notes.saturating_add(1);
        if self.core.notes <= MAX_NOTES {
            self.cx.event(event);
        }
    }

    /// Works with what is remembered of this source.
    fn visitor<R>(&mut self, work: impl FnOnce(&mut Visitor) -> R) -> R {
        self.host.visitors.with(self.cx.session().client.ip(), self.cx.now(), work)
    }
}

struct Smb {
    host: Arc<Host>,
    frames: Frames,
    recording: Recording,
    core: Core,
    one: Option<Box<One>>,
    two: Option<Box<Two>>,
    /// Port 139, where a session must be requested before anything else.
    wants_request: bool,
    is_over: bool,
    /// What came was no SMB; the rest is recorded until the visitor falls silent.
    is_faulty: bool,
}

impl Smb {
    fn packet(&mut self, cx: &mut Context<'_>, packet: &Packet) {
        let keeps = match packet {
            Packet::Fault(why) => {
                cx.event(Event::new("request_malformed", format!("no SMB: {why}")));
                (self.is_over, self.is_faulty) = (true, true);
                cx.deadline_in(QUIET);
                return;
            }
            Packet::Request(names) => self.session_request(cx, names),
            Packet::Message(_) if self.wants_request => {
                // Unspecified error (RFC 1002 section 4.3.4).
                cx.send([0x83, 0, 0, 1, 0x8f]);
                false
            }
            Packet::Message(message) => self.message(cx, message),
        };
        if !keeps {
            self.is_over = true;
            cx.close();
        }
    }

    /// A session request names the machine that it wants (RFC 1002 section 4.3.2).
    fn session_request(&mut self, cx: &mut Context<'_>, names: &[u8]) -> bool {
        let called = decoded_name(names).unwrap_or_default();
        let calling = names.get(34..).and_then(decoded_name).unwrap_or_default();
        let is_ours = ["*SMBSERVER", &self.host.name].iter().any(|name| name.eq_ignore_ascii_case(&called));
        let decoded = serde_json::json!({ "called": called, "calling": calling });
        cx.event(Event::new("request", format!("NetBIOS session with {called} by {calling}")).with("decoded", decoded));
        self.wants_request = false;
        // Granted, or: called name not present.
        cx.send(if is_ours { &[0x82, 0, 0, 0][..] } else { &[0x83, 0, 0, 1, 0x82] });
        is_ours
    }

    fn message(&mut self, cx: &mut Context<'_>, message: &[u8]) -> bool {
        let mut peer = Peer { host: &self.host, cx, core: &mut self.core };
        match message.first_chunk() {
            Some(b"\xffSMB") if self.two.is_none() => {
                let dialects = message.get(35..).unwrap_or_default();
                if self.one.is_none() && message.byte(4) == Some(0x72) {
                    let mut two = Box::<Two>::default();
                    if two.invited(&mut peer, dialects) {
                        one::note_dialects(&mut peer, dialects);
                        self.two = Some(two);
                        return true;
                    }
                }
                self.one.get_or_insert_default().message(&mut peer, message)
            }
            Some(b"\xfeSMB") if self.one.is_none() => self.two.get_or_insert_default().message(&mut peer, message),
            _ => {
                let event = Event::new("request_malformed", "a message of no protocol that was negotiated");
                let shown = message.get(..256).unwrap_or(message);
                peer.note(with_payload(event, shown, shown.len() < message.len()));
                false
            }
        }
    }
}

impl Smb {
    /// Has what waits for other connections looked at again.
    fn look_again(&self, cx: &mut Context<'_>) {
        let after = self.two.as_ref().and_then(|two| two.looks_again(cx.now()));
        if let Some(after) = after.filter(|_| !self.is_over) {
            cx.deadline_in(after);
        }
    }
}

impl Handler for Smb {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut input = bytes;
        while !self.is_over
            && let Some(packet) = self.frames.next(&mut input)
        {
            self.packet(cx, &packet);
        }
        self.look_again(cx);
        // After a message that ends the connection nothing counts any more, after what is no message all does.
        let is_closed = self.is_over && !self.is_faulty;
        let count = if is_closed { bytes.len() - input.len() } else { bytes.len() };
        self.recording.push(bytes.get(..count).unwrap_or(bytes));
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        if self.is_over {
            return cx.close();
        }
        if let Some(two) = &mut self.two {
            two.wake(&mut Peer { host: &self.host, cx, core: &mut self.core });
        }
        self.look_again(cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        let mut peer = Peer { host: &self.host, cx, core: &mut self.core };
        if let Some(one) = &mut self.one {
            one.finish(&mut peer);
        }
        self.core.opens.close_all(&self.host, cx, None);
        let remains = self.frames.remains();
        if remains.len() >= WORTH_STORING {
            cx.sample("smb-message-incomplete", remains.to_vec());
        }
        let event = self.recording.event(Direction::Recv);
        let left_out = self.core.notes.saturating_sub(MAX_NOTES);
        cx.event(if left_out > 0 { event.with("events_left_out", left_out) } else { event });
    }
}

#[cfg(test)]
mod disorder;
#[cfg(test)]
mod tests;
