//! `reload`: tells the running engine to read its rule file again, and says what came of it.

use std::path::PathBuf;

use clap::Args;

use super::{Error, Settings};
use crate::control::{self, Answer, CallError};

const EXAMPLES: &str = "\
Examples:
  sudo glutton-nfq reload
          Read the rule file and its lists again; if they are wrong, say so and go on with the old rules
  sudo glutton-nfq reload --queue-num 8
          The same for an engine that runs with --queue-num 8";

/// Flags of `reload`: they find the engine.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ReloadArgs {
    /// Configuration file that the engine was started with, for its queue number
    #[arg(short, long, value_name = "CONFIG")]
    config: Option<PathBuf>,

    /// Number of the engine's first queue
    #[arg(long, value_name = "N")]
    queue_num: Option<u16>,
}

/// Why the rules were not reloaded.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Flags or rules are wrong.
    #[error(transparent)]
    Usage(#[from] Error),
    /// There is no engine to be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The engine could not do it.
    #[error("{0}")]
    Failed(String),
}

impl ReloadArgs {
    /// Asks the engine; gives what it says.
    ///
    /// # Errors
    /// The new rules are wrong, and the old ones go on; or there is no engine; or it failed.
    pub fn reload(&self) -> Result<String, ReloadError> {
        let settings = Settings { config: self.config.clone(), queue_num: self.queue_num, ..Settings::default() };
        let queue_num = settings.to_config()?.engine.queue_num;
        match control::call(queue_num, "reload")? {
            Answer { code: 0, text } => Ok(text),
            Answer { code: 2, text } => Err(Error::Refused(text).into()),
            Answer { text, .. } => Err(ReloadError::Failed(text)),
        }
    }
}
