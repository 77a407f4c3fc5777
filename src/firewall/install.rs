//! Putting the rules in place and taking them out again.

use std::fmt;

use super::save::{self, Removal};
use super::tool::{Error, Tool};
use super::{CHAIN_IN, Family, RuleSetText, Table, routes};

/// What a removal took out, over all families.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Jumps to our chains.
    pub jumps: usize,
    /// Our chains.
    pub chains: usize,
    /// Tables that were not there before us and that nobody used since (nft variant).
    pub tables: usize,
    /// Routing rules and routes of ours.
    pub routes: usize,
}

impl Removed {
    /// Nothing of ours was there.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing to remove");
        }
        let Self { jumps, chains, tables, routes } = self;
        write!(f, "removed: {jumps} jumps, {chains} chains, {tables} tables, {routes} routes of ours")
    }
}

/// Installs the rules, in place of any that an earlier run left in either variant. When one family fails, none keeps
/// rules.
///
/// Call it when the queues are bound: a second engine, which would take them from the first, has failed by then.
///
/// # Errors
/// iptables is missing, not permitted, locked, or refuses the rules; routes collide with somebody else's.
pub fn apply(rules: &RuleSetText) -> Result<(), Error> {
    sweep()?;
    // Routes first: the rules send packets their way.
    let routed = rules.routes().try_for_each(routes::Routes::install);
    let applied = routed.and_then(|()| rules.texts().try_for_each(|(family, text)| Tool::of(family).restore(text)));
    if applied.is_err()
        && let Err(left) = remove()
    {
        log::error!("rules of glutton-nfq may be left behind: {left}");
    }
    applied
}

/// Puts these rules into our chains, in place of those that are there: each table in one step, so that no packet meets half of them. The
/// jumps stay as they are.
///
/// # Errors
/// As [`apply`]. A table that failed has its old rules.
pub fn replace(rules: &RuleSetText) -> Result<(), Error> {
    rules.routes().try_for_each(routes::Routes::install)?;
    rules.texts().try_for_each(|(family, text)| Tool::of(family).restore(&without_jumps(text)))
}

/// What is ours alone. iptables-restore empties a chain that is declared anew, also with `--noflush`.
fn without_jumps(text: &str) -> String {
    let is_jump = |line: &str| line.starts_with('-') && !line.starts_with("-A GLUTTON-NFQ-");
    text.lines().filter(|line| !is_jump(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Takes out our jumps, chains and routes, all of them, and nothing else; does nothing when there are none.
///
/// # Errors
/// `iptables` is missing, or it or `ip` fails. What else could be removed has been.
pub fn remove() -> Result<Removed, Error> {
    let v4 = remove_with(&Tool::of(Family::V4));
    let v6 = unless_missing(remove_with(&Tool::of(Family::V6)));
    let routes = Family::ALL.map(routes::remove);
    let removed = sum(v4?, v6?);
    routes.into_iter().try_fold(removed, |removed, routes| Ok(Removed { routes: removed.routes + routes?, ..removed }))
}

/// As [`remove`], and also looks into the iptables variant that is not the chosen one: the choice may have changed
/// since a run that was killed together with its parent.
///
/// # Errors
/// As [`remove`]. That the other variant cannot be read is no error: it is seldom in use.
pub fn sweep() -> Result<Removed, Error> {
    let mut removed = remove()?;
    for tool in Family::ALL.into_iter().flat_map(Tool::variants) {
        match remove_with(&tool) {
            Ok(more) => removed = sum(removed, more),
            Err(error) => log::debug!("not swept: {error}"),
        }
    }
    Ok(removed)
}

/// Whether our inbound chain is in place for this family. For display; `false` also when iptables cannot say.
pub fn installed(family: Family) -> bool {
    let Ok(mut iptables) = iptables::new(family == Family::V6) else { return false };
    iptables.is_numeric = true;
    iptables.chain_exists(Table::Mangle.name(), CHAIN_IN).unwrap_or(false)
}

fn remove_with(tool: &Tool) -> Result<Removed, Error> {
    let Removal { text, jumps, chains, new_tables } = save::removal(&tool.save()?);
    if text.is_empty() {
        return Ok(Removed::default());
    }
    tool.restore(&text)?;
    let mut tables = 0;
    if !new_tables.is_empty() {
        let saved = tool.save()?;
        for table in new_tables.iter().filter(|table| save::is_empty_table(&saved, table)) {
            tool.flush_table(table)?;
            tables += 1;
        }
    }
    Ok(Removed { jumps, chains, tables, routes: 0 })
}

fn unless_missing(removed: Result<Removed, Error>) -> Result<Removed, Error> {
    match removed {
        Err(Error::Missing { .. }) => Ok(Removed::default()),
        other => other,
    }
}

fn sum(a: Removed, b: Removed) -> Removed {
    Removed {
        jumps: a.jumps + b.jumps,
        chains: a.chains + b.chains,
        tables: a.tables + b.tables,
        routes: a.routes + b.routes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_replaced_without_touching_the_jumps() {
        let text = "*raw\n:GLUTTON-NFQ-OUT - [0:0]\n-A GLUTTON-NFQ-OUT -p tcp -j NFQUEUE\n\
                    -A OUTPUT -o eth0 -j GLUTTON-NFQ-OUT\n-I PREROUTING -i eth0 -j GLUTTON-NFQ-NAT\nCOMMIT\n";
        let own = "*raw\n:GLUTTON-NFQ-OUT - [0:0]\n-A GLUTTON-NFQ-OUT -p tcp -j NFQUEUE\nCOMMIT\n";
        assert_eq!(without_jumps(text), own);
    }
}
