//! The engine live, in network namespaces: how fast it is beside the same work without it.
//!
//! `cargo bench --bench live` (as root, five to six minutes); `-- --quick` for a short look; `-- bulk flood` for some groups of
//! figures only (decide, bulk, kernel, flood, sessions, http, c-loop, siege, queues). `GLUTTON_NFQ=PATH` measures another build of the binary. It touches
//! nothing of the host's network. Every figure is a ratio within one run, the median of eleven rounds A B A B after one that does not
//! count; a table says whether it reaches its goal, and `target/bench/live.json` has every round.
//!
//! ```text
//!   pair of namespaces "queued":  load ---> engine (the shipped binary, a process of its own)
//!   pair of namespaces "bare":    load ---> the same service unqueued, or a peer on the same queue
//! ```
//! Load generators are threads of this program. On two cores they and the engine share what there is: a figure says what the whole
//! machine does, not what the engine could do alone.

mod bulk;
mod datagrams;
mod decide;
mod direct;
#[path = "../fixture/mod.rs"]
mod fixture;
mod flood;
mod http;
mod kernel;
mod pace;
mod peer;
mod process;
mod queues;
mod report;
mod sessions;
mod siege;
mod spoofed;
#[path = "../fixture/timing.rs"]
mod timing;
mod visitors;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use report::Figure;

/// What is asked for on the command line.
struct Options {
    quick: bool,
    names: Vec<String>,
}

impl Options {
    fn parse(args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { quick: false, names: Vec::new() };
        for arg in args {
            match arg.as_str() {
                "--quick" => options.quick = true,
                // What cargo says to every bench.
                "--bench" => {}
                name if GROUPS.iter().any(|(group, _)| *group == name) => options.names.push(arg),
                other => bail!("{other}? This takes --quick and any of: {}", GROUPS.map(|(group, _)| group).join(", ")),
            }
        }
        Ok(options)
    }

    /// Time of one bulk transfer.
    const fn transfer(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 700 })
    }

    /// Time of one flood.
    const fn flood(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 1_000 })
    }

    /// Time of one flood from forged sources.
    const fn siege(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 700 })
    }

    /// Visits of one round.
    const fn visits(&self) -> usize {
        if self.quick { 2_000 } else { 10_000 }
    }

    fn wants(&self, group: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name == group)
    }
}

type Measure = fn(&Options) -> Result<Vec<Figure>>;

const GROUPS: [(&str, Measure); 9] = [
    ("decide", |_| decide::measure()),
    ("bulk", bulk::measure),
    ("kernel", kernel::measure),
    ("flood", flood::measure),
    ("sessions", sessions::measure),
    ("http", http::measure),
    ("c-loop", flood::measure_c),
    ("siege", siege::measure),
    ("queues", queues::measure),
];

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "live bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Measures what is asked for; false when a group could not be measured. A missed goal is a line of the table and no failure:
/// machines differ.
fn run() -> Result<bool> {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if_eq(peer::NFQ_LOOP).is_some() {
        return peer::serve_nfq_loop().map(|()| true);
    }
    if args.next_if_eq(direct::DIRECT).is_some() {
        return direct::serve(args).map(|()| true);
    }
    let options = Options::parse(args)?;
    report::show_head()?;
    let (mut figures, mut complete) = (Vec::new(), true);
    for (group, measure) in GROUPS {
        if !options.wants(group) {
            continue;
        }
        match measure(&options) {
            Ok(measured) => {
                measured.iter().try_for_each(report::show)?;
                figures.extend(measured);
            }
            // A peer that cannot be built is no reason to leave the other figures out.
            Err(error) => {
                complete = false;
                say(&format!("{group}: {error:#}"))?;
            }
        }
    }
    let path = report::write_json(&figures, &output_dir())?;
    say(&format!("written to {}", path.display()))?;
    Ok(complete)
}

/// `target/bench`.
fn output_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench")
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
