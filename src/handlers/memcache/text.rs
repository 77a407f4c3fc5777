//! The text protocol (memcached's doc/protocol.txt), answered as memcached 1.6 does.

use serde_json::{Map, Value};

use super::super::recording::put_text;
use super::dialogue::{Next, Set, Visit};
use super::item::{Item, expiry};
use super::store::{Counted, Mode, NoRoom, Outcome};
use super::{administration, meta, stats};

/// Bytes of a key (protocol.txt, "Keys").
pub(super) const MAX_KEY: usize = 250;
pub(super) const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";
pub(super) const NOT_NUMERIC: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";
pub(super) const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";
pub(super) const NO_MEMORY: &str = "SERVER_ERROR out of memory storing object";
const NO_MEMORY_TO_READ: &str = "SERVER_ERROR out of memory writing get response";
/// Largest announced value that is a number at all (INT_MAX less the line end).
const MAX_ANNOUNCED: i64 = 0x7fff_fffd;

/// Answers one line (without its end).
pub(super) fn command(line: &[u8], visit: &mut Visit<'_>) -> Next {
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
    let Some((&verb, rest)) = words.split_first() else {
        visit.reply.line("ERROR");
        visit.record(line, Map::new(), None);
        return Next::Command;
    };
    let mode = match verb {
        b"set" | b"cas" => Some(Mode::Set),
        b"add" => Some(Mode::Add),
        b"replace" => Some(Mode::Replace),
        b"append" => Some(Mode::Append),
        b"prepend" => Some(Mode::Prepend),
        _ => None,
    };
    let next = match mode {
        Some(mode) => store(line, verb, mode, rest, visit),
        None if verb == b"ms" => meta::set(line, rest, visit),
        None => {
            let next = simple(verb, rest, visit);
            visit.record(line, decoded(verb, rest), None);
            next
        }
    };
    if !matches!(next, Next::Value(..)) {
        visit.reply.end();
    }
    next
}

/// Commands without a value.
fn simple(verb: &[u8], rest: &[&[u8]], visit: &mut Visit<'_>) -> Next {
    match verb {
        b"get" | b"bget" => get(rest, false, visit),
        b"gets" => get(rest, true, visit),
        b"gat" => get_and_touch(rest, false, visit),
        b"gats" => get_and_touch(rest, true, visit),
        b"incr" => count(rest, true, visit),
        b"decr" => count(rest, false, visit),
        b"delete" => delete(rest, visit),
        b"touch" => touch(rest, visit),
        b"flush_all" => flush(rest, visit),
        b"stats" => stats::text(rest, visit),
        b"version" => visit.reply.line(format!("VERSION {}", visit.server.version)),
        b"verbosity" => administration::verbosity(rest, visit),
        b"mg" | b"md" | b"ma" | b"me" | b"mn" => meta::command(verb, rest, visit),
        b"quit" => return Next::Close,
        _ => return administration::command(verb, rest, visit),
    }
    Next::Command
}

/// `set`, `add`, `replace`, `append`, `prepend`: KEY FLAGS EXPTIME BYTES [noreply]; `cas` has the number before `noreply`.
fn store(line: &[u8], verb: &[u8], mode: Mode, words: &[&[u8]], visit: &mut Visit<'_>) -> Next {
    let is_cas = verb == b"cas";
    let (head, cas, tail) = match (words, is_cas) {
        ([head @ .., cas, b"noreply"], true) if head.len() == 4 => (head, Some(*cas), true),
        ([head @ .., cas], true) if head.len() == 4 => (head, Some(*cas), false),
        ([head @ .., last], false) if head.len() == 4 => (head, None, *last == b"noreply"),
        (head, false) if head.len() == 4 => (head, None, false),
        _ => return refuse(line, verb, words, false, "ERROR", visit),
    };
    let cas = cas.map_or(Some(0), unsigned);
    let (Some(key), Some(flags), Some(exptime), Some(size), Some(cas)) = (
        head.first().filter(|key| key.len() <= MAX_KEY),
        head.get(1).and_then(|word| unsigned(word)),
        head.get(2).and_then(|word| signed(word)),
        head.get(3).and_then(|word| signed(word)).filter(|size| (0..=MAX_ANNOUNCED).contains(size)),
        cas,
    ) else {
        return refuse(line, verb, words, tail, BAD_FORMAT, visit);
    };
    let set = Set {
        line: line.to_vec(),
        mode,
        key: key.to_vec(),
        // As memcached: the low 32 bits of whatever number it was.
        flags: u32::try_from(flags & 0xffff_ffff).unwrap_or(0),
        expires: expiry(exptime, visit.now),
        cas,
        needs_cas: is_cas,
        quiet: tail,
        decoded: decoded(verb, words),
        meta: None,
    };
    announce(set, usize::try_from(size).unwrap_or(usize::MAX), visit)
}

