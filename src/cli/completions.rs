//! `completions`: what a shell needs to complete this command line.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

const EXAMPLES: &str = "\
Examples:
  glutton-nfq completions bash > /etc/bash_completion.d/glutton-nfq
  glutton-nfq completions zsh > /usr/local/share/zsh/site-functions/_glutton-nfq
  glutton-nfq completions fish > ~/.config/fish/completions/glutton-nfq.fish";

/// Flags of `completions`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints the completions.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        // By way of a buffer, because the generator panics when its output fails.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut text);
        out.write_all(&text)
    }
}
