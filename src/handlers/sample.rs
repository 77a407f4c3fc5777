//! Files that visitors bring or name: a handler says what it saw, the server stores and fetches.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::recording::with_text;
use crate::events::Event;

/// Characters of a URL in `msg`.
const SHOWN_OF_URL: usize = 200;

/// A file that arrived inline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// What the visitor calls it: a path, as a rule. Never used as a path here.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// SHA-256 of the content.
    pub hash: [u8; 32],
}

impl Sample {
    /// A file of this name and content.
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        let hash = Sha256::digest(&bytes).into();
        Self { name: name.to_owned(), bytes, hash }
    }

    /// The `download` event of a file that arrived inline.
    pub(super) fn event(&self) -> Event {
        Event::new("download", format!("{} bytes as {:?}", self.bytes.len(), self.name))
            .with("name", self.name.as_str())
            .with("bytes", self.bytes.len())
            .with("payload_hash", HEXLOWER.encode(&self.hash))
    }
}

/// A file that the visitor named by URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// As the visitor wrote it.
    pub url: String,
    /// The tool that it meant to be fetched with: `wget`, `curl`, `tftp`, ...
    pub tool: String,
}

impl Download {
    /// The `download` event of a file that was named.
    pub(super) fn event(&self) -> Event {
        let shown: String = self.url.chars().take(SHOWN_OF_URL).collect();
        let event = Event::new("download", format!("{} {shown}", self.tool)).with("tool", self.tool.as_str());
        with_text(event, "url", self.url.as_bytes())
    }
}
