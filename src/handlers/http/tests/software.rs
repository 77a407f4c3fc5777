//! What tells nginx from Apache, and both from servers that nobody has.

use std::io::Read;

use super::*;

#[test]
fn a_line_without_version_gets_a_page_without_head() {
    for (request, page) in [
        ("GET /robots.txt\r\n", "User-agent: "),
        ("GET /nope\r\n", "<html>\r\n<head><title>404 "),
        ("POST /\r\n", "<html>\r\n<head><title>400 "),
    ] {
        let outcome = ask("http", NGINX, request);
        assert!(text(&outcome).starts_with(page) && outcome.closed, "{request}");
        assert_eq!(outcome.the_event("request").fields["version"], "HTTP/0.9");
    }
}

#[test]
fn what_nginx_lacks_is_refused_before_its_body_has_come_and_recorded_after_it() {
    let head = "POST /nope.php HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n".as_bytes();
    let waiting = Transcript::tcp("http", NGINX).run(&[Step::Recv(head), Step::Wait(200)]);
    assert_eq!(answers(&waiting).iter().map(|answer| answer.0).collect::<Vec<_>>(), [404]);
    let next = b"user=a&pwd=bGET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice();
    let whole = Transcript::tcp("http", NGINX).run(&[Step::Recv(head), Step::Wait(200), Step::Recv(next)]);
    assert_eq!(answers(&whole).iter().map(|answer| answer.0).collect::<Vec<_>>(), [404, 200]);
    assert_eq!(whole.the_event("login").fields["password"], "b");
    let requests: Vec<_> = whole.events.iter().filter(|event| event.kind == "request").collect();
    assert_eq!((&requests[0].fields["status"], &requests[0].fields["bytes"]), (&404.into(), &12.into()));
    let gone = Transcript::tcp("http", NGINX).run(&[Step::Recv(head), Step::Wait(200), Step::Recv(b"user"), Step::Eof]);
    let event = gone.the_event("request");
    assert_eq!((&event.fields["status"], &event.fields["incomplete"]), (&404.into(), &true.into()));
}

#[test]
fn a_broken_chunk_ends_the_connection_with_the_page_that_the_path_has() {
    for (path, status) in [("/nope", 404), ("/login", 400)] {
        let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX");
        let outcome = ask("http", NGINX, &request);
        assert!(answers(&outcome)[0].0 == status && outcome.closed, "{path}");
        assert_eq!(outcome.the_event("request").fields["payload_hex"], "616263");
        assert_eq!(outcome.the_event("request_malformed").fields["payload_hex"], "5858");
    }
}

#[test]
fn who_speaks_in_the_clear_to_the_tls_port_is_told_so() {
    let request = "GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46eA==\r\n\r\n";
    for (server, said) in [
        (NGINX, "<center>The plain HTTP request was sent to HTTPS port</center>"),
        (APACHE, "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />"),
    ] {
        let outcome = ask("https", &format!("{server}\nsite = 'login'"), request);
        let (status, _, body) = answers(&outcome).remove(0);
        assert!(status == 400 && body.contains(said) && outcome.closed, "{body}");
        assert_eq!(outcome.the_event("request").fields["family"], "none");
        outcome.the_event("login");
    }
}

#[test]
fn nginx_compresses_pages_for_those_who_take_them_so() {
    let request =
        |head: &str| format!("{head}\r\nHost: x\r\nAccept-Encoding: gzip, deflate\r\nConnection: close\r\n\r\n");
    for (head, page) in [("GET / HTTP/1.1", "<!DOCTYPE html>"), ("GET /nope HTTP/1.1", "<html>\r\n<head><title>404 ")] {
        for again in ["first", "and from the store"] {
            let sent = ask("http", NGINX, request(head)).sent();
            let at = memchr::memmem::find(&sent, b"\r\n\r\n").unwrap();
            let said = String::from_utf8_lossy(&sent[..at]);
            assert!(
                said.contains("\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nContent-Encoding: gzip"),
                "{said}"
            );
            let (chunk, body) = (sent[at + 4..].split(|&byte| byte == b'\r').next().unwrap(), &sent[at + 4..]);
            let length = usize::from_str_radix(std::str::from_utf8(chunk).unwrap(), 16).unwrap();
            let (chunk, rest) = body[chunk.len() + 2..].split_at(length);
            assert_eq!(rest, b"\r\n0\r\n\r\n", "{head} {again}");
            let mut plain = String::new();
            flate2::read::GzDecoder::new(chunk).read_to_string(&mut plain).unwrap();
            assert!(plain.starts_with(page), "{plain}");
        }
    }
    for plain in ["GET / HTTP/1.0", "PUT / HTTP/1.1", "GET /robots.txt HTTP/1.1"] {
        assert!(!text(&ask("http", NGINX, request(plain))).contains("gzip"), "{plain}");
    }
}

