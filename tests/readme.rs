//! The README says what the code says.

use glutton_nfq::config::{SETTINGS, settings_markdown};
use glutton_nfq::control::COUNTERS;
use glutton_nfq::handlers::Registry;

const README: &str = include_str!("../README.md");

#[test]
fn the_table_of_options_is_the_one_that_the_program_uses() {
    let table = settings_markdown();
    let (_, rest) = README.split_once("<!-- options -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- /options -->").unwrap();
    assert!(shown == table, "put this between the markers:\n{table}");
}

#[test]
fn the_table_of_handlers_is_the_registry() {
    let registry = Registry::builtin();
    let mut table = String::from("| handler | ports | what it does |\n|---|---|---|\n");
    for entry in registry.entries() {
        let names = std::iter::once(&**entry.name()).chain(entry.aliases().iter().copied());
        let names = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let ports = entry.default_ports().iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let ports = if ports.is_empty() { "any".to_owned() } else { ports };
        let transports = entry.transports().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        table.push_str(&format!("| {names} | {transports} {ports} | {} |\n", entry.about()));
    }
    let (_, rest) = README.split_once("<!-- handlers -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- /handlers -->").unwrap();
    assert!(shown == table, "put this between the markers:\n{table}");
}

#[test]
fn limits_name_settings_and_counters_that_exist() {
    let (_, rest) = README.split_once("<!-- limits -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- /limits -->").unwrap();
    for row in table.lines().skip(2) {
        let [_, _, key, counters, _] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else { panic!("{row}") };
        let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        for key in words(key) {
            assert!(SETTINGS.iter().any(|setting| setting.name() == key), "no setting {key}");
        }
        assert!(!words(counters).is_empty(), "{row}");
        for counter in words(counters) {
            assert!(COUNTERS.iter().any(|&(_, name, _)| name == counter), "no counter {counter}");
        }
    }
}

#[test]
fn the_explanation_is_what_the_rules_above_it_give() {
    let between = |from: &str, to: &str| README.split_once(from).unwrap().1.split_once(to).unwrap().0;
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules.yml");
    std::fs::write(&rules, between("```yaml\n", "```")).unwrap();
    let shown = between("<!-- explain -->\n```\n", "```");
    let packet = between("`glutton-nfq explain -r rules.yml '", "'");
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_glutton-nfq"));
    let said = command.args(["explain", "-r"]).arg(&rules).arg(packet).output().unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap(), shown);
}

#[test]
fn files_that_are_linked_exist() {
    for link in README.split("](").skip(1) {
        let path = link.split(')').next().unwrap();
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
    }
}
