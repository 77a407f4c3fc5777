//! Parse the arguments, run, exit.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use env_logger::Env;
use glutton_nfq::cli::reload::ReloadError;
use glutton_nfq::cli::{self, Cli, Command, RunOptions, demo, handlers, man};
use glutton_nfq::clock::Timestamp;
use glutton_nfq::config::Config;
use glutton_nfq::handlers::{Guise, Persona, Registry};
use glutton_nfq::run::{self, Sensor};
use glutton_nfq::{control, firewall};
use log::LevelFilter;

/// Failed at run time.
const FAILED: u8 = 1;
/// Bad usage, configuration or rules; clap exits with the same.
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // RUST_LOG, where set, is more precise than -v.
    let mut log = env_logger::Builder::new();
    // What visitors do wrong in TLS is in the events: one line each on standard error would be theirs to fill.
    log.filter_level(cli.log_level()).filter_module("rustls", LevelFilter::Error);
    log.format_target(false).parse_env(Env::default()).init();
    match execute(cli.into_command()) {
        Ok(code) => code,
        Err(error) if reader_has_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when this fails.
            let what = if error.is::<io::Error>() { "cannot write to standard output: " } else { "" };
            let _ = writeln!(io::stderr(), "glutton-nfq: {what}{}", with_causes(&error));
            ExitCode::from(if error.is::<cli::Error>() { BAD_USAGE } else { FAILED })
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    match command {
        Command::Run(args) => run(&args.options()?, &mut out)?,
        Command::Check(args) => match args.check(handler_names) {
            Ok(checked) => checked.print(&mut out, &mut io::stderr())?,
            Err(error) => {
                args.print_error(error, &mut out)??;
                return Ok(ExitCode::from(BAD_USAGE));
            }
        },
        Command::Reload(args) => writeln!(out, "{}", args.reload().map_err(reload_error)?)?,
        Command::Handlers => handlers::print(Registry::builtin().entries().map(handlers::Row::from), &mut out)?,
        Command::Clean => {
            if let Some(engine) = control::running()? {
                anyhow::bail!("{engine} runs here: end it, and it removes its rules itself");
            }
            let removed = firewall::sweep()?;
            writeln!(out, "{removed}")?;
        }
        Command::Demo(options) => {
            let bold = out.is_terminal();
            demo::run(&options, &mut out, bold)?;
        }
        Command::Match(args) => args.print(&mut out)?,
        Command::Explain(args) => args.print(&mut out)?,
        Command::Replay(args) => args.print(&mut out)?,
        Command::Completions(args) => args.print(&mut out)?,
        Command::Man => man::print(&mut out)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn run(options: &RunOptions, out: &mut impl Write) -> anyhow::Result<()> {
    let sensor =
        Sensor { rule_file: options.rules.clone(), ..Sensor::new(options.config.clone(), options.load_rules()?) };
    if options.dry_run {
        write!(out, "{}", sensor.dry_run()?)?;
        return Ok(());
    }
    match sensor.run() {
        Err(run::Error::Handlers(error)) => Err(cli::Error::Handlers(error.into()).into()),
        Err(run::Error::Identity(run::IdentityError::Persona(error))) => Err(cli::Error::Handlers(error.into()).into()),
        outcome => Ok(outcome?),
    }
}

/// What is wrong with usage or rules counts as that, whoever found it.
fn reload_error(error: ReloadError) -> anyhow::Error {
    match error {
        ReloadError::Usage(error) => error.into(),
        other => other.into(),
    }
}

/// Names of the handlers under this configuration, for `check`.
fn handler_names(config: &Config) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
    let mut registry = Registry::builtin();
    let persona = Arc::new(Persona::draw(&config.events.sensor_id, Timestamp::default(), &config.persona)?);
    let guise = Guise { persona, ..Guise::example() };
    registry.configure(&config.handlers, config.server.max_tcp_payload, &guise)?;
    Ok(registry.names().map(str::to_owned).collect())
}

/// `glutton-nfq man | head` is no failure.
fn reader_has_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// The message and those of its causes that it does not repeat itself.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}
