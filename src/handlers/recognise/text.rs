//! Protocols whose first message is text.

use super::look::{Doubt, Seen, must};

type Outcome = Result<(), Doubt>;

/// The identification of an SSH client (RFC 4253 section 4.2).
pub(super) fn ssh(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"SSH-")
}

/// The version of an RFB client that does not wait (RFC 6143 section 7.1.1).
pub(super) fn rfb(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"RFB 00")
}

/// A request to an ADB server (not a device): its length as four hexadecimal digits.
pub(super) fn adb_server(seen: Seen<'_>) -> Outcome {
    for at in 0..4 {
        must(seen.byte(at)?.is_ascii_hexdigit())?;
    }
    seen.literal(4, b"host")?;
    must(matches!(seen.byte(8)?, b':' | b'-'))
}

/// The greeting of a T3 client of WebLogic.
pub(super) fn weblogic_t3(seen: Seen<'_>) -> Outcome {
    let version = seen.word(&["t3 ", "t3s "])?;
    must(seen.byte(version)?.is_ascii_digit())
}

/// A job for a printer: the escape to its job language, or a command of that language (HP, "PJL Technical Reference").
pub(super) fn pjl(seen: Seen<'_>) -> Outcome {
    seen.word(&["\x1b%-12345X", "@PJL"]).map(|_| ())
}

/// A command to a line printer daemon (RFC 1179 section 5): a small number, a queue, operands, line end.
pub(super) fn lpd(seen: Seen<'_>) -> Outcome {
    must((1..=5).contains(&seen.byte(0)?))?;
    let queue = seen.from(1).run(64, |byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))?;
    must(matches!(seen.byte(1 + queue.len())?, b' ' | b'\n'))
}

/// The method of a request line; the place of what follows its blank.
fn method(seen: Seen<'_>) -> Result<usize, Doubt> {
    const LONGEST: usize = 24;
    let method = seen.run(LONGEST, |byte| byte.is_ascii_uppercase() || byte == b'_' || byte == b'-')?;
    must(seen.byte(method.len())? == b' ')?;
    Ok(method.len() + 1)
}

/// The last word of the request line begins like this.
fn version(seen: Seen<'_>, wanted: &[u8]) -> Outcome {
    let word = seen.line()?.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    must(word.starts_with(wanted))
}

/// A request of SIP (RFC 3261 section 7.1): told by the scheme of its target.
pub(super) fn sip(seen: Seen<'_>) -> Outcome {
    seen.from(method(seen)?).word_in_any_case(&["sip:", "sips:", "tel:"]).map(|_| ())
}

/// A request of RTSP (RFC 7826 section 4.2): told by scheme or version.
pub(super) fn rtsp(seen: Seen<'_>) -> Outcome {
    let target = seen.from(method(seen)?);
    match target.word_in_any_case(&["rtsp://", "rtsps://", "rtspu://"]) {
        Ok(_) => return Ok(()),
        Err(Doubt::Short) => return Err(Doubt::Short),
        Err(Doubt::Unfit) => {}
    }
    // `OPTIONS /` may be HTTP as well; every other method with a path is left to HTTP.
    must(seen.0.starts_with(b"OPTIONS ") || seen.0.starts_with(b"DESCRIBE ") || seen.0.starts_with(b"SETUP "))?;
    version(seen, b"RTSP/")
}

/// A request of HTTP, 0.9 to 2 (RFC 9112 section 3; the preface of RFC 9113 section 3.4 has the same form).
pub(super) fn http(seen: Seen<'_>) -> Outcome {
    let target = seen.from(method(seen)?);
    match target.word_in_any_case(&["/", "http://", "https://"]) {
        Ok(_) => Ok(()),
        Err(Doubt::Short) => Err(Doubt::Short),
        Err(Doubt::Unfit) => version(seen, b"HTTP/"),
    }
}

/// The opening of an XMPP stream (RFC 6120 section 4.2), also behind an XML declaration.
pub(super) fn xmpp(seen: Seen<'_>) -> Outcome {
    const STREAM: &[u8] = b"<stream:stream";
    if seen.byte(0)? != b'<' || seen.byte(1)? != b'?' {
        return seen.literal(0, STREAM);
    }
    seen.literal(0, b"<?xml")?;
    let end = memchr::memmem::find(seen.0, b"?>").ok_or(Doubt::Short)?;
    let rest = seen.from(end + 2);
    rest.literal(blanks(rest), STREAM)
}

