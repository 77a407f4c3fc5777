//! What all handlers share, seen by real clients.

use crate::lab::events::kind;
use crate::lab::{Lab, SENSOR};

const RULES: &str = "
version: 1
rules:
  - {name: web, match: tcp dst port 80, type: log_http}
";

#[test]
fn curl_reads_an_answer_and_its_request_is_recorded() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let url = format!("http://{}/setup.cgi?next_file=x", SENSOR[0]);
    assert_eq!(lab.client_says("curl", &["-sS", "-A", "Mozilla/5.0", &url], b""), "OK\n");
    let event = engine.events.await_event("a request", |event| kind(event) == "request");
    assert_eq!((&event["path"], &event["query"]), (&"/setup.cgi".into(), &"next_file=x".into()));
    engine.stop();
}
