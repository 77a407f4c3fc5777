//! What crawlers, load generators and odd requests meet on a web port, with nginx as the control.

use crate::escaped::unescaped;
use crate::genuine::{Genuine, answers_of, both};
use crate::lab::{Lab, SENSOR};
use crate::program::text;

const RULES: &str = "
version: 1
rules:
  - {name: web, match: tcp dst port 80, type: handler, target: http}
";

fn root() -> String {
    format!("http://{}/", SENSOR[0])
}

/// Settings by which ours says that it is the nginx that is installed.
fn as_installed() -> String {
    let output = std::process::Command::new("nginx").env("PATH", "/usr/sbin:/usr/bin").arg("-v").output();
    let said = text(&output.unwrap_or_else(|error| panic!("nginx: {error}; see CLIENT_TOOLS in the Makefile")));
    let version = said.split("nginx/").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    format!("[handlers.http]\nserver = 'nginx/{version}'\n")
}

/// Status line, names of headers, and the body of each answer on a connection.
fn essence(heard: &[u8]) -> Vec<(String, Vec<String>, String)> {
    let text = String::from_utf8_lossy(heard).into_owned();
    let mut rest = text.as_str();
    let mut answers = Vec::new();
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default().to_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
        let is_chunked = head.contains("Transfer-Encoding: chunked");
        let (body, after) = match after.split_once("\r\n0\r\n\r\n").filter(|_| is_chunked) {
            // Another compressor, other bytes.
            Some((_, after)) => ("", after),
            None => after.split_at_checked(length).unwrap_or((after, "")),
        };
        let is_page = status.contains(" 200 ");
        // Ours is no file: it has neither date nor ranges, and words of its own.
        let kept = |line: &&str| {
            !is_page || !["Last-Modified", "ETag", "Accept-Ranges"].contains(&line.split(':').next().unwrap())
        };
        let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
        answers.push((
            status,
            lines.filter(kept).map(name).collect(),
            if is_page { String::new() } else { body.to_owned() },
        ));
        rest = after;
    }
    if !rest.is_empty() {
        // HTTP/0.9: a page alone, ours or the server's own.
        let own = rest.contains("<hr><center>nginx/");
        answers.push((String::new(), Vec::new(), if own { rest.to_owned() } else { String::new() }));
    }
    answers
}

