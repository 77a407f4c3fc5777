//! The netlink socket that a queue is bound with.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::{fs, io};

use mio::event::Source as _;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::codec::{Bind, Message};
use super::outbox::MAX_SEND;
use super::slots::Slots;
use super::stats;
use super::sys::{self, SocketOption};
use super::{Error, Queue};
use crate::config::{self, Fail};

/// How a queue is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The queue's number.
    pub queue: u16,
    /// Packets that may wait in the kernel for their verdict.
    pub queue_len: u32,
    /// What happens to packets when the queue or the socket is full.
    pub fail: Fail,
    /// Bytes of kernel memory for packets on their way to this process. Counted by buffer, not by payload: a 64-byte packet takes more
    /// than 700.
    pub receive_buffer: usize,
}

impl Options {
    /// Queue number `queue` under this configuration.
    pub const fn new(config: &config::Engine, queue: u16) -> Self {
        Self { queue, queue_len: config.queue_len, fail: config.fail, receive_buffer: config.receive_buffer }
    }
}

/// A bound queue. Closing it (drop) makes the kernel drop the packets that wait in it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    number: u16,
}

impl Socket {
    /// Opens a socket and binds a queue of the calling thread's network namespace. Packets that arrive from then on wait in the socket;
    /// none is lost to the configuration.
    ///
    /// # Errors
    /// When the kernel has no NFQUEUE, the process no CAP_NET_ADMIN, or somebody else has the queue.
    pub fn bind(options: &Options) -> Result<Self, Error> {
        let queue = options.queue;
        let failed = |action| move |source| Error::Bind { queue, action, source };
        let fd = sys::netfilter_socket().map_err(|source| match source.raw_os_error() {
            Some(libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT) => Error::NoNfqueue,
            _ => Error::Bind { queue, action: "opening a netlink socket", source },
        })?;
        let socket = Self { fd, number: queue };
        sys::connect_to_kernel(socket.fd.as_fd()).map_err(failed("connecting to the kernel"))?;
        socket.set(SocketOption::NoEnobufs, 1)?;
        socket.set(SocketOption::CapAck, 1)?;
        socket.set(SocketOption::ReceiveBuffer, options.receive_buffer)?;
        socket.set(SocketOption::SendBuffer, MAX_SEND)?;
        let request = Bind { queue, queue_len: options.queue_len, fail: options.fail }.emit();
        sys::send(socket.fd.as_fd(), std::iter::once(request.as_slice())).map_err(failed("sending the request"))?;
        socket.await_bound()?;
        Ok(socket)
    }

    /// How often its receive buffer was found full. Holds the queue open while it lives.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn overruns(&self) -> io::Result<Overruns> {
        Ok(Overruns(self.fd.try_clone()?))
    }

    fn set(&self, option: SocketOption, value: usize) -> Result<(), Error> {
        let value = libc::c_int::try_from(value).unwrap_or(libc::c_int::MAX);
        sys::set_option(self.fd.as_fd(), option, value).map_err(|source| match source.raw_os_error() {
            Some(libc::EPERM) => Error::NotPermitted { queue: self.number },
            _ => Error::Bind { queue: self.number, action: "setting a socket option", source },
        })
    }

    /// Learns from the first datagram whether the queue is bound, without taking it: the kernel answers before the request's system call
    /// returns, so a packet in front means that the queue is bound, and the acknowledgement is left to the first receive.
    fn await_bound(&self) -> Result<(), Error> {
        let queue = self.number;
        let mut first = [0; 256];
        let read = sys::peek(self.fd.as_fd(), &mut first).map_err(|source| Error::Bind {
            queue,
            action: "waiting for the kernel's answer",
            source,
        })?;
        match Message::parse(first.get(..read).unwrap_or_default()) {
            Ok(Message::Refused(errno)) => Err(refusal(queue, errno)),
            // A packet longer than the buffer does not parse.
            _ => Ok(()),
        }
    }
}

/// Counts packets that did not fit a queue's socket, also those that pass undecided (`fail = "open"`), which the queue does not count.
#[derive(Debug)]
pub struct Overruns(OwnedFd);

impl Overruns {
    /// How many, modulo 2^32; none where the kernel does not say.
    pub fn count(&self) -> u32 {
        sys::overruns(self.0.as_fd()).unwrap_or_default()
    }
}

/// The kernel says EPERM both to a process without the capability and when another socket has the queue.
fn refusal(queue: u16, errno: i32) -> Error {
    match errno {
        libc::EPERM | libc::EBUSY => match stats::owner(queue) {
            Some(port) => Error::AlreadyBound { queue, owner: describe_owner(port) },
            None => Error::NotPermitted { queue },
        },
        // nfnetlink says EINVAL for a subsystem that is neither built in nor loadable.
        libc::EINVAL => Error::NoNfqueue,
        _ => Error::Bind { queue, action: "binding", source: io::Error::from_raw_os_error(errno) },
    }
}

/// The first netlink socket of a process has the process id as its port; later ones have others.
fn describe_owner(port: u32) -> String {
    match fs::read_to_string(format!("/proc/{port}/comm")) {
        Ok(name) => format!("portid {port}, maybe pid {port} {}", name.trim_end()),
        Err(_) => format!("portid {port}"),
    }
}

impl Queue for Socket {
    fn number(&self) -> u16 {
        self.number
    }

    fn receive(&mut self, slots: &mut Slots) -> io::Result<usize> {
        slots.receive_from(self.fd.as_fd())
    }

    fn send<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        sys::send(self.fd.as_fd(), parts)
    }

    fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        SourceFd(&self.fd.as_raw_fd()).register(registry, token, Interest::READABLE)
    }
}
