//! A worker thread: one poll, everything that is ready in turn, then the timers.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

use super::FlowLookup;
use super::admission::{Admission, Permit, Refusal};
use super::bind::Sockets;
use super::binding::{Binding, Service};
use super::connection::{Connection, Connections};
use super::core::{Core, Parts};
use super::datagram::Datagrams;
use super::dialogue::Dialogue;
use super::handle::Stop;
use super::relay::Relay;
use super::served::Served;
use super::sys::Batch;
use super::token::Source;
use super::wire::{INTEREST, Wire, reset_on_close};
use crate::clock::Timestamp;
use crate::control::Counter;
use crate::events::FlowRef;
use crate::flow::Transport;
use crate::linger::Linger;

/// Bytes of one read.
const BUFFER: usize = 64 * 1024;
/// Events that one poll takes from the kernel.
const EVENTS: usize = 1024;
/// Connections that one listener accepts before other sources have their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Timers that one wake-up serves.
const TIMERS_PER_TURN: usize = 1024;
/// A listener that has met a limit of the host (descriptors, memory) rests so long.
const ACCEPT_REST: Duration = Duration::from_millis(100);

struct Listener {
    socket: TcpListener,
    entrance: Entrance,
    /// Connections may be waiting.
    ready: bool,
    /// Set while it rests.
    armed: Option<Timestamp>,
}

/// How connections come to a listener, and so which flow each belongs to.
#[derive(Debug, Clone, Copy)]
enum Entrance {
    /// All to this address: it is no wildcard and the socket not transparent.
    Fixed(SocketAddr),
    /// To the socket's own address, whichever that is.
    Any,
    /// Redirected by the kernel, which knows what was dialled.
    Redirected,
}

/// What a worker is made of.
pub(super) struct WorkerParts {
    pub(super) core: Parts,
    pub(super) poll: Poll,
    pub(super) sockets: Sockets,
    pub(super) admission: Arc<Admission>,
    pub(super) stop: Arc<Stop>,
}

/// A worker thread's state.
pub(super) struct Worker {
    poll: Poll,
    core: Core,
    listeners: Vec<Listener>,
    /// UDP sockets where datagrams may be waiting.
    ports_ready: Vec<bool>,
    datagrams: Datagrams,
    connections: Connections,
    buffer: Box<[u8]>,
    batch: Batch,
    admission: Arc<Admission>,
    stop: Arc<Stop>,
    stopping: bool,
    linger: Linger,
}

impl Worker {
    /// Works until told to stop.
    pub(super) fn run_with(parts: WorkerParts) {
        if let Err(error) = Self::new(parts).and_then(Self::run) {
            log::error!("a server worker ends: {error}");
        }
    }

