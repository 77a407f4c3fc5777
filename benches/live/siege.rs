//! Under a SYN flood from forged sources: flows a second, and what an established session notices of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use glutton_nfq::netns::{Pair, SENSOR_V4};

use super::Options;
use super::pace::Pace;
use super::process::{Server, Usage};
use super::report::{Figure, Goal, ROUNDS, median};
use super::spoofed::{Kind, Spoofed};

const RULES: &str = "rules:\n  - { name: echo, match: tcp, type: handler, target: echo }\n";
const DIALLED: u16 = 7_005;
/// No exchange waits longer.
const STALL: Duration = Duration::from_secs(5);

/// Round-trip times of one round, in microseconds.
#[derive(Debug, Default)]
struct Latency {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// Measures an established session, idle and under the flood, in turn.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let pair = Pair::create()?;
    let mut engine = Server::engine(&pair.sensor, RULES, 1)?;
    let mut flood = Spoofed::new(&pair.attacker, Kind::Syn)?;
    let target = SocketAddr::from((SENSOR_V4, DIALLED));
    let mut session = pair.attacker.run(|| TcpStream::connect_timeout(&target, STALL))??;
    session.set_nodelay(true)?;
    session.set_read_timeout(Some(STALL))?;
    let (mut idle, mut besieged) = (Latency::default(), Latency::default());
    let (mut flows, mut per_core) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        idle.round(
            |over| converse(&mut session, over),
            || {
                thread::sleep(options.siege());
                Ok(())
            },
        )?;
        let begin = Instant::now();
        let usage = engine.during(|| {
            besieged.round(|over| converse(&mut session, over), || flood.run(Pace::Full, options.siege()).map(|_| ()))
        })?;
        let opened = opened(usage);
        flows.push(opened / begin.elapsed().as_secs_f64());
        per_core.push(opened / usage.cpu.as_secs_f64());
    }
    let latency = |name, ours, reference| Figure::of_rounds(name, "us", Goal::None, ours, reference);
    Ok(vec![
        Figure::alone("SYN flood, flows", "/s", Goal::None, flows),
        Figure::alone("SYN flood, flows for each second of CPU", "/s", Goal::None, per_core),
        latency("echo round trip p50, SYN flood vs idle", besieged.p50, idle.p50),
        latency("echo round trip p99, SYN flood vs idle", besieged.p99, idle.p99),
    ])
}

/// Each forged SYN is one packet in; its SYN-ACK, which the queue sees too, is another. The session's own packets do not weigh.
fn opened(usage: Usage) -> f64 {
    usage.packets as f64 / 2.0
}

impl Latency {
    /// Lets `session` run while `work` does.
    fn round(
        &mut self,
        session: impl FnOnce(&AtomicBool) -> Result<Vec<f64>> + Send,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let over = AtomicBool::new(false);
        let mut times = thread::scope(|scope| {
            let talking = scope.spawn(|| session(&over));
            let worked = work();
            over.store(true, Ordering::Relaxed);
            let times = talking.join().map_err(|_| anyhow!("the session panicked"))??;
            worked.map(|()| times)
        })?;
        times.sort_by(f64::total_cmp);
        self.p50.push(median(&times));
        self.p99.push(times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN));
        Ok(())
    }
}

/// Sixteen bytes there and back, again and again.
fn converse(session: &mut TcpStream, over: &AtomicBool) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut answer = [0; 16];
    while !over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        session.write_all(b"sixteen bytes...")?;
        session.read_exact(&mut answer).context("the established session")?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
        // Some hundred exchanges a second are enough, and leave the machine to the flood.
        thread::sleep(Duration::from_millis(1));
    }
    Ok(times)
}
