//! Who there is on this machine: its accounts, and the groups that every Windows has (MS-DTYP 2.4.2.4).

use super::super::host::Host;
use super::Caller;

/// Accounts that are shown: those of a longer list of credentials are not.
const MAX_ACCOUNTS: usize = 64;
/// The first number that Windows gives to an account that somebody makes.
const FIRST_RID: u32 = 1000;

/// A security identifier (MS-DTYP 2.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sid {
    pub(super) authority: u8,
    pub(super) parts: Vec<u32>,
}

/// What a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Domain {
    Machine,
    Builtin,
    Authority,
    World,
}

impl Domain {
    pub(super) fn name(self, host: &Host) -> &str {
        match self {
            Self::Machine => &host.name,
            Self::Builtin => "BUILTIN",
            Self::Authority => "NT AUTHORITY",
            Self::World => "",
        }
    }

    pub(super) fn sid(self, host: &Host) -> Sid {
        let (authority, parts) = match self {
            Self::Machine => (5, [&[21][..], &host.sid].concat()),
            Self::Builtin => (5, vec![32]),
            Self::Authority => (5, Vec::new()),
            Self::World => (1, Vec::new()),
        };
        Sid { authority, parts }
    }

    /// The SID of a principal of this domain.
    pub(super) fn with(self, host: &Host, rid: u32) -> Sid {
        let mut sid = self.sid(host);
        sid.parts.push(rid);
        sid
    }
}

/// SID_NAME_USE (MS-SAMR 2.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    User = 1,
    Group = 2,
    Domain = 3,
    Alias = 4,
    WellKnown = 5,
    Unknown = 8,
}

/// A name that has a SID.
#[derive(Debug, Clone, Copy)]
pub(super) struct Principal<'a> {
    pub(super) name: &'a str,
    pub(super) domain: Domain,
    /// `None` for the domain itself.
    pub(super) rid: Option<u32>,
    pub(super) kind: Use,
}

impl Principal<'_> {
    pub(super) fn sid(&self, host: &Host) -> Sid {
        self.rid.map_or_else(|| self.domain.sid(host), |rid| self.domain.with(host, rid))
    }
}

/// An account of the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) name: &'a str,
    pub(super) rid: u32,
    /// USER_ACCOUNT_CONTROL (MS-SAMR 2.2.1.12): normal 0x10, disabled 0x01, no password needed 0x04, none expires 0x200.
    pub(super) control: u32,
    pub(super) comment: &'static str,
}

/// The group of all local accounts.
pub(super) const NONE_RID: u32 = 513;
pub(super) const ADMINISTRATORS: u32 = 544;
pub(super) const USERS: u32 = 545;
pub(super) const GUESTS: u32 = 546;

/// The alias and the account of a home group, which every Windows 7 makes after its first account.
const HOME_USERS: u32 = 1001;
const HOME_ALIASES: [(&str, u32); 1] = [("HomeUsers", HOME_USERS)];
const HOME_USER: Account<'_> = Account {
    name: "HomeGroupUser$",
    rid: 1002,
    control: 0x210,
    comment: "Built-in account for homegroup access to the computer",
};

/// Aliases of the machine's own domain.
pub(super) const fn home_aliases(host: &Host) -> &'static [(&'static str, u32)] {
    if host.is_server { &[] } else { &HOME_ALIASES }
}

/// Aliases of the domain BUILTIN that a Windows 7 has.
pub(super) const ALIASES: [(&str, u32); 12] = [
    ("Administrators", ADMINISTRATORS),
    ("Backup Operators", 551),
    ("Cryptographic Operators", 569),
    ("Distributed COM Users", 562),
    ("Event Log Readers", 573),
    ("Guests", GUESTS),
    ("IIS_IUSRS", 568),
    ("Network Configuration Operators", 556),
    ("Power Users", 547),
    ("Remote Desktop Users", 555),
    ("Replicator", 552),
    ("Users", USERS),
];
const AUTHORITIES: [(&str, u32); 9] = [
    ("NETWORK", 2),
    ("BATCH", 3),
    ("INTERACTIVE", 4),
    ("SERVICE", 6),
    ("ANONYMOUS LOGON", 7),
    ("Authenticated Users", 11),
    ("SYSTEM", 18),
    ("LOCAL SERVICE", 19),
    ("NETWORK SERVICE", 20),
];

/// The accounts: those that Windows makes, those of the list of credentials, and the caller's own.
pub(super) fn accounts<'a>(caller: &Caller<'a>) -> Vec<Account<'a>> {
    let mut accounts = vec![
        Account {
            name: "Administrator",
            rid: 500,
            control: 0x210,
            comment: "Built-in account for administering the computer/domain",
        },
        Account {
            name: "Guest",
            rid: 501,
            control: 0x215,
            comment: "Built-in account for guest access to the computer/domain",
        },
    ];
    let listed = caller.host.credentials.names();
    let mut rid = FIRST_RID;
    for name in listed.chain([caller.user]).take(MAX_ACCOUNTS) {
        if !name.is_empty() && !accounts.iter().any(|account| account.name.eq_ignore_ascii_case(name)) {
            accounts.push(Account { name, rid, control: 0x210, comment: "" });
            rid = if rid == FIRST_RID { HOME_USER.rid + 1 } else { rid + 1 };
        }
    }
    if !caller.host.is_server {
        accounts.push(HOME_USER);
    }
    accounts
}

/// Members of an alias.
pub(super) fn members(caller: &Caller<'_>, alias: u32) -> Vec<Sid> {
    let is_somebody = |account: &Account<'_>| account.rid >= FIRST_RID && account.rid != HOME_USER.rid;
    let is_member = |account: &Account<'_>| match alias {
        ADMINISTRATORS => account.rid == 500 || is_somebody(account),
        USERS | HOME_USERS => is_somebody(account),
        GUESTS => account.rid == 501,
        _ => false,
    };
    let known: &[u32] = if alias == USERS { &[4, 11] } else { &[] };
    let accounts = accounts(caller).into_iter().filter(is_member);
    let machine = accounts.map(|account| Domain::Machine.with(caller.host, account.rid));
    known.iter().map(|rid| Domain::Authority.with(caller.host, *rid)).chain(machine).collect()
}

/// Everybody whose name or SID can be asked for.
pub(super) fn principals<'a>(caller: &Caller<'a>) -> Vec<Principal<'a>> {
    let of = |domain, kind| move |(name, rid)| Principal { name, domain, rid: Some(rid), kind };
    let accounts = accounts(caller).into_iter().map(|account| (account.name, account.rid));
    let domains = [Domain::Machine, Domain::Builtin, Domain::Authority];
    let domains =
        domains.map(|domain| Principal { name: domain.name(caller.host), domain, rid: None, kind: Use::Domain });
    let mut all: Vec<_> = accounts.map(of(Domain::Machine, Use::User)).collect();
    all.push(of(Domain::Machine, Use::Group)(("None", NONE_RID)));
    all.extend(home_aliases(caller.host).iter().copied().map(of(Domain::Machine, Use::Alias)));
    all.extend(ALIASES.into_iter().map(of(Domain::Builtin, Use::Alias)));
    all.extend(AUTHORITIES.into_iter().map(of(Domain::Authority, Use::WellKnown)));
    all.push(of(Domain::World, Use::WellKnown)(("Everyone", 0)));
    all.extend(domains);
    all
}
