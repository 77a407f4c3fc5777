//! What the sensor's iptables and routing tables hold, in comparable form, and the choice between the two iptables variants.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use super::{Lab, succeeded};

/// Which iptables a test uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// What `iptables` means on this machine.
    System,
    /// The legacy one (x_tables through its own socket option).
    Legacy,
    /// The one on top of nf_tables.
    Nft,
}

impl Variant {
    /// The PATH under which the plain names (`iptables`, `ip6tables-restore`, ...) are this variant.
    pub(crate) fn path(self, lab: &Lab) -> String {
        let system = std::env::var("PATH").unwrap();
        let suffix = match self {
            Self::System => return system,
            Self::Legacy => "legacy",
            Self::Nft => "nft",
        };
        let directory = lab.path(suffix);
        if std::fs::create_dir(&directory).is_ok() {
            for (family, verb) in
                FAMILIES.iter().flat_map(|family| ["", "-save", "-restore"].map(|verb| (family, verb)))
            {
                let target = program(&system, &format!("{family}-{suffix}{verb}"));
                symlink(target, directory.join(format!("{family}{verb}"))).unwrap();
            }
        }
        format!("{}:{system}", directory.display())
    }
}

const FAMILIES: [&str; 2] = ["iptables", "ip6tables"];

/// Both families' rules as `iptables-save` prints them, without comments (they hold the time) and packet counters, and [`saved_routes`]. A legacy
/// table, once used, cannot be unloaded by anyone: with that variant a table without any rule or chain of one's own counts as absent.
pub(crate) fn saved_rules(lab: &Lab, variant: Variant) -> String {
    let mut all = String::new();
    for family in FAMILIES {
        let unloadable = run(lab, variant, &format!("{family} --version")).contains("nf_tables");
        for table in run(lab, variant, &format!("{family}-save")).split_inclusive("COMMIT\n") {
            let lines: Vec<&str> = table.lines().filter(|line| !line.starts_with('#')).map(without_counters).collect();
            let used =
                lines.iter().any(|line| line.starts_with("-A") || (line.starts_with(':') && line.ends_with(" -")));
            if used || unloadable {
                let _ = writeln!(all, "# {family}\n{}", lines.join("\n"));
            }
        }
    }
    all + &saved_routes(lab)
}

/// Both families' routing rules and routes, but for those that the kernel makes itself: they come when it has time for them.
pub(crate) fn saved_routes(lab: &Lab) -> String {
    let tables = ["ip rule", "ip -6 rule", "ip route show table all"].map(|line| lab.sensor_command(line)).concat();
    tables.lines().filter(|line| !line.contains("proto kernel")).flat_map(|line| [line, "\n"]).collect()
}

/// Runs an iptables command of this variant in the sensor.
fn run(lab: &Lab, variant: Variant, line: &str) -> String {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env("PATH", variant.path(lab));
    succeeded(line, lab.sensor_namespace().output(&mut command).unwrap())
}

/// `:INPUT ACCEPT [3:180]` without the brackets.
fn without_counters(line: &str) -> &str {
    if line.starts_with(':') { line.split(" [").next().unwrap() } else { line }
}

/// Rules such as an operator has: every table that the engine writes to, INVALID dropped both ways, in both families.
pub(crate) fn install_operators_rules(lab: &Lab, variant: Variant) {
    const RULES: &str = "\
*raw\n-A PREROUTING -p tcp --dport 4444 -j ACCEPT\n-A OUTPUT -p udp --sport 4444 -j ACCEPT\nCOMMIT\n\
*mangle\n:OPERATOR - [0:0]\n-A PREROUTING -p tcp --dport 4445 -j OPERATOR\n-A OPERATOR -j MARK --set-xmark 0x10/0x10\nCOMMIT\n\
*filter\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n";
    let rules = lab.file("operator.rules", RULES);
    for family in FAMILIES {
        run(lab, variant, &format!("{family}-restore --noflush --wait=5 {}", rules.display()));
    }
}

/// Packets that the operator's INVALID rules have dropped so far, both families.
pub(crate) fn invalid_dropped(lab: &Lab) -> u64 {
    let mut dropped = 0;
    for family in FAMILIES {
        let text = lab.sensor_command(&format!("{family}-save -c -t filter"));
        for line in text.lines().filter(|line| line.contains("INVALID")) {
            dropped += line[1..].split(':').next().unwrap().parse::<u64>().unwrap();
        }
    }
    dropped
}

fn program(path: &str, name: &str) -> PathBuf {
    let found = path.split(':').map(|directory| PathBuf::from(directory).join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("{name} is missing: install iptables (apt-get install iptables)"))
}
