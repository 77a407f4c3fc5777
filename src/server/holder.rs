//! Who holds a port, as /proc tells: for the message of a start that fails.

use std::fs;

use super::bind::Socket;

/// `NAME, pid N` of a process that holds this port, if it can be found out (only root sees everyone's sockets).
pub(super) fn of(socket: Socket, port: u16) -> Option<String> {
    let tables: &[&str] = match socket {
        Socket::Tcp => &["/proc/net/tcp", "/proc/net/tcp6"],
        Socket::Udp => &["/proc/net/udp", "/proc/net/udp6"],
    };
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| inode(line, socket, port)).collect::<Vec<_>>())
        .collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(process.path().join("fd")).ok()?.flatten().any(|descriptor| {
            let link = fs::read_link(descriptor.path()).ok();
            let inode =
                link.as_ref().and_then(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            inode.is_some_and(|inode: u64| inodes.contains(&inode))
        });
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        holds.then(|| format!("{}, pid {pid}", name.trim_end()))
    })
}

/// The inode of a socket bound to this port, from a line of the table (proc_pid_net(5)).
fn inode(line: &str, socket: Socket, port: u16) -> Option<u64> {
    const LISTENING: &str = "0A";
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = fields.next()?;
    let state = fields.nth(1)?;
    let bound = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    if bound != port || (socket == Socket::Tcp && state != LISTENING) {
        return None;
    }
    fields.nth(5)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inode_of_a_listener_is_read_from_its_line() {
        let line = "   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24321 1 0000000000000000 100 0 0 10 0";
        assert_eq!(inode(line, Socket::Tcp, 5000), Some(24321));
        assert_eq!(inode(line, Socket::Tcp, 5001), None);
        assert_eq!(inode(&line.replace(" 0A ", " 01 "), Socket::Tcp, 5000), None);
    }

    #[test]
    fn the_process_that_listens_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = format!("pid {}", std::process::id());
        // A process that a test beside this one is just starting holds a copy of every descriptor until it runs its program.
        let found = (0..1_000).map(|_| of(Socket::Tcp, listener.local_addr().unwrap().port()).unwrap());
        assert!(found.into_iter().any(|holder| holder.ends_with(&ours)));
    }
}
