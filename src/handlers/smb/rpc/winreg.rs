//! winreg (MS-RRP): the registry over the network, as administrators read it. The secrets of accounts are not given away.

use super::handle::{self, Kind, handle};
use super::ndr::{Results, Stub};
use super::registry::{self, Key, Value};
use super::{Answer, BAD_STUB, Caller, DENIED, NO_SUCH_OPERATION};
use crate::events::Event;

/// Keys that one pipe has open.
const MAX_OPEN: usize = 64;
/// Results of MS-ERREF 2.2.
const FILE_NOT_FOUND: u32 = 2;
const ACCESS_DENIED: u32 = 5;
const INVALID_HANDLE: u32 = 6;
const NOT_ENOUGH_MEMORY: u32 = 8;
const MORE_DATA: u32 = 234;
const NO_MORE_ITEMS: u32 = 259;
/// REG_CREATED_NEW_KEY and REG_OPENED_EXISTING_KEY (MS-RRP 3.1.5.7).
const CREATED: u32 = 1;
const OPENED: u32 = 2;
/// Bytes of a key's security descriptor, which is told of, not given.
const DESCRIPTOR: u32 = 180;
/// Only the system itself sees these.
const SECRET: [&str; 2] = ["HKLM\\SAM\\SAM", "HKLM\\SECURITY"];

/// The keys that a visitor has open: their numbers and paths.
#[derive(Debug, Default)]
pub(super) struct Registry {
    open: Vec<(u32, String)>,
    last: u32,
}

/// One call.
struct Call<'a, 'b> {
    caller: &'a Caller<'b>,
    stub: Stub<'a>,
    events: &'a mut Vec<Event>,
}

impl Call<'_, '_> {
    fn keys(&self) -> Vec<Key> {
        let host = self.caller.host;
        host.visitors.with(self.caller.source, self.caller.now, |visitor| registry::keys(host, visitor))
    }

    fn tell(&mut self, kind: &'static str, what: &str, path: &str) {
        self.events.push(Event::new(kind, format!("registry: {what} {path}")).with("path", path));
    }
}

impl Registry {
    pub(super) fn call(&mut self, caller: &Caller<'_>, operation: u16, stub: &[u8], events: &mut Vec<Event>) -> Answer {
        if !caller.is_admin {
            return Err(DENIED);
        }
        let mut call = Call { caller, stub: Stub::new(stub), events };
        let root = match operation {
            0 => "HKCR",
            1 => "HKCU",
            2 => "HKLM",
            4 => "HKU",
            27 => "HKCC",
            _ => "",
        };
        if !root.is_empty() {
            return Ok(self.opened(caller, root.to_owned()));
        }
        match operation {
            // OpenPerformanceData, BaseInitiateSystemShutdown, BaseAbortSystemShutdown, BaseInitiateSystemShutdownEx
            3 | 24 | 25 | 30 => return Err(DENIED),
            5..=23 | 26 | 31 | 35 => {}
            0..=35 => return Err(DENIED),
            _ => return Err(NO_SUCH_OPERATION),
        }
        let given = call.stub.take(handle::LEN).ok_or(BAD_STUB)?;
        let number = handle::number(caller, Kind::Key, given);
        let found = self.open.iter().position(|(one, _)| number == Some(*one));
        let Some((at, path)) = found.and_then(|at| Some((at, self.open.get(at)?.1.clone()))) else {
            return Ok(Results::default().returning(INVALID_HANDLE));
        };
        match operation {
            5 => {
                self.open.remove(at);
                Some(Results::default().put(&[0; handle::LEN]).returning(0))
            }
            6 => self.create(&mut call, &path),
            7 | 35 => delete_key(&mut call, &path),
            8 => delete_value(&mut call, &path),
            9 => enumerate_key(&mut call, &path),
            10 => enumerate_value(&mut call, &path),
            11 => Some(Results::default().returning(0)),
            15 => self.open(&mut call, &path),
            16 => about(&call, &path),
            17 => query(&mut call, &path),
            20 | 31 => save(&mut call, &path),
            22 => set(&mut call, &path),
            26 => Some(Results::default().long(6).returning(0)),
            // LoadKey, ReplaceKey, RestoreKey, UnLoadKey, and security.
            _ => return Err(DENIED),
        }
        .ok_or(BAD_STUB)
    }

    /// A handle for a key.
    fn opened(&mut self, caller: &Caller<'_>, path: String) -> Vec<u8> {
        if self.open.len() >= MAX_OPEN {
            return Results::default().put(&[0; handle::LEN]).returning(NOT_ENOUGH_MEMORY);
        }
        self.last = self.last.wrapping_add(1);
        self.open.push((self.last, path));
        Results::default().put(&handle(caller, Kind::Key, self.last)).returning(0)
    }

