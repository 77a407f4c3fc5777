//! The meta commands of the text protocol (memcached's doc/protocol.txt, "Meta Commands"): `mg ms md ma me mn`.

use data_encoding::BASE64;
use serde_json::Map;

use super::super::recording::put_text;
use super::dialogue::{Next, Set, Visit};
use super::item::{Item, expiry};
use super::store::{Counted, Mode, Outcome};
use super::text::{BAD_FORMAT, MAX_KEY, NOT_NUMERIC, announce, signed, unsigned};

/// Flags that some meta command knows.
const KNOWN: &[u8] = b"bcCDfFhIJklLMNOPqRstTv";
/// Flags of one command (memcached's `MFLAG_MAX_OPT_LENGTH`): a line cannot ask for an answer many times as long.
const MAX_FLAGS: usize = 20;
/// What `md`, `ma` and `ms` call a flag that they cannot use.
const BAD_FLAG: &str = "CLIENT_ERROR invalid or duplicate flag";
const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";
const BAD_KEY: &str = "CLIENT_ERROR error decoding key";
/// What the answers repeat of the question.
const REPEATED: &[u8] = b"kO";

/// The flags of one command: a letter, and what follows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags(Vec<(u8, Vec<u8>)>);

impl Flags {
    fn parse(words: &[&[u8]]) -> Result<Self, &'static str> {
        if words.len() > MAX_FLAGS {
            return Err("CLIENT_ERROR options flags are too long");
        }
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
        Ok(flags)
    }

    /// Every number is one, whether the command looks at it or not.
    fn check(&self) -> Result<(), &'static str> {
        b"NTR".iter().try_for_each(|&letter| self.lifetime(letter, 0).map(drop))?;
        b"CDJ".iter().try_for_each(|&letter| self.number(letter).map(drop))
    }

    /// The key is, or was, written in base64.
    fn is_binary(&self) -> bool {
        self.has(b'b')
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
        let number = token.map(|token| unsigned(token).ok_or(BAD_TOKEN));
        number.transpose()
    }

    fn lifetime(&self, letter: u8, now: u64) -> Result<Option<Option<u64>>, &'static str> {
        let token = self.token(letter);
        let read = |token: &[u8]| signed(token).ok_or(BAD_TOKEN);
        Ok(token.map(read).transpose()?.map(|exptime| expiry(exptime, now)))
    }
}

fn key_of(word: &[u8], flags: &Flags) -> Result<Vec<u8>, &'static str> {
    let key = if flags.has(b'b') { BASE64.decode(word).map_err(|_| BAD_KEY)? } else { word.to_vec() };
    if key.is_empty() || key.len() > MAX_KEY { Err(BAD_FORMAT) } else { Ok(key) }
}

/// Everything but `ms`.
pub(super) fn command(verb: &[u8], words: &[&[u8]], visit: &mut Visit<'_>) {
    visit.cache.counts.cmd_meta += 1;
    if verb == b"mn" {
        return visit.reply.line("MN");
    }
    let Some((&word, rest)) = words.split_first() else {
        return visit.reply.line(if verb == b"me" { BAD_FORMAT } else { "ERROR" });
    };
    if word.len() > MAX_KEY {
        return visit.reply.line(BAD_FORMAT);
    }
    let outcome = Flags::parse(rest).and_then(|flags| {
        flags.check()?;
        let key = key_of(word, &flags)?;
        match verb {
            b"mg" => get(&key, &flags, visit),
            b"md" => delete(&key, &flags, visit),
            b"ma" => arithmetic(&key, &flags, visit),
            _ => {
                debug(word, &key, visit);
                Ok(())
            }
        }
    });
    let outcome = outcome.map_err(|answer| match verb {
        b"md" | b"ma" if matches!(answer, BAD_TOKEN | "CLIENT_ERROR invalid flag" | "CLIENT_ERROR duplicate flag") => {
            BAD_FLAG
        }
        b"me" if answer == BAD_KEY => BAD_FORMAT,
        _ => answer,
    });
    if let Err(answer) = outcome {
        visit.reply.line(answer);
    }
}

