//! The ordered list of rules, and which of them takes a packet.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::file::FileRule;
use super::filter::{Constraints, Filter, Input};
use super::index::{Candidate, Demand, Fields, Index};
use super::rule::{Rule, Scope};
use crate::config::Datapath;
use crate::flow::Transport;

/// The rules in the order of the file, indexed. The first that matches decides.
///
/// Immutable: a reload makes a new set. Only the rules' counters change.
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    /// What each rule matches, by position. Flows hold on to rules, not to these.
    filters: Vec<Filter>,
    index: Index,
    has_packet_rules: bool,
    protocols: Protocols,
    origin: Origin,
}

/// Where the rules were read.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub(super) file: String,
    /// Line of each rule, from 1; empty for rules that come from no file.
    pub(super) lines: Vec<usize>,
    /// Positions of the rules whose target is ignored.
    pub(super) ignored_targets: Vec<usize>,
    /// These are the rules that ship inside the program.
    pub(super) embedded: bool,
}

/// The IP protocols that any rule of a set can match: nothing else needs to be diverted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Protocols {
    /// TCP over IPv4 and IPv6.
    pub tcp: bool,
    /// UDP over IPv4 and IPv6.
    pub udp: bool,
    /// Echo requests and replies of ICMP and ICMPv6; other messages of these two are never diverted.
    pub icmp_echo: bool,
    /// Protocols that a rule names besides, by number, ascending.
    pub others: Vec<u8>,
}

impl RuleSet {
    /// Makes a set of rules in this order; it gives them their positions, and names (`#1`, `#2`, ...) to those without.
    pub fn new(rules: Vec<(Filter, Rule)>) -> Self {
        let place = |(position, (filter, rule)): (usize, (Filter, Rule))| {
            let name = if rule.name.is_empty() { format!("#{}", position + 1) } else { rule.name };
            let rule = Rule { position, name, filter: filter.text().to_owned(), ..rule };
            (filter, Arc::new(rule))
        };
        let (filters, rules): (Vec<Filter>, Vec<Arc<Rule>>) = rules.into_iter().enumerate().map(place).unzip();
        let demands: Vec<Demand> = filters.iter().enumerate().map(demand).collect();
        Self {
            index: Index::new(&demands),
            has_packet_rules: rules.iter().any(|rule| rule.scope == Scope::Packet),
            protocols: Protocols::of(&demands),
            rules,
            filters,
            origin: Origin::default(),
        }
    }

    pub(super) fn from_file(file: &str, rules: Vec<FileRule>) -> Self {
        let lines = rules.iter().map(|rule| rule.line).collect();
        let ignored = rules.iter().filter(|rule| rule.target_ignored).map(|rule| rule.rule.position).collect();
        let set = Self::new(rules.into_iter().map(|rule| (rule.filter, rule.rule)).collect());
        Self { origin: Origin { file: file.to_owned(), lines, ignored_targets: ignored, embedded: false }, ..set }
    }

    /// All rules, in order.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// What a rule of this set matches.
    pub fn filter(&self, rule: &Rule) -> Option<&Filter> {
        self.filters.get(rule.position)
    }

    /// The rules with their filters, in order.
    pub(super) fn with_filters(&self) -> impl Iterator<Item = (&Arc<Rule>, &Filter)> {
        self.rules.iter().zip(&self.filters)
    }

    /// The first rule that matches the packet, whatever its scope. `None`: the packet passes.
    ///
    /// Does not allocate; its cost is that of the rules that can match, not of all.
    #[inline]
    pub fn first_match(&self, input: &Input<'_>) -> Option<&Arc<Rule>> {
        self.matches(input).next()
    }

    /// Every rule that matches the packet, in order: those behind the first are for what a [`Limit`](super::Limit) or a
    /// [`Sample`](super::Sample) leaves over. Does not allocate, and looks no further than it is asked.
    #[inline]
    pub fn matches<'s>(&'s self, input: &Input<'_>) -> impl Iterator<Item = &'s Arc<Rule>> {
        let matching = |candidate: &Candidate| {
            candidate.is_certain || self.filters.get(candidate.position).is_some_and(|filter| filter.matches(input))
        };
        self.index
            .candidates(&Fields::read(input.bytes))
            .filter(matching)
            .filter_map(|candidate| self.rules.get(candidate.position))
    }

