//! The engine with real sockets: everything that a visitor, an operator or a host service would notice, in network namespaces.
//!
//! Needs root, as `sudo make test` has it; without root these tests fail and say so. They never touch the host's own network.

#[cfg(test)]
mod control;
#[cfg(test)]
mod lab;
