//! A packet as a person writes it: `tcp 1.2.3.4:5 > 10.0.0.1:23 syn`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

use super::build::{self, Ends, PSH, Shape, URG};
use crate::packet::{Transport, tcp_flag};

/// Longest IP packet.
const MAX_LEN: usize = 65_535;

/// What is wrong with the text of a packet. `Display` draws the text with a caret under the mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketTextError {
    text: String,
    span: Range<usize>,
    message: String,
    expected: &'static str,
}

impl fmt::Display for PacketTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = format!("expected {}", self.expected);
        let mark = AnnotationKind::Primary.span(self.span.clone()).label(label);
        let snippet = Snippet::source(self.text.as_str()).path("PACKET").annotation(mark);
        let title = Level::ERROR.primary_title(normalize_untrusted_str(&self.message));
        f.write_str(&Renderer::plain().render(&[title.element(snippet)]))
    }
}

impl std::error::Error for PacketTextError {}

/// The bytes of the packet that a text describes, checksums right. Without flags, TCP is a SYN and ICMP an echo request. `len` is the
/// length of the whole IP packet, as in filters; data that is not given is zeros.
///
/// # Errors
/// [`PacketTextError`] at the first word that cannot be understood.
pub fn packet_from_text(text: &str) -> Result<Vec<u8>, PacketTextError> {
    let mut words = Words { text, at: 0 };
    let transport = words.transport()?;
    let ends = words.ends(transport)?;
    let rest = words.rest(transport)?;
    let least = build::header_len(transport, &ends) + rest.data.len();
    let (len, span) = rest.len.unwrap_or((least, 0..0));
    if !(least..=MAX_LEN).contains(&len) {
        let message = format!("this packet has {least} to {MAX_LEN} bytes");
        return Err(words.wrong(span, message, "the length of the IP packet in bytes"));
    }
    Ok(build::packet(&Shape { transport, ends, bits: rest.bits, data: &rest.data, len }))
}

struct Rest {
    /// As in [`Shape`].
    bits: u8,
    len: Option<(usize, Range<usize>)>,
    data: Vec<u8>,
}

struct Words<'t> {
    text: &'t str,
    at: usize,
}

type Parsed<T> = Result<T, PacketTextError>;

