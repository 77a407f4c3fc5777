//! What stands before the next line.

use super::{Flavor, Shell};

impl Shell {
    /// The prompt, `> ` within an unfinished command, nothing while a program reads.
    pub(super) fn prompt(&self) -> String {
        if let Some(waiting) = &self.waiting {
            return waiting.prompt().to_owned();
        }
        let chosen = |name: &[u8]| self.state.variables.get(name).map(|value| self.told(value));
        if !self.unfinished.is_empty() {
            return chosen(b"PS2").unwrap_or_else(|| "> ".to_owned());
        }
        chosen(b"PS1").unwrap_or_else(|| self.usual())
    }

    fn sign(&self) -> char {
        if self.state.is_root { '#' } else { '$' }
    }

    /// The directory, with `~` for the home of a small device.
    fn directory(&self) -> String {
        let cwd = String::from_utf8_lossy(&self.state.cwd);
        match cwd.strip_prefix("/root") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
            _ => cwd.into_owned(),
        }
    }

    /// The prompt of a fresh login.
    fn usual(&self) -> String {
        let (sign, cwd) = (self.sign(), String::from_utf8_lossy(&self.state.cwd));
        if let Some(prompt) = self.container.as_ref().and_then(|container| container.prompt(&cwd)) {
            return prompt;
        }
        match self.device.flavor() {
            Flavor::BusyBox => format!("{} {sign} ", self.directory()),
            Flavor::Android => format!("{}@{}:{cwd} {sign} ", self.state.user(), self.device.host()),
        }
    }

    /// What the signs of a prompt stand for (libbb `lineedit.c`, `parse_and_put_prompt`).
    fn told(&self, prompt: &[u8]) -> String {
        let prompt = String::from_utf8_lossy(prompt);
        let mut out = String::new();
        let mut rest = prompt.chars();
        while let Some(c) = rest.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match rest.next() {
                Some('w') => out.push_str(&self.directory()),
                Some('W') => out.push_str(self.directory().rsplit('/').next().unwrap_or_default()),
                Some('u') => out.push_str(&self.state.user()),
                Some('h' | 'H') => out.push_str(self.device.host()),
                Some('$') => out.push(self.sign()),
                Some('n') => out.push('\n'),
                Some('e' | 'E') => out.push('\x1b'),
                Some('[' | ']') => {}
                Some(other) => out.push(other),
                None => out.push('\\'),
            }
        }
        out
    }
}
