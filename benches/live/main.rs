//! The engine live, in network namespaces: how fast it is beside the same work without it.
//!
//! `cargo bench --bench live` (as root, about three minutes); `-- --quick` for a short look; `-- bulk flood sessions decide` for some figures
//! only. It touches nothing of the host's network. Every figure is a ratio within one run, the median of five rounds A B A B; a table
//! says whether it reaches its goal, and `target/bench/live.json` has every round.
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
#[path = "../fixture/mod.rs"]
mod fixture;
mod flood;
mod process;
mod report;
mod sessions;
mod visitors;

use std::io::{self, Write};
use std::path::Path;
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
        Duration::from_millis(if self.quick { 300 } else { 1_500 })
    }

    /// Time of one flood.
    const fn flood(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 2_000 })
    }

    /// Visits of one round.
    const fn visits(&self) -> usize {
        if self.quick { 2_000 } else { 20_000 }
    }

    fn wants(&self, group: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name == group)
    }
}

type Measure = fn(&Options) -> Result<Vec<Figure>>;

const GROUPS: [(&str, Measure); 4] = [
    ("decide", |_| decide::measure()),
    ("bulk", bulk::measure),
    ("flood", flood::measure),
    ("sessions", sessions::measure),
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

/// Measures what is asked for; false when a goal was missed.
fn run() -> Result<bool> {
    let mut args = std::env::args().skip(1).peekable();
    if args.peek().is_some_and(|arg| arg == flood::NFQ_LOOP) {
        flood::nfq_loop()?;
    }
    let options = Options::parse(args)?;
    report::show_head()?;
    let mut figures = Vec::new();
    for (group, measure) in GROUPS {
        if options.wants(group) {
            for figure in measure(&options)? {
                report::show(&figure)?;
                figures.push(figure);
            }
        }
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    let path = report::write_json(&figures, &target)?;
    say(&format!("written to {}", path.display()))?;
    Ok(figures.iter().all(|figure| figure.passes() != Some(false)))
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
