//! Rules: the rule file, the filter language and the index that finds the first match.
//!
//! Owns the meaning of a rule file. Refuses to resolve names while packets flow, to keep files open, or to touch a packet.
//!
//! - [`RuleSet::load`], [`RuleSet::from_yaml`], [`RuleSet::from_toml`]: text to rules, or all that is wrong with it ([`RuleErrors`]);
//! - [`RuleSet::first_match`]: a packet to the rule that takes it;
//! - [`RuleSet::warnings`]: what is right in form and probably not meant.

mod error;
mod file;
pub mod filter;
mod index;
pub(crate) mod rule;
mod set;
mod warning;

pub use error::{LoadError, MAX_ERRORS, RuleError, RuleErrors};
pub use file::{MAX_FILE_BYTES, MAX_LIST_BYTES, MAX_NAME_CHARS, MAX_RULES, Sources};
pub use rule::{Action, Limit, ProxyTarget, Rule, Sample, Scope, Share};
pub use set::{Protocols, RuleSet};
pub use warning::{Surroundings, Warning, WarningKind};
