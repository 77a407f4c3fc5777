//! The command line: flags, subcommands, and what they print.
//!
//! Owns the words a person types. Flag types have no side effects: they are parsed into plain data, and turned into a [`Config`] or an
//! action afterwards. One subcommand a file. Refuses to do what a room below can do.
//!
//! [`Config`]: crate::config::Config

pub mod check;
pub mod completions;
pub mod demo;
mod diagnostic;
mod error;
pub mod explain;
pub mod handlers;
mod input;
pub mod man;
pub mod matching;
mod offline;
pub mod reload;
pub mod replay;
mod run;
mod settings;

use clap::{ArgAction, Parser, Subcommand};
use log::LevelFilter;

pub use error::Error;
pub use input::CaptureFailed;
pub use run::{RunArgs, RunOptions};
pub use settings::Settings;

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed at run time, 2 bad usage, configuration or rules.";

const AFTER_LONG_HELP: &str = "\
Examples:
  sudo glutton-nfq
          Run the embedded default rules on the interface of the default route
  sudo glutton-nfq -r rules.yml -i eth0 -l /var/log/events.jsonl
          Run own rules on one interface and keep the events in a file
  glutton-nfq -r rules.yml --dry-run
          Print the firewall rules that a run would install, and change nothing
  glutton-nfq check -r rules.yml -c glutton-nfq.toml
          Validate rules and configuration
  glutton-nfq check --show-config > glutton-nfq.toml
          Write a configuration with every key, its meaning and its default
  glutton-nfq match 'tcp port 23 and src net 192.0.2.0/24' capture.pcap
          Print the numbers of the packets that a filter takes
  glutton-nfq explain -r rules.yml 'tcp 1.2.3.4:5 > 10.0.0.1:23 syn'
          Say which rule takes this packet, and why not the ones before
  glutton-nfq replay -r rules.yml capture.pcap -w rewritten.pcap
          Say what these rules would have made of a capture
  sudo glutton-nfq reload
          Read the rule file again; if it is wrong, say so and go on with the old rules
  sudo glutton-nfq clean
          Remove firewall rules and routes that a killed run has left

Exit codes:
  0  done
  1  failed at run time
  2  bad usage, configuration or rules";

/// A userspace packet engine over NFQUEUE, with the honeypot that lives on it.
///
/// Without a subcommand it runs: iptables diverts packets into NFQUEUE, the first matching rule decides what becomes of a flow, handlers talk to
/// visitors, and everything that happens is written as JSON lines. What it installs in the firewall it removes at exit.
#[derive(Debug, Parser)]
#[command(name = "glutton-nfq", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    run: RunArgs,

    /// Say more on standard error: -v what is done, -vv why, -vvv everything
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the engine: what happens without a subcommand.
    #[command(skip)]
    Run(RunArgs),
    /// Validate rules and configuration, and change nothing
    Check(check::CheckArgs),
    /// Tell the running engine to read its rule file again
    Reload(reload::ReloadArgs),
    /// List the handlers that rules can name
    Handlers,
    /// Remove firewall rules and routes that a killed run has left
    Clean,
    /// Show attacker and sensor at work in network namespaces, without touching the host's network
    Demo(demo::Options),
    /// Print the numbers of the packets in a capture that a filter takes
    Match(matching::MatchArgs),
    /// Say which rule takes a packet, why not the ones before, and what becomes of it
    Explain(explain::ExplainArgs),
    /// Send a capture through the engine, offline, and say what each rule took
    Replay(replay::ReplayArgs),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page (roff)
    #[command(after_long_help = "Examples:\n  glutton-nfq man | man -l -\n          Read it")]
    Man,
}

impl Cli {
    /// What to do.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }

    /// How much is logged: warnings, and more with every `-v`.
    pub const fn log_level(&self) -> LevelFilter {
        match self.verbose {
            0 => LevelFilter::Warn,
            1 => LevelFilter::Info,
            2 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_subcommand_runs() {
        let Command::Run(args) = parse("glutton-nfq -r a.yml -i eth0 -i eth1 --dry-run").unwrap().into_command() else {
            panic!("no run");
        };
        let options = args.options().unwrap();
        assert_eq!(options.config.engine.interfaces, ["eth0", "eth1"]);
        assert_eq!(options.rules.as_deref(), Some(std::path::Path::new("a.yml")));
        assert!(options.dry_run);
    }

    #[test]
    fn flags_of_a_run_are_refused_before_a_subcommand() {
        assert!(parse("glutton-nfq --dry-run handlers").is_err());
        assert!(parse("glutton-nfq run").is_err(), "the run has no name");
    }

    #[test]
    fn every_v_says_more() {
        for (line, level) in [
            ("glutton-nfq", LevelFilter::Warn),
            ("glutton-nfq -v", LevelFilter::Info),
            ("glutton-nfq check -vv", LevelFilter::Debug),
            ("glutton-nfq -vvvvv", LevelFilter::Trace),
        ] {
            assert_eq!(parse(line).unwrap().log_level(), level, "{line}");
        }
    }
}
