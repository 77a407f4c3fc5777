//! Any visitor of any handler: no panic, and bounds on what is sent, recorded and kept. The first byte picks the handler and the port, the
//! rest is what the visitor does.

#![no_main]

#[path = "../dialogue.rs"]
mod dialogue;

use std::sync::LazyLock;

use dialogue::{Play, steps};
use glutton_nfq::handlers::Registry;
use libfuzzer_sys::fuzz_target;

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::builtin);

fuzz_target!(|input: &[u8]| {
    let Some((&pick, script)) = input.split_first() else { return };
    let count = REGISTRY.entries().count();
    let Some(entry) = REGISTRY.entries().nth(usize::from(pick) % count) else { return };
    let steps = steps(script);
    for &transport in entry.transports() {
        let mut play = Play::open(&REGISTRY, entry, transport, usize::from(pick) / count);
        play.run(&steps);
        play.close();
    }
});
