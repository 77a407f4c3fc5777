//! One TCP connection relayed to a proxy target, both directions recorded.

mod pipe;

use std::net::SocketAddr;
use std::sync::Arc;

use mio::Token;
use mio::event::Event as Readiness;
use mio::net::TcpStream;

use super::Turn;
use super::admission::Permit;
use super::core::Core;
use super::resolver::Answer;
use super::wire::{INTEREST, Read, Wire};
use crate::clock::Timestamp;
use crate::control::Counter;
use crate::events::{Event, FlowRef, Level};
use crate::handlers::Direction;
use crate::rules::ProxyTarget;
use pipe::{Pipe, Pumped};

/// How far a relay has come.
enum Stage {
    /// The target's addresses are being asked for.
    Resolving,
    /// Being connected to the first of the addresses; the others are tried after it, last one first.
    Connecting(Wire, SocketAddr, Vec<SocketAddr>),
    /// Bytes go both ways.
    Piping(Wire),
    /// Nothing is left to do.
    Over,
}

/// One TCP connection relayed to a proxy target.
pub(super) struct Relay {
    visitor: Wire,
    stage: Stage,
    flow: FlowRef,
    name: Arc<str>,
    target: Arc<ProxyTarget>,
    token: Token,
    /// From the visitor to the target.
    inward: Pipe,
    /// From the target to the visitor.
    outward: Pipe,
    last_error: String,
    opened: Timestamp,
    active: Timestamp,
    _permit: Permit,
}

impl Relay {
    /// A relay whose connection to the target will be registered as `token`.
    pub(super) fn new(
        visitor: Wire,
        flow: FlowRef,
        target: Arc<ProxyTarget>,
        token: Token,
        permit: Permit,
        core: &Core,
    ) -> Self {
        let limit = core.limits.max_tcp_payload;
        Self {
            visitor,
            stage: Stage::Resolving,
            flow,
            name: Arc::clone(&core.relay_name),
            target,
            token,
            inward: Pipe::new(limit),
            outward: Pipe::new(limit),
            last_error: String::new(),
            opened: core.now,
            active: core.now,
            _permit: permit,
        }
    }

    /// The stream to the visitor.
    pub(super) fn stream(&self) -> &TcpStream {
        self.visitor.stream()
    }

    /// Takes note of an event on the visitor's side.
    pub(super) fn note_visitor(&mut self, event: &Readiness) {
        self.visitor.note(event);
    }

    /// Takes note of an event on the target's side.
    pub(super) fn note_target(&mut self, event: &Readiness) {
        if let Stage::Connecting(wire, ..) | Stage::Piping(wire) = &mut self.stage {
            wire.note(event);
        }
    }

    /// It waits for the target's addresses.
    pub(super) fn is_resolving(&self) -> bool {
        matches!(self.stage, Stage::Resolving)
    }

    /// Does what can be done now, up to the work budget.
    pub(super) fn turn(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        match &self.stage {
            Stage::Resolving => self.resolve(core, buffer),
            Stage::Connecting(wire, ..) if wire.is_writable() => self.check_connected(core, buffer),
            Stage::Connecting(..) => Turn::Idle,
            Stage::Piping(_) => self.pump(core, buffer),
            Stage::Over => Turn::Over,
        }
    }

    /// When [`Relay::expire`] has something to do.
    pub(super) fn due(&self, core: &Core) -> Timestamp {
        match self.stage {
            Stage::Resolving | Stage::Connecting(..) => self.opened + core.limits.connect_timeout,
            Stage::Piping(_) | Stage::Over => {
                (self.active + core.limits.idle_timeout).min(self.opened + core.limits.max_session)
            }
        }
    }

    /// A deadline has come.
    pub(super) fn expire(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        match &self.stage {
            Stage::Resolving => self.fail(core, buffer, "its address is not known in time".to_owned()),
            Stage::Connecting(_, address, _) => {
                let reason = format!("{address} does not answer in time");
                self.fail(core, buffer, reason)
            }
            Stage::Piping(_) | Stage::Over => {
                let idle = self.active + core.limits.idle_timeout <= core.now;
                core.counters.count(if idle { Counter::SessionsIdle } else { Counter::SessionsOverlong });
                self.close(core)
            }
        }
    }

