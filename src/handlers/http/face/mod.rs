//! The server software that visitors see: which headers it writes in which order, which requests it refuses and how.
//!
//! Taken from what nginx 1.22, Apache 2.4, Go's net/http and Jetty 6 answer to the same requests.

mod file;
mod go;
mod head;
mod page;

use super::answer::Answer;
use super::ask::Ask;
use super::{Fault, Head};
use crate::clock::Timestamp;
pub(in crate::handlers::http) use head::http_date;
use head::{Length, apache_head, jetty_head, nginx_head};
pub(in crate::handlers::http) use page::escaped;
use page::{apache_page, jetty_page, nginx_page};

/// Bytes of a request line and of a header field (Apache's LimitRequestLine; nginx's buffer has 8 KiB).
const MAX_LINE: usize = 8_190;

/// A server software.
#[derive(Debug, Clone)]
pub(super) enum Face {
    /// `Server: nginx/1.22.1`
    Nginx { server: String },
    /// `Server: Apache/2.4.57 (Debian)`; below error pages as well if they are signed, by this host for requests that name none.
    Apache { server: String, signed_by: Option<String> },
    /// Go's net/http.
    Go,
    /// `Server: Jetty(6.1.26)`, as Hadoop 2 has it.
    Jetty { server: String },
}

/// What the head of an answer depends on besides the answer.
pub(super) struct Meta<'a> {
    pub(super) now: Timestamp,
    pub(super) head: Option<&'a Head>,
    /// The connection may carry another request.
    pub(super) keep: bool,
    /// Requests that it may carry after this one.
    pub(super) left: u32,
}

impl Face {
    /// The software of this `Server` header, on a host of this name.
    pub(super) fn named(server: &str, host: &str) -> Self {
        if server.starts_with("nginx") {
            Self::Nginx { server: server.to_owned() }
        } else {
            Self::Apache { server: server.to_owned(), signed_by: Some(host.to_owned()) }
        }
    }

    /// Requests that one connection may carry (MaxKeepAliveRequests, keepalive_requests).
    pub(super) fn max_requests(&self) -> u32 {
        if matches!(self, Self::Apache { .. }) { 101 } else { 1_000 }
    }

    /// Refuses what a web server refuses before it looks for a resource.
    pub(super) fn judge(&self, ask: &Ask<'_>) -> Option<Answer> {
        let head = ask.head;
        let bad = |long| Some(self.refusal(if long { "long field" } else { "" }, 400, ask));
        match self {
            Self::Go => go::judge(ask),
            Self::Jetty { .. } => (!head.has_its_host() || !is_host(ask.host)).then(|| self.page(400, ask).closing()),
            _ if head.method.len() + head.target.len() + 11 > MAX_LINE => Some(self.page(414, ask).closing()),
            _ if head.headers.iter().any(|(name, value)| name.len() + value.len() + 2 > MAX_LINE) => bad(true),
            _ if !head.has_its_host() || !is_host(ask.host) || !self.takes_host(ask) => bad(false),
            _ if head.values("content-length").flat_map(|value| value.split(',')).count() > 1 => bad(false),
            Self::Nginx { .. } if coding_status(head).is_some() => {
                coding_status(head).map(|status| self.page(status, ask).closing())
            }
            Self::Nginx { .. }
                if !head.method.bytes().all(|byte| byte.is_ascii_uppercase() || b"_-".contains(&byte)) =>
            {
                bad(false)
            }
            Self::Nginx { .. } if ask.path.as_ref().is_none_or(|path| path.contains('\0')) => bad(false),
            Self::Nginx { .. } if matches!(head.method.as_str(), "TRACE" | "CONNECT") => {
                Some(self.page(405, ask).closing())
            }
            Self::Nginx { .. } => None,
            Self::Apache { .. } if head.target == "*" && head.method == "OPTIONS" => Some(Answer::empty(200)),
            Self::Apache { .. } if !is_known(&head.method) => Some(self.page(501, ask).closing()),
            Self::Apache { .. } if matches!(head.method.as_str(), "TRACE" | "CONNECT") => Some(self.page(405, ask)),
            Self::Apache { .. } => ask.path.is_none().then(|| self.page(400, ask).closing()),
        }
    }

