//! The methods, one by one.

use serde_json::{Value, json};

use super::super::super::Context;
use super::super::record::command_event;
use super::argument::{Arguments, missing};
use super::chain::{Block, hash, number_at, quantity};
use super::{Account, Ethereum, token};

/// Wei in the unit that balances are drawn in.
const BALANCE_UNIT: u128 = 1_000_000_000_000;

/// A JSON-RPC error (execution API; geth's own are -32000).
pub(super) struct Fail {
    pub(super) code: i32,
    pub(super) message: String,
}

impl Fail {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Ethereum {
    pub(super) fn call(&self, cx: &mut Context<'_>, method: &str, params: &[Value]) -> Result<Value, Fail> {
        if is_grave(method) {
            cx.event(command_event(&format!("{method} {}", Value::from(params))));
        }
        check_count(method, params)?;
        let head = number_at(cx.now());
        let given = Arguments(params);
        let text = |at: usize| given.text(at);
        Ok(match method {
            "web3_clientVersion" => self.version.into(),
            "net_version" => "1".into(),
            "net_listening" => true.into(),
            "net_peerCount" => quantity(self.peers(head).into()),
            "eth_chainId" => "0x1".into(),
            "eth_protocolVersion" => "0x42".into(),
            "eth_syncing" | "eth_mining" => false.into(),
            "eth_hashrate" => "0x0".into(),
            "eth_blockNumber" => quantity(head.into()),
            "eth_accounts" | "personal_listAccounts" => self.accounts.iter().map(|a| a.address.as_str()).collect(),
            "personal_listWallets" => self.accounts.iter().map(wallet).collect(),
            "eth_coinbase" | "eth_etherbase" => self.accounts.first().map(|a| a.address.clone()).into(),
            "eth_getBalance" => {
                let account = self.account(given.address(0)?);
                given.block(1, head)?;
                quantity(account.map_or(0, |account| u128::from(account.balance) * BALANCE_UNIT))
            }
            "eth_getTransactionCount" => {
                let account = self.account(given.address(0)?);
                given.block(1, head)?;
                quantity(account.map_or(0, |account| account.nonce.into()))
            }
            "eth_getCode" => {
                let address = given.address(0)?;
                given.block(1, head)?;
                token::code(address).into()
            }
            "eth_call" => {
                let field = |name| params.first().and_then(|call| call.get(name)).and_then(Value::as_str);
                given.block(1, head)?;
                let data = field("data").or_else(|| field("input")).unwrap_or_default();
                let returned = token::called(field("to").unwrap_or_default(), data);
                returned.map_err(|()| Fail::new(-32000, "execution reverted"))?.into()
            }
            "eth_getStorageAt" => {
                given.address(0)?;
                given.block(2, head)?;
                zeros().into()
            }
            "eth_estimateGas" => params.first().map(|_| "0x5208".into()).ok_or_else(|| missing(0))?,
            "eth_gasPrice" => quantity(Block::at(head).base_fee() + 1_500_000_000),
            "eth_maxPriorityFeePerGas" => quantity(1_500_000_000),
            "eth_feeHistory" => self.fee_history(head, params),
            "eth_getBlockByNumber" => {
                let (number, full) = (given.block(0, head)?, given.flag(1)?);
                if number > head { Value::Null } else { Block::at(number).to_value(full) }
            }
            "eth_getBlockTransactionCountByNumber" => {
                let number = given.block(0, head)?;
                quantity(Block::at(number).transactions().len() as u128)
            }
            "eth_getBlockByHash" => {
                let (hash, full) = (given.hash(0)?, given.flag(1)?);
                Block::of_hash(hash, head).map_or(Value::Null, |block| block.to_value(full))
            }
            "eth_getBlockTransactionCountByHash" => {
                Block::of_hash(given.hash(0)?, head).map_or(Value::Null, |block| quantity(block.count() as u128))
            }
            "eth_getTransactionByHash" => {
                Block::of_transaction(given.hash(0)?, head).map_or(Value::Null, |(block, at)| block.transaction(at))
            }
            "eth_getTransactionReceipt" => {
                Block::of_transaction(given.hash(0)?, head).map_or(Value::Null, |(block, at)| block.receipt(at))
            }
            "eth_getTransactionByBlockHashAndIndex" | "eth_getTransactionByBlockNumberAndIndex" => {
                let block = match method.ends_with("HashAndIndex") {
                    true => Block::of_hash(given.hash(0)?, head),
                    false => Some(given.block(0, head)?).filter(|number| *number <= head).map(Block::at),
                };
                let at = text(1)?.strip_prefix("0x").and_then(|digits| usize::from_str_radix(digits, 16).ok());
                let found = block.zip(at).filter(|(block, at)| *at < block.count());
                found.map_or(Value::Null, |(block, at)| block.transaction(at))
            }
            "eth_getUncleCountByBlockHash" | "eth_getUncleCountByBlockNumber" => text(0).map(|_| "0x0".into())?,
            "eth_getUncleByBlockHashAndIndex" | "eth_getUncleByBlockNumberAndIndex" => text(1).map(|_| Value::Null)?,
            "eth_getLogs" => params.first().map(|_| json!([])).ok_or_else(|| missing(0))?,
            "eth_pendingTransactions" | "admin_peers" => json!([]),
            "eth_newFilter" | "eth_newBlockFilter" | "eth_newPendingTransactionFilter" => {
                self.filters.add(cx.session().seed, head, method == "eth_newBlockFilter")
            }
            "eth_getFilterChanges" | "eth_getFilterLogs" => {
                self.filters.changes(text(0)?, head).ok_or_else(|| Fail::new(-32000, "filter not found"))?
            }
            "eth_uninstallFilter" => self.filters.remove(text(0)?).into(),
            "eth_subscribe" => return Err(Fail::new(-32000, "notifications not supported")),
            "miner_setEtherbase" | "miner_setGasPrice" => true.into(),
            "miner_start" | "miner_stop" => Value::Null,
            "eth_getWork" => return Err(Fail::new(-32000, "no mining work available yet")),
            "eth_submitWork" | "eth_submitHashrate" => false.into(),
            "txpool_status" => {
                json!({"pending": quantity(u128::from(self.salt % 4_000) + 900), "queued": quantity(u128::from(self.salt % 700))})
            }
            "txpool_content" => json!({"pending": {}, "queued": {}}),
            "rpc_modules" => {
                json!({"admin": "1.0", "eth": "1.0", "miner": "1.0", "net": "1.0", "personal": "1.0", "rpc": "1.0", "txpool": "1.0", "web3": "1.0"})
            }
            "admin_nodeInfo" => self.node_info(head),
            "admin_datadir" => "/root/.ethereum".into(),
            "personal_unlockAccount" => return self.unlock(cx, text(0)?, text(1)?),
            "personal_lockAccount" => text(0).map(|address| self.account(address).is_some().into())?,
            "personal_newAccount" => {
                let word = text(0)?;
                hash(cx.session().seed, self.salt, word).get(..42).map(str::to_owned).into()
            }
            "personal_importRawKey" => {
                let key = text(0)?;
                hash(self.salt, 0, key).get(..42).map(str::to_owned).into()
            }
            "personal_sendTransaction" | "personal_signTransaction" => {
                let from =
                    params.first().and_then(|tx| tx.get("from")).and_then(Value::as_str).unwrap_or_default().to_owned();
                self.unlock(cx, &from, text(1)?)?;
                return Err(poor());
            }
            "personal_sign" => {
                self.unlock(cx, text(1)?, text(2)?)?;
                self.signature(text(0)?)
            }
            "eth_sendTransaction" | "eth_signTransaction" => {
                let from = params.first().ok_or_else(|| missing(0))?.get("from").and_then(Value::as_str);
                return Err(match from.and_then(|from| self.account(from)) {
                    Some(_) => locked(),
                    None => Fail::new(-32000, "unknown account"),
                });
            }
            "eth_sign" => {
                let found = self.account(text(0)?);
                return Err(if found.is_some() { locked() } else { Fail::new(-32000, "unknown account") });
            }
            "eth_sendRawTransaction" => {
                let bytes = text(0)?.strip_prefix("0x").unwrap_or_default();
                return Err(if bytes.len() < 200 {
                    Fail::new(-32000, "rlp: value size exceeds available input length")
                } else {
                    poor()
                });
            }
            _ => {
                return Err(Fail::new(-32601, format!("the method {method} does not exist/is not available")));
            }
        })
    }

