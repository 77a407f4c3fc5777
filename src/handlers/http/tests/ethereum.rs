//! Ethereum.

use serde_json::{Value, json};

use super::*;

fn rpc(body: &Value) -> (Value, Outcome) {
    let outcome = ask("ethereum", "", post("/", "application/json", &body.to_string()));
    let answer = serde_json::from_str(&answers(&outcome)[0].2).unwrap();
    (answer, outcome)
}

#[test]
fn json_rpc_ids_come_back_with_their_type_and_batches_in_order() {
    let (answer, _) = rpc(&json!([
        {"jsonrpc": "2.0", "id": "a", "method": "net_version"},
        {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId"},
        {"jsonrpc": "2.0", "id": null, "method": "eth_nope", "params": []},
        {"jsonrpc": "2.0", "method": "eth_chainId"},
    ]));
    assert_eq!(answer[0], json!({"jsonrpc": "2.0", "id": "a", "result": "1"}));
    assert_eq!(answer[1]["id"], 7);
    assert_eq!(
        answer[2]["error"],
        json!({"code": -32601, "message": "the method eth_nope does not exist/is not available"})
    );
    assert_eq!(answer.as_array().unwrap().len(), 3, "a notification has no answer");
}

#[test]
fn the_chain_advances_every_twelve_seconds() {
    let ask =
        post("/", "application/json", &json!({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}).to_string());
    let steps = [Step::Recv(ask.as_bytes()), Step::Wait(50_000), Step::Recv(ask.as_bytes())];
    let outcome = Transcript::tcp("ethereum", "").run(&steps);
    let numbers: Vec<u64> = answers(&outcome)
        .iter()
        .map(|answer| serde_json::from_str::<Value>(&answer.2).unwrap()["result"].as_str().unwrap()[2..].to_owned())
        .map(|digits| u64::from_str_radix(&digits, 16).unwrap())
        .collect();
    assert!((3..=5).contains(&(numbers[1] - numbers[0])), "{numbers:?}");
    let (block, _) =
        rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x1000000", false]}));
    let (parent, _) =
        rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0xffffff", true]}));
    assert_eq!(block["result"]["parentHash"], parent["result"]["hash"]);
}

#[test]
fn what_would_move_money_is_recorded() {
    let (accounts, _) = rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_accounts"}));
    let account = accounts["result"][0].as_str().unwrap();
    let (answer, outcome) = rpc(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "personal_unlockAccount", "params": [account, "hunter2", 600]}),
    );
    assert_eq!(answer["error"]["message"], "could not decrypt key with given password");
    assert_eq!(outcome.the_event("login").fields["password"], "hunter2");
    let (answer, outcome) = rpc(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [{"from": account, "to": "0x00", "value": "0x1"}]}),
    );
    assert_eq!(answer["error"]["message"], "authentication needed: password or unlock");
    assert!(outcome.the_event("command").fields["command"].as_str().unwrap().contains("\"value\":\"0x1\""));
    assert_eq!(outcome.the_event("request").fields["decoded"]["calls"][0]["method"], "eth_sendTransaction");
}

#[test]
fn wrong_requests_are_refused_in_geths_words() {
    let error = |call: Value| rpc(&call).0["error"]["message"].as_str().unwrap().to_owned();
    let call = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    assert_eq!(error(json!({"jsonrpc": "2.0", "id": {}, "method": "eth_chainId"})), "invalid request");
    assert_eq!(error(call("", json!([]))), "invalid request");
    assert_eq!(
        error(call("eth_getBalance", json!(["0x12", "latest"]))),
        "invalid argument 0: hex string has length 2, want 40 for common.Address"
    );
    assert_eq!(error(call("eth_getFilterChanges", json!(["0x1"]))), "filter not found");
    assert_eq!(error(call("eth_subscribe", json!(["newHeads"]))), "notifications not supported");
    let (latest, _) = rpc(&call("eth_getBlockByNumber", json!(["latest", false])));
    let hash = latest["result"]["hash"].clone();
    assert_eq!(rpc(&call("eth_getBlockByHash", json!([hash, false]))).0["result"], latest["result"]);
    let plain = answers(&ask("ethereum", "", post("/", "text/plain", "{}"))).remove(0);
    assert_eq!((plain.0, plain.2.as_str()), (415, "invalid content type, only application/json is supported\n"));
    assert!(plain.1.contains("X-Content-Type-Options: nosniff") && plain.1.contains("Vary: Origin"), "{}", plain.1);
}
