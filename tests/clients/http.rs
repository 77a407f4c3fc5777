//! HTTP and its families, met by curl, nmap, whatweb, the docker client, web3 and yarn-api-client.

use serde_json::{Value, json};

use crate::lab::engine::Engine;
use crate::lab::events::kind;
use crate::lab::{Lab, SENSOR};
use crate::program::text;
use crate::scan::assert_unsuspicious;

const RULES: &str = "
version: 1
rules:
  - {name: web, match: tcp dst port 80 or tcp dst port 8080, type: handler, target: http}
  - {name: secure, match: tcp dst port 443, type: handler, target: https}
  - {name: chain, match: tcp dst port 8545, type: handler, target: ethereum}
  - {name: yarn, match: tcp dst port 8088, type: handler, target: hadoop}
  - {name: engine, match: tcp dst port 2375, type: handler, target: docker}
";

/// A python with web3 and yarn-api-client: the one that this variable names, or the system's.
fn python() -> String {
    std::env::var("GLUTTON_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn url(port: u16, path: &str) -> String {
    format!("http://{}:{port}{path}", SENSOR[0])
}

fn request(engine: &mut Engine<'_>, path: &str) -> Value {
    engine.events.await_event(path, |event| kind(event) == "request" && event["path"] == path)
}

fn command(engine: &mut Engine<'_>, start: &str) -> Value {
    engine.events.await_event(start, |event| {
        kind(event) == "command" && event["command"].as_str().is_some_and(|command| command.starts_with(start))
    })
}

#[test]
fn curl_has_nothing_to_complain_of_in_any_of_its_ways() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let page = url(80, "/");
    let says = |args: &[&str]| {
        let output = lab.client("curl", &[&["-sSv"], args].concat(), b"");
        let said = text(&output);
        assert!(output.status.success(), "{args:?}: {said}");
        for complaint in ["Excess found", "transfer closed", "Connection died", "Illegal", "Recv failure"] {
            assert!(!said.contains(complaint), "{args:?}: {said}");
        }
        said
    };
    assert!(says(&["-0", &page]).contains("200 OK"));
    assert!(says(&[&page, &page]).contains("Re-using existing connection"));
    assert!(says(&["-I", &page]).contains("Content-Length: "));
    assert!(says(&["-H", "Transfer-Encoding: chunked", "-d", "a=b", &url(80, "/nope")]).contains("404 Not Found"));
    let large = lab.file("large", &"x".repeat(70_000));
    let upload = format!("@{}", large.display());
    assert!(
        says(&["-H", "Expect: 100-continue", "--data-binary", &upload, &url(80, "/login")]).contains("100 Continue")
    );
    let brewed = says(&["-X", "BREW", &page]);
    assert!(brewed.contains(" 405 ") || brewed.contains(" 501 "), "{brewed}");
    let smb_conf = format!("https://{}/vpn/../vpns/cfg/smb.conf", SENSOR[0]);
    assert!(says(&["--path-as-is", "-k", &smb_conf]).contains("lmhosts"));
    assert!(says(&["-k", &format!("https://{}/", SENSOR[0])]).contains("Location: /vpn/index.html"));
    assert!(says(&[&url(80, "/wallet/keys")]).contains("[[\"\"]]"));
    assert!(says(&["-d", "a b c d e f g h i 192.0.2.9 4444", &url(80, "/hyper/send")]).contains("200 OK"));

    let stored =
        engine.events.await_event("the upload", |event| kind(event) == "download" && event["name"] == "/login");
    assert_eq!(stored["bytes"], 70_000);
    let attack = request(&mut engine, "/vpn/../vpns/cfg/smb.conf");
    assert_eq!(attack["family"], "citrix");
    assert!(attack["tls"]["ja3"].is_string() && attack["tls"]["ja4"].is_string(), "{attack}");
    assert_eq!(request(&mut engine, "/hyper/send")["decoded"]["callback"], "192.0.2.9:4444");
    engine.stop();
}

