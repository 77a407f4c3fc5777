//! The flow table: shards under short locks, shared by queue workers and server workers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hash::Key;
use super::passage::{Admission, Known, NewFlow, Passage, Refusal};
use super::shard::{Shard, Shared};
use super::{CloseReason, Disposition, FlowEvent, FlowRef, FlowTotals, Tuple};
use crate::clock::Timestamp;
use crate::config::Timeouts;
use crate::packet::{Address, Endpoints, tcp_flag};
use crate::rules::Rule;

/// Shards of the table. All flows of one client are in one shard, whichever way their packets go.
const SHARDS: usize = 64;

/// A shard on cache lines of its own, so that the locks of two workers do not share one.
#[derive(Debug)]
#[repr(align(128))]
struct Slot(Mutex<Shard>);

impl Slot {
    /// A thread that panicked under the lock leaves a shard that is still sound enough to go on with: the alternative is to stop all traffic.
    fn lock(&self) -> MutexGuard<'_, Shard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Secrets of a table, drawn by the caller; the same seed gives the same table.
#[derive(Debug, Clone, Copy)]
pub struct Seed(pub [u64; 3]);

/// Every flow that the engine knows. Bounded; the least worthy goes when it is full.
#[derive(Debug)]
pub struct FlowTable {
    shards: Box<[Slot; SHARDS]>,
    shared: Shared,
    spread: u64,
    key: Key,
}

/// What became of a client's packet in [`FlowTable::inbound`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound {
    /// It belongs to this flow.
    Known(Known),
    /// It belongs to no flow and no rule wanted one.
    Unknown,
    /// A rule wanted a flow, and this is it.
    Opened(Known, Admission),
    /// A rule wanted a flow that could not be had.
    Refused(Refusal),
}

impl FlowTable {
    /// An empty table for at most `max_flows` flows. Memory is reserved for all of them now, a share in each shard, and touched when they come. As much
    /// again is taken, at most, when the flows of few clients outgrow the shares of their shards.
    pub fn new(max_flows: usize, timeouts: Timeouts, Seed([k0, k1, spread]): Seed, now: Timestamp) -> Self {
        let capacity = max_flows.div_ceil(SHARDS);
        let shards = Box::new(std::array::from_fn(|_| Slot(Mutex::new(Shard::new(Key(k0, k1), capacity, now)))));
        let shared = Shared {
            live: AtomicUsize::new(0),
            max_flows,
            spare: AtomicUsize::new(max_flows),
            // Microseconds since the epoch: restarts do not reuse numbers unless more than a million flows a second came before.
            next_id: AtomicU64::new(now.as_micros()),
            timeouts,
        };
        Self { shards, shared, spread: spread | 1, key: Key(k0, k1) }
    }

    /// A hash of other words under the secret of this table: whoever sends packets cannot foretell it, the same seed repeats it.
    pub fn keyed_hash(&self, words: &[u64]) -> u64 {
        self.key.hash(words)
    }

