use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::rules::{Action, ProxyTarget, RuleError, Scope};

fn yaml(text: &str) -> Result<RuleSet, RuleErrors> {
    RuleSet::from_yaml(text, "rules.yml")
}

/// The errors of a text that must not load.
fn errors(text: &str) -> Vec<RuleError> {
    yaml(text).expect_err(text).errors().to_vec()
}

/// The action of the one rule of `body`, given as its lines.
fn action(body: &str) -> Action {
    let text = format!("rules:\n  - {}\n", body.replace('\n', "\n    "));
    yaml(&text).unwrap_or_else(|errors| panic!("{text}\n{errors}")).rules()[0].action.clone()
}

fn handler(name: &str) -> Action {
    Action::Handler(name.to_owned())
}

fn tcp(host: &str, port: u16) -> ProxyTarget {
    ProxyTarget::Tcp { host: host.to_owned(), port }
}

/// Processor time that `work` takes in this thread: what the machine does besides does not count.
fn processor_time(work: impl FnOnce()) -> Duration {
    let spent = || {
        let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
    };
    let start = spent();
    work();
    spent() - start
}

#[test]
fn every_published_type_means_what_its_authors_meant() {
    assert_eq!(action("type: pass"), Action::Pass);
    assert_eq!(action("match: tcp dst port 5001\ntype: passthrough\nname: ssh"), Action::Pass);
    assert_eq!(action("type: drop"), Action::Drop);
    assert_eq!(action("type: reject"), Action::Reject);
    assert_eq!(action("type: rewrite\ntarget: 22"), Action::Rewrite { address: None, port: 22 });
    assert_eq!(action("type: rewrite\ntarget: '22'"), Action::Rewrite { address: None, port: 22 });
    assert_eq!(action("type: proxy\ntarget: tcp://portquiz.net:666"), Action::Proxy(tcp("portquiz.net", 666)));
    assert_eq!(action("type: proxy_tcp\ntarget: 127.0.0.1:9889"), Action::Proxy(tcp("127.0.0.1", 9889)));
    assert_eq!(action("type: proxy_ssh\ntarget: tcp://10.0.0.1:22"), Action::ProxySsh(tcp("10.0.0.1", 22)));
    assert_eq!(action("type: handler\ntarget: echo"), handler("echo"));
    assert_eq!(action("type: user_conn\ntarget: echo"), handler("echo"));
    assert_eq!(action("type: conn_handler\ntarget: default"), handler("default"));
    assert_eq!(action("type: conn_handler\ntarget: proxy_ssh"), handler("proxy_ssh"));
    assert_eq!(action("type: log_tcp"), handler("log_tcp"));
    assert_eq!(action("type: log_http"), handler("log_http"));
}

#[test]
fn a_proxy_in_the_form_of_gluttons_nfqueue_era_is_a_proxy() {
    let proxy = |name: &str| action(&format!("type: conn_handler\nname: {name}\ntarget: tcp://172.17.0.2:22"));
    assert_eq!(proxy("proxy_ssh"), Action::ProxySsh(tcp("172.17.0.2", 22)));
    assert_eq!(proxy("proxy_tcp"), Action::Proxy(tcp("172.17.0.2", 22)));
    assert_eq!(proxy("proxy_telnet"), Action::Proxy(tcp("172.17.0.2", 22)));
}

#[test]
fn two_glutton_proxies_of_one_kind_are_not_two_rules_of_one_name() {
    let rule = "  - type: conn_handler\n    name: proxy_tcp\n    target: tcp://172.17.0.2:22\n";
    let set = yaml(&format!("rules:\n{rule}{rule}")).unwrap();
    assert_eq!(set.rules().iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["#1", "#2"]);
}

#[test]
fn a_rule_without_a_match_takes_everything() {
    for text in ["rules:\n- match:\n  type: drop", "rules:\n- match: ''\n  type: drop", "rules:\n- type: drop"] {
        let set = yaml(text).unwrap();
        let input = crate::rules::filter::Input::new(&[0x45], 1);
        assert!(set.first_match(&input).is_some(), "{text}");
    }
}

#[test]
fn version_may_be_zero_one_or_missing() {
    for version in ["", "version: 0\n", "version: 1\n", "version:\n", "version: '1'\n"] {
        assert!(yaml(&format!("{version}rules: []")).is_ok(), "{version}");
    }
    for version in ["2", "1.5", "one", "[1]"] {
        let found = errors(&format!("version: {version}\nrules: []"));
        assert!(found[0].message.starts_with("unsupported version"), "{}", found[0]);
    }
}

