//! The programs of a device: one `table`, one function each.

mod archive;
mod awk;
mod builtin;
mod cat;
mod column;
mod condition;
mod container;
mod dd;
mod disk;
mod dump;
mod expr;
mod fetch;
mod file;
mod find;
mod firewall;
mod grep;
mod job;
mod launch;
mod lines;
mod list;
mod make;
mod mode;
mod network;
mod package;
mod pattern;
mod phone;
mod printf;
mod process;
mod read;
mod sed;
mod service;
mod set;
mod setting;
mod sum;
mod system;
mod table;
mod text;
mod trap;
mod variable;

use super::device::Flavor;
use super::file_system::Fault;
use super::run::{Io, Run};

pub(super) use self::builtin::{BUILTINS, builtin};
pub(in crate::handlers) use self::fetch::named_addresses;
pub(super) use self::list::columns;
pub(super) use self::system::user;
pub(super) use self::table::{APPLETS, Applet, OF_CONTAINERS, Program};

/// The program of this name.
fn find(name: &[u8]) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name.as_bytes() == name)
}

/// The device's program, started under this name.
pub(super) fn multi_call(run: &mut Run<'_, '_>, name: &[u8], words: &[Vec<u8>], io: Io) -> u8 {
    if name.starts_with(b"busybox") {
        return busybox(run, words, io);
    }
    match find(name) {
        Some(applet) => start(run, applet, words, io),
        None => no_such_applet(run, name, io),
    }
}

fn start(run: &mut Run<'_, '_>, applet: &Applet, words: &[Vec<u8>], io: Io) -> u8 {
    if applet.is_busybox && words.get(1).is_some_and(|word| word == b"--help") {
        return usage(run, applet.name, io);
    }
    if let Some(why) = applet.options.and_then(|options| wrong_option(words, options)) {
        run.print_line(io.err, &format!("{}: {why}", applet.name));
        return usage(run, applet.name, io);
    }
    (applet.run)(run, words, io)
}

/// What getopt(3) says of the first option that is none of these.
fn wrong_option(words: &[Vec<u8>], options: &str) -> Option<String> {
    let mut rest = words.iter().skip(1).take_while(|word| *word != b"--");
    while let Some(word) = rest.next() {
        let Some((b'-', letters)) = word.split_first().filter(|_| !word.starts_with(b"--")) else { continue };
        for (at, letter) in letters.iter().enumerate() {
            let shown = char::from(*letter);
            let Some(place) = options.find(shown).filter(|_| *letter != b':') else {
                return Some(format!("invalid option -- '{shown}'"));
            };
            if options.as_bytes().get(place + 1) == Some(&b':') {
                if at + 1 == letters.len() && rest.next().is_none() {
                    return Some(format!("option requires an argument -- '{shown}'"));
                }
                break;
            }
        }
    }
    None
}

fn no_such_applet(run: &mut Run<'_, '_>, name: &[u8], io: Io) -> u8 {
    let line = match run.device.flavor() {
        Flavor::BusyBox => [name, b": applet not found\n"].concat(),
        Flavor::Android => [b"toybox: Unknown command ", name, b"\n"].concat(),
    };
    run.print(io.err, &line);
    127
}

/// The usage text, which BusyBox prints when it is called wrongly.
fn usage(run: &mut Run<'_, '_>, name: &str, io: Io) -> u8 {
    let usage = find(name.as_bytes()).map_or("", |applet| applet.usage);
    let text = format!("{} multi-call binary.\n\nUsage: {name} {usage}\n\n", run.device.busybox_banner());
    run.print(io.err, text.as_bytes());
    1
}

/// `busybox NAME ARGUMENTS`.
fn busybox(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some((name, _)) = words.get(1..).and_then(<[_]>::split_first) else {
        overview(run, io);
        return 0;
    };
    match name.as_slice() {
        b"--help" => {
            overview(run, io);
            return 0;
        }
        b"--list" => {
            for applet in installed(run) {
                run.print_line(io.out, applet);
            }
            return 0;
        }
        b"--install" => return 0,
        _ => {}
    }
    match find(name) {
        Some(applet) if applet.is_busybox && run.device.has(applet.name) => {
            start(run, applet, words.get(1..).unwrap_or_default(), io)
        }
        _ => {
            run.print(io.err, &[name, &b": applet not found\n"[..]].concat());
            127
        }
    }
}

fn installed(run: &Run<'_, '_>) -> Vec<&'static str> {
    APPLETS.iter().filter(|applet| applet.is_busybox && run.device.has(applet.name)).map(|applet| applet.name).collect()
}

