//! A chain that advances with the clock and shows the same block to everyone who asks for it twice.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::super::Random;
use crate::clock::Timestamp;

/// The first block after the merge (Paris), and its time in seconds since the epoch.
const MERGE_BLOCK: u64 = 15_537_394;
const MERGE_TIME: u64 = 1_663_224_179;
/// Seconds of a slot, and how many of a thousand carry a block.
const SLOT: u64 = 12;
const FILLED: u64 = 995;
/// Transactions that a block shows: fewer than most genuine ones have, so that an answer stays small.
const MAX_TRANSACTIONS: u64 = 24;

/// The newest block at this time.
pub(super) fn number_at(now: Timestamp) -> u64 {
    let seconds = (now.as_micros() / 1_000_000).saturating_sub(MERGE_TIME);
    MERGE_BLOCK + seconds / SLOT * FILLED / 1_000
}

/// A quantity as the execution API writes it: no leading zeros.
pub(super) fn quantity(value: u128) -> Value {
    format!("{value:#x}").into()
}

/// 32 bytes that these inputs decide.
pub(super) fn hash(one: u64, other: u64, label: &str) -> String {
    let digest =
        Sha256::new().chain_update(one.to_be_bytes()).chain_update(other.to_be_bytes()).chain_update(label).finalize();
    format!("0x{}", HEXLOWER.encode(digest.as_slice()))
}

/// One block.
pub(super) struct Block {
    number: u64,
    random: Random,
}

impl Block {
    /// All sensors agree on a block's contents, as nodes do.
    pub(super) fn at(number: u64) -> Self {
        Self { number, random: Random::new(number) }
    }

    pub(super) fn hash(&self) -> String {
        hash(self.number, 0, "block")
    }

    /// Wei for a unit of gas.
    pub(super) fn base_fee(&self) -> u128 {
        8_000_000_000 + u128::from(self.random.clone().bits() % 9_000_000_000)
    }

    /// Part of the gas limit that is used.
    pub(super) fn fullness(&self) -> f64 {
        let part = u32::try_from(self.random.clone().bits() % 9_000).unwrap_or(0);
        f64::from(part) / 10_000.0 + 0.1
    }

    pub(super) fn transactions(&self) -> Vec<String> {
        let count = 1 + Random::new(!self.number).bits() % MAX_TRANSACTIONS;
        (1..=count).map(|at| hash(self.number, at, "transaction")).collect()
    }

    fn time(&self) -> u64 {
        MERGE_TIME + self.number.saturating_sub(MERGE_BLOCK) * 1_000 / FILLED * SLOT
    }

    /// The block as `eth_getBlockByNumber` gives it; `full` has the transactions themselves.
    pub(super) fn to_value(&self, full: bool) -> Value {
        let mut random = self.random.clone();
        let gas = random.within(&(3_000_000..=29_000_000));
        let root = |label| hash(self.number, 0, label);
        let transactions: Vec<Value> = self
            .transactions()
            .into_iter()
            .enumerate()
            .map(|(at, id)| if full { self.transaction(at, &id) } else { id.into() })
            .collect();
        let bloom: String = (0..8_u64).map(|at| hash(self.number, at, "bloom").split_off(2)).collect();
        json!({
            "baseFeePerGas": quantity(self.base_fee()), "difficulty": "0x0",
            "extraData": "0x6265617665726275696c642e6f7267", "gasLimit": "0x1c9c380", "gasUsed": quantity(gas.into()),
            "hash": self.hash(), "logsBloom": format!("0x{bloom}"), "miner": root("miner").get(..42),
            "mixHash": root("mix"), "nonce": "0x0000000000000000", "number": quantity(self.number.into()),
            "parentHash": hash(self.number.saturating_sub(1), 0, "block"), "receiptsRoot": root("receipts"),
            "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
            "size": quantity(u128::from(gas / 180)), "stateRoot": root("state"), "timestamp": quantity(self.time().into()),
            "totalDifficulty": "0xc70d815d562d3cfa955", "transactions": transactions, "transactionsRoot": root("transactions"),
            "uncles": [],
        })
    }

    fn transaction(&self, at: usize, id: &str) -> Value {
        let at = at as u64;
        let address = |label| hash(self.number, at, label).get(..42).map(str::to_owned);
        json!({
            "blockHash": self.hash(), "blockNumber": quantity(self.number.into()), "from": address("from"), "gas": "0x5208",
            "gasPrice": quantity(self.base_fee() + 1_500_000_000), "hash": id, "input": "0x",
            "nonce": quantity(u128::from(Random::new(at ^ self.number).bits() % 900)), "to": address("to"),
            "transactionIndex": quantity(at.into()), "value": quantity(u128::from(Random::new(self.number ^ at << 8).bits() % 9_000_000_000) * 1_000_000_000),
            "type": "0x0", "v": "0x25", "r": hash(self.number, at, "r"), "s": hash(self.number, at, "s"),
        })
    }
}
