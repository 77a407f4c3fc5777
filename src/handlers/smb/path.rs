//! Names of files: how visitors write them, and which fit a pattern (MS-FSCC 2.1.4, 2.1.5).

use super::status::Status;

/// Longest name and path of NTFS as this machine takes them, in bytes.
const MAX_NAME: usize = 255;
const MAX_PATH: usize = 1024;

/// Where NTFS keeps quotas.
const QUOTAS: &str = "$Extend\\$Quota";

/// A path below the root of its share: no slashes around it, no dots in it.
pub(super) fn normal(path: &str) -> Result<String, Status> {
    // The stream that every file has may be named.
    let path = path.strip_suffix("::$DATA").unwrap_or(path);
    // The index of quotas is opened by the name of a stream (MS-FSCC 2.4.33).
    let path = pattern(
        path.strip_suffix(":$Q:$INDEX_ALLOCATION")
            .filter(|path| same(path.trim_start_matches('\\'), QUOTAS))
            .unwrap_or(path),
    )?;
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

/// The directory and the name in it.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('\\').unwrap_or(("", path))
}

/// NTFS keeps the case of letters and looks at none.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// What a path is called below a directory; empty for the directory itself.
pub(super) fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    if directory.is_empty() {
        return Some(path);
    }
    let (_, rest) = path.split_at_checked(directory.len()).filter(|(start, _)| same(start, directory))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('\\') }
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
        assert_eq!(normal("\\$Extend\\$Quota:$Q:$INDEX_ALLOCATION").as_deref(), Ok(QUOTAS));
        assert_eq!(normal("a:$Q:$INDEX_ALLOCATION"), Err(Status::OBJECT_NAME_INVALID));
        for name in ["a*b", "a:b", "a|b", "a<b", "a?", "\u{1}a"] {
            assert_eq!(normal(name), Err(Status::OBJECT_NAME_INVALID), "{name}");
        }
    }
}
