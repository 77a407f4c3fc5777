//! The command line as a person meets it: the binary, its output and its exit codes.

use std::borrow::Cow;
use std::path::Path;
use std::process::Output;
use std::{fs, io};

use assert_cmd::Command;
use glutton_nfq::config::{Config, SETTINGS};
use glutton_nfq::handlers::Registry;
use tempfile::TempDir;

const GOOD_RULES: &str =
    "version: 1\nrules:\n  - {match: udp dst port 53, type: pass}\n  - {match: tcp dst port 25, type: drop}\n";

fn glutton(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_glutton-nfq")).env_remove("RUST_LOG").args(args).assert().get_output().clone()
}

fn stdout(output: &Output) -> Cow<'_, str> {
    String::from_utf8_lossy(&output.stdout)
}

fn stderr(output: &Output) -> Cow<'_, str> {
    String::from_utf8_lossy(&output.stderr)
}

/// The output of a command that succeeds and says nothing on standard error.
fn succeeds(args: &[&str]) -> String {
    let output = glutton(args);
    assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""), "{args:?}");
    stdout(&output).into_owned()
}

/// The complaint of a command that is refused with exit code 2 and prints nothing else.
fn refused(args: &[&str]) -> String {
    let output = glutton(args);
    assert_eq!((output.status.code(), &*stdout(&output)), (Some(2), ""), "{args:?}\n{}", stderr(&output));
    stderr(&output).into_owned()
}

/// A file of this text, with its path as an argument.
fn file(dir: &TempDir, name: &str, text: &str) -> io::Result<String> {
    let path = dir.path().join(name);
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let help = succeeds(&["--help"]);
    for part in [
        "--rules",
        "--interface",
        "--config",
        "--log",
        "--queues",
        "--queue-num",
        "--dry-run",
        "--verbose",
        "check",
        "match",
        "explain",
        "replay",
        "demo",
        "clean",
        "handlers",
        "completions",
        "man",
        "sudo glutton-nfq -r rules.yml -i eth0",
        "2  bad usage, configuration or rules",
    ] {
        assert!(help.contains(part), "{part}\n{help}");
    }
    let short = succeeds(&["-h"]);
    assert!(short.lines().count() < help.lines().count() && short.contains("Exit codes"));
}

#[test]
fn every_subcommand_has_help() {
    let names = ["check", "reload", "handlers", "clean", "demo", "match", "explain", "replay", "completions", "man"];
    for name in names {
        assert!(succeeds(&[name, "--help"]).contains("Usage: glutton-nfq"), "{name}");
    }
}

#[test]
fn version_is_the_package_version() {
    assert_eq!(succeeds(&["--version"]), concat!("glutton-nfq ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_usage_is_refused() {
    for args in [
        &["--bogus"][..],
        &["bogus"],
        &["--queues", "many"],
        &["check", "extra"],
        &["completions", "dos"],
        &["match", "tcp"],
        &["-i", "eth0", "man"],
    ] {
        assert!(refused(args).starts_with("error: "), "{args:?}");
    }
}

#[test]
fn wrong_flag_value_names_flag_and_mend_in_one_line() {
    for args in [&["--queues", "65"][..], &["check", "--queues", "65"]] {
        assert_eq!(refused(args), "glutton-nfq: --queues = 65: out of range: give 0 to 64\n");
    }
}

#[test]
fn wrong_configuration_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(&dir, "bad.toml", "[engine]\nqueus = 2\n").unwrap();
    for args in [&["-c", &config][..], &["check", "-c", &config]] {
        let complaint = refused(args);
        let first = complaint.lines().next().unwrap();
        assert_eq!(first, format!("glutton-nfq: {config}:2:1: engine.queus: no such key: did you mean `queues`?"));
        assert!(complaint.contains("\n2 | queus = 2\n  | ^^^^^"), "{complaint}");
    }
}

#[test]
fn missing_configuration_is_refused_in_one_line() {
    let complaint = refused(&["check", "-c", "/nowhere/g.toml"]);
    assert!(complaint.starts_with("glutton-nfq: cannot read /nowhere/g.toml: "), "{complaint}");
    assert_eq!(complaint.lines().count(), 1);
}

#[test]
fn check_says_ok_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(&dir, "good.toml", "[engine]\nqueues = 2\n").unwrap();
    let rules = file(&dir, "good.yml", GOOD_RULES).unwrap();
    let said = succeeds(&["check", "-r", &rules, "-c", &config]);
    assert_eq!(said, format!("ok: 2 rules from {rules}, configuration from {config}, 0 warnings\n"));
}

