//! The real iptables, both variants, each test in a network namespace of its own. Needs root, and fails without.

#![cfg(test)]

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use glutton_nfq::config::Spread;
use glutton_nfq::firewall::{
    self, CHAIN_IN, CHAIN_NEW, CHAIN_OUT, CHAIN_QUEUE, Family, Host, Inbound, Outbound, Plan, Queues, RuleSetText,
    build,
};
use glutton_nfq::host::{self, Ports};
use glutton_nfq::privilege::{self, Account};

/// Set in the process that runs a test's body: the variant, `nft` or `legacy`.
const VARIANT: &str = "GLUTTON_NFQ_TEST_VARIANT";

/// Runs `body` twice, in a process of its own with an own network namespace, where `iptables` is one variant and then
/// the other. The process is this test binary again, told to run the test `name` alone.
fn in_both_variants(name: &str, body: fn(variant: &str)) {
    if let Ok(variant) = std::env::var(VARIANT) {
        run("ip", &["link", "set", "lo", "up"]);
        return body(&variant);
    }
    assert!(rustix::process::geteuid().is_root(), "this test needs root: run it with sudo");
    for variant in ["nft", "legacy"] {
        let commands = tempfile::tempdir().unwrap();
        fs::set_permissions(commands.path(), Permissions::from_mode(0o755)).unwrap();
        for command in ["iptables", "ip6tables"] {
            for suffix in ["", "-save", "-restore"] {
                let link = commands.path().join(format!("{command}{suffix}"));
                symlink(format!("/usr/sbin/xtables-{variant}-multi"), link).unwrap();
            }
        }
        let path = format!("{}:{}", commands.path().display(), std::env::var("PATH").unwrap());
        let output = Command::new("unshare")
            .args(["--net", "--"])
            .arg(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env("PATH", path)
            .env(VARIANT, variant)
            // The lock is the machine's: other tests would make this one wait.
            .env("XTABLES_LOCKFILE", commands.path().join("lock"))
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && text.contains("1 passed"), "with iptables-{variant}:\n{text}");
    }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn restore(program: &str, rules: &str) {
    let mut child = Command::new(program).arg("--noflush").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Both families' rules, without comment lines and packet counters.
fn saved() -> String {
    let mut text = String::new();
    for program in ["iptables-save", "ip6tables-save"] {
        let output = String::from_utf8(run(program, &[]).stdout).unwrap();
        for line in output.lines().filter(|line| !line.starts_with('#')) {
            text.push_str(line.split(" [").next().unwrap());
            text.push('\n');
        }
    }
    text
}

/// Loads the tables, as a host has them that used them before. Only then can the legacy variant leave them as they
/// were.
fn use_tables() {
    for program in ["iptables", "ip6tables"] {
        for table in ["mangle", "raw"] {
            run(program, &["-t", table, "-A", "OUTPUT", "-j", "ACCEPT"]);
            run(program, &["-t", table, "-D", "OUTPUT", "-j", "ACCEPT"]);
        }
    }
}

fn plan(interfaces: &[&str]) -> Plan {
    Plan {
        interfaces: interfaces.iter().copied().map(str::to_owned).collect(),
        capture: Vec::new(),
        conntrack: true,
        own_udp: None,
        queues: Queues { first: 0, count: 2, spread: Spread::Hosts },
        inbound: Inbound { tcp: true, udp: true, icmp_echo: true, icmpv6_echo: true },
        exempt: Ports { tcp: (1..=40).collect(), udp: [68, 546].into() },
        kernel: None,
        outbound: Outbound { ports: Ports { tcp: [5000].into(), udp: [5001].into() }, unreachable: true },
    }
}

fn rules(plan: &Plan) -> RuleSetText {
    build(plan, &Host::probe(&[]).unwrap()).unwrap()
}

#[test]
fn removal_leaves_iptables_save_as_it_was() {
    in_both_variants("removal_leaves_iptables_save_as_it_was", |variant| {
        if variant == "legacy" {
            use_tables();
        }
        let before = saved();
        let rules = rules(&plan(&["eth0", "veth+"]));
        firewall::apply(&rules).unwrap();
        let installed = saved();
        for hook in ["PREROUTING -i", "OUTPUT -o"] {
            assert_eq!(
                installed.matches(&format!("-A {hook} ")).count(),
                4,
                "two interfaces, two families:\n{installed}"
            );
        }
        for (_, text) in rules.texts() {
            for rule in text.lines().filter(|line| line.starts_with("-A")) {
                assert!(installed.contains(&format!("{rule}\n")), "`{rule}` is not in\n{installed}");
            }
        }
        assert!(Family::ALL.into_iter().all(firewall::installed));

        let removed = firewall::remove().unwrap();
        let tables = if variant == "nft" { 4 } else { 0 };
        assert_eq!((removed.jumps, removed.chains, removed.tables), (8, 6, tables));
        assert_eq!(saved(), before);
        assert!(!firewall::installed(Family::V4));
        assert!(firewall::remove().unwrap().is_empty());
    });
}

#[test]
fn tables_in_use_but_empty_stay() {
    in_both_variants("tables_in_use_but_empty_stay", |_| {
        use_tables();
        let before = saved();
        assert!(before.contains("*mangle") && before.contains("*raw"));
        firewall::apply(&rules(&plan(&["eth0"]))).unwrap();
        assert!(!saved().contains(CHAIN_NEW));
        firewall::remove().unwrap();
        assert_eq!(saved(), before);
    });
}

#[test]
fn the_operators_rules_stay_and_come_first() {
    in_both_variants("the_operators_rules_stay_and_come_first", |_| {
        for program in ["iptables-restore", "ip6tables-restore"] {
            restore(
                program,
                "*mangle\n:T-POT - [0:0]\n:PREROUTING ACCEPT [0:0]\n:FORWARD DROP [0:0]\n\
                 -A PREROUTING -p tcp -m tcp --dport 64295 -j ACCEPT\n\
                 -A PREROUTING -i eth0 -p tcp -m comment --comment \"jump -m addrtype --dst-type LOCAL -j GLUTTON-NFQ-IN\" -j T-POT\n\
                 -A T-POT -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n\
                 *raw\n-A OUTPUT -o eth0 -p udp -m udp --dport 53 -j NOTRACK\nCOMMIT\n\
                 *filter\n-A INPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n",
            );
        }
        let before = saved();
        firewall::apply(&rules(&plan(&["eth0"]))).unwrap();
        let installed = saved();
        for line in before.lines() {
            assert!(installed.contains(&format!("{line}\n")), "`{line}` is gone");
        }
        let jump = installed.find(&format!("-A PREROUTING -i eth0 -j {CHAIN_IN}\n")).unwrap();
        assert!(installed.find("--dport 64295 -j ACCEPT").unwrap() < jump);
        firewall::remove().unwrap();
        assert_eq!(saved(), before);
    });
}

#[test]
fn a_rule_that_came_meanwhile_stays() {
    in_both_variants("a_rule_that_came_meanwhile_stays", |_| {
        firewall::apply(&rules(&plan(&["eth0"]))).unwrap();
        run("iptables", &["-t", "mangle", "-I", "PREROUTING", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"]);
        firewall::remove().unwrap();
        let left = saved();
        assert!(left.contains("-A PREROUTING -p tcp -m tcp --dport 22 -j ACCEPT"), "{left}");
        assert!(!left.contains("GLUTTON"), "{left}");
    });
}

#[test]
fn applying_again_replaces_whatever_an_earlier_run_left() {
    in_both_variants("applying_again_replaces_whatever_an_earlier_run_left", |_| {
        use_tables();
        let (before, wanted) = (saved(), rules(&plan(&["eth0"])));
        firewall::apply(&wanted).unwrap();
        let once = saved();
        firewall::apply(&wanted).unwrap();
        assert_eq!(saved(), once);

        firewall::apply(&rules(&plan(&["eth1", "eth2"]))).unwrap();
        for (table, chain, way, ours) in [("mangle", "PREROUTING", "-i", CHAIN_IN), ("raw", "OUTPUT", "-o", CHAIN_OUT)]
        {
            run("iptables", &["-t", table, "-I", chain, way, "eth7", "-j", ours]);
            run("iptables", &["-t", table, "-I", chain, way, "eth7", "-j", ours]);
        }
        firewall::apply(&wanted).unwrap();
        assert_eq!(saved(), once);
        firewall::sweep().unwrap();
        assert_eq!(saved(), before);
    });
}

#[test]
fn a_run_after_a_kill_still_knows_that_the_tables_were_new() {
    in_both_variants("a_run_after_a_kill_still_knows_that_the_tables_were_new", |variant| {
        for swept in [true, false] {
            firewall::apply(&rules(&plan(&["eth0"]))).unwrap();
            // Killed here, parent and all. The next start:
            if swept {
                firewall::sweep().unwrap();
            }
            firewall::apply(&rules(&plan(&["eth0"]))).unwrap();
            firewall::remove().unwrap();
        }
        let left = saved();
        if variant == "nft" {
            assert_eq!(left, "");
        } else {
            assert!(
                left.lines().all(|line| line.starts_with('*') || line.ends_with(" ACCEPT") || line == "COMMIT"),
                "{left}"
            );
        }
    });
}

#[test]
fn leftovers_in_the_other_variant_are_swept() {
    in_both_variants("leftovers_in_the_other_variant_are_swept", |variant| {
        let other = if variant == "nft" { "legacy" } else { "nft" };
        let rules = rules(&plan(&["eth0"]));
        for (family, text) in rules.texts() {
            restore(&format!("{}-{other}-restore", family.program()), text);
        }
        assert!(firewall::remove().unwrap().is_empty());
        let removed = firewall::sweep().unwrap();
        assert_eq!((removed.jumps, removed.chains), (4, 6));
        let left = run(&format!("iptables-{other}-save"), &[]).stdout;
        assert!(!String::from_utf8(left).unwrap().contains("GLUTTON"));
    });
}

#[test]
fn traffic_passes_while_no_engine_runs() {
    in_both_variants("traffic_passes_while_no_engine_runs", |_| {
        let mut plan = plan(&["lo"]);
        plan.exempt = Ports::default();
        firewall::apply(&rules(&plan)).unwrap();
        for address in ["127.0.0.1:5000", "[::1]:5000"] {
            let listener = TcpListener::bind(address).unwrap();
            let server = thread::spawn(move || listener.accept().unwrap().0.write_all(b"through").unwrap());
            let mut text = String::new();
            TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
            server.join().unwrap();
            assert_eq!(text, "through");
        }
        let counters = String::from_utf8(run("iptables", &["-t", "mangle", "-nvxL", CHAIN_QUEUE]).stdout).unwrap();
        let queued = counters.lines().find(|line| line.contains("NFQUEUE")).unwrap();
        assert_ne!(queued.split_whitespace().next(), Some("0"), "nothing was diverted:\n{counters}");
    });
}

/// Puts a script in the place of a command.
fn replace(command: &str, script: &str) {
    let path = std::env::var("PATH").unwrap();
    let file = Path::new(path.split(':').next().unwrap()).join(command);
    fs::remove_file(&file).unwrap();
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn when_ipv6_rules_are_refused_ipv4_rules_do_not_stay() {
    in_both_variants("when_ipv6_rules_are_refused_ipv4_rules_do_not_stay", |variant| {
        let rules = rules(&plan(&["eth0"]));
        replace(
            "ip6tables-restore",
            "cat >/dev/null\ncase \"$*\" in *--test*) exit 0 ;; esac\necho no such target >&2; exit 4",
        );
        let error = firewall::apply(&rules).unwrap_err().to_string();
        assert!(error.starts_with("ip6tables-restore refused the rules: no such target;"), "{error}");
        assert!(error.contains("xt_NFQUEUE") && !error.contains('\n'), "{error}");
        let left = saved();
        assert!(!left.contains("GLUTTON") && (variant == "legacy" || left.is_empty()), "{left}");
    });
}

#[test]
fn without_ip6tables_the_rules_are_for_ipv4_and_a_warning_says_so() {
    in_both_variants("without_ip6tables_the_rules_are_for_ipv4_and_a_warning_says_so", |_| {
        replace("ip6tables", "echo broken >&2; exit 127");
        let host = Host::probe(&[]).unwrap();
        assert_eq!(host.families, [Family::V4]);
        let [warning] = host.warnings.as_slice() else { panic!("{:?}", host.warnings) };
        assert!(warning.contains("IPv4 only") && warning.contains("broken"), "{warning}");
    });
}

#[test]
fn who_may_not_change_the_firewall_is_told_in_one_line() {
    in_both_variants("who_may_not_change_the_firewall_is_told_in_one_line", |_| {
        privilege::drop_to(&Account { uid: 65_534, gid: 65_534 }).unwrap();
        let error = Host::probe(&[]).unwrap_err().to_string();
        assert!(error.contains("run as root") && !error.contains('\n'), "{error}");
    });
}

#[test]
fn the_default_route_names_the_interface() {
    in_both_variants("the_default_route_names_the_interface", |_| {
        let error = host::default_interface().unwrap_err().to_string();
        assert!(error.contains("-i"), "{error}");
        run("ip", &["link", "add", "gn-fw-a", "type", "veth", "peer", "name", "gn-fw-b"]);
        for (interface, address, metric) in [("gn-fw-a", "192.0.2.1/24", "10"), ("gn-fw-b", "198.51.100.1/24", "20")] {
            run("ip", &["link", "set", interface, "up"]);
            run("ip", &["addr", "add", address, "dev", interface]);
            run("ip", &["-6", "route", "add", "default", "dev", interface, "metric", metric]);
        }
        assert_eq!(host::default_interface().unwrap(), "gn-fw-a", "IPv6 alone has a default route");
        run("ip", &["route", "add", "default", "via", "192.0.2.254", "metric", "20"]);
        assert_eq!(host::default_interface().unwrap(), "gn-fw-a");
        run("ip", &["route", "add", "default", "via", "198.51.100.254", "metric", "10"]);
        assert_eq!(host::default_interface().unwrap(), "gn-fw-b");
        host::check_interface("gn-fw-b").unwrap();
    });
}
