//! What is to be diverted, as data.

use std::net::IpAddr;

use thiserror::Error;

use super::{Family, PolicyRoute, Ports};
use crate::config::{Prefix, Spread};
use crate::engine::{Course, MarkField};

/// IFNAMSIZ of `linux/if.h`, less the terminating zero.
const INTERFACE_NAME_MAX: usize = 15;

/// Which packets go into which queues. [`super::build`] makes rules of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Interfaces whose traffic is diverted; a trailing `+` stands for any rest, as in `veth+`.
    pub interfaces: Vec<String>,
    /// Networks that are answered as if they were this host's.
    pub capture: Vec<Prefix>,
    /// Whether connections to those networks are tracked.
    pub conntrack: bool,
    /// First and last of the UDP ports from which this host asks others, on a host without connection tracking: what comes to them is never
    /// diverted. `None`: tracking tells the host's own connections from those of visitors.
    pub own_udp: Option<(u16, u16)>,
    /// The queues that the engine has bound.
    pub queues: Queues,
    /// What is diverted on its way in.
    pub inbound: Inbound,
    /// Destination ports that are never diverted on their way in. A port that a rule names must not be here: the caller
    /// takes it out.
    pub exempt: Ports,
    /// What is diverted on its way out.
    pub outbound: Outbound,
    /// How decided connections leave user space; `None` when all packets stay there.
    pub kernel: Option<KernelPath>,
}

/// How connections that were decided leave user space: by our bits of their mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelPath {
    /// Our bits.
    pub marks: MarkField,
    /// The transparent listener's port; `None` when only passed connections leave.
    pub listener: Option<u16>,
    /// The port of the listener for redirected connections; `None` when none are.
    pub redirect: Option<u16>,
    /// A TCP port at which nobody listens.
    pub closed: u16,
    /// Where it listens, if that is no wildcard: one address of each family at most.
    pub addresses: Vec<IpAddr>,
    /// How packets to captured networks reach it; `None` when user space carries all of them.
    pub route: Option<PolicyRoute>,
}

impl KernelPath {
    /// Our bits for this course, value and mask, as iptables and `ip` read them.
    pub(super) fn mark(&self, course: Course) -> String {
        format!("{:#x}/{:#x}", self.marks.value(course), self.marks.mask())
    }
}

/// Two runs of queue numbers of the same length: `first` and the following for flows that were answered, then as many for first packets. Within a
/// run of more than one (`--queue-balance`), the kernel picks by a hash of the two addresses, or by CPU (`--queue-cpu-fanout`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queues {
    /// Number of the first queue.
    pub first: u16,
    /// Length of each run, at least 1.
    pub count: u16,
    /// How the kernel picks.
    pub spread: Spread,
}

/// Protocols diverted on their way in. ICMP errors (IPv4 types 3, 11, 12; IPv6 types 1 to 4) come along with TCP or
/// UDP, because an error about a translated flow must be translated too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inbound {
    /// TCP.
    pub tcp: bool,
    /// UDP.
    pub udp: bool,
    /// ICMP echo requests.
    pub icmp_echo: bool,
    /// ICMPv6 echo requests.
    pub icmpv6_echo: bool,
}

/// Packets diverted on their way out, by source port: the answers of whoever packets were rewritten to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outbound {
    /// Ports of the handler server, targets of `rewrite` rules, and the closed port whose resets answer `reject`.
    pub ports: Ports,
    /// The kernel's "destination unreachable" messages; needed for `reject` of UDP, where they quote the rewritten
    /// packet.
    pub unreachable: bool,
}

/// Why a [`Plan`] cannot become rules.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// There is no interface.
    #[error("no interface to divert traffic from: name one with -i")]
    NoInterface,
    /// The name could not be one, or would mean something else to iptables.
    #[error(
        "`{0}` is not an interface name: 1 to 15 letters, digits, `.`, `_` or `-`, not starting with `-`; one `+` at the end \
         stands for any rest"
    )]
    InterfaceName(String),
    /// There is no queue.
    #[error("no queue: `queues` must be at least 1")]
    NoQueue,
    /// The last queue number does not fit 16 bits.
    #[error("queues {first} to {last} do not exist: the highest queue number is 65535; lower `queue_num` or `queues`")]
    QueueRange {
        /// Number of the first queue.
        first: u16,
        /// Number of the last queue.
        last: u32,
    },
}

