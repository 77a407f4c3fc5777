//! A call's arguments, and what geth says of wrong ones (rpc, parseArgumentArray; common/hexutil).

use serde_json::Value;

use super::super::go_json::mismatch;
use super::call::Fail;

/// The arguments of one call.
pub(super) struct Arguments<'a>(pub(super) &'a [Value]);

pub(super) fn missing(at: usize) -> Fail {
    Fail::new(-32602, format!("missing value for required argument {at}"))
}

fn invalid(at: usize, why: &str) -> Fail {
    Fail::new(-32602, format!("invalid argument {at}: {why}"))
}

impl<'a> Arguments<'a> {
    fn value(&self, at: usize) -> Result<&'a Value, Fail> {
        self.0.get(at).filter(|value| !value.is_null()).ok_or_else(|| missing(at))
    }

    pub(super) fn text(&self, at: usize) -> Result<&'a str, Fail> {
        let value = self.value(at)?;
        value.as_str().ok_or_else(|| invalid(at, &mismatch(value, "value of type string")))
    }

    pub(super) fn flag(&self, at: usize) -> Result<bool, Fail> {
        let value = self.value(at)?;
        value.as_bool().ok_or_else(|| invalid(at, &mismatch(value, "value of type bool")))
    }

    pub(super) fn address(&self, at: usize) -> Result<&'a str, Fail> {
        self.fixed(at, 40, "common.Address")
    }

    pub(super) fn hash(&self, at: usize) -> Result<&'a str, Fail> {
        self.fixed(at, 64, "common.Hash")
    }

    /// So many digits.
    fn fixed(&self, at: usize, digits: usize, name: &str) -> Result<&'a str, Fail> {
        let value = self.value(at)?;
        let Some(text) = value.as_str() else {
            return Err(invalid(at, &format!("json: cannot unmarshal non-string into Go value of type {name}")));
        };
        let why = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            None if text.is_empty() => "empty hex string",
            None => "hex string without 0x prefix",
            Some(given) if given.len() % 2 == 1 => "hex string of odd length",
            Some(given) if given.len() != digits => {
                return Err(invalid(at, &format!("hex string has length {}, want {digits} for {name}", given.len())));
            }
            Some(given) if !given.bytes().all(|digit| digit.is_ascii_hexdigit()) => "invalid hex string",
            Some(_) => return Ok(text),
        };
        Err(invalid(at, &format!("json: cannot unmarshal {why} into Go value of type {name}")))
    }

    /// A block's number or tag (execution API, BlockNumberOrTag), up to this newest one; an object may name it instead (EIP-1898).
    pub(super) fn block(&self, at: usize, head: u64) -> Result<u64, Fail> {
        let value = self.value(at)?;
        if let Some(object) = value.as_object() {
            return match object.get("blockNumber") {
                Some(number) => Arguments(std::slice::from_ref(number)).block(0, head),
                None => Ok(head),
            };
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match text.as_str() {
            "latest" | "pending" => return Ok(head),
            "safe" => return Ok(head.saturating_sub(32)),
            "finalized" => return Ok(head.saturating_sub(64)),
            "earliest" => return Ok(0),
            _ => {}
        }
        let why = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            None if text.is_empty() => "empty hex string",
            None => "hex string without 0x prefix",
            Some("") => "hex string \"0x\"",
            Some(digits) if digits.len() > 1 && digits.starts_with('0') => "hex number with leading zero digits",
            Some(digits) if digits.len() > 16 => "hex number > 64 bits",
            Some(digits) => match u64::from_str_radix(digits, 16) {
                Ok(number) if i64::try_from(number).is_ok() => return Ok(number),
                Ok(_) => "block number larger than int64",
                Err(_) => "invalid hex string",
            },
        };
        Err(invalid(at, why))
    }
}
