//! The server itself.

use serde_json::json;

use super::super::ask::fields;
use super::*;
use crate::handlers::Random;

#[test]
fn a_request_is_recorded_whole_and_answered_in_the_servers_own_order() {
    let outcome = ask("http", NGINX, "GET /robots.txt?a=b HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/8\r\n\r\n");
    let head = &answers(&outcome)[0].1;
    let names: Vec<&str> = head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        names,
        ["Server", "Date", "Content-Type", "Content-Length", "Last-Modified", "Connection", "ETag", "Accept-Ranges"]
    );
    let fields = &outcome.the_event("request").fields;
    assert_eq!(
        (&fields["method"], &fields["path"], &fields["query"]),
        (&"GET".into(), &"/robots.txt".into(), &"a=b".into())
    );
    assert_eq!(fields["headers"], json!(["Host: x", "User-Agent: curl/8"]));
    assert_eq!((&fields["family"], &fields["status"]), (&"login".into(), &200.into()));

    let outcome = ask("http", APACHE, "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    let head = &answers(&outcome)[0].1;
    let names: Vec<&str> = head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["Date", "Server", "Content-Length", "Vary", "Keep-Alive", "Connection", "Content-Type"]);
}

#[test]
fn requests_are_refused_as_the_genuine_servers_refuse_them() {
    for (request, nginx, apache) in [
        ("GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", 404, 404),
        ("GET /nope HTTP/1.0\r\n\r\n", 404, 404),
        ("POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 404, 404),
        ("FOO / HTTP/1.1\r\nHost: x\r\n\r\n", 405, 501),
        ("foo / HTTP/1.1\r\nHost: x\r\n\r\n", 400, 501),
        ("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404, 405),
        ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, 405),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, 405),
        ("OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", 405, 200),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400, 200),
        ("CONNECT a:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, 405),
        ("GET / HTTP/1.1\r\n\r\n", 400, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 400),
        ("GET / HTTP/2.1\r\nHost: x\r\n\r\n", 505, 200),
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
        ("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, 404),
        ("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, 404),
        (
            "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            404,
        ),
        ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400, 400),
        ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\nx", 400, 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400, 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, 400),
        ("GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400, 400),
        ("GET / HTTP/1.1\r\nHost: x:80:80\r\n\r\n", 200, 400),
        ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", 200, 200),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 400),
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
fn apache_signs_with_its_own_name_when_the_request_names_no_host() {
    for request in ["GET / HTTP/1.1\r\n\r\n", "GET /nope HTTP/1.0\r\n\r\n", "HELLO\r\n\r\n"] {
        let body = answers(&ask("http", APACHE, request)).remove(0).2;
        assert!(body.contains(" Server at ") && !body.contains(" Server at  Port"), "{request}: {body}");
    }
}

#[test]
fn a_part_without_authority_gets_the_genuine_page() {
    for (settings, title) in [(NGINX, "401 Authorization Required"), (APACHE, "401 Unauthorized")] {
        let (status, head, body) = answers(&ask("http", settings, "GET /admin/ HTTP/1.1\r\nHost: x\r\n\r\n")).remove(0);
        assert!(status == 401 && body.contains(&format!("<title>{title}</title>")), "{body}");
        assert!(head.contains("WWW-Authenticate: Basic realm=") && head.contains("Content-Type: text/html"), "{head}");
    }
}

#[test]
fn files_have_validators_conditions_and_ranges() {
    let file = |settings: &str, extra: &str| {
        answers(&ask("http", settings, format!("GET /robots.txt HTTP/1.1\r\nHost: x\r\n{extra}\r\n"))).remove(0)
    };
    for (settings, order) in [
        (NGINX, ["Last-Modified", "Connection", "ETag", "Content-Range"]),
        (APACHE, ["Last-Modified", "ETag", "Accept-Ranges", "Content-Range"]),
    ] {
        let (_, head, body) = file(settings, "");
        let value =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap().to_owned();
        let (tag, modified) = (value("ETag"), value("Last-Modified"));
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.contains('-'), "{tag}");
        for (extra, status) in [
            (format!("If-None-Match: {tag}\r\n"), 304),
            (format!("If-None-Match: W/{tag}, \"x\"\r\n"), 304),
            ("If-None-Match: \"x\"\r\n".to_owned(), 200),
            (format!("If-Modified-Since: {modified}\r\n"), 304),
            ("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 200),
            ("If-Match: \"x\"\r\n".to_owned(), 412),
            ("Range: bytes=0-3\r\nIf-Range: \"x\"\r\n".to_owned(), 200),
            ("Range: bytes=9999-\r\n".to_owned(), 416),
            (format!("Range: bytes=0-3\r\nIf-Range: {tag}\r\n"), 206),
        ] {
            assert_eq!(file(settings, &extra).0, status, "{settings} {extra}");
        }
        let (_, head, part) = file(settings, "Range: bytes=-4\r\n");
        assert_eq!(part, body[body.len() - 4..]);
        let length = body.len();
        assert!(head.contains(&format!("Content-Range: bytes {}-{}/{length}", length - 4, length - 1)), "{head}");
        let names: Vec<&str> = head.lines().filter_map(|line| line.split(':').next()).collect();
        let at = |name: &&str| names.iter().position(|known| known == name);
        assert!(order.iter().map(at).is_sorted_by(|a, b| a.is_some() && a < b), "{settings} {names:?}");
        assert!(file(settings, "If-None-Match: *\r\n").2.is_empty());
    }
}

#[test]
fn head_has_the_length_of_get_and_no_body() {
    let head = text(&ask("http", NGINX, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"));
    let get = ask("http", NGINX, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(head.trim_end(), answers(&get)[0].1);
}

#[test]
fn pipelined_chunked_and_expecting_requests_are_all_answered() {
    let outcome = ask(
        "http",
        NGINX,
        "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    let statuses: Vec<u16> = answers(&outcome).iter().map(|answer| answer.0).collect();
    assert_eq!(statuses, [404, 404, 200]);
    assert!(outcome.closed);
    let expecting =
        ask("http", NGINX, "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi");
    assert!(text(&expecting).starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "));
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
    let half = Transcript::tcp("http", "")
        .run(&[Step::Recv(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"), Step::Eof]);
    assert_eq!(half.the_event("request").fields["incomplete"], true);
}

#[test]
fn families_are_told_by_path_and_body_on_any_port() {
    let json = |method: &str| {
        post("/", "application/json", &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).to_string())
    };
    for (request, family) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "login"),
        (json("eth_blockNumber"), "ethereum"),
        ("GET /ws/v1/cluster/info HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "hadoop"),
        (
            "POST /ws/v1/cluster/apps/new-application HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "hadoop",
        ),
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
fn forms_have_an_end() {
    assert_eq!(fields(&"a=b&".repeat(10_000)).count(), 256);
}

#[test]
fn deeply_nested_or_endless_json_is_an_answer_and_no_panic() {
    let deep = "[".repeat(100_000);
    let outcome = ask("ethereum", "", post("/", "application/json", &deep));
    assert!(answers(&outcome)[0].2.contains("-32700"));
    let outcome = ask("docker", "", post("/containers/create", "application/json", &deep));
    assert_eq!(answers(&outcome)[0].0, 500);
}

/// Bytes that an answer may have for each byte asked (a whole block of the chain for 90 bytes), and besides.
const AMPLIFICATION: usize = 200;
const BESIDES: usize = 64 * 1024;

#[test]
fn whatever_comes_is_answered_within_bounds_and_recorded() {
    const PIECES: [&str; 18] = [
        "GET ",
        "POST ",
        "PUT ",
        "/v1.41/containers/create",
        "/ws/v1/cluster/apps",
        "/vpn/../vpns/cfg/smb.conf",
        "/exec/x/start",
        "/images/create?fromImage=a%2",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "Host: x\r\n",
        "Content-Length: 40\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Type: application/json\r\n",
        "\r\n",
        "5\r\nabcde\r\n0\r\n\r\n",
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getBlockByNumber\",\"params\":[\"latest\",true]}]",
        "{\"Image\":\"alpine\",\"Cmd\":[\"sh\",\"-c\"]}",
    ];
    for handler in ["http", "ethereum", "hadoop", "docker"] {
        for seed in 0..60 {
            let mut random = Random::new(seed);
            let mut input = Vec::new();
            for _ in 0..random.within(&(1..=24)) {
                let piece = PIECES[usize::try_from(random.within(&(0..=17))).unwrap()];
                input.extend_from_slice(piece.as_bytes());
                if random.within(&(0..=9)) == 0 {
                    input.push(random.bits().to_le_bytes()[0]);
                }
            }
            let outcome = Transcript::tcp(handler, "").run(&[Step::Recv(&input), Step::Wait(30_000), Step::Eof]);
            assert!(!outcome.events.is_empty(), "{handler} {seed}");
            assert!(outcome.sent().len() <= AMPLIFICATION * input.len() + BESIDES, "{handler} {seed}");
        }
    }
}
