//! The two lists that every flow is in: the timer wheel, and its class of worth. Both are linked through the flows themselves, so that moving
//! a flow allocates nothing.

use std::time::Duration;

use slab::Slab;

use super::entry::{Flow, Links, NIL};
use super::state::CLASSES;
use crate::clock::Timestamp;

/// Slots of the wheel, one second each. A later deadline waits in the farthest slot and is looked at again there.
pub(super) const SLOTS: u16 = 512;
const SECOND: u64 = 1_000_000;

/// First and last flow of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub(super) head: u32,
    tail: u32,
}

impl List {
    const EMPTY: Self = Self { head: NIL, tail: NIL };

    fn push_back(&mut self, flows: &mut Slab<Flow>, index: u32, links: fn(&mut Flow) -> &mut Links) {
        let prev = self.tail;
        if let Some(flow) = flows.get_mut(index as usize) {
            *links(flow) = Links { prev, next: NIL };
        }
        match flows.get_mut(prev as usize) {
            Some(last) => links(last).next = index,
            None => self.head = index,
        }
        self.tail = index;
    }

    fn unlink(&mut self, flows: &mut Slab<Flow>, index: u32, links: fn(&mut Flow) -> &mut Links) {
        let Some(flow) = flows.get_mut(index as usize) else { return };
        let Links { prev, next } = std::mem::replace(links(flow), Links::NONE);
        match flows.get_mut(prev as usize) {
            Some(before) => links(before).next = next,
            None => self.head = next,
        }
        match flows.get_mut(next as usize) {
            Some(after) => links(after).prev = prev,
            None => self.tail = prev,
        }
    }
}

/// Deadlines, to the second. Packets do not move their flow: a slot that comes due looks at `last_seen` and sends the living on.
#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<List>,
    /// The second that is due next, in seconds since the epoch.
    pub(super) cursor: u64,
}

impl Wheel {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { slots: vec![List::EMPTY; usize::from(SLOTS)], cursor: now.as_micros() / SECOND }
    }

    /// Puts a flow where it will be looked at `timeout` after `since`, or as late as the wheel reaches.
    pub(super) fn insert(&mut self, flows: &mut Slab<Flow>, index: u32, since: Timestamp, timeout: Duration) {
        let due = (since + timeout).as_micros().div_ceil(SECOND);
        let second = due.clamp(self.cursor, self.cursor + u64::from(SLOTS) - 1);
        let slot = (second % u64::from(SLOTS)) as u16;
        if let Some(flow) = flows.get_mut(index as usize) {
            flow.slot = slot;
        }
        if let Some(list) = self.slots.get_mut(usize::from(slot)) {
            list.push_back(flows, index, |flow| &mut flow.timer);
        }
    }

    pub(super) fn remove(&mut self, flows: &mut Slab<Flow>, index: u32) {
        let Some(slot) = flows.get(index as usize).map(|flow| flow.slot) else { return };
        if let Some(list) = self.slots.get_mut(usize::from(slot)) {
            list.unlink(flows, index, |flow| &mut flow.timer);
        }
    }

    /// The first flow of the slot that is due at `now`; moves on over empty slots.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<u32> {
        let second = now.as_micros() / SECOND;
        // After a long pause every slot is due once, not once a turn.
        self.cursor = self.cursor.max((second + 1).saturating_sub(u64::from(SLOTS)));
        while self.cursor <= second {
            let slot = usize::try_from(self.cursor % u64::from(SLOTS)).unwrap_or(0);
            match self.slots.get(slot).map(|list| list.head) {
                Some(head) if head != NIL => return Some(head),
                _ => self.cursor += 1,
            }
        }
        None
    }
}

/// One list for each class of worth, the oldest first.
#[derive(Debug)]
pub(super) struct Classes([List; CLASSES]);

impl Classes {
    pub(super) const fn new() -> Self {
        Self([List::EMPTY; CLASSES])
    }

    pub(super) fn insert(&mut self, flows: &mut Slab<Flow>, index: u32, class: usize) {
        if let Some(list) = self.0.get_mut(class) {
            list.push_back(flows, index, |flow| &mut flow.class);
        }
    }

    pub(super) fn remove(&mut self, flows: &mut Slab<Flow>, index: u32, class: usize) {
        if let Some(list) = self.0.get_mut(class) {
            list.unlink(flows, index, |flow| &mut flow.class);
        }
    }

    /// The flow that has been longest in this class.
    pub(super) fn oldest(&self, class: usize) -> Option<u32> {
        self.0.get(class).map(|list| list.head).filter(|&head| head != NIL)
    }
}

#[cfg(test)]
impl List {
    fn walk(&self, flows: &Slab<Flow>, links: fn(&Flow) -> Links, mut visit: impl FnMut(u32, &Flow)) -> usize {
        let (mut at, mut before, mut count) = (self.head, NIL, 0);
        while at != NIL {
            let flow = flows.get(at as usize).expect("a list names a flow that is gone");
            assert_eq!(links(flow).prev, before);
            visit(at, flow);
            (before, at, count) = (at, links(flow).next, count + 1);
        }
        assert_eq!(self.tail, before);
        count
    }
}

#[cfg(test)]
impl Classes {
    pub(super) fn check(&self, flows: &Slab<Flow>) {
        let walk = |(class, list): (usize, &List)| {
            list.walk(flows, |flow| flow.class, |_, flow| assert_eq!(flow.worth() as usize, class))
        };
        assert_eq!(self.0.iter().enumerate().map(walk).sum::<usize>(), flows.len());
    }
}

#[cfg(test)]
impl Wheel {
    pub(super) fn check(&self, flows: &Slab<Flow>) {
        let walk = |(slot, list): (usize, &List)| {
            list.walk(flows, |flow| flow.timer, |_, flow| assert_eq!(usize::from(flow.slot), slot))
        };
        assert_eq!(self.slots.iter().enumerate().map(walk).sum::<usize>(), flows.len());
    }
}
