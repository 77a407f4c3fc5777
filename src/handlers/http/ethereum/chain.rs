//! A chain that advances with the clock and shows the same block to everyone who asks for it twice.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::super::Random;
use crate::clock::Timestamp;

/// The first block after the merge (Paris), and its time in seconds since the epoch.
const MERGE_BLOCK: u64 = 15_537_394;
const MERGE_TIME: u64 = 1_663_224_179;
/// When the chain began (Frontier), and the first block with a base fee (London).
const GENESIS_TIME: u64 = 1_438_269_973;
const LONDON_BLOCK: u64 = 12_965_000;
/// The hash of the first block, which everybody knows.
const GENESIS_HASH: &str = "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3";
/// Roots of an empty trie and an empty list of uncles.
const EMPTY_ROOT: &str = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";
const NO_UNCLES: &str = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347";
/// Gas of a plain transfer.
const TRANSFER: u64 = 21_000;
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

/// 32 bytes that look like a hash and tell to us which block and which place in it they stand for.
fn sealed(number: u64, at: u64, label: &str) -> String {
    let head = hash(number, at, label).get(2..42).map(str::to_owned).unwrap_or_default();
    let place = (u128::from(number) << 32 | u128::from(at)) ^ mask(&head, label);
    format!("0x{head}{place:024x}")
}

/// The block and the place that a hash of this kind stands for.
fn opened(sealed_hash: &str, label: &str) -> Option<(u64, u64)> {
    let digits = sealed_hash.strip_prefix("0x").filter(|digits| digits.len() == 64)?;
    let (head, place) = digits.split_at_checked(40)?;
    let place = u128::from_str_radix(place, 16).ok()? ^ mask(head, label);
    let (number, at) = (u64::try_from(place >> 32).ok()?, u64::try_from(place & u128::from(u32::MAX)).ok()?);
    (sealed(number, at, label) == sealed_hash.to_ascii_lowercase()).then_some((number, at))
}

