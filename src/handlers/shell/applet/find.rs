//! `find`.

use super::super::file_system::{Fault, base_name};
use super::super::run::{Io, Run};
use super::super::tree::{Kind, Node};
use super::super::{MAX_OUTPUT, glob};
use super::{file, lossy, number};

/// What is looked for; what is not known is taken as fulfilled.
#[derive(Default)]
struct Wish<'w> {
    pattern: Option<&'w [u8]>,
    kind: Option<u8>,
    mode: Option<&'w [u8]>,
    least: usize,
    most: Option<usize>,
    executable: bool,
    deletes: bool,
    program: Vec<Vec<u8>>,
}

fn wish(words: &[Vec<u8>]) -> Wish<'_> {
    let mut wish = Wish::default();
    let mut rest = words.iter();
    let depth =
        |text: Option<&Vec<u8>>| text.and_then(|text| number(text)).and_then(|depth| usize::try_from(depth).ok());
    while let Some(word) = rest.next() {
        match word.as_slice() {
            b"-name" => wish.pattern = rest.next().map(Vec::as_slice),
            b"-type" => wish.kind = rest.next().and_then(|kind| kind.first()).copied(),
            b"-perm" => wish.mode = rest.next().map(Vec::as_slice),
            b"-maxdepth" => wish.most = depth(rest.next()),
            b"-mindepth" => wish.least = depth(rest.next()).unwrap_or(0),
            b"-executable" => wish.executable = true,
            b"-delete" => wish.deletes = true,
            b"-exec" | b"-ok" => {
                let program: Vec<Vec<u8>> =
                    rest.by_ref().take_while(|word| !matches!(word.as_slice(), b";" | b"+")).cloned().collect();
                wish.program = program;
            }
            _ => {}
        }
    }
    wish
}

impl Wish<'_> {
    fn is_met(&self, path: &[u8], node: &Node, depth: usize) -> bool {
        let is_kind = match self.kind {
            Some(b'd') => node.is_directory(),
            Some(b'f') => matches!(node.kind, Kind::File { .. }),
            Some(b'l') => matches!(node.kind, Kind::Link(_)),
            _ => true,
        };
        let has_mode = self.mode.is_none_or(|mode| {
            let (sign, digits) =
                mode.split_first().filter(|(sign, _)| matches!(sign, b'-' | b'+' | b'/')).unwrap_or((&b'=', mode));
            let Ok(bits) = u16::from_str_radix(&lossy(digits), 8) else { return true };
            match sign {
                b'-' => node.mode & bits == bits,
                b'+' | b'/' => node.mode & bits != 0,
                _ => node.mode == bits,
            }
        });
        is_kind
            && has_mode
            && self.pattern.is_none_or(|pattern| glob::matches(pattern, base_name(path)))
            && depth >= self.least
            && self.most.is_none_or(|most| depth <= most)
            && (!self.executable || node.is_executable())
    }
}

pub(super) fn find(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let tops: Vec<&Vec<u8>> = words.iter().skip(1).take_while(|word| !word.starts_with(b"-")).collect();
    let wish = wish(words.get(1 + tops.len()..).unwrap_or_default());
    let dot = b".".to_vec();
    let tops = if tops.is_empty() { vec![&dot] } else { tops };
    let mut printed = 0;
    let mut status = 0;
    for top in tops {
        let path = run.path(top);
        if let Err(fault) = run.files.find(&path).map(drop) {
            status = run.fail_at(io, words, "", top, fault);
            continue;
        }
        let all = file::walk(run, &path);
        run.charge(all.len() / 8);
        for (found, node) in all {
            let rest = if path == b"/" { &found[..] } else { found.strip_prefix(&path[..]).unwrap_or(&found) };
            let depth = rest.split(|&b| b == b'/').filter(|part| !part.is_empty()).count();
            if !wish.is_met(&found, &node, depth) || printed >= MAX_OUTPUT {
                continue;
            }
            let shown = if path == b"/" { found.clone() } else { [top, rest].concat() };
            if run.leaving.is_some() || run.is_spent() {
                return status;
            }
            if wish.deletes {
                if let Err(fault) =
                    run.files.remove(&found).or_else(|fault| if fault == Fault::NotFound { Ok(()) } else { Err(fault) })
                {
                    status = run.fail_at(io, words, "", &shown, fault);
                }
            } else if wish.program.is_empty() {
                printed += shown.len() + 1;
                run.print(io.out, &[&shown[..], b"\n"].concat());
            } else {
                let call: Vec<Vec<u8>> =
                    wish.program.iter().map(|word| if word == b"{}" { shown.clone() } else { word.clone() }).collect();
                run.charge(1);
                run.call_program(&call, io);
            }
        }
    }
    status
}
