//! Real clients against the handlers, through the engine, on native ports, in network namespaces: what convinces them, and what is
//! recorded of them. One file a protocol.
//!
//! Needs root and the clients, as `sudo make test` has them; without, these tests fail and say so.

#[cfg(test)]
#[path = "../dialogues/escaped.rs"]
mod escaped;
#[cfg(test)]
mod genuine;
#[cfg(test)]
#[allow(dead_code, reason = "the laboratory serves tests/live, too")]
#[path = "../live/lab/mod.rs"]
mod lab;
#[cfg(test)]
#[path = "../dialogues/loader.rs"]
mod loader;
#[cfg(test)]
mod program;
#[cfg(test)]
#[path = "../dialogues/shell.rs"]
mod shell_dialogue;

#[cfg(test)]
mod adb;
#[cfg(test)]
mod frame;
#[cfg(test)]
mod http;
#[cfg(test)]
mod jabber;
#[cfg(test)]
mod mass;
#[cfg(test)]
mod memcache;
#[cfg(test)]
mod mqtt;
#[cfg(test)]
mod scan;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod smb;
#[cfg(test)]
mod telnet;
#[cfg(test)]
mod web;
