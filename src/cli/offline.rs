//! The flags that the offline tools share: which rules, and which configuration.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Error;
use super::settings::load_rules;
use crate::config::{Config, ConfigError};
use crate::engine;
use crate::rules::RuleSet;

/// Stands for the port that a run reserves and keeps closed: tcpmux (RFC 1078), which nobody serves.
const CLOSED_PORT: u16 = 1;

/// Flags as typed.
#[derive(Debug, Clone, Args)]
pub(super) struct Offline {
    /// Rule file, YAML or TOML; without it the embedded default rules decide
    #[arg(short, long, value_name = "RULES")]
    rules: Option<PathBuf>,

    /// Configuration file, TOML
    #[arg(short, long, value_name = "CONFIG")]
    config: Option<PathBuf>,
}

impl Offline {
    /// The configuration and the rules.
    ///
    /// # Errors
    /// One of them is wrong.
    pub(super) fn load(&self) -> Result<(Config, Arc<RuleSet>), Error> {
        let config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
        config.validate().map_err(ConfigError::from)?;
        Ok((config, Arc::new(load_rules(self.rules.as_deref())?)))
    }
}

/// The ports that an engine of this configuration rewrites to.
pub(super) const fn settings(config: &Config) -> engine::Settings {
    engine::Settings {
        tcp_port: config.server.tcp_port,
        udp_port: config.server.udp_port,
        closed_tcp_port: CLOSED_PORT,
        closed_udp_port: CLOSED_PORT,
        kernel: engine::Kernel::NONE,
    }
}
