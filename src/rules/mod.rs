//! Rules: the rule file, the filter language and the index that finds the first match.
//!
//! Owns the meaning of a rule file. Refuses to open files, resolve names while packets flow, or touch a packet.

pub mod filter;
mod rule;

pub use rule::{Action, ProxyTarget, Rule, Scope};
