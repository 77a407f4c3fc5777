//! NFQUEUE: packets in, exactly one verdict each out.
//!
//! Owns the netlink messages ([`codec`]), the socket that a queue is bound with ([`Socket`]), the buffers that packets lie in
//! ([`Slots`]), the guard that no packet leaves without a verdict ([`Batch`]), and the loop of a queue's thread ([`Worker`]).
//! Refuses to look into packets: what becomes of one says whoever implements [`Decide`].
//!
//! A batch is one `recvmmsg` of up to [`BATCH`] packets and, as a rule, one `sendmsg` with the verdicts of all. The payload of a
//! rewritten packet goes back to the kernel from the slot it was received in: nothing here copies it, nothing here allocates per packet.

mod batch;
pub mod codec;
mod error;
mod fake;
mod outbox;
mod slots;
mod socket;
mod stats;
mod sys;
mod tally;
mod worker;

pub use batch::{Batch, Exchange, Packet};
pub use error::Error;
pub use fake::{FakeQueue, Outcome};
pub use slots::{BATCH, Slots};
pub use socket::{Options, Overruns, Socket};
pub use stats::{QueueStatistics, Statistics};
pub use tally::Tally;
pub use worker::{Decide, Stopper, Worker};

use std::io;

use mio::{Registry, Token};

/// The kernel's end of one queue as the worker needs it: [`Socket`] live, [`FakeQueue`] in tests.
pub trait Queue {
    /// The queue's number, as in `--queue-num`.
    fn number(&self) -> u16;

    /// Puts waiting netlink datagrams into the slots, in order, and returns how many; never blocks.
    ///
    /// # Errors
    /// `WouldBlock` when none waits; what the system call said otherwise.
    fn receive(&mut self, slots: &mut Slots) -> io::Result<usize>;

    /// Hands the kernel one datagram, the concatenation of `parts`: whole verdict messages, each padded to 4 bytes.
    ///
    /// # Errors
    /// What the system call said; the kernel has then seen none of the messages.
    fn send<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<()>;

    /// Makes `registry` report under `token` that datagrams wait. A queue that cannot (the default) is asked at every wake-up of
    /// the worker instead.
    ///
    /// # Errors
    /// What the system call said.
    fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let _ = (registry, token);
        Ok(())
    }
}
