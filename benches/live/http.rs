//! Short HTTP requests, a connection each, every one recorded: how many the engine serves with the time of one core.
//!
//! Clients share the machine's cores, so it is the engine's CPU time that counts (all its threads: packets, handler, events), not the clock.

use std::net::SocketAddr;

use anyhow::Result;
use glutton_nfq::netns::{Pair, SENSOR_V4};

use super::Options;
use super::process::{Datapath, Server};
use super::report::{Figure, Goal, ROUNDS};
use super::visitors::{IN_FLIGHT, Visitors};

const RULES: &str = "rules:\n  - { name: web, match: tcp, type: handler, target: http }\n";
/// What visitors dial.
const DIALLED: u16 = 80;
const REQUEST: &[u8] =
    b"GET /cgi-bin/luci HTTP/1.1\r\nHost: 10.77.0.2\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n";

/// Measures requests for each second of CPU time.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let pair = Pair::create()?;
    let mut engine = Server::engine_with(&pair.sensor, RULES, 1, Datapath::Auto)?;
    let mut visitors = Visitors::asking(&pair.attacker, REQUEST)?;
    let (mut each, mut rates) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let mut rate = 0.0;
        let used = engine.during(|| {
            rate = visitors.run(&pair.attacker, SocketAddr::from((SENSOR_V4, DIALLED)), options.visits())?;
            Ok(())
        })?;
        if round > 0 {
            each.push(options.visits() as f64 / used.cpu.as_secs_f64());
            rates.push(rate);
        }
    }
    let name = format!("short HTTP requests a core, recorded, {IN_FLIGHT} in flight");
    let slowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let note = format!("{slowest:.0}/s by the clock in the slowest round, with the clients on the same cores");
    Ok(vec![Figure::alone(&name, "/s", Goal::AtLeast(5_000.0), each).with_note(note)])
}
