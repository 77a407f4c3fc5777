use std::path::Path;
use std::time::Duration;

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("sensor.toml"))
}

/// The first line of the error and the picture below it.
fn refused(text: &str) -> (String, String) {
    let error = parse(text).expect_err(text).to_string();
    let (line, picture) = error.split_once('\n').unwrap_or((&error, ""));
    (line.to_owned(), picture.to_owned())
}

#[test]
fn empty_file_gives_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
    Config::default().validate().unwrap();
}

#[test]
fn shown_configuration_loads_again_and_is_the_same() {
    let mut config = Config::default();
    assert_eq!(parse(&config.to_toml()).unwrap(), config);

    config.engine.interfaces = vec!["eth0".to_owned(), "wg0".to_owned()];
    config.engine.fail = Fail::Closed;
    config.engine.exempt_ports = vec![22, 64_295];
    config.engine.timeouts.icmp = Duration::from_secs(7);
    config.server.max_session_bytes = 1 << 50;
    config.events.file = Some("/var/log/with \"quotes\" and \\.jsonl".into());
    config.events.stdout = false;
    config.handlers = toml::toml! { telnet = { banner = "login: ", ports = [23, 2323] } };
    config.persona = toml::toml! { host = "db1" };
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
}

#[test]
fn every_setting_takes_back_what_it_shows_and_has_a_meaning() {
    for (row, setting) in SETTINGS.iter().enumerate() {
        let name = setting.name();
        assert!(SETTINGS[..row].iter().all(|other| other.name() != name), "{name} twice");
        assert!(
            !setting.meaning.is_empty() && !setting.meaning.contains('\n') && !setting.meaning.contains('|'),
            "{name}"
        );
        let mut config = Config::default();
        config.set(&name, &(setting.show)(&Config::default())).unwrap();
        assert_eq!(config, Config::default(), "{name}");
    }
}

#[test]
fn every_key_of_the_design_is_read() {
    let config = parse(
        r#"
        [engine]
        interfaces = ["eth0"]
        queues = 4
        queue_num = 100
        queue_len = 1_024
        datapath = "userspace"
        fail = "closed"
        max_flows = 2048
        exempt_ports = [443, 22, 443]
        timeout_tcp_handshake_secs = 5
        [server]
        tcp_port = 6000
        udp_port = 6001
        listen = ["127.0.0.1"]
        idle_timeout_secs = 10
        user = "sensor"
        [events]
        sensor_id = "north"
        [events.file]
        path = "/var/log/e.jsonl"
        [events.stdout]
        enabled = false
        [handlers.http]
        server = "nginx"
        [persona]
        host = "db1"
        "#,
    )
    .unwrap();
    assert_eq!(config.engine.interfaces, ["eth0"]);
    assert_eq!((config.engine.queues, config.engine.queue_num, config.engine.queue_len), (4, 100, 1024));
    assert_eq!((config.engine.fail, config.engine.max_flows), (Fail::Closed, 2048));
    assert_eq!(config.engine.exempt_ports, [22, 443]);
    assert_eq!(config.engine.timeouts.tcp_handshake, Duration::from_secs(5));
    assert_eq!(config.engine.timeouts.udp_new, Timeouts::default().udp_new, "not named, so the default");
    assert_eq!((config.server.tcp_port, config.server.udp_port), (6000, 6001));
    assert_eq!(config.server.idle_timeout, Duration::from_secs(10));
    assert_eq!((config.server.user.as_str(), config.events.sensor_id.as_str()), ("sensor", "north"));
    assert_eq!(config.events.file.as_deref(), Some(Path::new("/var/log/e.jsonl")));
    assert!(!config.events.stdout);
    assert_eq!(config.handlers["http"]["server"].as_str(), Some("nginx"));
    assert_eq!(config.persona["host"].as_str(), Some("db1"));
}