/// 96 bits.
fn mask(head: &str, label: &str) -> u128 {
    let digits = hash(0, 0, &format!("{head} {label}"));
    digits.get(2..26).and_then(|digits| u128::from_str_radix(digits, 16).ok()).unwrap_or(0)
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

    /// The block of this hash, up to the newest.
    pub(super) fn of_hash(hash: &str, head: u64) -> Option<Self> {
        if hash.eq_ignore_ascii_case(GENESIS_HASH) {
            return Some(Self::at(0));
        }
        opened(hash, "block").filter(|(number, _)| *number > 0 && *number <= head).map(|(number, _)| Self::at(number))
    }

    /// The block of a transaction of this hash, and its place there.
    pub(super) fn of_transaction(hash: &str, head: u64) -> Option<(Self, usize)> {
        let (number, at) = opened(hash, "transaction").filter(|(number, _)| *number <= head)?;
        let (block, at) = (Self::at(number), usize::try_from(at).ok()?);
        (at < block.count()).then_some((block, at))
    }

    pub(super) fn hash(&self) -> String {
        if self.number == 0 { GENESIS_HASH.to_owned() } else { sealed(self.number, 0, "block") }
    }

    /// Wei for a unit of gas.
    pub(super) fn base_fee(&self) -> u128 {
        8_000_000_000 + u128::from(self.random.clone().bits() % 9_000_000_000)
    }

    fn gas_used(&self) -> u64 {
        if self.number == 0 { 0 } else { 3_000_000 + self.random.clone().bits() % 26_000_000 }
    }

    /// Part of the gas limit that is used.
    pub(super) fn fullness(&self) -> f64 {
        f64::from(u32::try_from(self.gas_used()).unwrap_or(0)) / 30_000_000.0
    }

    /// How many transactions it has.
    pub(super) fn count(&self) -> usize {
        if self.number == 0 {
            0
        } else {
            usize::try_from(1 + Random::new(!self.number).bits() % MAX_TRANSACTIONS).unwrap_or(1)
        }
    }

    pub(super) fn transactions(&self) -> Vec<String> {
        (0..self.count() as u64).map(|at| sealed(self.number, at, "transaction")).collect()
    }

    /// Gas that this transaction used: all of them used what the block did.
    fn gas_of(&self, at: usize) -> u64 {
        let count = self.count() as u64;
        let share = (self.gas_used() / count.max(1)).max(TRANSFER);
        if at as u64 + 1 == count { self.gas_used() - share * (count - 1) } else { share }
    }

    /// Seconds since the epoch: a slot apart since the merge, about thirteen seconds before it.
    fn time(&self) -> u64 {
        match self.number {
            0 => 0,
            number if number < MERGE_BLOCK => GENESIS_TIME + number * (MERGE_TIME - GENESIS_TIME) / MERGE_BLOCK,
            number => MERGE_TIME + (number - MERGE_BLOCK) * 1_000 / FILLED * SLOT,
        }
    }

    /// The block as `eth_getBlockByNumber` gives it; `full` has the transactions themselves.
    pub(super) fn to_value(&self, full: bool) -> Value {
        if self.number == 0 {
            return genesis();
        }
        let gas = self.gas_used();
        let root = |label| hash(self.number, 0, label);
        let transactions: Vec<Value> = self
            .transactions()
            .into_iter()
            .enumerate()
            .map(|(at, id)| if full { self.transaction(at) } else { id.into() })
            .collect();
        let bloom: String = (0..8_u64).map(|at| hash(self.number, at, "bloom").split_off(2)).collect();
        let is_merged = self.number >= MERGE_BLOCK;
        let mut block = json!({
            "baseFeePerGas": quantity(self.base_fee()), "difficulty": if is_merged { "0x0" } else { "0x2d7a6bd4a5c1b3" },
            "extraData": "0x6265617665726275696c642e6f7267", "gasLimit": "0x1c9c380", "gasUsed": quantity(gas.into()),
            "hash": self.hash(), "logsBloom": format!("0x{bloom}"), "miner": root("miner").get(..42),
            "mixHash": root("mix"), "nonce": if is_merged { "0x0000000000000000".to_owned() } else { root("nonce").chars().take(18).collect() }, "number": quantity(self.number.into()),
            "parentHash": Self::at(self.number - 1).hash(), "receiptsRoot": root("receipts"),
            "sha3Uncles": NO_UNCLES,
            "size": quantity(u128::from(gas / 180)), "stateRoot": root("state"), "timestamp": quantity(self.time().into()),
            "totalDifficulty": "0xc70d815d562d3cfa955", "transactions": transactions, "transactionsRoot": root("transactions"),
            "uncles": [],
        });
        if let Some(block) = block.as_object_mut().filter(|_| self.number < LONDON_BLOCK) {
            block.shift_remove("baseFeePerGas");
        }
        block
    }

    fn address(&self, at: usize, label: &str) -> Value {
        hash(self.number, at as u64, label).get(..42).map(str::to_owned).into()
    }

    /// A transaction as `eth_getTransactionByHash` gives it.
    pub(super) fn transaction(&self, at: usize) -> Value {
        let (place, gas) = (at as u64, self.gas_of(at));
        let is_call = gas > TRANSFER;
        let input = hash(self.number, place, "input");
        json!({
            "blockHash": self.hash(), "blockNumber": quantity(self.number.into()), "from": self.address(at, "from"),
            "gas": quantity(u128::from(gas + gas / 5)), "gasPrice": quantity(self.base_fee() + 1_500_000_000),
            "hash": sealed(self.number, place, "transaction"),
            "input": if is_call { format!("0xa9059cbb{:024}{}{}", 0, input.get(2..42).unwrap_or_default(), format_args!("{:064x}", gas)) } else { "0x".to_owned() },
            "nonce": quantity(u128::from(Random::new(place ^ self.number).bits() % 900)), "to": self.address(at, "to"),
            "transactionIndex": quantity(place.into()),
            "value": if is_call { "0x0".into() } else { quantity(u128::from(Random::new(self.number ^ place << 8).bits() % 9_000_000_000) * 1_000_000_000) },
            "type": "0x0", "v": "0x25", "r": hash(self.number, place, "r"), "s": hash(self.number, place, "s"),
        })
    }

    /// The receipt of a transaction.
    pub(super) fn receipt(&self, at: usize) -> Value {
        let total: u64 = (0..=at).map(|at| self.gas_of(at)).sum();
        json!({
            "blockHash": self.hash(), "blockNumber": quantity(self.number.into()), "contractAddress": null,
            "cumulativeGasUsed": quantity(total.into()), "effectiveGasPrice": quantity(self.base_fee() + 1_500_000_000),
            "from": self.address(at, "from"), "gasUsed": quantity(self.gas_of(at).into()), "logs": [],
            "logsBloom": format!("0x{:0512}", 0), "status": "0x1", "to": self.address(at, "to"),
            "transactionHash": sealed(self.number, at as u64, "transaction"), "transactionIndex": quantity(at as u128), "type": "0x0",
        })
    }
}

/// The first block of the main network.
fn genesis() -> Value {
    let zeros = |digits: usize| format!("0x{}", "0".repeat(digits));
    json!({
        "difficulty": "0x400000000", "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
        "gasLimit": "0x1388", "gasUsed": "0x0", "hash": GENESIS_HASH, "logsBloom": zeros(512), "miner": zeros(40), "mixHash": zeros(64),
        "nonce": "0x0000000000000042", "number": "0x0", "parentHash": zeros(64), "receiptsRoot": EMPTY_ROOT, "sha3Uncles": NO_UNCLES,
        "size": "0x21c", "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544", "timestamp": "0x0",
        "totalDifficulty": "0x400000000", "transactions": [], "transactionsRoot": EMPTY_ROOT, "uncles": [],
    })
}