    fn account(&self, address: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.address.eq_ignore_ascii_case(address))
    }

    fn peers(&self, head: u64) -> u64 {
        // Changes every few minutes between 21 and 50, geth's default limit.
        21 + (self.salt ^ (head / 25).wrapping_mul(0x9e37_79b9)) % 30
    }

    fn unlock(&self, cx: &mut Context<'_>, address: &str, password: &str) -> Result<Value, Fail> {
        let let_in = self.credentials.judge(cx, address.as_bytes(), password.as_bytes());
        match self.account(address) {
            None => Err(Fail::new(-32000, "no key for given address or file")),
            Some(_) if let_in => Ok(true.into()),
            Some(_) => Err(Fail::new(-32000, "could not decrypt key with given password")),
        }
    }

    /// r, s and v of a signature (65 bytes), as long as a genuine one.
    fn signature(&self, data: &str) -> Value {
        let (r, s) = (hash(self.salt, 1, data), hash(self.salt, 2, data));
        format!("{r}{}1b", s.get(2..).unwrap_or_default()).into()
    }

    fn fee_history(&self, head: u64, params: &[Value]) -> Value {
        let count = params.first().and_then(|count| match count {
            Value::String(text) => u64::from_str_radix(text.strip_prefix("0x")?, 16).ok(),
            other => other.as_u64(),
        });
        let count = count.unwrap_or(1).clamp(1, 64);
        let oldest = head.saturating_sub(count - 1);
        let fees: Vec<Value> = (oldest..=head + 1).map(|n| quantity(Block::at(n).base_fee())).collect();
        let ratios: Vec<f64> = (oldest..=head).map(|n| Block::at(n).fullness()).collect();
        let wanted = params.get(2).and_then(Value::as_array).map_or(0, |list| list.len().min(16));
        let rewards: Vec<Vec<&str>> = ratios.iter().map(|_| vec!["0x59682f00"; wanted]).collect();
        json!({"oldestBlock": quantity(oldest.into()), "baseFeePerGas": fees, "gasUsedRatio": ratios, "reward": rewards})
    }

