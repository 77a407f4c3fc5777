//! What Go's net/http takes for a head (`readRequest`, `parseRequestLine`, textproto's `ReadMIMEHeader`): nothing is judged before its line
//! has ended, no line is empty before a request, headers may be folded. Their names and values are judged by the face, with the whole head.

use super::head::{Framing, without_end};
use super::reader::is_token;
use super::{Fault, Head, MAX_STRICT_HEADERS, Version};

/// A complete head, its lines with their ends.
pub(super) fn head(bytes: &[u8]) -> Result<Head, Fault> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').map(without_end);
    let mut head = request_line(lines.next().unwrap_or_default())?;
    for line in lines.filter(|line| !line.is_empty()) {
        let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let (_, value) = head.headers.last_mut().ok_or(Fault::bad_request("not a header"))?;
            *value = format!("{value} {text}").trim_matches([' ', '\t']).to_owned();
            continue;
        }
        let (name, value) = text.split_once(':').ok_or(Fault::bad_request("not a header"))?;
        if head.headers.len() >= MAX_STRICT_HEADERS {
            return Err(Fault::new(431, "too many headers"));
        }
        head.headers.push((name.to_owned(), value.trim_start_matches([' ', '\t']).to_owned()));
    }
    head.raw = std::str::from_utf8(bytes).is_err().then(|| bytes.to_vec());
    Ok(head)
}

/// A request line: method, target and version, one space between them, and nothing else of the head.
pub(super) fn request_line(line: &[u8]) -> Result<Head, Fault> {
    let wrong = Fault::bad_request("not a method or target");
    let mut words = without_end(line).splitn(3, |&byte| byte == b' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(wrong);
    };
    if method.is_empty() || !method.iter().copied().all(is_token) || target.iter().any(u8::is_ascii_control) {
        return Err(wrong);
    }
    let version = match version {
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => Version::Http11,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(Fault::new(505, "not an HTTP/1 version"));
        }
        _ => return Err(Fault::bad_request("not an HTTP/1 version")),
    };
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(Head { method: text(method), target: text(target), version, headers: Vec::new(), raw: None })
}

/// How long the body is (net/http, `readTransfer`): a transfer coding outdoes a length, and HTTP/1.0 has none.
pub(super) fn framing(head: &Head) -> Result<Framing, Fault> {
    let mut codings = head.values("transfer-encoding").filter(|_| head.version == Version::Http11);
    if let Some(coding) = codings.next() {
        let is_chunked = codings.next().is_none() && coding.eq_ignore_ascii_case("chunked");
        return if is_chunked { Ok(Framing::Chunked) } else { Err(Fault::new(501, "unknown Transfer-Encoding")) };
    }
    let mut lengths = head.values("content-length").map(str::trim);
    let Some(length) = lengths.next() else { return Ok(Framing::Length(0)) };
    if lengths.any(|other| other != length) {
        return Err(Fault::bad_request("contradicting Content-Length"));
    }
    if length.is_empty() { Ok(Framing::Length(0)) } else { Framing::of_length(length) }
}
