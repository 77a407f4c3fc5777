//! Whether what was installed is still there: whoever flushes a table, or loads a firewall of its own in place of everything, takes our rules with it.

use super::routes::Routes;
use super::tool::{Error, Tool};
use super::{RuleSetText, save};

/// What iptables and `ip` show of ours: to be compared with what they show later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

/// Looks at the tables that these rules are in, and no others: a host's own may be long.
///
/// # Errors
/// A command fails.
pub fn shown(rules: &RuleSetText) -> Result<Shown, Error> {
    let mut shown = String::new();
    for (family, text) in rules.texts() {
        for table in text.lines().filter_map(|line| line.strip_prefix('*')) {
            save::own_rules(&Tool::of(family).save_table(table)?).for_each(|rule| {
                shown.extend([family.program(), " -t ", table, " -A ", rule, "\n"]);
            });
        }
    }
    for routes in rules.routes() {
        shown.push_str(&routes.shown()?);
    }
    Ok(Shown(shown))
}

/// Whether packets to captured networks still come here: what is ours may be there and stand behind what is not.
///
/// # Errors
/// They go elsewhere: another routing rule has come before ours.
pub fn check_routes(rules: &RuleSetText) -> Result<(), Error> {
    rules.routes().try_for_each(Routes::check)
}
