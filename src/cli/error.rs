//! What the command line reports, with its exit code.

use std::error::Error as StdError;

use crate::config::{ConfigError, Fault};
use crate::rules::{LoadError, RuleErrors};

/// Bad usage, configuration or rules: exit code 2. Whatever else goes wrong is a failure at run time: exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag has a value that cannot be.
    #[error("{0}")]
    Flag(Fault),
    /// The configuration file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The rule file is wrong.
    #[error(transparent)]
    Rules(#[from] LoadError),
    /// A filter given as an argument is wrong.
    #[error(transparent)]
    Filter(#[from] RuleErrors),
    /// An argument is well-formed and cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// The running engine refuses the rules; the text is its own.
    #[error("{0}")]
    Refused(String),
    /// A handler refuses its table of the configuration.
    #[error("{0}")]
    Handlers(Box<dyn StdError + Send + Sync>),
}
