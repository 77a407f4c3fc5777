//! Programs about file systems: what is mounted, and how full it is.

use super::super::run::{Io, Run};
use super::{has_flag, lossy, operands, operands_beside};

pub(super) fn df(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let human = has_flag(words, b'h');
    let size = |kib: u64| match (human, kib) {
        (false, kib) => kib.to_string(),
        (true, 0) => "0".to_owned(),
        (true, kib) if kib >= 1 << 20 => format!("{}.{}G", kib >> 20, ((kib & 0xf_ffff) * 10) >> 20),
        (true, kib) if kib >= 1 << 10 => format!("{}.{}M", kib >> 10, ((kib & 0x3ff) * 10) >> 10),
        (true, kib) => format!("{kib}.0K"),
    };
    let head = if human {
        "Filesystem                Size      Used Available Use% Mounted on"
    } else {
        "Filesystem           1K-blocks      Used Available Use% Mounted on"
    };
    run.print_line(io.out, head);
    let memory = run.device.memory_kib();
    let wanted: Vec<String> = operands(words).map(|name| run.device.mounted_at(&run.path(name))).collect();
    for line in run.device.mounts().lines() {
        let mut fields = line.split(' ');
        let (source, place) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let (total, used) = match (source, place) {
            (_, place) if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == place) => continue,
            ("proc" | "sysfs", _) if wanted.is_empty() => continue,
            ("proc" | "sysfs", _) => (0, 0),
            (_, "/dev") => (512, 0),
            ("tmpfs" | "rootfs", _) => (memory / 2, memory / 900),
            _ => (run.device.root_kib(), run.device.root_kib() * 61 / 100),
        };
        let row = format!(
            "{source:<20} {:>9} {:>9} {:>9} {:>3}% {place}",
            size(total),
            size(used),
            size(total - used),
            used * 100 / total.max(1)
        );
        run.print_line(io.out, &row);
    }
    0
}

/// `mount`, and `mount DEVICE DIRECTORY`, which leaves everything as it is.
pub(super) fn mount(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if words.len() > 1 {
        if let [source, place] = operands_beside(words, b"to").as_slice() {
            let missing = |run: &Run<'_, '_>, name: &[u8]| !run.files.exists(&run.path(name));
            if missing(run, place) || source.starts_with(b"/") && missing(run, source) {
                let text = format!("mounting {} on {} failed: No such file or directory", lossy(source), lossy(place));
                run.fail(io, words, &text);
                return 255;
            }
        }
        return 0;
    }
    for line in run.device.mounts().lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        if let [source, place, kind, options, ..] = fields.as_slice() {
            run.print_line(io.out, &format!("{source} on {place} type {kind} ({options})"));
        }
    }
    0
}

/// `umount PLACE...`: what is mounted is in use.
pub(super) fn umount(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 0;
    for name in operands(words) {
        let path = run.path(name);
        let is_mounted =
            run.device.mounts().lines().any(|line| line.split(' ').nth(1).map(str::as_bytes) == Some(&path[..]));
        let why = match (run.files.exists(&path), is_mounted) {
            (false, _) => "No such file or directory",
            (true, false) => "Invalid argument",
            (true, true) => "Device or resource busy",
        };
        status = run.fail(io, words, &format!("can't unmount {}: {why}", lossy(name)));
    }
    status
}
