//! Instructions per packet of `decide`, counted by callgrind: the same on a busy machine as on an idle one, so that CI can hold them.
//!
//! `make instructions` counts in a build of its own (see the Makefile) and compares with `instructions.toml`; it fails when a figure has grown by
//! more than a tenth. `make instructions NOTE="..."` writes the figures down anew; the note is a line of the change log that says why they grew.
//! `cargo bench --bench instructions` counts in the build that users have, and compares with nothing.
//!
//! Nothing of the machine is in the figures: packets, table and hashes have fixed seeds, and libc's copying is pinned to the variant that every
//! processor has. The compiler is, so its version stands with them.

#[path = "fixture/mod.rs"]
mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use fixture::{FLOWS, Headers, decide, engine, packets};
use glutton_nfq::engine::{Engine, Hook};
use serde::{Deserialize, Serialize};

/// In the order in which they are measured.
const CASES: [&str; 4] = ["known flow", "answer", "new flow, 1,000 rules", "new flow, 10 rules"];
/// Packets that a figure is the mean of.
const PACKETS: usize = 10_000;
/// The name of [`counted`] in the program.
const COUNTED: &str = "instructions::counted";
/// A figure may grow by this part of itself.
const TOLERANCE: f64 = 0.1;

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.toml");
const CHANGE_LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/CHANGELOG.md");
const HEADER: &str =
    "# Instructions per packet. Written by `make instructions NOTE=\"...\"`; the note is a line of CHANGELOG.md.\n";

/// libc picks its memcpy by what the processor can do; without these it is the same one everywhere. Names: glibc manual, "Hardware Capability Tunables".
const PLAIN_LIBC: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX_Fast_Unaligned_Load,-SSSE3,-ERMS,-FSRM";

/// What `instructions.toml` holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    compiler: String,
    note: String,
    instructions: Figures,
}

/// Instructions per packet by case.
type Figures = BTreeMap<String, f64>;

fn main() -> ExitCode {
    let Err(error) = obey() else { return ExitCode::SUCCESS };
    // Whoever has made `decide` dearer needs the figures, not where in here they were compared.
    let _ = writeln!(io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

fn obey() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run"] => run(),
        [] => print(&count()?, &Figures::new()),
        ["check"] => check(),
        ["record", note] => record(note),
        _ => bail!("say `check`, `record NOTE`, or nothing"),
    }
}

/// What callgrind watches: each call of [`counted`] is a case.
fn run() -> Result<()> {
    let measure = |engine: &Engine, from, hook| -> Result<()> {
        counted(engine, packets(from, hook)?.get(..PACKETS).context("too few packets")?, hook);
        Ok(())
    };
    let (thousand, ten) = (engine(1_000)?, engine(10)?);
    measure(&thousand, 0, Hook::In)?;
    measure(&thousand, 0, Hook::Out)?;
    measure(&thousand, FLOWS, Hook::In)?;
    measure(&ten, FLOWS, Hook::In)
}

#[inline(never)]
fn counted(engine: &Engine, packets: &[Headers], hook: Hook) {
    for packet in packets {
        decide(engine, packet, hook);
    }
}

/// Runs this program under callgrind, which writes a file for each case.
fn count() -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let prefix = folder.path().join("part");
    let done = Command::new("valgrind")
        .arg("--tool=callgrind")
        .args([format!("--toggle-collect={COUNTED}"), format!("--dump-before={COUNTED}")])
        .arg(format!("--callgrind-out-file={}", prefix.display()))
        .arg(std::env::current_exe()?)
        .arg("run")
        // The environment lies on the stack: it must not decide how that is aligned.
        .env_clear()
        .envs([("GLIBC_TUNABLES", PLAIN_LIBC), ("PATH", "/usr/local/bin:/usr/bin:/bin")])
        .stdin(Stdio::null())
        .output()
        .context("valgrind does not start: apt-get install valgrind")?;
    ensure!(done.status.success(), "valgrind failed: {}", String::from_utf8_lossy(&done.stderr));
    // Each file but the last is written when the next case begins, and so the first when nothing has been counted yet.
    let files = (2..=CASES.len()).map(|number| prefix.with_extension(number.to_string())).chain([prefix.clone()]);
    let figure =
        |(case, file): (&&str, PathBuf)| Ok(((*case).to_owned(), (total(&file)? as f64 / PACKETS as f64).round()));
    CASES.iter().zip(files).map(figure).collect()
}