#[test]
fn wrong_value_is_shown_with_file_line_column_caret_and_mend() {
    let (line, picture) = refused("[engine]\nfail = \"open\"\nqueues = 65\n");
    assert_eq!(line, "sensor.toml:3:10: engine.queues = 65: out of range: give 0 to 64");
    insta::assert_snapshot!(picture, @r"
     --> sensor.toml:3:10
      |
    3 | queues = 65
      |          ^^ give 0 to 64
    ");
}

#[test]
fn wrong_values_name_the_mend() {
    for (text, expected) in [
        ("[server]\ntcp_port = 0", ":2:12: server.tcp_port = 0: out of range: give 1 to 65535"),
        ("[server]\ntcp_port = 70000", "give 1 to 65535"),
        ("[server]\ntcp_port = -1", "give 1 to 65535"),
        ("[server]\ntcp_port = 99999999999999999999", "give 1 to 65535"),
        ("[server]\ntcp_port = \"http\"", "string where a whole number belongs: give a whole number"),
        ("[server]\nlisten = []", "an empty list: give one address at least"),
        ("[server]\nlisten = [\"::\", \"localhost\"]", ":2:17: server.listen = \"localhost\": not an IP address"),
        ("[server]\nuser = \"\"", "empty: give a name"),
        ("[engine]\nmax_flows = 10", "give 1024 to 16777216"),
        ("[engine]\nfail = \"ajar\"", "give \"open\" or \"closed\""),
        ("[engine]\ndatapath = \"kernel\"", "give one of \"auto\", \"userspace\", \"tproxy\", \"redirect\""),
        ("[engine]\nspread = \"random\"", "not how packets can be spread: give one of \"hosts\", \"cpu\""),
        ("[engine]\nnew_flows_beyond = \"reject\"", "give one of \"drop\", \"pass\""),
        ("[engine]\nmark_mask = 5", "two bits or more, side by side: give a mask such as 0x30000000"),
        ("[engine]\ninterfaces = [\"an impossible name\"]", "not an interface name"),
        ("[engine]\nexempt_ports = [22, 0]", ":2:21: engine.exempt_ports = 0: out of range"),
        ("[engine]\ntimeout_tcp_closed_secs = 10", "give 60 to 86400"),
        ("[engine]\nstate_dir = \"\"", "empty: give a path"),
        ("[events]\nsensor_id = \"two words\"", "printable ASCII"),
        ("[events.stdout]\nenabled = 1", "integer where true or false belongs"),
        ("[events]\nstdout = true", "a value where a table belongs: write [events.stdout] and its keys below"),
        ("[handlers]\nhttp = 1", "write [handlers.http] and its keys below"),
        ("server = 1", "write [server] and its keys below"),
    ] {
        let (line, picture) = refused(text);
        assert!(line.contains(expected), "{text}\n{line}");
        assert!(picture.contains('^'), "{picture}");
    }
}

#[test]
fn numbers_may_be_written_as_toml_allows() {
    for number in ["6000", "+6000", "6_000", "0x1770", "0o13560", "0b1011101110000"] {
        assert_eq!(parse(&format!("server.tcp_port = {number}")).unwrap().server.tcp_port, 6000, "{number}");
    }
}

#[test]
fn unknown_keys_get_a_near_name() {
    for (text, expected) in [
        ("[engine]\nqueus = 1", ":2:1: engine.queus: no such key: did you mean `queues`?"),
        ("[engin]\nqueues = 1", "engin: no such table: did you mean `engine`?"),
        ("queues = 1", "queues: no such key: it belongs into [engine]"),
        ("[server]\nqueues = 1", "server.queues: no such key: it belongs into [engine]"),
        ("[events.fiel]\npath = \"x\"", "events.fiel: no such table: did you mean `file`?"),
        ("[events.file]\ncompression = 1", "events.file.compression: no such key: there are path"),
        ("[\"engine.queues\"]", "no such table"),
    ] {
        let (line, _) = refused(text);
        assert!(line.contains(expected), "{text}\n{line}");
    }
}

#[test]
fn the_first_fault_of_the_file_is_shown() {
    let (line, _) = refused("[server]\nuser = 1\n[engine]\nqueues = 0\n");
    assert!(line.starts_with("sensor.toml:2:8: server.user"), "{line}");
}

#[test]
fn broken_toml_is_shown_where_it_breaks() {
    let (line, picture) = refused("[engine\nqueues = 1");
    assert!(line.starts_with("sensor.toml:1:8: "), "{line}");
    assert!(picture.contains('^'), "{picture}");
    let (line, _) = refused("[engine]\nqueues = 1\nqueues = 2");
    assert!(line.starts_with("sensor.toml:3:1: duplicate key"), "{line}");
}

#[test]
fn values_that_contradict_each_other_are_refused_where_they_stand() {
    let (line, _) = refused("[server]\nudp_port = 5000");
    assert_eq!(line, "sensor.toml:2:12: server.udp_port = 5000: server.tcp_port has the same: give each its own port");
    let (line, picture) = refused("[engine]\nqueue_num = 65535\n");
    assert!(
        line.contains("engine.queue_num = 65535: 2 queues (two a worker) from 65535 on go past queue 65535"),
        "{line}"
    );
    assert!(picture.contains('^'));
    // The key that would have to change is not in the file.
    let (line, picture) = refused("[server]\ntcp_port = 5001");
    assert!(line.starts_with("server.udp_port = 5001"), "{line}");
    assert_eq!(picture, "");
}

#[test]
fn configuration_made_by_a_program_passes_the_same_checks() {
    let mut config = Config::default();
    config.server.workers = 65;
    assert_eq!(config.validate().unwrap_err().to_string(), "server.workers = 65: out of range: give 0 to 64");
}

#[test]
fn flags_pass_the_same_checks() {
    let mut config = Config::default();
    config.set("engine.queues", &3.into()).unwrap();
    config.set("engine.interfaces", &vec!["eth\"0"].into()).unwrap();
    assert_eq!((config.engine.queues, config.engine.interfaces), (3, vec!["eth\"0".to_owned()]));
    let fault = Config::default().set("engine.queues", &65.into()).unwrap_err();
    assert_eq!(fault.to_string(), "engine.queues = 65: out of range: give 0 to 64");
}

#[test]
fn missing_file_names_path_and_mend() {
    let error = Config::load(Path::new("/nowhere/g.toml")).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot read /nowhere/g.toml: No such file or directory (os error 2): give -c a readable TOML file"
    );
}

