//! The threads that serve the queues, and where they run.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use log::{error, warn};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::clock::Timestamp;
use crate::engine::{Decision, Engine, Meta};
use crate::events::{EventSender, Record};
use crate::host;
use crate::nfqueue::{Decide, Socket, Stopper, Worker};

/// Flows that one round of housekeeping looks at; there are at least ten rounds a second and queue.
const EXPIRE_BUDGET: usize = 20_000;

/// The engine as a queue's thread calls it.
pub(super) struct QueueDecider {
    pub(super) engine: Arc<Engine>,
    pub(super) events: EventSender,
}

impl Decide for QueueDecider {
    fn decide(&mut self, packet: &mut [u8], meta: &Meta, now: Timestamp) -> Decision {
        self.engine.decide(packet, meta, now, &mut |event| self.events.send(Record::Flow(event)))
    }

    fn housekeeping(&mut self, now: Timestamp) {
        self.engine.housekeeping(now, EXPIRE_BUDGET, &mut |event| self.events.send(Record::Flow(event)));
    }
}

/// The thread of one worker.
pub(super) struct QueueThread {
    pub(super) stopper: Stopper,
    pub(super) thread: JoinHandle<()>,
}

impl QueueThread {
    /// Starts worker `number`, on `cpu` alone if that is given.
    pub(super) fn start(number: usize, worker: Worker<Socket, QueueDecider>, cpu: Option<usize>) -> io::Result<Self> {
        let stopper = worker.stopper();
        let name = format!("queue-{number}");
        let run = move || {
            if let Some(cpu) = cpu {
                keep_on(cpu, number);
            }
            if let Err(error) = worker.run() {
                error!("{error}");
            }
        };
        Ok(Self { stopper, thread: thread::Builder::new().name(name).spawn(run)? })
    }
}

/// Keeps the calling thread on this CPU; where that is not allowed, it goes on as it is.
fn keep_on(cpu: usize, number: usize) {
    let mut only = CpuSet::new();
    only.set(cpu);
    if let Err(error) = sched_setaffinity(None, &only) {
        warn!("engine.pin: worker {number} cannot be kept on CPU {cpu}: {error}; it runs where the system puts it");
    }
}

/// A CPU for each of so many workers: worker N gets the N-th that this process may use. More workers than CPUs share them in turn, and the
/// operator is told.
pub(super) fn places(workers: usize) -> Vec<Option<usize>> {
    let cpus = host::cpus().unwrap_or_else(|error| {
        warn!("engine.pin: the CPUs of this process are not known: {error}; workers run where the system puts them");
        Vec::new()
    });
    if (1..workers).contains(&cpus.len()) {
        let count = cpus.len();
        warn!("engine.pin: {workers} workers share {count} CPUs: set engine.queues to {count} or allow more CPUs");
    }
    share(workers, &cpus)
}

fn share(workers: usize, cpus: &[usize]) -> Vec<Option<usize>> {
    let places = cpus.iter().copied().map(Some).cycle();
    places.chain(std::iter::repeat(None)).take(workers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_n_gets_the_nth_cpu_and_none_goes_without_a_place_to_run() {
        assert_eq!(share(2, &[1, 3, 5]), [Some(1), Some(3)]);
        assert_eq!(share(3, &[4, 6]), [Some(4), Some(6), Some(4)]);
        assert_eq!(share(2, &[]), [None, None]);
    }
}
