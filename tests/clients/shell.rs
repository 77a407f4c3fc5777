//! BusyBox's own shell, asked what the handler's tests hold ours to: `tests/dialogues/shell.txt`.

use std::fmt::Write as _;
use std::process::Command;

use crate::lab::Lab;
use crate::shell_dialogue::{Case, cases};

/// Every case in a login shell of its own, in a root with BusyBox alone and a fresh `/tmp`.
const SCRIPT: &str = r#"set -e; cd "$1"; mkdir -p bin sbin usr/bin usr/sbin etc/init.d tmp root proc dev var/run var/tmp home mnt
    cp "$(command -v busybox)" bin/busybox; chroot . /bin/busybox --install -s; echo '#!/bin/sh' > etc/init.d/rcS; : > etc/issue
    printf 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:99:99:nobody:/home:/bin/false\n' > etc/passwd
    printf 'root:x:0:\ndaemon:x:1:\ntty:x:5:\nusers:x:100:\nnobody:x:99:\n' > etc/group
    mknod dev/null c 1 3; mknod dev/zero c 1 5; mknod dev/urandom c 1 9; mount --make-rprivate /; mount -t proc proc proc
    exec env -i PS1= PS2= PATH=/sbin:/usr/sbin:/bin:/usr/bin HOME=/root SHELL=/bin/sh USER=root LOGNAME=root TERM=vt102 chroot . /bin/sh -c '
    i=0; while [ -f /cases/$i.in ]; do rm -rf /tmp /var/tmp /root; mkdir -m 1777 /tmp /var/tmp; mkdir /root; cd /root
    cat /cases/$i.in | (exec -a -sh /bin/busybox -i) > /cases/$i.out 2>&1; i=$((i+1)); done'"#;

/// The answer without the greeting, and the status that the trap has told.
fn answer(said: &str, case: &Case) -> (String, u8) {
    let (_, said) = said.split_once("built-in commands.\n\n").unwrap();
    let Some(at) = said.rfind('=').filter(|&at| at == 0 || said[..at].ends_with('\n')) else {
        return (said.to_owned(), 0);
    };
    let status = said[at + 1..].trim().parse().unwrap();
    // At the end of its input an interactive shell ends the line, after `exit` it does not.
    let text = &said[..at];
    let is_wanted = text.as_bytes() == case.said;
    (if is_wanted { text } else { text.strip_suffix('\n').unwrap_or(text) }.to_owned(), status)
}

#[test]
fn busyboxs_own_shell_says_what_ours_is_held_to() {
    let lab = Lab::new();
    let root = lab.path("shell");
    std::fs::create_dir_all(root.join("cases")).unwrap();
    let cases = cases();
    for (at, case) in cases.iter().enumerate() {
        let typed = format!("trap \"echo =\\$?\" EXIT\n{}\n", case.lines.join("\n"));
        std::fs::write(root.join(format!("cases/{at}.in")), typed).unwrap();
    }
    let done = Command::new("unshare").args(["--mount", "sh", "-c", SCRIPT, "sh"]).arg(&root).status().unwrap();
    assert!(done.success(), "busybox did not run: is busybox-static installed?");
    let mut different = String::new();
    for (at, case) in cases.iter().enumerate() {
        let said = std::fs::read(root.join(format!("cases/{at}.out"))).unwrap();
        let said = String::from_utf8(said).unwrap().replacen("-sh: can't access tty; job control turned off\n", "", 1);
        let (text, status) = answer(&said, case);
        if (text.as_bytes(), status) != (&case.said, case.status) {
            writeln!(different, "$ {}\n  {status} {text:?}", case.lines.join("\n> ")).unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
}
