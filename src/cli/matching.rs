//! `match`: which packets of a capture a filter takes.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use super::Error;
use super::input::{CaptureFailed, open_capture};
use crate::capture::{CaptureError, Record};
use crate::rules::RuleErrors;
use crate::rules::filter::{Filter, Input};

const EXAMPLES: &str = "\
Examples:
  glutton-nfq match 'tcp port 23 and src net 192.0.2.0/24' capture.pcap
          Print the numbers of the packets, from 1, one a line
  tcpdump -w - -c 100 | glutton-nfq match --count 'udp' -
          Count the packets of a capture on standard input

Numbers count every frame of the file, as tcpdump and Wireshark do. What matches is what
`tcpdump -r FILE EXPR` prints, as far as it is IP: `len` counts the link layer of the file, too.
A frame without IP never matches; a VLAN tag is taken off.";

/// Flags of `match`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct MatchArgs {
    /// Filter, in the language of tcpdump
    #[arg(value_name = "EXPR")]
    expression: String,

    /// Capture file, pcap or pcapng; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print how many packets match, not their numbers
    #[arg(long)]
    count: bool,
}

impl MatchArgs {
    /// Prints what matches; of a damaged capture, what matches before the damage.
    ///
    /// # Errors
    /// [`Error`] if the expression is wrong, [`CaptureFailed`] if the capture is, [`std::io::Error`] if `out` cannot be written
    /// to.
    pub fn print(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let filter = Filter::parse(&self.expression)
            .map_err(|error| Error::Filter(RuleErrors::of_filter("EXPR", &self.expression, &error)))?;
        let mut capture = open_capture(&self.file)?;
        let mut out = BufWriter::new(out);
        let mut count = 0_u64;
        let end: Result<(), CaptureError> = loop {
            match capture.next_record() {
                Ok(Some(record)) if is_taken(&filter, &record) => {
                    count += 1;
                    if !self.count {
                        writeln!(out, "{}", record.number)?;
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if self.count {
            writeln!(out, "{count}")?;
        }
        out.flush()?;
        Ok(end.map_err(|error| CaptureFailed::new(&self.file, error))?)
    }
}

/// The packet as tcpdump would have shown it to its filter.
fn is_taken(filter: &Filter, record: &Record<'_>) -> bool {
    record.packet.is_some_and(|packet| filter.matches(&Input { bytes: packet.padded, wire_len: packet.frame_len }))
}
