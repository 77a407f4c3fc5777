//! What asks Android's services: `cmd`, `dumpsys`, `service`, `wm`, and what else a look at a phone begins with.

use super::super::run::{Io, Leaving, Run};
use super::package::{am, pm};
use super::phone::settings;
use super::{lossy, operands};

/// Services by name, with the interface that `service list` tells.
const SERVICES: [(&str, &str); 10] = [
    ("activity", "android.app.IActivityManager"),
    ("alarm", "android.app.IAlarmManager"),
    ("battery", ""),
    ("connectivity", "android.net.IConnectivityManager"),
    ("display", "android.hardware.display.IDisplayManager"),
    ("package", "android.content.pm.IPackageManager"),
    ("power", "android.os.IPowerManager"),
    ("settings", ""),
    ("wifi", "android.net.wifi.IWifiManager"),
    ("window", "android.view.IWindowManager"),
];
/// What is seen on the screen.
const HOME: &str = "com.android.launcher3/com.android.launcher3.Launcher";
/// Its size and density.
const SCREEN: (u32, u32, u32) = (1080, 1920, 420);

/// `cmd package ...` and its kin: what `pm`, `am`, `settings` and `wm` do.
pub(super) fn cmd(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest = words.get(1..).unwrap_or_default();
    match rest.first().map(Vec::as_slice) {
        Some(b"package") => pm(run, rest, io),
        Some(b"activity") => am(run, rest, io),
        Some(b"settings") => settings(run, rest, io),
        Some(b"window") => wm(run, rest, io),
        Some(b"-l") => {
            run.print_line(
                io.out,
                &format!("Currently running services:\n  {}", SERVICES.map(|(name, _)| name).join("\n  ")),
            );
            0
        }
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

/// `service list|check NAME`
pub(super) fn service(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words {
        [_, verb] if verb == b"list" => {
            run.print_line(io.out, &format!("Found {} services:", SERVICES.len()));
            for (at, (name, interface)) in SERVICES.iter().enumerate() {
                run.print_line(io.out, &format!("{at}\t{name}: [{interface}]"));
            }
        }
        [_, verb, name] if verb == b"check" => {
            let name = lossy(name);
            let is_there = SERVICES.iter().any(|(known, _)| *known == name);
            run.print_line(io.out, &format!("Service {name}: {}", if is_there { "found" } else { "not found" }));
        }
        _ => {
            run.print_line(io.out, "Usage: service [-h|-?]\n       service list\n       service check SERVICE");
            return 10;
        }
    }
    0
}

pub(super) fn getenforce(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    run.print_line(io.out, "Enforcing");
    0
}

pub(super) fn setenforce(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let wanted = words.get(1).map(|word| lossy(word)).unwrap_or_default();
    run.fail(io, words, &format!("Couldn't set enforcing status to '{wanted}': Permission denied"))
}

/// `app_process DIRECTORY CLASS`: what was brought runs, and says nothing.
pub(super) fn app_process(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if let Some(jar) = run.variable(b"CLASSPATH") {
        let path = run.path(&jar);
        if run.files.exists(&path) {
            run.files.keep_sample(&path, true);
            run.leaving = Some(Leaving::Hang);
            return 0;
        }
    }
    let class = operands(words).nth(1).map(|class| lossy(class)).unwrap_or_default();
    run.print_line(io.err, &format!("Error: Could not find or load main class {class}\nAborted"));
    134
}

/// `dumpsys [-l | SERVICE [ARGUMENTS]]`
pub(super) fn dumpsys(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let words: Vec<String> = words.iter().skip(1).map(|word| lossy(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let text = match words.as_slice() {
        [] | ["-l"] => format!("Currently running services:\n  {}", SERVICES.map(|(name, _)| name).join("\n  ")),
        ["battery", ..] => "Current Battery Service state:\n  AC powered: true\n  USB powered: false\n  Wireless powered: false\n  status: 5\n  health: 2\n  present: true\n  level: 100\n  scale: 100\n  voltage: 4312\n  temperature: 264\n  technology: Li-ion".to_owned(),
        ["power", ..] => "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n  mWakefulness=Awake\n  mIsPowered=true\n  mPlugType=1\n  mBatteryLevel=100\nDisplay Power: state=ON\n  mHoldingDisplaySuspendBlocker=true".to_owned(),
        ["display", ..] => {
            let (width, height, _) = SCREEN;
            format!("DISPLAY MANAGER (dumpsys display)\n  mOnlyCode=false\n  mDefaultViewport=DisplayViewport{{valid=true, displayId=0, orientation=0, logicalFrame=Rect(0, 0 - {width}, {height}), physicalFrame=Rect(0, 0 - {width}, {height}), deviceWidth={width}, deviceHeight={height}}}")
        }
        ["window", ..] => format!("WINDOW MANAGER WINDOWS (dumpsys window windows)\n  mCurrentFocus=Window{{3a1c0de u0 {HOME}}}\n  mFocusedApp=AppWindowToken{{b21f0a3 token=Token{{9e5c1d2 ActivityRecord{{7d0e45c u0 {HOME} t1}}}}}}"),
        ["activity", "top", ..] => format!("TASK com.android.launcher3 id=1\n  ACTIVITY {HOME} 7d0e45c pid=1427"),
        ["activity", ..] => format!("ACTIVITY MANAGER ACTIVITIES (dumpsys activity activities)\n  mResumedActivity: ActivityRecord{{7d0e45c u0 {HOME} t1}}"),
        [service, ..] if SERVICES.iter().any(|(known, _)| known == service) => return 0,
        [service, ..] => {
            run.print_line(io.err, &format!("Can't find service: {service}"));
            return 0;
        }
    };
    run.print_line(io.out, &text);
    0
}

pub(super) fn wm(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let (width, height, density) = SCREEN;
    match words.get(1).map(Vec::as_slice) {
        Some(b"size") => run.print_line(io.out, &format!("Physical size: {width}x{height}")),
        Some(b"density") => run.print_line(io.out, &format!("Physical density: {density}")),
        _ => {}
    }
    0
}
