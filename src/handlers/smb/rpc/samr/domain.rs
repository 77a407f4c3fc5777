//! What is known of a domain (MS-SAMR 2.2.3) and of an account (MS-SAMR 2.2.6).

use super::super::super::wire::filetime;
use super::super::principal::{NONE_RID, home_aliases};
use super::{ALIASES, Account, Caller, Domain, INVALID_INFO_CLASS, Results, accounts, name_of};

/// 42 days and half an hour, as Windows writes durations: negative, in steps of 100 ns.
const MAX_PASSWORD_AGE: i64 = -42 * 86_400 * 10_000_000;
const LOCKOUT: i64 = -30 * 60 * 10_000_000;
/// Never.
const NEVER: u64 = i64::MAX.unsigned_abs();

/// SamrQueryInformationDomain (MS-SAMR 3.1.5.5.2) with what a Windows 7 has where nobody changed it.
pub(super) fn information(caller: &Caller<'_>, domain: Domain, class: u16) -> Vec<u8> {
    let mut out = Results::default();
    if !matches!(class, 1..=5 | 7..=9 | 12) {
        return out.long(0).returning(INVALID_INFO_CLASS);
    }
    out.pointer().short(class);
    let name = name_of(caller, domain);
    match class {
        // Shortest password, how many are remembered, rules; ages.
        1 => out.align(4).short(0).short(0).long(0).pair(MAX_PASSWORD_AGE.cast_unsigned()).pair(0),
        2 => general(&mut out, caller, domain),
        3 => out.pair(1 << 63),
        4 => out.name(""),
        5 => out.name(name).name_text(name),
        // Its role (primary), its changes and beginning, its state (enabled).
        7 => out.long(3),
        8 => out.pair(1).pair(filetime(caller.host.installed)),
        9 => out.long(1),
        _ => {
            let lockout = LOCKOUT.cast_unsigned().to_le_bytes();
            out.align(8).put(&lockout).put(&lockout).short(0)
        }
    };
    out.returning(0)
}

/// SAMPR_DOMAIN_GENERAL_INFORMATION.
fn general<'a>(out: &'a mut Results, caller: &Caller<'_>, domain: Domain) -> &'a mut Results {
    let name = name_of(caller, domain);
    let (users, groups, aliases) = match domain {
        Domain::Machine => (accounts(caller).len(), 1, home_aliases(caller.host).len()),
        _ => (0, 0, ALIASES.len()),
    };
    // Never logged off; no comment, the name, no source of copies; changes, state, role, no compatibility.
    out.pair(1 << 63).name("").name(name).name("").pair(1).long(1).long(3).long(0);
    out.count(users).count(groups).count(aliases).name_text(name)
}

/// SamrQueryInformationGroup and SamrQueryInformationAlias (MS-SAMR 3.1.5.5.4, 3.1.5.5.5): all there is, the name, the comment.
pub(super) fn group(name: &str, comment: &str, attributes: Option<u32>, members: usize, class: u16) -> Vec<u8> {
    let mut out = Results::default();
    // Groups have their attributes as class 3 and the comment as class 4.
    match (class, attributes) {
        (1, attributes) => {
            out.pointer().short(class).name(name);
            if let Some(attributes) = attributes {
                out.long(attributes);
            }
            out.count(members).name(comment).name_text(name).name_text(comment);
        }
        (2, _) => {
            out.pointer().short(class).name(name).name_text(name);
        }
        (3, Some(attributes)) => {
            out.pointer().short(class).long(attributes);
        }
        (3, None) | (4, Some(_)) => {
            out.pointer().short(class).name(comment).name_text(comment);
        }
        _ => return out.long(0).returning(INVALID_INFO_CLASS),
    }
    out.returning(0)
}

/// SamrQueryInformationUser (MS-SAMR 3.1.5.5.6): everything, or the control flags alone.
pub(super) fn user(caller: &Caller<'_>, account: &Account<'_>, class: u16) -> Vec<u8> {
    let mut out = Results::default();
    match class {
        16 => out.pointer().short(class).long(account.control).returning(0),
        21 => {
            out.pointer().short(class);
            everything(&mut out, caller, account);
            out.returning(0)
        }
        _ => out.long(0).returning(INVALID_INFO_CLASS),
    }
}

/// SAMPR_USER_ALL_INFORMATION (MS-SAMR 2.2.6.6).
fn everything(out: &mut Results, caller: &Caller<'_>, account: &Account<'_>) {
    let set = filetime(caller.host.installed);
    // Last on and off, password set, account expires, password can and must change.
    out.pair(0).pair(0).pair(set).pair(NEVER).pair(set).pair(NEVER);
    // Name, full name, home, drive, script, profile, comment, workstations, comment of the user, parameters.
    out.name(account.name);
    for text in ["", "", "", "", "", account.comment, "", "", ""] {
        out.name(text);
    }
    // Neither hashes, nor private data, nor a descriptor.
    for _ in 0..2 + 2 + 2 + 2 {
        out.long(0);
    }
    out.long(account.rid).long(NONE_RID).long(account.control).long(0x00ff_ffff);
    // At all hours of the week.
    out.short(168).pointer();
    // Bad passwords, logons, country, code page; which passwords there are, none expired.
    out.short(0).short(0).short(0).short(0).put(&[0; 4]);
    out.name_text(account.name).name_text(account.comment);
    out.long(1260).long(0).long(21).put(&[0xff; 21]);
}
