//! samr (MS-SAMR): the accounts and groups of this machine, for who has an account here. Nobody's session gets no handle, as with
//! `RestrictAnonymousSAM`, which every Windows since XP has set.

mod domain;
mod list;

use super::handle::{self, Kind, handle};
use super::ndr::{Results, Stub};
use super::principal::{ALIASES, Account, Domain, NONE_RID, Sid, accounts, home_aliases, members};
use super::{
    ACCESS_DENIED, Answer, BAD_HANDLE, BAD_STUB, Caller, DENIED, NO_SUCH_OPERATION, NONE_MAPPED, SOME_NOT_MAPPED,
};

/// NTSTATUS values (MS-ERREF 2.3.1).
const INVALID_INFO_CLASS: u32 = 0xc000_0003;
const NO_SUCH_USER: u32 = 0xc000_0064;
const NO_SUCH_GROUP: u32 = 0xc000_0066;
const NO_SUCH_ALIAS: u32 = 0xc000_0151;
const NO_SUCH_DOMAIN: u32 = 0xc000_00df;

/// A group that is enabled by default and cannot be left (MS-SAMR 2.2.1.10).
const MEMBERSHIP: u32 = 7;

/// The domains of a SAM, by the numbers that their handles have.
const DOMAINS: [Domain; 2] = [Domain::Machine, Domain::Builtin];

pub(super) fn samr(caller: &Caller<'_>, operation: u16, stub: &[u8]) -> Answer {
    let mut stub = Stub::new(stub);
    match operation {
        // SamrConnect, 2, 4, 5
        0 | 57 | 62 => return Ok(connected(caller, &[])),
        64 => return Ok(connected(caller, &[1, 1, 3, 0])),
        // SamrGetDomainPasswordInformation: any length, no rules.
        56 => return Ok(Results::default().long(0).long(0).returning(0)),
        1 | 5..=8 | 11 | 13 | 15..=20 | 25 | 27 | 28 | 33 | 34 | 36 | 39 | 40 | 44 | 46..=48 | 51 | 65 => {}
        2..=73 => return Err(DENIED),
        _ => return Err(NO_SUCH_OPERATION),
    }
    let given = stub.take(handle::LEN).ok_or(BAD_STUB)?;
    let number = |kind| handle::number(caller, kind, given).ok_or(BAD_HANDLE);
    match operation {
        // SamrCloseHandle
        1 => Some(Results::default().put(&[0; handle::LEN]).returning(0)),
        5..=7 => {
            number(Kind::SamServer)?;
            server(caller, operation, &mut stub)
        }
        // SamrRidToSid, with a handle of a domain or of something in it.
        65 => {
            let domain = domain_of(caller, given).ok_or(BAD_HANDLE)?;
            stub.long().map(|rid| Results::default().pointer().sid(&domain.with(caller.host, rid)).returning(0))
        }
        // SamrQueryInformationGroup, SamrGetMembersInGroup
        20 | 25 => {
            number(Kind::Group)?;
            group(caller, operation, &mut stub)
        }
        // SamrQueryInformationAlias, SamrGetMembersInAlias
        28 | 33 => {
            let rid = number(Kind::Alias)?;
            alias(caller, operation, rid, &mut stub)
        }
        36 | 39 | 44 | 47 => {
            let rid = number(Kind::User)?;
            user(caller, operation, rid, &mut stub)
        }
        _ => {
            number(Kind::SamDomain)?;
            let domain = domain_of(caller, given).ok_or(BAD_HANDLE)?;
            of_domain(caller, operation, domain, &mut stub)
        }
    }
    .ok_or(BAD_STUB)
}

/// The domain that a handle is one of, or is in.
fn domain_of(caller: &Caller<'_>, given: &[u8]) -> Option<Domain> {
    if let Some(at) = handle::number(caller, Kind::SamDomain, given) {
        return DOMAINS.get(usize::try_from(at).ok()?).copied();
    }
    if let Some(alias) = handle::number(caller, Kind::Alias, given) {
        let is_home = home_aliases(caller.host).iter().any(|(_, rid)| *rid == alias);
        return Some(if is_home { Domain::Machine } else { Domain::Builtin });
    }
    let is_account = [Kind::User, Kind::Group].into_iter().any(|kind| handle::number(caller, kind, given).is_some());
    is_account.then_some(Domain::Machine)
}

/// A handle of the whole database, after what SamrConnect5 says of itself.
fn connected(caller: &Caller<'_>, version: &[u32]) -> Vec<u8> {
    let mut out = Results::default();
    for value in version {
        out.long(*value);
    }
    if caller.is_admin {
        out.put(&handle(caller, Kind::SamServer, 0)).returning(0)
    } else {
        out.put(&[0; handle::LEN]).returning(ACCESS_DENIED)
    }
}

/// The SAM's own name of a domain: unlike LSA it does not shout.
fn name_of<'a>(caller: &Caller<'a>, domain: Domain) -> &'a str {
    if domain == Domain::Builtin { "Builtin" } else { &caller.host.name }
}

fn server(caller: &Caller<'_>, operation: u16, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let mut out = Results::default();
    match operation {
        // SamrLookupDomainInSamServer
        5 => {
            let name = stub.name()?;
            match DOMAINS.into_iter().find(|domain| name_of(caller, *domain).eq_ignore_ascii_case(&name)) {
                Some(domain) => Some(out.pointer().sid(&domain.sid(caller.host)).returning(0)),
                None => Some(out.long(0).returning(NO_SUCH_DOMAIN)),
            }
        }
        // SamrEnumerateDomainsInSamServer
        6 => {
            let names = [(0, name_of(caller, Domain::Machine)), (0, name_of(caller, Domain::Builtin))];
            Some(list::enumeration(stub.long()?, &names))
        }
        // SamrOpenDomain
        _ => {
            let (_, sid) = (stub.long()?, stub.sid()?);
            let found = DOMAINS.iter().position(|domain| domain.sid(caller.host) == sid);
            Some(opened(caller, Kind::SamDomain, found.and_then(|at| u32::try_from(at).ok()), NO_SUCH_DOMAIN))
        }
    }
}

