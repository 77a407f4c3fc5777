//! lsarpc (MS-LSAD, MS-LSAT): what domain this is, and which name has which SID.
//!
//! Nobody's session sees the policy and may not translate names, as on every Windows since XP (`LSAAnonymousNameLookup`).

use super::handle::{self, Kind, handle};
use super::ndr::{Results, Stub};
use super::principal::{Domain, Principal, Sid, Use, principals};
use super::{
    ACCESS_DENIED, Answer, BAD_HANDLE, BAD_STUB, Caller, DENIED, INVALID_PARAMETER, NO_SUCH_OPERATION, NONE_MAPPED,
    SOME_NOT_MAPPED, privilege,
};

/// POLICY_LOOKUP_NAMES, and what holds it: GENERIC_ALL, GENERIC_EXECUTE (MS-LSAD 2.2.1.1).
const LOOKS_UP: u32 = 0x3000_0800;
/// Rights that only administrators have: all but to view and to look up.
const ADMINISTERS: u32 = 0x000f_07fe;
const NO_MORE_ENTRIES: u32 = 0x8000_001a;
/// No domain.
const NOWHERE: u32 = u32::MAX;

pub(super) fn lsarpc(caller: &Caller<'_>, operation: u16, stub: &[u8]) -> Answer {
    let mut stub = Stub::new(stub);
    match operation {
        // LsarOpenPolicy, LsarOpenPolicy2
        6 | 44 => return open(caller, &stub).ok_or(BAD_STUB),
        45 => return own_name(caller, &mut stub).ok_or(BAD_STUB),
        0 | 2 | 7 | 11 | 13..=15 | 46 | 50 | 57 | 58 | 68 => {}
        0..=133 => return Err(DENIED),
        _ => return Err(NO_SUCH_OPERATION),
    }
    let given = stub.take(handle::LEN).ok_or(BAD_STUB)?;
    let may_look_up = handle::number(caller, Kind::Policy, given).ok_or(BAD_HANDLE)? != 0;
    match operation {
        // LsarClose
        0 => Some(Results::default().put(&[0; handle::LEN]).returning(0)),
        2 => privilege::privileges(caller, &mut stub),
        11 => privilege::accounts(caller, &mut stub),
        // LsarQueryInformationPolicy and 2
        7 | 46 => stub.short().map(|class| policy(caller, class)),
        // LsarEnumerateTrustedDomains and Ex: none.
        13 | 50 => Some(Results::default().long(0).long(0).long(0).returning(NO_MORE_ENTRIES)),
        // LsarLookupNames, 2, 3
        14 | 58 | 68 => names(&mut stub).map(|names| found_sids(caller, operation, &names, may_look_up)),
        // LsarLookupSids, 2
        _ => stub.sids().map(|sids| found_names(caller, operation, &sids, may_look_up)),
    }
    .ok_or(BAD_STUB)
}

/// DsRolerGetPrimaryDomainInformation (MS-DSSP 3.2.5.1), basic information: a machine of a workgroup. Everything else was never implemented
/// since Windows 2003.
pub(super) fn role(caller: &Caller<'_>, operation: u16, stub: &[u8]) -> Answer {
    if operation != 0 {
        return Err(NO_SUCH_OPERATION);
    }
    let level = Stub::new(stub).short().ok_or(BAD_STUB)?;
    let mut out = Results::default();
    if level != 1 {
        return Ok(out.long(0).returning(if (2..=3).contains(&level) { 0 } else { 87 }));
    }
    out.pointer().short(level).align(4).short(if caller.host.is_server { 2 } else { 0 });
    // No flags, the workgroup, no names in DNS, no GUID.
    out.long(0).pointer().long(0).long(0).put(&[0; 16]).text(&caller.host.workgroup);
    Ok(out.returning(0))
}

/// LsarOpenPolicy2 (MS-LSAD 3.1.4.4.1): the access that is asked for comes last.
fn open(caller: &Caller<'_>, stub: &Stub<'_>) -> Option<Vec<u8>> {
    let asked = stub.last_long()?;
    let is_granted = caller.is_admin || asked & (LOOKS_UP | ADMINISTERS) == 0;
    let (given, status) = if is_granted {
        (handle(caller, Kind::Policy, caller.is_admin.into()), 0)
    } else {
        ([0; handle::LEN], ACCESS_DENIED)
    };
    Some(Results::default().put(&given).returning(status))
}

/// LsarGetUserName (MS-LSAT 3.1.4.4); the domain for who has a place for it.
fn own_name(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let (_, _, wants_domain) = (stub.pointed_text(true)?, stub.long()?, stub.long()? != 0);
    let (domain, name) = match caller.user {
        "" => (Domain::Authority, "ANONYMOUS LOGON"),
        name => (Domain::Machine, name),
    };
    let domain = domain.name(caller.host);
    let mut out = Results::default();
    out.pointer().name(name).name_text(name);
    if wants_domain {
        out.pointer().pointer().name(domain).name_text(domain);
    } else {
        out.long(0);
    }
    Some(out.returning(0))
}

