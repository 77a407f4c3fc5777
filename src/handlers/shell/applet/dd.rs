//! `dd`: bytes from a place to a place.

use super::super::MAX_OUTPUT;
use super::super::device::Flavor;
use super::super::run::{Io, Run};
use super::super::tree::Content;
use super::{lossy, number, usage};

/// A number of `dd` with its unit.
fn units(text: &[u8]) -> Option<u64> {
    let digits = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit {
        b"" | b"c" => 1,
        b"w" => 2,
        b"b" => 512,
        b"k" | b"K" => 1_024,
        b"kB" => 1_000,
        b"M" => 1 << 20,
        b"MB" => 1_000_000,
        b"G" => 1 << 30,
        _ => return None,
    };
    number(count)?.checked_mul(factor)
}

pub(super) fn dd(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let option = |name: &[u8]| {
        words.iter().skip(1).find_map(|word| word.strip_prefix(name).and_then(|word| word.strip_prefix(b"=")))
    };
    const NAMES: [&[u8]; 11] =
        [b"if", b"of", b"bs", b"ibs", b"obs", b"count", b"skip", b"seek", b"conv", b"iflag", b"oflag"];
    let is_known = |word: &Vec<u8>| word.split(|&b| b == b'=').next().is_some_and(|name| NAMES.contains(&name));
    if !words.iter().skip(1).all(is_known) {
        return usage(run, "dd", io);
    }
    let size = |name: &[u8]| option(name).map(units);
    let block = match size(b"bs").or_else(|| size(b"ibs")) {
        None => 512,
        Some(Some(block)) if block > 0 => block,
        Some(_) => {
            let text = option(b"bs").or_else(|| option(b"ibs")).unwrap_or_default();
            if size(b"bs").or_else(|| size(b"ibs")) == Some(Some(0)) {
                return run.fail(io, words, &format!("number {} is not in 1..9223372036854775807 range", lossy(text)));
            }
            return run.fail(io, words, &format!("invalid number '{}'", lossy(text)));
        }
    };
    for name in [&b"count"[..], b"skip", b"seek"] {
        if let (Some(text), Some(None)) = (option(name), size(name)) {
            return run.fail(io, words, &format!("invalid number '{}'", lossy(text)));
        }
    }
    let skip = size(b"skip").flatten().unwrap_or(0).saturating_mul(block);
    let count = size(b"count").flatten();
    let input = match option(b"if") {
        None => io.input,
        Some(name) => {
            let path = run.path(name);
            match run.open(&path) {
                Ok(input) => input,
                Err(fault) => return run.fail_at(io, words, "can't open", name, fault),
            }
        }
    };
    let all = run.read_all(Io { input, ..io });
    let start = usize::try_from(skip).unwrap_or(usize::MAX).min(all.len());
    let wanted = count.map_or(u64::MAX, |count| count.saturating_mul(block));
    let len = usize::try_from(wanted).unwrap_or(usize::MAX).min(all.len() - start);
    let bytes = all.get(start..start + len).unwrap_or_default();
    match option(b"of") {
        None => run.print(io.out, bytes),
        Some(name) => {
            let path = run.path(name);
            let own = option(b"if").is_some_and(|from| from.starts_with(b"/bin") || from.starts_with(b"/dev"));
            let seek = size(b"seek").flatten().unwrap_or(0).saturating_mul(block);
            let keeps = option(b"conv").is_some_and(|conv| conv == b"notrunc");
            let content = overwritten(run, &path, bytes, seek, keeps);
            let done = run.files.write(&path, Content::Kept(content), !own);
            if let Err(fault) = done {
                return run.fail_at(io, words, "can't open", name, fault);
            }
        }
    }
    let (whole, part) = (bytes.len() as u64 / block, u64::from(!(bytes.len() as u64).is_multiple_of(block)));
    run.print_line(io.err, &format!("{whole}+{part} records in\n{whole}+{part} records out"));
    if run.device.flavor() == Flavor::Android {
        run.print_line(io.err, &format!("{} bytes transferred in 0.001 secs", bytes.len()));
    }
    0
}

/// What a file holds after bytes were written at a place; what was behind them stays only when wanted.
fn overwritten(run: &Run<'_, '_>, path: &[u8], bytes: &[u8], seek: u64, keeps: bool) -> Vec<u8> {
    let seek = usize::try_from(seek).unwrap_or(usize::MAX).min(MAX_OUTPUT);
    let mut content = match seek == 0 && !keeps {
        true => Vec::new(),
        false => run.files.content(path).map(std::borrow::Cow::into_owned).unwrap_or_default(),
    };
    let behind = content.get(seek.saturating_add(bytes.len())..).unwrap_or_default().to_vec();
    content.resize(seek, 0);
    content.extend_from_slice(bytes);
    if keeps {
        content.extend(behind);
    }
    content
}
