//! Allowances, and what a rule leaves over: the limits behind `limit`, and the draw behind `sample`.
//!
//! An allowance is one number, the time until which it is used up (the generic cell rate algorithm, ITU-T I.371): a token bucket without
//! tokens to fill. One that lies in the past says nothing and can be forgotten; so the table of sources forgets without loss until
//! more sources than it has room for are at their limit at the same time.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::control::{Counter, Counters};
use crate::flow::{FlowTable, Tuple};
use crate::rules::{Limit, Rule, RuleSet, Sample, Share};

/// Addresses whose allowance is known: sources and destinations over all rules with a limit, and as many sources of new flows; 16 bytes each.
pub const LIMITED_ADDRESSES: usize = SHARDS * SETS * WAYS;
/// Parts of the table with a lock each.
const SHARDS: usize = 16;
/// Places in a shard where an address may be.
const SETS: usize = 512;
/// Addresses in one place: two cache lines.
const WAYS: usize = 8;

/// The rules in force, and what changes with exactly these.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) rules: Arc<RuleSet>,
    /// By position.
    states: Box<[RuleState]>,
}

/// What the engine knows of a rule besides what the file says.
#[derive(Debug)]
struct RuleState {
    /// Tells the rules apart in keyed hashes, by name: the same before and after a reload.
    id: u64,
    /// The allowance of the whole rule.
    used_until: AtomicU64,
}

impl Active {
    pub(super) fn new(rules: Arc<RuleSet>) -> Self {
        let states = rules.rules().iter().map(|rule| RuleState { id: id(rule), used_until: AtomicU64::new(0) });
        Self { states: states.collect(), rules }
    }

    /// These rules after those before: counters and allowances of the same name go on.
    pub(super) fn succeeding(rules: RuleSet, before: &Self) -> Self {
        let active = Self::new(Arc::new(rules.continuing(&before.rules)));
        let used: HashMap<u64, &AtomicU64> = before.states.iter().map(|state| (state.id, &state.used_until)).collect();
        for state in &active.states {
            if let Some(used_until) = used.get(&state.id) {
                state.used_until.store(used_until.load(Relaxed), Relaxed);
            }
        }
        active
    }

    fn state(&self, rule: &Rule) -> Option<&RuleState> {
        self.states.get(rule.position)
    }
}

fn id(rule: &Rule) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(rule.name.as_bytes());
    hasher.finish()
}

/// Who asks for the services of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Applicant<'a> {
    pub(super) tuple: &'a Tuple,
    pub(super) now: Timestamp,
}

/// Decides what rules leave over. One for all queue workers.
#[derive(Debug)]
pub(super) struct Limiter {
    allowances: Allowances,
}

/// Allowances by key. One for all queue workers; it allocates when it is made and never again.
#[derive(Debug)]
pub(super) struct Allowances {
    shards: Box<[Mutex<Box<[Allowance]>>]>,
}

/// How far an address has used its allowance up.
#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    /// Keyed hash of rule and address, which stands for them.
    key: u64,
    used_until: u64,
}

/// What a place in the table said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Granted,
    /// Another address is forgotten although it had something used up.
    GrantedAtACost,
    Exceeded,
}

impl Limiter {
    pub(super) fn new() -> Self {
        Self { allowances: Allowances::new() }
    }

    /// Whether a rule that matches takes this packet or flow, too.
    #[inline]
    pub(super) fn takes(
        &self,
        active: &Active,
        rule: &Rule,
        applicant: Applicant<'_>,
        flows: &FlowTable,
        counters: &Counters,
    ) -> bool {
        if !rule.is_choosy() {
            return true;
        }
        let Some(state) = active.state(rule) else { return true };
        if rule.sample.is_some_and(|sample| !is_drawn(sample, state.id, applicant.tuple, flows)) {
            return false;
        }
        let Some(limit) = rule.limit else { return true };
        let granted = match self.ask(limit, state, applicant, flows) {
            Answer::Granted => true,
            Answer::GrantedAtACost => {
                counters.count(Counter::LimitEvictions);
                true
            }
            Answer::Exceeded => false,
        };
        counters.add(Counter::LimitExceeded, u64::from(!granted));
        granted
    }

    fn ask(&self, limit: Limit, state: &RuleState, applicant: Applicant<'_>, flows: &FlowTable) -> Answer {
        let rate = Rate::of(limit);
        let address = match limit.share {
            Share::Rule => {
                let now = nanos(applicant.now);
                let used = state.used_until.fetch_update(Relaxed, Relaxed, |used_until| rate.after(used_until, now));
                return if used.is_ok() { Answer::Granted } else { Answer::Exceeded };
            }
            Share::Source => applicant.tuple.client,
            Share::Destination => applicant.tuple.host,
        };
        let [high, low] = address.words();
        self.allowances.ask(flows.keyed_hash(&[state.id, high, low]), rate, applicant.now)
    }
}