/// Makes room for an announced value, or refuses it and lets it pass by.
pub(super) fn announce(set: Set, size: usize, visit: &mut Visit<'_>) -> Next {
    match visit.cache.promise(&set.key, set.flags, size) {
        Ok(promise) => Next::Value(set, size + 2, promise),
        Err(why) => {
            let answer = if why == NoRoom::TooLarge { TOO_LARGE } else { NO_MEMORY };
            let is_silent = set.quiet && set.meta.is_none();
            visit.record(&set.line, set.decoded, None);
            Next::Swallow(size + 2, if is_silent { Vec::new() } else { format!("{answer}\r\n").into_bytes() })
        }
    }
}

fn refuse(line: &[u8], verb: &[u8], words: &[&[u8]], quiet: bool, answer: &str, visit: &mut Visit<'_>) -> Next {
    visit.reply.line_unless(quiet, answer);
    visit.record(line, decoded(verb, words), None);
    Next::Command
}

/// The announced value has come, its line end with it.
pub(super) fn stored(set: Set, mut value: Vec<u8>, visit: &mut Visit<'_>) {
    let is_whole = value.ends_with(b"\r\n");
    if is_whole {
        value.truncate(value.len() - 2);
    }
    visit.record(&set.line, set.decoded.clone(), Some(&value));
    if !is_whole {
        visit.reply.line_unless(set.quiet && set.meta.is_none(), "CLIENT_ERROR bad data chunk");
    } else if set.meta.is_some() {
        meta::stored(set, value, visit);
    } else {
        let item = Item { value, flags: set.flags, expires: set.expires, ..Item::default() };
        // No item has the number zero: `cas` with it finds nothing or something newer.
        let cas = if set.needs_cas && set.cas == 0 { u64::MAX } else { set.cas };
        let answer = match visit.cache.store(set.mode, &set.key, item, cas, visit.now) {
            Outcome::Stored(_) => "STORED",
            Outcome::NotStored => "NOT_STORED",
            Outcome::Exists => "EXISTS",
            Outcome::NotFound => "NOT_FOUND",
        };
        visit.reply.line_unless(set.quiet, answer);
    }
    visit.reply.end();
}

fn get(keys: &[&[u8]], with_cas: bool, visit: &mut Visit<'_>) {
    read(keys, with_cas, visit, |visit, key| visit.cache.read(key, visit.now));
}

fn get_and_touch(words: &[&[u8]], with_cas: bool, visit: &mut Visit<'_>) {
    let Some((exptime, keys)) = words.split_first() else { return visit.reply.line("ERROR") };
    let Some(exptime) = signed(exptime) else { return visit.reply.line("CLIENT_ERROR invalid exptime argument") };
    if keys.is_empty() {
        // memcached takes a lone lifetime for a list of no keys.
        return visit.reply.line("END");
    }
    let expires = expiry(exptime, visit.now);
    read(keys, with_cas, visit, |visit, key| visit.cache.read_and_touch(key, expires, visit.now));
}

fn read(keys: &[&[u8]], with_cas: bool, visit: &mut Visit<'_>, find: impl Fn(&mut Visit<'_>, &[u8]) -> Option<Item>) {
    if keys.is_empty() {
        return visit.reply.line("ERROR");
    }
    let start = visit.reply.bytes.len();
    for key in keys {
        if key.len() > MAX_KEY {
            visit.reply.bytes.truncate(start);
            return visit.reply.line(BAD_FORMAT);
        }
        let Some(item) = find(visit, key) else { continue };
        if !visit.reply.has_room(item.value.len() + key.len() + 64) {
            visit.reply.bytes.truncate(start);
            return visit.reply.line(NO_MEMORY_TO_READ);
        }
        visit.reply.put(b"VALUE ");
        visit.reply.put(key);
        let cas = if with_cas { format!(" {}", item.cas) } else { String::new() };
        visit.reply.line(format!(" {} {}{cas}", item.flags, item.value.len()));
        visit.reply.line(&item.value);
    }
    visit.reply.line("END");
}

