//! EternalBlue (MS17-010) and DoublePulsar: what the exploit and the implant say over SMB1.
//!
//! The implant hides in TRANS2 SESSION_SETUP, which no server implements: the sum of the bytes of `Timeout` is its command, and its
//! answer is NOT_IMPLEMENTED with the multiplex number raised by 0x10 when all is well. The signature field tells the seed of the key.

use std::fmt::Write as _;

use super::super::pool::Held;
use super::super::status::Status;
use super::super::wire::{Fields, Put};
use super::Peer;
use super::message::Reply;
use super::transaction::Transaction;
use crate::events::Event;
use crate::handlers::recording::with_payload;

/// Bytes of a payload that are kept: WannaCry's takes 5 MiB.
const MAX_PAYLOAD: usize = 8 * 1024 * 1024;
/// The implant runs on a 64-bit system.
const ARCH_X64: u32 = 1;
/// What is added to the multiplex number.
const SUCCESS: u16 = 0x10;
const INVALID: u16 = 0x20;
const NO_MEMORY: u16 = 0x30;

/// The key that the seed makes.
pub(in super::super) const fn key(seed: u32) -> u32 {
    seed.wrapping_mul(2) ^ seed.swap_bytes()
}

/// XORs with the key, from its first byte on.
fn decrypted(bytes: &[u8], key: u32) -> Vec<u8> {
    bytes.iter().zip(key.to_le_bytes().iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

/// A payload on its way, in pieces.
#[derive(Debug, Default)]
pub(super) struct Upload {
    held: Option<Held>,
    total: usize,
}

impl Upload {
    /// The answer to a TRANS2 SESSION_SETUP.
    pub(super) fn ping(&mut self, peer: &mut Peer<'_, '_>, transaction: &Transaction<'_>) -> Reply {
        let (plain, block) = (Reply::failed(Status::NOT_IMPLEMENTED), transaction.block);
        let timeout = block.words.part(12, 4).unwrap_or_default();
        let command = timeout.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let verb = match command {
            0x23 => "ping",
            0xc8 => "exec",
            0x77 => "kill",
            _ => "unknown",
        };
        let is_infected = peer.host.is_vulnerable && peer.visitor(|visitor| visitor.is_infected);
        if verb != "exec" || !is_infected {
            let decoded = serde_json::json!({ "command": verb, "infected": is_infected });
            peer.note(Event::new("scan", format!("DoublePulsar {verb}")).with("decoded", decoded));
        }
        if !is_infected {
            return plain;
        }
        let added = match verb {
            "ping" => SUCCESS,
            "kill" => {
                peer.visitor(|visitor| visitor.is_infected = false);
                SUCCESS
            }
            "exec" => self.exec(peer, transaction),
            _ => return plain,
        };
        let mut signature = Vec::new();
        signature.put32(peer.host.pulsar_seed).put32(ARCH_X64);
        Reply {
            mid: Some(block.header.mid.wrapping_add(added)),
            signature: signature.try_into().unwrap_or_default(),
            ..plain
        }
    }

    /// One piece: total, length and offset of the piece as parameters, the piece as data, both encrypted.
    fn exec(&mut self, peer: &mut Peer<'_, '_>, transaction: &Transaction<'_>) -> u16 {
        let key = key(peer.host.pulsar_seed);
        let parameters = decrypted(transaction.parameters, key);
        let piece = decrypted(transaction.data, key);
        let (Some(total), Some(len), Some(offset)) =
            (parameters.as_slice().at32(0), parameters.as_slice().at32(4), parameters.as_slice().at32(8))
        else {
            return INVALID;
        };
        if total == 0 || len > total || offset > total - len || len > piece.len() {
            let event = Event::new("payload", "DoublePulsar exec with numbers that cannot be");
            peer.note(with_payload(event, transaction.data, false));
            return INVALID;
        }
        if offset == 0 || self.held.is_none() {
            self.finish(peer);
            (self.held, self.total) = (Some(Held::new(&peer.host.uploads)), total);
        }
        let piece = piece.get(..len).unwrap_or(&piece);
        let Some(held) = &mut self.held else { return NO_MEMORY };
        if offset > held.bytes().len() {
            // Pieces come in order; nobody makes the sensor store what was never sent.
            return INVALID;
        }
        if !held.write_at(offset as u64, piece, MAX_PAYLOAD) {
            return NO_MEMORY;
        }
        if offset + len == total {
            self.finish(peer);
        }
        SUCCESS
    }

    /// Stores what came.
    pub(super) fn finish(&mut self, peer: &mut Peer<'_, '_>) {
        let Some(held) = self.held.take() else { return };
        let (len, total) = (held.bytes().len(), self.total);
        let mut msg = format!("DoublePulsar payload of {len} bytes");
        if len < total {
            let _ = write!(msg, ", of {total} announced");
        }
        let event = Event::new("exploit", msg).with("decoded", serde_json::json!({ "bytes": len, "announced": total }));
        peer.cx.event(event);
        peer.cx.sample("doublepulsar-payload", held.bytes().to_vec());
    }
}

/// An NT_TRANSACT that a TRANS2_SECONDARY completes: two kinds of transaction mixed, of which the server mistakes the lengths. The overflow is done,
/// the answer is that of Windows 7: INVALID_PARAMETER with thirty bytes of parameters.
pub(super) fn overflow(peer: &mut Peer<'_, '_>, data: Vec<u8>) -> Reply {
    peer.cx.event(
        Event::new("exploit", "EternalBlue (MS17-010) completed")
            .with("decoded", serde_json::json!({ "cve": "CVE-2017-0144", "bytes": data.len() })),
    );
    peer.cx.sample("eternalblue-transaction", data);
    peer.visitor(|visitor| visitor.is_infected = true);
    const PARAMETERS: u16 = 30;
    let mut words = Vec::new();
    // Totals, reserved, parameters at 56, data at 88 (none), no setup (MS-CIFS 2.2.4.46.2).
    words.put16(PARAMETERS).put16(0).put16(0).put16(PARAMETERS).put16(56).put16(0).put16(0).put16(88).put16(0).put16(0);
    Reply { status: Status::INVALID_PARAMETER, words, data: vec![0; 33], ..Reply::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_one_that_loaders_compute() {
        let by_the_book = |s: u32| {
            ((2 * u64::from(s)) ^ u64::from(((s & 0xff00 | (s << 16)) << 8) | (((s >> 16) | s & 0x00ff_0000) >> 8)))
                as u32
        };
        for seed in [0xa45d_4b79, 0x36e0_103a, 1, u32::MAX] {
            assert_eq!(key(seed), by_the_book(seed), "{seed:#x}");
        }
    }
}
