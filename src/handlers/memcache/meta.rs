//! The meta commands of the text protocol (memcached's doc/protocol.txt, "Meta Commands"): `mg ms md ma me mn`.

use data_encoding::BASE64;
use serde_json::Map;

use super::super::recording::put_text;
use super::dialogue::{Next, Set, Visit};
use super::store::{Counted, Item, Mode, Outcome, expiry};
use super::text::{BAD_FORMAT, MAX_KEY, NOT_NUMERIC, announce, signed, unsigned};

/// Flags that some meta command knows.
const KNOWN: &[u8] = b"bcCDfFhIJklLMNOPqRstTv";
/// Flags of one command, so that a line cannot ask for an answer many times as long.
const MAX_FLAGS: usize = 32;

/// The flags of one command: a letter, and what follows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags(Vec<(u8, Vec<u8>)>);

impl Flags {
    fn parse(words: &[&[u8]]) -> Result<Self, &'static str> {
        let mut flags = Self::default();
        for (&letter, token) in words.iter().filter_map(|word| word.split_first()) {
            if !KNOWN.contains(&letter) {
                return Err("CLIENT_ERROR invalid flag");
            }
            if flags.has(letter) {
                return Err("CLIENT_ERROR duplicate flag");
            }
            flags.0.push((letter, token.to_vec()));
        }
        if flags.0.len() > MAX_FLAGS { Err("CLIENT_ERROR options flags are too long") } else { Ok(flags) }
    }

    fn has(&self, letter: u8) -> bool {
        self.0.iter().any(|(known, _)| *known == letter)
    }

    fn token(&self, letter: u8) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == letter).map(|(_, token)| token.as_slice())
    }

    /// The number after this flag; an error when it is none.
    fn number(&self, letter: u8) -> Result<Option<u64>, &'static str> {
        let token = self.token(letter);
        let number = token.map(|token| unsigned(token).ok_or("CLIENT_ERROR bad token in command line format"));
        number.transpose()
    }

    fn lifetime(&self, letter: u8, now: u64) -> Result<Option<Option<u64>>, &'static str> {
        let token = self.token(letter);
        let read = |token: &[u8]| signed(token).ok_or("CLIENT_ERROR bad token in command line format");
        Ok(token.map(read).transpose()?.map(|exptime| expiry(exptime, now)))
    }
}

fn key_of(word: &[u8], flags: &Flags) -> Result<Vec<u8>, &'static str> {
    let key = if flags.has(b'b') {
        BASE64.decode(word).map_err(|_| "CLIENT_ERROR error decoding key")?
    } else {
        word.to_vec()
    };
    if key.is_empty() || key.len() > MAX_KEY { Err(BAD_FORMAT) } else { Ok(key) }
}

/// Everything but `ms`.
pub(super) fn command(verb: &[u8], words: &[&[u8]], visit: &mut Visit<'_>) {
    visit.cache.counts.cmd_meta += 1;
    if verb == b"mn" {
        return visit.reply.line("MN");
    }
    let Some((&word, rest)) = words.split_first() else { return visit.reply.line("ERROR") };
    if word.len() > MAX_KEY {
        return visit.reply.line(BAD_FORMAT);
    }
    let outcome = Flags::parse(rest).and_then(|flags| {
        let key = key_of(word, &flags)?;
        match verb {
            b"mg" => get(word, &key, &flags, visit),
            b"md" => delete(word, &key, &flags, visit),
            b"ma" => arithmetic(word, &key, &flags, visit),
            _ => {
                debug(word, &key, visit);
                Ok(())
            }
        }
    });
    if let Err(answer) = outcome {
        visit.reply.line(answer);
    }
}

/// What the flags ask for, in their order.
fn shown(flags: &Flags, word: &[u8], item: Option<&Item>, size: usize, now: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for (letter, token) in &flags.0 {
        let text = match (letter, item) {
            (b'k', _) => [b"k", word].concat(),
            (b'O', _) => [b"O", token.as_slice()].concat(),
            (b'b', _) => b"b".to_vec(),
            (b'c', Some(item)) => format!("c{}", item.cas).into_bytes(),
            (b'f', Some(item)) => format!("f{}", item.flags).into_bytes(),
            (b't', Some(item)) => format!("t{}", item.seconds_left(now)).into_bytes(),
            (b's', Some(_)) => format!("s{size}").into_bytes(),
            (b'h', Some(item)) => format!("h{}", u8::from(item.fetched)).into_bytes(),
            (b'l', Some(item)) => format!("l{}", now.saturating_sub(item.accessed)).into_bytes(),
            _ => continue,
        };
        out.push(b' ');
        out.extend_from_slice(&text);
    }
    out
}

