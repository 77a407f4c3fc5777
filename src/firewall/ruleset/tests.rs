use std::collections::BTreeSet;

use super::*;
use crate::config::Spread;
use crate::firewall::{CHAIN_IN, CHAIN_OUT, Inbound, Outbound, PolicyRoute, Queues, save};
use crate::host::Ports;

fn ports(tcp: &[u16], udp: &[u16]) -> Ports {
    Ports { tcp: tcp.iter().copied().collect(), udp: udp.iter().copied().collect() }
}

/// What the README of `iptables/` shows: eth0, queue 0, an SSH port and DHCP exempt, the default handler ports.
fn readme_plan() -> Plan {
    Plan {
        interfaces: vec!["eth0".to_owned()],
        capture: Vec::new(),
        conntrack: true,
        own_udp: None,
        queues: Queues { first: 0, count: 1, spread: Spread::Hosts },
        inbound: Inbound { tcp: true, udp: true, ..Inbound::default() },
        exempt: ports(&[22], &[68, 546]),
        outbound: Outbound { ports: ports(&[5000], &[5001]), unreachable: true },
        kernel: None,
    }
}

fn text_of(plan: &Plan, family: Family) -> String {
    let rules = build(plan, &Host::default()).unwrap();
    rules.texts().find(|(found, _)| *found == family).unwrap().1.to_owned()
}

#[test]
fn the_plain_plan_reads_like_this() {
    assert_eq!(
        text_of(&readme_plan(), Family::V4),
        "\
*mangle
:GLUTTON-NFQ-IN - [0:0]
:GLUTTON-NFQ-QUEUE - [0:0]
-A GLUTTON-NFQ-IN -m addrtype --dst-type LOCAL -g GLUTTON-NFQ-QUEUE
-A GLUTTON-NFQ-QUEUE -p tcp -m multiport --dports 22 -m addrtype --dst-type LOCAL -j RETURN
-A GLUTTON-NFQ-QUEUE -p udp -m multiport --dports 68,546 -m addrtype --dst-type LOCAL -j RETURN
-A GLUTTON-NFQ-QUEUE -p tcp -m tcp --tcp-flags SYN,RST NONE -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL -j NFQUEUE --queue-num 0 --queue-bypass
-A GLUTTON-NFQ-QUEUE -p tcp -m conntrack --ctdir ORIGINAL -j NFQUEUE --queue-num 1 --queue-bypass
-A GLUTTON-NFQ-QUEUE -p tcp -m tcp --tcp-flags SYN,RST,ACK NONE -j NFQUEUE --queue-num 1 --queue-bypass
-A GLUTTON-NFQ-QUEUE -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK FIN,SYN -j NFQUEUE --queue-num 1 --queue-bypass
-A GLUTTON-NFQ-QUEUE -p udp -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL -j NFQUEUE --queue-num 0 --queue-bypass
-A GLUTTON-NFQ-QUEUE -p udp -m conntrack --ctdir ORIGINAL -j NFQUEUE --queue-num 1 --queue-bypass
-A GLUTTON-NFQ-QUEUE -p icmp -m icmp --icmp-type 3 -m conntrack --ctdir ORIGINAL -j NFQUEUE --queue-num 1 --queue-bypass
-A GLUTTON-NFQ-QUEUE -p icmp -m icmp --icmp-type 11 -m conntrack --ctdir ORIGINAL -j NFQUEUE --queue-num 1 --queue-bypass
-A GLUTTON-NFQ-QUEUE -p icmp -m icmp --icmp-type 12 -m conntrack --ctdir ORIGINAL -j NFQUEUE --queue-num 1 --queue-bypass
-A PREROUTING -i eth0 -j GLUTTON-NFQ-IN
COMMIT
*raw
:GLUTTON-NFQ-OUT - [0:0]
-A GLUTTON-NFQ-OUT -p tcp -m tcp --sport 5000 --tcp-flags SYN,RST NONE -j NFQUEUE --queue-num 0 --queue-bypass
-A GLUTTON-NFQ-OUT -p tcp -m tcp --sport 5000 -j NFQUEUE --queue-num 1 --queue-bypass
-A GLUTTON-NFQ-OUT -p udp -m udp --sport 5001 -j NFQUEUE --queue-num 0 --queue-bypass
-A GLUTTON-NFQ-OUT -p icmp -m icmp --icmp-type 3 -j NFQUEUE --queue-num 1 --queue-bypass
-A OUTPUT -o eth0 -j GLUTTON-NFQ-OUT
COMMIT
"
    );
}