#[test]
fn nmap_names_every_service_and_no_honeypot() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let target = SENSOR[0].to_string();
    let ports = "80,443,2375,8080,8088,8545";
    let said = lab.client_for(100, "nmap", &["-n", "-Pn", "-sV", "-p", ports, "--host-timeout", "90s", &target], b"");
    for expected in
        ["80/tcp   open  http ", "443/tcp  open  ssl/http ", "2375/tcp open  docker ", "8088/tcp open  http "]
    {
        assert!(said.contains(expected), "{said}");
    }
    assert_unsuspicious(&said);
    engine.stop();
}

#[test]
fn nmaps_scripts_read_titles_headers_and_versions() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let target = SENSOR[0].to_string();
    let script = |names: &str, port: &str| {
        let args = ["-n", "-Pn", "-p", port, "--script", names, "--host-timeout", "55s", &target];
        lab.client_says("nmap", &args, b"")
    };
    let said = script("http-title,http-headers,http-methods", "80");
    assert!(said.contains("http-title:") && said.contains("Server: ") && said.contains("Date: "), "{said}");
    let said = script("docker-version", "2375");
    assert!(said.contains("GitCommit:"), "{said}");
    let said = script("vmware-version", "80");
    assert!(said.contains("Server version: VMware ESX"), "{said}");
    engine.stop();
}

#[test]
fn nmap_enumerates_a_resource_manager() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let category = ["--script-args", "http-enum.category=management", "--host-timeout", "55s"];
    let args = ["-n", "-Pn", "-p", "8088", "--script", "+http-enum"];
    let said = lab.client_says("nmap", &[&args[..], &category, &[&SENSOR[0].to_string()]].concat(), b"");
    // The script searches pages in lower case.
    let found = said.to_ascii_lowercase();
    assert!(found.contains("hadoop yarn resource manager version") && found.contains("state \"started\""), "{said}");
    engine.stop();
}

#[test]
fn the_docker_client_lists_pulls_runs_reads_and_executes() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let host = format!("tcp://{}:2375", SENSOR[0]);
    let docker = |args: &[&str]| lab.client_says("docker", &[&["-H", &host], args].concat(), b"");
    assert!(docker(&["version"]).contains("Server:"));
    assert!(docker(&["info"]).contains("Server Version: 20.10."));
    assert!(docker(&["ps"]).contains("Up "));
    assert!(docker(&["images"]).contains("alpine"));
    assert!(docker(&["pull", "busybox"]).contains("Downloaded newer image for busybox:latest"));
    let id = docker(&["run", "-d", "-v", "/:/mnt", "--privileged", "alpine", "sleep", "30"]);
    let id = id.trim();
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert!(docker(&["ps"]).contains("sleep 30"));
    assert!(docker(&["exec", id, "id"]).contains("uid=0(root)"));
    assert_eq!(docker(&["run", "--rm", "busybox", "echo", "hello"]), "hello\n");
    let echo = docker(&["run", "-d", "busybox", "sh", "-c", "echo one; echo two"]);
    assert_eq!(docker(&["logs", echo.trim()]), "one\ntwo\n");
    assert!(
        docker(&["inspect", "-f", "{{.NetworkSettings.IPAddress}} {{range .Mounts}}{{.Destination}}{{end}}", id])
            .starts_with("172.17.")
    );
    docker(&["rename", id, "miner"]);
    docker(&["pause", "miner"]);
    assert!(docker(&["ps"]).contains("(Paused)") && docker(&["ps"]).contains("miner"));
    docker(&["unpause", "miner"]);
    docker(&["tag", "alpine", "mine:1"]);
    assert!(docker(&["images"]).contains("mine"));
    assert_eq!(docker(&["network", "create", "inner"]).trim().len(), 64);
    assert!(
        docker(&["network", "ls"]).contains("inner")
            && docker(&["network", "inspect", "bridge"]).contains("172.17.0.0/16")
    );
    docker(&["network", "connect", "inner", "miner"]);
    assert_eq!(docker(&["volume", "create", "loot"]), "loot\n");
    assert!(docker(&["volume", "ls"]).contains("loot"));
    assert!(docker(&["system", "df"]).contains("Images") && docker(&["stats", "--no-stream"]).contains("NAME"));
    docker(&["system", "prune", "-f"]);
    let file = lab.file("dropper", "#!/bin/sh\n");
    docker(&["cp", file.to_str().unwrap(), "miner:/tmp/dropper"]);
    assert_eq!(docker(&["exec", "miner", "sh", "-c", "cat /tmp/dropper; echo left > /tmp/note"]), "#!/bin/sh\n");
    assert!(
        docker(&["cp", "miner:/tmp/note", "-"]).contains("left\n")
            && docker(&["diff", "miner"]).contains("A /tmp/note")
    );
    assert_eq!(docker(&["run", "--rm", "busybox", "sh", "-c", "for i in 1 2; do echo $i; done"]), "1\n2\n");
    let said = lab.client("docker", &["-H", &host, "cp", "miner:/nope", "-"], b"");
    assert!(text(&said).contains("Could not find the file /nope in container"), "{}", text(&said));
    let line = format!("docker -H {host} run --rm alpine nosuch; echo status $?");
    let said = text(&lab.client("sh", &["-c", &line], b""));
    assert!(said.contains("executable file not found in $PATH") && said.contains("status 127"), "{said}");
    let typed = lab.client("docker", &["-H", &host, "exec", "-i", "miner", "sh"], b"whoami\nexit\n");
    assert_eq!(text(&typed), "root\n");
    docker(&["rm", "-f", id]);

    let made =
        engine.events.await_event("the container", |event| event["decoded"]["container"]["binds"] == json!(["/:/mnt"]));
    assert_eq!(made["decoded"]["container"]["privileged"], true);
    command(&mut engine, "sleep 30");
    engine.stop();
}