    /// The answer to a path that there is not.
    pub(super) fn not_found(&self, ask: &Ask<'_>) -> Answer {
        match self {
            Self::Nginx { .. } if !matches!(ask.head.method.as_str(), "GET" | "HEAD" | "POST") => self.page(405, ask),
            Self::Apache { .. } => {
                // What no file can be called.
                let status = if ask.path().split('/').any(|part| part.len() > 255) { 403 } else { 404 };
                self.method_refused(ask).unwrap_or_else(|| self.page(status, ask))
            }
            _ => self.page(404, ask),
        }
    }

    /// The host that HTTP/1.1 asks for is one.
    fn takes_host(&self, ask: &Ask<'_>) -> bool {
        let is_port = || ask.host_name().contains(']') || !ask.host_name().contains(':');
        (ask.head.minor == 0 || !ask.host.is_empty())
            && !ask.host.contains("..")
            && (matches!(self, Self::Nginx { .. }) || is_port())
    }

    /// A file, as the request's conditions and range have it.
    pub(super) fn served(&self, ask: &Ask<'_>, mut answer: Answer) -> Answer {
        match answer.modified.take() {
            Some(modified) => file::served(self, ask, answer, modified),
            None => answer,
        }
    }

    /// The answer to methods that a page does not take; `None` for GET, HEAD and POST.
    pub(super) fn method_refused(&self, ask: &Ask<'_>) -> Option<Answer> {
        match ask.head.method.as_str() {
            "GET" | "HEAD" | "POST" => None,
            "OPTIONS" if matches!(self, Self::Apache { .. }) => {
                Some(Answer::new(200, "text/html", "").header("Allow", "OPTIONS,HEAD,GET,POST"))
            }
            _ => Some(self.page(405, ask)),
        }
    }

    /// The page of a status: its genuine body.
    pub(super) fn page(&self, status: u16, ask: &Ask<'_>) -> Answer {
        self.error_page(status, &ask.head.method, ask.host_name(), ask.named_port(), "")
    }

    fn refusal(&self, why: &str, status: u16, ask: &Ask<'_>) -> Answer {
        self.error_page(status, &ask.head.method, "", ask.named_port(), why).closing()
    }

    /// The answer to what is no request; `remains` is what came. `None` = the end of the connection and nothing else.
    pub(super) fn fault(&self, fault: &Fault, remains: &[u8], host: &str, port: u16) -> Answer {
        let line = remains.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let status = match (fault.status, self) {
            (431, Self::Nginx { .. } | Self::Apache { .. }) if line.len() > MAX_LINE => 414,
            (431, Self::Nginx { .. } | Self::Apache { .. }) => 400,
            (501, Self::Apache { .. }) => 400,
            (400, _) => version_status(line, self),
            (status, _) => status,
        };
        match self {
            Self::Jetty { .. } => return Answer::empty(status).closing(),
            Self::Go => return go::fault(status, remains),
            _ => {}
        }
        let why = if fault.status == 431 && status == 400 { "long field" } else { "" };
        self.error_page(status, "", host, port, why).closing()
    }

    fn error_page(&self, status: u16, method: &str, host: &str, port: u16, why: &str) -> Answer {
        match self {
            Self::Nginx { server } => Answer::new(status, "text/html", nginx_page(server, status, why)),
            Self::Apache { server, signed_by } => {
                let signature = signed_by.as_ref().map_or_else(String::new, |name| {
                    let host = escaped(if host.is_empty() { name } else { host });
                    format!("<hr>\n<address>{server} Server at {host} Port {port}</address>\n")
                });
                let answer =
                    Answer::new(status, "text/html; charset=iso-8859-1", apache_page(status, method, why, &signature));
                if matches!(status, 405 | 501) { answer.header("Allow", "OPTIONS,HEAD,GET,POST") } else { answer }
            }
            Self::Go => {
                let text = if status == 404 {
                    "404 page not found\n".to_owned()
                } else {
                    format!("{status} {}", self.reason(status))
                };
                Answer::new(status, "text/plain; charset=utf-8", text)
            }
            Self::Jetty { .. } => {
                Answer::new(status, "text/html; charset=iso-8859-1", jetty_page(status, self.reason(status)))
            }
        }
    }

