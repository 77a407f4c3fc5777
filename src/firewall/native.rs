//! Firewalls that were written for nft(8) itself, which no iptables shows.

use super::tool;

/// The chain that drops by default what comes in, as `table inet filter, chain input`, unless some rule names this port; those of iptables are left out.
/// `None` also on a host without nft.
pub(super) fn dropping_chain(port: u16) -> Option<String> {
    let ruleset = tool::run("nft", &["list", "ruleset"], "").ok()?;
    find(&ruleset, port)
}

fn find(ruleset: &str, port: u16) -> Option<String> {
    let port = port.to_string();
    let names = |line: &str| line.split(|c: char| !c.is_ascii_digit()).any(|word| word == port);
    let (mut table, mut chain, mut found) = ("", "", None);
    for line in ruleset.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("table ") {
            table = name.trim_end_matches([' ', '{']);
        } else if let Some(name) = line.strip_prefix("chain ") {
            chain = name.trim_end_matches([' ', '{']);
        } else if line.contains("hook input ") && line.contains("policy drop;") {
            // `INPUT` is iptables' own.
            found = found.or_else(|| (chain != "INPUT").then(|| format!("table {table}, chain {chain}")));
        } else if names(line) {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULESET: &str = "\
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
	}
}
table inet firewall {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		tcp dport { 22, 80 } accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
";

    #[test]
    fn a_chain_that_drops_is_named_unless_a_rule_names_the_port() {
        assert_eq!(find(RULESET, 5000).unwrap(), "table inet firewall, chain input");
        assert_eq!(find(RULESET, 80), None);
        assert_eq!(find(&RULESET.replace("drop", "accept"), 5000), None);
        assert_eq!(find(RULESET.split_once("table inet").unwrap().0, 5000), None);
        assert_eq!(find("", 5000), None);
    }
}
