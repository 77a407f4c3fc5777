//! An Ethereum node's JSON-RPC (the execution API, as geth answers it): what wallet thieves look for.
//!
//! The chain moves: a block about every 12 seconds since the merge. Accounts and balances are the persona's. Nothing that a visitor
//! sends goes to a network; every call is recorded, those that would move money as `command` events.

mod argument;
mod call;
mod chain;
mod filter;
mod stack;
mod token;

use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::super::{Context, Credentials, Persona};
use super::answer::Answer;
use super::ask::Ask;
use super::face::Face;
use super::family::Family;
use super::go_json;
use super::site::draw;
use call::Fail;
use filter::Filters;

/// Calls in one batch that are answered; geth refuses longer ones in the same way.
const MAX_BATCH: usize = 100;
/// Calls that the event shows.
const MAX_SHOWN: usize = 16;
/// Characters of a call's parameters that the event shows.
const MAX_SHOWN_PARAMS: usize = 2_048;

/// The node.
pub(super) struct Ethereum {
    face: Face,
    credentials: Arc<Credentials>,
    version: &'static str,
    accounts: Vec<Account>,
    /// Differs for every sensor: peers, gas price, transaction hashes.
    salt: u64,
    node_id: String,
    filters: Filters,
}

/// One of the node's accounts.
struct Account {
    address: String,
    /// In units of 10^12 wei.
    balance: u64,
    nonce: u64,
}

impl Ethereum {
    pub(super) fn new(persona: &Persona, credentials: &Arc<Credentials>) -> Self {
        const VERSIONS: [&str; 5] = [
            "Geth/v1.10.26-stable-e5eb32ac/linux-amd64/go1.18.5",
            "Geth/v1.10.25-stable-69568c55/linux-amd64/go1.18.5",
            "Geth/v1.11.6-stable-ea9e62ca/linux-amd64/go1.20.3",
            "Geth/v1.10.23-stable-d901d853/linux-amd64/go1.18.5",
            "Geth/v1.11.5-stable-a38f4108/linux-amd64/go1.20.2",
        ];
        let mut random = persona.random("http ethereum");
        let accounts = (0..random.within(&(1..=3)))
            .map(|_| {
                let mut address = [0; 20];
                random.fill(&mut address);
                let address = format!("0x{}", HEXLOWER.encode(&address));
                Account { address, balance: random.within(&(400_000..=90_000_000)), nonce: random.within(&(3..=400)) }
            })
            .collect();
        let mut node_id = [0; 64];
        random.fill(&mut node_id);
        Self {
            face: Face::Go,
            credentials: Arc::clone(credentials),
            version: draw(&mut random, &VERSIONS),
            accounts,
            salt: random.bits(),
            node_id: HEXLOWER.encode(&node_id),
            filters: Filters::default(),
        }
    }

    /// The answer to one element of a request; `None` for a notification.
    fn respond(&self, cx: &mut Context<'_>, call: &Value) -> Option<Value> {
        let given = call.get("id").cloned();
        // geth takes objects and lists for no id.
        let id = given.clone().filter(|id| !id.is_object() && !id.is_array());
        let method = call.get("method").and_then(Value::as_str).filter(|method| !method.is_empty());
        let is_call = call.get("jsonrpc").and_then(Value::as_str) == Some("2.0") && id.is_some() == given.is_some();
        let (Some(method), true) = (method, is_call) else {
            return Some(failure(&id.unwrap_or_default(), &Fail::new(-32600, "invalid request")));
        };
        let params = match call.get("params") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(params)) => params.clone(),
            Some(_) => return Some(failure(&id.unwrap_or_default(), &Fail::new(-32602, "non-array args"))),
        };
        let result = self.call(cx, method, &params);
        let id = id?;
        Some(match result {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(fail) => failure(&id, &fail),
        })
    }

    fn rpc(&self, cx: &mut Context<'_>, body: &[u8]) -> Answer {
        if body.is_empty() {
            return Answer::new(200, "application/json", "");
        }
        let Ok(request) = serde_json::from_slice::<Value>(body) else {
            return go_json::answer(200, &failure(&Value::Null, &Fail::new(-32700, "parse error")));
        };
        let calls = decoded(&request);
        let answer = match &request {
            Value::Array(batch) if batch.is_empty() => {
                go_json::answer(200, &failure(&Value::Null, &Fail::new(-32600, "empty batch")))
            }
            Value::Array(batch) if batch.len() > MAX_BATCH => {
                go_json::answer(200, &failure(&Value::Null, &Fail::new(-32600, "batch too large")))
            }
            Value::Array(batch) => {
                let answers: Vec<Value> = batch.iter().filter_map(|call| self.respond(cx, call)).collect();
                if answers.is_empty() {
                    Answer::new(200, "application/json", "")
                } else {
                    go_json::answer(200, &answers.into())
                }
            }
            call => match self.respond(cx, call) {
                Some(answer) => go_json::answer(200, &answer),
                None => Answer::new(200, "application/json", ""),
            },
        };
        answer.decoded("calls", calls)
    }
}

fn failure(id: &Value, fail: &Fail) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": fail.code, "message": fail.message}})
}

/// Methods and parameters of what was called, for the event.
fn decoded(request: &Value) -> Vec<Value> {
    let calls = match request {
        Value::Array(batch) => batch.as_slice(),
        call => std::slice::from_ref(call),
    };
    let shown = |call: &Value| {
        let params = call.get("params").map(Value::to_string).unwrap_or_default();
        let shown: String = params.chars().take(MAX_SHOWN_PARAMS).collect();
        json!({"method": call.get("method"), "params": shown})
    };
    calls.iter().take(MAX_SHOWN).map(shown).collect()
}

impl Family for Ethereum {
    fn name(&self) -> &'static str {
        "ethereum"
    }

    fn claims(&self, ask: &Ask<'_>) -> bool {
        let has = |text: &[u8]| memchr::memmem::find(ask.body, text).is_some();
        ask.is("POST")
            && has(b"\"method\"")
            && [
                &b"\"eth_"[..],
                b"\"net_",
                b"\"web3_",
                b"\"personal_",
                b"\"miner_",
                b"\"admin_",
                b"\"txpool_",
                b"\"rpc_",
            ]
            .iter()
            .any(|start| has(start))
    }

    fn face(&self) -> Option<&Face> {
        Some(&self.face)
    }

    fn answer(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        Some(self.through_the_stack(cx, ask))
    }
}
