//! New connections to `echo` through the engine, against the same server without a queue.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use glutton_nfq::netns::{INTERFACE, Pair, SENSOR_V4};

use super::direct::{Direct, track};
use super::process::{Datapath, Server, TELESCOPE};
use super::report::{Figure, Goal, ROUNDS};
use super::visitors::{IN_FLIGHT, Visitors};
use super::{Options, peer};

const RULES: &str = "rules:\n  - { name: echo, match: tcp, type: handler, target: echo }\n";
/// What visitors of the engine dial.
const DIALLED: u16 = 7_005;
/// An address of [`TELESCOPE`].
const IN_TELESCOPE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// Who the engine is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// The same server on its own port.
    Unqueued,
    /// The same server behind the kernel's TPROXY, without a queue.
    Tproxy,
    /// The same, and the kernel tracks connections.
    TrackedTproxy,
    /// The same server behind the kernel's TPROXY for [`TELESCOPE`].
    Telescope,
}

/// Measures connections a second: as shipped, carried by the kernel, and seen whole in user space; and what the queue alone leaves of them.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    Ok(vec![
        versus("new connections to echo, as shipped", Datapath::Auto, Peer::Unqueued, Goal::AtLeast(0.7), options)?,
        versus("  the same vs plain TPROXY", Datapath::Auto, Peer::Tproxy, Goal::AtLeast(0.85), options)?,
        versus("  where that tracks connections", Datapath::Auto, Peer::TrackedTproxy, Goal::None, options)?,
        versus(
            "  of captured networks, untracked",
            Datapath::Stateless,
            Peer::Telescope,
            Goal::AtLeast(0.85),
            options,
        )?,
        versus("  every packet in user space", Datapath::Userspace, Peer::Unqueued, Goal::AtLeast(0.8), options)?,
        queue_alone(options)?,
    ])
}

/// The server on its own port, every packet in and out taken and accepted by the C loop: nothing decided, rewritten or written down.
fn queue_alone(options: &Options) -> Result<Figure> {
    let (queued, bare) = (Pair::create()?, Pair::create()?);
    let (served, direct) = (Direct::start(&queued.sensor, RULES)?, Direct::start(&bare.sensor, RULES)?);
    let diverting = [
        format!("-t mangle -A PREROUTING -i {INTERFACE} -p tcp -m conntrack --ctdir ORIGINAL -j NFQUEUE --queue-num 0"),
        format!("-t raw -A OUTPUT -o {INTERFACE} -p tcp --sport {} -j NFQUEUE --queue-num 0", served.port),
    ];
    let _peer = Server::peer(&queued.sensor, &mut peer::c_loop(&super::output_dir())?, &diverting)?;
    let (mut to_queued, mut to_bare) = (Visitors::new(&queued.attacker)?, Visitors::new(&bare.attacker)?);
    Figure::compare(
        &format!("  the C loop accepts every packet, {IN_FLIGHT} in flight"),
        "/s",
        Goal::None,
        || to_queued.run(&queued.attacker, SocketAddr::from((SENSOR_V4, served.port)), options.visits()),
        || to_bare.run(&bare.attacker, SocketAddr::from((SENSOR_V4, direct.port)), options.visits()),
    )
}

fn versus(name: &str, datapath: Datapath, peer: Peer, goal: Goal, options: &Options) -> Result<Figure> {
    let (queued, bare) = (Pair::create()?, Pair::create()?);
    let mut engine = Server::engine_with(&queued.sensor, RULES, 0, datapath)?;
    let direct = match peer {
        Peer::Unqueued => Direct::start(&bare.sensor, RULES)?,
        Peer::Tproxy | Peer::TrackedTproxy => Direct::behind_tproxy(&bare.sensor, RULES)?,
        Peer::Telescope => Direct::behind_tproxy_for(&bare.sensor, TELESCOPE, RULES)?,
    };
    if peer == Peer::TrackedTproxy {
        track(&bare.sensor)?;
    }
    let port = if peer == Peer::Unqueued { direct.port } else { DIALLED };
    let sensor = if peer == Peer::Telescope { IN_TELESCOPE } else { SENSOR_V4 };
    if peer == Peer::Telescope {
        for attacker in [&queued.attacker, &bare.attacker] {
            attacker.ip(&format!("route add {TELESCOPE} via {SENSOR_V4}"))?;
        }
    }
    let mut to_engine = Visitors::new(&queued.attacker)?;
    let mut to_direct = Visitors::new(&bare.attacker)?;
    let before = engine.usage()?;
    let figure = Figure::compare(
        &format!("{name}, {IN_FLIGHT} in flight"),
        "/s",
        goal,
        || to_engine.run(&queued.attacker, SocketAddr::from((sensor, DIALLED)), options.visits()),
        || to_direct.run(&bare.attacker, SocketAddr::from((sensor, port)), options.visits()),
    )?;
    drop(direct);
    let usage = engine.usage()?.since(before);
    let connections = (ROUNDS + 1) * options.visits();
    let note = format!(
        "{:.1} queued packets a connection, {} lost; us CPU a connection:",
        usage.packets as f64 / connections as f64,
        usage.dropped
    );
    let threads = engine.threads()?;
    let shares = threads.iter().filter(|(_, time)| time.as_micros() > connections as u128);
    let share = |(name, time): (&String, &Duration)| format!(" {name} {}", time.as_micros() / connections as u128);
    Ok(figure.with_note(note + &shares.map(share).collect::<String>()))
}