impl Allowances {
    pub(super) fn new() -> Self {
        let shard = |_| Mutex::new(vec![Allowance::default(); SETS * WAYS].into_boxed_slice());
        Self { shards: (0..SHARDS).map(shard).collect() }
    }

    /// Whether the address behind this key may have one more. Looks among the few places where the key can be; a new one takes that of the
    /// address with the least used up.
    pub(super) fn ask(&self, key: u64, rate: Rate, now: Timestamp) -> Answer {
        let now = nanos(now);
        let (shard, set) = ((key >> 32) as usize % SHARDS, key as usize % SETS);
        let Some(shard) = self.shards.get(shard) else { return Answer::Granted };
        // A thread that panicked under this lock leaves numbers that are still numbers.
        let mut allowances = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let places = allowances.get_mut(set * WAYS..(set + 1) * WAYS).unwrap_or_default();
        if let Some(known) = places.iter_mut().find(|allowance| allowance.key == key) {
            return match rate.after(known.used_until, now) {
                Some(used_until) => {
                    known.used_until = used_until;
                    Answer::Granted
                }
                None => Answer::Exceeded,
            };
        }
        let Some(victim) = places.iter_mut().min_by_key(|allowance| allowance.used_until) else {
            return Answer::Granted;
        };
        let is_lossless = victim.used_until <= now;
        *victim = Allowance { key, used_until: rate.after(0, now).unwrap_or(now) };
        if is_lossless { Answer::Granted } else { Answer::GrantedAtACost }
    }
}

fn nanos(time: Timestamp) -> u64 {
    time.as_micros().saturating_mul(1_000)
}

/// A limit in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// What one packet or flow uses up.
    step: u64,
    /// How far into the future may be used up.
    burst: u64,
}

impl Rate {
    fn of(limit: Limit) -> Self {
        Self::new(limit.period, limit.count, limit.period)
    }

    /// So many in each `period`, and at once as many as `burst` allows.
    pub(super) fn new(period: Duration, count: NonZeroU32, burst: Duration) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self { step: nanos(period) / u64::from(count.get()), burst: nanos(burst) }
    }

    /// Until when the allowance is used up after one more; `None` when that is too far in the future.
    const fn after(self, used_until: u64, now: u64) -> Option<u64> {
        let start = if used_until > now { used_until } else { now };
        let end = start.saturating_add(self.step);
        if end - now <= self.burst { Some(end) } else { None }
    }
}

/// All packets of a flow are drawn alike, and each rule draws anew.
fn is_drawn(sample: Sample, id: u64, tuple: &Tuple, flows: &FlowTable) -> bool {
    let ([c0, c1], [h0, h1]) = (tuple.client.words(), tuple.host.words());
    let ports = u64::from(tuple.client_port) << 32 | u64::from(tuple.host_port) << 8 | tuple.transport as u64;
    let hash = flows.keyed_hash(&[id, c0, c1, h0, h1, ports]);
    // The high half of the product is uniform from 0 to `of`, without a division.
    (u128::from(hash) * u128::from(sample.of.get())) >> 64 < u128::from(sample.taken.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000_000;
    const RATE: Rate = Rate { step: 100 * MILLI, burst: 1_000 * MILLI };

    #[test]
    fn as_many_as_the_limit_says_come_at_once_and_then_one_after_the_other() {
        let allowances = Allowances::new();
        let asked = |now: u64| allowances.ask(7, RATE, Timestamp::from_micros(now * 1_000)) == Answer::Granted;
        assert_eq!((0..20).filter(|_| asked(5_000)).count(), 10);
        assert!(!asked(5_099) && asked(5_100) && !asked(5_100));
        assert_eq!((0..20).filter(|_| asked(60_000)).count(), 10, "what was not used is not saved up beyond the limit");
    }

    #[test]
    fn a_source_at_its_limit_stays_there_while_others_come_and_go() {
        let allowances = Allowances::new();
        let now = Timestamp::from_micros(1_000_000);
        while allowances.ask(1, RATE, now) == Answer::Granted {}
        // All of these share its place in the table.
        let cost = (1..=100_u64).filter(|n| allowances.ask(1 + n * SETS as u64, RATE, now) != Answer::Granted).count();
        assert_eq!(allowances.ask(1, RATE, now), Answer::Exceeded, "who has used the most up is forgotten last");
        assert_eq!(cost, 100 + 1 - WAYS, "others are forgotten, and that is counted");
        let later = now + Duration::from_nanos(RATE.step);
        assert_eq!(allowances.ask(1 + 500 * SETS as u64, RATE, later), Answer::Granted, "a new start costs nobody");
    }
}