#[test]
fn wrong_rules_are_refused_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let rules = file(&dir, "bad.yml", "version: 1\nrules:\n  - {match: tcp dst prot 22, type: drop}\n").unwrap();
    for args in [&["-r", &rules][..], &["check", "-r", &rules]] {
        let complaint = refused(args);
        assert!(complaint.starts_with("glutton-nfq: "), "{complaint}");
        assert!(complaint.contains("bad.yml:3") && complaint.contains('^'), "{complaint}");
    }
}

#[test]
fn wrong_rules_are_told_as_json_to_editors() {
    let dir = tempfile::tempdir().unwrap();
    let rules = file(&dir, "bad.yml", "version: 1\nrules:\n  - {match: tcp dst prot 22, type: drop}\n").unwrap();
    let output = glutton(&["check", "--json", "-r", &rules]);
    assert_eq!(output.status.code(), Some(2));
    let told: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(told["ok"], false);
    assert_eq!(told["diagnostics"][0]["line"], 3);
    assert_eq!(told["diagnostics"][0]["file"], rules.as_str());
}

#[test]
fn a_reload_without_an_engine_fails_in_one_line() {
    let output = glutton(&["reload", "--queue-num", "64987"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = stderr(&output);
    assert!(complaint.contains("64987") && complaint.lines().count() == 1, "{complaint}");
}

#[test]
fn missing_rules_are_refused_in_one_line() {
    for args in [&["-r", "/nowhere/r.yml"][..], &["check", "-r", "/nowhere/r.yml"]] {
        let complaint = refused(args);
        assert!(complaint.contains("/nowhere/r.yml") && complaint.lines().count() == 1, "{complaint}");
        assert_eq!(complaint.matches("No such file").count(), 1, "{complaint}");
    }
}

#[test]
fn warnings_leave_the_exit_code_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{GOOD_RULES}  - {{match: tcp dst port 23, type: handler, target: no-such-handler}}\n");
    let rules = file(&dir, "odd.yml", &text).unwrap();
    let output = glutton(&["check", "-r", &rules]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).ends_with("1 warning\n") && stderr(&output).contains("no-such-handler"), "{output:?}");
}

#[test]
fn shown_configuration_loads_again_with_flags_applied() {
    let dir = tempfile::tempdir().unwrap();
    let rules = file(&dir, "good.yml", GOOD_RULES).unwrap();
    let shown = succeeds(&["check", "-r", &rules, "--show-config", "--queues", "3", "-l", "e.jsonl"]);
    let config = Config::parse(&shown, Path::new("shown")).unwrap();
    assert_eq!((config.engine.queues, config.events.file.as_deref()), (3, Some(Path::new("e.jsonl"))));
    let again = file(&dir, "again.toml", &shown).unwrap();
    assert_eq!(succeeds(&["check", "-r", &rules, "--show-config", "-c", &again]), shown);
    assert_eq!(shown.lines().filter(|line| line.contains(" = ")).count(), SETTINGS.len());
}

#[test]
fn completions_exist_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let script = succeeds(&["completions", shell]);
        assert!(script.contains("glutton-nfq") && script.contains("queue-num"), "{shell}");
    }
}

#[test]
fn manual_page_names_flags_and_exit_codes() {
    let page = succeeds(&["man"]);
    assert!(page.contains(".TH glutton-nfq 8"), "{page}");
    assert!(page.contains("dry\\-run") && page.contains("Exit codes"));
}

#[test]
fn handlers_are_listed_as_a_table() {
    let table = succeeds(&["handlers"]);
    assert!(table.starts_with("name"), "{table}");
    for entry in Registry::builtin().entries() {
        assert!(table.contains(entry.about()), "{entry:?}");
    }
}