fn count(words: &[&[u8]], up: bool, visit: &mut Visit<'_>) {
    let (key, delta, quiet) = match words {
        [key, delta] => (key, delta, false),
        [key, delta, last] => (key, delta, *last == b"noreply"),
        _ => return visit.reply.line("ERROR"),
    };
    if key.len() > MAX_KEY {
        return visit.reply.line_unless(quiet, BAD_FORMAT);
    }
    let Some(delta) = unsigned(delta) else {
        return visit.reply.line_unless(quiet, "CLIENT_ERROR invalid numeric delta argument");
    };
    let answer = match visit.cache.count(key, delta, up, 0, visit.now) {
        Counted::Value(value, _) => value.to_string(),
        Counted::NotFound | Counted::Exists => "NOT_FOUND".to_owned(),
        Counted::NotNumeric => NOT_NUMERIC.to_owned(),
    };
    visit.reply.line_unless(quiet, answer);
}

fn delete(words: &[&[u8]], visit: &mut Visit<'_>) {
    const USAGE: &str = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
    let (key, quiet) = match words {
        [] => return visit.reply.line("ERROR"),
        [key] | [key, b"0"] => (key, false),
        [key, b"noreply"] | [key, b"0", b"noreply"] => (key, true),
        [_, _] | [_, _, _] => return visit.reply.line(USAGE),
        _ => return visit.reply.line("ERROR"),
    };
    if key.len() > MAX_KEY {
        return visit.reply.line_unless(quiet, BAD_FORMAT);
    }
    let answer = if visit.cache.delete(key, visit.now) { "DELETED" } else { "NOT_FOUND" };
    visit.reply.line_unless(quiet, answer);
}

fn touch(words: &[&[u8]], visit: &mut Visit<'_>) {
    let (key, exptime, quiet) = match words {
        [key, exptime] => (key, exptime, false),
        [key, exptime, last] => (key, exptime, *last == b"noreply"),
        _ => return visit.reply.line("ERROR"),
    };
    if key.len() > MAX_KEY {
        return visit.reply.line_unless(quiet, BAD_FORMAT);
    }
    let Some(exptime) = signed(exptime) else {
        return visit.reply.line_unless(quiet, "CLIENT_ERROR invalid exptime argument");
    };
    let found = visit.cache.touch(key, expiry(exptime, visit.now), visit.now);
    visit.reply.line_unless(quiet, if found { "TOUCHED" } else { "NOT_FOUND" });
}

fn flush(words: &[&[u8]], visit: &mut Visit<'_>) {
    let (delay, quiet) = match words {
        [] => (Some(0), false),
        [b"noreply"] => (Some(0), true),
        [delay] => (signed(delay), false),
        [delay, last] => (signed(delay), *last == b"noreply"),
        _ => return visit.reply.line("ERROR"),
    };
    let Some(delay) = delay else { return visit.reply.line_unless(quiet, "CLIENT_ERROR invalid exptime argument") };
    let at = expiry(delay, visit.now);
    visit.cache.flush(at, visit.now);
    visit.reply.line_unless(quiet, "OK");
}

/// A number as C's strtoll reads a whole word.
pub(super) fn signed(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// A number as C's strtoull reads a whole word, without a minus.
pub(super) fn unsigned(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// The `decoded` object of a command line.
fn decoded(verb: &[u8], words: &[&[u8]]) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("protocol".to_owned(), "text".into());
    put_text(&mut fields, "verb", verb);
    let with_key: &[&[u8]] =
        &[b"set", b"cas", b"add", b"replace", b"append", b"prepend", b"incr", b"decr", b"delete", b"touch", b"get"];
    let is_meta = matches!(verb, [b'm', b'g' | b's' | b'd' | b'a' | b'e']);
    if let Some(key) = words.first().filter(|_| is_meta || with_key.contains(&verb)) {
        put_text(&mut fields, "key", key);
    }
    let names: &[&str] = if words.len() >= 4 && with_key.get(..6).is_some_and(|verbs| verbs.contains(&verb)) {
        &["flags", "exptime", "announced"]
    } else {
        &[]
    };
    for (name, word) in names.iter().zip(words.iter().skip(1)) {
        if let Some(number) = signed(word) {
            fields.insert((*name).to_owned(), number.into());
        }
    }
    fields
}