    fn new(parts: WorkerParts) -> io::Result<Self> {
        let WorkerParts { core, poll, sockets, admission, stop } = parts;
        let core = Core::new(core, poll.registry().try_clone()?);
        let Sockets { tcp, redirected, udp, transparent } = sockets;
        let dialled = tcp.into_iter().map(|socket| Ok((Entrance::of(&socket, transparent)?, socket)));
        let redirected = redirected.into_iter().map(|socket| Ok((Entrance::Redirected, socket)));
        let listeners = dialled.chain(redirected).enumerate();
        let listeners = listeners
            .map(|(index, found)| {
                found.and_then(|(entrance, socket)| Listener::new(socket, entrance, index, &core.poll))
            })
            .collect::<io::Result<_>>()?;
        let mut ports = Vec::new();
        for (index, socket) in udp.into_iter().enumerate() {
            core.poll.register(
                &mut SourceFd(&socket.as_fd().as_raw_fd()),
                Source::Port(index).into(),
                Interest::READABLE,
            )?;
            let port = socket.local_addr()?.port();
            ports.push((socket, port));
        }
        Ok(Self {
            poll,
            listeners,
            ports_ready: vec![false; ports.len()],
            datagrams: Datagrams::new(ports, &core.limits, Arc::clone(&core.flows)),
            core,
            connections: Connections::default(),
            buffer: vec![0; BUFFER].into(),
            batch: Batch::new(),
            admission,
            stop,
            stopping: false,
            linger: Linger::default(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut found = false;
        while !self.has_stopped() {
            let mut patience = self.patience();
            if patience != Some(Duration::ZERO) && self.linger.looks_again(found) {
                patience = Some(Duration::ZERO);
            }
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => outcome?,
            }
            self.core.tick();
            for event in &events {
                self.note(event);
            }
            self.work();
            self.linger.note(0, self.core.now);
            let pause = self.datagrams.gather(self.core.now);
            if let Some(pause) = pause.filter(|_| self.patience() != Some(Duration::ZERO)) {
                thread::sleep(pause);
            }
            found = !events.is_empty();
        }
        Ok(())
    }

    /// How long the next poll may sleep.
    fn patience(&self) -> Option<Duration> {
        let ports = self.ports_ready.contains(&true);
        if ports || self.connections.is_busy() || self.listeners.iter().any(|listener| listener.ready) {
            return Some(Duration::ZERO);
        }
        let stop = self.stop.by().map(|by| by.saturating_since(self.core.now));
        let waits = [self.core.timers.wait(self.core.now), self.datagrams.wait(&self.core), stop];
        waits.into_iter().flatten().min()
    }

    /// Begins to stop when told so; true when nothing is left or the time is over.
    fn has_stopped(&mut self) -> bool {
        let Some(by) = self.stop.by() else { return false };
        if !self.stopping {
            self.stopping = true;
            self.core.tick();
            self.listeners.clear();
            self.ports_ready.clear();
            self.datagrams.close(&mut self.core);
            self.connections.close(&mut self.core);
        }
        self.connections.is_empty() || self.core.now >= by
    }

    /// Takes note of an event: what it is about will have its turn.
    fn note(&mut self, event: &Event) {
        match Source::from(event.token()) {
            Source::Wake => self.connections.wake_resolving(),
            Source::Listener(index) => self.wake_listener(index),
            Source::Port(index) => {
                if let Some(ready) = self.ports_ready.get_mut(index) {
                    *ready = true;
                }
            }
            Source::Visitor(place) => self.connections.note(place, false, event),
            Source::Target(place) => self.connections.note(place, true, event),
            Source::Datagrams(_) => {}
        }
    }

    /// One turn for everything that has something to do. Each has its own work budget, so none can starve the others.
    fn work(&mut self) {
        self.connections.turn(&mut self.core, &mut self.buffer);
        for index in 0..self.listeners.len() {
            self.accept(index);
        }
        for (index, ready) in self.ports_ready.iter_mut().enumerate() {
            *ready = *ready && self.datagrams.turn(index, &mut self.batch, &mut self.core);
        }
        for _ in 0..TIMERS_PER_TURN {
            let Some(token) = self.core.timers.pop(self.core.now) else { break };
            self.fire(token);
        }
        self.datagrams.expire(&mut self.core);
    }

    fn fire(&mut self, token: Token) {
        match Source::from(token) {
            Source::Listener(index) => {
                if let Some(listener) = self.listeners.get_mut(index) {
                    listener.armed = None;
                }
                self.wake_listener(index);
            }
            Source::Datagrams(place) => self.datagrams.deadline(place, &mut self.core),
            Source::Visitor(place) => self.connections.expire(place, &mut self.core, &mut self.buffer),
            Source::Wake | Source::Port(_) | Source::Target(_) => {}
        }
    }

    /// A listener that rests is woken by its timer only.
    fn wake_listener(&mut self, index: usize) {
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.ready = listener.armed.is_none();
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get_mut(index).filter(|listener| listener.ready) else { return };
            match listener.socket.accept() {
                Ok((stream, peer)) => {
                    let entrance = listener.entrance;
                    self.linger.note(1, self.core.now);
                    self.admit(stream, peer, entrance);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.ready = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.core.counters.count(Counter::AcceptErrors);
                    if is_of_the_host(&error) {
                        listener.ready = false;
                        let due = self.core.now + ACCEPT_REST;
                        self.core.timers.arm(Source::Listener(index).into(), &mut listener.armed, due);
                    }
                }
            }
        }
    }

    /// Decides whether an accepted connection is served, and by what.
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr, entrance: Entrance) {
        let Some(flow) = entrance.flow(&*self.core.flows, &stream, peer) else {
            return self.refuse(&stream, Counter::SessionsWithoutFlow);
        };
        let binding = self.core.bindings.of(&flow.rule, Transport::Tcp, &self.core.registry);
        if matches!(binding.service, Service::None) {
            return self.refuse_flow(&stream, &flow, Counter::SessionsWithoutFlow);
        }
        self.core.proofs.note(flow.key.client, self.core.now);
        match self.admission.admit(flow.key.client) {
            Ok(permit) => self.open(stream, flow, &binding, permit),
            Err(Refusal::Total) => self.refuse_flow(&stream, &flow, Counter::SessionsRefusedTotal),
            Err(Refusal::Source) => self.refuse_flow(&stream, &flow, Counter::SessionsRefusedSource),
        }
    }

