//! The tokens that everybody asks for (EIP-20): what their contracts say of themselves.

use super::chain::hash;

/// Address, name, symbol, decimals, supply in whole tokens.
type Token = (&'static str, &'static str, &'static str, u8, u64);

const TOKENS: [Token; 6] = [
    ("dac17f958d2ee523a2206206994597c13d831ec7", "Tether USD", "USDT", 6, 39_026_949_359),
    ("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "USD Coin", "USDC", 6, 23_412_087_110),
    ("6b175474e89094c44da98b954eedeac495271d0f", "Dai Stablecoin", "DAI", 18, 4_612_882_931),
    ("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "Wrapped Ether", "WETH", 18, 3_391_204),
    ("514910771af9ca656af840dff83e8264ecf986ca", "ChainLink Token", "LINK", 18, 1_000_000_000),
    ("2260fac5e5542a773aa44fbcfedf7c193bc2c599", "Wrapped BTC", "WBTC", 8, 157_241),
];
/// The registry of names (EIP-137), which knows none that it is asked for.
const REGISTRY: &str = "0x00000000000c2e074ec69a0dfb2997ba6c7d2e1e";
/// Pieces of 32 bytes that a contract has.
const CODE: u64 = 40;

fn token(address: &str) -> Option<&'static Token> {
    let address = address.strip_prefix("0x")?.to_ascii_lowercase();
    TOKENS.iter().find(|token| token.0 == address)
}

/// What is at this address: a contract's code, or nothing.
pub(super) fn code(address: &str) -> String {
    match token(address) {
        None => "0x".to_owned(),
        Some(token) => {
            let body: String = (0..CODE).map(|at| hash(at, 0, token.2).split_off(2)).collect();
            format!("0x6080604052600436106100{body}")
        }
    }
}

/// What a call of a contract returns; `None`: there is no contract, or it has nothing for this call and reverts.
pub(super) fn called(address: &str, data: &str) -> Result<String, ()> {
    if address.eq_ignore_ascii_case(REGISTRY) {
        return Ok(format!("0x{:064x}", 0));
    }
    let Some((_, name, symbol, decimals, supply)) = token(address) else { return Ok("0x".to_owned()) };
    let selector = data.strip_prefix("0x").and_then(|digits| digits.get(..8)).unwrap_or_default();
    Ok(match selector.to_ascii_lowercase().as_str() {
        "06fdde03" => text(name),
        "95d89b41" => text(symbol),
        "313ce567" => format!("0x{decimals:064x}"),
        "18160ddd" => format!("0x{:064x}", u128::from(*supply) * 10_u128.pow(u32::from(*decimals))),
        // Balances and allowances: nobody that is asked for has any.
        "70a08231" | "dd62ed3e" => format!("0x{:064x}", 0),
        _ => return Err(()),
    })
}

/// A text as contracts return it (Solidity ABI): where it begins, its length, its bytes.
fn text(text: &str) -> String {
    let bytes: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{:064x}{:064x}{bytes:0<64}", 32, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_its_name_and_nothing_is_at_other_addresses() {
        let usdt = "0xdAC17F958D2ee523a2206206994597C13D831ec7";
        let name = called(usdt, "0x06fdde03").unwrap();
        assert_eq!(name.len(), 2 + 3 * 64);
        assert!(name.contains("54657468657220555344"));
        assert_eq!(called(usdt, "0x313ce567").unwrap(), format!("0x{:064x}", 6));
        assert!(called(usdt, "0xdeadbeef").is_err());
        assert_eq!(called("0x00", "0x06fdde03").unwrap(), "0x");
        assert!(code(usdt).starts_with("0x6080604052") && code("0x00") == "0x");
    }
}
