//! The binary protocol (memcached's doc/protocol-binary.xml): 24-byte header, extras, key, value; integers are big-endian.

use serde_json::{Map, Value};

use super::super::recording::put_text;
use super::dialogue::{Next, Visit};
use super::item::{Item, expiry};
use super::operation::{Operation, Status, operation};
use super::stats;
use super::store::{Counted, Mode, NoRoom, Outcome};
use super::text::MAX_KEY;
use crate::events::Event;

/// First byte of a request.
pub(super) const REQUEST: u8 = 0x80;
/// First byte of a response.
const RESPONSE: u8 = 0x81;
/// Bytes of a header.
pub(super) const HEADER_LEN: usize = 24;
/// Bytes of a body that is no value and is still looked at: the SASL exchange.
const MAX_OTHER_BODY: usize = 4_096;

/// A request's header.
#[derive(Debug, Clone)]
pub(super) struct Header {
    bytes: [u8; HEADER_LEN],
    opcode: u8,
    key: usize,
    extras: usize,
    body: usize,
    opaque: u32,
    cas: u64,
}

impl Header {
    /// `None` when this is no request: memcached hangs up.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; HEADER_LEN] = bytes.try_into().ok()?;
        let [magic, opcode, k1, k0, extras, _, _, _, b3, b2, b1, b0, o3, o2, o1, o0, cas @ ..] = bytes;
        let header = Self {
            bytes,
            opcode,
            key: usize::from(u16::from_be_bytes([k1, k0])),
            extras: usize::from(extras),
            body: usize::try_from(u32::from_be_bytes([b3, b2, b1, b0])).ok()?,
            opaque: u32::from_be_bytes([o3, o2, o1, o0]),
            cas: u64::from_be_bytes(cas),
        };
        (magic == REQUEST).then_some(header)
    }

    pub(super) const fn bytes(&self) -> [u8; HEADER_LEN] {
        self.bytes
    }

    pub(super) const fn body_len(&self) -> usize {
        self.body
    }

    /// The parts of the body are longer than the body: memcached answers and hangs up.
    fn contradicts_itself(&self) -> bool {
        self.key + self.extras > self.body
    }

    /// The lengths are such as this opcode takes.
    fn is_well_formed(&self) -> bool {
        let value = self.body - self.key - self.extras;
        let key = (1..=MAX_KEY).contains(&self.key);
        match operation(self.opcode).1 {
            Operation::Get { touches, .. } => key && value == 0 && self.extras == if touches { 4 } else { 0 },
            Operation::Store(Mode::Append | Mode::Prepend) => key && self.extras == 0,
            Operation::Store(_) => key && self.extras == 8,
            Operation::Delete => key && self.extras == 0 && value == 0,
            Operation::Count { .. } => key && self.extras == 20 && value == 0,
            Operation::Touch => key && self.extras == 4 && value == 0,
            Operation::Quit | Operation::Noop | Operation::Version => self.body == 0,
            Operation::Flush => self.key == 0 && value == 0 && matches!(self.extras, 0 | 4),
            Operation::Stat => self.extras == 0 && value == 0 && self.key <= MAX_KEY,
            Operation::Verbosity => self.key == 0 && value == 0 && self.extras == 4,
            Operation::SaslList => self.key == 0 && self.extras == 0 && value == 0,
            Operation::SaslAuth => self.key > 0 && self.extras == 0,
            Operation::Other => true,
        }
    }

    /// What is to come after the header.
    pub(super) fn announce(self, visit: &mut Visit<'_>) -> Next {
        let (_, operation, _) = operation(self.opcode);
        if self.contradicts_itself() {
            self.fail(Status::Unknown, visit);
            self.record(&[], visit);
            return Next::Close;
        }
        // memcached knows these opcodes not at all.
        if matches!(operation, Operation::Other | Operation::Verbosity) {
            return self.refuse(Status::Unknown, self.body + self.key + self.extras, visit);
        }
        if !self.is_well_formed() {
            let has_value = self.body > self.key + self.extras;
            let touches =
                matches!(operation, Operation::Touch | Operation::Get { touches: true, .. } | Operation::Stat);
            if !(touches && has_value) {
                self.fail(Status::Invalid, visit);
            }
            self.record(&[], visit);
            return Next::Close;
        }
        if let Operation::Store(_) = operation {
            let key = vec![0; self.key];
            return match visit.cache.promise(&key, 0, self.body - self.key - self.extras) {
                Ok(promise) => Next::Body(self, Some(promise)),
                Err(NoRoom::TooLarge) => self.refuse(Status::TooLarge, self.body, visit),
                Err(NoRoom::Memory) => self.refuse(Status::NoMemory, self.body, visit),
            };
        }
        if self.body > MAX_OTHER_BODY {
            return self.refuse(Status::Unknown, self.body, visit);
        }
        Next::Body(self, None)
    }

    /// Refuses what this header announces. The answer waits until `passed` bytes have gone by: for an opcode that it does not know,
    /// memcached takes away key and extras twice, and the requests behind them are misread.
    fn refuse(&self, status: Status, passed: usize, visit: &mut Visit<'_>) -> Next {
        self.record(&[], visit);
        let answer = self.response(status as u16, &[], &[], status.text().as_bytes(), 0);
        if passed == 0 {
            visit.reply.put(answer);
            visit.reply.end();
            return Next::Command;
        }
        Next::Swallow(passed, answer)
    }

    fn fail(&self, status: Status, visit: &mut Visit<'_>) {
        self.respond(status as u16, &[], &[], status.text().as_bytes(), 0, visit);
    }

    fn respond(&self, status: u16, extras: &[u8], key: &[u8], value: &[u8], cas: u64, visit: &mut Visit<'_>) {
        visit.reply.put(self.response(status, extras, key, value, cas));
    }

    fn response(&self, status: u16, extras: &[u8], key: &[u8], value: &[u8], cas: u64) -> Vec<u8> {
        let body = u32::try_from(extras.len() + key.len() + value.len()).unwrap_or(u32::MAX);
        let mut out = vec![RESPONSE, self.opcode];
        out.extend(u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend([u8::try_from(extras.len()).unwrap_or(u8::MAX), 0]);
        out.extend(status.to_be_bytes());
        out.extend(body.to_be_bytes());
        out.extend(self.opaque.to_be_bytes());
        out.extend(cas.to_be_bytes());
        [out.as_slice(), extras, key, value].concat()
    }

    fn succeed(&self, quiet: bool, cas: u64, visit: &mut Visit<'_>) {
        if !quiet {
            self.respond(0, &[], &[], &[], cas, visit);
        }
    }

    /// The `command` event: opcode and key as a person reads them, the rest in `decoded`.
    fn record(&self, body: &[u8], visit: &mut Visit<'_>) {
        let (name, operation, _) = operation(self.opcode);
        let key = body.get(self.extras..self.extras + self.key).unwrap_or_default();
        let value = body.get(self.extras + self.key..).unwrap_or_default();
        let mut decoded = Map::new();
        decoded.insert("protocol".to_owned(), "binary".into());
        decoded.insert("opcode".to_owned(), self.opcode.into());
        decoded.insert("opaque".to_owned(), self.opaque.into());
        if !key.is_empty() {
            put_text(&mut decoded, "key", key);
        }
        if self.cas != 0 {
            decoded.insert("cas".to_owned(), self.cas.into());
        }
        if self.body > 0 {
            decoded.insert("announced".to_owned(), Value::from(self.body));
        }
        let command = if key.is_empty() { name.as_bytes().to_vec() } else { [name.as_bytes(), b" ", key].concat() };
        let is_store = matches!(operation, Operation::Store(_)) && body.len() == self.body;
        visit.record(&command, decoded, is_store.then_some(value));
    }
}

