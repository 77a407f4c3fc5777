//! The state directory: small files that outlive a run.
//!
//! Owns how they are read (bounded) and written (beside, then renamed: no crash leaves half a file). To be used before privileges are
//! given up, because the directory usually belongs to root. What a file means is its owner's affair.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// The text of the file; `None` when there is no such file.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read(state_dir: &Path, name: &str) -> io::Result<Option<String>> {
    let file = match fs::File::open(state_dir.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Writes the file with these permission bits, and makes the directory when it is not there.
///
/// # Errors
/// One of them cannot be written; what was there before is still there.
pub fn write(state_dir: &Path, name: &str, mode: u32, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(state_dir)?;
    let draft = state_dir.join(format!("{name}.{}", uuid::Uuid::new_v4()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, state_dir.join(name)));
    if written.is_err() {
        // The draft may not exist at all; the error that matters is the first one.
        let _ = fs::remove_file(&draft);
    }
    written
}