    fn node_info(&self, head: u64) -> Value {
        json!({
            "id": self.node_id.get(..64), "name": self.version,
            "enode": format!("enode://{}@127.0.0.1:30303", self.node_id), "ip": "127.0.0.1",
            "ports": {"discovery": 30303, "listener": 30303}, "listenAddr": "[::]:30303",
            "protocols": {"eth": {"network": 1, "head": Block::at(head).hash()}},
        })
    }
}

/// Calls that an attack consists of.
fn is_grave(method: &str) -> bool {
    ["personal_", "miner_", "admin_", "eth_send", "eth_sign"].iter().any(|start| method.starts_with(start))
}

fn wallet(account: &Account) -> Value {
    let name = account.address.get(2..).unwrap_or_default();
    json!({
        "url": format!("keystore:///root/.ethereum/keystore/UTC--2022-11-03T08-14-57.214506518Z--{name}"), "status": "Locked",
        "accounts": [{"address": account.address, "url": format!("keystore:///root/.ethereum/keystore/UTC--2022-11-03T08-14-57.214506518Z--{name}")}],
    })
}

fn zeros() -> String {
    format!("0x{:064}", 0)
}

fn locked() -> Fail {
    Fail::new(-32000, "authentication needed: password or unlock")
}

fn poor() -> Fail {
    Fail::new(-32000, "insufficient funds for gas * price + value")
}

/// Arguments of a method: those that it needs, and the most that it takes.
fn check_count(method: &str, params: &[Value]) -> Result<(), Fail> {
    let (least, most) = match method {
        "eth_blockNumber"
        | "eth_chainId"
        | "eth_accounts"
        | "eth_gasPrice"
        | "eth_syncing"
        | "net_version"
        | "web3_clientVersion"
        | "eth_mining"
        | "eth_hashrate"
        | "eth_coinbase"
        | "net_listening"
        | "net_peerCount"
        | "eth_maxPriorityFeePerGas" => (0, 0),
        "eth_getBalance"
        | "eth_getTransactionCount"
        | "eth_getCode"
        | "eth_getBlockByNumber"
        | "eth_getBlockByHash" => (2, 2),
        "eth_getStorageAt" => (3, 3),
        "eth_call" => (2, 4),
        "eth_estimateGas" => (1, 3),
        "eth_getTransactionByHash" | "eth_getTransactionReceipt" | "eth_sendRawTransaction" | "eth_getLogs" => (1, 1),
        _ => return Ok(()),
    };
    let given = params.iter().rposition(|param| !param.is_null()).map_or(0, |at| at + 1);
    if params.len() > most {
        return Err(Fail::new(-32602, format!("too many arguments, want at most {most}")));
    }
    if given < least { Err(missing(given)) } else { Ok(()) }
}
