//! Bulk TCP of connections that the kernel carries after their first packet, against the same without a queue.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use glutton_nfq::netns::{Namespace, Pair, SENSOR_V4};

use super::Options;
use super::bulk::{LISTENED, Way, transfer};
use super::direct::{Direct, track};
use super::process::{Datapath, Server};
use super::report::{Figure, Goal};

const ECHO: &str = "rules:\n  - { name: echo, match: tcp, type: handler, target: echo }\n";
const PASS: &str = "rules:\n  - { match: tcp, type: pass }\n";
/// What a client of the echo handler dials.
const DIALLED: u16 = 7_005;
/// Bytes of one write and one read.
const CHUNK: usize = 256 << 10;
/// No call waits longer.
const STALL: Duration = Duration::from_secs(5);

/// Measures a handler behind TPROXY and behind NAT, and a server behind a `pass` rule.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    Ok(vec![
        tproxy(options, "bulk TCP echoed, tproxy, vs plain TPROXY", Goal::AtLeast(0.97), untracked)?,
        tproxy(options, "  where that tracks connections", Goal::None, track)?,
        redirect(options)?,
        pass(options, "bulk TCP up through a pass rule, vs unqueued", Goal::AtLeast(0.97), untracked)?,
        pass(options, "  where that tracks connections", Goal::None, track)?,
    ])
}

/// What is done to the reference's namespace: nothing.
fn untracked(_: &Namespace) -> Result<()> {
    Ok(())
}

fn tproxy(options: &Options, name: &str, goal: Goal, prepare: fn(&Namespace) -> Result<()>) -> Result<Figure> {
    let bare = Pair::create()?;
    prepare(&bare.sensor)?;
    let _direct = Direct::behind_tproxy(&bare.sensor, ECHO)?;
    carried(options, &bare, Datapath::Auto, name, goal)
}

fn redirect(options: &Options) -> Result<Figure> {
    let bare = Pair::create()?;
    let _direct = Direct::behind_redirect(&bare.sensor, ECHO)?;
    carried(options, &bare, Datapath::Redirect, "bulk TCP echoed, redirect, vs plain REDIRECT", Goal::AtLeast(0.95))
}

/// Up and down at once through the echo handler on this datapath, against the same server in `bare`.
fn carried(options: &Options, bare: &Pair, datapath: Datapath, name: &str, goal: Goal) -> Result<Figure> {
    let queued = Pair::create()?;
    let mut engine = Server::engine_with(&queued.sensor, ECHO, 1, datapath)?;
    let before = engine.usage()?;
    let figure = Figure::compare(
        name,
        "Gbit/s",
        goal,
        || echoed(&queued, options.transfer()),
        || echoed(bare, options.transfer()),
    )?;
    told(figure, &mut engine, before)
}

fn pass(options: &Options, name: &str, goal: Goal, prepare: fn(&Namespace) -> Result<()>) -> Result<Figure> {
    let (queued, bare) = (Pair::create()?, Pair::create()?);
    prepare(&bare.sensor)?;
    let mut engine = Server::engine_with(&queued.sensor, PASS, 1, Datapath::Auto)?;
    let before = engine.usage()?;
    let figure = Figure::compare(
        name,
        "Gbit/s",
        goal,
        || transfer(&queued, LISTENED, Way::Up, options.transfer()),
        || transfer(&bare, LISTENED, Way::Up, options.transfer()),
    )?;
    told(figure, &mut engine, before)
}

fn told(figure: Figure, engine: &mut Server, before: super::process::Usage) -> Result<Figure> {
    let packets = engine.usage()?.since(before).packets;
    Ok(figure.with_note(format!("{packets} packets in the queue for {} connections", super::report::ROUNDS + 1)))
}

/// Bytes through the echo handler and back, for this time; Gbit/s of what came back.
fn echoed(pair: &Pair, time: Duration) -> Result<f64> {
    let target = SocketAddr::from((SENSOR_V4, DIALLED));
    let stream = pair.attacker.run(|| TcpStream::connect_timeout(&target, STALL))?.context("connecting")?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let (mut sender, mut receiver) = (stream.try_clone()?, stream);
    thread::scope(|scope| {
        let sent = scope.spawn(move || -> Result<()> {
            let (bytes, begin) = (vec![0x5a; CHUNK], Instant::now());
            while begin.elapsed() < time {
                sender.write_all(&bytes).context("sending")?;
            }
            Ok(sender.shutdown(std::net::Shutdown::Write)?)
        });
        let (mut buffer, mut total, begin) = (vec![0; CHUNK], 0_u64, Instant::now());
        loop {
            match receiver.read(&mut buffer).context("receiving")? {
                0 => break,
                read => total += read as u64,
            }
        }
        let rate = total as f64 * 8.0 / begin.elapsed().as_secs_f64() / 1e9;
        sent.join().map_err(|_| anyhow!("the sender panicked"))??;
        Ok(rate)
    })
}
