//! Lists of accounts and groups (MS-SAMR 3.1.5.2, 3.1.5.3, 3.1.5.8, 3.1.5.11): whole in one answer, for there are few.

use super::super::principal::{ALIASES, NONE_RID, Use, home_aliases, members};
use super::{
    Account, Caller, Domain, INVALID_INFO_CLASS, Known, MEMBERSHIP, NONE_MAPPED, Results, SOME_NOT_MAPPED, Sid,
    accounts,
};

/// What is known to be of which kind, in one list.
fn all<'a>(known: &Known<'a>) -> Vec<(u32, &'a str, Use)> {
    let lists = [(&known.users, Use::User), (&known.groups, Use::Group), (&known.aliases, Use::Alias)];
    lists.into_iter().flat_map(|(list, kind)| list.iter().map(move |(rid, name)| (*rid, *name, kind))).collect()
}

/// SAMPR_ENUMERATION_BUFFER (MS-SAMR 2.2.3.10) from this one on.
pub(super) fn enumeration(from: u32, names: &[(u32, &str)]) -> Vec<u8> {
    let mut out = Results::default();
    let rest = usize::try_from(from).ok().and_then(|from| names.get(from..)).unwrap_or_default();
    out.count(names.len()).pointer().count(rest.len()).array(rest.len());
    for (rid, name) in rest {
        out.long(*rid).name(name);
    }
    for (_, name) in rest {
        out.name_text(name);
    }
    out.count(rest.len()).returning(0)
}

/// How a look-up ended.
fn status<T>(found: &[Option<T>]) -> u32 {
    match found.iter().flatten().count() {
        count if count == found.len() => 0,
        0 => NONE_MAPPED,
        _ => SOME_NOT_MAPPED,
    }
}

/// SamrLookupNamesInDomain (MS-SAMR 3.1.5.11.2).
pub(super) fn ids(known: &Known<'_>, names: &[String]) -> Vec<u8> {
    let all = all(known);
    let find = |name: &String| all.iter().find(|(_, one, _)| one.eq_ignore_ascii_case(name));
    let found: Vec<_> = names.iter().map(find).collect();
    let mut out = Results::default();
    out.count(found.len()).array(found.len());
    found.iter().for_each(|one| {
        out.long(one.map_or(0, |(rid, ..)| *rid));
    });
    put_uses(&mut out, &found);
    out.returning(status(&found))
}

/// SamrLookupIdsInDomain (MS-SAMR 3.1.5.11.3).
pub(super) fn names(known: &Known<'_>, ids: &[u32]) -> Vec<u8> {
    let all = all(known);
    let found: Vec<_> = ids.iter().map(|id| all.iter().find(|(rid, ..)| rid == id)).collect();
    let mut out = Results::default();
    out.count(found.len()).array(found.len());
    found.iter().for_each(|one| {
        out.name(one.map_or("", |(_, name, _)| *name));
    });
    found.iter().flatten().for_each(|(_, name, _)| {
        out.name_text(name);
    });
    put_uses(&mut out, &found);
    out.returning(status(&found))
}

fn put_uses(out: &mut Results, found: &[Option<&(u32, &str, Use)>]) {
    out.count(found.len()).array(found.len());
    found.iter().for_each(|one| {
        out.long(one.map_or(Use::Unknown, |(_, _, kind)| *kind) as u32);
    });
}

/// SamrGetMembersInGroup (MS-SAMR 3.1.5.8.3).
pub(super) fn members_of_group(accounts: &[Account<'_>]) -> Vec<u8> {
    let mut out = Results::default();
    out.pointer().count(accounts.len()).pointer().pointer().count(accounts.len());
    for account in accounts {
        out.long(account.rid);
    }
    out.count(accounts.len());
    for _ in accounts {
        out.long(MEMBERSHIP);
    }
    out.returning(0)
}

/// SamrGetMembersInAlias (MS-SAMR 3.1.5.8.3).
pub(super) fn members_of_alias(members: &[Sid]) -> Vec<u8> {
    let mut out = Results::default();
    out.count(members.len()).array(members.len());
    for _ in members {
        out.pointer();
    }
    for sid in members {
        out.sid(sid);
    }
    out.returning(0)
}

/// SamrGetAliasMembership (MS-SAMR 3.1.5.9.2): the aliases that one of these is in.
pub(super) fn membership(caller: &Caller<'_>, domain: Domain, sids: &[Sid]) -> Vec<u8> {
    let aliases = if domain == Domain::Builtin { &ALIASES[..] } else { home_aliases(caller.host) };
    let is_in = |alias: u32| members(caller, alias).iter().any(|member| sids.contains(member));
    let found: Vec<u32> = aliases.iter().map(|(_, rid)| *rid).filter(|rid| is_in(*rid)).collect();
    let mut out = Results::default();
    out.count(found.len()).array(found.len());
    for rid in found {
        out.long(rid);
    }
    out.returning(0)
}

/// SamrQueryDisplayInformation (MS-SAMR 3.1.5.3): users, computers, groups.
pub(super) fn display(caller: &Caller<'_>, domain: Domain, class: u16, from: u32) -> Vec<u8> {
    let mut out = Results::default();
    let is_machine = domain == Domain::Machine;
    let rows: Vec<Account<'_>> = match class {
        1 if is_machine => accounts(caller),
        3 if is_machine => {
            vec![Account { name: "None", rid: NONE_RID, control: MEMBERSHIP, comment: "Ordinary users" }]
        }
        1..=3 => Vec::new(),
        _ => return out.long(0).long(0).short(class).long(0).long(0).returning(INVALID_INFO_CLASS),
    };
    let rest = usize::try_from(from).ok().and_then(|from| rows.get(from..)).unwrap_or_default();
    out.count(rest.len()).count(rest.len()).short(class).count(rest.len()).array(rest.len());
    for (row, index) in rest.iter().zip(from.saturating_add(1)..) {
        out.long(index).long(row.rid).long(row.control).name(row.name).name(row.comment);
        if class != 3 {
            out.name("");
        }
    }
    for row in rest {
        out.name_text(row.name).name_text(row.comment);
    }
    out.returning(0)
}
