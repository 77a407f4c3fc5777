//! The way of packets to captured networks, which are not this host's, to the transparent listener all the same.
//!
//! For each family, one routing rule sends packets with our mark to a table of ours, where the captured networks are local. That table has no
//! default route: what else may be looked up with our mark, answers under `tcp_fwmark_accept` or reverse paths under `src_valid_mark`, finds
//! nothing there and goes on to the tables behind.
//!
//! Rules and routes carry a routing protocol number of ours. By it they are found again, whatever table and priority the configuration names.

use super::tool::{Error, run};
use super::{Family, Plan};
use crate::config::Prefix;
use crate::engine::Course;

/// Our routing protocol number: in no list of iproute2 (`rt_protos`), FRR or systemd.
const PROTOCOL: &str = "171";

/// Where the rule stands and which table it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyRoute {
    /// Number of the routing table.
    pub table: u32,
    /// Priority of the routing rule; lower ones come first.
    pub priority: u32,
}

/// The rule and the routes of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Routes {
    family: Family,
    place: PolicyRoute,
    /// Value and mask.
    mark: String,
    networks: Vec<Prefix>,
}

impl Routes {
    /// What this plan needs; `None` when the kernel carries nothing to a captured network of this family.
    pub(super) fn of(plan: &Plan, family: Family) -> Option<Self> {
        let path = plan.kernel.as_ref()?;
        let place = path.route?;
        let networks = plan.captured(family);
        let mark = path.mark(Course::Transparent);
        (!networks.is_empty()).then_some(Self { family, place, mark, networks })
    }

    /// The command that makes them, and what it reads.
    pub(super) fn command(&self) -> String {
        format!("ip {} -batch - <<'EOF'\n{}EOF\n", option(self.family), self.batch())
    }

    /// The rule comes last: no packet meets a table that is not whole.
    fn batch(&self) -> String {
        let Self { place: PolicyRoute { table, priority }, mark, .. } = self;
        let route = |network| format!("route replace local {network} dev lo table {table} proto {PROTOCOL}\n");
        let mut batch: String = self.networks.iter().map(route).collect();
        batch.push_str(&format!("rule add priority {priority} fwmark {mark} lookup {table} protocol {PROTOCOL}\n"));
        batch
    }

    /// Makes them, unless they are there, and asks the kernel whether they do what they are for.
    pub(super) fn install(&self) -> Result<(), Error> {
        let Self { family, place: PolicyRoute { table, .. }, .. } = *self;
        if own_rules(&listed_rules(family)?).next().is_some() {
            return Ok(());
        }
        // A table that is not there is an error to `ip`.
        let others = ip(family, &["route", "show", "table", &table.to_string()]).unwrap_or_default();
        if !others.is_empty() {
            return Err(Error::TableInUse { table });
        }
        batch(family, &self.batch())?;
        self.check()
    }

    /// Our rule and our table, as `ip` shows them.
    pub(super) fn shown(&self) -> Result<String, Error> {
        let rules = listed_rules(self.family)?;
        let own: String = own_rules(&rules).flat_map(|(priority, rest)| [priority, ": ", rest, "\n"]).collect();
        // A table that is not there is an error to `ip`.
        let table = ip(self.family, &["route", "show", "table", &self.place.table.to_string()]).unwrap_or_default();
        Ok(own + &table)
    }

    /// Asks the kernel whether they do what they are for.
    pub(super) fn check(&self) -> Result<(), Error> {
        let PolicyRoute { priority, .. } = self.place;
        match self.networks.iter().find(|network| !self.is_delivered(network)) {
            Some(network) => Err(Error::RoutedElsewhere { network: network.to_string(), priority }),
            None => Ok(()),
        }
    }

    /// Whether marked packets to this network reach this host.
    fn is_delivered(&self, network: &Prefix) -> bool {
        let mark = self.mark.split('/').next().unwrap_or_default();
        let way = ip(self.family, &["route", "get", &network.sample().to_string(), "mark", mark]);
        way.is_ok_and(|way| way.starts_with("local "))
    }
}

/// Whether `ip` and the kernel know routing rules of this family, by protocol.
pub(super) fn are_possible(family: Family) -> bool {
    listed_rules(family).inspect_err(|error| log::debug!("no policy routing: {error}")).is_ok()
}

/// Takes out the rules and routes of this family that carry our protocol number. How many.
///
/// # Errors
/// They are there and cannot be removed.
pub(super) fn remove(family: Family) -> Result<usize, Error> {
    let rules = unless_impossible(listed_rules(family))?;
    let routes = unless_impossible(ip(family, &["route", "show", "table", "all", "proto", PROTOCOL]))?;
    let removal = removal(&rules, &routes);
    if !removal.is_empty() {
        batch(family, &removal)?;
    }
    Ok(removal.lines().count())
}

/// What `ip -batch` must read to take out ours, as `ip` has shown it: the rules, and routes that all are ours.
fn removal(rules: &str, routes: &str) -> String {
    let rules = own_rules(rules).map(|(priority, rest)| format!("rule del priority {priority} {rest}\n"));
    // Chosen by protocol, they are shown without it.
    let routes = routes.lines().map(|route| format!("route del {} proto {PROTOCOL}\n", route.trim()));
    rules.chain(routes).collect()
}

/// Priority and the rest of our rules: `4770: from all fwmark 0x1/0x3 lookup 4770 proto 171`.
fn own_rules(rules: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_ours = |rest: &str| rest.split(' ').zip(rest.split(' ').skip(1)).any(|pair| pair == ("proto", PROTOCOL));
    let rules = rules.lines().filter_map(|rule| rule.split_once(':'));
    rules.map(|(priority, rest)| (priority, rest.trim())).filter(move |(_, rest)| is_ours(rest))
}

/// A host whose `ip` or kernel knows no such list has nothing of ours in it; a command that was killed says nothing about that.
fn unless_impossible(list: Result<String, Error>) -> Result<String, Error> {
    match list {
        Err(Error::Missing { .. } | Error::Failed { .. }) => Ok(String::new()),
        other => other,
    }
}

const fn option(family: Family) -> &'static str {
    match family {
        Family::V4 => "-4",
        Family::V6 => "-6",
    }
}

/// All routing rules, with numbers for names.
fn listed_rules(family: Family) -> Result<String, Error> {
    ip(family, &["-N", "rule", "show"])
}

fn ip(family: Family, arguments: &[&str]) -> Result<String, Error> {
    run("ip", &[&[option(family)], arguments].concat(), "")
}

fn batch(family: Family, lines: &str) -> Result<(), Error> {
    run("ip", &[option(family), "-batch", "-"], lines).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_names_what_carries_our_number_and_nothing_else() {
        let rules = "0:\tfrom all lookup 255\n4770:\tfrom all fwmark 0x20000000/0x30000000 lookup 4770 proto 171\n\
                     4770:\tfrom all fwmark 0x1 lookup 171 proto 17\n32766:\tfrom all lookup 254\n";
        let routes = "local 203.0.113.0/24 dev lo table 4770 scope host \n";
        assert_eq!(
            removal(rules, routes),
            "rule del priority 4770 from all fwmark 0x20000000/0x30000000 lookup 4770 proto 171\n\
             route del local 203.0.113.0/24 dev lo table 4770 scope host proto 171\n"
        );
        assert_eq!(removal("garbage\n:\n1:proto\n", ""), "");
    }
}