#[test]
fn ipv6_diverts_errors_and_echo_but_never_neighbour_discovery_or_multicast_listeners() {
    let mut plan = readme_plan();
    plan.inbound.icmpv6_echo = true;
    let text = text_of(&plan, Family::V6);
    let types: Vec<&str> =
        text.lines().filter_map(|line| line.split("--icmpv6-type ").nth(1)?.split(' ').next()).collect();
    assert_eq!(types, ["1", "2", "3", "4", "128", "1"]);
    let rules = text.lines().filter(|line| line.contains("NFQUEUE"));
    assert!(rules.filter(|line| line.contains("ipv6-icmp")).all(|line| line.contains("--icmpv6-type")));
    assert!(!text.contains("-p icmp "));
}

#[test]
fn only_the_protocols_that_a_rule_can_match_are_diverted() {
    let mut plan = readme_plan();
    plan.inbound = Inbound { icmp_echo: true, ..Inbound::default() };
    plan.exempt = Ports::default();
    plan.outbound = Outbound::default();
    assert_eq!(
        text_of(&plan, Family::V4),
        "\
*mangle
:GLUTTON-NFQ-IN - [0:0]
:GLUTTON-NFQ-QUEUE - [0:0]
-A GLUTTON-NFQ-IN -m addrtype --dst-type LOCAL -g GLUTTON-NFQ-QUEUE
-A GLUTTON-NFQ-QUEUE -p icmp -m icmp --icmp-type 8 -m conntrack --ctdir ORIGINAL -j NFQUEUE --queue-num 1 --queue-bypass
-A PREROUTING -i eth0 -j GLUTTON-NFQ-IN
COMMIT
*raw
:GLUTTON-NFQ-OUT - [0:0]
-A OUTPUT -o eth0 -j GLUTTON-NFQ-OUT
COMMIT
"
    );
    assert!(!text_of(&plan, Family::V6).contains("NFQUEUE"));
}

#[test]
fn every_interface_is_hooked_and_several_queues_are_balanced() {
    let mut plan = readme_plan();
    plan.interfaces = vec!["eth0".to_owned(), "veth+".to_owned()];
    plan.queues = Queues { first: 2, count: 3, spread: Spread::Hosts };
    let text = text_of(&plan, Family::V4);
    for hook in ["-A PREROUTING -i", "-A OUTPUT -o"] {
        for interface in ["eth0", "veth+"] {
            assert_eq!(text.lines().filter(|line| line.starts_with(&format!("{hook} {interface} "))).count(), 1);
        }
    }
    let queued: Vec<&str> = text.lines().filter(|line| line.contains("-j NFQUEUE")).collect();
    let runs = ["-j NFQUEUE --queue-balance 2:4 --queue-bypass", "-j NFQUEUE --queue-balance 5:7 --queue-bypass"];
    for run in runs {
        assert!(queued.iter().any(|line| line.ends_with(run)), "{run}: {queued:?}");
    }
    assert!(queued.iter().all(|line| runs.iter().any(|run| line.ends_with(run))), "{queued:?}");
}

#[test]
fn more_ports_than_multiport_takes_are_split_over_rules() {
    let mut plan = readme_plan();
    plan.exempt.tcp = (1..=31).collect::<BTreeSet<u16>>();
    let text = text_of(&plan, Family::V4);
    let lists = text.lines().filter_map(|line| line.split("-p tcp -m multiport --dports ").nth(1)?.split(' ').next());
    assert_eq!(lists.map(|list| list.split(',').count()).collect::<Vec<_>>(), [15, 15, 1]);
}

#[test]
fn tables_that_were_not_there_are_marked_for_removal() {
    let host = Host { new_tables: vec![(Family::V4, Table::Raw)], ..Host::default() };
    let rules = build(&readme_plan(), &host).unwrap();
    let marked: Vec<_> = rules.texts().map(|(_, text)| save::removal(text).new_tables).collect();
    assert_eq!(marked, [vec!["raw".to_owned()], Vec::new()]);
}

