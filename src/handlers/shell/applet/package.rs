//! `pm` and `am`: packages that are there, and what is started of them. What a visitor installs stays for it.

use super::super::device::Package;
use super::super::run::{Io, Run};
use super::super::tree::{Content, Kind};
use super::{has_flag, lossy, operands, operands_beside};

const OWN: [&str; 9] = [
    "android",
    "com.android.launcher3",
    "com.android.providers.settings",
    "com.android.settings",
    "com.android.shell",
    "com.android.systemui",
    "com.android.vending",
    "com.google.android.gms",
    "com.android.inputmethod.latin",
];

/// Where a package lies; one whose name nobody knew is taken to be the one that is asked for.
fn place(run: &mut Run<'_, '_>, name: &str) -> Option<String> {
    if OWN.contains(&name) {
        return Some(match name {
            "android" => "/system/framework/framework-res.apk".to_owned(),
            name => format!("/system/priv-app/{name}/base.apk"),
        });
    }
    let own = run.packages.iter().any(|package| package.name.as_deref() == Some(name));
    if !own {
        run.packages.iter_mut().find(|package| package.name.is_none())?.name = Some(name.to_owned());
    }
    Some(format!("/data/app/{name}-1/base.apk"))
}

pub(super) fn pm(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let verb = words.get(1).map(|verb| lossy(verb)).unwrap_or_default();
    let rest = words.get(1..).unwrap_or_default();
    let name = operands_beside(rest, b"iS").last().map(|name| lossy(name)).unwrap_or_default();
    match verb.as_str() {
        "list" => return list(run, words, io),
        "path" => match place(run, &name) {
            Some(path) => run.print_line(io.out, &format!("package:{path}")),
            None => return 1,
        },
        "install" => return install(run, &name, io),
        "install-create" => {
            let session = run.random.within(&(100_000_000..=2_000_000_000));
            run.print_line(io.out, &format!("Success: created install session [{session}]"));
        }
        "install-commit" | "install-abandon" => run.print_line(io.out, "Success"),
        "uninstall" => {
            let before = run.packages.len();
            run.packages.retain(|package| package.name.as_deref() != Some(&name));
            let is_gone = run.packages.len() < before;
            run.print_line(io.out, if is_gone { "Success" } else { "Failure [DELETE_FAILED_INTERNAL_ERROR]" });
            return u8::from(!is_gone);
        }
        "clear" => {
            let is_there = place(run, &name).is_some();
            run.print_line(io.out, if is_there { "Success" } else { "Failed" });
        }
        "disable" | "disable-user" | "enable" | "hide" | "unhide" => {
            if place(run, &name).is_none() {
                run.print_line(io.err, &format!("Error: java.lang.IllegalArgumentException: Unknown package: {name}"));
                return 1;
            }
            let state = if verb == "enable" { "enabled" } else { "disabled-user" };
            run.print_line(io.out, &format!("Package {name} new state: {state}"));
        }
        "grant" | "revoke" | "trim-caches" | "set-install-location" => {}
        "get-install-location" => run.print_line(io.out, "0[auto]"),
        _ => run.print_line(io.err, "usage: pm path [--user USER_ID] PACKAGE"),
    }
    0
}

/// `pm list packages [-f] [-3] [-s] [FILTER]`, and other lists.
fn list(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut wanted = operands(words).skip(1).map(|word| lossy(word));
    let kind = wanted.next().unwrap_or_default();
    match kind.as_str() {
        "packages" | "package" => {}
        "users" => {
            run.print_line(io.out, "Users:\n\tUserInfo{0:Owner:13} running");
            return 0;
        }
        "features" => {
            run.print_line(
                io.out,
                "feature:reqGlEsVersion=0x30001\nfeature:android.hardware.touchscreen\nfeature:android.hardware.wifi",
            );
            return 0;
        }
        _ => {
            run.print_line(io.err, &format!("Error: unknown list type '{kind}'"));
            return 1;
        }
    }
    let filter = wanted.next().unwrap_or_default();
    let (third, system) = (has_flag(words, b'3'), has_flag(words, b's'));
    let visitors: Vec<String> = run.packages.iter().filter_map(|package| package.name.clone()).collect();
    let all = OWN.iter().map(|name| ((*name).to_owned(), false)).chain(visitors.into_iter().map(|name| (name, true)));
    for (name, is_third) in all {
        if (third && !is_third) || (system && is_third) || !name.contains(&filter) {
            continue;
        }
        let path = if has_flag(words, b'f') { place(run, &name).map(|path| path + "=") } else { None };
        run.print_line(io.out, &format!("package:{}{name}", path.unwrap_or_default()));
    }
    0
}

/// `pm install FILE`
fn install(run: &mut Run<'_, '_>, file: &str, io: Io) -> u8 {
    let path = run.path(file.as_bytes());
    run.wait_about(900, 2_600);
    let Ok((_, node)) = run.files.find(&path) else {
        run.print_line(io.err, &format!("Error: Unable to open file: {file}"));
        return 1;
    };
    let is_stand_in = matches!(node.kind, Kind::File { content: Content::StandIn { .. }, .. });
    let package = match run.files.content(&path) {
        Ok(bytes) if !is_stand_in => Package::of(&bytes),
        _ => Package::default(),
    };
    run.files.keep_sample(&path, true);
    Package::add(run.packages, package);
    run.print_line(io.out, "Success");
    0
}

/// What `am` says of an intent: action, data and component.
fn intent(words: &[Vec<u8>]) -> (String, Option<String>) {
    let value = |flag: &[u8]| {
        let at = words.iter().position(|word| word == flag)?;
        words.get(at + 1).map(|value| lossy(value))
    };
    let operand = operands_beside(words, b"andtcefpWDSRM").get(1).map(|word| lossy(word));
    let data = value(b"-d").or_else(|| operand.clone().filter(|text| text.contains("://")));
    let component = value(b"-n").or_else(|| operand.filter(|text| text.contains('/') && !text.contains("://")));
    let parts = [("act", value(b"-a")), ("dat", data), ("typ", value(b"-t")), ("cmp", component.clone())];
    let shown: Vec<String> = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
    (format!("Intent {{ {} }}", shown.join(" ")), component)
}

/// `am start`, `startservice`, `broadcast`: what is not installed cannot be started.
pub(super) fn am(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let verb = words.get(1).map(|verb| lossy(verb)).unwrap_or_default();
    let (text, component) = intent(words);
    let package = component.as_deref().and_then(|name| name.split('/').next()).map(str::to_owned);
    let is_there = package.is_none_or(|name| place(run, &name).is_some());
    match verb.as_str() {
        "start" | "start-activity" => {
            run.wait_about(150, 700);
            run.print_line(io.out, &format!("Starting: {text}"));
            if !is_there {
                let class = component.unwrap_or_default();
                run.print_line(io.err, &format!("Error type 3\nError: Activity class {{{class}}} does not exist."));
                return 1;
            }
        }
        "startservice" | "start-service" | "startforegroundservice" => {
            run.wait_about(80, 300);
            run.print_line(io.out, &format!("Starting service: {text}"));
            if !is_there {
                run.print_line(io.err, "Error: Not found; no service started.");
            }
        }
        "broadcast" => {
            run.wait_about(80, 300);
            run.print_line(io.out, &format!("Broadcasting: {text}\nBroadcast completed: result=0"));
        }
        "force-stop" | "kill" | "kill-all" | "stopservice" => {}
        "get-current-user" => run.print_line(io.out, "0"),
        _ => run.print_line(io.err, "usage: am [subcommand] [options]"),
    }
    0
}
