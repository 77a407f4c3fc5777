//! Which requests each software refuses before it looks for a resource.

use super::super::answer::Answer;
use super::super::ask::{Ask, decoded};
use super::super::{Head, Version};
use super::{Face, Why, go};

/// Bytes of a request line and of a header field (Apache's LimitRequestLine and LimitRequestFieldSize, of 8,190, and one).
pub(super) const MAX_LINE: usize = 8_191;

impl Face {
    /// Refuses what a web server refuses before it looks for a resource.
    pub(in crate::handlers::http) fn judge(&self, ask: &Ask<'_>) -> Option<Answer> {
        match self {
            Self::Nginx { .. } => self.judge_as_nginx(ask),
            Self::Apache { .. } => self.judge_as_apache(ask),
            Self::Go => go::judge(ask),
            Self::Jetty { .. } => {
                (!ask.head.has_its_host() || !is_host(ask.host)).then(|| self.page(400, ask).closing())
            }
            Self::Esx => (!ask.head.has_its_host()).then(|| self.refusal(Why::Unsaid, ask)),
        }
    }

    fn judge_as_nginx(&self, ask: &Ask<'_>) -> Option<Answer> {
        let head = ask.head;
        let takes_hosts = || ask.authority.into_iter().chain(head.values("host")).all(is_nginx_host);
        let is_old = head.version == Version::Http09 && head.method != "GET";
        if is_old || !head.has_its_host() || !takes_hosts() || has_several_lengths(head) {
            return Some(self.refusal(Why::Unsaid, ask));
        }
        if let Some(status) = coding_status(head) {
            return Some(self.page(status, ask).closing());
        }
        if ask.path.as_ref().is_none_or(|path| path.contains('\0')) {
            return Some(self.refusal(Why::Unsaid, ask));
        }
        matches!(head.method.as_str(), "TRACE" | "CONNECT").then(|| self.page(405, ask).closing())
    }

    fn judge_as_apache(&self, ask: &Ask<'_>) -> Option<Answer> {
        let head = ask.head;
        let takes_host = match ask.host {
            "" => head.version < Version::Http11,
            host => is_apache_host(host),
        };
        let asks_of_all = || head.target == "*" && head.method == "OPTIONS";
        let is_target = !head.target.contains('#')
            && (ask.authority.is_some() || ask.raw_path.starts_with('/') || asks_of_all() || head.method == "CONNECT")
            && (head.method != "CONNECT" || !ask.raw_path.starts_with('/'));
        if head.method.len() + head.target.len() + 10 > MAX_LINE {
            Some(self.page(414, ask).closing())
        } else if head.headers.iter().any(|(name, value)| name.len() + value.len() + 2 > MAX_LINE) {
            Some(self.refusal(Why::LongField, ask))
        } else if !head.has_its_host() || !takes_host || has_several_lengths(head) || !is_target {
            Some(self.refusal(Why::Unsaid, ask))
        } else if ask.authority.is_some() && !is_web(&head.target) {
            Some(self.page(400, ask).closing())
        } else if is_other_expectation(head) {
            Some(self.page(417, ask).cut_off())
        } else if asks_of_all() {
            Some(Answer::empty(200))
        } else if !is_known(&head.method) {
            Some(self.page(501, ask).closing())
        } else if matches!(head.method.as_str(), "TRACE" | "CONNECT") {
            Some(self.page(405, ask))
        } else if has_encoded_slash(ask) {
            Some(self.not_found(ask))
        } else {
            ask.path.is_none().then(|| self.page(400, ask).closing())
        }
    }
}

/// `%2f` in a path that is encoded well (AllowEncodedSlashes Off).
fn has_encoded_slash(ask: &Ask<'_>) -> bool {
    ask.raw_path.to_ascii_lowercase().contains("%2f") && decoded(ask.raw_path).is_some()
}

fn has_several_lengths(head: &Head) -> bool {
    head.values("content-length").flat_map(|value| value.split(',')).count() > 1
}

/// The status that Jetty has for a line that is broken: that of a version that it does not speak, by its first number.
pub(super) fn jetty_status(line: &[u8]) -> u16 {
    let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    let number = version.strip_prefix(b"HTTP/").unwrap_or_default();
    let major = number.split(|&byte| byte == b'.').next().unwrap_or_default();
    let is_number = !major.is_empty() && major.iter().all(u8::is_ascii_digit);
    if is_number && major != b"1" && major != b"0" { 505 } else { 400 }
}

/// nginx takes one transfer coding, in HTTP/1.1.
fn coding_status(head: &Head) -> Option<u16> {
    let mut codings = head.values("transfer-encoding");
    let first = codings.next()?;
    match codings.next() {
        None if head.version == Version::Http11 && first.eq_ignore_ascii_case("chunked") => None,
        None if head.version == Version::Http11 => Some(501),
        _ => Some(400),
    }
}

/// Characters that a Host may have (RFC 3986 section 3.2, as servers take it).
pub(super) fn is_host(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=@".contains(&byte) || byte >= 0x80)
}

/// A host as Apache takes it: a name or an address in brackets, and a number behind a colon.
fn is_apache_host(host: &str) -> bool {
    let (name, port) = match host.rfind(':').filter(|&at| !host.get(at..).is_some_and(|rest| rest.contains(']'))) {
        Some(at) => (host.get(..at).unwrap_or_default(), host.get(at + 1..).unwrap_or_default()),
        None => (host, "0"),
    };
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = match name.strip_prefix('[') {
        Some(address) => address.ends_with(']') && !address.trim_end_matches(']').contains(['[', ']']),
        None => !name.contains(|other: char| !other.is_ascii_alphanumeric() && !"-._~%!$&'()*+,;=".contains(other)),
    };
    is_number && is_name && !matches!(name, "" | ".") && !name.contains("..")
}

/// A host as nginx takes it: anything visible without `/` and `..`, and not only a port.
fn is_nginx_host(host: &str) -> bool {
    let end = match host.strip_prefix('[').and_then(|_| host.find(']')) {
        Some(at) => at + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    let name = host.get(..end).unwrap_or_default();
    !matches!(name, "" | ".")
        && !host.contains("..")
        && !host.bytes().any(|byte| byte <= b' ' || matches!(byte, b'/' | 0x7f))
}

/// The scheme of a target in absolute form is one of the web's.
fn is_web(target: &str) -> bool {
    let scheme = target.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// The client expects what no server knows.
fn is_other_expectation(head: &Head) -> bool {
    head.version == Version::Http11
        && head.values("expect").any(|value| !value.trim().eq_ignore_ascii_case("100-continue"))
}

/// Methods that Apache has registered.
fn is_known(method: &str) -> bool {
    const KNOWN: [&str; 26] = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "CONNECT",
        "OPTIONS",
        "TRACE",
        "PATCH",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "VERSION-CONTROL",
        "CHECKOUT",
        "UNCHECKOUT",
        "CHECKIN",
        "UPDATE",
        "LABEL",
        "REPORT",
        "MKWORKSPACE",
        "MKACTIVITY",
        "MERGE",
    ];
    KNOWN.contains(&method)
}
