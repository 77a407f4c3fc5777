//! Messages that are nearly right: no mutation makes the handler panic, or send without measure.

use super::tests::dialogues;
use crate::flow::Transport;
use crate::handlers::transcript::configured;
use crate::handlers::{Context, Output, Random, Session};

/// Bytes that one message may be answered with: the largest read.
const MOST: usize = 1024 * 1024 + 4096;

#[test]
fn no_mutation_of_a_dialogue_panics_or_sends_without_measure() {
    let tables = toml::toml! {
        smb = { credentials = { list = ["alice:Secret12"] } }
    };
    let registry = configured(&tables);
    let entry = registry.find("smb").unwrap();
    let session = Session::example(Transport::Tcp, 445);
    let dialogues = dialogues();
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let mut handler = entry.make(&session);
        let dialogue = &dialogues[usize::try_from(seed).unwrap() % dialogues.len()];
        for message in dialogue {
            let mut message = message.clone();
            for _ in 0..random.within(&(0..=2)) {
                // Past the frame's length: that is for other tests.
                let at = usize::try_from(random.within(&(4..=message.len() as u64 - 1))).unwrap();
                message[at] =
                    [0, 1, 0x7f, 0x80, 0xff, random.bits() as u8][usize::try_from(random.within(&(0..=5))).unwrap()];
            }
            let mut out = Output::default();
            handler.data(&mut Context::new(&session, Default::default(), &mut out), &message);
            assert!(out.bytes().len() <= MOST && out.events.len() < 64, "seed {seed}");
            if out.close.is_some() {
                break;
            }
        }
        handler.closed(&mut Context::new(&session, Default::default(), &mut Output::default()));
    }
}
