//! Named pipes, ports, and the RPC behind them (C706 chapter 12, MS-RPCE 2.2): bind, requests in fragments, answers, faults.

mod activity;
mod coerced;
mod dcom;
mod endpoint;
mod handle;
mod installed;
mod interface;
mod lsarpc;
mod mapped;
mod ndr;
mod port;
mod principal;
mod privilege;
mod registry;
mod samr;
mod security;
mod service;
mod spoolss;
mod srvsvc;
mod task;
mod winreg;

use std::collections::VecDeque;
use std::net::IpAddr;

use uuid::Uuid;

pub(super) use self::installed::serves_registry;
use self::interface::{Interface, Known, find, find_pipe, find_port};
pub(in crate::handlers) use self::port::BUILTIN;
pub(super) use self::registry::Set;
use self::security::{Judge, Security, Verified};
pub(super) use self::service::Created;
use super::account::{Exchange, User};
use super::host::Host;
use super::status::Status;
use super::wire::{Fields, Put, patch};
use crate::clock::Timestamp;
use crate::events::Event;
use crate::handlers::{Context, Random};

/// Bytes of one fragment, both ways: what Windows agrees to over named pipes and over TCP, and what everybody must take (C706 section 12.6.3.1).
const FRAGMENT: u16 = 4280;
const PORT_FRAGMENT: u16 = 5840;
const LEAST_FRAGMENT: u16 = 1432;
/// Bytes of the header of every PDU.
const COMMON: usize = 16;
/// Bytes of the header of a request or an answer.
const HEADER: usize = 24;
/// Bytes of a request's parameters, all fragments together: a thousand SIDs are asked for at once.
const MAX_STUB: usize = 64 * 1024;
/// Bytes of answers that wait to be read; a visitor that never reads gets no more.
const MAX_UNREAD: usize = 32 * 1024;
/// Interfaces that one pipe can be bound to.
const MAX_CONTEXTS: usize = 16;

/// PDU types (C706 section 12.6.4).
const REQUEST: u8 = 0;
const RESPONSE: u8 = 2;
const FAULT: u8 = 3;
const BIND: u8 = 11;
const BIND_ACK: u8 = 12;
const BIND_NAK: u8 = 13;
const ALTER_CONTEXT: u8 = 14;
const ALTER_CONTEXT_RESPONSE: u8 = 15;
/// The last leg of a login (MS-RPCE 2.2.2.5), which has no answer.
const AUTH3: u8 = 16;
/// Why a bind is refused (C706 section 12.6.3.1).
const PROTOCOL_VERSION_NOT_SUPPORTED: u16 = 4;
const AUTHENTICATION_TYPE_NOT_RECOGNIZED: u16 = 8;
/// First and last fragment.
const WHOLE: u8 = 3;

/// `nca_s_op_rng_error`, `nca_s_unk_if`, `nca_s_proto_error` (C706 appendix E) and what RPC gives for ERROR_ACCESS_DENIED and
/// unreadable parameters (MS-RPCE 2.2.2.11, `RPC_X_BAD_STUB_DATA`).
const NO_SUCH_OPERATION: u32 = 0x1c01_0002;
const NO_SUCH_INTERFACE: u32 = 0x1c01_0003;
const BAD_STUB: u32 = 1783;
const DENIED: u32 = 5;
/// `nca_s_fault_context_mismatch`: a handle that was never given.
const BAD_HANDLE: u32 = 0x1c00_001a;
/// NTSTATUS values (MS-ERREF 2.3.1) that calls return.
const SOME_NOT_MAPPED: u32 = 0x0000_0107;
const INVALID_PARAMETER: u32 = 0xc000_000d;
const ACCESS_DENIED: u32 = 0xc000_0022;
const NONE_MAPPED: u32 = 0xc000_0073;

