//! What operators use: the crawler, slabs and lists of the text protocol; nothing here changes what is stored.

use super::dialogue::{Next, Visit};
use super::stats;
use super::text::{BAD_FORMAT, signed, unsigned};

/// What operators use, and what is no command at all.
pub(super) fn command(verb: &[u8], rest: &[&[u8]], visit: &mut Visit<'_>) -> Next {
    let answer = match (verb, rest) {
        (b"lru_crawler", _) => return crawler(rest, visit),
        (b"slabs", _) => slabs(rest),
        (b"lru", _) => lru(rest),
        (b"cache_memlimit", [limit, tail @ ..]) => match unsigned(limit) {
            None => "ERROR",
            Some(..8) => "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
            Some(_) if tail == [b"noreply"] => return Next::Command,
            Some(_) => "OK",
        },
        (b"extstore", [b"free_memchunks", _, _]) => "OK",
        (b"shutdown", _) => "ERROR: shutdown not enabled",
        (b"refresh_certs", _) => "Error TLS not enabled",
        (
            b"watch",
            [] | [b"rawcmds" | b"fetchers" | b"mutations" | b"evictions" | b"connevents" | b"deletions", ..],
        ) => {
            visit.reply.line("OK");
            return Next::Watch;
        }
        // A browser, or one who looks for a browser's server: memcached hangs up.
        _ if rest.last().is_some_and(|word| word.starts_with(b"HTTP/")) => return Next::Close,
        _ => "ERROR",
    };
    visit.reply.line(answer);
    Next::Command
}

/// Slab classes, counted from one.
const CLASSES: u64 = 63;

/// `lru_crawler`: the thread that looks for items that have expired.
fn crawler(rest: &[&[u8]], visit: &mut Visit<'_>) -> Next {
    let is_class = |word: &[u8]| unsigned(word).is_some_and(|class| (1..=CLASSES).contains(&class));
    let answer = match rest {
        [b"enable"] if std::mem::take(&mut visit.cache.crawler_is_off) => "OK",
        [b"enable"] => "ERROR failed to start lru crawler thread",
        [b"disable"] => {
            visit.cache.crawler_is_off = true;
            "OK"
        }
        [b"sleep", micros] => match unsigned(micros) {
            None => BAD_FORMAT,
            Some(0..=1_000_000) => "OK",
            Some(_) => "CLIENT_ERROR sleep must be one second or less",
        },
        [b"tocrawl", count] if unsigned(count).is_none() => BAD_FORMAT,
        [b"tocrawl", _] => "OK",
        [b"crawl" | b"metadump", _] if visit.cache.crawler_is_off => "CLIENT_ERROR lru crawler disabled",
        [b"crawl", b"all"] => "OK",
        [b"metadump", b"all" | b"hash"] if !visit.reply.has_room(stats::MAX_ANSWER) => stats::NO_MEMORY,
        [b"metadump", b"all" | b"hash"] => {
            stats::metadump(visit);
            "END"
        }
        [b"crawl" | b"metadump", list] if !list.split(|&byte| byte == b',').all(is_class) => {
            "BADCLASS invalid class id"
        }
        [b"crawl", _] => "OK",
        [b"metadump", _] => "END",
        _ => "ERROR",
    };
    visit.reply.line(answer);
    Next::Command
}

/// `slabs`: pages that go from one class to another.
fn slabs(rest: &[&[u8]]) -> &'static str {
    match rest {
        [b"automove", b"ratio", ratio] if is_decimal(ratio) => "OK",
        [b"automove", level] if unsigned(level).is_some() => "OK",
        [b"automove", _, ..] => BAD_FORMAT,
        [b"reassign", from, to] => match (signed(from), signed(to)) {
            (Some(from), Some(to)) if from == to => "SAME src and dst class are identical",
            (Some(-1..=63), Some(0..=63)) => "NOSPARE source class has no spare pages",
            (Some(_), Some(_)) => "BADCLASS invalid src or dst class id",
            _ => BAD_FORMAT,
        },
        _ => "ERROR",
    }
}

/// `lru`: how the lists of items are kept.
fn lru(rest: &[&[u8]]) -> &'static str {
    match rest {
        [b"mode", b"flat" | b"segmented"] => "OK",
        [b"temp_ttl", secs] if signed(secs).is_some() => "OK",
        [b"tune", hot, warm, hot_age, warm_age] if is_decimal(hot_age) && is_decimal(warm_age) => {
            match (unsigned(hot), unsigned(warm)) {
                (Some(hot), Some(warm)) if hot.saturating_add(warm) <= 80 => "OK",
                (Some(_), Some(_)) => "ERROR hot and warm pcts must not exceed 80",
                _ => "ERROR",
            }
        }
        _ => "ERROR",
    }
}

fn is_decimal(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| word.parse::<f64>().is_ok_and(f64::is_finite))
}

/// `verbosity LEVEL`, which is shown in the settings.
pub(super) fn verbosity(words: &[&[u8]], visit: &mut Visit<'_>) {
    match words {
        [] | [_, _, _, _, ..] => visit.reply.line("ERROR"),
        [b"noreply"] => visit.cache.verbosity = 0,
        [level, rest @ ..] => match unsigned(level) {
            Some(level) => {
                visit.cache.verbosity = level;
                visit.reply.line_unless(rest.last() == Some(&b"noreply".as_slice()), "OK");
            }
            None => visit.reply.line(BAD_FORMAT),
        },
    }
}
