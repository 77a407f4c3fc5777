//! Captures as arguments: a file, or `-` for standard input.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::capture::{Capture, CaptureError};

/// Bytes that are read or written at a time.
pub(super) const BUFFER: usize = 1 << 18;

/// A capture that cannot be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {source}; {}", mend(source))]
pub struct CaptureFailed {
    file: String,

    source: CaptureError,
}

impl CaptureFailed {
    /// `path` as it was given.
    pub(super) fn new(path: &Path, source: impl Into<CaptureError>) -> Self {
        let file = if is_standard_input(path) { "standard input".to_owned() } else { path.display().to_string() };
        Self { file, source: source.into() }
    }
}

const fn mend(error: &CaptureError) -> &'static str {
    match error {
        CaptureError::Io(_) => "name a capture that can be read, or `-` for standard input",
        CaptureError::NotACapture { .. } => "write one with `tcpdump -w FILE`",
        CaptureError::CutShort { .. } | CaptureError::Damaged { .. } | CaptureError::TooLong { .. } => {
            "what comes before was read, the rest needs another copy of the file"
        }
        CaptureError::UnknownLink { .. } => "capture on another interface or with `tcpdump -y`",
    }
}

pub(super) fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// Opens a file, or standard input for `-`.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, CaptureFailed> {
    if is_standard_input(path) {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(File::open(path).map_err(|error| CaptureFailed::new(path, error))?))
}

/// Opens a capture.
pub(super) fn open_capture(path: &Path) -> Result<Capture<BufReader<Box<dyn Read>>>, CaptureFailed> {
    let source = BufReader::with_capacity(BUFFER, open(path)?);
    Capture::new(source).map_err(|error| CaptureFailed::new(path, error))
}
