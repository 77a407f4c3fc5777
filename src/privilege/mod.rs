//! Privileges: what the engine gives up once its sockets are open.
//!
//! Owns the way from root to an unprivileged user with CAP_NET_ADMIN alone, which verdicts need, and from there to
//! nothing, for threads that parse what attackers send. What was given up is read back from the kernel; when anything
//! is left, the caller gets an error and must not go on. Refuses to start as "root, but careful".

mod account;
mod status;

use std::io;

use rustix::process::{
    DumpableBehavior, parent_process_death_signal, set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_keep_capabilities, set_no_new_privs,
};
use thiserror::Error;

use crate::process;
pub use account::Account;
use status::Status;

/// Why privileges could not be given up, or not as far as they must.
#[derive(Debug, Error)]
pub enum Error {
    /// No such user.
    #[error(
        "user `{0}` does not exist: set `user` in [server] to one that does (`nobody`), or to numbers as in `65534:65534`"
    )]
    NoUser(String),
    /// The user is root.
    #[error("user `{0}` is root: set `user` in [server] to an unprivileged one, such as `nobody`")]
    RootUser(String),
    /// /etc/passwd cannot be read.
    #[error(
        "cannot look up user `{user}`: /etc/passwd: {source}; set `user` in [server] to numbers as in `65534:65534`"
    )]
    Passwd {
        /// The user.
        user: String,
        /// Why.
        source: io::Error,
    },
    /// The one capability that verdicts need is not there.
    #[error(
        "CAP_NET_ADMIN is missing: run as root (`sudo`), in a container with `--cap-add NET_ADMIN`, or give the program \
         `setcap cap_net_admin+ep`"
    )]
    NoNetAdmin,
    /// A call failed.
    #[error(
        "cannot {what}: {source}; in a container, add `--cap-add SETUID --cap-add SETGID` or start it as an unprivileged user"
    )]
    Call {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel says that something is left.
    #[error(
        "privileges are not what they must be ({0}): not going on; please report this with the output of `uname -r`"
    )]
    Left(String),
}

/// Checks that verdicts and firewall rules will be allowed, before anything is touched.
///
/// # Errors
/// CAP_NET_ADMIN is not there.
pub fn require_net_admin() -> Result<(), Error> {
    let held = capabilities(None).map_err(call("read capabilities"))?;
    if held.effective.contains(CapabilitySet::NET_ADMIN) { Ok(()) } else { Err(Error::NoNetAdmin) }
}

/// Makes the process `account`, with CAP_NET_ADMIN permitted and effective and no other capability, no supplementary
/// groups, no way to gain more (no_new_privs, empty bounding set), and no core dumps or tracers. A parent-death signal
/// that is set stays set.
///
/// Call it before any thread starts: capabilities belong to threads. A process that is not root keeps its user and
/// groups.
///
/// # Errors
/// CAP_NET_ADMIN is not there, or something could not be given up: do not go on then.
pub fn drop_to(account: &Account) -> Result<(), Error> {
    let held = capabilities(None).map_err(call("read capabilities"))?;
    if !held.permitted.contains(CapabilitySet::NET_ADMIN) {
        return Err(Error::NoNetAdmin);
    }
    let death_signal = parent_process_death_signal().map_err(call("read the parent-death signal"))?;
    let root = rustix::process::geteuid().is_root();
    if held.effective.contains(CapabilitySet::SETPCAP) {
        empty_bounding_set()?;
    }
    if root {
        set_keep_capabilities(true).map_err(call("keep capabilities"))?;
        process::set_ids(account.uid, account.gid).map_err(|source| Error::Call { what: "change the user", source })?;
        set_keep_capabilities(false).map_err(call("stop keeping capabilities"))?;
    }
    keep_only(CapabilitySet::NET_ADMIN)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(call("forbid core dumps"))?;
    // The kernel clears it whenever ids change.
    set_parent_process_death_signal(death_signal).map_err(call("set the parent-death signal"))?;

    let status = Status::read()?;
    status.expect_capabilities(CapabilitySet::NET_ADMIN)?;
    if root { status.expect_account(account, held.effective.contains(CapabilitySet::SETPCAP)) } else { Ok(()) }
}

/// Takes every capability from the calling thread, for good, and from threads that it will start.
///
/// # Errors
/// Something is left, or the thread is root's and could do harm without any capability: end the thread then.
pub fn drop_all() -> Result<(), Error> {
    keep_only(CapabilitySet::empty())?;
    let status = Status::read()?;
    status.expect_capabilities(CapabilitySet::empty())?;
    status.expect_not_root()
}

fn keep_only(kept: CapabilitySet) -> Result<(), Error> {
    set_no_new_privs(true).map_err(call("set no_new_privs"))?;
    clear_ambient_capability_set().map_err(call("clear the ambient capabilities"))?;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(call("set capabilities"))
}

/// Capabilities end where the kernel calls a number invalid; there are 41 today and room for 64.
fn empty_bounding_set() -> Result<(), Error> {
    for number in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(call("empty the bounding set")(error)),
        }
    }
    Ok(())
}

fn call(what: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |error| Error::Call { what, source: error.into() }
}

#[cfg(test)]
mod tests;