    fn shard(&self, client: Address) -> MutexGuard<'_, Shard> {
        let [high, low] = client.words();
        let mixed = (high.rotate_left(32) ^ low).wrapping_mul(self.spread).wrapping_add(self.spread >> 7);
        #[expect(clippy::indexing_slicing, reason = "the remainder is below the length of the array")]
        let slot = &self.shards[(mixed >> 40) as usize % SHARDS];
        slot.lock()
    }

    /// Takes note of a packet from a client. If it belongs to no flow, `wanted` is asked whether to open one.
    pub fn inbound(
        &self,
        tuple: &Tuple,
        packet: &Passage<'_>,
        record: &mut impl FnMut(FlowEvent),
        wanted: impl FnOnce() -> Option<NewFlow>,
    ) -> Inbound {
        let mut shard = self.shard(tuple.client);
        let hash = shard.hash(tuple);
        if let Some(index) = shard.find_dialled(hash, tuple) {
            let begins = packet.tcp.is_some_and(|tcp| tcp.flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN);
            if !(begins && shard.begins_anew(index)) {
                return shard.pass(&self.shared, index, packet, record).map_or(Inbound::Unknown, Inbound::Known);
            }
            shard.remove(&self.shared, index, packet.now, CloseReason::Replaced, record);
        }
        let Some(new) = wanted() else { return Inbound::Unknown };
        let has_room = shard.has_room(&self.shared);
        let evicted = self.shared.is_full() || !has_room;
        if evicted
            && !shard.evict(&self.shared, packet.now, record)
            && !(has_room && self.evict_elsewhere(packet.now, record))
        {
            return Inbound::Refused(Refusal::Full);
        }
        match shard.admit(&self.shared, hash, new, packet.now, record) {
            Ok((index, admission)) => shard
                .pass(&self.shared, index, packet, record)
                .map_or(Inbound::Unknown, |known| Inbound::Opened(known, Admission { evicted, ..admission })),
            Err(refusal) => Inbound::Refused(refusal),
        }
    }

    /// Makes room in another shard: a client whose shard has nothing to give must not be refused because others have filled the table. Shards that are
    /// locked at the moment, the caller's own among them, are passed over, so nobody waits for anybody.
    fn evict_elsewhere(&self, now: Timestamp, record: &mut impl FnMut(FlowEvent)) -> bool {
        self.shards
            .iter()
            .filter_map(|slot| slot.0.try_lock().ok())
            .any(|mut shard| shard.evict(&self.shared, now, record))
    }

    /// Takes note of one of our own packets; `tuple` is what stands in it, before translation.
    pub fn outbound(&self, tuple: &Tuple, packet: &Passage<'_>, record: &mut impl FnMut(FlowEvent)) -> Option<Known> {
        let mut shard = self.shard(tuple.client);
        let index = shard.find_translated(shard.hash(tuple), tuple)?;
        shard.pass(&self.shared, index, packet, record)
    }

    /// The translation of the flow that a client dialled, for ICMP errors about what we sent it.
    pub fn delivered(&self, tuple: &Tuple) -> Option<Endpoints> {
        let shard = self.shard(tuple.client);
        let flow = shard.flow(shard.find_dialled(shard.hash(tuple), tuple)?)?;
        (flow.disposition == Disposition::Translate).then(|| flow.delivered())
    }

    /// The rule that took the flow that a client dialled, and what it decided.
    pub fn taken_by(&self, dialled: &Tuple) -> Option<(Arc<Rule>, Disposition)> {
        let shard = self.shard(dialled.client);
        let flow = shard.flow(shard.find_dialled(shard.hash(dialled), dialled)?)?;
        Some((Arc::clone(&flow.rule), flow.disposition))
    }

    /// The translation of a flow by its translated tuple, for ICMP errors of our own.
    pub fn answered(&self, tuple: &Tuple) -> Option<Endpoints> {
        let shard = self.shard(tuple.client);
        let flow = shard.flow(shard.find_translated(shard.hash(tuple), tuple)?)?;
        (flow.disposition == Disposition::Translate).then(|| flow.answered())
    }

    /// The flow that was translated to this tuple: who is behind a connection that our server has accepted. A flow that the kernel carries
    /// is kept from then on until [`Self::release`].
    pub fn translated(&self, tuple: &Tuple) -> Option<FlowRef> {
        let mut shard = self.shard(tuple.client);
        let index = shard.find_translated(shard.hash(tuple), tuple)?;
        shard.take_over(&self.shared, index)
    }

    /// As [`Self::translated`], for a connection that the kernel has redirected: by what the client dialled.
    pub fn redirected(&self, dialled: &Tuple) -> Option<FlowRef> {
        let mut shard = self.shard(dialled.client);
        let index = shard.find_dialled(shard.hash(dialled), dialled)?;
        let is_redirected = shard.flow(index)?.disposition == Disposition::Redirect;
        if is_redirected { shard.take_over(&self.shared, index) } else { None }
    }

    /// The session that our server had on a flow is over. Of a flow that the kernel carries nobody else sees the end, nor what `totals` then asks for.
    pub fn release(
        &self,
        flow: &FlowRef,
        now: Timestamp,
        totals: impl FnOnce() -> Option<FlowTotals>,
        record: &mut impl FnMut(FlowEvent),
    ) {
        let tuple = Tuple::from(&flow.key);
        let mut shard = self.shard(tuple.client);
        let held = shard.find_dialled(shard.hash(&tuple), &tuple).filter(|&index| shard.is_held(index, flow.id));
        if let Some(index) = held {
            // One system call with the shard locked: a second look for the flow would cost more.
            if let Some(totals) = totals() {
                shard.set_totals(index, totals);
            }
            shard.retire(&self.shared, index, now, CloseReason::Finished, record);
        }
    }

    /// Ends flows whose time has come, looking at no more than `budget` of them in all.
    pub fn expire(&self, now: Timestamp, mut budget: usize, record: &mut impl FnMut(FlowEvent)) {
        for slot in self.shards.iter() {
            let mut shard = slot.lock();
            budget -= shard.expire(&self.shared, now, budget, record).min(budget);
            if budget == 0 {
                return;
            }
        }
    }

    /// Ends every flow: the engine stops.
    pub fn close_all(&self, now: Timestamp, record: &mut impl FnMut(FlowEvent)) {
        for slot in self.shards.iter() {
            slot.lock().close_all(&self.shared, now, record);
        }
    }

    /// Flows at this moment.
    pub fn len(&self) -> usize {
        self.shared.live.load(Relaxed)
    }

    /// Whether there is no flow.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every flow at this moment, shard by shard.
    pub fn flows(&self) -> Vec<FlowRef> {
        let shards = self.shards.iter().map(|slot| slot.lock());
        shards.flat_map(|shard| shard.references().collect::<Vec<_>>()).collect()
    }
}

#[cfg(test)]
impl FlowTable {
    pub(super) fn for_each_shard(&self, check: impl Fn(&Shard)) {
        self.shards.iter().map(Slot::lock).filter(|shard| shard.len() > 0).for_each(|shard| check(&shard));
    }

    pub(super) fn capacity(&self) -> usize {
        self.shards.iter().map(|slot| slot.lock().capacity()).sum()
    }

    pub(super) fn shard_sizes(&self) -> Vec<usize> {
        self.shards.iter().map(|slot| slot.lock().len()).collect()
    }
}