    fn refuse(&self, stream: &TcpStream, counter: Counter) {
        self.core.counters.count(counter);
        reset_on_close(stream);
    }

    fn refuse_flow(&self, stream: &TcpStream, flow: &FlowRef, counter: Counter) {
        self.refuse(stream, counter);
        self.core.release(flow, stream);
    }

    fn open(&mut self, mut stream: TcpStream, flow: FlowRef, binding: &Binding, permit: Permit) {
        let (place, held) = (self.connections.vacancy(), flow.clone());
        if self.poll.registry().register(&mut stream, Source::Visitor(place).into(), INTEREST).is_err() {
            return self.refuse_flow(&stream, &flow, Counter::AcceptErrors);
        }
        let wire = Wire::new(stream, true);
        let core = &mut self.core;
        let connection = match &binding.service {
            Service::Handler(entry) => {
                let served = Served::new(core, flow, &binding.rule_name, entry);
                Connection::Dialogue(Dialogue::new(wire, served, permit, core.now))
            }
            Service::Relay(target) => {
                let token = Source::Target(place).into();
                Connection::Relay(Box::new(Relay::new(wire, flow, Arc::clone(target), token, permit, core)))
            }
            Service::None => return,
        };
        core.counters.count(Counter::SessionsOpened);
        self.connections.insert(place, connection, held, core, &mut self.buffer);
    }
}

impl Listener {
    fn new(socket: std::net::TcpListener, entrance: Entrance, index: usize, poll: &mio::Registry) -> io::Result<Self> {
        let mut socket = TcpListener::from_std(socket);
        poll.register(&mut socket, Source::Listener(index).into(), Interest::READABLE)?;
        Ok(Self { socket, entrance, ready: false, armed: None })
    }
}

impl Entrance {
    fn of(listener: &std::net::TcpListener, transparent: bool) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(if address.ip().is_unspecified() || transparent { Self::Any } else { Self::Fixed(address) })
    }

    /// The flow of a connection that came this way. A visitor who has gone already leaves a socket that knows no address.
    fn flow(self, flows: &dyn FlowLookup, stream: &TcpStream, peer: SocketAddr) -> Option<FlowRef> {
        match self {
            Self::Fixed(local) => flows.lookup(Transport::Tcp, peer, local),
            Self::Any => flows.lookup(Transport::Tcp, peer, stream.local_addr().ok()?),
            Self::Redirected => flows.redirected(peer, dialled(stream, peer.is_ipv4())?),
        }
    }
}

/// What the client of a redirected connection dialled, as the kernel's connection tracking knows (SO_ORIGINAL_DST of linux/netfilter_ipv4.h,
/// IP6T_SO_ORIGINAL_DST of linux/netfilter_ipv6/ip6_tables.h).
fn dialled(stream: &TcpStream, v4: bool) -> Option<SocketAddr> {
    let socket = SockRef::from(stream);
    let dialled = if v4 { socket.original_dst_v4() } else { socket.original_dst_v6() };
    dialled.ok()?.as_socket()
}

/// An accept failed because of the host's limits, not because of the one connection: the next would fail as well.
fn is_of_the_host(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
