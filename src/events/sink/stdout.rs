//! JSON lines on standard output.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;

use super::output::Output;
use super::{Block, Opened, Owner, Sink, SinkError, SinkKind, WriteError};
use crate::config;

pub(super) const KIND: SinkKind =
    SinkKind { name: "stdout", summary: "JSON lines on standard output", open: open_if_asked };

fn open_if_asked(events: &config::Events, _: Option<Owner>) -> Opened {
    if !events.stdout {
        return Ok(None);
    }
    // A descriptor of its own: no lock shared with other writers, and one write a block.
    let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(|cause| SinkError {
        sink: KIND.name,
        place: "standard output".to_owned(),
        cause,
        mend: "set enabled = false in [events.stdout]",
    })?;
    Ok(Some(Box::new(Stdout(Output::new(File::from(stdout))))))
}

struct Stdout(Output<File>);

impl Sink for Stdout {
    fn name(&self) -> String {
        "stdout".to_owned()
    }

    fn write(&mut self, block: &Block) -> Result<(), WriteError> {
        closed_pipe_ends(self.0.write(block))
    }
}

/// A reader that has gone (`glutton-nfq | head`) does not come back.
fn closed_pipe_ends(result: Result<(), WriteError>) -> Result<(), WriteError> {
    match result {
        Err(WriteError::Lost { cause, .. }) if cause.kind() == ErrorKind::BrokenPipe => Err(WriteError::Closed),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_that_has_gone_ends_the_sink() {
        let (reader, writer) = io::pipe().unwrap();
        let mut sink = Stdout(Output::new(File::from(std::os::fd::OwnedFd::from(writer))));
        sink.write(&Block::new(b"{}\n", 1)).unwrap();
        drop(reader);
        assert!(matches!(sink.write(&Block::new(b"{}\n", 1)), Err(WriteError::Closed)));
    }
}
