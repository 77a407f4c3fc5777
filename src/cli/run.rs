//! The run itself, as asked for: what `glutton-nfq` without a subcommand hands on.

use std::path::PathBuf;

use clap::Args;

use super::settings::load_rules;
use super::{Error, Settings};
use crate::config::Config;
use crate::rules::RuleSet;

/// Flags of a run.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    #[command(flatten)]
    settings: Settings,

    /// Print what would be installed in the firewall, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What a run needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOptions {
    /// Validated: file and flags.
    pub config: Config,
    /// The rule file; `None` is the embedded default.
    pub rules: Option<PathBuf>,
    /// Only print what would be installed.
    pub dry_run: bool,
}

impl RunArgs {
    /// Reads the configuration file and lays the flags over it.
    ///
    /// # Errors
    /// File or flags are wrong.
    pub fn options(self) -> Result<RunOptions, Error> {
        Ok(RunOptions { config: self.settings.to_config()?, rules: self.settings.rules, dry_run: self.dry_run })
    }
}

impl RunOptions {
    /// Reads the rule file: at start, and again at every reload.
    ///
    /// # Errors
    /// The file cannot be read or its rules are wrong.
    pub fn load_rules(&self) -> Result<RuleSet, Error> {
        load_rules(self.rules.as_deref())
    }
}