#[test]
fn apache_compresses_what_it_has_and_says_that_it_varies() {
    let request = |path: &str| format!("GET {path} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    let sent = ask("http", APACHE, request("/")).sent();
    let (head, body) = sent.split_at(memchr::memmem::find(&sent, b"\r\n\r\n").unwrap() + 4);
    let said = String::from_utf8_lossy(head);
    let expected = format!("\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n", body.len());
    assert!(said.contains(&expected), "{said}");
    let mut plain = String::new();
    flate2::read::GzDecoder::new(body).read_to_string(&mut plain).unwrap();
    assert!(plain.starts_with("<!DOCTYPE html>"), "{plain}");
    assert!(!text(&ask("http", APACHE, request("/nope"))).contains("gzip"));
    assert!(!text(&ask("http", APACHE, "HEAD /nope HTTP/1.1\r\nHost: x\r\n\r\n")).contains("Content-Length"));
}

#[test]
fn nginx_pads_its_pages_for_browsers_that_would_hide_them() {
    for (browser, length) in
        [("curl/8", 153), ("Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36", 555)]
    {
        let request = format!("GET /nope HTTP/1.1\r\nHost: x\r\nUser-Agent: {browser}\r\n\r\n");
        assert_eq!(answers(&ask("http", NGINX, request))[0].2.len(), length, "{browser}");
    }
}

#[test]
fn apache_takes_old_requests_and_refuses_hosts_and_line_ends_that_are_none() {
    let outcome = ask("http", APACHE, "GET /robots.txt\r\n");
    assert!(text(&outcome).starts_with("User-agent: ") && outcome.closed);
    let expecting = ask("http", APACHE, "POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nExpect: <foo>\r\n\r\n");
    let (status, _, body) = answers(&expecting).remove(0);
    assert!(status == 417 && body.contains("<pre>\n    Expect: &lt;foo&gt;\n</pre>") && expecting.closed, "{body}");
    for (request, status) in [
        ("GET / HTTP/1.1\nHost: x\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\n\r\n", 400),
        ("GET / HTTP/1.9\r\nHost: x\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: x:80\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x:abc\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x@y\r\n\r\n", 400),
        ("GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /#part HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("POST /\r\n", 400),
    ] {
        assert_eq!(answers(&ask("http", APACHE, request))[0].0, status, "{request}");
    }
}

#[test]
fn slow_and_silent_visitors_are_left_when_the_genuine_server_leaves_them() {
    let (page, half) = ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n");
    let upload = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc";
    for (settings, sent, seconds, said) in [
        (NGINX, "", 60, ""),
        (NGINX, half, 60, ""),
        (NGINX, page, 75, "HTTP/1.1 200"),
        (NGINX, upload, 60, ""),
        (NGINX, "POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc", 5, "HTTP/1.1 404"),
        (APACHE, "", 51, ""),
        (APACHE, "GET / HT", 20, ""),
        (APACHE, half, 20, "HTTP/1.1 408 Request Timeout\r\n"),
        (APACHE, page, 5, "HTTP/1.1 200"),
        (APACHE, upload, 10, "HTTP/1.1 408 Request Timeout\r\n"),
        ("silence_secs = 7", page, 7, "HTTP/1.1 200"),
    ] {
        let after = |millis: u64| {
            let mut steps = vec![Step::Recv(sent.as_bytes()), Step::Wait(millis)];
            steps.retain(|step| !matches!(step, Step::Recv(b"")));
            Transcript::tcp("http", settings).run(&steps)
        };
        assert!(!after(seconds * 1_000 - 500).closed, "{settings} {sent}");
        let outcome = after(seconds * 1_000 + 500);
        assert!(outcome.closed && text(&outcome).starts_with(said), "{settings} {sent} {}", text(&outcome));
        assert!(!said.is_empty() || outcome.sent().is_empty(), "{settings} {sent}");
    }
    // A head that comes in drops has no more time for it.
    let drops = [Step::Recv(b"GET / HTTP/1.1\r\n"), Step::Wait(30_000), Step::Recv(b"A: b\r\n"), Step::Wait(30_500)];
    assert!(Transcript::tcp("http", NGINX).run(&drops).closed);
}

#[test]
fn several_parts_of_a_file_come_with_a_head_each() {
    let request = "GET /robots.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1,3-4\r\n\r\n";
    for (settings, name, length) in [(NGINX, "Content-Range", 20), (APACHE, "Content-range", 16)] {
        let (status, head, body) = answers(&ask("http", settings, request)).remove(0);
        let boundary = head.lines().find_map(|line| line.strip_prefix("Content-Type: multipart/byteranges; boundary="));
        let boundary = boundary.unwrap();
        assert!(status == 206 && boundary.len() <= length && !head.contains("\nContent-Range"), "{head}");
        assert!(
            body.starts_with(&format!("\r\n--{boundary}\r\n")) && body.ends_with(&format!("\r\n--{boundary}--\r\n"))
        );
        assert!(body.contains(&format!("{name}: bytes 3-4/")) && body.contains("\r\n\r\nr-\r\n"), "{body}");
    }
}
