//! The flags that a run and a check share: which rules, which configuration, and what overrides it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Error;
use crate::config::{Config, ConfigError, Fault};
use crate::rules::{LoadError, RuleSet};

/// Flags as typed.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// Rule file, YAML or TOML; without it the embedded default rules run
    #[arg(short, long, value_name = "RULES")]
    pub rules: Option<PathBuf>,

    /// Interface whose traffic is diverted, can be repeated; without it the one of the default route
    #[arg(short, long = "interface", value_name = "IFACE")]
    pub interfaces: Vec<String>,

    /// Configuration file, TOML
    #[arg(short, long, value_name = "CONFIG")]
    pub config: Option<PathBuf>,

    /// Append events to this file, one JSON object a line
    #[arg(short = 'l', long = "log", value_name = "EVENTS.jsonl")]
    pub events: Option<PathBuf>,

    /// Number of worker threads, two queues each: one for answered flows, one for first packets; 0 or absent: one for each CPU, at most 16
    #[arg(long, value_name = "N")]
    pub queues: Option<u16>,

    /// Number of the first queue; it and the following ones, two for each worker, must be free
    #[arg(long, value_name = "N")]
    pub queue_num: Option<u16>,
}

impl Settings {
    /// The configuration file, or the defaults, with these flags over it.
    ///
    /// # Errors
    /// The file or a flag is wrong, or they contradict each other.
    pub fn to_config(&self) -> Result<Config, Error> {
        let mut config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
        if !self.interfaces.is_empty() {
            set(&mut config, "--interface", "engine.interfaces", self.interfaces.clone())?;
        }
        if let Some(queues) = self.queues {
            set(&mut config, "--queues", "engine.queues", i64::from(queues))?;
        }
        if let Some(queue_num) = self.queue_num {
            set(&mut config, "--queue-num", "engine.queue_num", i64::from(queue_num))?;
        }
        if let Some(events) = &self.events {
            config.events.file = Some(events.clone());
        }
        config.validate().map_err(ConfigError::from)?;
        Ok(config)
    }
}

/// The rules of this file; `None` is the embedded default.
///
/// # Errors
/// The file cannot be read or its rules are wrong.
pub(super) fn load_rules(path: Option<&Path>) -> Result<RuleSet, Error> {
    Ok(match path {
        Some(path) => RuleSet::load(path)?,
        None => RuleSet::embedded_default().map_err(LoadError::from)?,
    })
}

/// A refusal names the flag, which is what was typed, and not the key behind it.
fn set(config: &mut Config, flag: &str, key: &str, value: impl Into<toml::Value>) -> Result<(), Error> {
    config.set(key, &value.into()).map_err(|fault| Error::Flag(Fault { key: flag.to_owned(), ..fault }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_override_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "[engine]\nqueues = 2\nqueue_num = 7\ninterfaces = [\"eth9\"]\n").unwrap();
        let settings = Settings {
            config: Some(file),
            queues: Some(4),
            interfaces: vec!["eth0".to_owned()],
            events: Some("e.jsonl".into()),
            ..Settings::default()
        };
        let config = settings.to_config().unwrap();
        assert_eq!((config.engine.queues, config.engine.queue_num), (4, 7));
        assert_eq!(config.engine.interfaces, ["eth0"]);
        assert_eq!(config.events.file, Some("e.jsonl".into()));
    }

    #[test]
    fn refused_flag_is_named_as_it_was_typed() {
        let many = Settings { queues: Some(65), ..Settings::default() };
        assert_eq!(many.to_config().unwrap_err().to_string(), "--queues = 65: out of range: give 0 to 64");
        let contradiction = Settings { queue_num: Some(65_535), ..Settings::default() };
        assert!(contradiction.to_config().unwrap_err().to_string().contains("go past queue 65535"));
        let nameless = Settings { interfaces: vec![String::new()], ..Settings::default() };
        assert!(nameless.to_config().unwrap_err().to_string().starts_with("--interface"));
    }
}
