//! The system calls of this room that no safe wrapper offers: datagrams in batches, with the local address they came to, and what the kernel has
//! counted of a connection.
#![expect(unsafe_code, reason = "recvmmsg, and sendmsg with IP_PKTINFO, have no safe wrapper")]

use std::io;
use std::mem::{size_of, size_of_val, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use libc::{
    c_int, c_void, cmsghdr, in_pktinfo, in6_pktinfo, iovec, mmsghdr, msghdr, sockaddr_in, sockaddr_in6,
    sockaddr_storage,
};
use socket2::SockAddr;

use crate::flow::FlowTotals;

/// Datagrams that one system call fetches.
const BATCH: usize = 64;
/// No UDP datagram is longer.
const LONGEST: usize = 65_536;
/// Room for one packet-info control message, aligned for `cmsghdr`: 16 bytes of header and at most 20 of data.
type Control = [u64; 8];
const _: () = assert!(size_of::<cmsghdr>() + size_of::<in6_pktinfo>() + 8 <= size_of::<Control>());

/// Lets a listener take connections to addresses and ports that are not its own (ip(7) IP_TRANSPARENT, linux/in6.h IPV6_TRANSPARENT).
pub(super) fn make_transparent(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT) } else { (libc::IPPROTO_IP, libc::IP_TRANSPARENT) };
    switch_on(socket, level, option)
}

/// Makes a UDP socket tell where each datagram was sent to (ip(7) IP_PKTINFO, ipv6(7) IPV6_RECVPKTINFO).
pub(super) fn enable_packet_info(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    switch_on(socket, level, option)
}

/// Offsets in `struct tcp_info` of linux/tcp.h, whose length grows with kernels: `tcpi_state`, `tcpi_options`, `tcpi_bytes_received`, `tcpi_segs_out`,
/// `tcpi_segs_in` and `tcpi_bytes_sent` (Linux 4.19). `libc` knows the first hundred bytes only.
const STATE: usize = 0;
const OPTIONS: usize = 5;
const BYTES_RECEIVED: usize = 128;
const SEGMENTS_OUT: usize = 136;
const SEGMENTS_IN: usize = 140;
const BYTES_SENT: usize = 200;
/// Up to the end of `tcpi_bytes_sent`.
const TCP_INFO_LEN: usize = 208;
/// `TCPI_OPT_TIMESTAMPS`: each segment has the option.
const TIMESTAMPS: u8 = 1;
/// `TCP_TIME_WAIT`, `TCP_CLOSE_WAIT`, `TCP_LAST_ACK` and `TCP_CLOSING` of linux/tcp_states.h: the peer's FIN has come, which counts as a byte received.
const FIN_RECEIVED: [u8; 4] = [6, 8, 9, 11];

/// What the kernel has counted of this connection so far: segments from the handshake on, and IP bytes, which are the payload and for each segment headers
/// without options but timestamps. `None` where it does not say.
pub(super) fn totals(socket: BorrowedFd<'_>, v4: bool) -> Option<FlowTotals> {
    let mut info = [0_u8; TCP_INFO_LEN];
    let mut len = TCP_INFO_LEN as libc::socklen_t;
    // SAFETY: the pointers are those of a live array and of its length in bytes, which is all that the kernel writes.
    let result = unsafe {
        let (into, len) = (info.as_mut_ptr().cast(), &raw mut len);
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, into, len)
    };
    if result != 0 || (len as usize) < TCP_INFO_LEN {
        return None;
    }
    let long = |at: usize| Some(u64::from_ne_bytes(info.get(at..)?.first_chunk().copied()?));
    let short = |at: usize| Some(u64::from(u32::from_ne_bytes(info.get(at..)?.first_chunk().copied()?)));
    let timestamps = info.get(OPTIONS)? & TIMESTAMPS != 0;
    // RFC 791, section 3.1; RFC 8200, section 3; RFC 9293, section 3.1; RFC 7323, appendix A.
    let headers = if v4 { 20 } else { 40 } + 20 + if timestamps { 12 } else { 0 };
    let fin = u64::from(FIN_RECEIVED.contains(info.get(STATE)?));
    // Its first answer is no segment of the socket, which the kernel makes after that.
    let (packets_in, packets_out) = (short(SEGMENTS_IN)?, short(SEGMENTS_OUT)? + 1);
    Some(FlowTotals {
        packets_in,
        packets_out,
        bytes_in: long(BYTES_RECEIVED)?.saturating_sub(fin) + packets_in * headers,
        bytes_out: long(BYTES_SENT)? + packets_out * headers,
    })
}

