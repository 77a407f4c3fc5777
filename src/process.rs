//! The calls about processes that no safe crate offers: fork, signals as a file descriptor, process-wide ids.
//!
//! Owns the unsafe code of the supervisor and the privilege drop. Refuses to decide anything.

#![expect(unsafe_code, reason = "fork, signalfd and the process-wide set*id are libc calls without a safe wrapper")]

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{fs, mem, ptr};

use rustix::process::{Pid, Signal};

/// Number of threads of this process.
pub(crate) fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// Forks; `None` is the child. The child of a process with one thread may go on as if nothing had happened; with more,
/// locks that other threads held (of standard output, for one) stay locked for ever in it, so the caller makes sure of that first
/// ([`threads`]).
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: fork takes no pointer. The child runs on a copy of this thread's stack and heap; glibc makes its own
    // allocator usable.
    let pid = unsafe { libc::fork() };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(Pid::from_raw(pid)) }
}

/// Gives up all supplementary groups and takes these ids, real, effective and saved, in every thread of the process.
pub(crate) fn set_ids(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: with a count of 0 the list is not read.
    check(unsafe { libc::setgroups(0, ptr::null()) })?;
    // SAFETY: takes numbers only.
    check(unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: takes numbers only.
    check(unsafe { libc::setresuid(uid, uid, uid) })
}

/// Signals that are taken from a descriptor instead of interrupting: none can be missed between a look and a wait.
/// Dropping it gives this thread its old signal mask back.
pub(crate) struct SignalFd {
    file: fs::File,
    old_mask: libc::sigset_t,
}

impl SignalFd {
    /// Blocks the signals for this thread and opens the descriptor.
    pub(crate) fn block(signals: &[Signal]) -> io::Result<Self> {
        // SAFETY: sigset_t is plain data; sigemptyset fills it before anything reads it.
        let (mut set, mut old_mask): (libc::sigset_t, libc::sigset_t) = unsafe { (mem::zeroed(), mem::zeroed()) };
        // SAFETY: `set` lives here and is ours.
        check(unsafe { libc::sigemptyset(&raw mut set) })?;
        for signal in signals {
            // SAFETY: `set` is initialised; the number is that of a signal.
            check(unsafe { libc::sigaddset(&raw mut set, signal.as_raw()) })?;
        }
        // SAFETY: `set` is initialised and signalfd copies it; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        check(fd)?;
        // SAFETY: signalfd just made `fd`, and nobody else owns it.
        let file = fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        // SAFETY: both sets live here; the old mask is written before it is used.
        match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut old_mask) } {
            0 => Ok(Self { file, old_mask }),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Gives this thread its old signal mask back, in a forked child for example.
    pub(crate) fn unblock(&self) -> io::Result<()> {
        // SAFETY: `old_mask` is what pthread_sigmask wrote; no old set is asked for.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.old_mask, ptr::null_mut()) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// The next signal that waits, without waiting for one.
    pub(crate) fn next(&self) -> io::Result<Option<Signal>> {
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        match (&self.file).read(&mut info) {
            // signalfd_siginfo begins with the number, as u32 (signalfd(2)).
            Ok(_) => {
                let number = info.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
                Ok(Signal::from_named_raw(number))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for SignalFd {
    fn drop(&mut self) {
        if let Err(error) = self.unblock() {
            log::error!("signals stay blocked: {error}");
        }
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
