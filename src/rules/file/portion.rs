//! `limit` and `sample`: how much of what it matches a rule takes.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::rules::{Limit, Sample, Share};

/// What a `limit` looks like.
pub(super) const LIMIT: &str = "`100/s`, `10/m per src` or `1000/h per dst` (s, m, h or d; up to 1000000)";
/// What a `sample` looks like.
pub(super) const SAMPLE: &str = "`1/100`: the part that the rule takes, more than nothing and at most `1/1`";

/// Largest count of a limit and largest denominator of a sample.
const MAX_COUNT: u32 = 1_000_000;

/// The periods of a limit, in seconds.
pub(super) const PERIODS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
/// Who shares a limit, behind `per`.
pub(super) const SHARES: [(&str, Share); 2] = [("src", Share::Source), ("dst", Share::Destination)];

/// `COUNT/PERIOD`, `COUNT/PERIOD per src` or `COUNT/PERIOD per dst`.
pub(super) fn limit(text: &str) -> Option<Limit> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (rate, share) = match *words.as_slice() {
        [rate] => (rate, Share::Rule),
        [rate, "per", word] => (rate, meaning(&SHARES, word)?),
        _ => return None,
    };
    let (count, period) = rate.split_once('/')?;
    let period = Duration::from_secs(meaning(&PERIODS, period)?);
    Some(Limit { count: number(count)?, period, share })
}

/// `TAKEN/OF`.
pub(super) fn sample(text: &str) -> Option<Sample> {
    let (taken, of) = text.split_once('/')?;
    let sample = Sample { taken: number(taken)?, of: number(of)? };
    (sample.taken <= sample.of).then_some(sample)
}

fn meaning<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == word).map(|(_, meaning)| *meaning)
}

fn number(digits: &str) -> Option<NonZeroU32> {
    // `parse` alone would take `+1`.
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number: &NonZeroU32| is_plain && number.get() <= MAX_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_counts_in_a_period_of_the_rule_a_source_or_a_destination() {
        let read = |text| limit(text).map(|limit| (limit.count.get(), limit.period.as_secs(), limit.share));
        assert_eq!(read("100/s per src"), Some((100, 1, Share::Source)));
        assert_eq!(read("10/m"), Some((10, 60, Share::Rule)));
        assert_eq!(read("1000000/d  per  dst"), Some((1_000_000, 86_400, Share::Destination)));
        for wrong in [
            "",
            "10",
            "0/s",
            "1000001/s",
            "+1/s",
            "1/w",
            "1/s per",
            "1/s per port",
            "1/s src",
            "1 / s",
            "1/s per src x",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn samples_are_parts_of_the_whole() {
        let read = |text| sample(text).map(|sample| (sample.taken.get(), sample.of.get()));
        assert_eq!(read("1/100"), Some((1, 100)));
        assert_eq!(read("3/3"), Some((3, 3)));
        for wrong in ["", "1", "0/10", "2/1", "1/0", "1/1000001", "1/10/10", "0.1", "10%"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
