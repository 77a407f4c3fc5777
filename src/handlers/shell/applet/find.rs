//! `find`: what is asked of each entry is an expression of tests and actions; the first that fails ends it.

mod expression;

use super::super::MAX_OUTPUT;
use super::super::file_system::{Fault, base_name};
use super::super::glob;
use super::super::run::{Io, Run};
use super::super::tree::{Kind, Node};
use super::{file, lossy, usage};
use expression::{Measure, Primary, Term, Wish};

/// Command lines of `-exec ... +` hold no more names.
const MAX_NAMES: usize = 1_024;

/// A program, and the names that it is called with at the end.
type Gathered = (Vec<Vec<u8>>, Vec<Vec<u8>>);

/// An entry that is looked at.
struct Entry<'e> {
    path: &'e [u8],
    shown: Vec<u8>,
    node: &'e Node,
}

/// One search.
struct Search<'s, 'r, 'c> {
    run: &'s mut Run<'r, 'c>,
    io: Io,
    words: &'s [Vec<u8>],
    status: u8,
    printed: usize,
    /// Below the present entry nothing is looked at.
    pruned: bool,
    is_over: bool,
    /// Names for each `-exec ... +`, in the order of the expression.
    gathered: Vec<Gathered>,
}

pub(super) fn find(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let is_expression = |word: &Vec<u8>| word.starts_with(b"-") || matches!(word.as_slice(), b"!" | b"(");
    let rest = words.get(1..).unwrap_or_default();
    let rest =
        rest.strip_prefix(&[b"-L".to_vec()][..]).or_else(|| rest.strip_prefix(&[b"-H".to_vec()][..])).unwrap_or(rest);
    let tops: Vec<Vec<u8>> = rest.iter().take_while(|word| !is_expression(word)).cloned().collect();
    let now = run.cx.now();
    let wish = match expression::read(rest.get(tops.len()..).unwrap_or_default()) {
        Ok(wish) => wish,
        Err(why) => {
            run.fail(io, words, &why);
            return usage(run, "find", io);
        }
    };
    let tops = if tops.is_empty() { vec![b".".to_vec()] } else { tops };
    let mut search =
        Search { run, io, words, status: 0, printed: 0, pruned: false, is_over: false, gathered: Vec::new() };
    for top in tops {
        search.below(&top, &wish, now);
    }
    for (program, names) in std::mem::take(&mut search.gathered) {
        if !names.is_empty() {
            let call = program.iter().flat_map(|word| if word == b"{}" { names.clone() } else { vec![word.clone()] });
            search.run.call_program(&call.collect::<Vec<_>>(), io);
        }
    }
    search.status
}

