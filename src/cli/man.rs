//! `man`: the manual page.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_mangen::Man;

use super::Cli;

/// Prints the manual page, section 8, in roff.
///
/// # Errors
/// `out` cannot be written to.
pub fn print(mut out: &mut dyn Write) -> io::Result<()> {
    Man::new(Cli::command()).section("8").render(&mut out)
}
