//! Small UDP packets: CPU time a packet of the whole engine, with 1,000 rules, against loops that accept everything.

use std::process::Command;

use anyhow::{Context, Result};
use glutton_nfq::netns::Pair;

use super::Options;
use super::datagrams::{Flood, Pace, drained};
use super::fixture::thousand_rules;
use super::process::{Server, Usage};
use super::report::{Figure, Goal, median};

/// Packets a second that both sustain without a loss.
const PACED: u32 = 100_000;
/// The argument that makes this program the loop on the `nfq` crate.
pub(crate) const NFQ_LOOP: &str = "nfq-loop";
const QUEUE_LEN: u32 = 65_536;

/// One side: a network, who serves its queue, and what floods it.
struct Side {
    flood: Flood,
    server: Server,
    pair: Pair,
    /// What was used in every round.
    usages: Vec<Usage>,
    rates: Vec<f64>,
}

impl Side {
    fn new(pair: Pair, server: Server) -> Result<Self> {
        Ok(Self { flood: Flood::new(&pair.attacker)?, server, pair, usages: Vec::new(), rates: Vec::new() })
    }

    /// Floods once; CPU nanoseconds a packet.
    fn round(&mut self, pace: Pace, options: &Options) -> Result<f64> {
        let Self { flood, server, pair, usages, rates } = self;
        let usage = drained(&pair.sensor, || {
            server.during(|| {
                rates.push(flood.run(pace, options.flood())?);
                Ok(())
            })
        })?;
        usages.push(usage);
        Ok(usage.nanos_per_packet())
    }

    /// What the rounds so far say about rate and losses.
    fn told(&mut self) -> String {
        let dropped: u64 = self.usages.iter().map(|usage| usage.dropped).sum();
        let packets: u64 = self.usages.iter().map(|usage| usage.packets).sum();
        let text = format!("{:.0} packets/s sent, {dropped} of {} lost", median(&self.rates), packets + dropped);
        self.usages.clear();
        self.rates.clear();
        text
    }
}

/// Measures at a pace and at full rate.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let (queued, bare) = (Pair::create()?, Pair::create()?);
    let rules = thousand_rules("{ match: udp, type: handler, target: udp }");
    let engine = Server::engine(&queued.sensor, &rules, 1)?;
    let mut this = Command::new(std::env::current_exe()?);
    let peer = Server::peer(&bare.sensor, this.arg(NFQ_LOOP))?;
    let (mut engine, mut peer) = (Side::new(queued, engine)?, Side::new(bare, peer)?);
    let paces = [
        (format!("64-byte UDP, 1,000 rules, {PACED}/s, vs nfq crate"), Pace::PerSecond(PACED), Goal::AtMost(1.0)),
        ("64-byte UDP, 1,000 rules, full rate, vs nfq".to_owned(), Pace::Full, Goal::None),
    ];
    let mut figures = Vec::new();
    for (name, pace, goal) in paces {
        let figure =
            Figure::compare(name, "ns CPU", goal, || engine.round(pace, options), || peer.round(pace, options))?;
        figures.push(figure.with_note(format!("engine: {}; nfq crate: {}", engine.told(), peer.told())));
    }
    Ok(figures)
}

/// The yardstick: what the README of the `nfq` crate shows, on queue 0, until it is killed.
pub(crate) fn nfq_loop() -> Result<()> {
    let mut queue = nfq::Queue::open().context("opening the queue")?;
    queue.bind(0).context("binding queue 0")?;
    queue.set_queue_max_len(0, QUEUE_LEN)?;
    // Its socket buffer cannot be raised; a loss shall not end the loop.
    queue.set_recv_enobufs(false)?;
    super::say("ready")?;
    loop {
        let mut message = queue.recv()?;
        message.set_verdict(nfq::Verdict::Accept);
        queue.verdict(message)?;
    }
}
