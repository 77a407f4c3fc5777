//! What comes out: rounds, medians, the table and the JSON file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Rounds that a figure takes the median of: many short ones, because a machine changes its pace from second to second.
pub(crate) const ROUNDS: usize = 11;

/// What a figure must reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Ratio or value, this or more.
    AtLeast(f64),
    /// Ratio or value, this or less.
    AtMost(f64),
    /// Told, not judged.
    None,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Figure {
    name: String,
    unit: &'static str,
    goal: Goal,
    ours: Vec<f64>,
    /// What `ours` is divided by, round by round; empty when the value itself is judged.
    reference: Vec<f64>,
    note: String,
}

impl Figure {
    /// Measures both in turn: one round each to warm up, which does not count, then [`ROUNDS`] of each, A B A B.
    pub(crate) fn compare(
        name: &str,
        unit: &'static str,
        goal: Goal,
        mut ours: impl FnMut() -> Result<f64>,
        mut reference: impl FnMut() -> Result<f64>,
    ) -> Result<Self> {
        let mut figure = Self::of_rounds(name, unit, goal, Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let ours = ours().with_context(|| format!("{name}: the engine's side"))?;
            let reference = reference().with_context(|| format!("{name}: the reference"))?;
            if round > 0 {
                figure.ours.push(ours);
                figure.reference.push(reference);
            }
        }
        Ok(figure)
    }

    /// A value that has no counterpart, judged as it is.
    pub(crate) fn alone(name: &str, unit: &'static str, goal: Goal, values: Vec<f64>) -> Self {
        Self::of_rounds(name, unit, goal, values, Vec::new())
    }

    /// Two series that were measured round by round.
    pub(crate) fn of_rounds(name: &str, unit: &'static str, goal: Goal, ours: Vec<f64>, reference: Vec<f64>) -> Self {
        Self { name: name.to_owned(), unit, goal, ours, reference, note: String::new() }
    }

    /// Adds what a reader must know to judge the figure.
    #[must_use]
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// What is judged, round by round: the ratio, or the value.
    fn judged(&self) -> Vec<f64> {
        if self.reference.is_empty() {
            return self.ours.clone();
        }
        self.ours.iter().zip(&self.reference).map(|(ours, reference)| ours / reference).collect()
    }

    /// Whether it reaches its goal; `None` without one.
    pub(crate) fn passes(&self) -> Option<bool> {
        let value = median(&self.judged());
        match self.goal {
            Goal::AtLeast(goal) => Some(value >= goal),
            Goal::AtMost(goal) => Some(value <= goal),
            Goal::None => None,
        }
    }

    fn to_json(&self) -> Value {
        let (at_least, at_most) = match self.goal {
            Goal::AtLeast(goal) => (Some(goal), None),
            Goal::AtMost(goal) => (None, Some(goal)),
            Goal::None => (None, None),
        };
        json!({
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours,
            "reference": self.reference,
            "judged": median(&self.judged()),
            "at_least": at_least,
            "at_most": at_most,
            "passes": self.passes(),
            "note": self.note,
        })
    }

    fn row(&self) -> String {
        let judged = self.judged();
        let (low, high) = judged.iter().fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        let goal = match self.goal {
            Goal::AtLeast(goal) => format!(">= {goal}"),
            Goal::AtMost(goal) => format!("<= {goal}"),
            Goal::None => String::new(),
        };
        let verdict = match self.passes() {
            Some(true) => "pass",
            Some(false) => "FAIL",
            None => "",
        };
        let ours = format!("{} {}", significant(median(&self.ours)), self.unit);
        let (reference, ratio) = if self.reference.is_empty() {
            (String::new(), String::new())
        } else {
            let range = format!("{:.2} ({low:.2}-{high:.2})", median(&judged));
            (significant(median(&self.reference)), range)
        };
        format!("{:<48} {ours:>16} {reference:>9} {ratio:>18} {goal:>8} {verdict}", self.name)
    }
}

/// The middle value; of an even number of values the lower one in the middle. Not a number when there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// Three significant digits, whole numbers from 100 on.
fn significant(value: f64) -> String {
    match value.abs() {
        x if x < 10.0 => format!("{value:.2}"),
        x if x < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Prints one line at once, so that whoever waits sees it go on.
pub(crate) fn show(figure: &Figure) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", figure.row())?;
    if !figure.note.is_empty() {
        writeln!(out, "    {}", figure.note)?;
    }
    out.flush()
}

/// Prints the head of the table.
pub(crate) fn show_head() -> io::Result<()> {
    let (ours, reference, ratio) = ("engine", "reference", "ratio (range)");
    writeln!(
        io::stdout(),
        "{:<48} {ours:>16} {reference:>9} {ratio:>18} {:>8}",
        format!("figure, medians of {ROUNDS} rounds"),
        "goal"
    )
}

/// Writes every figure to `live.json` in `dir`.
pub(crate) fn write_json(figures: &[Figure], dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let path = dir.join("live.json");
    let text = serde_json::to_string_pretty(&figures.iter().map(Figure::to_json).collect::<Vec<_>>())?;
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
