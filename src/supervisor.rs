//! The supervisor: a small root parent that outlives the engine and cleans up after it.
//!
//! Owns the life of the engine process and the moment at which rules come and go. Refuses to parse anything that an
//! attacker sent, to open sockets, and to know what a rule is: [`Duties`] do.
//!
//! ```text
//! parent                                 child
//!   fork ------------------------------->  open sockets and queues, drop privileges
//!          <---- ready, or why not ------
//!   install rules
//!          ----- go -------------------->  take packets
//!   wait for its end, for a signal or for a caller
//!          ----- order, answer ---------->  new rules, for example
//!   remove rules, whatever happened
//! ```
//!
//! SIGTERM, SIGINT and SIGQUIT: rules first, then the engine is told to drain and stop. SIGHUP goes on to the engine and to
//! [`Duties::hangup`]. A
//! child that ended although nobody asked is started again after a pause that doubles; too many such ends in a row, and
//! the supervisor gives up. When the parent itself is killed, the engine gets SIGTERM and `--queue-bypass` lets packets
//! pass until the next start sweeps.

mod backoff;
mod child;
mod line;

use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use thiserror::Error;

use crate::process::{self, SignalFd};
use backoff::Crashes;
use child::{Child, Report};

pub use child::{EngineSide, Ready};
pub use line::{Line, Orders};

/// What the supervisor itself takes from the terminal, the service manager and the kernel.
const SIGNALS: [Signal; 5] = [Signal::CHILD, Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP];

/// The supervisor's patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Pause before the first restart; doubles with every crash inside `crash_window`.
    pub backoff: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// Crashes inside `crash_window` after which there is no restart.
    pub crashes_max: usize,
    /// How long a crash counts.
    pub crash_window: Duration,
    /// Time for the engine to get ready.
    pub setup_timeout: Duration,
    /// Time for the engine to answer what is queued and end, before SIGKILL.
    pub drain_timeout: Duration,
    /// How often what was installed is looked after.
    pub look_interval: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(8),
            crashes_max: 5,
            crash_window: Duration::from_secs(60),
            setup_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(5),
            look_interval: Duration::from_secs(10),
        }
    }
}

/// Why supervision ended with a failure. The rules are removed in every case.
#[derive(Debug, Error)]
pub enum Error {
    /// The engine could not set itself up; the text is its own.
    #[error("{0}")]
    Setup(String),
    /// The engine was not ready in time.
    #[error("the engine was not ready within {} s: look at its log (-v)", .0.as_secs())]
    SetupTimeout(Duration),
    /// `install` failed; the text is its own.
    #[error("{0}")]
    Install(String),
    /// The engine crashed again and again.
    #[error(
        "the engine ended {crashes} times within {} s, last because it {last}; not restarted",
        window.as_secs()
    )]
    GaveUp {
        /// How often.
        crashes: usize,
        /// Within which time.
        window: Duration,
        /// How it ended last.
        last: String,
    },
    /// Other threads run at the moment of a fork.
    #[error("cannot fork the engine: {0} threads run already; supervise before any is started")]
    Threads(usize),
    /// A system call failed.
    #[error("supervising failed: {0}")]
    Io(#[from] io::Error),
}

/// What is done around the engine's life, and the engine itself.
pub trait Duties {
    /// Why [`Duties::install`] failed.
    type Error: Display;

    /// Called each time that a child has reported itself ready, before it is told to go.
    ///
    /// # Errors
    /// Ends the supervision; [`Duties::remove`] is called before.
    fn install(&mut self, ready: &Ready) -> Result<(), Self::Error>;

    /// Called each time that what [`Duties::install`] put in place must go, also after one that failed.
    fn remove(&mut self);

    /// Called from time to time while the engine runs: whether what was installed is still in place.
    fn look_after(&mut self);

    /// Runs in the child: opens what needs root, drops privileges, installs its signal handlers (SIGTERM: drain and stop, SIGHUP:
    /// reopen) and only then calls [`EngineSide::ready`]. What it returns is the exit code of the child: 0 is the end, anything else a
    /// crash.
    fn engine(&mut self, side: EngineSide) -> u8;

    /// SIGHUP came and was passed on; `engine` takes orders.
    fn hangup(&mut self, engine: &mut Line);