fn overview(run: &mut Run<'_, '_>, io: Io) {
    let mut text = format!(
        "{} multi-call binary.\nBusyBox is copyrighted by many authors between 1998-2015.\nLicensed under GPLv2. See source distribution for detailed\ncopyright notices.\n\n\
         Usage: busybox [function [arguments]...]\n   or: busybox --list[-full]\n   or: busybox --install [-s] [DIR]\n   or: function [arguments]...\n\n\
         \tBusyBox is a multi-call binary that combines many common Unix\n\tutilities into a single executable.  Most people will create a\n\tlink to busybox for each function they wish to use and BusyBox\n\twill act like whatever it was invoked as.\n\n\
         Currently defined functions:\n",
        run.device.busybox_banner()
    );
    let mut line = "\t".to_owned();
    let names = installed(run);
    for (at, name) in names.iter().enumerate() {
        let separator = if at + 1 < names.len() { ", " } else { "" };
        if line.len() + name.len() + 2 > 72 {
            text.push_str(line.trim_end());
            text.push('\n');
            line = "\t".to_owned();
        }
        line.push_str(name);
        line.push_str(separator);
    }
    run.print(io.out, format!("{text}{line}\n\n").as_bytes());
}

/// `toybox NAME ARGUMENTS`.
fn toybox(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words.get(1) {
        None => {
            let names = installed(run).join(" ");
            run.print_line(io.out, &names);
            0
        }
        Some(name) => multi_call(run, name, words.get(1..).unwrap_or_default(), io),
    }
}

/// Arguments that are no options.
fn operands(words: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    words.iter().skip(1).filter(|word| word.len() < 2 || !word.starts_with(b"-"))
}

/// One of the options has this letter.
fn has_flag(words: &[Vec<u8>], flag: u8) -> bool {
    words
        .iter()
        .skip(1)
        .any(|word| word.len() > 1 && word.starts_with(b"-") && !word.starts_with(b"--") && word.contains(&flag))
}

/// The value of an option, written `-n 5` or `-n5`.
fn value_of(words: &[Vec<u8>], flag: u8) -> Option<&[u8]> {
    let option = [b'-', flag];
    let at = words.iter().skip(1).position(|word| word.starts_with(&option))? + 1;
    match words.get(at)?.get(2..) {
        Some([]) | None => words.get(at + 1).map(Vec::as_slice),
        Some(value) => Some(value),
    }
}

/// Arguments that are neither options nor the values of these options.
fn operands_beside<'w>(words: &'w [Vec<u8>], with_values: &[u8]) -> Vec<&'w [u8]> {
    let mut found = Vec::new();
    let mut skip = false;
    for word in words.iter().skip(1) {
        match word.as_slice() {
            _ if skip => skip = false,
            [b'-', flag] if with_values.contains(flag) => skip = true,
            [b'-', _, ..] => {}
            word => found.push(word),
        }
    }
    found
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file's name as the visitor wrote it, empty for the input, and its content.
type Named = (Vec<u8>, Vec<u8>);

impl Run<'_, '_> {
    /// `NAME: TEXT` on the error output; the status 1.
    fn fail(&mut self, io: Io, words: &[Vec<u8>], text: &str) -> u8 {
        let name = lossy(super::file_system::base_name(words.first().map(Vec::as_slice).unwrap_or_default()));
        self.print_line(io.err, &format!("{name}: {text}"));
        1
    }

    /// An error about a file: BusyBox says what it could not do, the others only why.
    fn fail_at(&mut self, io: Io, words: &[Vec<u8>], verb: &str, path: &[u8], fault: Fault) -> u8 {
        let path = lossy(path);
        let text = match (self.device.flavor(), verb) {
            (Flavor::BusyBox, verb) if !verb.is_empty() => format!("{verb} '{path}': {}", fault.text()),
            _ => format!("{path}: {}", fault.text()),
        };
        self.fail(io, words, &text)
    }

    /// The named files one after the other, or the input when none is named; what cannot be read is complained about.
    fn inputs(&mut self, io: Io, words: &[Vec<u8>], paths: &[&[u8]], verb: &str) -> (Vec<Named>, u8) {
        if paths.is_empty() || paths == [b"-"] {
            return (vec![(Vec::new(), self.read_all(io))], 0);
        }
        let mut status = 0;
        let mut found = Vec::new();
        let mut total = 0;
        for path in paths {
            let absolute = self.path(path);
            match self.open(&absolute) {
                Ok(input) => {
                    let bytes = self.read_all(Io { input, ..io });
                    total += bytes.len();
                    found.push((path.to_vec(), bytes));
                }
                Err(Fault::IsDirectory) => status = self.fail(io, words, "read error: Is a directory"),
                Err(fault) => status = self.fail_at(io, words, verb, path, fault),
            }
            if total > super::MAX_OUTPUT {
                break;
            }
        }
        (found, status)
    }
}
