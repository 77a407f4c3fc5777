//! The engine process as its parent sees it, and the parent as the engine sees it.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, kill_process, set_parent_process_death_signal, setpgid,
    waitpid,
};

use super::Duties;
use super::line::{self, Line, Orders};
use crate::process::{self, SignalFd};

/// A report is one write of at most this many bytes: PIPE_BUF, below which a write to a pipe is not divided (pipe(7)).
const REPORT_MAX: usize = 4096;
/// First byte of a report from an engine that is ready.
const READY: u8 = b'R';
/// First byte of a report from an engine that could not set itself up.
const FAILED: u8 = b'E';
/// Exit code of a child that panicked, as Rust's own.
const PANICKED: u8 = 101;

/// What the engine reported when it was ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The text given to [`EngineSide::ready`].
    pub note: String,
}

pub(super) enum Report {
    Ready(Ready),
    Failed(String),
    Nothing,
}

/// The engine's end of the pipes to its parent.
#[derive(Debug)]
pub struct EngineSide {
    report: PipeWriter,
    go: PipeReader,
    orders: Orders,
    parent: Pid,
}

impl EngineSide {
    /// Says that sockets and queues are open and privileges dropped, and waits until the rules are in place. `note`, of
    /// at most 4095 bytes, goes to `install`: ports, for example, that only the engine knows.
    ///
    /// # Errors
    /// The parent does not want the engine any more: end, quietly.
    pub fn ready(self, note: &str) -> io::Result<Orders> {
        let Self { report, mut go, orders, .. } = self;
        send(report, READY, note)?;
        go.read_exact(&mut [0])?;
        Ok(orders)
    }

    /// Says in one line why the engine cannot run; the parent prints it and does not try again. Gives the exit code to
    /// return.
    pub fn fail(self, message: &str) -> u8 {
        // Without a parent there is nobody to tell, and nothing installed.
        if let Err(error) = send(self.report, FAILED, message) {
            log::error!("{message} (and the parent is gone: {error})");
        }
        1
    }
}

fn send(mut pipe: PipeWriter, kind: u8, text: &str) -> io::Result<()> {
    let mut report = vec![kind];
    report.extend(text.bytes().take(REPORT_MAX - 1));
    pipe.write_all(&report)
}

/// A child that is killed and reaped at the latest when it is dropped.
pub(super) struct Child {
    pid: Pid,
    report: PipeReader,
    go: Option<PipeWriter>,
    line: Line,
    exited: bool,
}

/// How a child ended; reads on from "the engine".
pub(super) struct Exit(WaitStatus);

/// Forks; the child gets the engine's side.
pub(super) fn fork() -> io::Result<Result<Child, EngineSide>> {
    let (report_reader, report_writer) = io::pipe()?;
    let (go_reader, go_writer) = io::pipe()?;
    let (line, orders) = line::pair()?;
    let parent = getpid();
    Ok(match process::fork()? {
        Some(pid) => Ok(Child { pid, report: report_reader, go: Some(go_writer), line, exited: false }),
        None => Err(EngineSide { report: report_writer, go: go_reader, orders, parent }),
    })
}

/// The child's way from fork to its exit.
pub(super) fn become_engine(signals: &SignalFd, side: EngineSide, duties: &mut impl Duties) -> ! {
    let prepared = signals.unblock().and_then(|()| part_from_parent(side.parent));
    let code = match prepared {
        // A panic must end here: further up the stack is the parent's code.
        Ok(()) => catch_unwind(AssertUnwindSafe(|| duties.engine(side))).unwrap_or(PANICKED),
        Err(error) => side.fail(&format!("the engine process cannot be set up: {error}")),
    };
    std::process::exit(code.into())
}

/// An own process group, so that ^C reaches the parent alone; and SIGTERM when the parent dies.
fn part_from_parent(parent: Pid) -> io::Result<()> {
    setpgid(None, None)?;
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have died before the kernel was asked to tell.
    if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::other("the parent is gone")) }
}

impl Child {
    /// Reads the report; call it when the pipe is readable.
    pub(super) fn read_report(&self) -> io::Result<Report> {
        let mut report = [0; REPORT_MAX];
        let length = (&self.report).read(&mut report)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match report.get(..length) {
            Some([READY, note @ ..]) => Report::Ready(Ready { note: text(note) }),
            Some([FAILED, message @ ..]) => Report::Failed(text(message)),
            _ => Report::Nothing,
        })
    }

    /// Lets the engine take packets. One that died meanwhile is found by [`Self::try_wait`].
    pub(super) fn go(&mut self) {
        if let Some(mut go) = self.go.take()
            && let Err(error) = go.write_all(b"G")
        {
            log::debug!("the engine did not wait for its start: {error}");
        }
    }

    /// Where it takes orders.
    pub(super) fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// Ends the wait of an engine that is ready, without a go.
    pub(super) fn dismiss(&mut self) {
        self.go = None;
    }

    /// Sends a signal, unless the child has been reaped: its number may be another's by then.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.exited { Ok(()) } else { Ok(kill_process(self.pid, signal)?) }
    }

    /// How it ended, if it did.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        self.reap(WaitOptions::NOHANG)
    }

    /// Waits for its end, without bound: send SIGKILL first.
    pub(super) fn wait(&mut self) -> io::Result<Exit> {
        loop {
            if let Some(exit) = self.reap(WaitOptions::empty())? {
                return Ok(exit);
            }
        }
    }

    fn reap(&mut self, options: WaitOptions) -> io::Result<Option<Exit>> {
        match waitpid(Some(self.pid), options) {
            Ok(Some((_, status))) => {
                self.exited = true;
                Ok(Some(Exit(status)))
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.exited
            && let Err(error) = self.signal(Signal::KILL).and_then(|()| self.wait().map(|_| ()))
        {
            log::error!("the engine process {} may still run: {error}", self.pid);
        }
    }
}

impl Exit {
    pub(super) fn success(&self) -> bool {
        self.0.exit_status() == Some(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.exit_status(), self.0.terminating_signal()) {
            (Some(code), _) => write!(f, "ended with exit code {code}"),
            (None, Some(signal)) => write!(f, "was killed by signal {signal}"),
            (None, None) => write!(f, "ended"),
        }
    }
}
