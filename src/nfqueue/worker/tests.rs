//! The loop against the fake queue.

use std::sync::mpsc;
use std::thread;

use super::super::FakeQueue;
use super::super::codec::PacketMessage;
use super::*;
use crate::control::Counter;

/// Accepts everything and notes what it saw.
#[derive(Debug)]
struct Recorder {
    times: Vec<Timestamp>,
    housekeeping: mpsc::Sender<Timestamp>,
}

impl Decide for Recorder {
    fn decide(&mut self, _packet: &mut [u8], _meta: &Meta, now: Timestamp) -> Decision {
        self.times.push(now);
        Decision::ACCEPT
    }

    fn housekeeping(&mut self, now: Timestamp) {
        let _ = self.housekeeping.send(now);
    }
}

fn worker(packets: usize) -> (Worker<FakeQueue, Recorder>, Arc<Counters>, mpsc::Receiver<Timestamp>) {
    let mut queue = FakeQueue::new(0);
    for _ in 0..packets {
        queue.push(&PacketMessage::default(), &[0x45; 30]);
    }
    let counters = Arc::new(Counters::default());
    let (housekeeping, kept) = mpsc::channel();
    let recorder = Recorder { times: Vec::new(), housekeeping };
    let worker = Worker::new(vec![queue], Fail::Open, recorder, Clock::start(), Arc::clone(&counters)).unwrap();
    (worker, counters, kept)
}

#[test]
fn packets_of_one_batch_share_one_time() {
    let (mut worker, ..) = worker(65);
    assert_eq!(worker.turn().unwrap(), Next::Receive);
    assert_eq!(worker.turn().unwrap(), Next::Wait { found: true });
    let times = &worker.decide.times;
    assert_eq!(times.len(), 65);
    assert!(times[..64].iter().all(|&time| time == times[0]));
}

#[test]
fn counters_are_published_with_each_batch() {
    let (mut worker, counters, _) = worker(3);
    worker.turn().unwrap();
    assert_eq!(counters.value(Counter::PacketsReceived), 3);
    assert_eq!(counters.value(Counter::BytesReceived), 90);
    assert_eq!(counters.value(Counter::VerdictAccept), 3);
}

#[test]
fn housekeeping_runs_when_idle() {
    let (worker, _, kept) = worker(0);
    let stopper = worker.stopper();
    let thread = thread::spawn(|| worker.run());
    let times: Vec<_> = kept.iter().take(4).collect();
    stopper.stop();
    thread.join().unwrap().unwrap();
    assert!(times[3].saturating_since(times[0]) >= 3 * HOUSEKEEPING_INTERVAL);
}

#[test]
fn what_waits_is_answered_after_stop() {
    let (worker, counters, _kept) = worker(1_000);
    worker.stopper().stop();
    worker.run().unwrap();
    assert_eq!(counters.value(Counter::VerdictAccept), 1_000);
}

#[test]
fn lost_queue_ends_the_worker() {
    let (mut worker, ..) = worker(0);
    worker.exchanges[0].queue_mut().fail_receives([libc::ENOTSOCK]);
    assert!(matches!(worker.run(), Err(Error::Receive { queue: 0, .. })));
}
