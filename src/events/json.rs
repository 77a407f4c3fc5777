//! JSON (RFC 8259) appended to bytes, piece by piece: what lines are made of.

use std::io::Write;
use std::net::IpAddr;

use serde::Serialize;

/// A comma, the name of a member and a colon. The name needs no escaping.
pub(super) fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A member that is a string.
pub(super) fn string(out: &mut Vec<u8>, name: &str, text: &str) {
    member(out, name);
    value(out, text);
}

/// Any value. What cannot be one becomes null: the line stays valid whatever happens.
pub(super) fn value(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// A number in decimal.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Six digits: the millionths after a point.
pub(super) fn micros(out: &mut Vec<u8>, micros: u32) {
    let digit = |unit| b'0' + u8::try_from(micros / unit % 10).unwrap_or(0);
    out.extend([100_000, 10_000, 1_000, 100, 10, 1].map(digit));
}

/// A string of sixteen hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, number: u64) {
    out.push(b'"');
    let mut digits = [0; 16];
    data_encoding::HEXLOWER.encode_mut(&number.to_be_bytes(), &mut digits);
    out.extend_from_slice(&digits);
    out.push(b'"');
}

/// A string with an address as RFC 5952 writes it, or in dotted decimal.
pub(super) fn address(out: &mut Vec<u8>, ip: IpAddr) {
    out.push(b'"');
    match ip {
        IpAddr::V4(ip) => {
            let [first, rest @ ..] = ip.octets();
            number(out, first.into());
            for octet in rest {
                out.push(b'.');
                number(out, octet.into());
            }
        }
        IpAddr::V6(ip) => {
            // A Vec takes everything.
            let _ = write!(out, "{ip}");
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pieces_are_written_as_std_writes_them() {
        for ip in ["0.0.0.0", "255.10.0.9", "::", "2001:db8::1:0:0:1", "::ffff:192.0.2.1"] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(text(|out| address(out, ip)), format!("\"{ip}\""));
        }
        for fraction in [0, 1, 99, 123_456, 999_999] {
            assert_eq!(text(|out| micros(out, fraction)), format!("{fraction:06}"));
        }
        for id in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(text(|out| hex(out, id)), format!("\"{id:016x}\""));
            assert_eq!(text(|out| number(out, id)), id.to_string());
        }
    }
}
