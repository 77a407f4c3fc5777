//! Sinks: where lines end up. One a file, all of them in [`SINKS`].
//!
//! A sink is opened before privileges are given up, then lives on its own thread behind its own bounded queue, so that a full disk or
//! a stopped terminal holds up nobody else.

mod file;
mod output;
mod stdout;
mod thread;

use std::io;
use std::sync::Arc;

use crate::config;

pub(super) use thread::SinkThread;

/// Some whole lines, each with its newline. Cloning costs a reference count.
#[derive(Debug, Clone)]
pub struct Block {
    bytes: Arc<[u8]>,
    lines: u64,
}

impl Block {
    /// A block of `lines` lines.
    pub(super) fn new(bytes: &[u8], lines: u64) -> Self {
        Self { bytes: bytes.into(), lines }
    }

    /// All lines as they are written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many they are.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Every line, without its newline.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
    }
}

/// Why a block was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Some lines are lost; the next block is tried again.
    #[error("{cause}")]
    Lost {
        /// Lines of the block that did not arrive whole.
        lines: u64,
        /// What the system said.
        cause: io::Error,
    },
    /// Nobody reads any more: the sink ends.
    #[error("its reader has gone")]
    Closed,
}

/// Somewhere to write lines to.
pub trait Sink: Send {
    /// Name for the operator: kind and place, such as `file /var/log/events.jsonl`.
    fn name(&self) -> String;

    /// Writes a block. May block: only this sink's own thread waits.
    ///
    /// # Errors
    /// [`WriteError::Lost`] when lines are lost and later ones may be tried, [`WriteError::Closed`] when nobody reads any more.
    fn write(&mut self, block: &Block) -> Result<(), WriteError>;

    /// The operator has moved the file away (SIGHUP): open it anew.
    ///
    /// # Errors
    /// What the system says; the sink goes on with what it had.
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The user that files are made for: who runs the engine after privileges are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A sink that was asked for and cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("events.{sink}: cannot open {place}: {cause}: {mend}")]
pub struct SinkError {
    /// Row of [`SINKS`].
    pub sink: &'static str,
    /// The file or address.
    pub place: String,
    /// What the system said.
    pub cause: io::Error,
    /// What the operator can do.
    pub mend: &'static str,
}

/// An open sink, or `None` when the configuration does not ask for it.
pub type Opened = Result<Option<Box<dyn Sink>>, SinkError>;

/// A row of [`SINKS`].
#[derive(Debug)]
pub struct SinkKind {
    /// Its table in the configuration: `[events.NAME]`.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Opens it.
    pub open: fn(&config::Events, Option<Owner>) -> Opened,
}

/// Every sink there is.
pub const SINKS: &[SinkKind] = &[stdout::KIND, file::KIND];

/// Opens every sink that the configuration asks for. New files are given to `owner`.
///
/// # Errors
/// The first sink that cannot be opened, and what the operator can do about it.
pub fn open_sinks(events: &config::Events, owner: Option<Owner>) -> Result<Vec<Box<dyn Sink>>, SinkError> {
    SINKS.iter().filter_map(|kind| (kind.open)(events, owner).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sink_has_a_name_of_its_own_a_summary_and_settings() {
        for (row, kind) in SINKS.iter().enumerate() {
            assert!(SINKS[..row].iter().all(|other| other.name != kind.name), "{} twice", kind.name);
            assert!(!kind.summary.is_empty() && !kind.summary.ends_with('.'), "{}", kind.name);
            let section = format!("events.{}", kind.name);
            assert!(config::SETTINGS.iter().any(|setting| setting.section == section), "no setting in [{section}]");
        }
    }

    #[test]
    fn sinks_that_nobody_asked_for_stay_closed() {
        let nothing = config::Events { stdout: false, ..config::Events::default() };
        assert!(open_sinks(&nothing, None).unwrap().is_empty());
        assert_eq!(open_sinks(&config::Events::default(), None).unwrap().len(), 1, "stdout by default");
    }

    #[test]
    fn a_block_is_cut_into_its_lines() {
        let block = Block::new(b"{\"a\":1}\n{\"b\":2}\n", 2);
        assert_eq!(block.iter().collect::<Vec<_>>(), [b"{\"a\":1}", b"{\"b\":2}"]);
        assert_eq!(block.iter().count() as u64, block.lines());
    }
}
