//! NEGOTIATE (MS-CIFS 2.2.4.52, MS-SMB 2.2.4.5): with extended security or without, as the visitor asks, or on to SMB2.

use super::super::account::fresh_challenge;
use super::super::spnego;
use super::super::wire::{Put, filetime};
use super::message::{Block, EXTENDED_SECURITY, Reply};
use super::{One, Peer};
use crate::events::Event;

/// User-level security, challenge and response. No signatures: over SMB1 a Windows that is no domain controller makes them only where a policy
/// says so (`EnableSecuritySignature` is 0 by default), and scanners report that.
const SECURITY_MODE: u8 = 0x03;
const MAX_MPX: u16 = 50;
/// What Windows 7 takes in one message.
const MAX_BUFFER: u32 = 0x1104;
const MAX_RAW: u32 = 0x0001_0000;
const CAPABILITIES: u32 = 0x0001_e3fc;
const CAP_EXTENDED_SECURITY: u32 = 0x8000_0000;
/// Dialects that are kept for the event.
const SHOWN_DIALECTS: usize = 32;

/// The dialects of a request: a format byte 2, a name, an end mark each.
pub(in super::super) fn dialects(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == 0).filter_map(|name| name.strip_prefix(&[2]))
}

impl One {
    pub(super) fn negotiate(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        self.is_negotiated = true;
        note(peer, block.data);
        let Some(index) = dialects(block.data).position(|name| name == b"NT LM 0.12") else {
            // No dialect that is known (MS-CIFS 3.3.5.42).
            return Reply::words(&[0xff, 0xff]);
        };
        let is_extended = block.header.flags2 & EXTENDED_SECURITY != 0;
        let (host, now) = (peer.host, peer.cx.now());
        let mut words = Vec::new();
        words.put_len16(index).put8(SECURITY_MODE).put16(MAX_MPX).put16(1).put32(MAX_BUFFER).put32(MAX_RAW).put32(0);
        words.put32(if is_extended { CAPABILITIES | CAP_EXTENDED_SECURITY } else { CAPABILITIES });
        // The time, and that it is UTC.
        words.put64(filetime(now)).put16(0).put8(if is_extended { 0 } else { 8 });
        let mut data = Vec::new();
        if is_extended {
            data.put(&host.guid).put(&spnego::offer());
        } else {
            self.challenge = fresh_challenge(&mut peer.core.random);
            // In this one place names are UTF-16 without alignment.
            data.put(&self.challenge).put_utf16(&host.workgroup).put16(0).put_utf16(&host.name).put16(0);
        }
        Reply { words, data, ..Reply::default() }
    }
}

/// Records which dialects a visitor offers: clients are told by them.
pub(in super::super) fn note(peer: &mut Peer<'_, '_>, data: &[u8]) {
    let names: Vec<_> = dialects(data).take(SHOWN_DIALECTS).map(|name| name.escape_ascii().to_string()).collect();
    let event = Event::new("request", format!("SMB1 negotiate: {}", names.join(", ")));
    peer.note(event.with("decoded", serde_json::json!({ "dialects": names })));
}
