//! Android's own programs.

use super::super::run::{Io, Leaving, Run};
use super::{lossy, operands};

pub(super) fn getprop(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match operands(words).next() {
        Some(name) => {
            let set = run.variable(&[b"property ", &name[..]].concat());
            let value = set.map(|value| lossy(&value)).or_else(|| run.device.property(&lossy(name)).map(str::to_owned));
            run.print_line(io.out, &value.unwrap_or_default());
        }
        None => {
            for (name, value) in run.device.properties() {
                run.print_line(io.out, &format!("[{name}]: [{value}]"));
            }
        }
    }
    0
}

/// What is set lasts for this shell, under a name that no variable can have.
pub(super) fn setprop(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words {
        [_, name, value] => {
            run.set_variable(&[b"property ", &name[..]].concat(), value.clone());
            0
        }
        _ => {
            run.print_line(io.err, "usage: setprop NAME VALUE");
            1
        }
    }
}

const PACKAGES: [&str; 8] = [
    "android",
    "com.android.providers.settings",
    "com.android.settings",
    "com.android.shell",
    "com.android.systemui",
    "com.android.vending",
    "com.google.android.gms",
    "com.android.inputmethod.latin",
];

pub(super) fn pm(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words.get(1).map(Vec::as_slice) {
        // None of them is a third party's.
        Some(b"list") if words.iter().any(|word| word == b"-3") => {}
        Some(b"list") => PACKAGES.iter().for_each(|package| run.print_line(io.out, &format!("package:{package}"))),
        Some(b"path") => match words.get(2).map(|name| lossy(name)) {
            Some(name) if PACKAGES.contains(&name.as_str()) => {
                run.print_line(io.out, &format!("package:/system/priv-app/{name}/base.apk"))
            }
            _ => return 1,
        },
        Some(b"install") => {
            let package = operands(words).last().cloned().unwrap_or_default();
            let path = run.path(&package);
            run.wait_about(900, 2_600);
            if !run.files.exists(&path) {
                run.print_line(io.out, &format!("Error: Unable to open file: {}", lossy(&package)));
                return 1;
            }
            run.files.keep_sample(&path, true);
            run.print_line(io.out, "Success");
        }
        Some(b"uninstall" | b"clear" | b"disable" | b"enable" | b"hide") => run.print_line(io.out, "Success"),
        _ => run.print_line(io.out, "usage: pm path [--user USER_ID] PACKAGE"),
    }
    0
}

pub(super) fn am(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if words.get(1).is_some_and(|word| word.starts_with(b"start")) {
        let component = words.last().map(|word| lossy(word)).unwrap_or_default();
        run.wait_about(150, 700);
        run.print_line(io.out, &format!("Starting: Intent {{ cmp={component} }}"));
    }
    0
}

/// `cmd package ...` and its kin: what `pm`, `am`, `settings` and `wm` do.
pub(super) fn cmd(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest = words.get(1..).unwrap_or_default();
    match rest.first().map(Vec::as_slice) {
        Some(b"package") => pm(run, rest, io),
        Some(b"activity") => am(run, rest, io),
        Some(b"settings") => settings(run, rest, io),
        Some(b"window") => wm(run, rest, io),
        Some(service) => {
            run.print_line(io.err, &format!("cmd: Can't find service: {}", lossy(service)));
            20
        }
        None => {
            run.print_line(io.err, "cmd: no service specified; use -l to list all services");
            20
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

pub(super) fn settings(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if words.get(1).is_some_and(|word| word == b"get") {
        run.print_line(io.out, "null");
    }
    0
}

pub(super) fn dumpsys(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words.get(1).map(Vec::as_slice) {
        Some(b"battery") => run.print_line(
            io.out,
            "Current Battery Service state:\n  AC powered: true\n  USB powered: false\n  Wireless powered: false\n  status: 5\n  health: 2\n  present: true\n  level: 100\n  scale: 100\n  voltage: 4312\n  temperature: 264\n  technology: Li-ion",
        ),
        Some(service) => run.print_line(io.out, &format!("Can't find service: {}", lossy(service))),
        None => run.print_line(io.out, "Currently running services:\n  activity\n  battery\n  package\n  window"),
    }
    0
}

pub(super) fn wm(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words.get(1).map(Vec::as_slice) {
        Some(b"size") => run.print_line(io.out, "Physical size: 1080x1920"),
        Some(b"density") => run.print_line(io.out, "Physical density: 420"),
        _ => {}
    }
    0
}
