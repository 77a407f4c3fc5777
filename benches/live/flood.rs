//! Small UDP packets: CPU time a packet of the whole engine, with 1,000 rules, against loops that accept everything.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use glutton_nfq::netns::{INTERFACE, Pair};

use super::Options;
use super::datagrams::{Flood, drained};
use super::fixture::rules;
use super::pace::Pace;
use super::peer;
use super::process::{Server, Usage};
use super::report::{Figure, Goal, median};

/// Packets a second that both sustain without a loss.
const PACED: u32 = 50_000;

/// One side: a network, who serves its queue, and what floods it.
struct Side {
    flood: Flood,
    server: Server,
    pair: Pair,
    /// What was used in every round.
    usages: Vec<Usage>,
    rates: Vec<f64>,
    /// CPU time of each thread when the rounds began.
    began: BTreeMap<String, Duration>,
}

impl Side {
    fn new(pair: Pair, server: Server) -> Result<Self> {
        let (flood, began) = (Flood::new(&pair.attacker)?, server.threads()?);
        Ok(Self { flood, server, pair, usages: Vec::new(), rates: Vec::new(), began })
    }

    fn engine(rule: &str) -> Result<Self> {
        let pair = Pair::create()?;
        let server = Server::engine(&pair.sensor, &rules(1_000, rule), 1)?;
        Self::new(pair, server)
    }

    fn peer(mut command: Command) -> Result<Self> {
        let pair = Pair::create()?;
        let diverting = format!(
            "-t mangle -A PREROUTING -i {INTERFACE} -p udp -m conntrack --ctdir ORIGINAL -j NFQUEUE --queue-num 0"
        );
        let server = Server::peer(&pair.sensor, &mut command, &[diverting])?;
        Self::new(pair, server)
    }

    /// Floods once; CPU nanoseconds a packet.
    fn round(&mut self, pace: Pace, options: &Options) -> Result<f64> {
        let Self { flood, server, pair, usages, rates, .. } = self;
        let usage = drained(&pair.sensor, || {
            server.during(|| {
                rates.push(flood.run(pace, options.flood())?);
                Ok(())
            })
        })?;
        usages.push(usage);
        Ok(usage.nanos_per_packet())
    }

    /// What the rounds so far say about rate, losses, and which thread spent how many nanoseconds a packet; begins anew.
    fn told(&mut self) -> Result<String> {
        let usages = std::mem::take(&mut self.usages);
        let dropped: u64 = usages.iter().map(|usage| usage.dropped).sum();
        let packets: u64 = usages.iter().map(|usage| usage.packets).sum();
        let mut text = format!("{:.0}/s, {dropped} of {} lost", median(&self.rates), packets + dropped);
        let threads = self.server.threads()?;
        for (name, time) in &threads {
            let before = self.began.get(name).copied().unwrap_or_default();
            let nanos = time.saturating_sub(before).as_nanos() / u128::from(packets.max(1));
            if nanos > 0 {
                text.push_str(&format!(", {name} {nanos}"));
            }
        }
        self.began = threads;
        self.rates.clear();
        Ok(text)
    }
}

/// Rewritten to the handler port, against the `nfq` crate, at a pace and at full rate.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let mut engine = Side::engine("{ match: udp, type: handler, target: udp }")?;
    let mut peer = Side::peer(peer::nfq_crate()?)?;
    Ok(vec![
        versus("64-byte UDP rewritten, vs nfq crate", &mut engine, &mut peer, paced(), Goal::AtMost(1.0), options)?,
        versus("  the same at full rate", &mut engine, &mut peer, Pace::Full, Goal::None, options)?,
    ])
}

/// Rewritten, and passed untouched, against the C loop.
pub(crate) fn measure_c(options: &Options) -> Result<Vec<Figure>> {
    let mut peer = Side::peer(peer::c_loop(&super::output_dir())?)?;
    let mut rewriting = Side::engine("{ match: udp, type: handler, target: udp }")?;
    let rewritten =
        versus("64-byte UDP rewritten, vs C loop", &mut rewriting, &mut peer, paced(), Goal::AtMost(0.95), options)?;
    drop(rewriting);
    let mut passing = Side::engine("{ match: udp, type: pass, per: packet }")?;
    let passed = versus(
        "64-byte UDP passed untouched, vs C loop",
        &mut passing,
        &mut peer,
        paced(),
        Goal::AtMost(0.65),
        options,
    )?;
    Ok(vec![rewritten, passed])
}

const fn paced() -> Pace {
    Pace::PerSecond(PACED)
}

fn versus(name: &str, engine: &mut Side, peer: &mut Side, pace: Pace, goal: Goal, options: &Options) -> Result<Figure> {
    let figure = Figure::compare(name, "ns CPU", goal, || engine.round(pace, options), || peer.round(pace, options))?;
    Ok(figure.with_note(format!("engine: {}; peer: {}", engine.told()?, peer.told()?)))
}