/// How much white space stands at the beginning.
fn blanks(seen: Seen<'_>) -> usize {
    seen.0.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The greeting of an SMTP client that does not wait (RFC 5321 section 4.1.1.1).
pub(super) fn smtp(seen: Seen<'_>) -> Outcome {
    seen.word_in_any_case(&["ehlo ", "helo ", "ehlo\r", "helo\r"]).map(|_| ())
}

/// A command of memcached's text protocol (docs/protocol.txt): lower case always. Commands that store are told by their numbers:
/// Redis has a `set` as well.
pub(super) fn memcached(seen: Seen<'_>) -> Outcome {
    const COMMANDS: [&str; 24] = [
        "stats\r",
        "stats\n",
        "stats ",
        "version\r",
        "version\n",
        "flush_all\r",
        "flush_all\n",
        "flush_all ",
        "verbosity ",
        "get ",
        "gets ",
        "gat ",
        "gats ",
        "delete ",
        "touch ",
        "incr ",
        "decr ",
        "mg ",
        "ms ",
        "md ",
        "mn\r",
        "mn\n",
        "lru ",
        "slabs ",
    ];
    const STORING: [&str; 6] = ["set ", "add ", "replace ", "append ", "prepend ", "cas "];
    match seen.word(&COMMANDS) {
        Ok(_) => return Ok(()),
        Err(Doubt::Short) => return Err(Doubt::Short),
        Err(Doubt::Unfit) => {}
    }
    seen.word(&STORING)?;
    let numbers = seen.line()?.split(|&byte| byte == b' ').skip(2).take(3);
    let count = numbers.clone().filter(|word| !word.is_empty() && word.iter().all(u8::is_ascii_digit)).count();
    must(count == 3)
}

/// A command in RESP (Redis serialization protocol specification): an array of bulk strings.
pub(super) fn redis(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"*")?;
    let count = seen.from(1).run(7, |byte| byte.is_ascii_digit())?;
    seen.literal(1 + count.len(), b"\r\n$")?;
    must(seen.byte(1 + count.len() + 3)?.is_ascii_digit())
}

/// A command of Redis as a plain line; only those that no other protocol has.
pub(super) fn redis_inline(seen: Seen<'_>) -> Outcome {
    const COMMANDS: [&str; 27] = [
        "ping\r",
        "ping\n",
        "info\r",
        "info\n",
        "info ",
        "config get ",
        "config set ",
        "keys ",
        "flushall\r",
        "flushall\n",
        "flushdb\r",
        "flushdb\n",
        "slaveof ",
        "replicaof ",
        "command\r",
        "command\n",
        "command ",
        "dbsize\r",
        "dbsize\n",
        "module load",
        "module list",
        "eval ",
        "client list",
        "client setname",
        "get ",
        "set ",
        "auth ",
    ];
    seen.word_in_any_case(&COMMANDS).map(|_| ())
}

/// The registration of an IRC client (RFC 2812 section 3.1), or its question for capabilities.
pub(super) fn irc(seen: Seen<'_>) -> Outcome {
    seen.word(&["NICK ", "CAP LS", "CAP REQ"]).map(|_| ())
}

/// A call of JSON-RPC outside of HTTP, as mining pools are spoken to: an object, or an array of such, with a method.
pub(super) fn json_rpc(seen: Seen<'_>) -> Outcome {
    let at = if seen.byte(0)? == b'[' { 1 + blanks(seen.from(1)) } else { 0 };
    seen.literal(at, b"{")?;
    let object = seen.from(at);
    let (text, whole) = first_object(object.0);
    let named = [&b"\"method\""[..], b"\"jsonrpc\""].iter().any(|key| memchr::memmem::find(text, key).is_some());
    match (named, whole) {
        (true, _) => Ok(()),
        (false, true) => Err(Doubt::Unfit),
        (false, false) => Err(Doubt::Short),
    }
}

/// The object at the beginning, and whether its end has come.
fn first_object(bytes: &[u8]) -> (&[u8], bool) {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return (bytes.get(..=at).unwrap_or(bytes), true);
                }
            }
            _ => {}
        }
    }
    (bytes, false)
}