    /// Where callers knock; `None` when nobody is listened to.
    fn door(&self) -> Option<BorrowedFd<'_>>;

    /// Somebody knocks, perhaps; `engine` takes orders. Must not wait for the caller for long.
    fn answer_door(&mut self, engine: &mut Line);
}

/// Runs [`Duties::engine`] in a child process until it ends well or a signal asks for the end, and restarts it when it crashes. The child
/// is its own process group, so that ^C reaches the parent alone.
///
/// Before every fork this process must have one thread, which is checked: a lock that another thread holds would stay locked in the child
/// for ever. So no duty may leave a thread behind.
///
/// # Errors
/// The engine cannot be set up or crashed too often, `install` failed, or other threads run. The rules are removed by
/// then.
pub fn supervise(policy: &Policy, duties: impl Duties) -> Result<(), Error> {
    let signals = SignalFd::block(&SIGNALS)?;
    let mut supervisor = Supervisor { policy, duties, signals, installed: false, hung_up: false };
    let result = supervisor.run();
    supervisor.uninstall();
    result
}

/// How the life of one child ended.
enum End {
    /// By its own will with code 0, or because a signal told us.
    Stopped,
    /// Otherwise; says how.
    Crashed(String),
}

/// What a wait was ended by.
enum Event {
    /// SIGTERM, SIGINT or SIGQUIT.
    Stop,
    /// SIGHUP.
    Hangup,
    /// A child of ours ended, perhaps the engine.
    Child,
    /// The engine's report can be read.
    Report,
    /// A caller knocks.
    Knock,
    /// The time is over.
    Timeout,
}

/// What a wait is for, besides signals.
#[derive(Clone, Copy)]
enum For<'a> {
    Signals,
    Report(&'a Child),
    Callers,
}

struct Supervisor<'a, D> {
    policy: &'a Policy,
    duties: D,
    signals: SignalFd,
    installed: bool,
    /// SIGHUP came while no engine ran.
    hung_up: bool,
}