#[test]
fn toml_says_the_same_with_the_same_keys() {
    let text = "version = 1\n[[rules]]\nmatch = 'tcp'\ntype = 'rewrite'\ntarget = 22\nname = 'ssh'\n\
                [[rules]]\ntype = \"drop\"\nper = \"packet\"\n";
    let set = RuleSet::from_toml(text, "rules.toml").unwrap();
    assert_eq!(set.rules()[0].action, Action::Rewrite { address: None, port: 22 });
    assert_eq!((set.rules()[0].name.as_str(), set.rules()[1].name.as_str()), ("ssh", "#2"));
    assert_eq!(set.rules()[1].scope, Scope::Packet);
}

#[test]
fn toml_errors_stand_where_they_are() {
    let text = "[[rules]]\nmatch = 'dst prot 80'\ntype = 'dorp'\n";
    let errors = RuleSet::from_toml(text, "rules.toml").unwrap_err();
    let places: Vec<_> = errors.errors().iter().map(|error| (error.line, error.column)).collect();
    assert_eq!(places, [(2, 14), (3, 8)]);
    let errors = RuleSet::from_toml("[[rules]]\ntype = \n[[rules]]\ntype = 'drop'\ntype = 'drop'\n", "x").unwrap_err();
    assert_eq!(errors.errors().iter().map(|error| error.line).collect::<Vec<_>>(), [2, 5], "{errors}");
}

#[test]
fn all_errors_of_a_file_are_shown_with_line_caret_and_mend() {
    let text = "\
version: 3
rules:
  - match: 'tcp dst prot 80'
    type: hanlder
    target: tcp
  - mach: tcp
    type: drop
    type: pass
  - match: tcp
    type: rewrite
    target: 127.0.0.1:22
    name: one
  - type: proxy
    per: packet
    target: tcp://10.0.0.1:22
    name: one
  - match: [tcp]
    type: handler
extra: 1
";
    insta::assert_snapshot!(yaml(text).unwrap_err());
}

#[test]
fn a_tag_says_to_use_quotes_and_hides_no_other_error() {
    let found = errors("rules:\n  - match: !tcp port 22\n    type: drop\n  - match: ! udp\n    type: dorp\n");
    assert_eq!(found.iter().map(|error| (error.line, error.column)).collect::<Vec<_>>(), [(2, 12), (4, 12), (5, 11)]);
    assert_eq!(found[0].suggestion.as_deref(), Some("write '!tcp port 22'"));
    assert_eq!(found[1].suggestion.as_deref(), Some("write '! udp'"));
    assert!(yaml("rules:\n  - match: !!str tcp\n    type: drop\n").is_ok());
}

#[test]
fn a_filter_error_stands_at_its_word_in_every_style_of_scalar() {
    for (scalar, place) in [
        ("dst prot 80", (2, 14)),
        ("'dst prot 80'", (2, 15)),
        ("\"dst prot 80\"", (2, 15)),
        ("|\n      tcp\n      dst prot 80", (4, 11)),
    ] {
        let found = errors(&format!("rules:\n- match: {scalar}\n  type: drop\n"));
        assert_eq!((found[0].line, found[0].column), place, "{}", found[0]);
        assert_eq!(found[0].suggestion.as_deref(), Some("did you mean `port`?"));
    }
}

#[test]
fn what_is_no_rule_file_is_refused_with_the_reason() {
    for (text, reason) in [
        ("", "`rules` is missing"),
        ("# nothing\n", "`rules` is missing"),
        ("- match: tcp\n", "a rule file is a table"),
        ("rules: tcp\n", "`rules` is a plain value"),
        ("rules:\n- tcp\n", "a rule is a table"),
        ("rules:\n- match: tcp\n", "no `type`"),
        ("rules:\n- type: rewrite\n", "needs a `target`"),
        ("rules:\n- type: drop\n---\nrules:\n", "second YAML document"),
        ("rules:\n- match: tcp: x\n", "not YAML"),
        ("rules:\n- match: @x\n", "not YAML"),
        ("rules:\n- type: drop\n  name: '#1'\n", "cannot be the name"),
        ("rules:\n- type: drop\n  per: flows\n", "unknown scope"),
        ("rules:\n- type: handler\n  target: tcp://1.2.3.4:5\n", "no handler"),
        ("ports:\n  22:\n    type: tcp_proxy\n", "no key `ports`"),
    ] {
        let errors = yaml(text).unwrap_err().to_string();
        assert!(errors.contains(reason), "{text}\n{errors}");
    }
}

#[test]
fn anchors_and_merges_of_yaml_work() {
    let text = "rules:\n- &base\n  match: tcp\n  type: drop\n- <<: *base\n  type: pass\n";
    let set = yaml(text).unwrap();
    assert_eq!((&set.rules()[0].action, &set.rules()[1].action), (&Action::Drop, &Action::Pass));
}

