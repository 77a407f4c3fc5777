//! Any text as a rule file, YAML and TOML: rules or errors, both bounded, and rules that take packets without a panic.

#![no_main]

#[path = "../names.rs"]
mod names;

use std::sync::Arc;

use glutton_nfq::rules::filter::Input;
use glutton_nfq::rules::{Rule, RuleSet, Surroundings};
use libfuzzer_sys::fuzz_target;

/// IPv4 TCP from 10.0.0.1:1000 to 10.0.0.2:80, a SYN.
const SYN: [u8; 40] = [
    0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x03, 0xe8, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50,
    2, 0, 0, 0, 0, 0, 0,
];
/// Bytes of all errors of a small file.
const MAX_ERRORS_LEN: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    if names::are_asked_for(text) {
        return;
    }
    for parse in [RuleSet::from_yaml, RuleSet::from_toml] {
        match parse(text, "fuzz") {
            Ok(rules) => used(&rules),
            Err(errors) => assert!((1..MAX_ERRORS_LEN).contains(&errors.to_string().len())),
        }
    }
});

fn used(rules: &RuleSet) {
    let input = Input::new(&SYN, SYN.len());
    let matches = |rule: &&Arc<Rule>| rules.filter(rule).is_some_and(|filter| filter.matches(&input));
    let walked = rules.rules().iter().find(matches).map(|rule| rule.position);
    assert_eq!(rules.first_match(&input).map(|rule| rule.position), walked, "the index skips or adds a rule");
    rules.warnings(&Surroundings {
        handlers: &["tcp", "udp"],
        server_ports: &[5000, 5001],
        addresses: &[],
        ssh_port: Some(22),
    });
}
