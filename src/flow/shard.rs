//! One shard of the table: the flows of some clients, both indices, their timers.

use slab::Slab;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::entry::{Disposition, Flow, Links, Translation};
use super::hash::Key;
use super::index::Index;
use super::lists::{Classes, Wheel};
use super::passage::{Admission, Known, NewFlow, Passage, Refusal};
use super::state::{Direction, EVICTABLE, State};
use super::{CloseReason, FlowEvent, FlowRef, FlowTotals};
use super::{FlowId, Transport, Tuple};
use crate::clock::Timestamp;
use crate::config::Timeouts;

/// Candidate source ports that are tried before a closed flow must give up its own.
const ALIAS_PROBES: u16 = 128;
/// Aliases are taken from 1024 to 65535.
const FIRST_ALIAS: u16 = 1_024;
const ALIASES: u64 = 65_536 - FIRST_ALIAS as u64;

/// What all shards share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) live: AtomicUsize,
    pub(super) max_flows: usize,
    /// Room that any shard may take beyond its share.
    pub(super) spare: AtomicUsize,
    pub(super) next_id: AtomicU64,
    pub(super) timeouts: Timeouts,
}

impl Shared {
    /// Whether a flow must go before another can come.
    pub(super) fn is_full(&self) -> bool {
        self.live.load(Relaxed) >= self.max_flows
    }

    /// Takes spare room for so many flows at most; says for how many.
    fn take_spare(&self, wanted: usize) -> usize {
        let before = self.spare.fetch_update(Relaxed, Relaxed, |spare| Some(spare.saturating_sub(wanted)));
        before.unwrap_or(0).min(wanted)
    }
}

/// The flows of some clients.
#[derive(Debug)]
pub(super) struct Shard {
    key: Key,
    /// Flows that there was memory for at the beginning, and that there may be memory for by now.
    share: usize,
    room: usize,
    flows: Slab<Flow>,
    by_dialled: Index,
    by_translated: Index,
    wheel: Wheel,
    classes: Classes,
}

impl Shard {
    pub(super) fn new(key: Key, capacity: usize, now: Timestamp) -> Self {
        Self {
            key,
            share: capacity,
            room: capacity,
            flows: Slab::with_capacity(capacity),
            by_dialled: Index::with_capacity(capacity),
            by_translated: Index::with_capacity(capacity),
            wheel: Wheel::new(now),
            classes: Classes::new(),
        }
    }

    /// The hash by which this shard knows a tuple.
    pub(super) fn hash(&self, tuple: &Tuple) -> u64 {
        tuple.hash(self.key)
    }

    /// The flow that a client's packet belongs to; `hash` is that of the tuple.
    pub(super) fn find_dialled(&self, hash: u64, tuple: &Tuple) -> Option<u32> {
        self.by_dialled.find(hash, |i| self.flow(i).is_some_and(|flow| flow.dialled == *tuple))
    }

    /// The flow that one of our own packets belongs to; `hash` is that of the tuple.
    pub(super) fn find_translated(&self, hash: u64, tuple: &Tuple) -> Option<u32> {
        self.by_translated.find(hash, |i| self.flow(i).is_some_and(|flow| flow.translated() == *tuple))
    }

    pub(super) fn flow(&self, index: u32) -> Option<&Flow> {
        self.flows.get(index as usize)
    }

    /// Takes note of a packet and says what becomes of it.
    pub(super) fn pass(
        &mut self,
        shared: &Shared,
        index: u32,
        packet: &Passage<'_>,
        record: &mut impl FnMut(FlowEvent),
    ) -> Option<Known> {
        let flow = self.flows.get_mut(index as usize)?;
        flow.last_seen = packet.now;
        let before = flow.state;
        let after = match (packet.tcp, packet.direction) {
            (Some(tcp), direction) => before.after_tcp(direction, tcp),
            (None, Direction::Out) if before == State::UdpNew => State::UdpAnswered,
            (None, _) => before,
        };
        let endpoints = match packet.direction {
            Direction::In => {
                flow.totals.packets_in += 1;
                flow.totals.bytes_in += packet.len as u64;
                flow.delivered()
            }
            Direction::Out => {
                flow.totals.packets_out += 1;
                flow.totals.bytes_out += packet.len as u64;
                flow.answered()
            }
        };
        let known = Known { disposition: flow.disposition, endpoints };
        if before != after {
            self.change_state(shared, index, after, packet.now, record);
        }
        Some(known)
    }

