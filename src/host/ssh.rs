//! The operator's own SSH connection.

use std::fs;
use std::path::Path;

/// Ancestors that are looked at: shell, sudo, its monitor, multiplexers and scripts fit in well.
const ANCESTORS_MAX: usize = 16;

/// The local port of the connection, from the nearest process, `pid` first, whose environment names one.
pub(super) fn port(proc: &Path, pid: u32) -> Option<u16> {
    let mut pid = pid;
    for _ in 0..ANCESTORS_MAX {
        let directory = proc.join(pid.to_string());
        // Not readable is like not set: an ancestor of another user, seen by somebody who is not root.
        let environment = fs::read(directory.join("environ")).unwrap_or_default();
        if let Some(port) = port_of(&environment) {
            return Some(port);
        }
        pid = parent_of(&fs::read(directory.join("stat")).ok()?)?;
    }
    None
}

/// `SSH_CONNECTION=client port server port`, among variables that end in zero bytes.
fn port_of(environment: &[u8]) -> Option<u16> {
    let value = environment.split(|&byte| byte == 0).find_map(|variable| variable.strip_prefix(b"SSH_CONNECTION="))?;
    str::from_utf8(value).ok()?.split(' ').nth(3)?.parse().ok()
}

/// `pid (name) state parent ...`; the name may hold spaces and brackets (proc_pid_stat(5)).
fn parent_of(stat: &[u8]) -> Option<u32> {
    let after_name = stat.get(stat.iter().rposition(|&byte| byte == b')')? + 1..)?;
    let parent = str::from_utf8(after_name).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    (parent != 0).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(proc: &Path, pid: u32, parent: u32, environment: &str) {
        let directory = proc.join(pid.to_string());
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("stat"), format!("{pid} (a ) S 9 name) S {parent} 1 1")).unwrap();
        fs::write(directory.join("environ"), environment).unwrap();
    }

    #[test]
    fn the_port_is_found_although_sudo_cleared_the_environment() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 1, 0, "");
        process(proc.path(), 20, 1, "A=1\0SSH_CONNECTION=192.0.2.7 51515 192.0.2.1 64295\0");
        process(proc.path(), 30, 20, "SUDO_USER=op\0XSSH_CONNECTION=1 2 3 4\0");
        assert_eq!(port(proc.path(), 30), Some(64_295));
        assert_eq!(port(proc.path(), 1), None);
    }

    #[test]
    fn a_circle_of_ancestors_ends() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 2, 3, "");
        process(proc.path(), 3, 2, "");
        assert_eq!(port(proc.path(), 2), None);
    }

    #[test]
    fn garbage_names_no_port() {
        for text in ["SSH_CONNECTION=", "SSH_CONNECTION=a b c", "SSH_CONNECTION=a b c 70000", "SSH_CONNECTION", "\0\0"]
        {
            assert_eq!(port_of(text.as_bytes()), None, "{text:?}");
        }
        for stat in ["", ")", "1 (a", "1 (a) S", "1 (a) S x", "1 (a) S 0"] {
            assert_eq!(parent_of(stat.as_bytes()), None, "{stat:?}");
        }
    }
}