#[test]
fn odd_and_smuggled_requests_are_answered_as_nginx_answers_them() {
    let requests = include_str!("../dialogues/nginx.txt").lines().filter(|line| !line.is_empty());
    let requests: Vec<&str> = requests.collect();
    let mut inputs: Vec<Vec<u8>> = requests.iter().map(|line| unescaped(line)).collect();
    inputs.extend(
        [8_200, 40_000].map(|length| format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(length)).into_bytes()),
    );
    let headers =
        |header: &str, number| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", header.repeat(number)).into_bytes();
    inputs.push(headers(&format!("A: {}\r\n", "a".repeat(8_300)), 1));
    inputs.extend([headers("A: b\r\n", 999), headers("A: b\r\n", 1_000)]);
    let kilobyte = format!("A: {}\r\n", "a".repeat(995));
    inputs.extend([headers(&kilobyte, 32), headers(&kilobyte, 33)]);
    // What follows tells where the server takes the request to end, and ends the connection.
    for input in &mut inputs {
        input.extend_from_slice(b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    let config = as_installed();
    let [genuine, ours] = answers_of((RULES, &config), (Genuine::nginx, 80), &inputs, |_| false, 16);
    for ((input, genuine), ours) in inputs.iter().zip(&genuine).zip(&ours) {
        let shown = input.get(..100).unwrap_or(input).escape_ascii().to_string();
        assert!(!genuine.is_empty(), "{shown}");
        assert_eq!(essence(ours), essence(genuine), "{shown}");
    }
}

#[test]
fn crawlers_find_what_there_is_and_are_not_told_that_all_is_there() {
    let words = "index.html\nrobots.txt\nbackup.zip\n.git/config\nphpmyadmin\ncgi-bin/test\n";
    both(RULES, Genuine::nginx, |lab| {
        let list = lab.file("words", words);
        let list = list.to_str().unwrap();
        let found = |said: &str| {
            assert!(said.contains("index.html") && said.contains("robots.txt"), "{said}");
            assert!(!["backup", ".git", "phpmyadmin", "cgi-bin"].iter().any(|name| said.contains(name)), "{said}");
        };
        found(&lab.client_says("gobuster", &["dir", "-q", "-z", "-u", &root(), "-w", list], b""));
        found(&lab.client_says("ffuf", &["-s", "-mc", "200", "-u", &format!("{}FUZZ", root()), "-w", list], b""));
        found(&lab.client_says("dirb", &[&root(), list, "-S", "-r", "-w"], b""));
    });
}

#[test]
fn wapiti_reads_forms_and_misses_the_headers_that_debian_does_not_set() {
    both(RULES, Genuine::nginx, |lab| {
        let (report, store) = (lab.path("report"), lab.path("wapiti"));
        let args = ["-u", &root(), "-m", "http_headers,methods", "--scope", "page", "-f", "txt"];
        let places = ["-o", report.to_str().unwrap(), "--store-session", store.to_str().unwrap()];
        lab.client_says("wapiti", &[&args[..], &places].concat(), b"");
        let report = std::fs::read_to_string(report).unwrap();
        for header in ["X-Frame-Options", "X-Content-Type-Options", "Strict-Transport-Security"] {
            assert!(report.contains(&format!("{header} is not set")), "{report}");
        }
        assert!(report.contains("Internal Server Error :   0"), "{report}");
    });
}

#[test]
fn load_generators_keep_their_connections() {
    both(RULES, Genuine::nginx, |lab| {
        let said = lab.client_says("ab", &["-q", "-k", "-n", "500", "-c", "8", &root()], b"");
        for line in ["Failed requests:        0", "Keep-Alive requests:    500", "Server Software:        "] {
            assert!(said.contains(line), "{line}: {said}");
        }
        let closing = lab.client_says("ab", &["-q", "-n", "50", &root()], b"");
        assert!(closing.contains("Failed requests:        0") && !closing.contains("Keep-Alive requests"), "{closing}");
        let resumed = lab.client_says("curl", &["-sS", "-r", "0-3", &format!("{}robots.txt", root())], b"");
        assert_eq!(resumed, "User");
    });
}

/// One connection for several requests; a file that is asked for again only if it changed.
const REQUESTS: &str = "
import requests, sys
s = requests.Session(); s.trust_env = False
root = sys.argv[1]
codes = [s.get(root).status_code for _ in range(3)] + [s.head(root).status_code, s.get(root + 'nope').status_code]
file = s.get(root + 'robots.txt')
again = s.get(root + 'robots.txt', headers={'If-None-Match': file.headers['ETag']})
since = s.get(root + 'robots.txt', headers={'If-Modified-Since': file.headers['Last-Modified']})
pools = s.get_adapter(root).poolmanager.pools
print(codes, again.status_code, since.status_code, [pools[key].num_connections for key in pools.keys()])
";

#[test]
fn pythons_requests_keep_one_connection_and_know_an_unchanged_file() {
    let python = std::env::var("GLUTTON_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    both(RULES, Genuine::nginx, |lab| {
        let said = lab.client_says(&python, &["-c", REQUESTS, &root()], b"");
        assert_eq!(said, "[200, 200, 200, 200, 404] 304 304 [1]\n");
    });
}

#[test]
fn nmap_finds_the_traversal_of_a_vmware_host() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let target = SENSOR[0].to_string();
    let args = ["-n", "-Pn", "-p", "80", "-vv", "--script", "http-vmware-path-vuln", "--host-timeout", "55s", &target];
    let said = lab.client_says("nmap", &args, b"");
    assert!(said.contains("VMWare path traversal (CVE-2009-3733): VULNERABLE") && said.contains(".vmx"), "{said}");
    engine.stop();
}