impl<D: Duties> Supervisor<'_, D> {
    fn run(&mut self) -> Result<(), Error> {
        let mut crashes = Crashes::default();
        loop {
            let how = match self.run_once()? {
                End::Stopped => return Ok(()),
                End::Crashed(how) => how,
            };
            self.uninstall();
            let Policy { crashes_max, crash_window, .. } = *self.policy;
            let Some(pause) = crashes.record(self.policy, Instant::now()) else {
                return Err(Error::GaveUp { crashes: crashes_max, window: crash_window, last: how });
            };
            log::error!("the engine {how}; rules removed, restart in {} ms", pause.as_millis());
            if self.stop_within(pause)? {
                return Ok(());
            }
        }
    }

    /// One child, from fork to its end.
    fn run_once(&mut self) -> Result<End, Error> {
        let mut child = self.start()?;
        let ready = match self.report(&child)? {
            None => return self.stop(child),
            Some(Report::Ready(ready)) => ready,
            Some(Report::Failed(message)) => {
                self.stop(child)?;
                return Err(Error::Setup(message));
            }
            // The pipe closed without a word: the child is about to be gone.
            Some(Report::Nothing) => return self.last_words(child),
        };
        self.installed = true;
        if let Err(error) = self.duties.install(&ready) {
            let message = error.to_string();
            self.stop(child)?;
            return Err(Error::Install(message));
        }
        child.go();
        if std::mem::take(&mut self.hung_up) {
            self.duties.hangup(child.line());
        }
        self.watch(child)
    }

    /// Forks the engine, the first time and after each crash.
    fn start(&mut self) -> Result<Child, Error> {
        match process::threads()? {
            1 => {}
            threads => return Err(Error::Threads(threads)),
        }
        // What is buffered would be written by both processes.
        io::stdout().flush()?;
        match child::fork()? {
            Ok(child) => Ok(child),
            Err(side) => {
                // The child: nothing of the parent's may run here, so this never returns.
                child::become_engine(&self.signals, side, &mut self.duties)
            }
        }
    }

    /// What the engine says about its set-up; `None` when a signal asks for the end.
    fn report(&mut self, child: &Child) -> Result<Option<Report>, Error> {
        let deadline = Instant::now() + self.policy.setup_timeout;
        loop {
            match self.wait(For::Report(child), Some(deadline))? {
                Event::Report => return Ok(Some(child.read_report()?)),
                Event::Stop => return Ok(None),
                Event::Timeout => return Err(Error::SetupTimeout(self.policy.setup_timeout)),
                Event::Hangup => self.hung_up = true,
                // Its end closes the pipe.
                Event::Child | Event::Knock => {}
            }
        }
    }

    /// The end of a child that broke off without a report.
    fn last_words(&self, mut child: Child) -> Result<End, Error> {
        let deadline = Instant::now() + self.policy.drain_timeout;
        let how = self.reap(&mut child, deadline)?;
        Ok(End::Crashed(format!("{how} while it was setting up")))
    }

    /// Until the child ends or we are told to end it.
    fn watch(&mut self, mut child: Child) -> Result<End, Error> {
        let mut look = Instant::now() + self.policy.look_interval;
        loop {
            match self.wait(For::Callers, Some(look))? {
                Event::Stop => return self.stop(child),
                Event::Hangup => {
                    child.signal(Signal::HUP)?;
                    self.duties.hangup(child.line());
                }
                Event::Knock => self.duties.answer_door(child.line()),
                Event::Timeout => {
                    self.duties.look_after();
                    look = Instant::now() + self.policy.look_interval;
                }
                Event::Child | Event::Report => {
                    if let Some(exit) = child.try_wait()? {
                        self.uninstall();
                        return Ok(if exit.success() { End::Stopped } else { End::Crashed(exit.to_string()) });
                    }
                }
            }
        }
    }

    /// Rules first; then the child drains what is queued and ends. A second signal, or the end of our patience, kills
    /// it.
    fn stop(&mut self, mut child: Child) -> Result<End, Error> {
        self.uninstall();
        child.dismiss();
        child.signal(Signal::TERM)?;
        self.reap(&mut child, Instant::now() + self.policy.drain_timeout)?;
        Ok(End::Stopped)
    }

    /// Waits for the child's end, and forces it at `deadline` or when a signal asks again.
    fn reap(&self, child: &mut Child, deadline: Instant) -> Result<child::Exit, Error> {
        loop {
            if let Some(exit) = child.try_wait()? {
                return Ok(exit);
            }
            if let Event::Timeout | Event::Stop = self.wait(For::Signals, Some(deadline))? {
                child.signal(Signal::KILL)?;
                return Ok(child.wait()?);
            }
        }
    }

    /// Whether a signal asks for the end before the pause is over.
    fn stop_within(&mut self, pause: Duration) -> Result<bool, Error> {
        let deadline = Instant::now() + pause;
        loop {
            match self.wait(For::Signals, Some(deadline))? {
                Event::Stop => return Ok(true),
                Event::Timeout => return Ok(false),
                Event::Hangup => self.hung_up = true,
                Event::Child | Event::Report | Event::Knock => {}
            }
        }
    }

    fn uninstall(&mut self) {
        if self.installed {
            self.duties.remove();
            self.installed = false;
        }
    }

    /// Sleeps until something happens. Signals that came earlier wait in the descriptor.
    fn wait(&self, awaited: For<'_>, deadline: Option<Instant>) -> Result<Event, Error> {
        let (other, event) = match awaited {
            For::Signals => (None, Event::Timeout),
            For::Report(child) => (Some(child.as_fd()), Event::Report),
            For::Callers => (self.duties.door(), Event::Knock),
        };
        loop {
            if let Some(event) = self.signals.next()?.and_then(event_of) {
                return Ok(event);
            }
            let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if timeout == Some(Duration::ZERO) {
                return Ok(Event::Timeout);
            }
            let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
            fds.extend(other.as_ref().map(|other| PollFd::new(other, PollFlags::IN)));
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Error::Io(error.into())),
            }
            if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
                return Ok(event);
            }
        }
    }
}

fn event_of(signal: Signal) -> Option<Event> {
    match signal {
        Signal::TERM | Signal::INT | Signal::QUIT => Some(Event::Stop),
        Signal::HUP => Some(Event::Hangup),
        Signal::CHILD => Some(Event::Child),
        _ => None,
    }
}