    /// This set with the counters of `before` where a rule has the same name; rules that no name was given to must have the same
    /// filter, too. A rule that is as it was is the very same: flows before and after hold on to one.
    #[must_use]
    pub fn continuing(mut self, before: &Self) -> Self {
        let known: HashMap<&str, &Arc<Rule>> = before.rules.iter().map(|rule| (rule.name.as_str(), rule)).collect();
        for rule in &mut self.rules {
            let is_same = |old: &Rule| !rule.name.starts_with('#') || old.filter == rule.filter;
            let Some(old) = known.get(rule.name.as_str()).filter(|old| is_same(old)) else { continue };
            if old.says_the_same_as(rule) {
                *rule = Arc::clone(old);
            } else if let Some(rule) = Arc::get_mut(rule) {
                rule.hits = Arc::clone(&old.hits);
            }
        }
        self
    }

    /// Whether any rule has [`Scope::Packet`].
    pub const fn has_packet_rules(&self) -> bool {
        self.has_packet_rules
    }

    /// Whether any rule says this datapath itself.
    pub fn has_datapath(&self, datapath: Datapath) -> bool {
        self.rules.iter().any(|rule| rule.datapath == Some(datapath))
    }

    /// The IP protocols that any rule can match.
    pub const fn protocols(&self) -> &Protocols {
        &self.protocols
    }

    /// Whether a rule names this destination port, by `port` or `portrange`: then the port is
    /// diverted even if it would be exempt.
    pub fn names_dst_port(&self, transport: Transport, port: u16) -> bool {
        self.filters.iter().any(|filter| {
            let carries = |constraints: &Constraints| {
                constraints.protocols.as_ref().is_none_or(|numbers| numbers.contains(&(transport as u8)))
            };
            filter.names_dst_port(port) && filter.alternatives().iter().any(carries)
        })
    }

    /// The rules before `position` among which every one is that takes all that `filter` takes: those that can match some packet of it.
    pub(super) fn earlier_candidates(
        &self,
        position: usize,
        filter: &Filter,
    ) -> impl Iterator<Item = (&Arc<Rule>, &Filter)> {
        let example = filter.alternatives().first().map(Fields::example).unwrap_or_default();
        let candidates = self.index.candidates(&example).map(|candidate| candidate.position);
        let candidates = candidates.take_while(move |earlier| *earlier < position);
        candidates.filter_map(|earlier| self.rules.get(earlier).zip(self.filters.get(earlier)))
    }

    /// Whether these are the rules that ship inside the program: nobody has thought of this host when they were written, so they take no port
    /// from its services.
    pub const fn is_embedded(&self) -> bool {
        self.origin.embedded
    }

    pub(super) fn mark_embedded(&mut self) {
        self.origin.embedded = true;
    }

    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl fmt::Debug for RuleSet {
    /// The rules; the index is as large as it is dull.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleSet")
            .field("rules", &self.rules)
            .field("protocols", &self.protocols)
            .finish_non_exhaustive()
    }
}

impl Default for RuleSet {
    /// No rules: everything passes.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Protocols {
    fn of(demands: &[Demand]) -> Self {
        let mut protocols = Self::default();
        for alternative in demands.iter().flat_map(|demand| &demand.alternatives.conditions) {
            match &alternative.protocols {
                None => protocols.add_flows(),
                Some(numbers) => numbers.iter().for_each(|number| protocols.add(*number)),
            }
        }
        protocols.others.sort_unstable();
        protocols.others.dedup();
        protocols
    }

    /// The protocols that have flows.
    const fn add_flows(&mut self) {
        (self.tcp, self.udp, self.icmp_echo) = (true, true, true);
    }

    fn add(&mut self, number: u8) {
        const ICMP: u8 = Transport::Icmp as u8;
        const TCP: u8 = Transport::Tcp as u8;
        const UDP: u8 = Transport::Udp as u8;
        const ICMPV6: u8 = Transport::Icmpv6 as u8;
        match number {
            TCP => self.tcp = true,
            UDP => self.udp = true,
            ICMP | ICMPV6 => self.icmp_echo = true,
            other => self.others.push(other),
        }
    }
}

fn demand((position, filter): (usize, &Filter)) -> Demand {
    // The file reader holds positions far below this bound.
    let position = u32::try_from(position).unwrap_or(u32::MAX - 1);
    Demand { position, alternatives: filter.alternatives_told() }
}

#[cfg(test)]
mod tests;