/// Answers a whole request.
pub(super) fn request(header: &Header, body: &[u8], visit: &mut Visit<'_>) -> Next {
    header.record(body, visit);
    let next = answer(header, body, visit);
    visit.reply.end();
    next
}

fn answer(header: &Header, body: &[u8], visit: &mut Visit<'_>) -> Next {
    let (_, operation, quiet) = operation(header.opcode);
    let (extras, rest) = body.split_at_checked(header.extras).unwrap_or_default();
    let (key, value) = rest.split_at_checked(header.key).unwrap_or_default();
    match operation {
        Operation::Get { key_back, touches } => get(header, extras, key, (key_back, touches, quiet), visit),
        Operation::Store(mode) => store(header, mode, extras, key, (value, quiet), visit),
        Operation::Count { up } => count(header, up, extras, key, quiet, visit),
        Operation::Delete => match visit.cache.find(key, visit.now).map(|item| item.cas) {
            Some(cas) if header.cas != 0 && header.cas != cas => header.fail(Status::Exists, visit),
            _ if visit.cache.delete(key, visit.now) => header.succeed(quiet, 0, visit),
            _ => header.fail(Status::NotFound, visit),
        },
        Operation::Touch => {
            let found = visit.cache.touch(key, lifetime(extras, visit.now), visit.now);
            match visit.cache.find(key, visit.now).map(|item| (item.flags, item.cas)).filter(|_| found) {
                Some((flags, cas)) => header.respond(0, &flags.to_be_bytes(), &[], &[], cas, visit),
                None => header.fail(Status::NotFound, visit),
            }
        }
        Operation::Flush => {
            let at = lifetime(extras, visit.now);
            visit.cache.flush(at, visit.now);
            header.succeed(quiet, 0, visit);
        }
        Operation::Noop => header.succeed(false, 0, visit),
        Operation::Version => {
            let version = visit.server.version.clone();
            header.respond(0, &[], &[], version.as_bytes(), 0, visit);
        }
        Operation::Stat => stat(header, key, visit),
        Operation::Quit => {
            header.succeed(quiet, 0, visit);
            return Next::Close;
        }
        Operation::SaslAuth => {
            login(value, visit);
            header.fail(Status::Unknown, visit);
        }
        Operation::SaslList | Operation::Verbosity | Operation::Other => header.fail(Status::Unknown, visit),
    }
    Next::Command
}

