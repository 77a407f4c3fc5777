//! The system calls that `std`, `socket2` and `mio` do not have. The only unsafe code of the room.
//!
//! No pointer outlives the call it is made for: the header arrays are built on the stack each time, without being initialised first.
#![expect(unsafe_code, reason = "recvmmsg, sendmsg and the netlink socket options exist in libc only")]

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use super::slots::BATCH;

/// Parts of one gathered send at most: `UIO_MAXIOV` is 1024, a batch needs three a packet.
pub(super) const MAX_PARTS: usize = 3 * BATCH;

/// An integer socket option.
#[derive(Debug, Clone, Copy)]
pub(super) enum SocketOption {
    /// Receive buffer in bytes, beyond `net.core.rmem_max`.
    ReceiveBuffer,
    /// Send buffer in bytes, beyond `net.core.wmem_max`.
    SendBuffer,
    /// Datagrams that did not fit are not reported as ENOBUFS.
    NoEnobufs,
    /// Error reports do not repeat the refused message.
    CapAck,
}

impl SocketOption {
    const fn level_and_name(self) -> (libc::c_int, libc::c_int) {
        match self {
            Self::ReceiveBuffer => (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE),
            Self::SendBuffer => (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE),
            Self::NoEnobufs => (libc::SOL_NETLINK, libc::NETLINK_NO_ENOBUFS),
            Self::CapAck => (libc::SOL_NETLINK, libc::NETLINK_CAP_ACK),
        }
    }
}

/// A netfilter netlink socket.
pub(super) fn netfilter_socket() -> io::Result<OwnedFd> {
    // SAFETY: socket() takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_NETFILTER) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: socket() has just returned this descriptor, so it is open and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes a port id and connects to the kernel. A connected netlink socket refuses datagrams from other processes.
pub(super) fn connect_to_kernel(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: sockaddr_nl is plain integers, for which zero is a value.
    let mut kernel: libc::sockaddr_nl = unsafe { zeroed() };
    kernel.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or_default();
    let address = (&raw const kernel).cast::<libc::sockaddr>();
    // SAFETY: `address` points to a sockaddr_nl that lives until the call returns, and the length is its size.
    check(unsafe { libc::connect(socket.as_raw_fd(), address, socket_length::<libc::sockaddr_nl>()) })
}

/// Sets an integer option.
pub(super) fn set_option(socket: BorrowedFd<'_>, option: SocketOption, value: libc::c_int) -> io::Result<()> {
    let (level, name) = option.level_and_name();
    let value = (&raw const value).cast::<libc::c_void>();
    // SAFETY: `value` points to a c_int that lives until the call returns, and the length is its size.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, socket_length::<libc::c_int>()) })
}

/// Datagrams that this socket has been refused because its receive buffer was full, modulo 2^32 (`SO_MEMINFO`, `SK_MEMINFO_DROPS` of
/// `linux/sock_diag.h`).
pub(super) fn overruns(socket: BorrowedFd<'_>) -> io::Result<u32> {
    const DROPS: usize = 8;
    let mut info = [0_u32; DROPS + 1];
    let mut length = socket_length::<[u32; DROPS + 1]>();
    let (value, size) = (info.as_mut_ptr().cast::<libc::c_void>(), &raw mut length);
    // SAFETY: `value` points to an array of `length` bytes, `size` to that length, and both live until the call returns.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, value, size) })?;
    Ok(info.get(DROPS).copied().unwrap_or_default())
}

/// Copies the first waiting datagram without taking it; returns its length, at most that of `buffer`.
pub(super) fn peek(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: pointer and length are those of a slice that is borrowed exclusively until the call returns.
    let read = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Receives waiting datagrams, each into its own piece of `stride` bytes of `memory`, and writes their lengths to `lengths`. Never blocks.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    memory: &mut [u8],
    stride: usize,
    lengths: &mut [usize; BATCH],
) -> io::Result<usize> {
    let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let mut count = 0;
    for ((slot, vector), header) in memory.chunks_exact_mut(stride).zip(&mut vectors).zip(&mut headers) {
        let vector = vector.write(libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() });
        header.write(libc::mmsghdr { msg_hdr: message(vector, 1), msg_len: 0 });
        count += 1;
    }
    // SAFETY: the first `count` headers are initialised, each with one vector of the array, which points to its own piece of `memory`;
    // all of them live, exclusively borrowed, until the call returns.
    let received = unsafe {
        libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), count, libc::MSG_DONTWAIT, ptr::null_mut())
    };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for (header, length) in headers.iter().zip(lengths.iter_mut()).take(received) {
        // SAFETY: the kernel returns at most `count`, and so many headers are initialised.
        *length = unsafe { header.assume_init_ref() }.msg_len as usize;
    }
    Ok(received)
}

/// Sends the concatenation of `parts`, at most [`MAX_PARTS`], as one datagram.
pub(super) fn send<'a>(socket: BorrowedFd<'_>, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
    let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; MAX_PARTS];
    let mut count = 0;
    let mut parts = parts.fuse();
    for (vector, part) in vectors.iter_mut().zip(&mut parts) {
        // sendmsg takes a mutable pointer and only reads through it.
        vector.write(libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
        count += 1;
    }
    if count == MAX_PARTS && parts.next().is_some() {
        return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
    }
    let header = message(vectors.as_mut_ptr().cast(), count);
    // SAFETY: the first `count` vectors are initialised, and the slices that they point to are borrowed for 'a, beyond the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A message header over `count` vectors, without address and control data.
fn message(vectors: *mut libc::iovec, count: usize) -> libc::msghdr {
    // SAFETY: msghdr is integers and pointers, for which zero is a value (no address, no control data).
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = vectors;
    header.msg_iovlen = count as _;
    header
}

fn socket_length<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default()
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
