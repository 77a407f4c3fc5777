//! The transport protocols that have flows.

use std::fmt;

/// The transport protocols that have flows here. The discriminants are the IANA protocol numbers (IPv4 `protocol`, IPv6 `next header`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Transport {
    /// ICMP echo (RFC 792); the ports of its flows are the echo identifier and 0.
    Icmp = 1,
    /// TCP (RFC 9293).
    Tcp = 6,
    /// UDP (RFC 768).
    Udp = 17,
    /// ICMPv6 echo (RFC 4443 section 4); the ports of its flows are the echo identifier and 0.
    Icmpv6 = 58,
}

impl Transport {
    /// The name in events and on the command line: `tcp`, `udp`, `icmp`, `icmp6`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmpv6 => "icmp6",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
