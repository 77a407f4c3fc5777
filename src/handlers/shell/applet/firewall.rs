//! `iptables`: the rules of the three chains stay as their source has left them.

use super::super::device::Settings;
use super::super::run::{Io, Run};
use super::{has_flag, lossy};

const CHAINS: [&str; 3] = ["INPUT", "FORWARD", "OUTPUT"];
/// Under which names rules and policies are kept: they come in the order of their numbers.
const RULE: &str = "iptables rule ";
const POLICY: &str = "iptables policy ";
/// Where the numbers begin, so that there is room before them.
const FIRST: u32 = 500_000;

/// A rule: its number, its chain, what follows that.
struct Rule {
    number: u32,
    chain: String,
    text: String,
}

fn rules(settings: &Settings) -> Vec<Rule> {
    let rule = |(number, text): (String, String)| {
        let (chain, text) = text.split_once(' ')?;
        Some(Rule { number: number.parse().ok()?, chain: chain.to_owned(), text: text.to_owned() })
    };
    settings.under(RULE).into_iter().filter_map(rule).collect()
}

fn set(settings: &mut Settings, number: u32, chain: &str, text: &str) {
    settings.set(format!("{RULE}{number:06}"), format!("{chain} {text}"));
}

pub(super) fn iptables(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let text: Vec<String> = words.iter().skip(1).map(|word| lossy(word)).collect();
    let mut rest: Vec<&str> = text.iter().map(String::as_str).collect();
    if let Some(at) = rest.iter().position(|word| matches!(*word, "-t" | "--table")) {
        let table = rest.get(at + 1).copied().unwrap_or_default().to_owned();
        rest.drain(at..(at + 2).min(rest.len()));
        if table != "filter" {
            return 0;
        }
    }
    if !run.state.is_root {
        let what = "can't initialize iptables table `filter': Permission denied (you must be root)";
        run.print_line(
            io.err,
            &format!("iptables v1.8.3 (legacy): {what}\nPerhaps iptables or your kernel needs to be upgraded."),
        );
        return 3;
    }
    let Some((verb, rest)) = rest.split_first() else {
        run.print_line(io.err, "iptables v1.8.3 (legacy): no command specified\nTry `iptables -h' or 'iptables --help' for more information.");
        return 2;
    };
    if words.iter().any(|word| matches!(word.as_slice(), b"--list")) || has_flag(words, b'L') {
        let chain = rest.iter().copied().find(|word| CHAINS.contains(word));
        run.print(io.out, listed(run.settings, chain, has_flag(words, b'n')).as_bytes());
        return 0;
    }
    if matches!(*verb, "-S" | "--list-rules") {
        run.print(io.out, specified(run.settings).as_bytes());
        return 0;
    }
    match change(run.settings, verb, rest) {
        Ok(()) => 0,
        Err(why) => {
            run.print_line(io.err, &format!("iptables: {why}"));
            1
        }
    }
}

/// `-A`, `-I`, `-D`, `-F`, `-P` and their long names.
fn change(settings: &mut Settings, verb: &str, rest: &[&str]) -> Result<(), &'static str> {
    const NO_CHAIN: &str = "No chain/target/match by that name.";
    let (chain, rest) = rest.split_first().map_or(("", rest), |(chain, rest)| (*chain, rest));
    let text = rest.join(" ");
    let known = rules(settings);
    let takes_rule = matches!(
        verb,
        "-A" | "--append" | "-I" | "--insert" | "-D" | "--delete" | "-P" | "--policy" | "-C" | "--check"
    );
    if takes_rule && !CHAINS.contains(&chain) {
        return Err(NO_CHAIN);
    }
    match verb {
        "-A" | "--append" => set(settings, known.last().map_or(FIRST, |last| last.number + 1), chain, &text),
        "-I" | "--insert" => {
            let text = if rest.first().is_some_and(|at| at.parse::<u32>().is_ok()) {
                text.split_once(' ').map_or("", |(_, text)| text)
            } else {
                &text
            };
            set(settings, known.first().map_or(FIRST, |first| first.number.saturating_sub(1)), chain, text);
        }
        "-D" | "--delete" | "-C" | "--check" => {
            let mut own = known.iter().filter(|rule| rule.chain == chain);
            let found = match text.parse::<usize>() {
                Ok(at) => own.nth(at.saturating_sub(1)),
                Err(_) => own.find(|rule| rule.text == text),
            };
            let Some(found) = found else { return Err("Bad rule (does a matching rule exist in that chain?).") };
            if verb.starts_with("-D") || verb == "--delete" {
                settings.remove(&format!("{RULE}{:06}", found.number));
            }
        }
        "-F" | "--flush" => {
            for rule in known.iter().filter(|rule| chain.is_empty() || rule.chain == chain) {
                settings.remove(&format!("{RULE}{:06}", rule.number));
            }
        }
        "-P" | "--policy" => settings.set(format!("{POLICY}{chain}"), text),
        _ => {}
    }
    Ok(())
}

fn policy<'s>(settings: &'s Settings, chain: &str) -> &'s str {
    settings.value(&format!("{POLICY}{chain}")).unwrap_or("ACCEPT")
}

/// `iptables -S`
fn specified(settings: &Settings) -> String {
    let policies = CHAINS.map(|chain| format!("-P {chain} {}\n", policy(settings, chain))).concat();
    let own = |chain: &&str| -> String {
        let of_chain = rules(settings).into_iter().filter(|rule| rule.chain == **chain);
        of_chain.map(|rule| format!("-A {chain} {}\n", rule.text)).collect()
    };
    policies + &CHAINS.iter().map(own).collect::<String>()
}

/// `iptables -L`: all chains, or one.
fn listed(settings: &Settings, wanted: Option<&str>, numbers: bool) -> String {
    let chains = CHAINS.iter().filter(|chain| wanted.is_none_or(|wanted| wanted == **chain));
    let chains = chains.map(|chain| {
        let rows: String =
            rules(settings).iter().filter(|rule| rule.chain == *chain).map(|rule| row(&rule.text, numbers)).collect();
        format!(
            "Chain {chain} (policy {})\ntarget     prot opt source               destination         \n{rows}",
            policy(settings, chain)
        )
    });
    chains.collect::<Vec<_>>().join("\n")
}

/// One rule in columns.
fn row(text: &str, numbers: bool) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let value = |short: &str, long: &str| {
        let at = words.iter().position(|word| *word == short || *word == long)?;
        words.get(at + 1).copied()
    };
    let anywhere = if numbers { "0.0.0.0/0" } else { "anywhere" };
    let protocol = value("-p", "--protocol").unwrap_or("all");
    let (source, target) =
        (value("-s", "--source").unwrap_or(anywhere), value("-d", "--destination").unwrap_or(anywhere));
    let port = |name: &str, short: &str, long: &str| {
        value(short, long).map_or_else(String::new, |port| format!(" {name}:{port}"))
    };
    let ports = port("spt", "--sport", "--source-port") + &port("dpt", "--dport", "--destination-port");
    let matched = if ports.is_empty() { String::new() } else { format!(" {protocol}{ports}") };
    let jump = value("-j", "--jump").unwrap_or_default();
    format!("{jump:<10} {protocol:<4} --  {source:<20} {target:<20}{matched}\n")
}