    /// Ends both connections.
    pub(super) fn close(&mut self, core: &mut Core) -> Turn {
        if matches!(std::mem::replace(&mut self.stage, Stage::Over), Stage::Over) {
            return Turn::Over;
        }
        for (pipe, direction) in [(&self.inward, Direction::Recv), (&self.outward, Direction::Send)] {
            let recording = pipe.recording();
            if direction == Direction::Recv || recording.total() > 0 {
                core.record(&self.flow, &self.name, recording.event(direction));
            }
        }
        Turn::Over
    }

    fn resolve(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        match core.resolver.addresses(&self.target) {
            Answer::Pending => Turn::Idle,
            Answer::Addresses(addresses) => {
                let untried = addresses.iter().rev().copied().collect();
                self.connect(core, buffer, untried)
            }
            Answer::Failed(reason) => self.fail(core, buffer, reason.to_string()),
        }
    }

    /// Begins to connect to the last of these addresses that lets itself be tried.
    fn connect(&mut self, core: &mut Core, buffer: &mut [u8], mut untried: Vec<SocketAddr>) -> Turn {
        while let Some(address) = untried.pop() {
            if core.resolver.is_this_server(address) {
                self.last_error = format!("{address} is this server itself");
                continue;
            }
            let connecting = TcpStream::connect(address).and_then(|mut stream| {
                core.poll.register(&mut stream, self.token, INTEREST)?;
                stream.set_nodelay(true)?;
                Ok(stream)
            });
            match connecting {
                Ok(stream) => {
                    self.stage = Stage::Connecting(Wire::new(stream, false), address, untried);
                    return Turn::Idle;
                }
                Err(error) => self.last_error = format!("{address}: {error}"),
            }
        }
        let reason = std::mem::take(&mut self.last_error);
        self.fail(core, buffer, reason)
    }

    fn check_connected(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        let Stage::Connecting(wire, address, untried) = std::mem::replace(&mut self.stage, Stage::Resolving) else {
            return Turn::Idle;
        };
        // mio's rule for a connecting stream: an error waits in the socket, or the peer is known, or it is not decided yet.
        let outcome = match wire.stream().take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => wire.stream().peer_addr(),
        };
        match outcome {
            Ok(_) => {
                self.stage = Stage::Piping(wire);
                self.active = core.now;
                self.pump(core, buffer)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {
                self.stage = Stage::Connecting(wire, address, untried);
                Turn::Idle
            }
            Err(error) => {
                self.last_error = format!("{address}: {error}");
                self.connect(core, buffer, untried)
            }
        }
    }

    fn pump(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        let Stage::Piping(target) = &mut self.stage else { return Turn::Idle };
        let moved = self.inward.moved() + self.outward.moved();
        let results =
            [self.inward.pump(&mut self.visitor, target, buffer), self.outward.pump(target, &mut self.visitor, buffer)];
        if self.inward.moved() + self.outward.moved() != moved {
            self.active = core.now;
        }
        if results.contains(&Pumped::Gone) {
            // One side broke the connection: so do we on the other.
            target.reset_on_close();
            self.visitor.reset_on_close();
            return self.close(core);
        }
        if self.inward.is_finished() && self.outward.is_finished() {
            return self.close(core);
        }
        if results.contains(&Pumped::More) { Turn::More } else { Turn::Idle }
    }

    /// The target cannot be reached: the visitor gets a reset, the operator an event, and what the visitor said first is kept.
    fn fail(&mut self, core: &mut Core, buffer: &mut [u8], reason: String) -> Turn {
        core.counters.count(Counter::ProxyFailures);
        let target = target_text(&self.target);
        let mut event = Event::new("proxy_error", format!("cannot reach {target}: {reason}"))
            .with("target", target)
            .with("error", reason);
        event.level = Level::Error;
        core.record(&self.flow, &self.name, event);
        if let Read::Bytes(len) = self.visitor.read(buffer) {
            self.inward.record(buffer.get(..len).unwrap_or_default());
        }
        self.visitor.reset_on_close();
        self.close(core)
    }
}

/// The target as rule files write it.
fn target_text(target: &ProxyTarget) -> String {
    match target {
        ProxyTarget::Tcp { host, port } if host.contains(':') => format!("tcp://[{host}]:{port}"),
        ProxyTarget::Tcp { host, port } => format!("tcp://{host}:{port}"),
        ProxyTarget::Docker { container, port } => format!("docker://{container}:{port}"),
    }
}
