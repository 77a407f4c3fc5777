//! What the iptables of this host can take.

use std::path::Path;

use super::tool::{Error, Tool, Variant};
use super::{CHAIN_TRY, Family, Table, routes, save};

/// The families that get rules here, and what must be noted for removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Families with a working iptables.
    pub families: Vec<Family>,
    /// Tables that our rules will make (nft variant) and that shall go with them.
    pub new_tables: Vec<(Family, Table)>,
    /// Every family can mark connections and bring them to a transparent listener.
    pub carries: bool,
    /// Every family has policy routing.
    pub routes: bool,
    /// One line for each thing that an operator should know, such as missing IPv6 rules.
    pub warnings: Vec<String>,
}

impl Default for Host {
    /// Both families, all tables in use already: what `--dry-run` assumes where it may not look.
    fn default() -> Self {
        Self {
            families: Family::ALL.to_vec(),
            new_tables: Vec::new(),
            carries: true,
            routes: true,
            warnings: Vec::new(),
        }
    }
}

impl Host {
    /// Asks the iptables commands. Without IPv6 the rules are for IPv4 alone, and a warning says why.
    ///
    /// # Errors
    /// There is no usable `iptables`, or we may not use it.
    pub fn probe() -> Result<Self, Error> {
        let mut host = Self { families: Vec::new(), ..Self::default() };
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
        if let Err(error) =
            Self::try_marks(&tool, variant == Variant::Nft && save::is_absent_table(&saved, Table::Mangle.name()))
        {
            self.carries = false;
            log::debug!("{}: {error}", family.program());
        }
        self.routes &= routes::are_possible(family);
        self.families.push(family);
        Ok(())
    }

    /// Puts rules like those that carry connections into a chain that no packet meets, and takes them out again: the only question that every
    /// variant of iptables answers truly.
    fn try_marks(tool: &Tool, is_absent: bool) -> Result<(), Error> {
        let mangle = Table::Mangle.name();
        let text = format!(
            "*{mangle}\n:{CHAIN_TRY} - [0:0]\n\
             -A {CHAIN_TRY} -m mark ! --mark 0x0/0x3 -j CONNMARK --save-mark --nfmask 0x3 --ctmask 0x3\n\
             -A {CHAIN_TRY} -p tcp -m connmark --mark 0x2/0x3 -m socket -j TPROXY --on-port 1 --tproxy-mark 0x0/0x3\n\
             -A {CHAIN_TRY} -j MARK --set-xmark 0x0/0x3\nCOMMIT\n"
        );
        let outcome = tool.restore(&text);
        // Nothing but this chain: the others may be those of an engine that runs.
        if outcome.is_ok() {
            tool.restore(&format!("*{mangle}\n-F {CHAIN_TRY}\n-X {CHAIN_TRY}\nCOMMIT\n"))?;
        }
        if is_absent && save::is_empty_table(&tool.save()?, mangle) {
            tool.flush_table(mangle)?;
        }
        outcome
    }
}