#[test]
fn loading_says_why_a_file_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    assert!(RuleSet::load(&file("a.yml", b"rules: []")).is_ok());
    assert!(RuleSet::load(&file("a.toml", b"rules = []")).is_ok());
    assert!(matches!(RuleSet::load(&file("a.json", b"{}")), Err(LoadError::UnknownExtension { .. })));
    assert!(matches!(RuleSet::load(&file("b.yml", b"rules: \xff")), Err(LoadError::NotText { .. })));
    assert!(matches!(RuleSet::load(&folder.path().join("none.yml")), Err(LoadError::Unreadable { .. })));
    assert!(matches!(RuleSet::load(&folder.path().join("none")), Err(LoadError::Unreadable { .. })));
    assert!(matches!(RuleSet::load(Path::new("/dev/zero")), Err(LoadError::UnknownExtension { .. })));
    let link = folder.path().join("endless.yml");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    assert!(matches!(RuleSet::load(&link), Err(LoadError::TooLarge { .. })));
}

#[test]
fn files_made_to_cost_are_refused_quickly() {
    let bomb = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
        format!("{text}a{n}: &a{n} [{aliases}]\n")
    });
    let texts = [
        format!("{bomb}rules: *a11\n"),
        format!("rules:\n- type: {}\n", "x".repeat(10 << 20)),
        format!("rules:\n- {}: drop\n", "x".repeat(10 << 20)),
        format!("rules:\n- match: {}\n  type: drop\n", "tcp or ".repeat(1 << 20)),
        format!("rules:\n- match: {}\n  type: drop\n", "(".repeat(64 << 10)),
        format!("rules:\n- match: {}\n  type: drop\n", "not ".repeat(15 << 10)),
        format!("rules: {}", "[".repeat(64 << 10)),
        format!("rules:\n{}", "- ".repeat(64 << 10)),
        format!("rules:\n{}", "- x\n".repeat(200_000)),
        "? ".repeat(64 << 10),
        "&x [*x]".to_owned(),
    ];
    for text in texts {
        for parse in [RuleSet::from_yaml, RuleSet::from_toml] {
            let mut errors = String::new();
            let time = processor_time(|| errors = parse(&text, "rules").expect_err("accepted").to_string());
            let beginning: String = text.chars().take(40).collect();
            assert!(time < Duration::from_secs(5), "{beginning} took {time:?}");
            assert!(errors.len() < 200_000, "{beginning} gave {} bytes of errors", errors.len());
        }
    }
}

#[test]
fn ten_thousand_rules_load_within_a_second() {
    let rules: String = (0..10_000)
        .map(|n| {
            format!(
                "  - match: tcp dst port {}\n    type: handler\n    target: tcp\n    name: rule {n}\n",
                1 + n % 65_535
            )
        })
        .collect();
    let text = format!("rules:\n{rules}");
    let time = processor_time(|| assert_eq!(yaml(&text).unwrap().rules().len(), 10_000));
    // A second with optimisation; the slower build of the tests has ten.
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
    assert!(time < limit, "took {time:?}");
}

#[test]
fn a_list_of_a_hundred_thousand_prefixes_loads_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    let prefixes: String =
        (0..100_000_u32).map(|n| format!("{}/24\n", std::net::Ipv4Addr::from(n.wrapping_mul(2_654_435_761)))).collect();
    std::fs::write(&path, prefixes).unwrap();
    let text = format!("rules:\n- match: src in @{}\n  type: drop\n", path.display());
    let time = processor_time(|| assert_eq!(yaml(&text).unwrap().rules().len(), 1));
    assert!(time < Duration::from_secs(1), "took {time:?}");
}

const SAMPLE: &str = include_str!("../../../rules/examples.yml");

proptest! {
    #[test]
    fn random_text_never_panics(text in any::<String>()) {
        let _ = RuleSet::from_yaml(&text, "x").map_err(|errors| errors.to_string());
        let _ = RuleSet::from_toml(&text, "x").map_err(|errors| errors.to_string());
    }

    #[test]
    fn a_mutated_rule_file_never_panics(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<char>(), 0_usize..3), 1..8)) {
        let mut chars: Vec<char> = SAMPLE.chars().collect();
        for (at, c, edit) in edits {
            let at = at.index(chars.len());
            match edit {
                0 => { chars.remove(at); }
                1 => chars.insert(at, c),
                _ => chars[at] = *[':', '-', '\n', ' ', '!', '&', '*', '[', '\'', '"', '|', '#', '\t'].get(c as usize % 13).unwrap(),
            }
        }
        let text: String = chars.into_iter().collect();
        let _ = RuleSet::from_yaml(&text, "x").map_err(|errors| errors.to_string());
        let _ = RuleSet::from_toml(&text, "x").map_err(|errors| errors.to_string());
    }
}