/// The instructions of one of callgrind's files (Valgrind manual, "Callgrind Format Specification").
fn total(path: &Path) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("callgrind wrote no {}", path.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok());
    total.filter(|total| *total > 0).with_context(|| format!("{}: no instructions counted", path.display()))
}

fn print(figures: &Figures, recorded: &Figures) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{:<24} {:>12} {:>10}", "instructions per packet", "now", "recorded")?;
    for case in CASES {
        let shown = |figures: &Figures| figures.get(case).map_or("-".to_owned(), |figure| format!("{figure:.0}"));
        writeln!(out, "{case:<24} {:>12} {:>10}", shown(figures), shown(recorded))?;
    }
    Ok(())
}

fn check() -> Result<()> {
    let (figures, record) = (count()?, Record::read()?);
    print(&figures, &record.instructions)?;
    let compiler = compiler()?;
    let (here, there) = (architecture(&compiler), architecture(&record.compiler));
    if here != there {
        writeln!(io::stdout(), "recorded on {there}: on {here} there is nothing to compare with")?;
        return Ok(());
    }
    let grown = grown(&figures, &record.instructions);
    let cause = if compiler == record.compiler { "" } else { "\nThe record is of another compiler, that may be why." };
    ensure!(
        grown.is_empty(),
        "more than {:.0} % above benches/instructions.toml: {}.{cause}\nIf it has to be: say why in CHANGELOG.md, then \
         make instructions NOTE=\"that line of CHANGELOG.md\"",
        TOLERANCE * 100.0,
        grown.join("; "),
    );
    ensure!(
        is_in_change_log(&record.note)?,
        "benches/instructions.toml: CHANGELOG.md does not say `{}`: put the line there",
        record.note
    );
    Ok(())
}

/// Writes figures down. Those that have grown need a note of their own.
fn record(note: &str) -> Result<()> {
    let (figures, before) = (count()?, Record::read()?);
    print(&figures, &before.instructions)?;
    let grown = grown(&figures, &before.instructions);
    ensure!(is_in_change_log(note)?, "CHANGELOG.md does not say `{note}`");
    ensure!(grown.is_empty() || note != before.note, "this note is of an earlier change, but now {}", grown.join("; "));
    let record = Record { compiler: compiler()?, note: note.to_owned(), instructions: figures };
    fs::write(RECORD, format!("{HEADER}{}", toml::to_string(&record)?)).context(RECORD)
}

impl Record {
    fn read() -> Result<Self> {
        toml::from_str(&fs::read_to_string(RECORD).context(RECORD)?).context(RECORD)
    }
}

/// Cases that are above the record by more than may be, or not in it, and by how much.
fn grown(figures: &Figures, recorded: &Figures) -> Vec<String> {
    let growth = |(case, now): (&String, &f64)| match recorded.get(case) {
        Some(before) if *now <= before * (1.0 + TOLERANCE) => None,
        Some(before) => Some(format!("{case}: {now:.0} instead of {before:.0}")),
        None => Some(format!("{case}: {now:.0}, not recorded")),
    };
    figures.iter().filter_map(growth).collect()
}

fn is_in_change_log(note: &str) -> Result<bool> {
    let text = fs::read_to_string(CHANGE_LOG).context(CHANGE_LOG)?;
    Ok(!note.trim().is_empty() && text.contains(note))
}

/// The compiler's version and, behind a comma, what it compiles for.
fn compiler() -> Result<String> {
    let done = Command::new("rustc").arg("--version").output().context("rustc does not start")?;
    Ok(format!("{}, {}", String::from_utf8_lossy(&done.stdout).trim(), std::env::consts::ARCH))
}

fn architecture(compiler: &str) -> &str {
    compiler.rsplit(", ").next().unwrap_or_default()
}
