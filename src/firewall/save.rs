//! Reading `iptables-save`: what of it is ours.

use super::{CHAIN_IN, CHAIN_KEEP, CHAIN_NAT, CHAIN_NEW, CHAIN_OUT, CHAIN_QUEUE, CHAIN_TRY, CHAIN_UNTRACKED};

const OWN_CHAINS: [&str; 8] =
    [CHAIN_IN, CHAIN_QUEUE, CHAIN_KEEP, CHAIN_OUT, CHAIN_UNTRACKED, CHAIN_NAT, CHAIN_NEW, CHAIN_TRY];

/// What iptables-restore must read to take our rules out, and how much that is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Removal {
    /// For `iptables-restore --noflush`; empty when nothing is ours.
    pub(super) text: String,
    /// Jumps to our chains.
    pub(super) jumps: usize,
    /// Our chains.
    pub(super) chains: usize,
    /// Tables that were not there before us.
    pub(super) new_tables: Vec<String>,
}

/// One table of the text.
#[derive(Default)]
struct Section<'a> {
    table: &'a str,
    /// Chain and policy, `-` for a chain that somebody made.
    chains: Vec<(&'a str, &'a str)>,
    /// Everything after `-A `.
    rules: Vec<&'a str>,
}

/// Whether nobody but us needs this table: it is not there, or only since an earlier run.
pub(super) fn is_new_table(saved: &str, table: &str) -> bool {
    let marked = |section: &Section<'_>| section.chains.iter().any(|&(chain, _)| chain == CHAIN_NEW);
    sections(saved).iter().all(|section| section.table != table || marked(section))
}

/// Whether the table is not there at all.
pub(super) fn is_absent_table(saved: &str, table: &str) -> bool {
    sections(saved).iter().all(|section| section.table != table)
}

/// Whether the table is there and holds nothing: no rule, no chain of anybody's, no policy but ACCEPT.
pub(super) fn is_empty_table(saved: &str, table: &str) -> bool {
    let empty = |section: &Section<'_>| {
        section.rules.is_empty() && section.chains.iter().all(|&(_, policy)| policy == "ACCEPT")
    };
    sections(saved).iter().any(|section| section.table == table && empty(section))
}

/// Whether this firewall drops by default what comes in, and no rule of it names this port.
pub(super) fn drops_input(saved: &str, port: u16) -> bool {
    let port = port.to_string();
    let names = |rule: &str| rule.split([' ', ',', ':']).any(|word| word == port);
    let drops = |section: &Section<'_>| section.table == "filter" && section.chains.contains(&("INPUT", "DROP"));
    sections(saved).iter().any(|section| drops(section) && !section.rules.iter().any(|rule| names(rule)))
}

/// What it takes to remove our jumps, however many there are, and our chains, from whatever table holds them.
pub(super) fn removal(saved: &str) -> Removal {
    let mut removal = Removal::default();
    for section in sections(saved) {
        let own: Vec<&str> =
            section.chains.iter().map(|&(chain, _)| chain).filter(|c| OWN_CHAINS.contains(c)).collect();
        if own.is_empty() {
            continue;
        }
        let jumps: Vec<&str> = section.rules.iter().copied().filter(|rule| is_foreign_jump(rule)).collect();
        let lines = (jumps.iter().map(|rule| format!("-D {rule}\n")))
            .chain(own.iter().map(|chain| format!("-F {chain}\n")))
            .chain(own.iter().map(|chain| format!("-X {chain}\n")));
        removal.text.extend([format!("*{}\n", section.table)].into_iter().chain(lines).chain(["COMMIT\n".to_owned()]));
        removal.jumps += jumps.len();
        removal.chains += own.iter().filter(|&&chain| chain != CHAIN_NEW).count();
        if own.contains(&CHAIN_NEW) {
            removal.new_tables.push(section.table.to_owned());
        }
    }
    removal
}

/// Our rules and the jumps to them, in their order, each without its `-A `.
pub(super) fn own_rules(saved: &str) -> impl Iterator<Item = &str> {
    let is_ours =
        |rule: &&str| rule.split(' ').next().is_some_and(|chain| OWN_CHAINS.contains(&chain)) || is_foreign_jump(rule);
    sections(saved).into_iter().flat_map(|section| section.rules).filter(is_ours)
}

/// A rule outside our chains that leads into one of them. The target is always the last option with a chain for a
/// value.
fn is_foreign_jump(rule: &str) -> bool {
    let mut words = rule.split(' ');
    if words.next().is_some_and(|chain| OWN_CHAINS.contains(&chain)) {
        return false;
    }
    let words: Vec<&str> = words.collect();
    matches!(words.as_slice(), [.., "-j" | "-g", target] if OWN_CHAINS.contains(target))
}