impl<'t> Words<'t> {
    /// The next word and where it stands; empty at the end. A `>` needs no blanks around it.
    fn next(&mut self) -> (&'t str, Range<usize>) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let start = self.at + rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let length = match rest.find(|c: char| c.is_whitespace() || c == '>') {
            Some(0) if rest.starts_with('>') => 1,
            Some(end) => end,
            None => rest.len(),
        };
        self.at = start + length;
        (rest.get(..length).unwrap_or_default(), start..start + length)
    }

    fn wrong(&self, span: Range<usize>, message: impl Into<String>, expected: &'static str) -> PacketTextError {
        PacketTextError { text: self.text.to_owned(), span, message: message.into(), expected }
    }

    fn unexpected(&self, (word, span): (&str, Range<usize>), expected: &'static str) -> PacketTextError {
        let message = if word.is_empty() {
            "the packet ends too early".to_owned()
        } else {
            format!("`{word}` was not expected here")
        };
        self.wrong(span, message, expected)
    }

    fn transport(&mut self) -> Parsed<Transport> {
        let (word, span) = self.next();
        Ok(match word {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            "icmp" => Transport::Icmp,
            "icmp6" | "icmpv6" => Transport::Icmpv6,
            _ => return Err(self.unexpected((word, span), "`tcp`, `udp`, `icmp` or `icmp6`")),
        })
    }

    fn ends(&mut self, transport: Transport) -> Parsed<Ends> {
        let source = self.end(transport)?.0;
        let arrow = self.next();
        if arrow.0 != ">" {
            return Err(self.unexpected(arrow, "`>`"));
        }
        let (destination, span) = self.end(transport)?;
        if source.is_ipv4() != destination.is_ipv4() {
            return Err(self.wrong(span, "the addresses are of two families", "two of IPv4 or two of IPv6"));
        }
        Ok(Ends { source, destination })
    }

    fn end(&mut self, transport: Transport) -> Parsed<(SocketAddr, Range<usize>)> {
        let (word, span) = self.next();
        let has_ports = matches!(transport, Transport::Tcp | Transport::Udp);
        let expected = match transport {
            Transport::Tcp | Transport::Udp => "`1.2.3.4:5` or `[2001:db8::1]:5`",
            Transport::Icmp => "an IPv4 address",
            Transport::Icmpv6 => "an IPv6 address",
        };
        let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
        let end = if has_ports {
            word.parse::<SocketAddr>().ok()
        } else {
            let family = |address: &IpAddr| address.is_ipv4() == (transport == Transport::Icmp);
            bare.parse::<IpAddr>().ok().filter(family).map(|address| SocketAddr::new(address, 0))
        };
        let Some(end) = end else { return Err(self.unexpected((word, span), expected)) };
        if matches!(end.ip(), IpAddr::V6(address) if address.to_ipv4_mapped().is_some()) {
            return Err(self.wrong(span, "an IPv4-mapped address is never on the wire", expected));
        }
        Ok((end, span))
    }

    fn rest(&mut self, transport: Transport) -> Parsed<Rest> {
        let mut rest = Rest { bits: 0, len: None, data: Vec::new() };
        let mut said = false;
        loop {
            let (word, span) = self.next();
            match word {
                "" => break,
                "len" => rest.len = Some(self.number()?),
                "data" => rest.data = self.data()?,
                _ => {
                    rest.bits |= self.bits(transport, word, span)?;
                    said = true;
                }
            }
        }
        if !said {
            rest.bits = match transport {
                Transport::Tcp => tcp_flag::SYN,
                Transport::Udp => 0,
                Transport::Icmp => 8,
                Transport::Icmpv6 => 128,
            };
        }
        Ok(rest)
    }

    /// One flag, or several joined as in `syn-ack` and `syn,ack`.
    fn bits(&self, transport: Transport, word: &'t str, span: Range<usize>) -> Parsed<u8> {
        let expected = match transport {
            Transport::Tcp => "`syn`, `ack`, `fin`, `rst`, `psh`, `urg`, `len N` or `data \"TEXT\"`",
            Transport::Udp => "`len N` or `data \"TEXT\"`",
            Transport::Icmp | Transport::Icmpv6 => "`echo`, `reply`, `len N` or `data \"TEXT\"`",
        };
        let bit = |flag| {
            Some(match (transport, flag) {
                (Transport::Tcp, "syn") => tcp_flag::SYN,
                (Transport::Tcp, "ack") => tcp_flag::ACK,
                (Transport::Tcp, "fin") => tcp_flag::FIN,
                (Transport::Tcp, "rst") => tcp_flag::RST,
                (Transport::Tcp, "psh") => PSH,
                (Transport::Tcp, "urg") => URG,
                // RFC 792 and RFC 4443 section 4.
                (Transport::Icmp, "echo") => 8,
                (Transport::Icmp, "reply") => 0,
                (Transport::Icmpv6, "echo") => 128,
                (Transport::Icmpv6, "reply") => 129,
                _ => return None,
            })
        };
        let bits = word.split([',', '-', '+']).try_fold(0, |bits, flag| Some(bits | bit(flag)?));
        bits.ok_or_else(|| self.unexpected((word, span), expected))
    }

    fn number(&mut self) -> Parsed<(usize, Range<usize>)> {
        let (word, span) = self.next();
        match word.parse() {
            Ok(number) => Ok((number, span)),
            Err(_) => Err(self.unexpected((word, span), "a number")),
        }
    }

    /// Text in quotes, with `\r`, `\n`, `\t`, `\xHH`, `\"` and `\\` in it.
    fn data(&mut self) -> Parsed<Vec<u8>> {
        const QUOTED: &str = "text in quotes";
        let rest = self.text.get(self.at..).unwrap_or_default();
        let start = self.at + rest.len() - rest.trim_start().len();
        let whole = start..self.text.len();
        let Some(rest) = rest.trim_start().strip_prefix('"') else {
            return Err(self.wrong(whole, "the data is not quoted", QUOTED));
        };
        let mut data = Vec::new();
        let mut chars = rest.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.at = start + 1 + at + 1;
                    return Ok(data);
                }
                '\\' => {
                    let byte = escaped(rest.get(at + 1..).unwrap_or_default());
                    let from = start + 1 + at;
                    let Some((byte, length)) = byte else {
                        let end = self.text.len().min(self.text.ceil_char_boundary(from + 2));
                        return Err(self.wrong(from..end, "this is no escape", r#"`\r \n \t \xHH \" \\`"#));
                    };
                    data.push(byte);
                    chars.by_ref().take(length).for_each(drop);
                }
                _ => data.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Err(self.wrong(whole, "the quotes are not closed", QUOTED))
    }
}

