//! Batches against the fake queue: order, coalescing, fallback, errors.

use proptest::prelude::*;

use super::super::codec::{COPY_RANGE, SkbInfo};
use super::super::{FakeQueue, Outcome};
use super::*;

fn inbound() -> PacketMessage {
    PacketMessage { hook: PRE_ROUTING, ifindex_in: 2, ..PacketMessage::default() }
}

/// An exchange in which `packets` packets wait; the first byte of each is its index.
fn exchange(packets: u8, fail: Fail) -> Exchange<FakeQueue> {
    let mut queue = FakeQueue::new(0);
    for index in 0..packets {
        queue.push(&inbound(), &[index; 21]);
    }
    Exchange::new(queue, fail)
}

/// Answers one batch by the index in the packet's first byte.
fn answer_all(exchange: &mut Exchange<FakeQueue>, decide: impl Fn(u8) -> Decision) -> Tally {
    let mut batch = exchange.receive().unwrap();
    while let Some(mut packet) = batch.next_packet() {
        let index = packet.bytes_mut()[0];
        packet.bytes_mut()[1] = 0xaa;
        packet.answer(decide(index));
    }
    batch.finish().unwrap()
}

fn ids(exchange: &Exchange<FakeQueue>) -> Vec<u32> {
    exchange.queue().outcomes().iter().map(|outcome| outcome.id).collect()
}

#[test]
fn full_batch_of_accepts_is_one_message() {
    let mut exchange = exchange(64, Fail::Open);
    let tally = answer_all(&mut exchange, |_| Decision::ACCEPT);
    assert_eq!(exchange.queue().sends(), [1]);
    assert_eq!(ids(&exchange), (1..=64).collect::<Vec<_>>());
    assert_eq!(tally, Tally { received: 64, bytes: 64 * 21, accepted: 64, ..Tally::default() });
}

#[test]
fn other_verdicts_split_a_run_and_keep_the_order() {
    let mut exchange = exchange(8, Fail::Open);
    let tally = answer_all(&mut exchange, |index| match index {
        3 => Decision::DROP,
        5 => Decision::REWRITTEN,
        _ => Decision::ACCEPT,
    });
    // Up to 3, 4 alone, 5 alone, 6 rewritten, up to 8.
    assert_eq!(exchange.queue().sends(), [5]);
    assert_eq!(ids(&exchange), (1..=8).collect::<Vec<_>>());
    let outcomes = exchange.queue().outcomes();
    assert_eq!(outcomes[3].verdict, Verdict::Drop);
    let mut rewritten = vec![5; 21];
    rewritten[1] = 0xaa;
    assert_eq!(outcomes[5], Outcome { id: 6, verdict: Verdict::Accept, mark: None, payload: Some(rewritten) });
    assert_eq!((tally.accepted, tally.dropped, tally.rewritten), (7, 1, 1));
}

#[test]
fn marks_coalesce_only_with_the_same_mark() {
    let mut exchange = exchange(6, Fail::Open);
    answer_all(&mut exchange, |index| Decision {
        mark: (index >= 2).then_some(u32::from(index / 4)),
        ..Decision::ACCEPT
    });
    let marks: Vec<_> = exchange.queue().outcomes().iter().map(|outcome| outcome.mark).collect();
    assert_eq!(marks, [None, None, Some(0), Some(0), Some(1), Some(1)]);
    assert_eq!(exchange.queue().sends(), [3]);
}

#[test]
fn dropped_packet_is_not_written_back() {
    let mut exchange = exchange(1, Fail::Open);
    let tally = answer_all(&mut exchange, |_| Decision { rewritten: true, ..Decision::DROP });
    assert_eq!(exchange.queue().outcomes()[0].payload, None);
    assert_eq!((tally.dropped, tally.rewritten), (1, 0));
}

#[test]
fn packet_that_nobody_decides_gets_the_fallback() {
    for (fail, verdict) in [(Fail::Open, Verdict::Accept), (Fail::Closed, Verdict::Drop)] {
        let mut exchange = exchange(3, fail);
        let mut batch = exchange.receive().unwrap();
        batch.next_packet().unwrap().answer(Decision::DROP);
        drop(batch.next_packet().unwrap());
        let tally = batch.finish().unwrap();
        let verdicts: Vec<_> = exchange.queue().outcomes().iter().map(|outcome| outcome.verdict).collect();
        assert_eq!(verdicts, [Verdict::Drop, verdict, verdict]);
        assert_eq!((tally.received, tally.dropped, tally.fallback), (3, 1, 2));
    }
}

