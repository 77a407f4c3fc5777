//! `replay`: a whole capture through the real engine, offline.

mod progress;
mod report;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Error;
use super::input::{BUFFER, CaptureFailed, is_standard_input, open};
use super::offline::{Offline, settings};
use crate::capture::{Capture, CaptureError, Writer};
use crate::replay::{GUESS_BYTES, Options, Replay, guess_hosts};
use progress::{Counted, Progress};
use report::Shown;

const EXAMPLES: &str = "\
Examples:
  glutton-nfq replay -r rules.yml capture.pcap
          Say what these rules would have made of this traffic
  glutton-nfq replay -r rules.yml capture.pcap -w rewritten.pcap
          And write the packets as they would have gone on (raw IP)
  glutton-nfq replay -r rules.yml --host 192.0.2.10 --host 2001:db8::10 --json capture.pcap
          Name the sensor's addresses; print JSON

What a host of the capture sent is outbound, anything else is inbound. Answers keep the endpoints
that the client saw; they belong to the flow that they answer, and those to dropped packets are
dropped. The capture's own time is the clock: the same capture and rules give the same output, to
the byte.";

/// Flags of `replay`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ReplayArgs {
    #[command(flatten)]
    offline: Offline,

    /// Capture file, pcap or pcapng; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Address of the sensor in the capture, can be repeated; without it the most dialled one of each IP version
    #[arg(long = "host", value_name = "ADDRESS")]
    hosts: Vec<IpAddr>,

    /// Write the packets as they go on, rewritten where they are, as pcap of raw IP
    #[arg(short, long, value_name = "OUT.pcap")]
    write: Option<PathBuf>,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl ReplayArgs {
    /// Replays the capture and prints the accounts; of a damaged capture, those of what comes before the damage.
    ///
    /// # Errors
    /// [`Error`] if rules or configuration are wrong, [`CaptureFailed`] if the capture is, otherwise an output cannot be
    /// written to.
    pub fn print(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (config, rules) = self.offline.load()?;
        let failed = |error| CaptureFailed::new(&self.file, error);
        let mut file = open(&self.file)?;
        let (hosts, beginning) = self.hosts(&mut file).map_err(|error| failed(error.into()))?;
        let (counted, read) = Counted::new(beginning.chain(file));
        let mut capture = Capture::new(BufReader::with_capacity(BUFFER, counted)).map_err(failed)?;
        let mut writer = self.writer()?;
        let replay = Replay::new(Options {
            rules,
            settings: settings(&config),
            timeouts: config.engine.timeouts,
            max_flows: config.engine.max_flows,
            hosts: hosts.iter().copied().collect(),
        });
        let mut replay = replay.limiting_sources(&config.engine);
        let progress = Progress::new(&self.file, read);
        let end =
            pump(&mut capture, &mut replay, writer.as_mut(), progress).map_err(|error| self.cannot_write(&error))?;
        if let Some(writer) = writer {
            writer.finish().map_err(|error| self.cannot_write(&error))?;
        }
        let shown = Shown { hosts: &hosts, guessed: self.hosts.is_empty(), report: &replay.finish() };
        let mut out = BufWriter::new(out);
        if self.json {
            shown.print_json(&mut out)?
        } else {
            shown.print_table(&mut out)?
        }
        out.flush()?;
        Ok(end.map_err(failed)?)
    }

    /// The sensor's addresses, and what had to be read of the capture to guess them.
    fn hosts(&self, file: &mut impl Read) -> io::Result<(Vec<IpAddr>, io::Cursor<Vec<u8>>)> {
        if !self.hosts.is_empty() {
            return Ok((self.hosts.clone(), io::Cursor::default()));
        }
        let mut beginning = Vec::new();
        file.take(GUESS_BYTES).read_to_end(&mut beginning)?;
        Ok((guess_hosts(&beginning), io::Cursor::new(beginning)))
    }

    fn writer(&self) -> anyhow::Result<Option<Writer<BufWriter<File>>>> {
        let Some(path) = &self.write else { return Ok(None) };
        if is_same_file(path, &self.file) {
            let name = path.display();
            return Err(Error::Usage(format!("-w {name} is the capture itself: name another file")).into());
        }
        let cannot = |error| self.cannot_write(&error);
        let file = File::create(path).map_err(cannot)?;
        Ok(Some(Writer::new(BufWriter::with_capacity(BUFFER, file)).map_err(cannot)?))
    }

    fn cannot_write(&self, error: &io::Error) -> anyhow::Error {
        let path = self.write.as_deref().unwrap_or(Path::new(""));
        anyhow::anyhow!("cannot write {}: {error}: give -w a file in a directory with room", path.display())
    }
}

/// From capture to writer, whose error is the outer one; what ended the capture early, if anything, is the inner.
fn pump<R: Read, W: Write>(
    capture: &mut Capture<R>,
    replay: &mut Replay,
    mut writer: Option<&mut Writer<W>>,
    mut progress: Progress,
) -> io::Result<Result<(), CaptureError>> {
    loop {
        let record = match capture.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        progress.at(record.number);
        let goes_on = replay.record(&record);
        if let (Some(writer), Some(bytes), Some(packet)) = (writer.as_mut(), goes_on, record.packet) {
            writer.write(record.time, bytes, packet.wire_len)?;
        }
    }
}

/// Whether writing to `out` would destroy `input`.
fn is_same_file(out: &Path, input: &Path) -> bool {
    if is_standard_input(input) {
        return false;
    }
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    identity(input).is_some_and(|input| identity(out) == Some(input))
}
