//! What lies on the shares: a few files of every Windows, and what the source itself has written there.

use std::sync::Arc;

use super::host::{Host, Share, Visitor};
use super::pool::Held;
use super::status::Status;
use crate::clock::Timestamp;
use crate::handlers::{Context, Random};

/// Files and directories that are remembered of one source; the oldest makes room.
const MAX_WRITTEN: usize = 32;
/// Bytes of a written file that can be read back; a longer one is in use, as if a scanner looked at it.
const MAX_KEPT: usize = 64 * 1024;

/// Something a source has written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    share: &'static str,
    path: String,
    is_directory: bool,
    time: Timestamp,
    size: u64,
    content: Content,
}

/// A file or directory as a visitor sees it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The last part of its path.
    pub(super) name: String,
    pub(super) is_directory: bool,
    pub(super) size: u64,
    pub(super) time: Timestamp,
    /// A number of its own, as long as its path is the same.
    pub(super) index: u64,
    pub(super) content: Content,
}

/// What reading gives.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Text(&'static str),
    Written(Arc<Held>),
    /// In use by the system.
    Locked,
}

impl Content {
    /// The bytes; `None` when another has them open.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Written(held) => Some(held.bytes()),
            Self::Locked => None,
        }
    }
}

/// FILE_ATTRIBUTE_* (MS-FSCC 2.6).
const DIRECTORY: u32 = 0x10;
const ARCHIVE: u32 = 0x20;

impl Entry {
    pub(super) const fn attributes(&self) -> u32 {
        if self.is_directory { DIRECTORY } else { ARCHIVE }
    }

    /// What it takes in clusters of 4 KiB.
    pub(super) const fn allocated(&self) -> u64 {
        self.size.next_multiple_of(4096)
    }
}

/// A path and what lies there: nothing for a directory, a size for a file that is in use, a text.
enum Static {
    Directory,
    Locked(u64),
    Text(&'static str),
}

const DESKTOP_INI: &str =
    "\r\n[.ShellClassInfo]\r\nLocalizedResourceName=@%SystemRoot%\\system32\\shell32.dll,-21813\r\n";
const HOSTS: &str = "# Copyright (c) 1993-2009 Microsoft Corp.\r\n#\r\n# localhost name resolution is handled within DNS itself.\r\n#\t127.0.0.1       localhost\r\n#\t::1             localhost\r\n";
const WIN_INI: &str =
    "; for 16-bit app support\r\n[fonts]\r\n[extensions]\r\n[mci extensions]\r\n[files]\r\n[Mail]\r\nMAPI=1\r\n";
const SYSTEM_INI: &str = "; for 16-bit app support\r\n[386Enh]\r\nwoafont=dosapp.fon\r\nEGA80WOA.FON=EGA80WOA.FON\r\nEGA40WOA.FON=EGA40WOA.FON\r\nCGA80WOA.FON=CGA80WOA.FON\r\nCGA40WOA.FON=CGA40WOA.FON\r\n\r\n[drivers]\r\nwave=mmdrv.dll\r\ntimer=timer.drv\r\n\r\n[mci]\r\n";

use Static::{Directory, Locked, Text};

/// The drive, which all shares show parts of.
const DRIVE: &[(&str, Static)] = &[
    ("$Recycle.Bin", Directory),
    ("pagefile.sys", Locked(4_294_967_296)),
    ("PerfLogs", Directory),
    ("Program Files", Directory),
    ("Program Files\\Common Files", Directory),
    ("Program Files\\Internet Explorer", Directory),
    ("Program Files\\Windows Defender", Directory),
    ("Program Files (x86)", Directory),
    ("Program Files (x86)\\Common Files", Directory),
    ("Program Files (x86)\\Internet Explorer", Directory),
    ("ProgramData", Directory),
    ("ProgramData\\Microsoft", Directory),
    ("Users", Directory),
    ("Users\\Administrator", Directory),
    ("Users\\Administrator\\Desktop", Directory),
    ("Users\\Administrator\\Documents", Directory),
    ("Users\\Default", Directory),
    ("Users\\desktop.ini", Text(DESKTOP_INI)),
    ("Users\\Public", Directory),
    ("Users\\Public\\Documents", Directory),
    ("Users\\Public\\Downloads", Directory),
    ("Users\\Public\\Pictures", Directory),
    ("Windows", Directory),
    ("Windows\\explorer.exe", Locked(2_871_808)),
    ("Windows\\Fonts", Directory),
    ("Windows\\inf", Directory),
    ("Windows\\notepad.exe", Locked(193_536)),
    ("Windows\\regedit.exe", Locked(427_008)),
    ("Windows\\System32", Directory),
    ("Windows\\System32\\cmd.exe", Locked(345_088)),
    ("Windows\\System32\\config", Directory),
    ("Windows\\System32\\config\\SAM", Locked(262_144)),
    ("Windows\\System32\\config\\SYSTEM", Locked(12_845_056)),
    ("Windows\\System32\\drivers", Directory),
    ("Windows\\System32\\drivers\\etc", Directory),
    ("Windows\\System32\\drivers\\etc\\hosts", Text(HOSTS)),
    ("Windows\\System32\\kernel32.dll", Locked(1_163_264)),
    ("Windows\\system.ini", Text(SYSTEM_INI)),
    ("Windows\\SysWOW64", Directory),
    ("Windows\\Temp", Directory),
    ("Windows\\win.ini", Text(WIN_INI)),
];

/// Where the root of a share lies on the drive.
fn root(share: &Share) -> &'static str {
    match share.name {
        "ADMIN$" => "Windows",
        "Users" => "Users",
        _ => "",
    }
}

