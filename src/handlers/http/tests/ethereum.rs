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

/// The answers to a batch of calls, in order.
fn results(calls: &[(&str, Value)]) -> Vec<Value> {
    let batch: Vec<Value> = calls
        .iter()
        .map(|(method, params)| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        .collect();
    rpc(&batch.into()).0.as_array().unwrap().clone()
}

#[test]
fn blocks_transactions_and_receipts_agree_however_they_are_asked_for() {
    let number = |value: &Value| u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let latest = results(&[("eth_getBlockByNumber", json!(["latest", true]))]).remove(0)["result"].clone();
    let transactions = latest["transactions"].as_array().unwrap();
    let mut used = 0;
    for transaction in transactions {
        let found = results(&[
            ("eth_getTransactionByHash", json!([transaction["hash"]])),
            ("eth_getTransactionReceipt", json!([transaction["hash"]])),
            ("eth_getTransactionByBlockHashAndIndex", json!([latest["hash"], transaction["transactionIndex"]])),
        ]);
        assert_eq!((&found[0]["result"], &found[2]["result"]), (transaction, transaction));
        let receipt = &found[1]["result"];
        assert_eq!((&receipt["blockHash"], &receipt["status"]), (&latest["hash"], &json!("0x1")));
        used += number(&receipt["gasUsed"]);
        assert_eq!(number(&receipt["cumulativeGasUsed"]), used);
    }
    assert_eq!(used, number(&latest["gasUsed"]));
    let mut child = latest;
    for _ in 0..6 {
        let parent =
            results(&[("eth_getBlockByHash", json!([child["parentHash"], false]))]).remove(0)["result"].clone();
        assert_eq!(number(&parent["number"]) + 1, number(&child["number"]));
        let apart = number(&child["timestamp"]) - number(&parent["timestamp"]);
        assert!(matches!(apart, 12 | 24), "{apart}");
        child = parent;
    }
    let old = results(&[
        ("eth_getBlockByNumber", json!(["0x0", false])),
        ("eth_getBlockByNumber", json!(["0x1", false])),
        ("eth_getTransactionByHash", json!([format!("0x{}", "1".repeat(64))])),
    ]);
    assert_eq!(old[0]["result"]["hash"], "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
    assert_eq!(old[1]["result"]["parentHash"], old[0]["result"]["hash"]);
    assert!(old[1]["result"].get("baseFeePerGas").is_none() && old[2]["result"].is_null());
}

#[test]
fn a_filter_tells_each_new_block_once() {
    let call = |method: &str, params: Value| {
        post(
            "/",
            "application/json",
            &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string(),
        )
    };
    let made = ask("ethereum", "", call("eth_newBlockFilter", json!([])));
    let id = serde_json::from_str::<Value>(&answers(&made)[0].2).unwrap()["result"].clone();
    let steps = [call("eth_newBlockFilter", json!([])), call("eth_getFilterChanges", json!([id]))];
    let outcome = Transcript::tcp("ethereum", "").run(&[
        Step::Recv(steps[0].as_bytes()),
        Step::Wait(30_000),
        Step::Recv(steps[1].as_bytes()),
        Step::Recv(steps[1].as_bytes()),
    ]);
    let told: Vec<usize> = answers(&outcome)[1..]
        .iter()
        .map(|answer| serde_json::from_str::<Value>(&answer.2).unwrap()["result"].as_array().unwrap().len())
        .collect();
    assert!((2..=3).contains(&told[0]) && told[1] == 0, "{told:?}");
}

#[test]
fn arguments_are_counted_as_geth_counts_them() {
    let error = |method: &str, params: Value| {
        let answer = rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).0;
        (answer["error"]["code"].as_i64().unwrap(), answer["error"]["message"].as_str().unwrap().to_owned())
    };
    let missing = |at: usize| (-32602, format!("missing value for required argument {at}"));
    assert_eq!(error("eth_getBalance", json!(["0x0000000000000000000000000000000000000000"])), missing(1));
    assert_eq!(error("eth_call", json!([])), missing(0));
    assert_eq!(error("eth_getBlockByNumber", json!(["latest"])), missing(1));
    assert_eq!(error("eth_chainId", json!([1])), (-32602, "too many arguments, want at most 0".to_owned()));
}

/// Recorded from a server of Go 1.19.
#[test]
fn gos_library_refuses_what_it_refuses_before_geth_is_asked() {
    const REFUSED: &str = "HTTP/1.1 400 Bad Request";
    const GIVEN: &str = "HTTP/1.0 200 OK";
    for (input, status_line) in [
        ("\r\n\r\n", REFUSED),
        ("\n", REFUSED),
        ("HELP\r\n", REFUSED),
        ("\r\nGET / HTTP/1.0\r\n\r\n", REFUSED),
        ("GET  / HTTP/1.0\r\n\r\n", REFUSED),
        ("GET / HTTP/1.0 \r\n\r\n", REFUSED),
        ("GET / HTTP/1.0\r\r\n\r\n", REFUSED),
        ("GET /\r\n\r\n", REFUSED),
        ("GET / HTTP/1.0\r\nAb\r\n\r\n", REFUSED),
        ("GET / HTTP/1.0\r\n A: b\r\n\r\n", REFUSED),
        ("GET / HTTP/1.0\r\nA : b\r\n\r\n", "HTTP/1.1 400 Bad Request: invalid header name"),
        ("GET / HTTP/1.0\r\nA(: b\r\n\r\n", "HTTP/1.1 400 Bad Request: invalid header name"),
        ("GET / HTTP/1.0\r\nA: \u{1}\r\n\r\n", "HTTP/1.1 400 Bad Request: invalid header value"),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request: missing required Host header"),
        ("GET / HTTP/3.0\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported: unsupported protocol version"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 Not Implemented"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: "),
        ("GET / HTTP/1.0\n\n", GIVEN),
        ("GET / HTTP/1.0\r\nA: b\r\n c\r\n\r\n", GIVEN),
        ("GET / HTTP/1.0\r\n: b\r\n\r\n", GIVEN),
        ("GET /\u{fc} HTTP/1.0\r\n\r\n", "HTTP/1.0 404 Not Found"),
    ] {
        let outcome = ask("ethereum", "", input.as_bytes());
        let sent = String::from_utf8_lossy(&outcome.sent()).into_owned();
        assert!(sent.starts_with(status_line), "{input:?}: {sent}");
        assert!(status_line != REFUSED || sent.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{input:?}: {sent}");
    }
    // Without the end of a line Go waits for it.
    assert_eq!(ask("ethereum", "", b"\x80\x00\x00\x28r\xfe\x1d\x13").sent(), b"");
}

#[test]
fn wrong_arguments_are_named_by_place_and_kind() {
    let address = format!("0x{}", "0".repeat(40));
    let cases = [
        ("eth_getBalance", json!([address, "5"]), "invalid argument 1: hex string without 0x prefix"),
        ("eth_getBalance", json!([address, "0x"]), "invalid argument 1: hex string \"0x\""),
        ("eth_getBalance", json!([address, "0x05"]), "invalid argument 1: hex number with leading zero digits"),
        ("eth_getBalance", json!([address, "0xg"]), "invalid argument 1: invalid hex string"),
        (
            "eth_getBalance",
            json!([7, "latest"]),
            "invalid argument 0: json: cannot unmarshal non-string into Go value of type common.Address",
        ),
        (
            "eth_getBlockByNumber",
            json!(["latest", "x"]),
            "invalid argument 1: json: cannot unmarshal string into Go value of type bool",
        ),
        ("eth_getBlockByNumber", json!([5, true]), "invalid argument 0: hex string without 0x prefix"),
        (
            "eth_getTransactionByHash",
            json!(["0x12"]),
            "invalid argument 0: hex string has length 2, want 64 for common.Hash",
        ),
    ];
    for (method, params, why) in cases {
        let answer = results(&[(method, params)]).remove(0);
        assert_eq!(answer["error"], json!({"code": -32602, "message": why}));
    }
    let usdt = "0xdac17f958d2ee523a2206206994597c13d831ec7";
    let called = results(&[
        ("eth_call", json!([{"to": usdt, "data": "0x313ce567"}, "latest"])),
        ("eth_call", json!([{"to": usdt, "data": "0x00000000"}, "latest"])),
        ("eth_getBalance", json!([address, {"blockNumber": "0x1"}])),
    ]);
    assert_eq!(called[0]["result"], format!("0x{:064x}", 6));
    assert_eq!(called[1]["error"]["message"], "execution reverted");
    assert_eq!(called[2]["result"], "0x0");
}

/// The headers of rs/cors, which geth uses, and geth's compression are read in their sources; the 204 of the preflight is not.
#[test]
fn browsers_may_ask_and_whoever_takes_gzip_gets_it() {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}).to_string();
    let with = |method: &str, path: &str, more: &str, body: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{more}");
        ask("ethereum", "", format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
    };
    let preflight =
        "Origin: http://a\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n";
    let said = text(&with("OPTIONS", "/", preflight, ""));
    let wanted = "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Headers: Content-Type\r\nAccess-Control-Allow-Methods: POST\r\n\
        Access-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 600\r\nVary: Origin\r\nVary: Access-Control-Request-Method\r\n\
        Vary: Access-Control-Request-Headers\r\nDate: ";
    assert!(said.starts_with(wanted), "{said}");
    let said = text(&with("POST", "/", "Origin: http://a\r\n", &call));
    assert!(said.contains("Access-Control-Allow-Origin: *\r\n") && said.contains("0x1"), "{said}");
    let said = text(&with("POST", "/nope", "", &call));
    assert!(
        said.starts_with("HTTP/1.1 404 Not Found\r\nDate: ") && said.ends_with("Content-Length: 0\r\n\r\n"),
        "{said}"
    );
    let outcome = with("POST", "/", "Accept-Encoding: gzip, deflate\r\n", &call);
    let sent = outcome.sent();
    let body = sent.windows(4).position(|end| end == b"\r\n\r\n").map(|at| &sent[at + 4..]).unwrap();
    assert!(text(&outcome).contains("Content-Encoding: gzip\r\n"));
    assert_eq!(
        crate::handlers::gzip::gunzip(body, 1_000).unwrap(),
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x1\"}\n"
    );
}
