//! The server software that visitors see: which headers it writes in which order, which requests it refuses and how.
//!
//! Taken from what nginx 1.22, Apache 2.4, Go's net/http and Jetty 6 answer to the same requests.

use std::borrow::Cow;
use std::fmt::Write;

use jiff::fmt::rfc2822::DateTimePrinter;

use super::answer::{Answer, Framing};
use super::ask::Ask;
use super::{Fault, Head};
use crate::clock::Timestamp;

/// Bytes of a request line and of a header field (Apache's LimitRequestLine; nginx's buffer has 8 KiB).
const MAX_LINE: usize = 8_190;

/// A server software.
#[derive(Debug, Clone)]
pub(super) enum Face {
    /// `Server: nginx/1.22.1`
    Nginx { server: String },
    /// `Server: Apache/2.4.57 (Debian)`; `signed` puts it below error pages, too.
    Apache { server: String, signed: bool },
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
    /// Requests that one connection may carry (MaxKeepAliveRequests, keepalive_requests).
    pub(super) fn max_requests(&self) -> u32 {
        if matches!(self, Self::Apache { .. }) { 101 } else { 1_000 }
    }

    /// Refuses what a web server refuses before it looks for a resource.
    pub(super) fn judge(&self, ask: &Ask<'_>) -> Option<Answer> {
        let head = ask.head;
        let bad = |long| Some(self.refusal(if long { "long field" } else { "" }, 400, ask));
        match self {
            Self::Go | Self::Jetty { .. } => {
                let wrong = !head.has_its_host() || !is_host(ask.host);
                wrong.then(|| self.page(400, ask).closing())
            }
            _ if head.method.len() + head.target.len() + 11 > MAX_LINE => Some(self.page(414, ask).closing()),
            _ if head.headers.iter().any(|(name, value)| name.len() + value.len() + 2 > MAX_LINE) => bad(true),
            _ if !head.has_its_host() || !is_host(ask.host) => bad(false),
            Self::Nginx { .. } if !head.method.bytes().all(|byte| byte.is_ascii_uppercase() || b"_-".contains(&byte)) => {
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
            Self::Apache { .. } => self.method_refused(ask).unwrap_or_else(|| self.page(404, ask)),
            _ => self.page(404, ask),
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
        let why = if fault.status == 431 && status == 400 { "long field" } else { "" };
        self.error_page(status, "", host, port, why).closing()
    }

    fn error_page(&self, status: u16, method: &str, host: &str, port: u16, why: &str) -> Answer {
        match self {
            Self::Nginx { server } => Answer::new(status, "text/html", nginx_page(server, status, why)),
            Self::Apache { server, signed } => {
                let signature = if *signed { format!("<hr>\n<address>{server} Server at {} Port {port}</address>\n", escaped(host)) } else { String::new() };
                let answer = Answer::new(status, "text/html; charset=iso-8859-1", apache_page(status, method, why, &signature));
                if matches!(status, 405 | 501) { answer.header("Allow", "OPTIONS,HEAD,GET,POST") } else { answer }
            }
            Self::Go => {
                let text = if status == 404 { "404 page not found\n".to_owned() } else { format!("{status} {}", self.reason(status)) };
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
            413 => "Request Entity Too Large",
            414 if nginx => "Request-URI Too Large",
            414 => "Request-URI Too Long",
            415 => "Unsupported Media Type",
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
        let version = if matches!(self, Self::Go) { minor } else { 1 };
        let mut text = format!("HTTP/1.{version} {} {}\r\n", answer.status, self.reason(answer.status));
        let length = Length::of(answer);
        match self {
            Self::Nginx { server } => nginx_head(&mut text, server, answer, meta, length),
            Self::Apache { server, .. } => apache_head(&mut text, server, answer, meta, length),
            Self::Go => go_head(&mut text, answer, meta, minor, length),
            Self::Jetty { server } => jetty_head(&mut text, server, answer, meta, minor, length),
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        if meta.head.is_none_or(|head| head.method != "HEAD") {
            bytes.extend_from_slice(&answer.body);
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

/// How the head says where the body ends.
#[derive(Clone, Copy)]
enum Length {
    Bytes(usize),
    Chunked,
    /// 1xx and 204 have no body; a taken-over connection has no end.
    Nothing,
}

impl Length {
    fn of(answer: &Answer) -> Self {
        match answer.stream {
            Some((Framing::Chunked, _)) => Self::Chunked,
            Some((Framing::Raw, _)) => Self::Nothing,
            None if matches!(answer.status, 101 | 204 | 304) => Self::Nothing,
            None => Self::Bytes(answer.body.len()),
        }
    }

    fn write(self, text: &mut String) {
        match self {
            Self::Bytes(bytes) => line(text, "Content-Length", bytes),
            Self::Chunked => line(text, "Transfer-Encoding", "chunked"),
            Self::Nothing => {}
        }
    }
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{name}: {value}\r\n");
}

fn content_type(text: &mut String, answer: &Answer) {
    if let Some(kind) = &answer.content_type {
        line(text, "Content-Type", kind);
    }
}

fn nginx_head(text: &mut String, server: &str, answer: &Answer, meta: &Meta<'_>, length: Length) {
    line(text, "Server", server);
    line(text, "Date", http_date(meta.now));
    content_type(text, answer);
    length.write(text);
    let is_early = |name: &str| matches!(name, "Last-Modified" | "Location");
    for (name, value) in answer.headers.iter().filter(|(name, _)| is_early(name)) {
        line(text, name, value);
    }
    line(text, "Connection", if meta.keep { "keep-alive" } else { "close" });
    for (name, value) in answer.headers.iter().filter(|(name, _)| !is_early(name)) {
        line(text, name, value);
    }
}

fn apache_head(text: &mut String, server: &str, answer: &Answer, meta: &Meta<'_>, length: Length) {
    line(text, "Date", http_date(meta.now));
    line(text, "Server", server);
    for (name, value) in &answer.headers {
        line(text, name, value);
    }
    length.write(text);
    if !meta.keep {
        line(text, "Connection", "close");
    } else if meta.head.is_some_and(|head| head.lists("connection", "keep-alive")) {
        line(text, "Keep-Alive", format_args!("timeout=5, max={}", meta.left));
        line(text, "Connection", "Keep-Alive");
    }
    content_type(text, answer);
}

/// Headers of the program sorted, those of the library after them.
fn go_head(text: &mut String, answer: &Answer, meta: &Meta<'_>, minor: u8, length: Length) {
    let kind = answer.content_type.as_ref().map(|kind| ("Content-Type", kind.as_ref()));
    let mut headers: Vec<(&str, &str)> = answer.headers.iter().map(|(name, value)| (*name, value.as_str())).chain(kind).collect();
    if answer.status == 101 {
        // Written by hand after the connection was taken over: neither sorted nor dated.
        headers.iter().rev().for_each(|(name, value)| line(text, name, value));
        return;
    }
    headers.sort_by_key(|(name, _)| *name);
    headers.iter().for_each(|(name, value)| line(text, name, value));
    line(text, "Date", http_date(meta.now));
    if let Length::Bytes(bytes) = length {
        line(text, "Content-Length", bytes);
    }
    match (minor, meta.keep) {
        (0, true) => line(text, "Connection", "keep-alive"),
        (1, false) if !matches!(length, Length::Nothing) => line(text, "Connection", "close"),
        _ => {}
    }
    if matches!(length, Length::Chunked) {
        line(text, "Transfer-Encoding", "chunked");
    }
}

fn jetty_head(text: &mut String, server: &str, answer: &Answer, meta: &Meta<'_>, minor: u8, length: Length) {
    let date = http_date(meta.now);
    if answer.status < 400 {
        line(text, "Cache-Control", "no-cache");
        for _ in 0..2 {
            line(text, "Expires", &date);
            line(text, "Date", &date);
            line(text, "Pragma", "no-cache");
        }
    } else {
        line(text, "Cache-Control", "must-revalidate,no-cache,no-store");
        line(text, "Date", &date);
        line(text, "Pragma", "no-cache");
    }
    content_type(text, answer);
    for (name, value) in &answer.headers {
        line(text, name, value);
    }
    length.write(text);
    match (minor, meta.keep) {
        (0, true) => line(text, "Connection", "keep-alive"),
        (_, false) => line(text, "Connection", "close"),
        _ => {}
    }
    line(text, "Server", server);
}

fn nginx_page(server: &str, status: u16, why: &str) -> String {
    let reason = Face::Nginx { server: String::new() }.reason(status);
    if why.is_empty() {
        return format!(
            "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n\
             <hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
        );
    }
    let why = "Request Header Or Cookie Too Large";
    format!(
        "<html>\r\n<head><title>{status} {why}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n\
         <center>{why}</center>\r\n<hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )
}

fn apache_page(status: u16, method: &str, why: &str, signature: &str) -> String {
    let reason = Face::Apache { server: String::new(), signed: false }.reason(status);
    let why = if why.is_empty() { "" } else { "Size of a request header field exceeds server limit." };
    let method = escaped(method);
    let said: Cow<'_, str> = match status {
        401 => "<p>This server could not verify that you\nare authorized to access the document\nrequested.  Either you supplied the wrong\n\
                credentials (e.g., bad password), or your\nbrowser doesn't understand how to supply\nthe credentials required.</p>\n"
            .into(),
        403 => "<p>You don't have permission to access this resource.</p>\n".into(),
        404 => "<p>The requested URL was not found on this server.</p>\n".into(),
        405 => format!("<p>The requested method {method} is not allowed for this URL.</p>\n").into(),
        413 => format!(
            "The requested resource does not allow request data with {method} requests, or the amount of data provided in\n\
             the request exceeds the capacity limit.\n"
        )
        .into(),
        414 => "<p>The requested URL's length exceeds the capacity\nlimit for this server.<br />\n</p>\n".into(),
        501 => format!("<p>{method} not supported for current URL.<br />\n</p>\n").into(),
        _ => {
            format!("<p>Your browser sent a request that this server could not understand.<br />\n{why}</p>\n").into()
        }
    };
    format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n\
         <title>{status} {reason}</title>\n</head><body>\n<h1>{reason}</h1>\n{said}{signature}</body></html>\n"
    )
}

fn jetty_page(status: u16, reason: &str) -> String {
    format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=ISO-8859-1\"/>\n\
         <title>Error {status} {reason}</title>\n</head>\n<body><h2>HTTP ERROR {status}</h2>\n<p>Reason:\n<pre>    {reason}</pre></p>\
         <hr /><i><small>Powered by Jetty://</small></i><br/>\n{}\n</body>\n</html>\n",
        "<br/>                                                \n".repeat(20).trim_end()
    )
}

/// Text inside HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The time as `Date` and `Last-Modified` have it (RFC 9110 section 5.6.7); the epoch for a time that no calendar has.
pub(super) fn http_date(time: Timestamp) -> String {
    let seconds = i64::try_from(time.as_micros() / 1_000_000).unwrap_or(0);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
}

/// nginx and Apache know what a version is; nginx takes none after 1, Apache wants digits, a dot and digits.
fn version_status(line: &[u8], face: &Face) -> u16 {
    let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    let Some(number) = version.strip_prefix(b"HTTP/") else { return 400 };
    let mut parts = number.splitn(2, |&byte| byte == b'.');
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next());
    match face {
        Face::Nginx { .. } | Face::Jetty { .. } if is_number(major) && major != b"1" && major != b"0" => 505,
        Face::Apache { .. } | Face::Go if is_number(major) && major > b"1".as_slice() && minor.is_some_and(is_number) => 505,
        _ => 400,
    }
}

/// Characters that a Host may have (RFC 3986 section 3.2, as servers take it).
fn is_host(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=@".contains(&byte) || byte >= 0x80)
}

/// Methods that Apache has registered.
fn is_known(method: &str) -> bool {
    const KNOWN: [&str; 26] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL",
        "COPY", "MOVE", "LOCK", "UNLOCK", "VERSION-CONTROL", "CHECKOUT", "UNCHECKOUT", "CHECKIN", "UPDATE", "LABEL",
        "REPORT", "MKWORKSPACE", "MKACTIVITY", "MERGE",
    ];
    KNOWN.contains(&method)
}