/// Longest name and path of NTFS as this machine takes them, in bytes.
const MAX_NAME: usize = 255;
const MAX_PATH: usize = 1024;

/// A path below the root of its share: no slashes around it, no dots in it.
pub(super) fn normal(path: &str) -> Result<String, Status> {
    // The stream that every file has may be named.
    let path = pattern(path.strip_suffix("::$DATA").unwrap_or(path))?;
    let is_bad = |letter: char| letter < ' ' || "\"*:<>?|".contains(letter);
    if path.contains(is_bad) { Err(Status::OBJECT_NAME_INVALID) } else { Ok(path) }
}

/// The same for a search, whose last part may have what no name has. One that leaves the share is badly written, one that is too long no name.
pub(super) fn pattern(path: &str) -> Result<String, Status> {
    if path.len() > MAX_PATH || path.split(['\\', '/']).any(|part| part.len() > MAX_NAME) {
        return Err(Status::OBJECT_NAME_INVALID);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['\\', '/']).filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop().ok_or(Status::OBJECT_PATH_SYNTAX_BAD)?;
        } else {
            parts.push(part);
        }
    }
    Ok(parts.join("\\"))
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('\\').unwrap_or(("", path))
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// A share with what this source has written there.
pub(super) struct View<'a> {
    pub(super) host: &'a Host,
    pub(super) share: Share,
    pub(super) visitor: &'a mut Visitor,
}

impl View<'_> {
    fn full(&self, path: &str) -> String {
        match (root(&self.share), path) {
            ("", path) => path.to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}\\{path}"),
        }
    }

    /// What lies at a normal path.
    pub(super) fn find(&self, path: &str) -> Result<Entry, Status> {
        let full = self.full(path);
        if full.is_empty() || path.is_empty() {
            return Ok(self.made("", "", &Directory));
        }
        let written = self.visitor.written.iter().find(|one| same(&one.path, path) && one.share == self.share.name);
        if let Some(written) = written {
            return Ok(shown(written));
        }
        let known = DRIVE.iter().find(|(one, _)| same(one, &full));
        if let Some((one, kind)) = known {
            return Ok(self.made(one, split(one).1, kind));
        }
        let (parent, _) = split(path);
        Err(match self.find(parent) {
            Ok(entry) if entry.is_directory => Status::OBJECT_NAME_NOT_FOUND,
            _ => Status::OBJECT_PATH_NOT_FOUND,
        })
    }

    /// What lies in a directory, `.` and `..` first.
    pub(super) fn list(&self, directory: &str) -> Vec<Entry> {
        let full = self.full(directory);
        let dots = [".", ".."].map(|name| self.made(&full, name, &Directory));
        let known = DRIVE.iter().filter(|(path, _)| same(split(path).0, &full));
        let known = known.map(|(path, kind)| self.made(path, split(path).1, kind));
        let in_share = self.visitor.written.iter().filter(|one| one.share == self.share.name);
        let written = in_share.filter(|one| same(split(&one.path).0, directory)).map(shown);
        dots.into_iter().chain(known).chain(written).collect()
    }

    fn made(&self, path: &str, name: &str, kind: &Static) -> Entry {
        let index = index_of(path);
        // Files of one system differ by minutes, not by years.
        let time = Timestamp::from_micros(self.host.installed.as_micros() + Random::new(index).bits() % 1_800_000_000);
        let (is_directory, size, content) = match kind {
            Directory => (true, 0, Content::Text("")),
            Locked(size) => (false, *size, Content::Locked),
            Text(text) => (false, text.len() as u64, Content::Text(text)),
        };
        Entry { name: name.to_owned(), is_directory, size, time, index, content }
    }

    /// Remembers a file or directory; one of this path is replaced.
    pub(super) fn put(&mut self, path: &str, is_directory: bool, bytes: &[u8], now: Timestamp) {
        self.remove(path);
        let mut kept = Held::new(&self.host.memory);
        let is_kept = bytes.len() <= MAX_KEPT && kept.write_at(0, bytes, MAX_KEPT);
        let content = if is_kept { Content::Written(Arc::new(kept)) } else { Content::Locked };
        let size = bytes.len() as u64;
        let written = &mut self.visitor.written;
        if written.len() >= MAX_WRITTEN {
            written.remove(0);
        }
        written.push(Written { share: self.share.name, path: path.to_owned(), is_directory, time: now, size, content });
    }

    /// Whether what lies there can be deleted: what the source has written, and no directory with something in it.
    pub(super) fn may_remove(&self, path: &str) -> Result<(), Status> {
        let entry = self.find(path)?;
        if entry.is_directory && self.list(path).len() > 2 {
            return Err(Status::DIRECTORY_NOT_EMPTY);
        }
        let is_written = self.visitor.written.iter().any(|one| one.share == self.share.name && same(&one.path, path));
        match entry.content {
            _ if is_written => Ok(()),
            Content::Locked => Err(Status::CANNOT_DELETE),
            _ => Err(Status::ACCESS_DENIED),
        }
    }

    /// Gives what the source has written another path, with all that lies below it.
    pub(super) fn rename(&mut self, from: &str, to: &str, replaces: bool) -> Result<(), Status> {
        self.find(from)?;
        match self.find(to) {
            Ok(_) if same(from, to) => {}
            Ok(_) if !replaces => return Err(Status::OBJECT_NAME_COLLISION),
            Ok(_) => {
                self.may_remove(to)?;
                self.remove(to);
            }
            Err(Status::OBJECT_NAME_NOT_FOUND) => {}
            Err(status) => return Err(status),
        }
        let share = self.share.name;
        let is_below = |path: &str| path.get(..from.len()).is_some_and(|start| same(start, from));
        let moved = |path: &str| path.len() == from.len() || path.as_bytes().get(from.len()) == Some(&b'\\');
        let mut has_moved = false;
        for one in self.visitor.written.iter_mut().filter(|one| one.share == share) {
            if is_below(&one.path) && moved(&one.path) {
                has_moved |= one.path.len() == from.len();
                one.path = format!("{to}{}", one.path.get(from.len()..).unwrap_or_default());
            }
        }
        if has_moved { Ok(()) } else { Err(Status::ACCESS_DENIED) }
    }

    /// Forgets what the source has written at this path; false when it has not.
    pub(super) fn remove(&mut self, path: &str) -> bool {
        let before = self.visitor.written.len();
        self.visitor.written.retain(|one| !(one.share == self.share.name && same(&one.path, path)));
        self.visitor.written.len() < before
    }
}