/// NDR, 32 bit: 8a885d04-1ceb-11c9-9fe8-08002b104860, version 2.
const NDR: [u8; 20] = *b"\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\0\0\0";
/// NDR, 64 bit (MS-RPCE 2.2.5): 71710533-beba-4937-8319-b5dbef9ccc36, version 1. A 64-bit Windows takes it; here only who offers nothing
/// else is given it, and all that is asked that way is unreadable: it is offered alone to learn how wide the machine is.
const NDR64: [u8; 20] = *b"\x33\x05\x71\x71\xba\xbe\x37\x49\x83\x19\xb5\xdb\xef\x9c\xcc\x36\x01\0\0\0";
/// How the UUID of bind-time features begins (MS-RPCE 2.2.2.14): 6cb71c2c-9812-4540-.
const FEATURES: [u8; 8] = *b"\x2c\x1c\xb7\x6c\x12\x98\x40\x45";

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) host: &'a Host,
    pub(super) now: Timestamp,
    pub(super) source: IpAddr,
    /// The address that it dialled, over TCP.
    pub(super) dialled: Option<IpAddr>,
    /// What handles of this session are drawn with.
    pub(super) seed: u64,
    /// The account; empty for nobody's.
    pub(super) user: &'a str,
    /// The login was accepted: an administrator.
    pub(super) is_admin: bool,
}

/// What a call gives back, and what is worth an event.
type Answer = Result<Vec<u8>, u32>;

/// What calls over one pipe have left behind.
#[derive(Debug, Default)]
struct States {
    services: service::Services,
    registry: winreg::Registry,
    tasks: task::Tasks,
    mapper: endpoint::Mapper,
}

impl States {
    /// Answers a call to an interface behind this pipe.
    fn call(
        &mut self,
        (known, interface): (&Known, Interface),
        caller: &Caller<'_>,
        operation: u16,
        stub: &[u8],
        events: &mut Vec<Event>,
    ) -> Answer {
        match interface {
            Interface::Srvsvc => srvsvc::server(caller, operation, stub),
            Interface::Wkssvc => srvsvc::workstation(caller, operation, stub),
            Interface::Samr => samr::samr(caller, operation, stub),
            Interface::Lsarpc => lsarpc::lsarpc(caller, operation, stub),
            Interface::Dssetup => lsarpc::role(caller, operation, stub),
            Interface::Efsrpc => coerced::efs(caller, operation, stub, events),
            Interface::Svcctl => self.services.call(caller, operation, stub, events),
            Interface::Winreg => self.registry.call(caller, operation, stub, events),
            Interface::Atsvc => self.tasks.job(caller, operation, stub, events),
            Interface::Tasks => self.tasks.call(caller, operation, stub, events),
            Interface::Spoolss => spoolss::spoolss(caller, operation, stub, events),
            Interface::Eventlog => coerced::eventlog(caller, operation, stub, events),
            Interface::Epmapper => self.mapper.call(caller, operation, stub),
            Interface::Exporter => dcom::exporter(caller, operation),
            Interface::Activator(name) => dcom::activate(name, stub, events),
            Interface::Management => endpoint::management(known.process, operation, stub),
            Interface::Wide(_) => Err(BAD_STUB),
            Interface::Other(_) => Err(DENIED),
        }
    }
}

/// An open pipe or port.
#[derive(Debug)]
pub(super) struct Pipe {
    known: &'static Known,
    /// What came of a PDU that is not whole.
    input: Vec<u8>,
    /// Parameters of a request whose last fragment is still to come.
    stub: Vec<u8>,
    /// Answers that wait, each read by itself: the pipe is one of messages (MS-CIFS 2.2.1.3).
    output: VecDeque<Vec<u8>>,
    /// Their bytes.
    unread: usize,
    contexts: Vec<(u16, Interface)>,
    /// Bytes of one fragment, as agreed to.
    fragment: u16,
    security: Security,
    states: Box<States>,
    /// What calls were worth telling.
    events: Vec<Event>,
}

impl Pipe {
    /// Opens the pipe of this name.
    pub(super) fn open(path: &str, is_admin: bool, serves_registry: bool) -> Result<Self, Status> {
        find_pipe(path, is_admin, serves_registry).map(Self::new)
    }

    /// What is behind a port of TCP.
    fn on_port(number: u16) -> Self {
        Self::new(find_port(number))
    }

