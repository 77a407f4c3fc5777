//! Two queues on two cores against one, with load from many sources.

use anyhow::Result;
use glutton_nfq::netns::Pair;

use super::Options;
use super::pace::Pace;
use super::process::Server;
use super::report::{Figure, Goal};
use super::spoofed::{Kind, Spoofed};

/// The cheapest rule: what is compared is how packets come and go.
const RULES: &str = "rules:\n  - { name: away, match: udp, type: drop }\n";

/// One engine and its flood.
struct Side {
    engine: Server,
    flood: Spoofed,
    _pair: Pair,
}

impl Side {
    fn new(queues: u16) -> Result<Self> {
        let pair = Pair::create()?;
        let engine = Server::engine(&pair.sensor, RULES, queues)?;
        Ok(Self { engine, flood: Spoofed::new(&pair.attacker, Kind::Udp)?, _pair: pair })
    }

    /// Packets decided a second, while the flood lasts.
    fn round(&mut self, options: &Options) -> Result<f64> {
        let Self { engine, flood, .. } = self;
        let usage = engine.during(|| flood.run(Pace::Full, options.siege()).map(|_| ()))?;
        Ok(usage.packets.saturating_sub(usage.dropped) as f64 / options.siege().as_secs_f64())
    }
}

/// Measures packets a second.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let (mut two, mut one) = (Side::new(2)?, Side::new(1)?);
    let name = "packets decided from many sources, 2 queues vs 1";
    let figure = Figure::compare(name, "/s", Goal::None, || two.round(options), || one.round(options))?;
    Ok(vec![figure.with_note("the sender needs a core as well: below four cores this says little")])
}