#[test]
fn batch_dropped_by_a_panic_is_answered() {
    let mut exchange = exchange(5, Fail::Open);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut batch = exchange.receive().unwrap();
        let _packet = batch.next_packet();
        panic!("decide failed");
    }));
    assert!(caught.is_err());
    assert_eq!(exchange.queue().undecided().count(), 0);
    assert_eq!(answer_all(&mut exchange, |_| Decision::ACCEPT).fallback, 5);
}

#[test]
fn cut_packet_is_accepted_and_never_shown() {
    let mut queue = FakeQueue::new(0);
    queue.push(&PacketMessage { cap_len: Some(COPY_RANGE + 9), ..inbound() }, &[0x45; 40]);
    let mut exchange = Exchange::new(queue, Fail::Closed);
    let tally = answer_all(&mut exchange, |_| panic!("shown"));
    assert_eq!(exchange.queue().outcomes()[0].payload, None);
    assert_eq!((tally.accepted, tally.truncated, tally.bytes), (1, 1, u64::from(COPY_RANGE) + 9));
}

#[test]
fn packets_of_other_hooks_and_empty_ones_are_accepted() {
    let mut queue = FakeQueue::new(0);
    queue.push(&PacketMessage { hook: 1, ..PacketMessage::default() }, &[0x45; 40]);
    queue.push(&inbound(), &[]);
    let mut exchange = Exchange::new(queue, Fail::Closed);
    let tally = answer_all(&mut exchange, |_| panic!("shown"));
    assert_eq!((tally.received, tally.accepted), (2, 2));
    assert_eq!(ids(&exchange), [1, 2]);
}

#[test]
fn meta_tells_hook_checksum_mark_and_interface() {
    let mut queue = FakeQueue::new(0);
    queue.push(&PacketMessage { mark: 7, skb_info: SkbInfo(SkbInfo::GSO), ..inbound() }, &[1]);
    let skb_info = SkbInfo(SkbInfo::CHECKSUM_NOT_READY);
    queue.push(&PacketMessage { hook: LOCAL_OUT, ifindex_out: 9, skb_info, ..PacketMessage::default() }, &[1]);
    let mut exchange = Exchange::new(queue, Fail::Open);
    let mut batch = exchange.receive().unwrap();
    let first = *batch.next_packet().unwrap().meta();
    assert_eq!((first.hook, first.checksum, first.mark, first.ifindex), (Hook::In, Checksum::Ready, 7, 2));
    let second = *batch.next_packet().unwrap().meta();
    assert_eq!((second.hook, second.checksum, second.mark, second.ifindex), (Hook::Out, Checksum::NotReady, 0, 9));
}

#[test]
fn more_than_a_batch_takes_two() {
    let mut exchange = exchange(100, Fail::Open);
    assert!(!exchange.receive().unwrap().is_last());
    assert!(exchange.receive().unwrap().is_last());
    assert_eq!(exchange.queue().outcomes().len(), 100);
}

#[test]
fn full_socket_buffer_and_signals_are_survived() {
    let mut exchange = exchange(1, Fail::Open);
    exchange.queue_mut().fail_receives([libc::ENOBUFS, libc::EINTR]);
    let batch = exchange.receive().unwrap();
    assert!(!batch.is_last());
    assert_eq!(batch.finish().unwrap().overruns, 1);
    assert!(!exchange.receive().unwrap().is_last());
    assert_eq!(answer_all(&mut exchange, |_| Decision::ACCEPT).accepted, 1);
}

#[test]
fn broken_socket_is_an_error() {
    let mut exchange = exchange(1, Fail::Open);
    exchange.queue_mut().fail_receives([libc::EBADF]);
    assert!(matches!(exchange.receive(), Err(Error::Receive { queue: 0, .. })));
}

#[test]
fn large_rewrites_are_flushed_before_the_batch_is_through() {
    let mut queue = FakeQueue::new(0);
    for _ in 0..16 {
        queue.push(&inbound(), &vec![7; 60_001]);
    }
    let mut exchange = Exchange::new(queue, Fail::Open);
    answer_all(&mut exchange, |_| Decision::REWRITTEN);
    assert!(exchange.queue().sends().len() > 1);
    assert_eq!(ids(&exchange), (1..=16).collect::<Vec<_>>());
    assert!(exchange.queue().outcomes().iter().all(|outcome| outcome.payload.as_ref().unwrap().len() == 60_001));
}

#[test]
fn send_that_is_too_large_is_split_and_nothing_is_lost() {
    let mut exchange = exchange(32, Fail::Open);
    exchange.queue_mut().limit_sends(200);
    let tally = answer_all(&mut exchange, |index| if index % 2 == 0 { Decision::REWRITTEN } else { Decision::DROP });
    assert_eq!(ids(&exchange), (1..=32).collect::<Vec<_>>());
    assert_eq!((tally.rewritten, tally.dropped, tally.fallback), (16, 16, 0));
}