fn get(word: &[u8], key: &[u8], flags: &Flags, visit: &mut Visit<'_>) -> Result<(), &'static str> {
    let now = visit.now;
    let made = flags.lifetime(b'N', now)?;
    let touched = flags.lifetime(b'T', now)?;
    let mut item = visit.cache.read(key, now);
    let mut won = b"".as_slice();
    if let (None, Some(expires)) = (&item, made) {
        let empty = Item { expires, awaited: true, ..Item::default() };
        visit.cache.store(Mode::Set, key, empty, 0, now);
        item = visit.cache.find(key, now).map(|item| item.clone());
        won = b" W";
    } else if item.as_ref().is_some_and(|item| item.awaited) {
        won = b" Z";
    }
    let Some(mut item) = item else {
        visit.reply.line_unless(flags.has(b'q'), "EN");
        return Ok(());
    };
    if let Some(expires) = touched {
        visit.cache.touch(key, expires, now);
        item.expires = expires;
    }
    let shown = shown(flags, word, Some(&item), item.value.len(), now);
    if !flags.has(b'v') {
        visit.reply.line([b"HD", shown.as_slice(), won].concat());
    } else if visit.reply.has_room(item.value.len() + shown.len() + 64) {
        visit.reply.line([format!("VA {}", item.value.len()).as_bytes(), &shown, won].concat());
        visit.reply.line(&item.value);
    } else {
        return Err("SERVER_ERROR out of memory writing get response");
    }
    Ok(())
}

fn delete(word: &[u8], key: &[u8], flags: &Flags, visit: &mut Visit<'_>) -> Result<(), &'static str> {
    let cas = flags.number(b'C')?;
    let answer = match visit.cache.find(key, visit.now).map(|item| item.cas) {
        Some(present) if cas.is_some_and(|cas| cas != present) => b"EX".as_slice(),
        _ if visit.cache.delete(key, visit.now) => b"HD",
        _ => b"NF",
    };
    let quiet = flags.has(b'q') && answer == b"HD";
    visit.reply.line_unless(quiet, [answer, &shown(flags, word, None, 0, visit.now)].concat());
    Ok(())
}

fn arithmetic(word: &[u8], key: &[u8], flags: &Flags, visit: &mut Visit<'_>) -> Result<(), &'static str> {
    let now = visit.now;
    let up = match flags.token(b'M') {
        None | Some(b"I" | b"i" | b"+" | b"incr") => true,
        Some(b"D" | b"d" | b"-" | b"decr") => false,
        Some(_) => return Err("CLIENT_ERROR invalid mode for ma"),
    };
    let delta = flags.number(b'D')?.unwrap_or(1);
    let start = flags.number(b'J')?.unwrap_or(0);
    let made = flags.lifetime(b'N', now)?;
    let touched = flags.lifetime(b'T', now)?;
    let cas = flags.number(b'C')?.unwrap_or(0);
    match visit.cache.count(key, delta, up, cas, now) {
        Counted::NotNumeric => return Err(NOT_NUMERIC),
        Counted::Exists => {
            visit.reply.line("EX");
            return Ok(());
        }
        Counted::NotFound => {
            let Some(expires) = made else {
                visit.reply.line("NF");
                return Ok(());
            };
            let item = Item { value: start.to_string().into_bytes(), expires, ..Item::default() };
            visit.cache.store(Mode::Add, key, item, 0, now);
        }
        Counted::Value(..) => {}
    }
    if let Some(expires) = touched {
        visit.cache.touch(key, expires, now);
    }
    let Some(item) = visit.cache.find(key, now).map(|item| item.clone()) else { return Err("NS") };
    if flags.has(b'q') {
        return Ok(());
    }
    let shown = shown(flags, word, Some(&item), item.value.len(), now);
    if flags.has(b'v') {
        visit.reply.line([format!("VA {}", item.value.len()).as_bytes(), &shown].concat());
        visit.reply.line(&item.value);
    } else {
        visit.reply.line([b"HD", shown.as_slice()].concat());
    }
    Ok(())
}

/// `me`: what the server knows of an item.
fn debug(word: &[u8], key: &[u8], visit: &mut Visit<'_>) {
    let now = visit.now;
    let Some(item) = visit.cache.find(key, now) else { return visit.reply.line("EN") };
    let (expires, unused) = (item.seconds_left(now), now.saturating_sub(item.accessed));
    let (cas, size) = (item.cas, item.size(key));
    let fetched = if item.fetched { "yes" } else { "no" };
    let (class, _) = super::stats::class_of(size);
    visit.reply.put(b"ME ");
    visit.reply.put(word);
    visit.reply.line(format!(" exp={expires} la={unused} cas={cas} fetch={fetched} cls={class} size={size}"));
}

/// `ms KEY BYTES FLAGS*`: the value follows.
pub(super) fn set(line: &[u8], words: &[&[u8]], visit: &mut Visit<'_>) -> Next {
    visit.cache.counts.cmd_meta += 1;
    let mut decoded = Map::new();
    decoded.insert("protocol".to_owned(), "text".into());
    decoded.insert("verb".to_owned(), "ms".into());
    let (outcome, size) = match words {
        [] => (Err("ERROR"), None),
        [word, _, ..] if word.len() > MAX_KEY => (Err(BAD_FORMAT), None),
        [word, size, rest @ ..] => {
            put_text(&mut decoded, "key", word);
            match unsigned(size).filter(|&size| size <= 0x7fff_fffd) {
                Some(size) => (prepared(line, word, rest, visit.now), usize::try_from(size).ok()),
                None => (Err(BAD_FORMAT), None),
            }
        }
        [_] => (Err(BAD_FORMAT), None),
    };
    match (outcome, size) {
        (Ok(set), Some(size)) => announce(Set { decoded, ..set }, size, visit),
        (outcome, size) => {
            visit.reply.line(outcome.err().unwrap_or(BAD_FORMAT));
            visit.record(line, decoded, None);
            // A readable length is believed: the value shall not be taken for commands.
            size.map_or(Next::Command, |size| Next::Swallow(size + 2, ""))
        }
    }
}

fn prepared(line: &[u8], word: &[u8], rest: &[&[u8]], now: u64) -> Result<Set, &'static str> {
    let flags = Flags::parse(rest)?;
    let mode = match flags.token(b'M') {
        None | Some(b"S" | b"s" | b"set") => Mode::Set,
        Some(b"E" | b"e" | b"add") => Mode::Add,
        Some(b"A" | b"a" | b"append") => Mode::Append,
        Some(b"P" | b"p" | b"prepend") => Mode::Prepend,
        Some(b"R" | b"r" | b"replace") => Mode::Replace,
        Some(_) => return Err("CLIENT_ERROR invalid mode for ms"),
    };
    Ok(Set {
        line: line.to_vec(),
        mode,
        key: key_of(word, &flags)?,
        flags: u32::try_from(flags.number(b'F')?.unwrap_or(0) & 0xffff_ffff).unwrap_or(0),
        expires: flags.lifetime(b'T', now)?.flatten(),
        cas: flags.number(b'C')?.unwrap_or(0),
        needs_cas: false,
        quiet: flags.has(b'q'),
        decoded: Map::new(),
        meta: Some((word.to_vec(), flags)),
    })
}

/// The value of an `ms` has come.
pub(super) fn stored(set: Set, value: Vec<u8>, visit: &mut Visit<'_>) {
    let Some((word, flags)) = set.meta else { return };
    let size = value.len();
    let item = Item { value, flags: set.flags, expires: set.expires, ..Item::default() };
    let answer = match visit.cache.store(set.mode, &set.key, item, set.cas, visit.now) {
        Outcome::Stored(_) if set.quiet => return,
        Outcome::Stored(_) => b"HD".as_slice(),
        Outcome::NotStored => b"NS",
        Outcome::Exists => b"EX",
        Outcome::NotFound => b"NF",
    };
    let now = visit.now;
    let item = visit.cache.find(&set.key, now).map(|item| item.clone());
    visit.reply.line([answer, &shown(&flags, &word, item.as_ref(), size, now)].concat());
}