#[test]
fn web3_finds_a_node_whose_chain_it_can_read() {
    const SCRIPT: &str = "
import sys, time
from web3 import Web3, HTTPProvider
w = Web3(HTTPProvider(sys.argv[1]))
assert w.is_connected()
assert w.eth.chain_id == 1 and w.net.version == '1'
first = w.eth.block_number
assert first > 15_537_394
account = w.eth.accounts[0]
assert w.eth.get_balance(account) > 0
assert w.eth.get_block('latest').number >= first
try:
    w.eth.send_transaction({'from': account, 'to': account, 'value': 1})
    sys.exit('sent')
except Exception as error:
    assert 'authentication needed' in str(error), error
deadline = time.time() + 30
while w.eth.block_number == first:
    assert time.time() < deadline, 'two slots of 12 s went by without a block'
    time.sleep(0.5)
print('ok')
";
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let script = lab.file("node.py", SCRIPT);
    assert_eq!(lab.client_says(&python(), &[script.to_str().unwrap(), &url(8545, "")], b""), "ok\n");
    command(&mut engine, "eth_sendTransaction");
    engine.stop();
}

#[test]
fn the_yarn_client_submits_an_application_and_sees_it_run() {
    const SCRIPT: &str = "
import sys, time
from yarn_api_client import ResourceManager
rm = ResourceManager([sys.argv[1]])
assert rm.cluster_information().data['clusterInfo']['state'] == 'STARTED'
ids = [rm.cluster_new_application().data['application-id'] for _ in range(2)]
assert ids[0] < ids[1], ids
rm.cluster_submit_application({'application-id': ids[0], 'application-name': 'get-shell', 'application-type': 'YARN',
    'am-container-spec': {'commands': {'command': 'id > /dev/shm/x'}}})
state = lambda: rm.cluster_application(ids[0]).data['app']['state']
assert state() == 'ACCEPTED'
time.sleep(6)
assert state() == 'RUNNING'
print('ok')
";
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let script = lab.file("submit.py", SCRIPT);
    assert_eq!(lab.client_says(&python(), &[script.to_str().unwrap(), &url(8088, "")], b""), "ok\n");
    command(&mut engine, "id > /dev/shm/x");
    engine.stop();
}

#[test]
fn whatweb_sees_a_web_server_with_a_login_form() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let said = lab.client_says("whatweb", &["--color=never", "-a", "3", &url(80, "/")], b"");
    assert!(
        said.contains("200 OK") && said.contains("HTTPServer[") && said.contains("PasswordField[password]"),
        "{said}"
    );
    engine.stop();
}
