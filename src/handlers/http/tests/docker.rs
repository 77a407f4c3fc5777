//! The Docker engine.

use serde_json::{Value, json};

use super::*;

#[test]
fn the_docker_engine_says_what_it_is() {
    let (status, head, body) = get("docker", "/_ping");
    assert_eq!((status, body.as_str()), (200, "OK"));
    assert!(head.contains("Api-Version: 1.41\r\n") && head.contains("\r\nServer: Docker/20.10."));
    let version: Value = serde_json::from_str(&get("docker", "/v1.41/version").2).unwrap();
    let info: Value = serde_json::from_str(&get("docker", "/info").2).unwrap();
    assert_eq!(version["Version"], info["ServerVersion"]);
    assert_eq!(get("docker", "/nope").2, "{\"message\":\"page not found\"}\n");
    assert!(get("docker", "/v1.99/version").2.contains("client version 1.99 is too new"));
    let list: Value = serde_json::from_str(&get("docker", "/containers/json").2).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[test]
fn a_container_is_created_started_and_seen_to_end() {
    let create = post(
        "/v1.41/containers/create?name=miner",
        "application/json",
        &json!({"Image": "busybox", "Cmd": ["sh", "-c", "echo hello; sleep 3"],
        "HostConfig": {"Binds": ["/:/mnt"], "Privileged": true}})
        .to_string(),
    );
    let pull =
        "POST /v1.41/images/create?fromImage=busybox&tag=latest HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let start = "POST /v1.41/containers/miner/start HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let wait = "POST /v1.41/containers/miner/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let logs = "GET /v1.41/containers/miner/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    let outcome = Transcript::tcp("docker", "").run(&[
        Step::Recv(create.as_bytes()),
        Step::Recv(pull.as_bytes()),
        Step::Wait(5_000),
        Step::Recv(create.as_bytes()),
        Step::Recv(start.as_bytes()),
        Step::Recv(wait.as_bytes()),
        Step::Wait(6_000),
        Step::Recv(logs.as_bytes()),
    ]);
    let all = answers(&outcome);
    let statuses: Vec<u16> = all.iter().map(|answer| answer.0).collect();
    assert_eq!(statuses, [404, 200, 201, 204, 200, 200]);
    assert!(all[1].2.contains("Downloaded newer image for busybox:latest"));
    assert!(all[4].2.contains("\"StatusCode\":0"));
    assert!(all[5].2.ends_with("\x06hello\n"), "{:?}", all[5].2);
    let made =
        &outcome.events.iter().filter(|event| event.kind == "request").nth(2).unwrap().fields["decoded"]["container"];
    assert_eq!((&made["binds"], &made["privileged"]), (&json!(["/:/mnt"]), &json!(true)));
    assert!(
        outcome
            .events
            .iter()
            .any(|event| event.kind == "command" && event.fields["command"] == "sh -c echo hello; sleep 3")
    );
}

#[test]
fn a_terminal_in_a_container_takes_commands_however_they_are_cut() {
    let list = get("docker", "/containers/json").2;
    let id = serde_json::from_str::<Value>(&list).unwrap()[0]["Names"][0]
        .as_str()
        .unwrap()
        .trim_start_matches('/')
        .to_owned();
    let exec = post(
        &format!("/v1.41/containers/{id}/exec"),
        "application/json",
        &json!({"Cmd": ["sh"], "Tty": true, "AttachStdin": true}).to_string(),
    );
    let created = Transcript::tcp("docker", "").run(&[Step::Recv(exec.as_bytes())]);
    let id = serde_json::from_str::<Value>(&answers(&created)[0].2).unwrap()["Id"].as_str().unwrap().to_owned();
    let start = format!(
        "POST /v1.41/exec/{id}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{{\"Detach\":false,\"Tty\":true}}"
    );
    let steps = [Step::Recv(exec.as_bytes()), Step::Recv(start.as_bytes()), Step::Wait(100), Step::Recv(b"id\rexit\r")];
    let outcome = Transcript::tcp("docker", "").run(&steps);
    let sent = text(&outcome);
    assert!(sent.contains("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n/ # id\r\nuid=0(root)"), "{sent}");
    assert!(outcome.closed);
    assert!(outcome.events.iter().any(|event| event.kind == "command" && event.fields["command"] == "id"));
}

#[test]
fn what_is_done_to_the_machine_is_seen_afterwards() {
    let ask = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        format!(
            "{method} /v1.41{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let container = json!({"Image": "nginx:1.21", "Cmd": ["sleep", "60"], "HostConfig": {"Binds": ["/:/host:ro"]}});
    let missing = json!({"Image": "base:1", "Cmd": ["./miner"]});
    let script = [
        (ask("POST", "/images/create?fromImage=nginx&tag=1.21", Value::Null), 200, "nginx:1.21"),
        (ask("POST", "/containers/create?name=a", container), 201, "Id"),
        (ask("POST", "/containers/a/start", Value::Null), 204, ""),
        (ask("POST", "/containers/a/rename?name=b", Value::Null), 204, ""),
        (ask("POST", "/containers/b/pause", Value::Null), 204, ""),
        (ask("GET", "/containers/json", Value::Null), 200, "(Paused)"),
        (ask("GET", "/containers/b/json", Value::Null), 200, "\"IPAddress\":\"172.17.0."),
        (ask("GET", "/containers/b/json", Value::Null), 200, "\"Destination\":\"/host\",\"Mode\":\"ro\""),
        (ask("GET", "/containers/b/archive?path=/x", Value::Null), 404, "Could not find the file /x in container"),
        (ask("POST", "/containers/b/rename?name=b", Value::Null), 409, "is already in use"),
        (ask("POST", "/images/nginx:1.21/tag?repo=x&tag=y", Value::Null), 201, ""),
        (ask("GET", "/images/x:y/json", Value::Null), 200, "x:y"),
        (ask("POST", "/networks/create", json!({"Name": "n"})), 201, "Id"),
        (ask("POST", "/networks/create", json!({"Name": "n"})), 409, "network with name n already exists"),
        (ask("GET", "/networks/n", Value::Null), 200, "\"Name\":\"n\""),
        (ask("DELETE", "/networks/n", Value::Null), 204, ""),
        (ask("GET", "/networks/n", Value::Null), 404, "network n not found"),
        (ask("DELETE", "/networks/bridge", Value::Null), 403, "pre-defined network"),
        (ask("POST", "/volumes/create", json!({"Name": "v"})), 201, "/var/lib/docker/volumes/v/_data"),
        (ask("GET", "/volumes", Value::Null), 200, "\"Name\":\"v\""),
        (ask("DELETE", "/volumes/v", Value::Null), 204, ""),
        (ask("DELETE", "/volumes/v", Value::Null), 404, "no such volume"),
        (ask("POST", "/build/prune", Value::Null), 200, "SpaceReclaimed"),
        (ask("POST", "/swarm/init", json!({})), 400, "--advertise-addr"),
        (ask("POST", "/images/base:1/tag?repo=alpine", Value::Null), 404, "No such image"),
        (ask("POST", "/images/nginx:1.21/tag?repo=alpine", Value::Null), 201, ""),
        (ask("POST", "/containers/create?name=c", json!({"Image": "alpine", "Cmd": ["nosuch"]})), 201, "Id"),
        (ask("POST", "/containers/c/start", Value::Null), 400, "executable file not found in $PATH"),
        (ask("POST", "/images/nginx:1.21/tag?repo=base&tag=1", Value::Null), 201, ""),
        (ask("POST", "/containers/create?name=d", missing), 201, "Id"),
        (ask("POST", "/containers/d/start", Value::Null), 204, ""),
        (ask("GET", "/containers/d/json", Value::Null), 200, "\"Status\":\"running\""),
    ];
    // Only the pull takes its time.
    let steps = script.iter().flat_map(|(request, _, _)| [Step::Recv(request.as_bytes()), Step::Wait(0)]);
    let mut steps: Vec<Step<'_>> = steps.collect();
    steps[1] = Step::Wait(10_000);
    let outcome = Transcript::tcp("docker", "").run(&steps);
    for ((request, status, wanted), (given, _, body)) in script.iter().zip(answers(&outcome)) {
        assert!(given == *status && body.contains(wanted), "{request}: {given} {body}");
    }
}
