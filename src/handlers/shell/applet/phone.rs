//! Android's own programs.

use std::collections::BTreeMap;

use super::super::run::{Io, Leaving, Run};
use super::{lossy, operands};

pub(super) fn getprop(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match operands(words).next() {
        Some(name) => {
            let name = lossy(name);
            let set = run.settings.value(&format!("property {name}")).map(str::to_owned);
            let value = set.or_else(|| run.device.property(&name).map(str::to_owned));
            run.print_line(io.out, &value.unwrap_or_default());
        }
        None => {
            let mut all: BTreeMap<String, String> = run.device.properties().iter().cloned().collect();
            all.extend(run.settings.under("property "));
            for (name, value) in all {
                run.print_line(io.out, &format!("[{name}]: [{value}]"));
            }
        }
    }
    0
}

/// What is set stays for this source; those of the system's own do not change.
pub(super) fn setprop(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words {
        [_, name, _] if name.starts_with(b"ro.") => {
            run.print_line(io.err, &format!("setprop: failed to set property '{}'", lossy(name)));
            1
        }
        [_, name, value] => {
            run.settings.set(format!("property {}", lossy(name)), lossy(value));
            0
        }
        _ => {
            run.print_line(io.err, "usage: setprop NAME VALUE");
            1
        }
    }
}

/// The log is empty but for its beginnings; without `-d` it is followed.
pub(super) fn logcat(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if super::has_flag(words, b'c') {
        return 0;
    }
    run.print_line(io.out, "--------- beginning of system\n--------- beginning of main");
    if !super::has_flag(words, b'd') && !super::has_flag(words, b't') {
        run.leaving = Some(Leaving::Hang);
    }
    0
}

pub(super) fn monkey(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    run.wait_about(150, 700);
    run.print_line(
        io.out,
        "Events injected: 1\n## Network stats: elapsed time=61ms (0ms mobile, 0ms wifi, 61ms not connected)",
    );
    0
}

/// `settings get|put|delete|list NAMESPACE [NAME [VALUE]]`
pub(super) fn settings(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let words: Vec<String> = operands(words).map(|word| lossy(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let own = |space: &str, name: &str| match (space, name) {
        ("global", "adb_enabled" | "development_settings_enabled" | "wifi_on" | "device_provisioned") => {
            Some("1".to_owned())
        }
        ("secure", "android_id") => Some(run.device.mac().map(|byte| format!("{:02x}", byte ^ 0x5a)).concat() + "7f31"),
        ("system", "screen_brightness") => Some("102".to_owned()),
        ("system", "screen_off_timeout") => Some("60000".to_owned()),
        _ => None,
    };
    match words.as_slice() {
        ["get", space, name] => {
            let set = run.settings.value(&format!("{space} {name}")).map(str::to_owned);
            let value = set.or_else(|| own(space, name)).unwrap_or_else(|| "null".to_owned());
            run.print_line(io.out, &value);
        }
        ["put", space, name, value] => run.settings.set(format!("{space} {name}"), (*value).to_owned()),
        ["delete", space, name] => {
            let key = format!("{space} {name}");
            let count = u8::from(run.settings.value(&key).is_some());
            run.settings.remove(&key);
            run.print_line(io.out, &format!("Deleted {count} rows"));
        }
        ["list", space] => {
            for (name, value) in run.settings.under(&format!("{space} ")) {
                run.print_line(io.out, &format!("{name}={value}"));
            }
        }
        _ => {
            run.print_line(io.err, "usage: settings [--user NUM] get namespace key");
            return 1;
        }
    }
    0
}

/// `content query|insert|... --uri URI`: there is nothing.
pub(super) fn content(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words.get(1).map(Vec::as_slice) {
        Some(b"query") => run.print_line(io.out, "No result found."),
        Some(b"insert" | b"update" | b"delete" | b"call" | b"read") => {}
        _ => {
            run.print_line(io.err, "usage: adb shell content [subcommand] [options]");
            return 1;
        }
    }
    0
}

/// `bugreportz`, since Android 7: the client asks for the version first.
pub(super) fn bug_report(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    const FIRST_SDK: u32 = 24;
    let sdk = run.device.property("ro.build.version.sdk").and_then(|sdk| sdk.parse::<u32>().ok());
    if sdk.is_some_and(|sdk| sdk < FIRST_SDK) {
        run.complain(io, b"bugreportz: not found");
        return 127;
    }
    if super::has_flag(words, b'v') {
        run.print_line(io.err, "1.0");
        return 0;
    }
    run.wait_about(2_000, 5_000);
    run.print_line(io.out, "FAIL:Could not open bugreport service");
    1
}
