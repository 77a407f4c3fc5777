//! `demo`: an attacker and a sensor in network namespaces, this very binary in the sensor, and a table of what each of them saw.
//!
//! Touches nothing of the host's network: everything happens between two namespaces that are gone afterwards, also after an error or
//! an interrupt.

mod report;
mod sensor;
mod visit;

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::netns::{ATTACKER_V4, NetnsError, Pair, SENSOR_V4, SENSOR_V6};
use sensor::Sensor;
use visit::Visit;

const EXAMPLES: &str = "\
Examples:
  sudo glutton-nfq demo
          A visit of everything that the shipped rules do, and a sweep of ports
  sudo glutton-nfq demo -r rules.yml --events
          The same with rules of your own, and every event that they led to";

/// Flags of `demo`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Options {
    /// Rules for the sensor instead of the shipped ones
    #[arg(short, long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Ports that the attacker dials at the same time from one source port
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub ports: u16,
    /// Print every event that the sensor recorded
    #[arg(long)]
    pub events: bool,
}

/// Why there is no demonstration, with the mend in the text.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is no network to play in.
    #[error("{0}; `glutton-nfq check` works without")]
    Netns(#[from] NetnsError),
    /// The engine did not start.
    #[error("the engine did not start in the sensor namespace: {0}")]
    Engine(String),
    /// A file, process or the terminal failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Ctrl-C or SIGTERM.
    #[error("interrupted; everything is removed")]
    Interrupted,
}

/// Runs the demonstration and prints it to `out`; `bold` marks headings for a terminal.
pub fn run(options: &Options, out: &mut dyn Write, bold: bool) -> Result<(), DemoError> {
    let interrupted = interrupt_flag()?;
    let check = || if interrupted.load(Ordering::Relaxed) { Err(DemoError::Interrupted) } else { Ok(()) };
    visit::allow_open_files(options.ports);

    let pair = Pair::create()?;
    say(out, &format!("attacker {ATTACKER_V4} <-- a cable of their own --> sensor {SENSOR_V4}, {SENSOR_V6}\n"))?;
    let mut sensor = Sensor::start(&pair.sensor, options.rules.as_deref())?;
    let mut visits = Vec::new();
    for address in [IpAddr::V4(SENSOR_V4), IpAddr::V6(SENSOR_V6)] {
        for plan in visit::PLANS {
            check()?;
            visits.push(pair.attacker.run(|| Visit::make(plan, address))?);
        }
    }
    check()?;
    let sweep = pair.attacker.run(|| visit::sweep(SENSOR_V4.into(), options.ports))?;
    check()?;
    let events = sensor.stop()?;
    say(out, &report::table(&visits, &sweep, &events, bold))?;
    if options.events {
        say(out, &report::list(&events))?;
    }
    drop(pair);
    say(out, "Engine, rules and both namespaces are gone again.\n")
}

fn say(out: &mut dyn Write, text: &str) -> Result<(), DemoError> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|source| DemoError::Io { what: "printing", source })
}

/// Set by Ctrl-C and SIGTERM: the demonstration ends in order and cleans up.
fn interrupt_flag() -> Result<Arc<AtomicBool>, DemoError> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&flag))
            .map_err(|source| DemoError::Io { what: "catching signals", source })?;
    }
    Ok(flag)
}
