//! What the iptables of this host can take.

use std::fmt;
use std::path::Path;

use super::tool::{Error, Tool, Variant};
use super::{CHAIN_TRY, Family, Table, native, routes, save};

/// Something that iptables may lack: an extension of the command, or the kernel's part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Telling packets by their connection.
    Tracking,
    /// Marking connections, and telling them by their marks.
    Marks,
    /// Bringing packets to a transparent listener.
    Transparent,
    /// Redirecting connections by NAT.
    Redirect,
}

impl Feature {
    /// The table and the rules by which it is tried, each after the name of the chain. They are like those of `rules.template`.
    const fn rules(self) -> (Table, &'static [&'static str]) {
        match self {
            Self::Tracking => {
                (Table::Mangle, &["-p tcp -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL -j RETURN"])
            }
            Self::Marks => (
                Table::Mangle,
                &[
                    "-m mark ! --mark 0x0/0x3 -j CONNMARK --save-mark --nfmask 0x3 --ctmask 0x3",
                    "-p tcp -m connmark --mark 0x1/0x3 -j MARK --set-xmark 0x0/0x3",
                ],
            ),
            Self::Transparent => {
                (Table::Mangle, &["-p tcp -m socket --transparent -j TPROXY --on-port 1 --tproxy-mark 0x0/0x3"])
            }
            Self::Redirect => (Table::Nat, &["-p tcp -m connmark --mark 0x3/0x3 -j DNAT --to-destination :1"]),
        }
    }

    /// One table for iptables-restore that has these features in a chain that no packet meets.
    fn trial(features: &[Self], table: Table) -> String {
        let rules = features.iter().map(|feature| feature.rules()).filter(|&(of, _)| of == table);
        let lines: String = rules.flat_map(|(_, rules)| rules).map(|rule| format!("-A {CHAIN_TRY} {rule}\n")).collect();
        if lines.is_empty() { lines } else { format!("*{}\n:{CHAIN_TRY} - [0:0]\n{lines}COMMIT\n", table.name()) }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tracking => "connection tracking (xt_conntrack)",
            Self::Marks => "connection marks (xt_connmark, xt_mark)",
            Self::Transparent => "TPROXY (xt_TPROXY, xt_socket)",
            Self::Redirect => "NAT (xt_nat, xt_connmark)",
        })
    }
}

/// The families that get rules here, and what must be noted for removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Families with a working iptables.
    pub families: Vec<Family>,
    /// Tables that our rules will make (nft variant) and that shall go with them.
    pub new_tables: Vec<(Family, Table)>,
    /// Of the features that were asked for, those that some family lacks.
    pub lacks: Vec<Feature>,
    /// Every family has policy routing.
    pub routes: bool,
    /// The bridge among the sensor's interfaces behind which there is no TPROXY.
    pub bridge: Option<String>,
    /// One line for each thing that an operator should know, such as missing IPv6 rules.
    pub warnings: Vec<String>,
}

impl Default for Host {
    /// Both families, all tables in use already, nothing lacking: what `--dry-run` assumes where it may not look.
    fn default() -> Self {
        Self {
            families: Family::ALL.to_vec(),
            new_tables: Vec::new(),
            lacks: Vec::new(),
            routes: true,
            bridge: None,
            warnings: Vec::new(),
        }
    }
}

impl Host {
    /// Asks the iptables commands, and tries these features. Without IPv6 the rules are for IPv4 alone, and a warning says why.
    ///
    /// # Errors
    /// There is no usable `iptables`, or we may not use it.
    pub fn probe(features: &[Feature]) -> Result<Self, Error> {
        let mut host = Self { families: Vec::new(), ..Self::default() };
        host.add(Family::V4, features)?;
        if !Path::new("/proc/thread-self/net/if_inet6").exists() {
            host.warnings.push("this kernel has IPv6 disabled: rules for IPv4 only".to_owned());
        } else if let Err(error) = host.add(Family::V6, features) {
            host.warnings.push(format!("rules for IPv4 only, IPv6 is not diverted: {error}"));
        }
        Ok(host)
    }

    /// Nothing of this is lacking.
    pub fn has(&self, features: &[Feature]) -> bool {
        !features.iter().any(|feature| self.lacks.contains(feature))
    }

    /// Takes note of a bridge by which packets lose the socket that TPROXY has found.
    #[must_use]
    pub fn behind(mut self, bridge: Option<String>) -> Self {
        self.lacks.extend(bridge.is_some().then_some(Feature::Transparent));
        Self { bridge, ..self }
    }

    fn add(&mut self, family: Family, features: &[Feature]) -> Result<(), Error> {
        let tool = Tool::of(family);
        let variant = tool.variant()?;
        let saved = tool.save()?;
        let mut absent = Vec::new();
        if variant == Variant::Nft {
            let new = Table::ALL.into_iter().filter(|&table| save::is_new_table(&saved, table.name()));
            self.new_tables.extend(new.map(|table| (family, table)));
            absent.extend(Table::ALL.into_iter().filter(|&table| save::is_absent_table(&saved, table.name())));
        }
        // All at once, as most hosts have them; one by one where that fails, to know which.
        if attempt(&tool, features, &absent).is_err() {
            for &feature in features {
                if let Err(error) = attempt(&tool, &[feature], &absent) {
                    log::debug!("{}: no {feature}: {error}", family.program());
                    self.lacks.push(feature);
                }
            }
        }
        self.routes &= routes::are_possible(family);
        self.families.push(family);
        Ok(())
    }
}

/// Which firewall drops by default what comes in, and has no rule about this port. `None` also when nobody can say.
pub fn drops_input(port: u16) -> Option<String> {
    let by_iptables = || Tool::of(Family::V4).save().is_ok_and(|saved| save::drops_input(&saved, port));
    by_iptables()
        .then(|| "iptables, chain INPUT".to_owned())
        .or_else(|| Some(format!("nft, {}", native::dropping_chain(port)?)))
}

/// Puts rules with these features into a chain that no packet meets, and takes them out again: the only question that every variant of iptables
/// answers truly. Tables that were absent are so again.
fn attempt(tool: &Tool, features: &[Feature], absent: &[Table]) -> Result<(), Error> {
    for table in Table::ALL {
        let trial = Feature::trial(features, table);
        if trial.is_empty() {
            continue;
        }
        let name = table.name();
        let outcome = tool.restore(&trial);
        // Nothing but this chain: the others may be those of an engine that runs.
        if outcome.is_ok() {
            tool.restore(&format!("*{name}\n-F {CHAIN_TRY}\n-X {CHAIN_TRY}\nCOMMIT\n"))?;
        }
        if absent.contains(&table) && save::is_empty_table(&tool.save()?, name) {
            tool.flush_table(name)?;
        }
        outcome?;
    }
    Ok(())
}