#[test]
fn rewriting_that_the_kernel_never_takes_becomes_the_fallback() {
    let mut queue = FakeQueue::new(0);
    queue.push(&inbound(), &[0; 21]);
    queue.push(&inbound(), &[1; 2_000]);
    queue.limit_sends(200);
    let mut exchange = Exchange::new(queue, Fail::Closed);
    let tally = answer_all(&mut exchange, |_| Decision::REWRITTEN);
    let second = Outcome { id: 2, verdict: Verdict::Drop, mark: None, payload: None };
    assert_eq!(exchange.queue().outcomes()[1], second);
    assert_eq!((tally.accepted, tally.rewritten, tally.fallback), (1, 1, 1));
}

#[test]
fn shortage_of_memory_is_waited_out() {
    let mut exchange = exchange(2, Fail::Open);
    exchange.queue_mut().fail_sends([libc::EINTR, libc::ENOBUFS, libc::ENOMEM, libc::EAGAIN]);
    answer_all(&mut exchange, |index| if index == 0 { Decision::REWRITTEN } else { Decision::ACCEPT });
    assert_eq!(ids(&exchange), [1, 2]);
}

#[test]
fn verdict_that_cannot_be_sent_at_all_is_an_error() {
    let mut exchange = exchange(1, Fail::Open);
    exchange.queue_mut().fail_sends([libc::EBADF]);
    let batch = exchange.receive().unwrap();
    assert!(matches!(batch.finish(), Err(Error::Send { queue: 0, .. })));
}

#[test]
fn packet_whose_device_went_away_is_counted_and_the_loop_goes_on() {
    let mut exchange = exchange(3, Fail::Open);
    exchange.queue_mut().forget(2);
    answer_all(&mut exchange, |index| if index == 1 { Decision::DROP } else { Decision::ACCEPT });
    assert_eq!(ids(&exchange), [1, 3]);
    assert_eq!(answer_all(&mut exchange, |_| Decision::ACCEPT).refused, 1);
}

#[test]
fn lost_privilege_ends_the_queue_instead_of_stalling_it() {
    let mut exchange = exchange(0, Fail::Open);
    exchange.queue_mut().push_raw(Message::emit_refusal(libc::EPERM));
    let batch = exchange.receive().unwrap();
    assert!(matches!(batch.finish(), Err(Error::Refused { queue: 0, .. })));
}

#[test]
fn unreadable_datagrams_are_counted_and_skipped() {
    let mut exchange = exchange(1, Fail::Open);
    exchange.queue_mut().push_raw(vec![1, 2, 3]);
    exchange.queue_mut().push(&inbound(), &[0; 21]);
    let tally = answer_all(&mut exchange, |_| Decision::ACCEPT);
    assert_eq!((tally.unread, tally.accepted), (1, 2));
}

proptest! {
    /// Whatever is decided, in whatever runs, batches and send limits: each packet gets its own verdict, in order, once.
    #[test]
    fn every_packet_gets_its_own_verdict_once(
        decisions in proptest::collection::vec((0u8..5, proptest::option::of(0u32..2), 1usize..200), 1..200),
        limit in 300usize..4_000,
    ) {
        let mut queue = FakeQueue::new(0);
        queue.limit_sends(limit);
        for (_, _, length) in &decisions {
            queue.push(&inbound(), &vec![0x45; *length]);
        }
        let mut exchange = Exchange::new(queue, Fail::Closed);
        let mut expected = Vec::new();
        let mut left = decisions.iter();
        loop {
            let mut batch = exchange.receive().unwrap();
            let is_last = batch.is_last();
            while let Some(mut packet) = batch.next_packet() {
                let (choice, mark, length) = *left.next().unwrap();
                let id = u32::try_from(expected.len()).unwrap() + 1;
                packet.bytes_mut()[0] = 0x60;
                let outcome = |verdict, mark, payload| Outcome { id, verdict, mark, payload };
                expected.push(match choice {
                    0 => outcome(Verdict::Drop, None, None),
                    1 => outcome(Verdict::Drop, mark, None),
                    2 => outcome(Verdict::Accept, mark, Some(packet.bytes_mut().to_vec())),
                    _ => outcome(Verdict::Accept, mark, None),
                });
                let Some(Outcome { verdict, mark, .. }) = expected.last().cloned() else { unreachable!() };
                prop_assert_eq!(packet.bytes_mut().len(), length);
                if choice != 0 {
                    packet.answer(Decision { verdict, rewritten: choice == 2, mark });
                }
            }
            batch.finish().unwrap();
            if is_last { break }
        }
        prop_assert_eq!(exchange.queue().outcomes(), &expected[..]);
        prop_assert_eq!(exchange.queue().undecided().count(), 0);
    }
}
