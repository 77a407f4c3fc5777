//! `check`: are rules and configuration fit to run?

use std::error::Error as StdError;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::diagnostic::{self, Diagnostic};
use super::settings::load_rules;
use super::{Error, Settings};
use crate::config::Config;
use crate::host;
use crate::rules::{Surroundings, Warning};

const EXAMPLES: &str = "\
Examples:
  glutton-nfq check -r rules.yml -c glutton-nfq.toml
          Say what is wrong or doubtful, with line and column
  glutton-nfq check --show-config > glutton-nfq.toml
          Write a configuration with every key, its meaning and its default
  glutton-nfq check -r rules.yml --json
          For editors and CI";

/// Flags of `check`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct CheckArgs {
    #[command(flatten)]
    settings: Settings,

    /// Print the effective configuration, as a file that loads again
    #[arg(long)]
    show_config: bool,

    /// Print errors and warnings as JSON, for editors and CI
    #[arg(long, conflicts_with = "show_config")]
    json: bool,
}

impl CheckArgs {
    /// Prints what is wrong as JSON, if that is wanted; else gives it back, to be shown as any other error.
    ///
    /// # Errors
    /// The error itself.
    pub fn print_error(&self, error: Error, out: &mut dyn Write) -> Result<io::Result<()>, Error> {
        if self.json {
            Ok(writeln!(out, "{}", diagnostic::document(&diagnostic::of_error(&error))))
        } else {
            Err(error)
        }
    }

    /// Reads everything that a run would read. `handlers` lets the handlers read their tables of the configuration and says the
    /// names that rules can bind to.
    ///
    /// # Errors
    /// Configuration, flags or rules are wrong.
    pub fn check(
        &self,
        handlers: impl FnOnce(&Config) -> Result<Vec<String>, Box<dyn StdError + Send + Sync>>,
    ) -> Result<Checked<'_>, Error> {
        let config = self.settings.to_config()?;
        let names = handlers(&config).map_err(Error::Handlers)?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rules = load_rules(self.settings.rules.as_deref())?;
        let warnings = rules.warnings(&Surroundings {
            handlers: &names,
            server_ports: &[config.server.tcp_port, config.server.udp_port],
            addresses: &host::addresses(),
            ssh_port: host::ssh_port(),
        });
        Ok(Checked { args: self, config, rules: rules.rules().len(), warnings })
    }
}

/// Rules and configuration that are fit to run.
#[derive(Debug)]
pub struct Checked<'a> {
    args: &'a CheckArgs,
    config: Config,
    rules: usize,
    warnings: Vec<Warning>,
}

impl Checked<'_> {
    /// Prints the summary or, when asked for, the configuration to `out`; warnings go to `err`, so that what is on `out` loads
    /// again.
    ///
    /// # Errors
    /// One of them cannot be written to.
    pub fn print(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
        if self.args.json {
            let diagnostics: Vec<Diagnostic> = self.warnings.iter().map(Diagnostic::from).collect();
            return writeln!(out, "{}", diagnostic::document(&diagnostics));
        }
        for warning in &self.warnings {
            writeln!(err, "glutton-nfq: {warning}")?;
        }
        if self.args.show_config {
            out.write_all(self.config.to_toml().as_bytes())
        } else {
            writeln!(out, "{}", self.summary())
        }
    }

    fn summary(&self) -> String {
        let Settings { rules, config, .. } = &self.args.settings;
        let name = |path: &Option<PathBuf>, none: &str| {
            path.as_ref().map_or_else(|| none.to_owned(), |path| path.display().to_string())
        };
        format!(
            "ok: {} from {}, configuration from {}, {}",
            counted(self.rules, "rule"),
            name(rules, "the embedded default"),
            name(config, "the defaults"),
            counted(self.warnings.len(), "warning"),
        )
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A rule file that is right and names an unknown handler.
    fn args(dir: &tempfile::TempDir, show_config: bool) -> CheckArgs {
        let rules = dir.path().join("rules.yml");
        std::fs::write(&rules, "version: 1\nrules:\n  - {match: tcp, type: handler, target: tellnet}\n").unwrap();
        CheckArgs { settings: Settings { rules: Some(rules), ..Settings::default() }, show_config, json: false }
    }

    fn printed(args: &CheckArgs) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        args.check(|_| Ok(vec!["telnet".to_owned()])).unwrap().print(&mut out, &mut err).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn summary_is_one_line_and_warnings_are_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (out, err) = printed(&args(&dir, false));
        assert!(
            out.starts_with("ok: 1 rule from ") && out.ends_with("configuration from the defaults, 1 warning\n"),
            "{out}"
        );
        assert!(err.starts_with("glutton-nfq: ") && err.contains("telnet") && err.lines().count() == 1, "{err}");
    }

    #[test]
    fn shown_configuration_is_nothing_but_toml() {
        let dir = tempfile::tempdir().unwrap();
        let (out, _) = printed(&args(&dir, true));
        assert_eq!(Config::parse(&out, Path::new("shown")).unwrap(), Config::default());
    }

    #[test]
    fn refusal_of_a_handler_is_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let args = args(&dir, false);
        let error = args.check(|_| Err("[handlers.http]: unknown field".into())).unwrap_err();
        assert_eq!(error.to_string(), "[handlers.http]: unknown field");
    }

    #[test]
    fn json_tells_place_severity_and_mend_of_warnings_and_errors() {
        let dir = tempfile::tempdir().unwrap();
        let args = CheckArgs { json: true, ..args(&dir, false) };
        let (out, err) = printed(&args);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((value["ok"].clone(), err.as_str()), (true.into(), ""));
        assert_eq!(value["diagnostics"][0]["severity"], "warning");
        assert_eq!(value["diagnostics"][0]["line"], 3);
        assert_eq!(value["diagnostics"][0]["kind"], "unknown_handler");

        std::fs::write(args.settings.rules.as_ref().unwrap(), "rules:\n  - {match: dst prot 80, type: dorp}\n")
            .unwrap();
        let error = args.check(|_| Ok(Vec::new())).unwrap_err();
        let mut out = Vec::new();
        args.print_error(error, &mut out).unwrap().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["ok"], false);
        let [first, second] = value["diagnostics"].as_array().unwrap().as_slice() else {
            panic!("two errors: {value}")
        };
        assert_eq!((&first["line"], &first["column"], &first["end"]), (&2.into(), &17.into(), &21.into()));
        assert_eq!(first["suggestion"], "did you mean `port`?");
        assert_eq!((&first["severity"], &second["suggestion"]), (&"error".into(), &"did you mean `drop`?".into()));
    }
}
