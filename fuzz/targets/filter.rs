//! Any text and any packet: a filter that compiles matches without a panic, says the same twice, and its conditions hold.
//!
//! Input: the text up to the first zero byte, then the packet.

#![no_main]

#[path = "../names.rs"]
mod names;

use glutton_nfq::rules::filter::{Constraints, Filter, Input};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let zero = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (text, bytes) = input.split_at(zero);
    let bytes = bytes.get(1..).unwrap_or_default();
    let Ok(text) = str::from_utf8(text) else { return };
    if names::are_asked_for(text) {
        return;
    }
    match Filter::parse(text) {
        Ok(filter) => matched(&filter, bytes),
        Err(error) => {
            for error in error.iter() {
                assert!(text.get(error.span.clone()).is_some(), "{:?} is not in the text", error.span);
                assert!(!error.message.contains('\n'), "{}", error.message);
            }
        }
    }
});

fn matched(filter: &Filter, bytes: &[u8]) {
    let input = Input::new(bytes, bytes.len()).with_meta(5, 2);
    let matches = filter.matches(&input);
    assert_eq!(matches, filter.matches(&input), "{}", filter.text());
    assert_eq!(matches, filter.why_not(&input).is_empty(), "{}", filter.text());
    filter.takes_all_of(filter);
    if matches {
        let fulfilled = filter.alternatives().iter().any(|conditions| holds(conditions, bytes));
        assert!(fulfilled && holds(&filter.constraints(), bytes), "{} matches beside its conditions", filter.text());
    }
}

/// Whether the one condition holds that stands at a fixed place: the protocol of IPv4.
fn holds(conditions: &Constraints, bytes: &[u8]) -> bool {
    match (bytes.first().map(|first| first >> 4), bytes.get(9), &conditions.protocols) {
        (Some(4), Some(protocol), Some(protocols)) => protocols.contains(protocol),
        _ => true,
    }
}
