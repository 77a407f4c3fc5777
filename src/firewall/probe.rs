//! What the iptables of this host can take.

use std::path::Path;

use super::tool::{Error, Tool, Variant};
use super::{Family, Table, save};

/// The families that get rules here, and what must be noted for removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Families with a working iptables.
    pub families: Vec<Family>,
    /// Tables that our rules will make (nft variant) and that shall go with them.
    pub new_tables: Vec<(Family, Table)>,
    /// One line for each thing that an operator should know, such as missing IPv6 rules.
    pub warnings: Vec<String>,
}

impl Default for Host {
    /// Both families, all tables in use already: what `--dry-run` assumes where it may not look.
    fn default() -> Self {
        Self { families: Family::ALL.to_vec(), new_tables: Vec::new(), warnings: Vec::new() }
    }
}

impl Host {
    /// Asks the iptables commands. Without IPv6 the rules are for IPv4 alone, and a warning says why.
    ///
    /// # Errors
    /// There is no usable `iptables`, or we may not use it.
    pub fn probe() -> Result<Self, Error> {
        let mut host = Self { families: Vec::new(), new_tables: Vec::new(), warnings: Vec::new() };
        host.add(Family::V4)?;
        if !Path::new("/proc/thread-self/net/if_inet6").exists() {
            host.warnings.push("this kernel has IPv6 disabled: rules for IPv4 only".to_owned());
        } else if let Err(error) = host.add(Family::V6) {
            host.warnings.push(format!("rules for IPv4 only, IPv6 is not diverted: {error}"));
        }
        Ok(host)
    }

    fn add(&mut self, family: Family) -> Result<(), Error> {
        let tool = Tool::of(family);
        let variant = tool.variant()?;
        let saved = tool.save()?;
        if variant == Variant::Nft {
            let new = Table::ALL.into_iter().filter(|&table| save::is_new_table(&saved, table.name()));
            self.new_tables.extend(new.map(|table| (family, table)));
        }
        self.families.push(family);
        Ok(())
    }
}
