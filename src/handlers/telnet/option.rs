//! Telnet commands and options (RFC 854, RFC 855) as BusyBox telnetd opens with them.
//!
//! What is not offered is refused, once for each request (RFC 1143: an acknowledgement is not answered, so that no two ends ever
//! answer each other for ever).

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

/// "Interpret as command".
const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
/// Subnegotiation begins.
const SB: u8 = 250;
/// Are you there.
const AYT: u8 = 246;
/// No operation: BusyBox's sign of life.
const NOP: u8 = 241;
/// Subnegotiation ends.
const SE: u8 = 240;

/// RFC 857.
const ECHO: u8 = 1;
/// Suppress go ahead, RFC 858.
const SGA: u8 = 3;
/// Window size, RFC 1073.
const NAWS: u8 = 31;

/// What BusyBox telnetd sends first.
pub(super) const OPENING: [u8; 12] = [IAC, DO, ECHO, IAC, DO, NAWS, IAC, WILL, ECHO, IAC, WILL, SGA];

/// Requests that the record keeps.
const MAX_REQUESTS: usize = 32;
/// Bytes of subnegotiations that the record keeps.
const MAX_PARAMETERS: usize = 256;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After IAC.
    Command,
    /// After IAC and this verb.
    Option(u8),
    /// Between SB and SE.
    Parameters,
    /// After IAC there.
    ParametersCommand,
}

/// The visitor's side of the option negotiation.
#[derive(Debug, Default)]
pub(super) struct Options {
    state: State,
    after_return: bool,
    /// The visitor's own SGA was agreed to.
    their_sga: bool,
    requests: Vec<(u8, u8)>,
    parameters: Vec<u8>,
}

impl Options {
    /// Takes one byte from the stream; answers go to `out`. A byte of text comes back. IP, BREAK, EC and EL are nothing to BusyBox telnetd.
    pub(super) fn byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<u8> {
        match self.state {
            State::Text if byte == IAC => self.state = State::Command,
            State::Text => {
                let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
                // CR LF and CR NUL are one end of a line (RFC 1123, 3.3.1), whoever reads: the login or the shell after it.
                return (!follows_return || !matches!(byte, b'\n' | 0)).then_some(byte);
            }
            State::Command => {
                self.state = State::Text;
                match byte {
                    IAC => return Some(IAC),
                    WILL | WONT | DO | DONT => self.state = State::Option(byte),
                    SB => self.state = State::Parameters,
                    AYT => out.extend([IAC, NOP]),
                    _ => {}
                }
            }
            State::Option(verb) => {
                self.state = State::Text;
                self.request(verb, byte, out);
            }
            State::Parameters if byte == IAC => self.state = State::ParametersCommand,
            State::Parameters => self.keep(byte),
            State::ParametersCommand => {
                self.state = if byte == SE { State::Text } else { State::Parameters };
                if byte == IAC {
                    self.keep(IAC);
                }
            }
        }
        None
    }

    fn keep(&mut self, byte: u8) {
        if self.parameters.len() < MAX_PARAMETERS {
            self.parameters.push(byte);
        }
    }

    fn request(&mut self, verb: u8, option: u8, out: &mut Vec<u8>) {
        if self.requests.len() < MAX_REQUESTS {
            self.requests.push((verb, option));
        }
        let answer = match (verb, option) {
            // Answers to the opening. BusyBox echoes even to those who want none: ncrack waits for it after its DONT.
            (DO, ECHO | SGA) | (WILL, ECHO | NAWS) | (DONT, _) => return,
            (WILL, SGA) if self.their_sga => return,
            (WILL, SGA) => {
                self.their_sga = true;
                DO
            }
            (WONT, SGA) if self.their_sga => {
                self.their_sga = false;
                DONT
            }
            (DO, _) => WONT,
            (WILL, _) => DONT,
            _ => return,
        };
        out.extend([IAC, answer, option]);
    }

    /// What the visitor asked for, for the record; `None` when it asked for nothing.
    pub(super) fn decoded(&self) -> Option<Value> {
        if self.requests.is_empty() && self.parameters.is_empty() {
            return None;
        }
        let name = |verb| match verb {
            WILL => "WILL",
            WONT => "WONT",
            DO => "DO",
            _ => "DONT",
        };
        let requests: Vec<String> =
            self.requests.iter().map(|(verb, option)| format!("{} {option}", name(*verb))).collect();
        Some(json!({ "options": requests, "suboptions_hex": HEXLOWER.encode(&self.parameters) }))
    }
}

/// Text as it goes over the stream: a byte 255 is doubled (RFC 854).
pub(super) fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        out.push(byte);
        if byte == IAC {
            out.push(IAC);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut options, mut out) = (Options::default(), Vec::new());
        let inputs = bytes.iter().filter_map(|&byte| options.byte(byte, &mut out)).collect();
        (inputs, out)
    }

    #[test]
    fn an_unknown_option_is_refused_both_ways() {
        assert_eq!(talk(b"\xff\xfd\x63\xff\xfb\x63"), (vec![], b"\xff\xfc\x63\xff\xfe\x63".to_vec()));
    }

    #[test]
    fn acknowledgements_of_the_opening_are_not_answered() {
        assert_eq!(talk(b"\xff\xfd\x01\xff\xfd\x03\xff\xfb\x1f\xff\xfc\x01\xff\xfe\x63"), (vec![], vec![]));
    }

    #[test]
    fn who_wants_no_echo_is_echoed_to_as_by_busybox() {
        assert_eq!(talk(b"\xff\xfe\x01\xff\xfe\x03"), (vec![], vec![]));
    }

    #[test]
    fn commands_and_subnegotiations_do_not_leak_into_the_text_and_only_are_you_there_is_answered() {
        let (text, out) = talk(
            b"a\xff\xfa\x1f\0\x50\0\xff\xff\xff\xf0b\xff\xf1\xff\xffc\xff\xf3\xff\xf4\xff\xf7\xff\xf8\xff\xf2\xff\xf6d",
        );
        assert_eq!((text, out), (b"ab\xffcd".to_vec(), b"\xff\xf1".to_vec()));
    }

    #[test]
    fn a_flood_of_requests_gets_no_more_than_it_sends_and_is_kept_within_bounds() {
        let (mut options, mut out) = (Options::default(), Vec::new());
        let flood = b"\xff\xfb\x05".repeat(5_000);
        for &byte in &flood {
            options.byte(byte, &mut out);
        }
        assert!(out.len() <= flood.len());
        assert_eq!(options.requests.len(), MAX_REQUESTS);
    }
}