#[test]
fn a_family_without_iptables_gets_no_rules() {
    let host = Host { families: vec![Family::V4], ..Host::default() };
    let text = build(&readme_plan(), &host).unwrap().to_string();
    assert!(text.starts_with("iptables-restore --noflush -w 5 <<'EOF'\n*mangle\n"), "{text}");
    assert!(text.ends_with("COMMIT\nEOF\n"));
    assert!(!text.contains("ip6tables"));
}

#[test]
fn a_plan_that_iptables_would_misread_is_refused() {
    let mut plan = readme_plan();
    plan.interfaces = vec!["eth0 -j ACCEPT".to_owned()];
    assert_eq!(build(&plan, &Host::default()), Err(PlanError::InterfaceName("eth0 -j ACCEPT".to_owned())));
    plan.interfaces.clear();
    assert_eq!(build(&plan, &Host::default()), Err(PlanError::NoInterface));
}

#[test]
fn the_template_leaves_no_placeholder_and_knows_our_chains() {
    let text = build(&readme_plan(), &Host::default()).unwrap().to_string();
    assert!(!text.contains('{') && !text.contains('}'));
    assert!(text.contains(&format!("-j {CHAIN_IN}\n")) && text.contains(&format!("-j {CHAIN_OUT}\n")));
}

/// Turns a restore text into the commands that do the same one by one.
fn commands(family: Family, text: &str) -> Vec<String> {
    let mut table = "";
    let mut commands = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(chain) = line.strip_prefix(':') {
            let chain = chain.split(' ').next().unwrap();
            commands.push(format!("{} -t {table} -N {chain}", family.program()));
        } else if line.starts_with('-') {
            commands.push(format!("{} -t {table} {line}", family.program()));
        }
    }
    commands
}

#[test]
fn the_readme_of_iptables_says_the_same_by_hand() {
    let readme = include_str!("../../../iptables/README.md");
    let shown: Vec<String> = readme.lines().filter(|line| line.contains("tables -t ")).map(str::to_owned).collect();
    let marks = crate::engine::MarkField::new(crate::config::Config::default().engine.mark_mask).unwrap();
    let path =
        KernelPath { marks, listener: None, redirect: Some(40_123), closed: 61, addresses: Vec::new(), route: None };
    let [plain, redirecting] = [None, Some(path)].map(|kernel| {
        let rules = build(&Plan { kernel, ..readme_plan() }, &Host::default()).unwrap();
        let install = rules.texts().flat_map(|(family, text)| commands(family, text)).collect::<Vec<_>>();
        let remove = rules.texts().flat_map(|(family, text)| commands(family, &save::removal(&as_saved(text)).text));
        [install, remove.collect()]
    });
    let mut expected = Vec::new();
    for (plain, redirecting) in plain.into_iter().zip(redirecting) {
        let more: Vec<String> = redirecting.into_iter().filter(|command| !plain.contains(command)).collect();
        expected.extend([plain, more].concat());
    }
    assert_eq!(shown, expected);
}

/// `iptables-save` shows a rule that was put in front as any other.
fn as_saved(text: &str) -> String {
    text.replace("-I PREROUTING", "-A PREROUTING")
}

