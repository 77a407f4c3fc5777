//! The Remote Administration Protocol (MS-RAP) of `\PIPE\LANMAN`: share lists for old clients.

use super::super::host::{Host, SHARES};
use super::super::wire::{Fields, Put};

/// Results of MS-RAP 2.3.
const INVALID_LEVEL: u16 = 124;
const NOT_SUPPORTED: u16 = 50;

/// Answers a call: parameters and data.
pub(super) fn call(host: &Host, parameters: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let function = parameters.le16(0).unwrap_or(u16::MAX);
    // Two descriptors, each with its end mark, stand before the fields.
    let mut texts = parameters.get(2..).unwrap_or_default().splitn(3, |byte| *byte == 0);
    let fields = texts.nth(2).unwrap_or_default();
    match (function, fields.le16(0)) {
        (0, Some(1)) => shares(),
        (104, Some(0 | 1)) => servers(host, fields),
        (0 | 104, _) => (head(INVALID_LEVEL, &[]), Vec::new()),
        _ => (head(NOT_SUPPORTED, &[]), Vec::new()),
    }
}

/// Status, converter, and what a function adds.
fn head(status: u16, more: &[u16]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put16(status).put16(0);
    more.iter().for_each(|value| {
        out.put16(*value);
    });
    out
}

/// NetShareEnum (MS-RAP 2.5.6.1), level 1.
fn shares() -> (Vec<u8>, Vec<u8>) {
    let (mut data, mut comments) = (Vec::new(), Vec::new());
    for share in SHARES {
        let mut name = share.name.as_bytes().to_vec();
        name.resize(14, 0);
        data.put(&name).put16(u16::try_from(share.code & 0xffff).unwrap_or(0));
        data.put_len32(20 * SHARES.len() + comments.len());
        comments.put(share.comment.as_bytes()).put8(0);
    }
    data.put(&comments);
    let count = u16::try_from(SHARES.len()).unwrap_or(0);
    (head(0, &[count, count]), data)
}

/// NetServerEnum2 (MS-RAP 2.5.5.2): the machine itself, or its workgroup when those are asked for.
fn servers(host: &Host, fields: &[u8]) -> (Vec<u8>, Vec<u8>) {
    const DOMAINS: u32 = 0x8000_0000;
    let wants_domains = fields.le32(4).is_some_and(|kind| kind & DOMAINS != 0 && kind != u32::MAX);
    let (name, comment, kind) =
        if wants_domains { (&host.workgroup, host.name.as_str(), DOMAINS) } else { (&host.name, "", 0x0000_1003) };
    let mut data = name.as_bytes().to_vec();
    data.resize(16, 0);
    if fields.le16(0) == Some(1) {
        data.put8(host.version.major).put8(host.version.minor).put32(kind).put32(26);
        data.put(comment.as_bytes()).put8(0);
    }
    (head(0, &[1, 1]), data)
}
