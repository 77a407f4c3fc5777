//! One rule, validated: what it matches and what becomes of the packets and flows that it takes.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::config::Datapath;

/// How long the decision of a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The first packet of a flow decides for the whole flow.
    #[default]
    Flow,
    /// Every packet is decided on its own; only `pass`, `drop` and `reject` can be asked for.
    Packet,
}

/// Where a proxied connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyTarget {
    /// `tcp://host:port` or `host:port`; the host is a name or an address.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port, host byte order, never 0.
        port: u16,
    },
    /// `docker://container:port`; the address is asked for at connect time.
    Docker {
        /// Name or id of the container.
        container: String,
        /// Port inside the container, host byte order, never 0.
        port: u16,
    },
}

/// What a rule does with what it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To the host, untouched.
    Pass,
    /// Silently away, both directions.
    Drop,
    /// TCP reset, ICMP unreachable: as if nothing listened there.
    Reject,
    /// Destination rewritten, answers rewritten back.
    Rewrite {
        /// The new destination address, one of this host's; `None` keeps the dialled one.
        address: Option<IpAddr>,
        /// The new destination port, host byte order, never 0.
        port: u16,
    },
    /// Relayed to another server and recorded.
    Proxy(ProxyTarget),
    /// SSH in the middle: credentials and session recorded.
    ProxySsh(ProxyTarget),
    /// Bound to the handler of this name (`log_tcp` and `log_http` are handlers, too).
    Handler(String),
}

impl Action {
    /// The rule type as the rule file names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::Rewrite { .. } => "rewrite",
            Self::Proxy(_) => "proxy",
            Self::ProxySsh(_) => "proxy_ssh",
            Self::Handler(_) => "handler",
        }
    }
}

/// Whose flows share the allowance of a [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All that the rule matches.
    Rule,
    /// Those of one source address.
    Source,
    /// Those to one dialled address.
    Destination,
}

/// How much a rule takes: what exceeds it falls through to the next rule. Counts flows, or packets with [`Scope::Packet`].
///
/// A token bucket: `count` at once, and then one more each `period / count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many in each period.
    pub count: NonZeroU32,
    /// The period: a second, a minute, an hour or a day.
    pub period: Duration,
    /// Who shares them.
    pub share: Share,
}

/// The part of what it matches that a rule takes, drawn by flow; the rest falls through to the next rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// This many ...
    pub taken: NonZeroU32,
    /// ... of so many; not less than `taken`.
    pub of: NonZeroU32,
}

/// One rule of the ordered list, without the compiled filter: that belongs to the [`RuleSet`](super::RuleSet) and goes with it at a reload,
/// while a rule lives on in the flows that it has taken.
#[derive(Debug)]
pub struct Rule {
    /// Position in the list, from 0; the lowest position that matches wins.
    pub position: usize,
    /// The name given in the file, or `#` and the position from 1 (`#3`).
    pub name: String,
    /// What it matches, as the file says it; empty is everything.
    pub filter: String,
    /// What it does.
    pub action: Action,
    /// For how long it decides.
    pub scope: Scope,
    /// How much it takes; `None` is all.
    pub limit: Option<Limit>,
    /// Which part it takes; `None` is all.
    pub sample: Option<Sample>,
    /// Who carries its flows; `None` as the configuration says.
    pub datapath: Option<Datapath>,
    /// Whether its flows and their sessions make events.
    pub log: bool,
    /// Flows (or packets, with [`Scope::Packet`]) that it has taken. Shared with the rule of this name in the set before a reload.
    pub hits: Arc<AtomicU64>,
}

impl Rule {
    /// A rule for flows, without name, place and filter yet: [`RuleSet::new`](super::RuleSet::new) gives them.
    pub fn new(action: Action) -> Self {
        Self {
            position: 0,
            name: String::new(),
            filter: String::new(),
            action,
            scope: Scope::Flow,
            limit: None,
            sample: None,
            datapath: None,
            log: true,
            hits: Arc::default(),
        }
    }

    /// Whether it says all that `other` says, under the same name and at the same place.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        let Self { position, name, filter, action, scope, limit, sample, datapath, log, hits: _ } = self;
        (position, name, filter, action) == (&other.position, &other.name, &other.filter, &other.action)
            && (scope, limit, sample) == (&other.scope, &other.limit, &other.sample)
            && (datapath, log) == (&other.datapath, &other.log)
    }

    /// Whether it may leave some of what it matches to the rules behind it.
    pub const fn is_choosy(&self) -> bool {
        self.limit.is_some() || self.sample.is_some()
    }
}
