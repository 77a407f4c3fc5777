//! How far a long replay is, on a terminal.

use std::cell::Cell;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Packets between two looks at the clock.
const STRIDE: u64 = 1 << 14;
/// Between two drawings; what is over before the first is not worth one.
const PAUSE: Duration = Duration::from_millis(250);
const WIDTH: usize = 30;

/// Bytes read so far.
pub(super) type Read64 = Rc<Cell<u64>>;

/// A reader that counts.
pub(super) struct Counted<R> {
    inner: R,
    read: Read64,
}

impl<R> Counted<R> {
    pub(super) fn new(inner: R) -> (Self, Read64) {
        let read = Read64::default();
        (Self { inner, read: Rc::clone(&read) }, read)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read.set(self.read.get() + length as u64);
        Ok(length)
    }
}

/// A bar on standard error; nothing where that is no terminal.
pub(super) struct Progress {
    /// Bytes of the capture; `None` draws no bar.
    total: Option<u64>,
    read: Read64,
    drawn: Instant,
    is_drawn: bool,
}

impl Progress {
    pub(super) fn new(file: &Path, read: Read64) -> Self {
        let size = std::fs::metadata(file).ok().map(|file| file.len()).filter(|size| *size > 0);
        let total = size.filter(|_| io::stderr().is_terminal());
        Self { total, read, drawn: Instant::now(), is_drawn: false }
    }

    /// Draws now and then.
    pub(super) fn at(&mut self, packets: u64) {
        let Some(total) = self.total else { return };
        if packets.is_multiple_of(STRIDE) && self.drawn.elapsed() >= PAUSE {
            self.drawn = Instant::now();
            self.is_drawn = true;
            // A bar that cannot be drawn is no reason to stop.
            let _ = write!(io::stderr(), "\r{}", bar(self.read.get(), total, packets));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(read: u64, total: u64, packets: u64) -> String {
    let percent = read.saturating_mul(100).checked_div(total).unwrap_or(100).min(100);
    let full = usize::try_from(percent).unwrap_or(100) * WIDTH / 100;
    format!("[{:<WIDTH$}] {percent:3} % {packets} packets", "#".repeat(full))
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn the_bar_fills() {
        assert_eq!(bar(0, 10, 0), "[                              ]   0 % 0 packets");
        assert_eq!(bar(5, 10, 7), "[###############               ]  50 % 7 packets");
        assert_eq!(bar(20, 10, 9), "[##############################] 100 % 9 packets");
    }
}
