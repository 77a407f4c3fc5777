//! The loop of a queue worker's thread: receive, decide, answer.
//!
//! A worker may serve several queues, taking one batch of each in turn. So a flood in one of them (first packets of flows, which anybody
//! can forge) delays the others by a batch, never by a backlog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fmt, io, thread};

use mio::{Events, Poll, Token, Waker};

use super::batch::Exchange;
use super::{Error, Queue};
use crate::clock::{Clock, Timestamp};
use crate::config::Fail;
use crate::control::Counters;
use crate::engine::{Decision, Meta};
use crate::linger::Linger;
use crate::pace::Pace;

/// How long packets gather in a flood of small ones that nobody waits for an answer to.
const GATHER: Duration = Duration::from_micros(500);
/// Between two calls of [`Decide::housekeeping`] at most, under load and idle.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(100);
/// Time for the packets that still wait when the worker is told to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

const QUEUE: Token = Token(0);
const WAKER: Token = Token(1);

/// Who says what becomes of packets.
pub trait Decide {
    /// Decides one packet, from its IP header on. Changes to the bytes count only with a decision that says `rewritten`. `now` is the time
    /// at which its batch was received.
    fn decide(&mut self, packet: &mut [u8], meta: &Meta, now: Timestamp) -> Decision;

    /// Called at least every 100 ms, between batches. Does a bounded amount of work.
    fn housekeeping(&mut self, now: Timestamp);
}

/// Some queues, one thread.
pub struct Worker<Q, D> {
    exchanges: Vec<Exchange<Q>>,
    decide: D,
    clock: Clock,
    counters: Arc<Counters>,
    poll: Poll,
    stopper: Stopper,
    housekeeping_at: Timestamp,
    pace: Pace,
    linger: Linger,
}

/// What a worker does after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There is more: take it.
    Receive,
    /// The queue is empty, in a flood: more will come at once, so let it gather.
    Gather(Duration),
    /// The queue is empty: sleep until it is not. Something was there before.
    Wait { found: bool },
}

impl<Q: Queue, D: Decide> Worker<Q, D> {
    /// A worker for bound queues; of several, the first is that of answered flows. `fail` says what a packet gets that is not decided.
    ///
    /// # Errors
    /// When the system has no descriptors for its poll.
    pub fn new(queues: Vec<Q>, fail: Fail, decide: D, clock: Clock, counters: Arc<Counters>) -> Result<Self, Error> {
        let number = queues.first().map_or(0, Queue::number);
        let failed = |source| Error::Poll { queue: number, source };
        let poll = Poll::new().map_err(failed)?;
        queues.iter().try_for_each(|queue| queue.register(poll.registry(), QUEUE)).map_err(failed)?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(failed)?;
        let stopper = Stopper { flag: Arc::new(AtomicBool::new(false)), waker: Arc::new(waker) };
        let exchanges = queues.into_iter().map(|queue| Exchange::new(queue, fail)).collect();
        let housekeeping_at = Timestamp::default();
        Ok(Self {
            exchanges,
            decide,
            clock,
            counters,
            poll,
            stopper,
            housekeeping_at,
            pace: Pace::new(GATHER),
            linger: Linger::default(),
        })
    }

    /// The handle that ends [`Self::run`] from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves the queues until it is told to stop; then answers what waits, for a second at most, and closes them. The rules that divert
    /// packets should be gone by then: what arrives later is dropped, or passes by `--queue-bypass`.
    ///
    /// # Errors
    /// When the queue is lost: the socket is broken, or the kernel takes no verdicts from this process any more.
    pub fn run(mut self) -> Result<D, Error> {
        let mut events = Events::with_capacity(2);
        while !self.stopper.is_told() {
            match self.turn()? {
                Next::Receive => {}
                Next::Gather(pause) => thread::sleep(pause),
                Next::Wait { found } if self.pace.pause().is_none() && self.linger.looks_again(found) => {}
                Next::Wait { .. } => self.wait(&mut events)?,
            }
        }
        let deadline = self.clock.now() + DRAIN_LIMIT;
        while self.turn()? == Next::Receive && self.clock.now() < deadline {}
        Ok(self.decide)
    }

    /// One batch of every queue, and housekeeping when it is due.
    fn turn(&mut self) -> Result<Next, Error> {
        let (mut received, mut first, mut is_last, mut now) = (0, 0, true, Timestamp::default());
        let several = self.exchanges.len() > 1;
        for (rank, exchange) in self.exchanges.iter_mut().enumerate() {
            let mut batch = exchange.receive()?;
            is_last &= batch.is_last();
            now = self.clock.now();
            while let Some(mut packet) = batch.next_packet() {
                let meta = *packet.meta();
                let decision = self.decide.decide(packet.bytes_mut(), &meta, now);
                packet.answer(decision);
            }
            let tally = batch.finish()?;
            tally.publish(&self.counters);
            if several && rank == 0 {
                self.pace.note_answered(tally.received, tally.bytes);
            } else {
                self.pace.note(tally.received, tally.bytes);
                first += tally.received;
            }
            received += tally.received;
        }
        self.linger.note(first, now);
        if now >= self.housekeeping_at {
            self.decide.housekeeping(now);
            self.pace.assess(now);
            self.housekeeping_at = now + HOUSEKEEPING_INTERVAL;
        }
        Ok(match self.pace.pause() {
            _ if !is_last => Next::Receive,
            Some(pause) if received > 0 => Next::Gather(pause),
            _ => Next::Wait { found: received > 0 },
        })
    }

    /// Sleeps until packets wait, somebody stops the worker, or housekeeping is due.
    fn wait(&mut self, events: &mut Events) -> Result<(), Error> {
        let timeout = self.housekeeping_at.saturating_since(self.clock.now());
        match self.poll.poll(events, Some(timeout)) {
            Err(source) if source.kind() != io::ErrorKind::Interrupted => Err(Error::Poll {
                queue: self.exchanges.first().map_or(0, |exchange| exchange.queue().number()),
                source,
            }),
            _ => Ok(()),
        }
    }
}

impl<Q: fmt::Debug, D> fmt::Debug for Worker<Q, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("exchanges", &self.exchanges).finish_non_exhaustive()
    }
}

/// Ends a worker, from any thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    flag: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Tells the worker to drain its queue and return.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        // Without the wake-up the worker sees the flag when housekeeping is due.
        let _ = self.waker.wake();
    }

    fn is_told(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
