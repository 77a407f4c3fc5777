//! Programs that visitors of containers use: to get out of them, and to install more.

use super::super::run::{Io, Run};

/// `chroot DIR PROGRAM`: the machine below looks like the container.
pub(super) fn chroot(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(root) = words.get(1) else { return super::usage(run, "chroot", io) };
    let path = run.path(root);
    if !run.files.is_directory(&path) {
        let text = format!("can't change root directory to '{}': No such file or directory", super::lossy(root));
        run.fail(io, words, &text);
        return 125;
    }
    program(run, words.get(2..).unwrap_or_default(), io)
}

/// `nsenter --target 1 --mount PROGRAM`.
pub(super) fn nsenter(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let is_option = |word: &Vec<u8>| word.starts_with(b"-") || word.iter().all(u8::is_ascii_digit);
    let at = words.iter().skip(1).position(|word| !is_option(word)).map_or(words.len(), |at| at + 1);
    program(run, words.get(at..).unwrap_or_default(), io)
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
