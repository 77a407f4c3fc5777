//! HTTP: the server that visitors of web ports meet, and reading HTTP/1 requests (RFC 9112) from bytes that come in any pieces.
//!
//! [`Reader`] finds what whole and broken requests there are, in time and memory that the input's length bounds. `server` is the
//! dialogue, `face` the software that it passes for, `family` the table of services that requests are meant for, one file or folder
//! each; `site` joins them under the names in the registry.
//!
//! ```text
//!   bytes -> Reader -> Request -> Ask -> the family that claims it -> Answer -> Face -> bytes
//!                                 `-> request event, sample, login, command
//! ```

mod answer;
mod ask;
mod body;
mod citrix;
mod docker;
mod door;
mod ethereum;
mod face;
mod family;
mod front;
mod go_json;
mod golang;
mod hadoop;
mod head;
mod injected;
mod login;
mod nginx;
mod patience;
mod reader;
mod record;
mod server;
mod site;
mod streaming;
#[cfg(test)]
mod tests;
mod vmware;
mod wallet;
mod xmlrpc;

pub(super) use face::http_date;
pub(super) use head::{Head, Version};
pub(super) use reader::{Fault, Found, Grammar, Reader, Request};
pub(super) use record::{record_addresses, record_addresses_in, record_fault, request_event};
pub(super) use site::{DOCKER, ETHEREUM, HADOOP, HTTP, HTTPS};

/// Bytes of one request head: what nginx's buffers hold, and the end of a line that no longer fits.
const MAX_HEAD: usize = 34 * 1024;
/// Headers of one request (Apache's LimitRequestFields; Debian's nginx takes a thousand).
const MAX_STRICT_HEADERS: usize = 100;
const MAX_NGINX_HEADERS: usize = 1_000;
/// Bytes of one body.
const MAX_BODY: u64 = 16 * 1024 * 1024;
/// Bytes of a chunk-size line with its extensions, and of all trailer lines.
const MAX_CHUNK_LINE: usize = 64 * 1024;
