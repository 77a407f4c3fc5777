//! Who has taken what: packets, bytes, flows and verdicts of every rule.

use std::ops::AddAssign;
use std::sync::Arc;

use crate::control::Counters;
use crate::engine::{Decision, Verdict};
use crate::flow::{CloseReason, FlowEvent};
use crate::rules::{Rule, RuleSet};

/// What one rule, or nobody, has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Packets, both ways.
    pub packets: u64,
    /// Their bytes on the wire, from the IP header on.
    pub bytes: u64,
    /// Flows opened.
    pub flows: u64,
    /// Packets that went on untouched.
    pub accepted: u64,
    /// Packets that went on rewritten.
    pub rewritten: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

impl AddAssign for Account {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.flows += other.flows;
        self.accepted += other.accepted;
        self.rewritten += other.rewritten;
        self.dropped += other.dropped;
    }
}

/// Flows that ended, by their reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closed([u64; Closed::REASONS.len()]);

impl Closed {
    const REASONS: [CloseReason; 7] = [
        CloseReason::Finished,
        CloseReason::Reset,
        CloseReason::Timeout,
        CloseReason::Evicted,
        CloseReason::Replaced,
        CloseReason::Carried,
        CloseReason::Shutdown,
    ];

    fn count(&mut self, reason: CloseReason) {
        let slot = Self::REASONS.iter().position(|known| *known == reason);
        if let Some(count) = slot.and_then(|slot| self.0.get_mut(slot)) {
            *count += 1;
        }
    }

    /// Every reason and how often it was.
    pub fn iter(&self) -> impl Iterator<Item = (CloseReason, u64)> + '_ {
        Self::REASONS.into_iter().zip(self.0)
    }
}

/// Whose account a packet goes to, as an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taker(usize);

impl Taker {
    /// `rules`: how many there are. A rule that is not among them is the engine's own, for the ports of the handler server.
    pub(super) fn new(rule: Option<&Rule>, rules: usize) -> Self {
        Self(rule.map_or(rules + 1, |rule| rule.position.min(rules)))
    }
}

/// The accounts of a replay.
#[derive(Debug)]
pub(super) struct Ledger {
    /// One for each rule, then the engine's own rule, then what nobody took.
    accounts: Vec<Account>,
    /// Hits of each rule as they were last seen.
    hits: Vec<u64>,
    closed: Closed,
    pub(super) not_ip: u64,
    pub(super) cut_short: u64,
}

impl Ledger {
    pub(super) fn new(rules: usize) -> Self {
        Self {
            accounts: vec![Account::default(); rules + 2],
            hits: vec![0; rules],
            closed: Closed::default(),
            not_ip: 0,
            cut_short: 0,
        }
    }

    pub(super) fn enter(&mut self, Taker(taker): Taker, len: usize, decision: &Decision) {
        let Some(account) = self.accounts.get_mut(taker) else { return };
        account.packets += 1;
        account.bytes += len as u64;
        match (decision.verdict, decision.rewritten) {
            (Verdict::Drop, _) => account.dropped += 1,
            (Verdict::Accept, true) => account.rewritten += 1,
            (Verdict::Accept, false) | (Verdict::Repeat, _) => account.accepted += 1,
        }
    }

    /// Whether a rule has taken something since this was asked last.
    pub(super) fn has_hit(&mut self, position: usize, now: u64) -> bool {
        self.hits.get_mut(position).is_some_and(|known| std::mem::replace(known, now) != now)
    }

    pub(super) fn flow(&mut self, event: &FlowEvent) {
        match event {
            FlowEvent::Opened { flow, .. } => {
                let Taker(taker) = Taker::new(Some(&flow.rule), self.accounts.len() - 2);
                if let Some(account) = self.accounts.get_mut(taker) {
                    account.flows += 1;
                }
            }
            FlowEvent::Closed { reason, .. } => self.closed.count(*reason),
        }
    }

    pub(super) fn into_report(mut self, rules: Arc<RuleSet>, counters: &Counters) -> Report {
        let unmatched = self.accounts.pop().unwrap_or_default();
        let own_ports = self.accounts.pop().unwrap_or_default();
        let counters = counters.snapshot().filter(|(_, _, value)| *value > 0).collect();
        let Self { accounts, closed, not_ip, cut_short, .. } = self;
        Report { rules, accounts, own_ports, unmatched, closed, not_ip, cut_short, counters }
    }
}

/// The outcome of a replay.
#[derive(Debug)]
pub struct Report {
    rules: Arc<RuleSet>,
    accounts: Vec<Account>,
    /// What was rejected because it came to a port of the handler server.
    pub own_ports: Account,
    /// What no rule took.
    pub unmatched: Account,
    /// Why flows ended; [`CloseReason::Shutdown`] are those that were open at the end of the capture.
    pub closed: Closed,
    /// Frames without IP: no rule sees them.
    pub not_ip: u64,
    /// Packets that the capture does not have whole.
    pub cut_short: u64,
    /// Name, meaning and value of the engine's counters that are not zero.
    pub counters: Vec<(&'static str, &'static str, u64)>,
}

impl Report {
    /// Every rule with its account, in order.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, &Account)> {
        self.rules.rules().iter().map(|rule| &**rule).zip(&self.accounts)
    }

    /// All accounts together.
    pub fn total(&self) -> Account {
        let mut total = Account::default();
        self.accounts.iter().chain([&self.own_ports, &self.unmatched]).for_each(|account| total += *account);
        total
    }
}
