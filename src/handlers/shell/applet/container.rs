//! Programs that visitors of containers use: to get out of them, and to install more.

use super::super::container::{MACHINE, User};
use super::super::run::{Io, Run};

/// `chroot DIR PROGRAM`
pub(super) fn chroot(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(root) = words.get(1) else { return super::usage(run, "chroot", io) };
    let path = run.path(root);
    if !run.files.is_directory(&path) {
        let text = format!("can't change root directory to '{}': No such file or directory", super::lossy(root));
        run.fail(io, words, &text);
        return 125;
    }
    if !run.state.is_root {
        run.fail(
            io,
            words,
            &format!("can't change root directory to '{}': Operation not permitted", super::lossy(root)),
        );
        return 125;
    }
    let root = run.files.below_root(&path);
    with_root(run, &root, words.get(2..).unwrap_or_default(), io)
}

/// `nsenter --target 1 --mount PROGRAM`: the machine itself.
pub(super) fn nsenter(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let is_option = |word: &Vec<u8>| word.starts_with(b"-") || word.iter().all(u8::is_ascii_digit);
    let at = words.iter().skip(1).position(|word| !is_option(word)).map_or(words.len(), |at| at + 1);
    with_root(run, MACHINE, words.get(at..).unwrap_or_default(), io)
}

/// Runs a program to which this directory is `/`. A shell that it starts on the terminal stays there.
fn with_root(run: &mut Run<'_, '_>, root: &[u8], words: &[Vec<u8>], io: Io) -> u8 {
    let level = run.state.levels;
    let before = (run.state.cwd.clone(), run.state.roots.clone());
    run.state.roots.retain(|(from, _)| *from <= level);
    run.state.roots.push((level, root.to_vec()));
    run.state.cwd = b"/".to_vec();
    run.files.set_root(root);
    let status = program(run, words, io);
    let has_stayed = run.state.levels > level;
    (run.state.cwd, run.state.roots) = before;
    if has_stayed {
        run.state.cwd = b"/".to_vec();
        run.state.roots.push((level + 1, root.to_vec()));
    }
    let root = run.state.root().to_vec();
    run.files.set_root(&root);
    status
}

/// The program, or a shell when none is named.
fn program(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if words.is_empty() { run.call(&[b"sh".to_vec()], io) } else { run.call(words, io) }
}

/// `apk`, `apt`: works for a while, and has nothing to say.
pub(super) fn package_manager(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let names: Vec<String> = super::operands(words).skip(1).map(|word| super::lossy(word)).collect();
    run.wait_about(900, 2_600);
    if words.first().is_some_and(|name| name.ends_with(b"apk")) {
        run.print_line(io.out, "fetch https://dl-cdn.alpinelinux.org/alpine/v3.14/main/x86_64/APKINDEX.tar.gz");
        run.print_line(io.out, "fetch https://dl-cdn.alpinelinux.org/alpine/v3.14/community/x86_64/APKINDEX.tar.gz");
        for (at, name) in names.iter().enumerate() {
            run.print_line(io.out, &format!("({}/{}) Installing {name}", at + 1, names.len()));
        }
        run.print_line(io.out, "OK: 8 MiB in 19 packages");
    } else {
        run.print_line(io.out, "Reading package lists... Done");
        for name in &names {
            run.print_line(io.out, &format!("Setting up {name} ..."));
        }
    }
    0
}

/// What `id` says of this user in a container. Only Alpine's root is in more groups than its own.
pub(super) fn identity(user: &User, words: &[Vec<u8>], is_alpine: bool) -> String {
    const OF_ALPINES_ROOT: &str =
        ",1(bin),2(daemon),3(sys),4(adm),6(disk),10(wheel),11(floppy),20(dialout),26(tape),27(video)";
    let named = |number: u32| match &user.name {
        Some(name) if number == user.uid => format!("{number}({name})"),
        _ if number == 0 => "0(root)".to_owned(),
        _ => number.to_string(),
    };
    let has = |flag| super::has_flag(words, flag);
    let name = |number: u32| user.name.clone().filter(|_| number == user.uid).unwrap_or_else(|| number.to_string());
    match (has(b'u'), has(b'g') || has(b'G'), has(b'n')) {
        (true, _, true) => name(user.uid),
        (true, _, false) => user.uid.to_string(),
        (_, true, true) => {
            if user.gid == 0 {
                "root".to_owned()
            } else {
                name(user.gid)
            }
        }
        (_, true, false) => user.gid.to_string(),
        _ => {
            let more = if user.uid == 0 && user.gid == 0 && is_alpine { OF_ALPINES_ROOT } else { "" };
            format!("uid={} gid={} groups={}{more}", named(user.uid), named(user.gid), named(user.gid))
        }
    }
}
