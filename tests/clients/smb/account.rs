//! Clients that ask who has an account: nobody's session learns little, a login learns all.

use super::{CONFIG, RULES, holds, python, sensor, start};
use crate::lab::Lab;
use crate::program::text;

/// What `rpcclient` says to these commands, each in a call of its own, for it stops at the first that fails.
fn rpcclient(lab: &Lab, login: &str, commands: &[&str]) -> String {
    let said = commands.iter().map(|command| text(&lab.client("rpcclient", &[login, &sensor(), "-c", command], b"")));
    said.collect()
}

#[test]
fn rpcclient_as_nobody_sees_the_workgroup_and_no_account() {
    let lab = Lab::new();
    let engine = start(&lab);
    let said = rpcclient(&lab, "-U%", &["srvinfo", "lsaquery", "getusername", "getdompwinfo"]);
    holds(&said, &["platform_id     :\t500", "os version      :\t6.1", "Domain Name: WORKGROUP"]);
    holds(&said, &["Account Name: ANONYMOUS LOGON, Authority Name: NT AUTHORITY", "min_password_length: 0"]);
    let denied = ["enumdomusers", "querydominfo", "lookupnames administrator", "querydispinfo"];
    assert_eq!(rpcclient(&lab, "-U%", &denied).matches("NT_STATUS_ACCESS_DENIED").count(), 4);
    engine.stop();
}

#[test]
fn rpcclient_with_a_login_sees_accounts_groups_and_sids() {
    let lab = Lab::new();
    let engine = start(&lab);
    let ask = |commands: &[&str]| rpcclient(&lab, "-Ualice%Secret12", commands);
    let said = ask(&["enumdomusers", "querydominfo", "queryuser 500", "enumdomains", "getusername", "queryuser 501"]);
    holds(&said, &["user:[Administrator] rid:[0x1f4]", "user:[Guest] rid:[0x1f5]", "user:[alice] rid:[0x3e8]"]);
    holds(&said, &["Domain:\t\tWIN-7K2Q9F0A3BD", "Total Users:\t4", "name:[Builtin]", "Account Name: alice"]);
    holds(&said, &["Built-in account for administering the computer/domain", "acb_info :\t0x00000215"]);
    let said = ask(&["lookupnames alice", "lookupsids S-1-5-32-544 S-1-1-0", "queryaliasmem builtin 544"]);
    holds(&said, &["-1000 (User: 1)", "S-1-5-32-544 BUILTIN\\Administrators (4)", "S-1-1-0 \\Everyone (5)"]);
    let machine = said.lines().find_map(|line| line.strip_prefix("alice ")?.strip_suffix("-1000 (User: 1)")).unwrap();
    holds(&said, &[&format!("sid:[{machine}-500]"), &format!("sid:[{machine}-1000]")]);
    let said = ask(&["enumalsgroups builtin", "querygroupmem 513", "samlookupnames domain alice", "querydispinfo"]);
    holds(&said, &["group:[Administrators] rid:[0x220]", "rid:[0x3e8] attr:[0x7]", "name alice: 0x3e8 (1)"]);
    holds(&said, &["index: 0x1 RID: 0x1f4 acb: 0x00000210 Account: Administrator"]);
    engine.stop();
}

#[test]
fn the_sid_is_one_machines_own_and_stays_after_a_restart() {
    let lab = Lab::new();
    let sid = |sensor_id: &str| {
        let config = format!("{CONFIG}[events]\nsensor_id = '{sensor_id}'\n");
        let engine = lab.engine().rules(RULES).config(&config).start();
        let said = rpcclient(&lab, "-Ualice%Secret12", &["lookupdomain WIN-7K2Q9F0A3BD"]);
        engine.stop();
        said.rsplit_once("Domain SID: ").unwrap().1.trim().to_owned()
    };
    let first = sid("one");
    assert!(first.starts_with("S-1-5-21-"), "{first}");
    assert_eq!(first, sid("one"));
    assert_ne!(first, sid("two"));
}

#[test]
fn impackets_lookupsid_samrdump_and_net_list_the_accounts_to_a_login_only() {
    let lab = Lab::new();
    let engine = start(&lab);
    let (login, address) = (format!("alice:Secret12@{}", sensor()), sensor());
    let said = lab.client_says(&python("lookupsid.py"), &[&login], b"");
    holds(&said, &["500: WIN-7K2Q9F0A3BD\\Administrator (SidTypeUser)", "1000: WIN-7K2Q9F0A3BD\\alice (SidTypeUser)"]);
    holds(&said, &["1001: WIN-7K2Q9F0A3BD\\HomeUsers (SidTypeAlias)"]);
    let said = lab.client_says(&python("samrdump.py"), &[&login], b"");
    holds(&said, &["Found user: alice, uid = 1000", "Guest (501)/AccountIsDisabled: True", "Received 4 entries."]);
    let said = lab.client_says(&python("net.py"), &[&login, "localgroup", "-name", "Administrators"], b"");
    holds(&said, &["1. Administrator", "2. alice"]);
    for program in ["lookupsid.py", "samrdump.py"] {
        let said = text(&lab.client(&python(program), &["-no-pass", &address], b""));
        holds(&said, &["0xc0000022 - STATUS_ACCESS_DENIED"]);
    }
    engine.stop();
}

#[test]
fn nmap_enumerates_with_a_login() {
    let lab = Lab::new();
    let engine = start(&lab);
    let scripts = "smb-enum-users,smb-enum-groups,smb-enum-domains,smb-enum-shares,smb-ls";
    let login = ["--script-args", "smbusername=alice,smbpassword=Secret12,maxfiles=200"];
    let said = super::nmap(&lab, &["--script", scripts, login[0], login[1]]);
    holds(&said, &["WIN-7K2Q9F0A3BD\\Administrator (RID: 500)", "WIN-7K2Q9F0A3BD\\alice (RID: 1000)"]);
    holds(&said, &["Builtin\\Administrators (RID: 544): Administrator, alice", "Account lockout disabled"]);
    holds(&said, &["account_used: alice", "Current user access: READ/WRITE", "smb-ls: Volume "]);
    let is_shown = |name: &str| said.lines().any(|line| line.ends_with(&format!("  {name}")));
    for name in ["..", "explorer.exe", "Program Files (x86)", "desktop.ini"] {
        assert!(is_shown(name), "{name} is missing in: {said}");
    }
    engine.stop();
}
