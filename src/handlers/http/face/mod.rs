//! The server software that visitors see: which headers it writes in which order, which requests it refuses and how.
//!
//! Taken from what nginx 1.22, Apache 2.4, Go's net/http and Jetty 6 answer to the same requests, and from what scanners tell ESX hosts by.

mod file;
mod go;
mod gzip;
mod head;
mod judge;
mod page;
mod range;

use std::sync::OnceLock;

use super::answer::{Answer, Measure};
use super::ask::Ask;
use super::{Fault, Grammar, Head, Version};
use crate::clock::Timestamp;
use crate::handlers::gzip::packed;
pub(in crate::handlers) use head::http_date;
use head::{Length, apache_head, esx_head, jetty_head, nginx_head, one_chunk};
use judge::{MAX_LINE, jetty_status};
pub(in crate::handlers::http) use page::escaped;
use page::{Why, apache_page, esx_page, jetty_page, nginx_padding, nginx_page};

/// A server software.
#[derive(Debug, Clone)]
pub(super) enum Face {
    /// `Server: nginx/1.22.1`; its pages for what there is not, compressed, once they were asked for.
    Nginx { server: String, packed: [OnceLock<Vec<u8>>; 2] },
    /// `Server: Apache/2.4.57 (Debian)`; below error pages as well if they are signed, by this host for requests that name none.
    Apache { server: String, signed_by: Option<String> },
    /// Go's net/http.
    Go,
    /// The proxy of a VMware ESX host, which does not say what it is.
    Esx,
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
            Self::Nginx { server: server.to_owned(), packed: Default::default() }
        } else {
            Self::Apache { server: server.to_owned(), signed_by: Some(host.to_owned()) }
        }
    }

    /// Requests that one connection may carry (MaxKeepAliveRequests, keepalive_requests).
    pub(super) fn max_requests(&self) -> u32 {
        if matches!(self, Self::Apache { .. }) { 101 } else { 1_000 }
    }

    /// Who comes in the clear to its TLS port hears so: a Citrix gateway, an Apache that does not sign, has nothing to say.
    pub(super) fn tells_the_way(&self) -> bool {
        matches!(self, Self::Nginx { .. } | Self::Apache { signed_by: Some(_), .. })
    }

    /// What it says to such a request.
    pub(super) fn unencrypted(&self, ask: &Ask<'_>) -> Answer {
        self.judge(ask).unwrap_or_else(|| self.refusal(Why::Unencrypted, ask))
    }

    /// The answer to a path that there is not.
    pub(super) fn not_found(&self, ask: &Ask<'_>) -> Answer {
        match self {
            Self::Apache { .. } => {
                let status = if is_withheld(ask.path()) { 403 } else { 404 };
                match self.method_refused(ask) {
                    Some(options) if options.status == 200 => Answer { content_type: None, ..options },
                    Some(refused) => refused,
                    None => self.page(status, ask),
                }
            }
            _ => self.page(404, ask),
        }
    }

    /// What it says when it has waited long enough for the rest of a request: of this host, or of one that is not known yet.
    pub(super) fn timed_out(&self, ask: Option<&Ask<'_>>, host: &str, port: u16) -> Option<Answer> {
        let Self::Apache { .. } = self else { return None };
        let page = match ask {
            Some(ask) => self.page(408, ask),
            None => self.error_page(408, None, (host, port), Why::Unsaid),
        };
        Some(page.closing())
    }

    /// The answer to a body that is none, where its head was already being answered.
    pub(super) fn broken_body(&self, fault: &Fault, ask: &Ask<'_>) -> Option<Answer> {
        let Self::Apache { .. } = self else { return None };
        let page = Answer { measure: Measure::Untold, ..self.page(fault.status, ask) };
        Some(page.closing())
    }

    /// What this server takes for a head.
    pub(super) fn grammar(&self) -> Grammar {
        match self {
            Self::Nginx { .. } => Grammar::Nginx,
            Self::Apache { .. } => Grammar::Apache,
            Self::Go => Grammar::Go,
            Self::Esx | Self::Jetty { .. } => Grammar::Strict,
        }
    }

    /// It says `100 Continue` even to a request without body: nginx does, unless it refuses.
    pub(super) fn invites_nothing(&self, head: &Head, status: u16) -> bool {
        matches!(self, Self::Nginx { .. }) && status < 400 && head.expects_continue()
    }

    /// The connection may carry another request after this one. nginx finds its words anywhere in the header; its last one counts.
    pub(super) fn keeps_alive(&self, head: &Head) -> bool {
        let Self::Nginx { .. } = self else {
            let is_left = matches!(self, Self::Apache { .. }) && leaves_doubt(head);
            return head.keeps_alive() && !is_left;
        };
        let said = head.values("connection").filter_map(|value| {
            let value = value.to_ascii_lowercase();
            let says_close = value.contains("close");
            (says_close || value.contains("keep-alive")).then_some(!says_close)
        });
        head.version > Version::Http09 && said.last().unwrap_or(head.version == Version::Http11)
    }

    /// The answer as it was asked for: a file by the request's conditions and range, pages compressed.
    pub(super) fn served(&self, ask: &Ask<'_>, mut answer: Answer, now: Timestamp) -> Answer {
        let answer = match answer.modified.take() {
            Some(modified) => file::served(self, ask, answer, modified, now),
            None => answer,
        };
        let (plain, padded) = match self {
            Self::Nginx { packed: [plain, padded], .. } => (plain, padded),
            Self::Apache { signed_by: Some(_), .. } => return gzip::as_apache(ask, answer),
            _ => return answer,
        };
        if !gzip::is_wanted(ask, &answer) {
            return answer;
        }
        let known = if nginx_padding(ask.head).is_empty() { plain } else { padded };
        let body = known.get().filter(|_| answer.status == 404).cloned();
        let Some(body) = body.or_else(|| packed(&answer.body, gzip::FASTEST).ok()) else { return answer };
        if answer.status == 404 {
            known.get_or_init(|| body.clone());
        }
        gzip::with_body(answer, body)
    }

    /// The answer to methods that a page does not take; `None` for GET, HEAD and POST.
    pub(super) fn method_refused(&self, ask: &Ask<'_>) -> Option<Answer> {
        match ask.head.method.as_str() {
            "GET" | "HEAD" | "POST" => None,
            "OPTIONS" if matches!(self, Self::Apache { .. }) => {
                Some(Answer::new(200, "text/html", "").header("Allow", "GET,POST,OPTIONS,HEAD"))
            }
            _ => Some(self.page(405, ask)),
        }
    }

    /// The page of a status: its genuine body.
    pub(super) fn page(&self, status: u16, ask: &Ask<'_>) -> Answer {
        self.error_page(status, Some(ask.head), (ask.host_name(), ask.named_port()), Why::Unsaid)
    }

    fn refusal(&self, why: Why, ask: &Ask<'_>) -> Answer {
        self.error_page(400, Some(ask.head), ("", ask.named_port()), why).closing()
    }

    /// The answer to what is no request; `remains` is what came. `None` = the end of the connection and nothing else.
    pub(super) fn fault(&self, fault: &Fault, remains: &[u8], host: &str, port: u16) -> Answer {
        let line = remains.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let status = match (fault.status, self) {
            (431, Self::Apache { .. }) if line.len() > MAX_LINE => 414,
            (431, Self::Nginx { .. } | Self::Apache { .. }) => 400,
            (501, Self::Apache { .. }) => 400,
            (400, Self::Jetty { .. }) => jetty_status(line),
            (status, _) => status,
        };
        match self {
            Self::Jetty { .. } => return Answer::empty(status).closing(),
            Self::Go => return go::fault(status),
            _ => {}
        }
        let why = if fault.status == 431 && status == 400 { Why::LongField } else { Why::Unsaid };
        self.error_page(status, None, (host, port), why).closing()
    }

    fn error_page(&self, status: u16, head: Option<&Head>, (host, port): (&str, u16), why: Why) -> Answer {
        let called = (status, self.reason(status));
        match self {
            Self::Nginx { server, .. } => {
                let padding = head.map(nginx_padding).unwrap_or_default();
                Answer::new(status, "text/html", nginx_page(server, called, why, &padding))
            }
            Self::Apache { server, signed_by } => {
                let signature = signed_by.as_ref().map_or_else(String::new, |name| {
                    let host = escaped(if host.is_empty() { name } else { host.trim_matches(['[', ']']) });
                    format!("<hr>\n<address>{server} Server at {host} Port {port}</address>\n")
                });
                let page = apache_page(called, head, why, &signature);
                let answer = Answer::new(status, "text/html; charset=iso-8859-1", page);
                match status {
                    // TraceEnable Off.
                    405 if head.is_some_and(|head| head.method == "TRACE") => answer.header("Allow", ""),
                    405 | 501 => answer.header("Allow", "GET,POST,OPTIONS,HEAD"),
                    _ => answer,
                }
            }
            Self::Go => {
                let text = if status == 404 {
                    "404 page not found\n".to_owned()
                } else {
                    format!("{status} {}", self.reason(status))
                };
                Answer::new(status, "text/plain; charset=utf-8", text)
            }
            Self::Esx => Answer::new(status, "text/html", esx_page(status, self.reason(status))),
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
            408 => "Request Timeout",
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
        let asked = meta.head.map_or(Version::Http11, |head| head.version);
        if asked == Version::Http09 {
            return answer.body.clone();
        }
        if let Some(head) = &answer.head {
            let body = if meta.head.is_some_and(|asked| asked.method == "HEAD") { &[][..] } else { &answer.body };
            return [head.as_bytes(), b"\r\n", body].concat();
        }
        let (mut text, length) = match self {
            Self::Go => (go::status_line(answer, asked, self.reason(answer.status)), go::length(answer, meta)),
            _ => (format!("HTTP/1.1 {} {}\r\n", answer.status, self.reason(answer.status)), Length::of(answer)),
        };
        match self {
            Self::Nginx { server, .. } => nginx_head(&mut text, server, answer, meta, length),
            Self::Apache { server, .. } => apache_head(&mut text, server, answer, meta, length),
            Self::Go => go::head(&mut text, answer, meta, asked, length),
            Self::Esx => esx_head(&mut text, answer, meta, length),
            Self::Jetty { server } => jetty_head(&mut text, server, answer, meta, asked, length),
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        match (meta.head, length) {
            (Some(head), _) if head.method == "HEAD" => {}
            (_, Length::Chunked) if answer.stream.is_none() => one_chunk(&answer.body, &mut bytes),
            _ => bytes.extend_from_slice(&answer.body),
        }
        bytes
    }
}

/// Apache ends a connection on which what comes next may be part of this request: a length besides chunks, and an expectation that nothing
/// has met, for want of a body.
fn leaves_doubt(head: &Head) -> bool {
    let (length, is_coded) = (head.values("content-length").next(), head.values("transfer-encoding").next().is_some());
    is_coded && length.is_some() || head.expects_continue() && !is_coded && length.is_none_or(|length| length == "0")
}

/// What Debian's Apache shows nobody (`.ht*`, mod_status, the listing of its icons), and what no file can be called.
fn is_withheld(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    name.starts_with(".ht")
        || matches!(path, "/icons/" | "/icons/small/")
        || is_below("/server-status")
        || path.split('/').any(|part| part.len() > 255)
}

impl Answer {
    pub(super) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(super) fn cut_off(mut self) -> Self {
        self.cut = true;
        self
    }
}