impl Plan {
    /// This plan with everything diverted that `before` diverts, too: flows that were decided under it go on. A port that is exempt in
    /// either is exempt: the host's own services come first.
    #[must_use]
    pub fn together_with(mut self, before: &Self) -> Self {
        let Inbound { tcp, udp, icmp_echo, icmpv6_echo } = before.inbound;
        self.inbound.tcp |= tcp;
        self.inbound.udp |= udp;
        self.inbound.icmp_echo |= icmp_echo;
        self.inbound.icmpv6_echo |= icmpv6_echo;
        self.outbound.unreachable |= before.outbound.unreachable;
        self.kernel = self.kernel.or_else(|| before.kernel.clone());
        if let (Some(mine), Some(theirs)) = (&mut self.kernel, &before.kernel) {
            mine.listener = mine.listener.or(theirs.listener);
            mine.redirect = mine.redirect.or(theirs.redirect);
            mine.route = mine.route.or(theirs.route);
        }
        for (mine, theirs) in [(&mut self.outbound.ports, &before.outbound.ports), (&mut self.exempt, &before.exempt)] {
            mine.tcp.extend(&theirs.tcp);
            mine.udp.extend(&theirs.udp);
        }
        self
    }

    /// The captured networks of this family.
    pub(super) fn captured(&self, family: Family) -> Vec<Prefix> {
        self.capture.iter().filter(|network| network.is_v4() == (family == Family::V4)).copied().collect()
    }

    /// Checks what iptables would otherwise refuse or, worse, understand differently.
    pub(super) fn validate(&self) -> Result<(), PlanError> {
        if self.interfaces.is_empty() {
            return Err(PlanError::NoInterface);
        }
        if let Some(name) = self.interfaces.iter().find(|name| !is_interface_name(name)) {
            return Err(PlanError::InterfaceName(name.clone()));
        }
        self.queues.last().map(|_| ())
    }
}

impl Queues {
    /// Number of the last queue.
    fn last(self) -> Result<u16, PlanError> {
        let Some(more) = self.count.checked_sub(1) else { return Err(PlanError::NoQueue) };
        self.first
            .checked_add(more)
            .ok_or(PlanError::QueueRange { first: self.first, last: u32::from(self.first) + u32::from(more) })
    }

    /// The run for first packets.
    ///
    /// # Errors
    /// It goes past the last queue that there is.
    pub fn first_packets(self) -> Result<Self, PlanError> {
        let last = self.last()?;
        let past = PlanError::QueueRange { first: self.first, last: u32::from(last) + u32::from(self.count) };
        last.checked_add(1).map(|first| Self { first, ..self }).ok_or(past)
    }

    /// The option of the NFQUEUE target for this run.
    pub(super) fn option(self) -> Result<String, PlanError> {
        let last = self.last()?;
        let run = format!("--queue-balance {}:{last}", self.first);
        Ok(match self.spread {
            _ if last == self.first => format!("--queue-num {last}"),
            Spread::Hosts => run,
            Spread::Cpu => run + " --queue-cpu-fanout",
        })
    }
}

/// Whether `name` can stand behind `-i`: a name that the kernel allows and that is one plain word in a restore file.
fn is_interface_name(name: &str) -> bool {
    let stem = name.strip_suffix('+').unwrap_or(name);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !stem.is_empty()
        && name.len() <= INTERFACE_NAME_MAX
        && !stem.starts_with('-')
        && stem != "."
        && stem != ".."
        && stem.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_that_iptables_would_read_otherwise_are_refused() {
        for good in ["eth0", "enp0s31f6", "br-0a1b2c3d4e5f", "eth0.100", "veth+", "wg_0", "lo"] {
            assert!(is_interface_name(good), "{good}");
        }
        for bad in [
            "",
            "+",
            ".",
            "..",
            "-i",
            "!eth0",
            "eth 0",
            "eth0\n",
            "eth0;id",
            "eth0#",
            "\"eth0\"",
            "e+h0",
            "eth/0",
            "eth0:1",
            "$(id)",
            "interface-name-too-long",
            "ethé",
        ] {
            assert!(!is_interface_name(bad), "{bad}");
        }
    }

    #[test]
    fn queue_numbers_end_at_65535() {
        let option = |first, count, spread| Queues { first, count, spread }.option();
        for spread in [Spread::Hosts, Spread::Cpu] {
            assert_eq!(option(65_535, 1, spread).unwrap(), "--queue-num 65535");
            let past = PlanError::QueueRange { first: 65_535, last: 65_536 };
            assert_eq!(option(65_535, 2, spread), Err(past));
            assert_eq!(option(0, 0, spread), Err(PlanError::NoQueue));
        }
        assert_eq!(option(3, 4, Spread::Hosts).unwrap(), "--queue-balance 3:6");
        assert_eq!(option(3, 4, Spread::Cpu).unwrap(), "--queue-balance 3:6 --queue-cpu-fanout");
    }
}
