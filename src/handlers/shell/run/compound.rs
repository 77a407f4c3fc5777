//! Compound commands: loops, `if`, `case` (POSIX.1-2017, Shell Command Language 2.9.4).

use super::{Io, Leaving, Run};
use crate::handlers::shell::glob;
use crate::handlers::shell::lex::Word;
use crate::handlers::shell::parse::List;

impl Run<'_, '_> {
    pub(super) fn each(&mut self, name: &[u8], words: Option<&[Word]>, body: &List, io: Io) {
        let values = match words {
            Some(words) => self.expand_words(words, io),
            None => self.state.arguments.get(1..).unwrap_or_default().to_vec(),
        };
        self.loops += 1;
        self.state.status = 0;
        for value in values {
            self.set_variable(name, value);
            self.list(body, io);
            if self.leaves_loop() {
                break;
            }
        }
        self.loops -= 1;
    }

    pub(super) fn branch(&mut self, branches: &[(List, List)], otherwise: &List, io: Io) {
        for (condition, body) in branches {
            self.tested += 1;
            self.list(condition, io);
            self.tested -= 1;
            if self.leaving.is_some() {
                return;
            }
            if self.state.status == 0 {
                return self.list(body, io);
            }
        }
        self.state.status = 0;
        self.list(otherwise, io);
    }

    pub(super) fn case(&mut self, word: &Word, arms: &[(Vec<Word>, List)], io: Io) {
        let word = self.expand_text(word, io);
        self.state.status = 0;
        for (patterns, body) in arms {
            let patterns: Vec<Vec<u8>> = patterns.iter().map(|pattern| self.expand_pattern(pattern, io)).collect();
            if patterns.iter().any(|pattern| glob::matches(pattern, &word)) {
                return self.list(body, io);
            }
        }
    }

    pub(super) fn repeat(&mut self, until: bool, condition: &List, body: &List, io: Io) {
        let mut status = 0;
        self.loops += 1;
        loop {
            self.tested += 1;
            self.list(condition, io);
            self.tested -= 1;
            if self.leaves_loop() || (self.state.status == 0) == until {
                break;
            }
            self.list(body, io);
            status = self.state.status;
            if self.leaves_loop() {
                break;
            }
        }
        self.loops -= 1;
        if self.leaving.is_none() {
            self.state.status = status;
        }
    }

    /// The loop ends here; a `continue` is over.
    fn leaves_loop(&mut self) -> bool {
        match self.leaving {
            Some(Leaving::Continue(1)) => {
                self.leaving = None;
                false
            }
            Some(Leaving::Continue(levels)) => {
                self.leaving = Some(Leaving::Continue(levels - 1));
                true
            }
            Some(Leaving::Break(levels)) => {
                self.leaving = (levels > 1).then_some(Leaving::Break(levels - 1));
                true
            }
            Some(_) => true,
            None => false,
        }
    }
}
