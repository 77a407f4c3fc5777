//! What a name that is being typed can become.

use std::collections::BTreeSet;

use super::Shell;
use super::applet::BUILTINS;
use super::file_system::FileSystem;
use crate::handlers::Context;

/// Names that are looked at.
const MAX_NAMES: usize = 512;

impl Shell {
    /// Where the name at the end of `typed` begins, and what it can become, sorted; a directory's name ends with a slash.
    pub(super) fn completions(&self, cx: &Context<'_>, typed: &[u8]) -> (usize, Vec<Vec<u8>>) {
        let is_border = |byte: &u8| byte.is_ascii_whitespace() || b";|&<>()".contains(byte);
        let word_start = typed.iter().rposition(is_border).map_or(0, |at| at + 1);
        let (before, word) = typed.split_at(word_start);
        let is_command = matches!(before.trim_ascii_end().last(), None | Some(b';' | b'|' | b'&' | b'('));
        let slash = word.iter().rposition(|&byte| byte == b'/');
        let (place, start) = word.split_at(slash.map_or(0, |at| at + 1));

        let names = self.files(cx, |files| {
            if is_command && slash.is_none() { self.commands(files, start) } else { self.paths(files, place, start) }
        });
        (word_start + place.len(), names.into_iter().take(MAX_NAMES).collect())
    }

    /// Builtins and programs whose names begin so.
    fn commands(&self, files: &FileSystem<'_>, start: &[u8]) -> BTreeSet<Vec<u8>> {
        let mut names: BTreeSet<Vec<u8>> = BUILTINS.iter().map(|(name, _)| name.as_bytes().to_vec()).collect();
        for directory in self.device.program_directories() {
            names.extend(files.names(directory.as_bytes()));
        }
        names.retain(|name| name.starts_with(start));
        names
    }

    /// What is in a place and begins so; names with a dot only where that was typed.
    fn paths(&self, files: &FileSystem<'_>, place: &[u8], start: &[u8]) -> BTreeSet<Vec<u8>> {
        let directory = files.absolute(&self.state.cwd, place);
        let fits = |name: &Vec<u8>| name.starts_with(start) && (start.starts_with(b".") || !name.starts_with(b"."));
        let with_sign = |mut name: Vec<u8>| {
            if files.is_directory(&files.absolute(&directory, &name)) {
                name.push(b'/');
            }
            name
        };
        files.names(&directory).into_iter().filter(fits).map(with_sign).collect()
    }
}