    fn change_state(
        &mut self,
        shared: &Shared,
        index: u32,
        after: State,
        now: Timestamp,
        record: &mut impl FnMut(FlowEvent),
    ) {
        let Some(flow) = self.flows.get_mut(index as usize) else { return };
        let (worth_before, timeout_before) = (flow.worth(), flow.state.timeout(&shared.timeouts));
        flow.state = after;
        let (worth_after, timeout_after) = (flow.worth(), after.timeout(&shared.timeouts));
        if after.is_over() {
            flow.report_end(now, after.reason(), record);
        }
        if worth_before != worth_after {
            self.classes.remove(&mut self.flows, index, worth_before as usize);
            self.classes.insert(&mut self.flows, index, worth_after as usize);
        }
        // A longer timeout is found out when the old one comes due.
        if timeout_after < timeout_before {
            self.wheel.remove(&mut self.flows, index);
            self.wheel.insert(&mut self.flows, index, now, timeout_after);
        }
    }

    /// Whether there is room for one more flow, which may be spare room: that stays with the shard, for memory that was used is not given back. So sources
    /// that fill the table one after the other cannot make every shard as large as the table.
    pub(super) fn has_room(&mut self, shared: &Shared) -> bool {
        if self.flows.len() < self.room {
            return true;
        }
        let more = shared.take_spare(self.share);
        self.flows.reserve_exact(more);
        self.room += more;
        more > 0
    }

    /// Takes a new flow in and finds a source port for it; `hash` is that of the dialled tuple. Says whether that port is another than the
    /// client's own, and whether the flow stays in user space because the kernel cannot redirect it.
    pub(super) fn admit(
        &mut self,
        shared: &Shared,
        hash: u64,
        mut new: NewFlow,
        now: Timestamp,
        record: &mut impl FnMut(FlowEvent),
    ) -> Result<(u32, Admission), Refusal> {
        let mut admission = Admission::default();
        let mut place = Place { dialled: hash, translated: None, alias: new.dialled.client_port };
        if new.disposition.is_served_here() {
            let mut found = self.place(shared, hash, &new, now, record);
            if let (None, Some(instead)) = (&found, new.instead) {
                admission.clashed = true;
                (new.disposition, new.target) = (Disposition::Translate, instead);
                found = self.place(shared, hash, &new, now, record);
            }
            place = found.ok_or(Refusal::NoAlias)?;
        }
        admission.aliased = place.alias != new.dialled.client_port;
        let (host, host_port) = new.target;
        let translation = Translation { host, host_port, alias: place.alias };
        let index = self.insert(shared, new, translation, &place, now);
        if let Some(flow) = self.flow(index) {
            record(FlowEvent::Opened { at: now, flow: flow.reference() });
        }
        Ok((index, admission))
    }

    fn insert(
        &mut self,
        shared: &Shared,
        new: NewFlow,
        translation: Translation,
        place: &Place,
        now: Timestamp,
    ) -> u32 {
        let state = match new.dialled.transport {
            Transport::Tcp => State::TcpHandshake { expected_ack: None },
            Transport::Udp => State::UdpNew,
            Transport::Icmp | Transport::Icmpv6 => State::Icmp,
        };
        new.rule.hits.fetch_add(1, Relaxed);
        let flow = Flow {
            dialled: new.dialled,
            translation,
            disposition: new.disposition,
            state,
            last_seen: now,
            totals: FlowTotals::default(),
            counted_elsewhere: false,
            reported: false,
            slot: 0,
            rule: new.rule,
            timer: Links::NONE,
            class: Links::NONE,
            id: FlowId(shared.next_id.fetch_add(1, Relaxed)),
            opened: now,
        };
        let worth = flow.worth();
        #[expect(clippy::cast_possible_truncation, reason = "max_flows is far below 2^32")]
        let index = self.flows.insert(flow) as u32;
        self.by_dialled.insert(place.dialled, index);
        if let Some(hash) = place.translated {
            self.by_translated.insert(hash, index);
        }
        self.wheel.insert(&mut self.flows, index, now, state.timeout(&shared.timeouts));
        self.classes.insert(&mut self.flows, index, worth as usize);
        shared.live.fetch_add(1, Relaxed);
        index
    }

