//! The firewall: which packets iptables diverts into the queues, how those rules come and how they go.
//!
//! Owns the chains below, whose names all begin with `GLUTTON-NFQ-`, in mangle, raw and nat, the jumps to them, the routing rules and routes that
//! captured networks need, and nothing else.
//! Refuses to touch a rule, a chain or a policy that somebody else made, to open sockets, and to decide which ports
//! matter (`host` and the rules say).
//!
//! [`build`] is pure: a [`Plan`] and a [`Host`] give a [`RuleSetText`], whose `Display` is what `--dry-run` prints and
//! what [`apply`] runs. Text goes through `iptables-restore --noflush`, which takes a table as a whole or not at all,
//! in the nft and the legacy variant alike.
//!
//! Removal needs no memory: [`remove`] reads `iptables-save`, `ip rule` and `ip route` and deletes what carries our names and number. Where the nft variant
//! had no such table before us, an empty chain `GLUTTON-NFQ-NEW` inside it says so, and removal takes the table along
//! once it is empty. A legacy table cannot be unloaded: after the first run of a host that never used mangle, raw or (for
//! redirected connections) nat, `iptables-legacy-save` shows them empty. In an nft table that was there, base chains that
//! iptables made for us stay, empty; only `nft list ruleset` shows them.

mod bridge;
mod install;
mod native;
mod plan;
mod probe;
mod routes;
mod ruleset;
mod save;
mod template;
mod tool;
mod watch;

pub use bridge::bridge_without_sockets;
pub use install::{Removed, apply, installed, remove, replace, sweep};
pub use plan::{Inbound, KernelPath, Outbound, Plan, PlanError, Queues};
pub use probe::{Feature, Host, drops_input};
pub use routes::PolicyRoute;
pub use ruleset::{RuleSetText, build};
pub use tool::Error;
pub use watch::{Shown, check_routes, shown};

use crate::host::Ports;

/// Our chain in mangle, jumped to from PREROUTING.
pub const CHAIN_IN: &str = "GLUTTON-NFQ-IN";
/// Our chain in mangle for packets to this host or a captured network of connections that were not decided: puts them into the queues.
pub const CHAIN_QUEUE: &str = "GLUTTON-NFQ-QUEUE";
/// Our chain in mangle for packets that were decided a moment ago: keeps the decision with the connection.
pub const CHAIN_KEEP: &str = "GLUTTON-NFQ-KEEP";
/// Our chain in raw, jumped to from OUTPUT, and another in mangle when the kernel carries connections to us.
pub const CHAIN_OUT: &str = "GLUTTON-NFQ-OUT";
/// Our chains in raw, jumped to from PREROUTING, and in mangle for packets to captured networks that are not tracked.
pub const CHAIN_UNTRACKED: &str = "GLUTTON-NFQ-UNTRACKED";
/// Our chain in nat for connections that are redirected, jumped to from PREROUTING.
pub const CHAIN_NAT: &str = "GLUTTON-NFQ-NAT";
/// A chain that nothing jumps to, for the time of a look at what this host can do.
pub const CHAIN_TRY: &str = "GLUTTON-NFQ-TRY";
/// An empty chain that says: this table was not there before us.
pub const CHAIN_NEW: &str = "GLUTTON-NFQ-NEW";

/// An address family, with its own iptables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4: `iptables`.
    V4,
    /// IPv6: `ip6tables`.
    V6,
}

impl Family {
    /// Both, in the order in which rules are installed.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The command without its suffix: `iptables` or `ip6tables`.
    pub const fn program(self) -> &'static str {
        match self {
            Self::V4 => "iptables",
            Self::V6 => "ip6tables",
        }
    }
}

/// The tables in which we have a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// mangle, for packets on their way in.
    Mangle,
    /// raw, for packets on their way out.
    Raw,
    /// nat, for connections that are redirected.
    Nat,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mangle, Self::Raw, Self::Nat];

    /// The name as iptables knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mangle => "mangle",
            Self::Raw => "raw",
            Self::Nat => "nat",
        }
    }
}
