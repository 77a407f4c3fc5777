//! `check`: are rules and configuration fit to run?

use std::error::Error as StdError;
use std::io::{self, Write};
use std::path::Path;

use clap::Args;

use super::{Error, Settings};
use crate::config::Config;

/// Flags of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    settings: Settings,

    /// Print the effective configuration, as a file that loads again
    #[arg(long)]
    show_config: bool,
}

/// What is said about a rule file that loads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleReport {
    /// How many rules there are.
    pub rules: usize,
    /// What is allowed but hardly meant, one line each.
    pub warnings: Vec<String>,
}

/// Loads the rule file (`None`: the embedded default) and looks at it in the light of the configuration.
pub type RuleCheck<'a> = dyn Fn(Option<&Path>, &Config) -> Result<RuleReport, Box<dyn StdError + Send + Sync>> + 'a;

impl CheckArgs {
    /// Reads everything that a run would read.
    ///
    /// # Errors
    /// Configuration, flags or rules are wrong.
    pub fn check(&self, rule_check: &RuleCheck<'_>) -> Result<Checked<'_>, Error> {
        let config = self.settings.to_config()?;
        let report = rule_check(self.settings.rules.as_deref(), &config).map_err(Error::Rules)?;
        Ok(Checked { args: self, config, report })
    }
}

/// Rules and configuration that are fit to run.
#[derive(Debug)]
pub struct Checked<'a> {
    args: &'a CheckArgs,
    config: Config,
    report: RuleReport,
}

impl Checked<'_> {
    /// Prints the summary or, when asked for, the configuration to `out`; warnings go to `err`, so that what is on `out` loads
    /// again.
    ///
    /// # Errors
    /// One of them cannot be written to.
    pub fn print(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
        for warning in &self.report.warnings {
            writeln!(err, "glutton-nfq: warning: {warning}")?;
        }
        if self.args.show_config {
            out.write_all(self.config.to_toml().as_bytes())
        } else {
            writeln!(out, "{}", self.summary())
        }
    }

    fn summary(&self) -> String {
        let Settings { rules, config, .. } = &self.args.settings;
        let name = |path: &Option<std::path::PathBuf>, none: &str| {
            path.as_ref().map_or_else(|| none.to_owned(), |path| path.display().to_string())
        };
        format!(
            "ok: {} from {}, configuration from {}, {}",
            counted(self.report.rules, "rule"),
            name(rules, "the embedded default"),
            name(config, "the defaults"),
            counted(self.report.warnings.len(), "warning"),
        )
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(show_config: bool) -> CheckArgs {
        CheckArgs { settings: Settings::default(), show_config }
    }

    fn printed(args: &CheckArgs) -> (String, String) {
        let report = RuleReport { rules: 1, warnings: vec!["rule #1 never matches".to_owned()] };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        args.check(&|_, _| Ok(report.clone())).unwrap().print(&mut out, &mut err).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn summary_is_one_line_and_warnings_are_apart() {
        let (out, err) = printed(&args(false));
        assert_eq!(out, "ok: 1 rule from the embedded default, configuration from the defaults, 1 warning\n");
        assert_eq!(err, "glutton-nfq: warning: rule #1 never matches\n");
    }

    #[test]
    fn shown_configuration_is_nothing_but_toml() {
        let (out, _) = printed(&args(true));
        assert_eq!(Config::parse(&out, Path::new("shown")).unwrap(), Config::default());
    }

    #[test]
    fn wrong_rules_are_bad_usage() {
        let args = args(false);
        let error = args.check(&|_, _| Err("rules.yml:1:1: no".into())).unwrap_err();
        assert_eq!(error.to_string(), "rules.yml:1:1: no");
    }
}