    /// Finds a source port under which our server sees this flow: the client's own if it is free, else another. A port whose connection is
    /// over for sure is taken at once; one that may still be in TIME_WAIT only when nothing else is left.
    fn place(
        &mut self,
        shared: &Shared,
        hash: u64,
        new: &NewFlow,
        now: Timestamp,
        record: &mut impl FnMut(FlowEvent),
    ) -> Option<Place> {
        let (host, host_port) = new.target;
        let mut last_resort = None;
        // What the kernel carries keeps the client's own port.
        let tries = if new.disposition.is_held() { 1 } else { ALIAS_PROBES };
        for alias in aliases(hash, new.dialled.client_port).take(usize::from(tries)) {
            let tuple = Tuple { host, host_port, client_port: alias, ..new.dialled };
            let translated = self.hash(&tuple);
            let place = Place { dialled: hash, translated: Some(translated), alias };
            let Some(holder) = self.find_translated(translated, &tuple) else { return Some(place) };
            match self.flow(holder).map(|flow| flow.state) {
                Some(state) if state.is_free() => {
                    self.remove(shared, holder, now, CloseReason::Replaced, record);
                    return Some(place);
                }
                Some(state) if state.is_over() && state != State::TcpLingering => {
                    last_resort = last_resort.or(Some((place, holder)))
                }
                _ => {}
            }
        }
        let (place, holder) = last_resort?;
        self.remove(shared, holder, now, CloseReason::Replaced, record);
        Some(place)
    }

    /// Removes the flow that is least worth keeping.
    pub(super) fn evict(&mut self, shared: &Shared, now: Timestamp, record: &mut impl FnMut(FlowEvent)) -> bool {
        let victim = EVICTABLE.iter().find_map(|&class| self.classes.oldest(class as usize));
        if let Some(index) = victim {
            self.remove(shared, index, now, CloseReason::Evicted, record);
        }
        victim.is_some()
    }

    /// The flow of a connection that the handler server has accepted; one that the kernel carries is held by its session from now on. What only
    /// lingers has been reported as over.
    pub(super) fn take_over(&mut self, shared: &Shared, index: u32) -> Option<FlowRef> {
        let flow = self.flow(index).filter(|flow| flow.state != State::TcpLingering)?;
        let reference = flow.reference();
        if flow.disposition.is_held() {
            // A flow that is taken over does not end by that: there is nothing to record.
            self.change_state(shared, index, State::TcpHeld, flow.last_seen, &mut |_| {});
        }
        Some(reference)
    }

    /// Whether a session holds this flow.
    pub(super) fn is_held(&self, index: u32, id: FlowId) -> bool {
        self.flow(index).is_some_and(|flow| flow.state == State::TcpHeld && flow.id == id)
    }

    /// Whether a SYN to this flow begins a new one. Of a connection that the kernel carries only the session sees the end, perhaps after a client that
    /// resets it and dials again at once from the same port.
    pub(super) fn begins_anew(&self, index: u32) -> bool {
        self.flow(index).is_some_and(|flow| flow.state.is_over() || flow.state == State::TcpHeld)
    }

    /// What our socket has counted of a flow that the kernel carried.
    pub(super) fn set_totals(&mut self, index: u32, totals: FlowTotals) {
        if let Some(flow) = self.flows.get_mut(index as usize) {
            flow.totals = totals;
            flow.counted_elsewhere = true;
        }
    }

    /// Ends a flow, or what is known of it. One that the kernel redirected lingers: its ports do, too.
    pub(super) fn retire(
        &mut self,
        shared: &Shared,
        index: u32,
        now: Timestamp,
        reason: CloseReason,
        record: &mut impl FnMut(FlowEvent),
    ) {
        let Some(flow) = self.flows.get_mut(index as usize) else { return };
        if flow.disposition != Disposition::Redirect || flow.state == State::TcpLingering {
            return self.remove(shared, index, now, reason, record);
        }
        flow.report_end(now, reason, record);
        flow.last_seen = now;
        self.change_state(shared, index, State::TcpLingering, now, record);
        self.wheel.remove(&mut self.flows, index);
        self.wheel.insert(&mut self.flows, index, now, State::TcpLingering.timeout(&shared.timeouts));
    }