/// LsarQueryInformationPolicy (MS-LSAD 3.1.4.4.4) of a machine in a workgroup.
fn policy(caller: &Caller<'_>, class: u16) -> Vec<u8> {
    let host = caller.host;
    let mut out = Results::default();
    match class {
        // PolicyPrimaryDomainInformation: the workgroup, which has no SID.
        3 => {
            out.pointer().short(class).name(&host.workgroup).long(0).name_text(&host.workgroup);
        }
        // PolicyAccountDomainInformation
        5 => {
            out.pointer().short(class).name(&host.name).pointer().name_text(&host.name);
            out.sid(&Domain::Machine.sid(host));
        }
        // PolicyLsaServerRoleInformation: primary.
        6 => {
            out.pointer().short(class).long(3);
        }
        // PolicyDnsDomainInformation: the workgroup, neither DNS names, nor GUID, nor SID.
        12 => {
            out.pointer().short(class).name(&host.workgroup).name("").name("").put(&[0; 16]).long(0);
            out.name_text(&host.workgroup);
        }
        _ => return out.long(0).returning(INVALID_PARAMETER),
    }
    out.returning(0)
}

/// Names to be looked up: a count, and strings.
fn names(stub: &mut Stub<'_>) -> Option<Vec<String>> {
    let (count, _) = (stub.long()?, stub.long()?);
    stub.names(count)
}

/// Domains that an answer refers to, each named once.
#[derive(Default)]
struct Referenced(Vec<Domain>);

impl Referenced {
    /// Names the domains of those who were found; gives the place of each one's.
    fn by(caller: &Caller<'_>, found: &[Option<&Principal<'_>>], out: &mut Results) -> Vec<u32> {
        let mut domains = Self::default();
        let places = found.iter().map(|one| one.map_or(NOWHERE, |principal| domains.index(principal.domain))).collect();
        domains.put(caller, out);
        places
    }

    fn index(&mut self, domain: Domain) -> u32 {
        let at = self.0.iter().position(|one| *one == domain).unwrap_or_else(|| {
            self.0.push(domain);
            self.0.len() - 1
        });
        u32::try_from(at).unwrap_or(NOWHERE)
    }

    /// LSAPR_REFERENCED_DOMAIN_LIST (MS-LSAT 2.2.12), behind its pointer.
    fn put(&self, caller: &Caller<'_>, out: &mut Results) {
        out.pointer().count(self.0.len());
        if self.0.is_empty() {
            out.long(0).long(0);
            return;
        }
        out.pointer().long(32).count(self.0.len());
        for domain in &self.0 {
            out.name(domain.name(caller.host)).pointer();
        }
        for domain in &self.0 {
            out.name_text(domain.name(caller.host)).sid(&domain.sid(caller.host));
        }
    }
}

/// How a look-up ended.
fn status(found: usize, asked: usize) -> u32 {
    match found {
        _ if found == asked => 0,
        0 => NONE_MAPPED,
        _ => SOME_NOT_MAPPED,
    }
}

/// LsarLookupNames (MS-LSAT 3.1.4.8), 2 with flags, 3 with whole SIDs.
fn found_sids(caller: &Caller<'_>, operation: u16, names: &[String], is_allowed: bool) -> Vec<u8> {
    let mut out = Results::default();
    if !is_allowed {
        return out.long(0).long(0).long(0).long(0).returning(ACCESS_DENIED);
    }
    let all = principals(caller);
    let found: Vec<_> = names.iter().map(|name| all.iter().find(|one| is_called(caller, one, name))).collect();
    let places = Referenced::by(caller, &found, &mut out);
    out.count(found.len()).array(found.len());
    for (principal, place) in found.iter().zip(places) {
        out.long(principal.map_or(Use::Unknown, |one| one.kind) as u32);
        match (operation, principal) {
            (68, Some(_)) => out.pointer(),
            (68, None) => out.long(0),
            _ => out.long(principal.map_or(0, |one| one.rid.unwrap_or(NOWHERE))),
        };
        out.long(place);
        if operation != 14 {
            out.long(0);
        }
    }
    if operation == 68 {
        found.iter().flatten().for_each(|principal| {
            out.sid(&principal.sid(caller.host));
        });
    }
    let mapped = found.iter().flatten().count();
    out.count(mapped).returning(status(mapped, names.len()))
}

/// A name alone, or with its domain before it.
fn is_called(caller: &Caller<'_>, principal: &Principal<'_>, asked: &str) -> bool {
    match asked.split_once('\\') {
        Some((domain, name)) => {
            principal.domain.name(caller.host).eq_ignore_ascii_case(domain) && principal.name.eq_ignore_ascii_case(name)
        }
        None => principal.name.eq_ignore_ascii_case(asked),
    }
}

/// LsarLookupSids (MS-LSAT 3.1.4.11), 2 with flags.
fn found_names(caller: &Caller<'_>, operation: u16, sids: &[Sid], is_allowed: bool) -> Vec<u8> {
    let mut out = Results::default();
    if !is_allowed {
        return out.long(0).long(0).long(0).long(0).returning(ACCESS_DENIED);
    }
    let all: Vec<_> = principals(caller).into_iter().map(|one| (one.sid(caller.host), one)).collect();
    let find = |sid: &Sid| all.iter().find(|(known, _)| known == sid).map(|(_, principal)| principal);
    let found: Vec<_> = sids.iter().map(find).collect();
    let places = Referenced::by(caller, &found, &mut out);
    out.count(found.len()).array(found.len());
    for (principal, place) in found.iter().zip(places) {
        out.long(principal.map_or(Use::Unknown, |one| one.kind) as u32);
        out.name(principal.map_or("", |one| one.name)).long(place);
        if operation == 57 {
            out.long(0);
        }
    }
    found.iter().flatten().for_each(|principal| {
        out.name_text(principal.name);
    });
    let mapped = found.iter().flatten().count();
    out.count(mapped).returning(status(mapped, sids.len()))
}