/// A handle of what was found, or none and why.
fn opened(caller: &Caller<'_>, kind: Kind, number: Option<u32>, missing: u32) -> Vec<u8> {
    match number {
        Some(number) => Results::default().put(&handle(caller, kind, number)).returning(0),
        None => Results::default().put(&[0; handle::LEN]).returning(missing),
    }
}

fn of_domain(caller: &Caller<'_>, operation: u16, domain: Domain, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let known = Known::of(caller, domain);
    match operation {
        // SamrQueryInformationDomain and 2
        8 | 46 => Some(domain::information(caller, domain, stub.short()?)),
        // SamrEnumerateGroupsInDomain, UsersInDomain, AliasesInDomain
        11 => Some(list::enumeration(stub.long()?, &known.groups)),
        13 => {
            // Only those with one of these bits of UserAccountControl, when some are named.
            let (from, bits) = (stub.long()?, stub.long()?);
            let fits =
                |rid: u32| bits == 0 || accounts(caller).iter().any(|one| one.rid == rid && one.control & bits != 0);
            let users: Vec<_> = known.users.iter().filter(|(rid, _)| fits(*rid)).copied().collect();
            Some(list::enumeration(from, &users))
        }
        15 => Some(list::enumeration(stub.long()?, &known.aliases)),
        // SamrGetAliasMembership
        16 => Some(list::membership(caller, domain, &stub.sids()?)),
        // SamrLookupNamesInDomain, SamrLookupIdsInDomain
        17 => {
            let count = stub.long()?;
            let (_, _, _) = (stub.long()?, stub.long()?, stub.long()?);
            Some(list::ids(&known, &stub.names(count)?))
        }
        18 => {
            let count = stub.long()?;
            let (_, _, _) = (stub.long()?, stub.long()?, stub.long()?);
            Some(list::names(&known, &stub.longs(count)?))
        }
        // SamrOpenGroup, SamrOpenAlias, SamrOpenUser
        19 | 27 | 34 => {
            let (_, rid) = (stub.long()?, stub.long()?);
            let (kind, list, missing) = match operation {
                19 => (Kind::Group, &known.groups, NO_SUCH_GROUP),
                27 => (Kind::Alias, &known.aliases, NO_SUCH_ALIAS),
                _ => (Kind::User, &known.users, NO_SUCH_USER),
            };
            let found = list.iter().find(|(one, _)| *one == rid).map(|(rid, _)| *rid);
            Some(opened(caller, kind, found, missing))
        }
        // SamrQueryDisplayInformation, 2, 3
        _ => Some(list::display(caller, domain, stub.short()?, stub.long()?)),
    }
}

/// The group of all accounts.
fn group(caller: &Caller<'_>, operation: u16, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let accounts = accounts(caller);
    match operation {
        20 => Some(domain::group("None", "Ordinary users", Some(MEMBERSHIP), accounts.len(), stub.short()?)),
        _ => Some(list::members_of_group(&accounts)),
    }
}

fn alias(caller: &Caller<'_>, operation: u16, rid: u32, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let members = members(caller, rid);
    let all = ALIASES.iter().chain(home_aliases(caller.host));
    let name = all.copied().find(|(_, one)| *one == rid).map_or("", |(name, _)| name);
    match operation {
        28 => Some(domain::group(name, "", None, members.len(), stub.short()?)),
        _ => Some(list::members_of_alias(&members)),
    }
}

fn user(caller: &Caller<'_>, operation: u16, rid: u32, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let Some(account) = accounts(caller).into_iter().find(|account| account.rid == rid) else {
        return Some(Results::default().long(0).returning(NO_SUCH_USER));
    };
    match operation {
        // SamrGetGroupsForUser: all are in one.
        39 => {
            let mut out = Results::default();
            Some(out.pointer().long(1).pointer().long(1).long(NONE_RID).long(MEMBERSHIP).returning(0))
        }
        // SamrGetUserDomainPasswordInformation
        44 => Some(Results::default().long(0).long(0).returning(0)),
        // SamrQueryInformationUser and 2
        _ => Some(domain::user(caller, &account, stub.short()?)),
    }
}

/// Everything of a domain that has a name, by its number.
struct Known<'a> {
    users: Vec<(u32, &'a str)>,
    groups: Vec<(u32, &'a str)>,
    aliases: Vec<(u32, &'a str)>,
}

impl<'a> Known<'a> {
    fn of(caller: &Caller<'a>, domain: Domain) -> Self {
        let none = Self { users: Vec::new(), groups: Vec::new(), aliases: Vec::new() };
        match domain {
            Domain::Machine => {
                let users = accounts(caller).into_iter().map(|account| (account.rid, account.name)).collect();
                Self { users, groups: vec![(NONE_RID, "None")], aliases: by_number(home_aliases(caller.host)) }
            }
            _ => Self { aliases: by_number(&ALIASES), ..none },
        }
    }
}

fn by_number(names: &[(&'static str, u32)]) -> Vec<(u32, &'static str)> {
    names.iter().map(|(name, rid)| (*rid, *name)).collect()
}