/// What the flags ask for, in their order, as far as this command tells it. A key that was stored as base64 is shown so.
fn shown(told: &[u8], flags: &Flags, key: &[u8], is_binary: bool, item: Option<&Item>, now: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for (letter, token) in flags.0.iter().filter(|(letter, _)| told.contains(letter)) {
        let text = match (letter, item) {
            (b'k', _) if is_binary => format!("k{} b", BASE64.encode(key)).into_bytes(),
            (b'k', _) => [b"k", key].concat(),
            (b'O', _) => [b"O", token.as_slice()].concat(),
            (b'c', Some(item)) => format!("c{}", item.cas).into_bytes(),
            (b'f', Some(item)) => format!("f{}", item.flags).into_bytes(),
            (b't', Some(item)) => format!("t{}", item.seconds_left(now)).into_bytes(),
            (b's', Some(item)) => format!("s{}", item.value.len()).into_bytes(),
            (b'h', Some(item)) => format!("h{}", u8::from(item.fetched)).into_bytes(),
            (b'l', Some(item)) => format!("l{}", now.saturating_sub(item.accessed)).into_bytes(),
            _ => continue,
        };
        out.push(b' ');
        out.extend_from_slice(&text);
    }
    out
}

/// Who is to fetch a new value, and whether this one is still good: `W` for the first who asks, `Z` for the others, `X` when it is stale.
fn claim(item: &mut Item, wins: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if wins {
        out.extend_from_slice(b" W");
        item.awaited = true;
    } else if item.awaited {
        out.extend_from_slice(b" Z");
    }
    if item.stale {
        out.extend_from_slice(b" X");
        if !item.awaited {
            out.extend_from_slice(b" W");
            item.awaited = true;
        }
    }
    out
}