fn switch_on(socket: BorrowedFd<'_>, level: c_int, option: c_int) -> io::Result<()> {
    let on: c_int = 1;
    let len = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the pointer and the length are those of a live c_int.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, ptr::from_ref(&on).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The two ends of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    /// Who sent it.
    pub(super) peer: SocketAddr,
    /// The address that it was sent to, one of this host's.
    pub(super) local: IpAddr,
    /// The interface it came by; set for link-local addresses only, which mean nothing without.
    pub(super) interface: u32,
}

/// Room for a batch of datagrams, used again and again.
pub(super) struct Batch {
    buffers: Box<[u8]>,
    names: Box<[sockaddr_storage]>,
    controls: Box<[Control]>,
    /// Lengths of datagram and control data, of what the last call has received.
    received: Vec<(usize, usize)>,
}

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: sockaddr_storage is plain integers, for which all zeroes is a value.
        let name: sockaddr_storage = unsafe { zeroed() };
        Self {
            buffers: vec![0; BATCH * LONGEST].into(),
            names: vec![name; BATCH].into(),
            controls: vec![[0; 8]; BATCH].into(),
            received: Vec::with_capacity(BATCH),
        }
    }

    /// Fetches what has come, at most a batch.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.received.clear();
        // SAFETY: iovec and mmsghdr are integers and raw pointers, for which all zeroes is a value.
        let (mut parts, mut headers): ([iovec; BATCH], [mmsghdr; BATCH]) = unsafe { (zeroed(), zeroed()) };
        let buffers = self.buffers.chunks_exact_mut(LONGEST);
        let rooms = buffers.zip(&mut self.names).zip(&mut self.controls);
        for ((header, part), ((buffer, name), control)) in headers.iter_mut().zip(&mut parts).zip(rooms) {
            *part = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<Control>();
        }
        // SAFETY: every header points to a name, a part and a control room that live beyond this call, are not used otherwise
        // during it, and are as long as the header says; each part points to its own buffer of `LONGEST` bytes.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        let lengths = headers.iter().take(count).map(|header| (header.msg_len as usize, header.msg_hdr.msg_controllen));
        self.received.extend(lengths);
        Ok(())
    }

    /// Datagrams that the last call has received.
    pub(super) fn len(&self) -> usize {
        self.received.len()
    }

    /// The last call has filled the batch: there may be more. Otherwise the socket is empty now.
    pub(super) fn is_full(&self) -> bool {
        self.received.len() == BATCH
    }

    /// What the last call has received. A datagram whose ends are not known is left out.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (Ends, &[u8])> {
        let rooms = self.buffers.chunks_exact(LONGEST).zip(&self.names).zip(&self.controls);
        self.received.iter().zip(rooms).filter_map(|(&(len, control_len), ((buffer, name), control))| {
            let peer = socket_address(name)?;
            let (local, interface) = packet_info(control, control_len)?;
            let interface = if is_link_local(local) { interface } else { 0 };
            Some((Ends { peer, local, interface }, buffer.get(..len)?))
        })
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Sends a datagram the way back: from the local end to the peer.
pub(super) fn send(socket: BorrowedFd<'_>, ends: &Ends, bytes: &[u8]) -> io::Result<()> {
    let peer = SockAddr::from(ends.peer);
    let mut control: Control = [0; 8];
    let mut part = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: msghdr is integers and raw pointers, for which all zeroes is a value.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_name = peer.as_ptr().cast_mut().cast();
    header.msg_namelen = peer.len();
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    match ends.local {
        IpAddr::V4(local) => {
            let spec_dst = libc::in_addr { s_addr: u32::from_ne_bytes(local.octets()) };
            let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: spec_dst, ipi_addr: libc::in_addr { s_addr: 0 } };
            put_control(&mut header, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        IpAddr::V6(local) => {
            let info =
                in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: local.octets() }, ipi6_ifindex: ends.interface };
            put_control(&mut header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
    // SAFETY: the header points to the peer's address, one part and one control message, all alive and of the lengths given;
    // sendmsg only reads through them, though the pointers are declared mutable.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Writes the only control message of a header whose `msg_control` is a [`Control`].
fn put_control<T>(header: &mut msghdr, level: c_int, kind: c_int, info: T) {
    const { assert!(size_of::<T>() <= size_of::<in6_pktinfo>()) };
    let len = size_of::<T>() as u32;
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute. CMSG_FIRSTHDR gives the start of the control room, which is aligned for
    // cmsghdr and has space for it and the largest `T` (asserted above and at `Control`); the data is written unaligned.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(len) as _;
        let message = libc::CMSG_FIRSTHDR(header);
        if let Some(message) = message.as_mut() {
            message.cmsg_level = level;
            message.cmsg_type = kind;
            message.cmsg_len = libc::CMSG_LEN(len) as _;
            ptr::write_unaligned(libc::CMSG_DATA(message).cast::<T>(), info);
        }
    }
}

/// The address that the kernel wrote.
fn socket_address(name: &sockaddr_storage) -> Option<SocketAddr> {
    match c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a sockaddr_in, and sockaddr_storage is as large and aligned as any.
            let v4 = unsafe { &*ptr::from_ref(name).cast::<sockaddr_in>() };
            let address = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(address, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { &*ptr::from_ref(name).cast::<sockaddr_in6>() };
            let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(address, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Local address and interface from the control data of a received datagram.
fn packet_info(control: &Control, len: usize) -> Option<(IpAddr, u32)> {
    // SAFETY: msghdr is integers and raw pointers, for which all zeroes is a value.
    let mut header: msghdr = unsafe { zeroed() };
    header.msg_control = control.as_ptr().cast_mut().cast::<c_void>();
    header.msg_controllen = len.min(size_of::<Control>());
    // SAFETY: the header describes control data that the kernel wrote into a room of that length; the CMSG functions stay
    // within it, and the data of each of these two messages is the structure that ip(7) and ipv6(7) name, read unaligned.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(found) = message.as_ref() {
            match (found.cmsg_level, found.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = ptr::read_unaligned(libc::CMSG_DATA(message).cast::<in_pktinfo>());
                    let address = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
                    return Some((address.into(), u32::try_from(info.ipi_ifindex).unwrap_or(0)));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = ptr::read_unaligned(libc::CMSG_DATA(message).cast::<in6_pktinfo>());
                    return Some((Ipv6Addr::from(info.ipi6_addr.s6_addr).into(), info.ipi6_ifindex));
                }
                _ => message = libc::CMSG_NXTHDR(&raw const header, message),
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn answers_leave_from_where_they_were_sent_to(listen: &str, dialled: &[&str]) {
        let server = UdpSocket::bind(listen).unwrap();
        let port = server.local_addr().unwrap().port();
        enable_packet_info(server.as_fd(), listen.starts_with('[')).unwrap();
        let mut batch = Batch::new();
        for dialled in dialled {
            let to = SocketAddr::new(dialled.parse().unwrap(), port);
            let client = UdpSocket::bind(SocketAddr::new(to.ip(), 0)).unwrap();
            client.connect(to).unwrap();
            client.send(b"ping").unwrap();
            batch.receive(server.as_fd()).unwrap();
            let (ends, bytes) = batch.datagrams().next().unwrap();
            assert_eq!((ends.peer, ends.local, bytes), (client.local_addr().unwrap(), to.ip(), &b"ping"[..]));
            send(server.as_fd(), &ends, b"pong").unwrap();
            let mut answer = [0; 16];
            // A connected socket takes datagrams of its peer's address only.
            assert_eq!(client.recv(&mut answer).unwrap(), 4);
        }
    }

    #[test]
    fn an_ipv4_answer_leaves_from_the_address_that_was_dialled() {
        answers_leave_from_where_they_were_sent_to("0.0.0.0:0", &["127.0.0.1", "127.0.0.2", "127.9.9.9"]);
    }

    #[test]
    fn an_ipv6_answer_leaves_from_the_address_that_was_dialled() {
        answers_leave_from_where_they_were_sent_to("[::]:0", &["::1"]);
    }

    #[test]
    fn a_batch_has_every_datagram_once_and_says_when_there_may_be_more() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        enable_packet_info(server.as_fd(), false).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        for number in 0..70_u8 {
            client.send(&vec![number; usize::from(number)]).unwrap();
        }
        let mut batch = Batch::new();
        let mut lengths = Vec::new();
        for full in [true, false] {
            batch.receive(server.as_fd()).unwrap();
            assert_eq!(batch.is_full(), full);
            lengths.extend(batch.datagrams().map(|(_, bytes)| bytes.len()));
        }
        assert_eq!(lengths, (0..70).collect::<Vec<_>>());
        assert_eq!(batch.receive(server.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