/// Works on a share with what this source has written there.
pub(super) fn view<R>(
    host: &Host,
    cx: &Context<'_>,
    share: Share,
    work: impl FnOnce(&mut View<'_>, Timestamp) -> R,
) -> R {
    let now = cx.now();
    host.visitors.with(cx.session().client.ip(), now, |visitor| work(&mut View { host, share, visitor }, now))
}

fn shown(written: &Written) -> Entry {
    Entry {
        name: split(&written.path).1.to_owned(),
        is_directory: written.is_directory,
        size: written.size,
        time: written.time,
        index: index_of(&written.path),
        content: written.content.clone(),
    }
}

/// FNV-1a, spread: file numbers that look like those of NTFS.
fn index_of(path: &str) -> u64 {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    0x0001_0000_0000_0000 | (hash >> 20 & 0xffff)
}

/// Whether a name fits a pattern with `*` and `?`, and the DOS forms `<`, `>` and `"` of MS-FSCC 2.1.4, which few visitors send.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    if pattern.is_empty() || pattern == ['*', '.', '*'] {
        return true;
    }
    // The greedy walk: on a mismatch go back to the last star and let it take one more.
    let (mut p, mut n, mut star) = (0, 0, None);
    while let Some(&letter) = name.get(n) {
        match pattern.get(p) {
            Some('*' | '<') => {
                star = Some((p, n));
                p += 1;
            }
            Some('?' | '>') => (p, n) = (p + 1, n + 1),
            Some('"') if letter == '.' => (p, n) = (p + 1, n + 1),
            Some(&wanted) if wanted == letter => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|letter| matches!(letter, '*' | '<')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_windows() {
        for (pattern, name, fit) in [
            ("*", "a", true),
            ("*.*", "Windows", true),
            ("*.ini", "desktop.INI", true),
            ("*.ini", "desktop.inf", false),
            ("win?.exe", "wins.exe", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "x", true),
            ("Windows", "windows", true),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn no_path_leaves_its_share() {
        assert_eq!(normal("\\a\\.\\b\\..\\c\\").as_deref(), Ok("a\\c"));
        assert_eq!(normal("a/../.."), Err(Status::OBJECT_PATH_SYNTAX_BAD));
        assert_eq!(normal("\\").as_deref(), Ok(""));
        assert_eq!(normal("a::$DATA").as_deref(), Ok("a"));
        for name in ["a*b", "a:b", "a|b", "a<b", "a?", "\u{1}a"] {
            assert_eq!(normal(name), Err(Status::OBJECT_NAME_INVALID), "{name}");
        }
    }
}
