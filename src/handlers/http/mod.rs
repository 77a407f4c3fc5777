//! Reading HTTP/1 requests (RFC 9112) from bytes that come in any pieces.
//!
//! [`Reader`] finds what whole and broken requests there are, in time and memory that the input's length bounds; what to answer
//! is the handlers' business.

mod body;
mod head;
mod reader;

pub(super) use head::Head;
pub(super) use reader::{Fault, Found, Reader, Request};

/// Bytes of one request head, and headers in it (Apache's defaults are 8,190 a line and 100 lines).
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;
/// Bytes of one body.
const MAX_BODY: u64 = 16 * 1024 * 1024;
/// Bytes of a chunk-size line with its extensions, and of all trailer lines.
const MAX_CHUNK_LINE: usize = 4 * 1024;