    fn new(known: &'static Known) -> Self {
        Self {
            known,
            input: Vec::new(),
            stub: Vec::new(),
            output: VecDeque::new(),
            unread: 0,
            contexts: Vec::new(),
            fragment: if known.port.is_some() { PORT_FRAGMENT } else { FRAGMENT },
            security: Security::default(),
            states: Box::default(),
            events: Vec::new(),
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.known.name
    }

    /// Takes what a visitor writes; answers wait to be read. `id` tells the pipes of a session apart.
    pub(super) fn take(
        &mut self,
        host: &Host,
        cx: &mut Context<'_>,
        user: &User,
        id: u16,
        bytes: &[u8],
    ) -> Result<(), Status> {
        let (now, session) = (cx.now(), cx.session());
        let (source, seed) = (session.client.ip(), session.seed);
        let dialled = self.known.port.map(|_| session.dialled.ip());
        let caller = Caller { host, now, source, dialled, seed, user: &user.name, is_admin: !user.is_anonymous };
        // No two legs of a session draw the same challenge.
        let mut judge = |exchange: &mut Exchange, leg: u32, blob: &[u8]| {
            let mut random = Random::new(seed ^ (u64::from(id) << 32 | u64::from(leg)));
            exchange.step(host, cx, &mut random, blob)
        };
        let result = self.write(&caller, bytes, &mut judge);
        self.events.drain(..).for_each(|event| cx.event(event));
        result
    }

    /// The same, with who is asked about logins.
    fn write(&mut self, caller: &Caller<'_>, bytes: &[u8], judge: &mut Judge<'_>) -> Result<(), Status> {
        if self.unread > MAX_UNREAD || self.input.len() + bytes.len() > MAX_STUB {
            return Err(Status::INSUFF_SERVER_RESOURCES);
        }
        self.input.extend_from_slice(bytes);
        while let Some(len) = self.input.as_slice().at16(8).filter(|len| *len <= self.input.len()) {
            if len < COMMON || self.input.first() != Some(&5) {
                self.refuse(call_of(&self.input), PROTOCOL_VERSION_NOT_SUPPORTED);
                self.input.clear();
                return Err(Status::INVALID_PARAMETER);
            }
            if self.unread > MAX_UNREAD {
                self.input = Vec::new();
                return Err(Status::INSUFF_SERVER_RESOURCES);
            }
            let rest = self.input.split_off(len);
            let mut pdu = std::mem::replace(&mut self.input, rest);
            self.pdu(caller, &mut pdu, judge);
        }
        Ok(())
    }

    /// Up to `max` bytes of the message that waits, and whether it has more.
    pub(super) fn read(&mut self, max: usize) -> (Vec<u8>, bool) {
        let Some(mut message) = self.output.pop_front() else { return (Vec::new(), false) };
        let rest = message.split_off(max.min(message.len()));
        self.unread = self.unread.saturating_sub(message.len());
        let has_more = !rest.is_empty();
        if has_more {
            self.output.push_front(rest);
        }
        (message, has_more)
    }

    /// Bytes that wait to be read, and those of the first message.
    pub(super) fn waits(&self) -> (usize, usize) {
        (self.unread, self.output.front().map_or(0, Vec::len))
    }

    fn pdu(&mut self, caller: &Caller<'_>, pdu: &mut [u8], judge: &mut Judge<'_>) {
        let (Some(kind), Some(flags), Some(call)) = (pdu.byte(2), pdu.byte(3), pdu.le32(12)) else { return };
        match kind {
            BIND | ALTER_CONTEXT => match self.security.take(pdu, judge) {
                Verified::Answer(verifier) => self.bind(caller, pdu, &verifier),
                Verified::Refused if kind == BIND => self.refuse(call, AUTHENTICATION_TYPE_NOT_RECOGNIZED),
                Verified::Refused => self.fault(call, 0, DENIED),
            },
            // One that is refused is told so by the fault of its next call.
            AUTH3 => drop(self.security.take(pdu, judge)),
            REQUEST => self.request(caller, pdu, flags, call),
            _ => {}
        }
    }

    /// bind (C706 section 12.6.4.3): every interface asked for is accepted or not.
    fn bind(&mut self, caller: &Caller<'_>, pdu: &[u8], verifier: &[u8]) {
        let answer = if pdu.byte(2) == Some(BIND) { BIND_ACK } else { ALTER_CONTEXT_RESPONSE };
        let mut body = Vec::new();
        // A new association group has a number that Windows counts up from its start.
        let drawn = || u32::try_from(Random::new(caller.seed ^ 0x0067_726f_7570).bits() & 0xffff).unwrap_or(0).max(1);
        let group = pdu.le32(20).filter(|group| *group != 0).unwrap_or_else(drawn);
        if let (BIND_ACK, Some(taken)) = (answer, pdu.le16(18)) {
            self.fragment = self.fragment.min(taken).max(LEAST_FRAGMENT);
        }
        body.put16(self.fragment).put16(self.fragment).put32(group);
        // The address has its end mark, and none at all in an alter_context answer (its length alone remains).
        let address = if answer == BIND_ACK { format!("{}\0", self.known.address) } else { String::new() };
        body.put_len16(address.len()).put(address.as_bytes());
        body.align(4);
        let results = self.results(pdu);
        body.put_len32(results.len());
        for (result, reason, syntax) in results {
            body.put16(result).put16(reason).put(&syntax);
        }
        self.send(framed(answer, WHOLE, pdu.le32(12).unwrap_or(0), &body, verifier));
    }

    /// bind_nak (C706 section 12.6.4.5): why, and that version 5.0 is what is spoken.
    fn refuse(&mut self, call: u32, reason: u16) {
        let mut body = Vec::new();
        body.put16(reason).put(&[1, 5, 0]).align(4);
        self.send(framed(BIND_NAK, WHOLE, call, &body, &[]));
    }

    fn results(&mut self, pdu: &[u8]) -> Vec<(u16, u16, [u8; 20])> {
        let mut results = Vec::new();
        let speaks_narrow = memchr::memmem::find(pdu, &NDR).is_some();
        let mut at = 28;
        for _ in 0..usize::from(pdu.byte(24).unwrap_or(0)).min(MAX_CONTEXTS) {
            let (Some(id), Some(count), Some(uuid)) = (pdu.le16(at), pdu.byte(at + 2), pdu.part(at + 4, 16)) else {
                break;
            };
            let version = [pdu.le16(at + 20).unwrap_or(0), pdu.le16(at + 22).unwrap_or(0)];
            let syntaxes = pdu.get(at + 24..).unwrap_or_default().chunks_exact(20).take(usize::from(count));
            at += 24 + 20 * usize::from(count);
            let known = find(self.known.process, uuid, version);
            let mut syntaxes = syntaxes.peekable();
            let first = syntaxes.peek().copied().unwrap_or_default();
            results.push(if first.starts_with(&FEATURES) {
                // negotiate_ack: no features.
                (3, 0, [0; 20])
            } else if let Some(interface) = known {
                let offers = |wanted: [u8; 20]| syntaxes.clone().any(|syntax| syntax == wanted);
                if offers(NDR) {
                    self.add(id, interface);
                    (0, 0, NDR)
                } else if offers(NDR64) && !speaks_narrow {
                    self.add(id, Interface::Wide(interface.name()));
                    (0, 0, NDR64)
                } else {
                    (2, 2, [0; 20])
                }
            } else {
                let uuid = Uuid::from_slice_le(uuid).unwrap_or_default();
                let text = format!("RPC bind to an interface that there is not: {uuid}");
                self.events.push(Event::new("request", text).with("interface", uuid.to_string()));
                (2, 1, [0; 20])
            });
        }
        results
    }

    /// Binds to an interface under this number.
    fn add(&mut self, id: u16, interface: Interface) {
        self.contexts.retain(|(one, _)| *one != id);
        if self.contexts.len() < MAX_CONTEXTS {
            self.contexts.push((id, interface));
        }
    }

    /// request (C706 section 12.6.4.9).
    fn request(&mut self, caller: &Caller<'_>, pdu: &mut [u8], flags: u8, call: u32) {
        let (Some(context), Some(operation)) = (pdu.le16(20), pdu.le16(22)) else { return };
        let start = if flags & 0x80 != 0 { HEADER + 16 } else { HEADER };
        let Some(end) = self.security.open(pdu, start) else { return self.fault(call, context, security::BROKEN) };
        let stub = pdu.get(start..end).unwrap_or_default();
        if flags & 1 != 0 {
            self.stub.clear();
        }
        if self.stub.len() + stub.len() > MAX_STUB {
            self.stub = Vec::new();
            return self.fault(call, context, BAD_STUB);
        }
        self.stub.extend_from_slice(stub);
        if flags & 2 == 0 {
            return;
        }
        let stub = std::mem::take(&mut self.stub);
        let found = self.contexts.iter().find(|(id, _)| *id == context).map(|(_, interface)| *interface);
        let Some(interface) = found else { return self.fault(call, context, NO_SUCH_INTERFACE) };
        let Some(caller) = &self.security.caller(caller) else {
            self.events.push(called(interface, operation, &stub, false));
            return self.fault(call, context, DENIED);
        };
        let answer = if self.known.port.is_none() || interface.is_on_ports() {
            self.states.call((self.known, interface), caller, operation, &stub, &mut self.events)
        } else {
            Err(DENIED)
        };
        self.events.push(called(interface, operation, &stub, answer.is_ok()));
        match answer {
            Ok(stub) => self.respond(call, context, &stub),
            Err(status) => self.fault(call, context, status),
        }
    }

    fn respond(&mut self, call: u32, context: u16, stub: &[u8]) {
        let chunk = usize::from(self.fragment) - HEADER - self.security.room();
        let count = stub.len().div_ceil(chunk).max(1);
        for number in 0..count {
            let part = stub.get(number * chunk..).map(|rest| rest.get(..chunk).unwrap_or(rest)).unwrap_or_default();
            let mut body = Vec::new();
            body.put_len32(stub.len() - number * chunk).put16(context).put16(0).put(part);
            let flags = u8::from(number == 0) | u8::from(number + 1 == count) << 1;
            let mut pdu = framed(RESPONSE, flags, call, &body, &[]);
            self.security.close(&mut pdu, HEADER);
            self.send(pdu);
        }
    }

    fn fault(&mut self, call: u32, context: u16, status: u32) {
        let mut body = Vec::new();
        body.put32(32).put16(context).put16(0).put32(status).put32(0);
        self.send(framed(FAULT, WHOLE, call, &body, &[]));
    }

    fn send(&mut self, pdu: Vec<u8>) {
        self.unread += pdu.len();
        self.output.push_back(pdu);
    }
}

/// Whether numbers of a PDU have their lowest byte first (C706 section 14.1).
fn is_little(pdu: &[u8]) -> bool {
    pdu.byte(4).is_some_and(|representation| representation & 0xf0 != 0)
}

/// The number of a call in the header of whatever came.
fn call_of(pdu: &[u8]) -> u32 {
    let call = pdu.le32(12).unwrap_or(0);
    if is_little(pdu) { call } else { call.swap_bytes() }
}

/// A PDU with a verifier, whose length counts its token alone.
fn framed(kind: u8, flags: u8, call: u32, body: &[u8], verifier: &[u8]) -> Vec<u8> {
    let mut pdu = vec![5, 0, kind, flags, 0x10, 0, 0, 0, 0, 0];
    pdu.put_len16(verifier.len().saturating_sub(8)).put32(call).put(body).put(verifier);
    let len = u16::try_from(pdu.len()).unwrap_or(u16::MAX);
    patch(&mut pdu, 8, &len.to_le_bytes());
    pdu
}

fn called(interface: Interface, operation: u16, stub: &[u8], is_answered: bool) -> Event {
    let name = interface.name();
    let decoded = serde_json::json!({ "interface": name, "operation": operation, "answered": is_answered });
    let event = Event::new("request", format!("RPC {name} operation {operation}")).with("decoded", decoded);
    crate::handlers::recording::with_payload(event, stub.get(..512).unwrap_or(stub), stub.len() > 512)
}

#[cfg(test)]
mod tests;
