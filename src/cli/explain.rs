//! `explain`: which rule takes a packet, and why not the ones before.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::{Value, json};

use super::Error;
use super::input::{CaptureFailed, open_capture};
use super::offline::{Offline, settings};
use crate::explain::{Explanation, Fate, PassedOver, Sensor, explain, packet_from_text};
use crate::rules::{Action, Rule};

const EXAMPLES: &str = "\
Examples:
  glutton-nfq explain -r rules.yml 'tcp 1.2.3.4:5 > 10.0.0.1:23 syn'
          A packet as text; `syn` is what a TCP packet is unless said otherwise
  glutton-nfq explain 'udp [2001:db8::1]:53 > [2001:db8::2]:9999 len 60'
          len is the length of the IP packet, as in filters
  glutton-nfq explain 'tcp 1.2.3.4:5 > 10.0.0.1:80 psh-ack data \"GET / HTTP/1.1\\r\\n\"'
          With data, for rules that look at the payload
  glutton-nfq explain 'icmp 1.2.3.4 > 10.0.0.1 echo'
  glutton-nfq explain --hex '4500001c 00000000 40110000 c6336407 c0000201 9c400035 00080000'
          The bytes of an IP packet
  glutton-nfq explain -r rules.yml --capture capture.pcap 17
          Packet 17 of a capture, counted as `match` counts

PACKET is PROTOCOL SOURCE > DESTINATION [FLAGS] [len N] [data \"TEXT\"]: tcp, udp, icmp or icmp6; the
FLAGS of TCP are syn, ack, fin, rst, psh and urg, those of ICMP echo and reply. TEXT may hold \\r,
\\n, \\t, \\xHH, \\\" and \\\\.

The packet is taken for the first of its flow, from outside.";

/// Flags of `explain`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ExplainArgs {
    #[command(flatten)]
    offline: Offline,

    /// The packet as text, such as 'tcp 1.2.3.4:5 > 10.0.0.1:23 syn'
    #[arg(value_name = "PACKET", required_unless_present_any = ["hex", "capture"])]
    packet: Vec<String>,

    /// The packet as hexadecimal digits, from the IP header on
    #[arg(long, value_name = "HEX", conflicts_with_all = ["packet", "capture"])]
    hex: Option<String>,

    /// The packet with this number in a capture, pcap or pcapng; `-` is standard input
    #[arg(long, num_args = 2, value_names = ["FILE", "N"], conflicts_with = "packet")]
    capture: Vec<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A packet and its length on the wire.
type Packet = (Vec<u8>, usize);

impl ExplainArgs {
    /// Prints the explanation.
    ///
    /// # Errors
    /// [`Error`] if rules, configuration or the packet are wrong, [`CaptureFailed`] if the capture is, [`io::Error`] if `out`
    /// cannot be written to.
    pub fn print(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (config, rules) = self.offline.load()?;
        let (bytes, wire_len) = self.packet()?;
        let exempt_ports = &config.engine.exempt_ports;
        let sensor = Sensor { rules: &rules, settings: settings(&config), exempt_ports };
        let explanation = explain(&sensor, &bytes, wire_len);
        let mut out = BufWriter::new(out);
        if self.json {
            writeln!(out, "{:#}", to_json(&explanation))?;
        } else {
            print_text(&explanation, &mut out)?;
        }
        Ok(out.flush()?)
    }

    fn packet(&self) -> anyhow::Result<Packet> {
        let bytes = match (&self.hex, self.capture.as_slice()) {
            (Some(hex), _) => from_hex(hex)?,
            (None, [file, number]) => return from_capture(Path::new(file), number),
            (None, _) => packet_from_text(&self.packet.join(" ")).map_err(|error| Error::Usage(error.to_string()))?,
        };
        let wire_len = bytes.len();
        Ok((bytes, wire_len))
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>, Error> {
    let text = text.trim().strip_prefix("0x").unwrap_or(text);
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .map_err(|error| Error::Usage(format!("--hex: {error}; give two hexadecimal digits for every byte")))
}

fn from_capture(file: &Path, number: &str) -> anyhow::Result<Packet> {
    let wanted = number.parse::<u64>().ok().filter(|wanted| *wanted > 0);
    let wanted =
        wanted.ok_or_else(|| Error::Usage(format!("--capture: `{number}` is no packet number: give 1 or more")))?;
    let mut capture = open_capture(file)?;
    let mut count = 0;
    while let Some(record) = capture.next_record().map_err(|error| CaptureFailed::new(file, error))? {
        count = record.number;
        if count == wanted {
            let packet =
                record.packet.ok_or_else(|| Error::Usage(format!("packet {wanted} is not IP: no rule sees it")))?;
            return Ok((packet.bytes.to_vec(), packet.wire_len));
        }
    }
    Err(Error::Usage(format!("there is no packet {wanted}: the capture has {count}")).into())
}

fn print_text(explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", explanation.packet)?;
    for PassedOver { rule, why } in &explanation.passed_over {
        let why: Vec<String> = why.iter().map(ToString::to_string).collect();
        writeln!(out, "  not {}: {}", rule_label(rule), why.join("; "))?;
    }
    if let Some(rule) = &explanation.rule {
        let filter = if rule.filter.is_empty() { "everything" } else { &rule.filter };
        writeln!(out, "  taken by {}: {filter}", rule_label(rule))?;
    }
    writeln!(out, "It {}.", explanation.says())?;
    explanation.notes.iter().try_for_each(|note| writeln!(out, "Note: {note}."))
}

/// `rule 3 telnet (handler telnet)`, `rule 4 (drop)`.
fn rule_label(rule: &Rule) -> String {
    let number = rule.position + 1;
    let name = if rule.name == format!("#{number}") { String::new() } else { format!(" {}", rule.name) };
    let kind = match &rule.action {
        Action::Handler(handler) => format!("handler {handler}"),
        action => action.kind().to_owned(),
    };
    format!("rule {number}{name} ({kind})")
}

fn to_json(explanation: &Explanation) -> Value {
    let (verdict, destination) = match explanation.fate {
        Fate::Accepted => ("accept", None),
        Fate::Dropped => ("drop", None),
        Fate::Rewritten(to) => ("rewrite", Some(to)),
    };
    json!({
        "packet": explanation.packet,
        "rule": explanation.rule.as_deref().map(rule_json),
        "verdict": verdict,
        "destination": destination.map(|to| to.to_string()),
        "says": explanation.says(),
        "notes": explanation.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "not": explanation.passed_over.iter().map(passed_over_json).collect::<Vec<_>>(),
    })
}

fn passed_over_json(PassedOver { rule, why }: &PassedOver) -> Value {
    let why: Vec<Value> = why.iter().map(|why| json!({ "part": why.part, "found": why.found })).collect();
    json!({ "rule": rule_json(rule), "why": why })
}

fn rule_json(rule: &Rule) -> Value {
    json!({
        "number": rule.position + 1,
        "name": rule.name,
        "type": rule.action.kind(),
        "match": rule.filter,
    })
}