impl Search<'_, '_, '_> {
    fn below(&mut self, top: &[u8], wish: &Wish, now: crate::clock::Timestamp) {
        let path = self.run.path(top);
        if let Err(fault) = self.run.files.find_link(&path).map(drop) {
            self.status = self.run.fail_at(self.io, self.words, "", top, fault);
            return;
        }
        let mut all = file::walk(self.run, &path);
        self.run.charge(all.len() / 8);
        if wish.is_depth_first {
            all.reverse();
        }
        let mut without: Option<Vec<u8>> = None;
        for (found, node) in &all {
            let rest = if path == b"/" { &found[..] } else { found.strip_prefix(&path[..]).unwrap_or(found) };
            let depth = rest.split(|&b| b == b'/').filter(|part| !part.is_empty()).count();
            let is_hidden = without.as_ref().is_some_and(|above| found.starts_with(above));
            if is_hidden || depth < wish.least || wish.most.is_some_and(|most| depth > most) {
                continue;
            }
            let slash = rest.strip_prefix(b"/").filter(|_| top.ends_with(b"/"));
            let shown = [top, slash.unwrap_or(rest)].concat();
            self.pruned = false;
            let entry = Entry { path: found, shown, node };
            let truth = self.holds(&wish.expression, &entry, now);
            if truth && !wish.has_action {
                self.print(&entry, b'\n');
            }
            if self.pruned {
                without = Some([found, &b"/"[..]].concat());
            }
            if self.is_over || self.printed >= MAX_OUTPUT || self.run.leaving.is_some() || self.run.is_spent() {
                return;
            }
        }
    }

    fn print(&mut self, entry: &Entry<'_>, end: u8) {
        self.printed += entry.shown.len() + 1;
        self.run.print(self.io.out, &[&entry.shown[..], &[end]].concat());
    }

    /// Whether one of the alternatives holds; what they do is done on the way.
    fn holds(&mut self, any: &[Vec<Term>], entry: &Entry<'_>, now: crate::clock::Timestamp) -> bool {
        any.iter().any(|all| all.iter().all(|term| self.is_met(&term.primary, entry, now) != term.negated))
    }

    fn is_met(&mut self, primary: &Primary, entry: &Entry<'_>, now: crate::clock::Timestamp) -> bool {
        let Entry { path, shown, node } = entry;
        let lowered = |text: &[u8]| text.to_ascii_lowercase();
        match primary {
            Primary::Group(any) => self.holds(any, entry, now),
            Primary::True => true,
            Primary::Name { pattern, ignores_case: false } => glob::matches(pattern, base_name(shown)),
            Primary::Name { pattern, .. } => glob::matches(&lowered(pattern), &lowered(base_name(shown))),
            Primary::Path { pattern, ignores_case: false } => glob::matches(pattern, shown),
            Primary::Path { pattern, .. } => glob::matches(&lowered(pattern), &lowered(shown)),
            Primary::Kind(kind) => match node.kind {
                Kind::Directory => *kind == b'd',
                Kind::File { .. } => *kind == b'f',
                Kind::Link(_) => *kind == b'l',
                Kind::Special(_) => *kind == b'c',
            },
            Primary::Mode { sign: b'-', bits } => node.mode & bits == *bits,
            Primary::Mode { sign: b'+' | b'/', bits } => node.mode & bits != 0,
            Primary::Mode { bits, .. } => node.mode == *bits,
            Primary::Size { measure, unit } => measure.fits(self.run.files.size(node).div_ceil(*unit)),
            Primary::Age { measure, unit_secs } => {
                measure.fits(now.saturating_since(node.changed).as_secs() / unit_secs)
            }
            Primary::Newer(other) => {
                let other = self.run.path(other);
                self.run.files.find(&other).is_ok_and(|(_, other)| node.changed > other.changed)
            }
            Primary::Empty if node.is_directory() => self.run.files.names(path).is_empty(),
            Primary::Empty => matches!(node.kind, Kind::File { .. }) && self.run.files.size(node) == 0,
            Primary::Executable => node.is_executable(),
            Primary::User(name) => name == b"root" || name == b"0",
            Primary::Links(measure) => measure.fits(1),
            Primary::Print(end) => {
                self.print(entry, *end);
                true
            }
            Primary::Prune => {
                self.pruned = true;
                true
            }
            Primary::Quit => {
                self.is_over = true;
                true
            }
            Primary::Delete => self.delete(entry),
            Primary::Execute { program, once } => self.execute(program, *once, shown),
        }
    }

    fn delete(&mut self, entry: &Entry<'_>) -> bool {
        match self.run.files.remove(entry.path) {
            Ok(()) | Err(Fault::NotFound) => true,
            Err(fault) => {
                self.status = self.run.fail_at(self.io, self.words, "", &entry.shown, fault);
                false
            }
        }
    }

    fn execute(&mut self, program: &[Vec<u8>], once: bool, shown: &[u8]) -> bool {
        if once {
            let at = self.gathered.iter().position(|(known, _)| known == program);
            match at.and_then(|at| self.gathered.get_mut(at)) {
                Some((_, names)) if names.len() < MAX_NAMES => names.push(shown.to_vec()),
                Some(_) => {}
                None => self.gathered.push((program.to_vec(), vec![shown.to_vec()])),
            }
            return true;
        }
        let call: Vec<Vec<u8>> = program
            .iter()
            .map(|word| String::from_utf8_lossy(word).replace("{}", &lossy(shown)).into_bytes())
            .collect();
        self.run.charge(1);
        self.run.call_program(&call, self.io) == 0
    }
}

impl Measure {
    const fn fits(self, value: u64) -> bool {
        match self {
            Self::More(than) => value > than,
            Self::Less(than) => value < than,
            Self::Exactly(number) => value == number,
        }
    }
}