    pub(super) fn remove(
        &mut self,
        shared: &Shared,
        index: u32,
        now: Timestamp,
        reason: CloseReason,
        record: &mut impl FnMut(FlowEvent),
    ) {
        let Some(flow) = self.flows.get_mut(index as usize) else { return };
        let (dialled, translated, worth) =
            (flow.dialled.hash(self.key), flow.translated().hash(self.key), flow.worth());
        flow.report_end(now, reason, record);
        self.by_dialled.remove(dialled, index);
        self.by_translated.remove(translated, index);
        self.wheel.remove(&mut self.flows, index);
        self.classes.remove(&mut self.flows, index, worth as usize);
        self.flows.remove(index as usize);
        shared.live.fetch_sub(1, Relaxed);
    }

    /// Ends flows whose time has come, looking at no more than `budget`; says how many it looked at.
    pub(super) fn expire(
        &mut self,
        shared: &Shared,
        now: Timestamp,
        budget: usize,
        record: &mut impl FnMut(FlowEvent),
    ) -> usize {
        for done in 0..budget {
            let Some(index) = self.wheel.due(now) else { return done };
            let Some(flow) = self.flows.get(index as usize) else { return done };
            let (timeout, last_seen) = (flow.state.timeout(&shared.timeouts), flow.last_seen);
            if now.saturating_since(last_seen) >= timeout {
                let reason = flow.reason();
                self.retire(shared, index, now, reason, record);
            } else {
                self.wheel.remove(&mut self.flows, index);
                self.wheel.insert(&mut self.flows, index, last_seen, timeout);
            }
        }
        budget
    }

    /// Every flow, for shutdown and for `flows`.
    pub(super) fn references(&self) -> impl Iterator<Item = FlowRef> + '_ {
        self.flows.iter().map(|(_, flow)| flow.reference())
    }

    pub(super) fn close_all(&mut self, shared: &Shared, now: Timestamp, record: &mut impl FnMut(FlowEvent)) {
        let all: Vec<u32> = self.flows.iter().filter_map(|(i, _)| u32::try_from(i).ok()).collect();
        for index in all {
            self.remove(shared, index, now, CloseReason::Shutdown, record);
        }
    }
}

/// Where a new flow goes in both indices.
struct Place {
    /// Hash of the dialled tuple.
    dialled: u64,
    /// Hash of the translated tuple, if the flow is translated.
    translated: Option<u64>,
    /// Source port of the translated tuple.
    alias: u16,
}

/// Source ports to try, the client's own first. The hash makes their order unforeseeable; an odd step visits no port twice.
fn aliases(hash: u64, own: u16) -> impl Iterator<Item = u16> {
    let (start, step) = (hash >> 40, (hash & 0xffff) | 1);
    (0..ALIAS_PROBES).map(move |probe| match probe {
        0 => own,
        _ => FIRST_ALIAS + ((start + u64::from(probe) * step) % ALIASES) as u16,
    })
}

#[cfg(test)]
impl Shard {
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Flows that memory was taken for.
    pub(super) fn capacity(&self) -> usize {
        self.flows.capacity()
    }

    /// Both indices and both lists hold exactly the flows that there are, each where it belongs.
    pub(super) fn check_invariants(&self) {
        assert_eq!(self.by_dialled.len(), self.flows.len());
        let mut translated = std::collections::HashSet::new();
        for (i, flow) in &self.flows {
            let index = u32::try_from(i).unwrap();
            assert_eq!(self.find_dialled(self.hash(&flow.dialled), &flow.dialled), Some(index));
            if flow.disposition.is_served_here() {
                assert_eq!(self.find_translated(self.hash(&flow.translated()), &flow.translated()), Some(index));
                assert!(translated.insert((flow.translated().hash(self.key), index)));
            }
            assert!(!flow.state.is_over() || flow.reported);
        }
        assert_eq!(self.by_translated.len(), translated.len());
        self.classes.check(&self.flows);
        self.wheel.check(&self.flows);
    }
}
