//! `match`: which packets of a capture a filter takes.

use std::path::PathBuf;

use clap::Args;

/// Flags of `match`.
#[derive(Debug, Clone, Args)]
pub struct MatchArgs {
    /// Filter, in the language of tcpdump
    #[arg(value_name = "EXPR")]
    pub expression: String,

    /// Capture file, pcap
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Print how many packets match, not their numbers
    #[arg(long)]
    pub count: bool,
}