fn get(key: &[u8], flags: &Flags, visit: &mut Visit<'_>) -> Result<(), &'static str> {
    let now = visit.now;
    let made = flags.lifetime(b'N', now)?;
    let touched = flags.lifetime(b'T', now)?;
    let fresh = flags.lifetime(b'R', now)?.flatten();
    let mut item = visit.cache.read(key, now);
    let mut wins = false;
    if let (None, Some(expires)) = (&item, made) {
        let empty = Item { expires, binary_key: flags.is_binary(), ..Item::default() };
        visit.cache.store(Mode::Set, key, empty, 0, now);
        item = visit.cache.find(key, now).map(|item| item.clone());
        wins = true;
    }
    let Some(mut item) = item else {
        let repeated = shown(REPEATED, flags, key, flags.is_binary(), None, now);
        visit.reply.line_unless(flags.has(b'q'), [b"EN", repeated.as_slice()].concat());
        return Ok(());
    };
    if let Some(expires) = touched {
        visit.cache.touch(key, expires, now);
        item.expires = expires;
    }
    // Too little of its life is left: the first who finds out fetches it anew.
    wins |= !item.awaited && item.expires.zip(fresh).is_some_and(|(end, wanted)| end < wanted);
    let claimed = claim(&mut item, wins);
    if let Some(kept) = visit.cache.find(key, now) {
        kept.awaited = item.awaited;
    }
    let shown = shown(b"kOcftshl", flags, key, item.binary_key, Some(&item), now);
    if !flags.has(b'v') {
        visit.reply.line([b"HD", shown.as_slice(), &claimed].concat());
    } else if visit.reply.has_room(item.value.len() + shown.len() + 64) {
        visit.reply.line([format!("VA {}", item.value.len()).as_bytes(), &shown, &claimed].concat());
        visit.reply.line(&item.value);
    } else {
        return Err("SERVER_ERROR out of memory writing get response");
    }
    Ok(())
}

fn delete(key: &[u8], flags: &Flags, visit: &mut Visit<'_>) -> Result<(), &'static str> {
    let now = visit.now;
    let cas = flags.number(b'C')?;
    let touched = flags.lifetime(b'T', now)?;
    let answer = match visit.cache.find(key, now).map(|item| item.cas) {
        Some(present) if cas.is_some_and(|cas| cas != present) => b"EX".as_slice(),
        Some(_) if flags.has(b'I') => {
            visit.cache.outdate(key, touched, now);
            b"HD"
        }
        _ if visit.cache.delete(key, now) => b"HD",
        _ => b"NF",
    };
    let quiet = flags.has(b'q') && answer == b"HD";
    visit.reply.line_unless(quiet, [answer, &shown(REPEATED, flags, key, flags.is_binary(), None, now)].concat());
    Ok(())
}

fn arithmetic(key: &[u8], flags: &Flags, visit: &mut Visit<'_>) -> Result<(), &'static str> {
    let now = visit.now;
    let up = match flags.token(b'M') {
        None | Some(b"I" | b"+") => true,
        Some(b"D" | b"-") => false,
        Some([_]) => return Err("CLIENT_ERROR invalid mode for ma M token"),
        Some(_) => return Err(BAD_FLAG),
    };
    let delta = flags.number(b'D')?.unwrap_or(1);
    let start = flags.number(b'J')?.unwrap_or(0);
    let made = flags.lifetime(b'N', now)?;
    let touched = flags.lifetime(b'T', now)?;
    let cas = flags.number(b'C')?.unwrap_or(0);
    let failed = |code: &[u8]| [code, &shown(REPEATED, flags, key, flags.is_binary(), None, now)].concat();
    let value = match (visit.cache.count(key, delta, up, cas, now), made) {
        (Counted::NotNumeric, _) => return Err(NOT_NUMERIC),
        (Counted::Exists, _) => {
            visit.reply.line(failed(b"EX"));
            return Ok(());
        }
        (Counted::NotFound, None) => {
            visit.reply.line(failed(b"NF"));
            return Ok(());
        }
        (Counted::NotFound, Some(expires)) => {
            let value = start.to_string().into_bytes();
            let item = Item { value, expires, binary_key: flags.is_binary(), ..Item::default() };
            visit.cache.store(Mode::Add, key, item, 0, now);
            start
        }
        (Counted::Value(value, _), _) => value,
    };
    if let Some(expires) = touched {
        visit.cache.touch(key, expires, now);
    }
    let Some(item) = visit.cache.find(key, now).map(|item| item.clone()) else { return Err("NS") };
    if flags.has(b'q') {
        return Ok(());
    }
    let shown = shown(b"kOct", flags, key, item.binary_key, Some(&item), now);
    if flags.has(b'v') {
        // The number alone, without the blanks that a shorter one leaves in its item.
        let value = value.to_string();
        visit.reply.line([format!("VA {}", value.len()).as_bytes(), &shown].concat());
        visit.reply.line(value);
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
            size.map_or(Next::Command, |size| Next::Swallow(size + 2, Vec::new()))
        }
    }
}

fn prepared(line: &[u8], word: &[u8], rest: &[&[u8]], now: u64) -> Result<Set, &'static str> {
    let flags = Flags::parse(rest)?;
    if flags.number(b'J').is_err() {
        return Err("CLIENT_ERROR invalid numeric initial value");
    }
    flags.check()?;
    let mode = match flags.token(b'M') {
        None | Some(b"S") => Mode::Set,
        Some(b"E") => Mode::Add,
        Some(b"A") => Mode::Append,
        Some(b"P") => Mode::Prepend,
        Some(b"R") => Mode::Replace,
        Some([_]) => return Err("CLIENT_ERROR invalid mode for ms M token"),
        Some(_) => return Err("CLIENT_ERROR incorrect length for M token"),
    };
    let number = flags.number(b'F').map_err(|_| BAD_FORMAT)?.unwrap_or(0);
    Ok(Set {
        line: line.to_vec(),
        mode,
        key: key_of(word, &flags)?,
        flags: u32::try_from(number & 0xffff_ffff).unwrap_or(0),
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
    let Some((_, flags)) = set.meta else { return };
    let (now, binary_key) = (visit.now, flags.is_binary());
    let present = visit.cache.find(&set.key, now).map(|item| (item.cas, item.expires, item.awaited));
    // `I`: a value that is older than the present one is taken, and is stale from the beginning; all else stays.
    let older = present.filter(|(number, ..)| flags.has(b'I') && set.cas != 0 && set.cas < *number);
    let (cas, expires, awaited) = older.map_or((set.cas, set.expires, false), |(_, end, awaited)| (0, end, awaited));
    let stale = older.is_some();
    let item = Item { value, flags: set.flags, expires, binary_key, stale, awaited, ..Item::default() };
    let answer = match visit.cache.store(set.mode, &set.key, item, cas, now) {
        Outcome::Stored(_) if set.quiet => return,
        Outcome::Stored(_) => b"HD".as_slice(),
        Outcome::NotStored => b"NS",
        Outcome::Exists => b"EX",
        Outcome::NotFound => b"NF",
    };
    let item = visit.cache.find(&set.key, now).map(|item| item.clone());
    visit.reply.line([answer, &shown(b"kOc", &flags, &set.key, binary_key, item.as_ref(), now)].concat());
}