#[test]
fn markdown_table_has_a_row_for_every_setting() {
    let table = settings_markdown();
    assert_eq!(table.lines().count(), SETTINGS.len() + 2);
    assert!(table.contains("| `engine.max_flows` | `1000000` |"), "{table}");
    assert!(table.lines().all(|line| line.matches('|').count() == 4), "{table}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "[\\[\\]a-z_.=\"0-9\\n ü{},-]{0,80}") {
        let _ = parse(&text);
    }
}

#[test]
fn unless_told_otherwise_there_is_a_worker_for_each_cpu_within_reason() {
    let mut engine = Engine::default();
    assert_eq!([0, 1, 2, 8, 16, 128, 100_000].map(|cpus| engine.workers(cpus)), [1, 1, 2, 8, 16, 16, 16]);
    engine.queue_num = 65_525;
    assert_eq!(engine.workers(8), 5, "as many as there are queue numbers left");
    engine.queue_num = 65_533;
    assert_eq!(engine.workers(8), 1);
    engine.queues = 40;
    assert_eq!(engine.workers(2), 40, "what is asked for");
}

#[test]
fn the_server_has_a_worker_for_each_cpu_up_to_four_unless_told_otherwise() {
    let mut server = Server::default();
    assert_eq!([0, 1, 2, 4, 64].map(|cpus| server.workers(cpus)), [1, 1, 2, 4, 4]);
    server.workers = 9;
    assert_eq!(server.workers(2), 9, "what is asked for");
}
