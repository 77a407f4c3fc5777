//! Running the iptables commands.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use thiserror::Error;

use super::Family;

/// Options of every restore: keep what is there, and wait for the lock of the legacy variant, but not for ever
/// (seconds).
pub(super) const RESTORE_OPTIONS: [&str; 3] = ["--noflush", "-w", "5"];

/// Where the commands are when PATH does not say: `su` without `-` leaves these out.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Why the firewall could not be read or changed.
#[derive(Debug, Error)]
pub enum Error {
    /// The command is not installed.
    #[error("{program} is not installed: install it, for example with `apt-get install iptables`")]
    Missing {
        /// The command.
        program: String,
    },
    /// We are not root, or root without CAP_NET_ADMIN as in a container.
    #[error("{program} may not change the firewall: run as root; in a container, with `--cap-add NET_ADMIN` ({cause})")]
    NotPermitted {
        /// The command.
        program: String,
        /// What it said.
        cause: String,
    },
    /// Somebody else holds the lock.
    #[error("{program} waited in vain for the firewall lock: another iptables is running, try again when it is done")]
    Locked {
        /// The command.
        program: String,
    },
    /// The kernel did not take the rules.
    #[error(
        "{program} refused the rules: {cause}; the kernel needs xt_NFQUEUE, xt_conntrack and xt_multiport (`modprobe`); \
         `glutton-nfq check` works without"
    )]
    Refused {
        /// The command.
        program: String,
        /// What it said.
        cause: String,
    },
    /// Somebody else's routes are in the table that is to be ours.
    #[error("routing table {table} has routes already: name another in `engine.capture_table`")]
    TableInUse {
        /// Number of the table.
        table: u32,
    },
    /// An earlier routing rule takes what ours is for.
    #[error(
        "packets to {network} would not reach this host: a routing rule before priority {priority} takes them (`ip rule`); \
         give a lower `engine.capture_priority`"
    )]
    RoutedElsewhere {
        /// The captured network.
        network: String,
        /// Of our rule.
        priority: u32,
    },
    /// The command was killed.
    #[error("{program} was killed")]
    Killed {
        /// The command.
        program: String,
    },
    /// The command could not be run or failed otherwise.
    #[error("{program} failed: {cause}")]
    Failed {
        /// The command.
        program: String,
        /// What it or the system said.
        cause: String,
    },
}

/// Which backend a command speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Nft,
    Legacy,
}

/// One of the iptables, by the name that all its commands begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool {
    name: String,
}

impl Tool {
    /// The one that the system has chosen for this family.
    pub(super) fn of(family: Family) -> Self {
        Self { name: family.program().to_owned() }
    }

    /// Both variants of the family under their own names; either may be missing.
    pub(super) fn variants(family: Family) -> [Self; 2] {
        ["nft", "legacy"].map(|variant| Self { name: format!("{}-{variant}", family.program()) })
    }

    /// Asks for the version.
    pub(super) fn variant(&self) -> Result<Variant, Error> {
        let output = run(&self.name, &["--version"], "")?;
        Ok(if output.contains("(nf_tables)") { Variant::Nft } else { Variant::Legacy })
    }

    /// Every table in use, as text.
    pub(super) fn save(&self) -> Result<String, Error> {
        run(&format!("{}-save", self.name), &[], "")
    }

    /// One table, as text.
    pub(super) fn save_table(&self, table: &str) -> Result<String, Error> {
        run(&format!("{}-save", self.name), &["-t", table], "")
    }

    /// Has `rules` parsed without effect, then takes them over; each table as a whole or not at all.
    pub(super) fn restore(&self, rules: &str) -> Result<(), Error> {
        let program = format!("{}-restore", self.name);
        let [noflush, wait, seconds] = RESTORE_OPTIONS;
        let refused = |error| match error {
            Error::Failed { program, cause } => Error::Refused { program, cause },
            other => other,
        };
        run(&program, &["--test", noflush, wait, seconds], rules).map_err(refused)?;
        run(&program, &RESTORE_OPTIONS, rules).map_err(refused).map(|_| ())
    }

    /// Empties a table. The nft variant deletes it, which no other of its commands does.
    pub(super) fn flush_table(&self, table: &str) -> Result<(), Error> {
        let [_, wait, seconds] = RESTORE_OPTIONS;
        run(&format!("{}-restore", self.name), &[wait, seconds], &format!("*{table}\nCOMMIT\n")).map(|_| ())
    }
}

/// Runs the command with `input` on its standard input; gives its standard output.
pub(super) fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, Error> {
    log::debug!("{program} {}\n{input}", arguments.join(" "));
    let output = output(program, arguments, input).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::Missing { program: program.to_owned() },
        io::ErrorKind::PermissionDenied => not_permitted(program, error.to_string()),
        _ => Error::Failed { program: program.to_owned(), cause: error.to_string() },
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failure(program, &output))
}

fn output(program: &str, arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", search_path())
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that ended early says why on its standard error: a broken pipe adds nothing to that.
        stdin.write_all(input.as_bytes()).or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        })?;
    }
    child.wait_with_output()
}

fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(SYSTEM_DIRECTORIES.map(Into::into));
    env::join_paths(directories).unwrap_or(path)
}

/// Makes one line of what the command complained about.
fn failure(program: &str, output: &Output) -> Error {
    let text = String::from_utf8_lossy(&output.stderr);
    let hint = |line: &&str| !line.is_empty() && !line.starts_with("Try `") && !line.starts_with("# Warning");
    let cause = text.lines().map(str::trim).filter(hint).collect::<Vec<_>>().join(", ");
    let cause = if cause.is_empty() { output.status.to_string() } else { cause };
    let program = program.to_owned();
    if output.status.signal().is_some() {
        Error::Killed { program }
    } else if cause.contains("xtables lock") || cause.contains("Resource temporarily unavailable") {
        Error::Locked { program }
    } else if ["Permission denied", "Operation not permitted", "must be root"].iter().any(|s| cause.contains(s)) {
        not_permitted(&program, cause)
    } else {
        Error::Failed { program, cause }
    }
}

fn not_permitted(program: &str, cause: String) -> Error {
    Error::NotPermitted { program: program.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_command_is_named_with_the_mend() {
        let error = Tool { name: "glutton-nfq-no-such-iptables".to_owned() }.variant().unwrap_err();
        assert!(error.to_string().contains("apt-get install iptables"), "{error}");
    }
}
