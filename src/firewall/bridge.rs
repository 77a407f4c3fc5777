//! Bridges that show iptables their frames (`br_netfilter`, which Docker and Kubernetes load).
//!
//! There a packet meets PREROUTING on its way through the bridge. When it comes up from the bridge, the kernel takes away the socket that TPROXY has
//! found for it (`ip_rcv`, `skb_orphan`), and whoever dialled is refused. NAT and queues work as elsewhere.

use std::fs;
use std::path::Path;

use super::tool::run;

/// Of the calling process's network namespace.
const SWITCHES: &str = "/proc/sys/net/bridge";

/// The bridge among these interfaces behind which TPROXY does not work, if there is one.
pub fn bridge_without_sockets(interfaces: &[String]) -> Option<String> {
    if !shows_frames(Path::new(SWITCHES)) {
        return None;
    }
    let bridges = run("ip", &["-o", "link", "show", "type", "bridge"], "").unwrap_or_default();
    names(&bridges).find(|bridge| interfaces.iter().any(|interface| is_meant(interface, bridge))).map(str::to_owned)
}

fn shows_frames(switches: &Path) -> bool {
    let is_on = |name| fs::read_to_string(switches.join(name)).is_ok_and(|value| value.trim() == "1");
    is_on("bridge-nf-call-iptables") || is_on("bridge-nf-call-ip6tables")
}

/// Names in `ip -o link`: `4: br0: <BROADCAST,UP> ...`, `5: br0.7@br0: <...`.
fn names(links: &str) -> impl Iterator<Item = &str> {
    links.lines().filter_map(|line| line.split(": ").nth(1)?.split('@').next())
}

/// As iptables reads the name of an interface: `+` at its end stands for any rest.
fn is_meant(interface: &str, bridge: &str) -> bool {
    interface.strip_suffix('+').map_or(interface == bridge, |begin| bridge.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_found_by_its_name_or_by_what_it_begins_with() {
        let links = "4: br0: <BROADCAST,MULTICAST,UP> mtu 1500\n9: docker0: <BROADCAST> mtu 1500\ngarbage\n";
        assert_eq!(names(links).collect::<Vec<_>>(), ["br0", "docker0"]);
        assert!(is_meant("br0", "br0") && is_meant("br+", "br0") && is_meant("+", "br0"));
        assert!(!is_meant("br", "br0") && !is_meant("br01", "br0"));
    }
}
