//! Whole lines to a file descriptor, whatever becomes of single writes.

use std::io::{ErrorKind, Write};

use super::{Block, WriteError};

/// Writes blocks with one system call each. After a write that broke off within a line, the next block begins on a new line: a full
/// disk costs lines, and spoils none that comes after.
#[derive(Debug)]
pub(super) struct Output<W> {
    writer: W,
    torn: bool,
}

impl<W: Write> Output<W> {
    pub(super) const fn new(writer: W) -> Self {
        Self { writer, torn: false }
    }

    pub(super) fn write(&mut self, block: &Block) -> Result<(), WriteError> {
        if self.torn {
            self.write_all(b"\n").map_err(|(_, cause)| WriteError::Lost { lines: block.lines(), cause })?;
            self.torn = false;
        }
        self.write_all(block.bytes()).map_err(|(rest, cause)| {
            self.torn = rest.len() < block.bytes().len() && !ends_with_line(block.bytes(), rest);
            WriteError::Lost { lines: memchr::memchr_iter(b'\n', rest).count() as u64, cause }
        })
    }

    /// Like [`Write::write_all`], but an error says what is left.
    fn write_all<'a>(&mut self, mut rest: &'a [u8]) -> Result<(), (&'a [u8], std::io::Error)> {
        while !rest.is_empty() {
            match self.writer.write(rest) {
                Ok(0) => return Err((rest, ErrorKind::WriteZero.into())),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((rest, error)),
            }
        }
        Ok(())
    }
}

/// Whether what was written before `rest` ends with a newline.
fn ends_with_line(bytes: &[u8], rest: &[u8]) -> bool {
    bytes.strip_suffix(rest).is_some_and(|written| written.ends_with(b"\n"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Takes what its budget allows, a few bytes at a time, then says that the disk is full.
    #[derive(Default)]
    struct SmallDisk {
        written: Vec<u8>,
        budget: usize,
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.budget).min(3);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.budget -= taken;
            self.written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lost(result: Result<(), WriteError>) -> u64 {
        match result {
            Err(WriteError::Lost { lines, .. }) => lines,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn line_torn_by_a_full_disk_spoils_no_later_line() {
        let mut output = Output::new(SmallDisk { budget: 9, ..SmallDisk::default() });
        assert_eq!(lost(output.write(&Block::new(b"first\nsecond\nthird\n", 3))), 2);
        assert_eq!(lost(output.write(&Block::new(b"fourth\n", 1))), 1);
        output.writer.budget = 100;
        output.write(&Block::new(b"fifth\n", 1)).unwrap();
        assert_eq!(output.writer.written, b"first\nsec\nfifth\n");
    }

    #[test]
    fn break_between_lines_leaves_no_empty_line() {
        let mut output = Output::new(SmallDisk { budget: 6, ..SmallDisk::default() });
        assert_eq!(lost(output.write(&Block::new(b"first\nsecond\n", 2))), 1);
        output.writer.budget = 100;
        output.write(&Block::new(b"third\n", 1)).unwrap();
        assert_eq!(output.writer.written, b"first\nthird\n");
    }
}