fn get(header: &Header, extras: &[u8], key: &[u8], how: (bool, bool, bool), visit: &mut Visit<'_>) {
    let (key_back, touches, quiet) = how;
    let now = visit.now;
    let item =
        if touches { visit.cache.read_and_touch(key, lifetime(extras, now), now) } else { visit.cache.read(key, now) };
    let shown = if key_back { key } else { &[] };
    match item {
        Some(item) if visit.reply.has_room(item.value.len() + MAX_KEY + HEADER_LEN) => {
            header.respond(0, &item.flags.to_be_bytes(), shown, &item.value, item.cas, visit);
        }
        Some(_) => header.fail(Status::NoMemory, visit),
        None if quiet => {}
        None if key_back => header.respond(Status::NotFound as u16, &[], key, &[], 0, visit),
        None => header.fail(Status::NotFound, visit),
    }
}

fn store(header: &Header, mode: Mode, extras: &[u8], key: &[u8], what: (&[u8], bool), visit: &mut Visit<'_>) {
    let (value, quiet) = what;
    let expires = expiry(i64::from(u32_at(extras, 4)), visit.now);
    let item = Item { value: value.to_vec(), flags: u32_at(extras, 0), expires, ..Item::default() };
    match (visit.cache.store(mode, key, item, header.cas, visit.now), mode) {
        (Outcome::Stored(cas), _) => header.succeed(quiet, cas, visit),
        (Outcome::NotStored, Mode::Add) | (Outcome::Exists, _) => header.fail(Status::Exists, visit),
        (Outcome::NotFound, Mode::Append | Mode::Prepend) => header.fail(Status::NotStored, visit),
        (Outcome::NotStored, Mode::Replace) | (Outcome::NotFound, _) => header.fail(Status::NotFound, visit),
        (Outcome::NotStored, _) => header.fail(Status::NotStored, visit),
    }
}

fn count(header: &Header, up: bool, extras: &[u8], key: &[u8], quiet: bool, visit: &mut Visit<'_>) {
    let number = |at: usize| {
        let bytes = extras.get(at..).and_then(|rest| rest.first_chunk::<8>());
        bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    let (delta, initial, exptime) = (number(0), number(8), u32_at(extras, 16));
    let outcome = match visit.cache.count(key, delta, up, header.cas, visit.now) {
        Counted::NotFound if exptime != u32::MAX => {
            let expires = expiry(i64::from(exptime), visit.now);
            let item = Item { value: initial.to_string().into_bytes(), expires, ..Item::default() };
            match visit.cache.store(Mode::Add, key, item, 0, visit.now) {
                Outcome::Stored(cas) => Ok((initial, cas)),
                _ => Err(Status::NotStored),
            }
        }
        Counted::Value(value, cas) => Ok((value, cas)),
        Counted::NotFound => Err(Status::NotFound),
        Counted::NotNumeric => Err(Status::NotNumeric),
        Counted::Exists => Err(Status::Exists),
    };
    match outcome {
        Ok(_) if quiet => {}
        Ok((value, cas)) => header.respond(0, &[], &[], &value.to_be_bytes(), cas, visit),
        Err(status) => header.fail(status, visit),
    }
}

/// memcached compares the beginning of a name only.
fn stat(header: &Header, key: &[u8], visit: &mut Visit<'_>) {
    if !visit.reply.has_room(stats::MAX_ANSWER) {
        return header.fail(Status::NoMemory, visit);
    }
    let begins = |name: &&&[u8]| key.starts_with(name);
    let known: [&[u8]; 3] = [b"reset", b"settings", b"detail"];
    let pairs = match known.iter().find(begins) {
        Some(&b"detail") => match key.strip_prefix(b"detail").unwrap_or_default() {
            rest if rest.starts_with(b" dump") => Some(vec![("detailed".to_owned(), "END\r\n".to_owned())]),
            rest if rest.starts_with(b" on") || rest.starts_with(b" off") => Some(Vec::new()),
            _ => None,
        },
        Some(name) => stats::section(name, visit),
        None if key == b"extstore" => None,
        None => stats::section(key, visit),
    };
    let Some(pairs) = pairs else { return header.fail(Status::NotFound, visit) };
    for (name, value) in pairs {
        header.respond(0, &[], name.as_bytes(), value.as_bytes(), 0, visit);
    }
    header.succeed(false, 0, visit);
}

/// SASL PLAIN (RFC 4616): authorisation identity, user and password between zero bytes. Recorded only: the server knows no SASL.
fn login(value: &[u8], visit: &mut Visit<'_>) {
    let mut parts = value.splitn(3, |&byte| byte == 0).skip(1);
    if let (Some(user), Some(password)) = (parts.next(), parts.next()) {
        let mut event = Event::new("login", "memcached SASL login, refused");
        put_text(&mut event.fields, "username", user);
        put_text(&mut event.fields, "password", password);
        visit.reply.events.push(event.with("success", false));
    }
}

fn lifetime(extras: &[u8], now: u64) -> Option<u64> {
    expiry(i64::from(u32_at(extras, 0)), now)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
