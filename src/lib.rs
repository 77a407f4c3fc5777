//! A userspace packet engine over NFQUEUE, with the honeypot that lives on it.
//!
//! # The way of a packet
//!
//! ```text
//! NIC -> iptables: mangle PREROUTING in, raw OUTPUT out            firewall
//!     -> NFQUEUE: one queue for answered flows, one for first      nfqueue
//!        packets, a worker thread for each such pair
//!          recvmmsg of up to 64 packets
//!          headers proven                                          packet
//!          known flow? its decision. else the first matching rule  flow, rules
//!          pass | drop | rewrite in place | leave to the kernel    engine
//!          verdicts of the batch in one sendmsg                    nfqueue
//!     -> handler server: accept, whose flow is this?               server
//!          a handler's dialogue, or a relay to a proxied host      handlers
//!     -> files that visitors bring or name                        samples
//!     -> events over a bounded channel -> JSON lines               events
//! ```
//! A flow that is left to the kernel is seen no more: the mark of its connection lets its later packets pass to the host, or brings them
//! to the handler server's transparent listener.
//!
//! A packet meets no I/O but the queue's, no allocation and no channel; what happens to a flow may be written to a bounded channel and is never
//! waited for.
//!
//! # The rooms
//!
//! The pure ones take bytes, times and seeds, and give decisions, bytes and events: [`packet`], [`rules`], [`flow`], [`engine`], [`handlers`].
//! Around them are thin shells: [`nfqueue`], [`server`], [`events`], [`firewall`], [`capture`]. [`run`] starts and stops it all under a root parent,
//! the [`supervisor`]; [`privilege`] gives up what is not needed; [`host`] knows what the machine already does; [`config`] is the only home
//! of defaults; [`control`] has the counters; [`cli`] is the command line; [`netns`] makes the networks of `demo` and of the live tests.
//!
//! # As a library
//!
//! Register a handler of your own and run the sensor: see [`run::Sensor`] and `examples/echo.rs`. Decide packets without any kernel: see
//! [`engine::Engine::decide`].

pub mod capture;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod engine;
pub mod events;
pub mod explain;
pub mod firewall;
pub mod flow;
pub mod handlers;
pub mod host;
mod linger;
mod near;
pub mod netns;
pub mod nfqueue;
mod pace;
pub mod packet;
pub mod privilege;
mod process;
mod recency;
pub mod replay;
pub mod rules;
pub mod run;
pub mod samples;
pub mod server;
pub mod state;
pub mod supervisor;