/// The byte that the text behind a backslash stands for, and how many characters that text has.
fn escaped(text: &str) -> Option<(u8, usize)> {
    Some(match text.as_bytes() {
        [b'r', ..] => (b'\r', 1),
        [b'n', ..] => (b'\n', 1),
        [b't', ..] => (b'\t', 1),
        [plain @ (b'"' | b'\\'), ..] => (*plain, 1),
        [b'x', ..] => (u8::from_str_radix(text.get(1..3)?, 16).ok()?, 3),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Packet, Payload, transport_checksum_is_valid};

    fn parsed(text: &str) -> Packet {
        let bytes = packet_from_text(text).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.len, bytes.len(), "{text}");
        let segment = &bytes[packet.transport..];
        assert!(transport_checksum_is_valid(packet.src, packet.dst, packet.protocol, segment), "{text}");
        packet
    }

    #[test]
    fn what_is_written_is_what_is_built() {
        let Payload::Tcp(tcp) = parsed("tcp 1.2.3.4:5 > 10.0.0.1:23 syn").payload else { panic!("no TCP") };
        assert_eq!((tcp.src_port, tcp.dst_port, tcp.flags), (5, 23, tcp_flag::SYN));
        let Payload::Tcp(tcp) = parsed("tcp 1.2.3.4:5>10.0.0.1:23 syn-ack psh").payload else { panic!("no TCP") };
        assert_eq!(tcp.flags, tcp_flag::SYN | tcp_flag::ACK | PSH);
        let udp = parsed("udp [2001:db8::1]:53 > [2001:db8::2]:9999 len 60");
        assert_eq!((udp.payload, udp.len), (Payload::Udp { src_port: 53, dst_port: 9_999 }, 60));
        assert_eq!(parsed("icmp 1.2.3.4 > 10.0.0.1 echo").payload, Payload::Echo { request: true, id: 1 });
        assert_eq!(parsed("icmp6 2001:db8::1 > [::2] reply").payload, Payload::Echo { request: false, id: 1 });
        let bytes = packet_from_text(r#"udp 1.2.3.4:5 > 1.2.3.5:6 data "a\x00\r\"b\\""#).unwrap();
        assert_eq!(&bytes[28..], b"a\0\r\"b\\");
    }

    #[test]
    fn mistakes_are_marked() {
        let shown = |text: &str| packet_from_text(text).unwrap_err().to_string();
        insta::assert_snapshot!(shown("tpc 1.2.3.4:5 > 10.0.0.1:23"), @r"
        error: `tpc` was not expected here
         --> PACKET:1:1
          |
        1 | tpc 1.2.3.4:5 > 10.0.0.1:23
          | ^^^ expected `tcp`, `udp`, `icmp` or `icmp6`
        ");
        for (text, message) in [
            ("", "ends too early"),
            ("tcp 1.2.3.4:5", "ends too early"),
            ("tcp 1.2.3.4 > 10.0.0.1:23", "`1.2.3.4` was not expected"),
            ("tcp 1.2.3.4:5 > [::1]:23", "two families"),
            ("tcp 1.2.3.4:5 > 10.0.0.1:70000", "`10.0.0.1:70000` was not expected"),
            ("tcp 1.2.3.4:5 > 10.0.0.1:7 sny", "`sny` was not expected"),
            ("udp 1.2.3.4:5 > 10.0.0.1:7 syn", "`syn` was not expected"),
            ("udp 1.2.3.4:5 > 10.0.0.1:7 len 27", "28 to 65535 bytes"),
            ("udp 1.2.3.4:5 > 10.0.0.1:7 len x", "`x` was not expected"),
            ("icmp 1.2.3.4 > ::1", "`::1` was not expected"),
            ("udp 1.2.3.4:5 > 10.0.0.1:7 data GET", "not quoted"),
            ("udp 1.2.3.4:5 > 10.0.0.1:7 data \"GET", "not closed"),
            ("udp 1.2.3.4:5 > 10.0.0.1:7 data \"\\ä\"", "no escape"),
            ("udp [::ffff:1.2.3.4]:5 > [::1]:7", "mapped"),
        ] {
            assert!(shown(text).contains(message), "{text}\n{}", shown(text));
        }
    }
}
