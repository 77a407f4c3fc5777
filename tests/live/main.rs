//! The engine with real sockets: everything that a visitor, an operator or a host service would notice, in network namespaces.
//!
//! Needs root, as `sudo make test` has it; without root these tests fail and say so. They never touch the host's own network.

#[cfg(test)]
mod lab;

#[cfg(test)]
mod bulk;
#[cfg(test)]
mod carried;
#[cfg(test)]
mod conntrack;
#[cfg(test)]
mod control;
#[cfg(test)]
mod dark;
#[cfg(test)]
mod death;
#[cfg(test)]
mod flood;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod interface;
#[cfg(test)]
mod long;
#[cfg(test)]
mod mixed;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod redirect;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod surroundings;