#[test]
fn decided_connections_leave_user_space_before_anything_is_queued() {
    let marks = crate::engine::MarkField::new(0x3000_0000).unwrap();
    let path = KernelPath {
        marks,
        listener: Some(5000),
        redirect: None,
        closed: 61,
        addresses: vec!["192.0.2.1".parse().unwrap()],
        route: None,
    };
    let plan = Plan { kernel: Some(path), ..readme_plan() };
    let text = text_of(&plan, Family::V4);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("mark")).collect();
    assert_eq!(
        lines,
        [
            "-A GLUTTON-NFQ-IN -m mark ! --mark 0x0/0x30000000 -g GLUTTON-NFQ-KEEP",
            "-A GLUTTON-NFQ-IN -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m connmark --mark 0x10000000/0x30000000 -j RETURN",
            "-A GLUTTON-NFQ-IN ! -p tcp -m connmark --mark 0x10000000/0x30000000 -j RETURN",
            "-A GLUTTON-NFQ-IN -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m connmark --mark 0x20000000/0x30000000 -m socket --transparent -j TPROXY --on-port 61 --on-ip 192.0.2.1",
            "-A GLUTTON-NFQ-KEEP -j CONNMARK --save-mark --nfmask 0x30000000 --ctmask 0x30000000",
            "-A GLUTTON-NFQ-KEEP -p tcp -m mark --mark 0x20000000/0x30000000 -j TPROXY --on-port 5000 --on-ip 192.0.2.1 --tproxy-mark 0x0/0x30000000",
            "-A GLUTTON-NFQ-KEEP -j MARK --set-xmark 0x0/0x30000000",
            "-A GLUTTON-NFQ-OUT -p tcp -m tcp --tcp-flags SYN NONE -m mark --mark 0x20000000/0x30000000 -m connmark --mark 0x20000000/0x30000000 -j CONNMARK --set-xmark 0x10000000/0x30000000",
            "-A GLUTTON-NFQ-OUT -p tcp -m tcp ! --sport 5000 -m mark --mark 0x20000000/0x30000000 -j RETURN",
        ]
    );
    assert!(text.find("connmark") < text.find("NFQUEUE") && !text.contains("*nat"));
    assert!(text_of(&plan, Family::V6).contains("TPROXY --on-port 5000 --tproxy-mark"), "a wildcard there");
}

#[test]
fn redirected_connections_are_translated_by_a_chain_of_ours_in_nat() {
    let marks = crate::engine::MarkField::new(0x30).unwrap();
    let path =
        KernelPath { marks, listener: None, redirect: Some(40_123), closed: 61, addresses: Vec::new(), route: None };
    let plan = Plan { kernel: Some(path), ..readme_plan() };
    let host = Host { new_tables: vec![(Family::V6, Table::Nat)], ..Host::default() };
    let rules = build(&plan, &host).unwrap();
    for (family, text) in rules.texts() {
        let (others, nat) = text.split_once("*nat\n").unwrap();
        let new = if family == Family::V6 { ":GLUTTON-NFQ-NEW - [0:0]\n" } else { "" };
        assert_eq!(
            nat,
            format!(
                ":GLUTTON-NFQ-NAT - [0:0]\n{new}\
                 -A GLUTTON-NFQ-NAT -p tcp -m connmark --mark 0x30/0x30 -j DNAT --to-destination :40123\n\
                 -I PREROUTING -i eth0 -j GLUTTON-NFQ-NAT\nCOMMIT\n"
            )
        );
        let left = "SYN -m connmark --mark 0x30/0x30 -j RETURN\n";
        assert!(others.find(left) < others.find("NFQUEUE") && others.contains(left), "{others}");
    }
}

#[test]
fn new_rules_do_not_end_what_the_kernel_carries_by_the_old() {
    let marks = crate::engine::MarkField::new(0x30).unwrap();
    let path =
        |listener| KernelPath { marks, listener, redirect: None, closed: 61, addresses: Vec::new(), route: None };
    let [before, after] = [Some(5_000), None].map(|listener| Plan { kernel: Some(path(listener)), ..readme_plan() });
    assert_eq!(after.together_with(&before).kernel, Some(path(Some(5_000))));
}

#[test]
fn without_connection_tracking_the_hosts_own_lookups_are_told_by_their_ports() {
    let plan = Plan { own_udp: Some((32_768, 60_999)), ..readme_plan() };
    let text = text_of(&plan, Family::V4);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("-A GLUTTON-NFQ-QUEUE -p udp")).collect();
    assert_eq!(
        lines[1..],
        [
            "-A GLUTTON-NFQ-QUEUE -p udp -m udp --dport 32768:60999 -j RETURN",
            "-A GLUTTON-NFQ-QUEUE -p udp -j NFQUEUE --queue-num 1 --queue-bypass",
        ]
    );
    assert!(!text.contains("conntrack") && text.contains("-A GLUTTON-NFQ-QUEUE -p tcp -j NFQUEUE --queue-num 1"));
    assert!(text.contains("--tcp-flags SYN,RST NONE -j NFQUEUE --queue-num 0"));
}

