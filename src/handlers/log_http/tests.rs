use super::super::transcript::{Outcome, Step, Transcript};
use data_encoding::HEXLOWER;

const OK: &str = "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Length: 3\r\n\
                  Content-Type: text/plain; charset=utf-8\r\n\r\nOK\n";

fn run(bytes: &[u8]) -> Outcome {
    Transcript::tcp("log_http", "").run(&[Step::Recv(bytes)])
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8(outcome.sent()).unwrap()
}

#[test]
fn a_request_is_answered_ok_and_recorded_with_its_headers_in_order() {
    let outcome = run(b"GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n");
    assert_eq!(text(&outcome), OK);
    assert!(!outcome.closed);
    let fields = &outcome.the_event("request").fields;
    assert_eq!((&fields["method"], &fields["path"], &fields["query"]), (&"GET".into(), &"/a/b".into(), &"c=d".into()));
    assert_eq!(fields["headers"], serde_json::json!(["Host: x", "User-Agent: curl/8", "Accept: */*"]));
    assert!(!fields.contains_key("payload_hash"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let outcome = run(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(text(&outcome), OK.repeat(3));
    let paths: Vec<_> = outcome.events.iter().map(|event| event.fields["path"].clone()).collect();
    assert_eq!(paths, ["/1", "/2", "/3"]);
    assert_eq!(outcome.events[1].fields["payload_hex"], "616263");
}

#[test]
fn head_has_the_length_but_not_the_body() {
    let outcome = run(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(text(&outcome), OK.strip_suffix("OK\n").unwrap());
}

#[test]
fn a_chunked_body_is_put_together() {
    let outcome = run(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(text(&outcome), OK.repeat(2));
    assert_eq!(outcome.events[0].fields["payload_hex"], HEXLOWER.encode(b"abc0123456789"));
    assert_eq!(outcome.events[0].fields["bytes"], 13);
}

#[test]
fn a_client_that_expects_to_continue_is_told_to() {
    let outcome = Transcript::tcp("log_http", "").run(&[
        Step::Recv(b"PUT /f HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
        Step::Recv(b"hi"),
    ]);
    assert_eq!(text(&outcome), format!("HTTP/1.1 100 Continue\r\n\r\n{OK}"));
    assert_eq!(outcome.sent_after[0], "HTTP/1.1 100 Continue\r\n\r\n".len());
}

#[test]
fn http_1_0_closes_unless_asked_to_stay() {
    let outcome = run(b"GET / HTTP/1.0\r\n\r\n");
    assert!(text(&outcome).starts_with("HTTP/1.0 200 OK\r\n") && outcome.closed);
    let outcome = run(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert!(text(&outcome).contains("\r\nConnection: keep-alive\r\n") && !outcome.closed);
}

#[test]
fn connection_close_is_kept_to() {
    let outcome = run(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /late HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(outcome.closed && text(&outcome).contains("\r\nConnection: close\r\n"));
    assert_eq!(outcome.events.len(), 1);
}

#[test]
fn what_is_no_request_gets_400_at_once_and_is_recorded() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"HELLO\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/3.0\r\n\r\n",
    ] {
        let outcome = Transcript::tcp("log_http", "").run(&[Step::Recv(bytes), Step::Wait(300)]);
        assert!(text(&outcome).starts_with("HTTP/1.1 400 Bad Request\r\n"), "{bytes:?}");
        assert!(outcome.sent_after[0] > 0 && outcome.closed);
        assert_eq!(outcome.the_event("request_malformed").fields["payload_hex"], HEXLOWER.encode(bytes));
    }
}

#[test]
fn contradicting_lengths_are_refused() {
    for headers in [
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: +3",
    ] {
        let outcome = run(format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\nabc").as_bytes());
        assert!(text(&outcome).starts_with("HTTP/1.1 400 "), "{headers}");
    }
}

#[test]
fn a_broken_chunk_size_is_refused_and_the_request_recorded_with_what_came() {
    let outcome = run(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\nrest");
    assert!(text(&outcome).starts_with("HTTP/1.1 400 "));
    assert_eq!(outcome.the_event("request").fields["payload_hex"], "616263");
    assert_eq!(outcome.the_event("request_malformed").fields["payload_hex"], HEXLOWER.encode(b"zz\r\nrest"));
}

#[test]
fn limits_of_head_and_body_are_said() {
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(40_000));
    assert!(text(&run(long.as_bytes())).starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert!(text(&run(many.as_bytes())).starts_with("HTTP/1.1 431 "));
    let outcome = run(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
    assert!(text(&outcome).starts_with("HTTP/1.1 413 "));
    let outcome = run(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n");
    assert!(text(&outcome).starts_with("HTTP/1.1 413 "));
}

#[test]
fn an_unfinished_request_is_recorded() {
    let outcome = Transcript::tcp("log_http", "").run(&[Step::Recv(b"GET / HTTP/1.1\r\nHos"), Step::Eof]);
    assert_eq!(outcome.the_event("request_malformed").fields["payload_hex"], HEXLOWER.encode(b"GET / HTTP/1.1\r\nHos"));
    let outcome = Transcript::tcp("log_http", "")
        .run(&[Step::Recv(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"), Step::Wait(31_000)]);
    assert!(outcome.closed);
    assert_eq!(outcome.the_event("request").fields["incomplete"], true);
}

#[test]
fn a_visitor_that_sends_nothing_still_makes_an_event() {
    run(b"").the_event("connect");
}

#[test]
fn a_request_without_host_is_recorded_and_refused() {
    let outcome = run(b"GET / HTTP/1.1\r\n\r\n");
    assert!(text(&outcome).starts_with("HTTP/1.1 400 ") && outcome.closed);
    assert_eq!(outcome.the_event("request").fields["status"], 400);
}