    /// BaseRegOpenKey (MS-RRP 3.1.5.15).
    fn open(&mut self, call: &mut Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
        let path = joined(path, &ended(call.stub.name()?));
        let result = if is_secret(&path) {
            ACCESS_DENIED
        } else if registry::children(&call.keys(), &path).is_none() {
            FILE_NOT_FOUND
        } else {
            return Some(self.opened(call.caller, path));
        };
        Some(Results::default().put(&[0; handle::LEN]).returning(result))
    }

    /// BaseRegCreateKey (MS-RRP 3.1.5.7): one that there is is opened.
    fn create(&mut self, call: &mut Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
        let path = joined(path, &ended(call.stub.name()?));
        let is_there = registry::children(&call.keys(), &path).is_some();
        let (host, source, now) = (call.caller.host, call.caller.source, call.caller.now);
        let set = || host.visitors.with(source, now, |visitor| registry::set(host, visitor, path.clone(), None));
        if is_secret(&path) || !is_there && !set() {
            return Some(Results::default().put(&[0; handle::LEN]).long(0).returning(ACCESS_DENIED));
        }
        if !is_there {
            call.tell("request", "created", &path);
        }
        let opened = self.opened(call.caller, path);
        let (given, result) = opened.split_at_checked(handle::LEN)?;
        let result = u32::from_le_bytes(*result.first_chunk()?);
        let disposition = if is_there { OPENED } else { CREATED };
        Some(Results::default().put(given).pointer().long(disposition).returning(result))
    }
}

fn is_secret(path: &str) -> bool {
    SECRET.iter().any(|secret| path.get(..secret.len()).is_some_and(|start| start.eq_ignore_ascii_case(secret)))
}

/// Names have their end marks counted.
fn ended(name: String) -> String {
    name.trim_end_matches('\0').to_owned()
}

fn joined(path: &str, name: &str) -> String {
    registry::real(&format!("{path}\\{}", name.trim_matches('\\')))
}

/// RRP_UNICODE_STRING (MS-RRP 2.2.4), whose length counts the end mark.
fn put_name(out: &mut Results, name: &str) {
    let text = format!("{name}\0");
    out.name(&text).name_text(&text);
}

/// BaseRegQueryInfoKey (MS-RRP 3.1.5.16).
fn about(call: &Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
    let keys = call.keys();
    let Some(children) = registry::children(&keys, path) else {
        return Some(Results::default().returning(FILE_NOT_FOUND));
    };
    let key = keys.iter().find(|key| key.path.eq_ignore_ascii_case(path));
    let values = key.map(|key| key.values.as_slice()).unwrap_or_default();
    let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let mut out = Results::default();
    put_name(&mut out, key.map(|key| key.class.as_str()).unwrap_or_default());
    out.count(children.len()).count(longest(&mut children.iter().map(|name| 2 * name.encode_utf16().count()))).long(0);
    out.count(values.len()).count(longest(&mut values.iter().map(|value| 2 * value.name.encode_utf16().count())));
    out.count(longest(&mut values.iter().map(|value| value.data.len()))).long(DESCRIPTOR);
    out.pair(super::super::wire::filetime(call.caller.host.installed));
    Some(out.returning(0))
}

/// BaseRegEnumKey (MS-RRP 3.1.5.10).
fn enumerate_key(call: &mut Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
    let at = usize::try_from(call.stub.long()?).ok()?;
    let children = registry::children(&call.keys(), path).unwrap_or_default();
    let mut out = Results::default();
    let Some(name) = children.get(at) else {
        return Some(out.name("").long(0).long(0).returning(NO_MORE_ITEMS));
    };
    put_name(&mut out, name);
    // Its class, of which there is none, and when it was written.
    out.pointer().short(2).short(2).pointer().long(1).long(0).long(1).short(0);
    out.pointer().pair(super::super::wire::filetime(call.caller.host.installed));
    Some(out.returning(0))
}

/// What a visitor has room for: bytes of data, when it wants them; `None` when the parameters are unreadable.
fn room(stub: &mut Stub<'_>) -> Option<(bool, usize)> {
    stub.pointed_long()?;
    let wants_data = stub.pointed_text(false)?.is_some();
    let room = stub.pointed_long()?.unwrap_or(0);
    Some((wants_data, usize::try_from(room).ok()?))
}