#[test]
fn packets_to_captured_networks_keep_the_mark_by_which_they_are_routed() {
    let marks = crate::engine::MarkField::new(0x3000_0000).unwrap();
    let route = Some(PolicyRoute { table: 4770, priority: 99 });
    let path = KernelPath { marks, listener: Some(5000), redirect: None, closed: 61, addresses: Vec::new(), route };
    let capture = ["203.0.113.0/24", "198.51.100.0/25", "2001:db8::/48"].map(|network| network.parse().unwrap());
    let plan = Plan { kernel: Some(path), capture: capture.to_vec(), ..readme_plan() };
    let text = text_of(&plan, Family::V6);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("-d 2001:db8::/48")).collect();
    assert_eq!(
        lines,
        [
            "-A GLUTTON-NFQ-IN -p tcp -d 2001:db8::/48 -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m connmark --mark 0x20000000/0x30000000 -m socket --transparent -j TPROXY --on-port 61 --tproxy-mark 0x20000000/0x30000000",
            "-A GLUTTON-NFQ-IN ! -p tcp -d 2001:db8::/48 -m connmark --mark 0x20000000/0x30000000 -j MARK --set-xmark 0x20000000/0x30000000",
            "-A GLUTTON-NFQ-IN ! -p tcp -d 2001:db8::/48 -m connmark --mark 0x20000000/0x30000000 -j RETURN",
            "-A GLUTTON-NFQ-IN -d 2001:db8::/48 -g GLUTTON-NFQ-QUEUE",
            "-A GLUTTON-NFQ-KEEP -p tcp -d 2001:db8::/48 -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m mark --mark 0x20000000/0x30000000 -m socket --transparent -j TPROXY --on-port 61 --tproxy-mark 0x20000000/0x30000000",
            "-A GLUTTON-NFQ-KEEP -p tcp -d 2001:db8::/48 -m mark --mark 0x20000000/0x30000000 -j TPROXY --on-port 5000 --tproxy-mark 0x20000000/0x30000000",
            "-A GLUTTON-NFQ-KEEP ! -p tcp -d 2001:db8::/48 -m mark --mark 0x20000000/0x30000000 -j RETURN",
        ]
    );
    let commands = build(&plan, &Host::default()).unwrap().to_string();
    let expected = "\
ip -4 -batch - <<'EOF'
route replace local 203.0.113.0/24 dev lo table 4770 proto 171
route replace local 198.51.100.0/25 dev lo table 4770 proto 171
rule add priority 99 fwmark 0x20000000/0x30000000 lookup 4770 protocol 171
EOF
ip -6 -batch - <<'EOF'
route replace local 2001:db8::/48 dev lo table 4770 proto 171
rule add priority 99 fwmark 0x20000000/0x30000000 lookup 4770 protocol 171
EOF
iptables-restore ";
    assert!(commands.starts_with(expected), "{commands}");
    let untracked = text_of(&Plan { conntrack: false, ..plan.clone() }, Family::V6);
    let lines: Vec<&str> = untracked.lines().filter(|line| line.contains("UNTRACKED")).collect();
    assert_eq!(
        lines[..6],
        [
            ":GLUTTON-NFQ-UNTRACKED - [0:0]",
            "-A GLUTTON-NFQ-IN -d 2001:db8::/48 -g GLUTTON-NFQ-UNTRACKED",
            "-A GLUTTON-NFQ-UNTRACKED -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m socket --transparent -j TPROXY --on-port 61 --tproxy-mark 0x20000000/0x30000000",
            "-A GLUTTON-NFQ-UNTRACKED ! -p tcp -m socket --transparent -j MARK --set-xmark 0x20000000/0x30000000",
            "-A GLUTTON-NFQ-UNTRACKED -m mark ! --mark 0x0/0x30000000 -g GLUTTON-NFQ-KEEP",
            "-A GLUTTON-NFQ-UNTRACKED -p tcp -m tcp --tcp-flags SYN,RST NONE -j NFQUEUE --queue-num 0 --queue-bypass",
        ],
        "what has a socket is not queued"
    );
    assert!(!text_of(&Plan { capture: Vec::new(), ..plan }, Family::V6).contains("-d "));
}