    /// The words after the status code.
    pub(super) fn reason(&self, status: u16) -> &'static str {
        let nginx = matches!(self, Self::Nginx { .. });
        match status {
            101 => "UPGRADED",
            200 => "OK",
            201 => "Created",
            202 => "Accepted",
            204 => "No Content",
            206 => "Partial Content",
            301 => "Moved Permanently",
            302 if nginx => "Moved Temporarily",
            302 => "Found",
            304 => "Not Modified",
            401 if nginx => "Authorization Required",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 if nginx => "Not Allowed",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            409 => "Conflict",
            412 => "Precondition Failed",
            413 => "Request Entity Too Large",
            414 if nginx => "Request-URI Too Large",
            414 => "Request-URI Too Long",
            415 => "Unsupported Media Type",
            416 => "Requested Range Not Satisfiable",
            417 => "Expectation Failed",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            503 => "Service Unavailable",
            505 => "HTTP Version Not Supported",
            _ => "Bad Request",
        }
    }

    /// The whole answer as it goes out.
    pub(super) fn write(&self, answer: &Answer, meta: &Meta<'_>) -> Vec<u8> {
        let minor = meta.head.map_or(1, |head| head.minor);
        let (mut text, length) = match self {
            Self::Go => (go::status_line(answer, minor, self.reason(answer.status)), go::length(answer, meta)),
            _ => (format!("HTTP/1.1 {} {}\r\n", answer.status, self.reason(answer.status)), Length::of(answer)),
        };
        match self {
            Self::Nginx { server } => nginx_head(&mut text, server, answer, meta, length),
            Self::Apache { server, .. } => apache_head(&mut text, server, answer, meta, length),
            Self::Go => go::head(&mut text, answer, meta, minor, length),
            Self::Jetty { server } => jetty_head(&mut text, server, answer, meta, minor, length),
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        if meta.head.is_none_or(|head| head.method != "HEAD") {
            match length {
                Length::Chunked if answer.stream.is_none() => go::chunked(&answer.body, &mut bytes),
                _ => bytes.extend_from_slice(&answer.body),
            }
        }
        bytes
    }
}

impl Answer {
    fn closing(mut self) -> Self {
        self.close = true;
        self
    }
}

/// nginx and Apache know what a version is; nginx takes none after 1, Apache wants digits, a dot and digits.
fn version_status(line: &[u8], face: &Face) -> u16 {
    let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    let Some(number) = version.strip_prefix(b"HTTP/") else { return 400 };
    let mut parts = number.splitn(2, |&byte| byte == b'.');
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next());
    match face {
        // The preface of HTTP/2: its target comes before its version.
        Face::Nginx { .. } | Face::Apache { .. } if line.starts_with(b"PRI * ") => 400,
        Face::Nginx { .. } | Face::Jetty { .. } if is_number(major) && major != b"1" && major != b"0" => 505,
        Face::Apache { .. } | Face::Go
            if is_number(major) && major > b"1".as_slice() && minor.is_some_and(is_number) =>
        {
            505
        }
        _ => 400,
    }
}

/// nginx takes one transfer coding, in HTTP/1.1.
fn coding_status(head: &Head) -> Option<u16> {
    let mut codings = head.values("transfer-encoding");
    let first = codings.next()?;
    match codings.next() {
        None if head.minor > 0 && first.eq_ignore_ascii_case("chunked") => None,
        None if head.minor > 0 => Some(501),
        _ => Some(400),
    }
}

/// Characters that a Host may have (RFC 3986 section 3.2, as servers take it).
fn is_host(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=@".contains(&byte) || byte >= 0x80)
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