/// Type, data, and their lengths; what has no room is told of.
fn put_value(out: &mut Results, value: &Value, (wants_data, room): (bool, usize)) -> u32 {
    let (fits, len) = (value.data.len() <= room, value.data.len());
    out.pointer().long(value.kind);
    let sent = if wants_data && fits { len } else { 0 };
    if wants_data && fits {
        out.pointer().count(len).long(0).count(len).put(&value.data);
    } else {
        out.long(0);
    }
    out.pointer().count(len).pointer().count(sent);
    if wants_data && !fits { MORE_DATA } else { 0 }
}

/// BaseRegEnumValue (MS-RRP 3.1.5.11).
fn enumerate_value(call: &mut Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
    let at = usize::try_from(call.stub.long()?).ok()?;
    call.stub.name()?;
    let room = room(&mut call.stub)?;
    let keys = call.keys();
    let values = keys.iter().find(|key| key.path.eq_ignore_ascii_case(path)).map(|key| key.values.as_slice());
    let mut out = Results::default();
    let Some(value) = values.and_then(|values| values.get(at)) else {
        return Some(out.name("").long(0).long(0).long(0).long(0).returning(NO_MORE_ITEMS));
    };
    put_name(&mut out, &value.name);
    let result = put_value(&mut out, value, room);
    Some(out.returning(result))
}

/// BaseRegQueryValue (MS-RRP 3.1.5.17).
fn query(call: &mut Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
    let name = ended(call.stub.name()?);
    let room = room(&mut call.stub)?;
    let keys = call.keys();
    let key = keys.iter().find(|key| key.path.eq_ignore_ascii_case(path));
    let value = key.and_then(|key| key.values.iter().find(|value| value.name.eq_ignore_ascii_case(&name)));
    let mut out = Results::default();
    let Some(value) = value else {
        return Some(out.long(0).long(0).long(0).long(0).returning(FILE_NOT_FOUND));
    };
    let result = put_value(&mut out, value, room);
    Some(out.returning(result))
}

/// BaseRegSetValue (MS-RRP 3.1.5.22).
fn set(call: &mut Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
    let (name, kind) = (ended(call.stub.name()?), call.stub.long()?);
    let len = call.stub.long()?;
    let data = call.stub.take(usize::try_from(len).ok()?)?;
    let (host, source, now) = (call.caller.host, call.caller.source, call.caller.now);
    let is_set = host
        .visitors
        .with(source, now, |visitor| registry::set(host, visitor, path.to_owned(), Some((&name, kind, data))));
    call.tell("command", "set", &format!("{path}\\{name}"));
    Some(Results::default().returning(if is_set { 0 } else { NOT_ENOUGH_MEMORY }))
}

/// BaseRegDeleteKey (MS-RRP 3.1.5.8).
fn delete_key(call: &mut Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
    let path = joined(path, &ended(call.stub.name()?));
    call.tell("command", "deleted", &path);
    let is_there = registry::children(&call.keys(), &path).is_some();
    Some(Results::default().returning(removed(call, &path, None, is_there)))
}

/// BaseRegDeleteValue (MS-RRP 3.1.5.9).
fn delete_value(call: &mut Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
    let name = ended(call.stub.name()?);
    call.tell("command", "deleted", &format!("{path}\\{name}"));
    let keys = call.keys();
    let key = keys.iter().find(|key| key.path.eq_ignore_ascii_case(path));
    let is_there = key.is_some_and(|key| key.values.iter().any(|value| value.name.eq_ignore_ascii_case(&name)));
    Some(Results::default().returning(removed(call, path, Some(&name), is_there)))
}

/// What a source has set it may remove, the rest is protected.
fn removed(call: &Call<'_, '_>, path: &str, name: Option<&str>, is_there: bool) -> u32 {
    let (host, source, now) = (call.caller.host, call.caller.source, call.caller.now);
    match host.visitors.with(source, now, |visitor| registry::remove(visitor, path, name)) {
        true => 0,
        false if is_there => ACCESS_DENIED,
        false => FILE_NOT_FOUND,
    }
}

/// BaseRegSaveKey and BaseRegSaveKeyEx (MS-RRP 3.1.5.20, 3.1.5.31): for what tools read secrets from. The right to it is not given over the network.
fn save(call: &mut Call<'_, '_>, path: &str) -> Option<Vec<u8>> {
    let file = ended(call.stub.name()?);
    let event = Event::new("command", format!("registry: {path} to be saved as {file}"));
    call.events.push(event.with("path", path).with("file", file.as_str()));
    Some(Results::default().returning(ACCESS_DENIED))
}