fn sections(saved: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in saved.lines() {
        if let Some(table) = line.strip_prefix('*') {
            sections.push(Section { table, ..Section::default() });
        } else if let Some(section) = sections.last_mut() {
            if let Some(rule) = line.strip_prefix("-A ") {
                section.rules.push(rule);
            } else if let Some(chain) = line.strip_prefix(':') {
                let mut words = chain.split(' ');
                section.chains.push((words.next().unwrap_or_default(), words.next().unwrap_or_default()));
            }
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "\
# Generated by iptables-nft-save v1.8.9 (nf_tables)
*mangle
:PREROUTING ACCEPT [7:420]
:GLUTTON-NFQ-IN - [0:0]
:GLUTTON-NFQ-NEW - [0:0]
:T-POT - [0:0]
-A PREROUTING -p tcp -m tcp --dport 64295 -m comment --comment \"not -j GLUTTON-NFQ-IN\" -j ACCEPT
-A PREROUTING -i eth0 -j GLUTTON-NFQ-IN
-A PREROUTING -i eth0 -j GLUTTON-NFQ-IN
-A T-POT -s 192.0.2.1/32 -g GLUTTON-NFQ-IN
-A GLUTTON-NFQ-IN -p tcp -m conntrack --ctdir ORIGINAL -j NFQUEUE --queue-num 0 --queue-bypass
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -j ACCEPT
COMMIT
";

    #[test]
    fn removal_names_every_jump_and_chain_of_ours_and_nothing_else() {
        let removal = removal(SAVED);
        assert_eq!(
            removal.text,
            "*mangle\n-D PREROUTING -i eth0 -j GLUTTON-NFQ-IN\n-D PREROUTING -i eth0 -j GLUTTON-NFQ-IN\n\
             -D T-POT -s 192.0.2.1/32 -g GLUTTON-NFQ-IN\n-F GLUTTON-NFQ-IN\n-F GLUTTON-NFQ-NEW\n-X GLUTTON-NFQ-IN\n\
             -X GLUTTON-NFQ-NEW\nCOMMIT\n"
        );
        assert_eq!((removal.jumps, removal.chains), (3, 1));
        assert_eq!(removal.new_tables, ["mangle"]);
    }

    #[test]
    fn rules_of_ours_are_told_from_others() {
        let own: Vec<&str> = own_rules(SAVED).collect();
        assert_eq!(own.len(), 4, "{own:?}");
        assert!(own.iter().all(|rule| !rule.contains("64295")), "{own:?}");
    }

    #[test]
    fn a_firewall_that_drops_what_the_sensor_answers_is_told_from_one_that_accepts_it() {
        assert!(drops_input(SAVED, 5000));
        let accepts = |rule: &str| format!("*filter\n:INPUT DROP [0:0]\n{rule}\nCOMMIT\n");
        assert!(!drops_input(&accepts("-A ufw-user-input -p tcp -m multiport --dports 22,5000 -j ACCEPT"), 5000));
        assert!(drops_input(&accepts("-A INPUT -p tcp --dport 50001 -j ACCEPT"), 5000));
        assert!(!drops_input("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*mangle\n:INPUT DROP [0:0]\nCOMMIT\n", 5000));
    }

    #[test]
    fn nothing_of_ours_is_nothing_to_remove() {
        assert_eq!(removal("*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j ACCEPT\nCOMMIT\n"), Removal::default());
        assert_eq!(removal(""), Removal::default());
        assert_eq!(removal(":\n-A \n*\n:\n-A x\ngarbage"), Removal::default());
    }

    #[test]
    fn a_table_is_empty_without_rules_chains_and_policies() {
        assert!(is_empty_table("*raw\n:OUTPUT ACCEPT [1:2]\nCOMMIT\n", "raw"));
        assert!(!is_empty_table("*raw\n:OUTPUT DROP [0:0]\nCOMMIT\n", "raw"));
        assert!(!is_empty_table("*raw\n:OUTPUT ACCEPT [0:0]\n:MINE - [0:0]\nCOMMIT\n", "raw"));
        assert!(!is_empty_table("*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j ACCEPT\nCOMMIT\n", "raw"));
        assert!(!is_empty_table("", "raw"));
    }

    #[test]
    fn a_table_is_new_when_it_is_absent_or_marked_by_an_earlier_run() {
        assert!(is_new_table(SAVED, "mangle") && is_new_table(SAVED, "raw"));
        assert!(!is_new_table(SAVED, "filter"));
    }
}
