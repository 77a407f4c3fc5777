//! What the kernel says about the calling thread: `/proc/thread-self/status` (proc_pid_status(5)).

use std::fs;

use rustix::thread::CapabilitySet;

use super::{Account, Error};

pub(super) struct Status {
    text: String,
}

impl Status {
    pub(super) fn read() -> Result<Self, Error> {
        let text = fs::read_to_string("/proc/thread-self/status")
            .map_err(|source| Error::Call { what: "read /proc/thread-self/status", source })?;
        Ok(Self { text })
    }

    /// Exactly these capabilities, none that could be passed on, and no_new_privs.
    pub(super) fn expect_capabilities(&self, wanted: CapabilitySet) -> Result<(), Error> {
        for (field, wanted) in [("CapPrm", wanted), ("CapEff", wanted)] {
            self.expect(field, &hex(wanted))?;
        }
        for field in ["CapInh", "CapAmb"] {
            self.expect(field, &hex(CapabilitySet::empty()))?;
        }
        self.expect("NoNewPrivs", "1")
    }

    /// This user in all four ids, its group alone, and, where it could be emptied, an empty bounding set.
    pub(super) fn expect_account(&self, account: &Account, bounding_set_empty: bool) -> Result<(), Error> {
        self.expect("Uid", &[account.uid.to_string().as_str(); 4].join("\t"))?;
        self.expect("Gid", &[account.gid.to_string().as_str(); 4].join("\t"))?;
        self.expect("Groups", "")?;
        if bounding_set_empty { self.expect("CapBnd", &hex(CapabilitySet::empty())) } else { Ok(()) }
    }

    pub(super) fn expect_not_root(&self) -> Result<(), Error> {
        let value = self.field("Uid");
        if value.is_empty() || value.split('\t').any(|uid| uid == "0") {
            return Err(Error::Left(format!("Uid is `{value}`")));
        }
        Ok(())
    }

    fn expect(&self, field: &str, wanted: &str) -> Result<(), Error> {
        let value = self.field(field);
        // An absent field equals no wanted value but the empty one, and no kernel omits Groups.
        if value == wanted { Ok(()) } else { Err(Error::Left(format!("{field} is `{value}`, not `{wanted}`"))) }
    }

    fn field(&self, name: &str) -> &str {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map_or("", |value| value.trim_matches([' ', '\t']))
    }
}

fn hex(set: CapabilitySet) -> String {
    format!("{:016x}", set.bits())
}
