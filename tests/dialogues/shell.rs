//! The cases of `shell.txt`: what is typed, and what BusyBox says to it.

pub(crate) struct Case {
    pub(crate) lines: Vec<String>,
    pub(crate) said: Vec<u8>,
    pub(crate) status: u8,
}

/// Every case, in the order of the file.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("shell.txt").lines().filter(|line| !line.starts_with('#')) {
        let (kind, rest) = (&line[..1], line.get(2..).unwrap_or_default());
        if kind == "$" {
            cases.push(Case { lines: vec![rest.to_owned()], said: Vec::new(), status: 0 });
            continue;
        }
        let case = cases.last_mut().unwrap();
        match kind {
            ">" => case.lines.push(rest.to_owned()),
            "?" => case.status = rest.parse().unwrap(),
            _ => {
                case.said.extend(bytes(rest));
                case.said.extend((kind == ":").then_some(b'\n'));
            }
        }
    }
    cases
}

/// `\t`, `\xHH` and `\\` stand for bytes.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend(rest[..at].bytes());
        let (byte, length) = match &rest[at + 1..at + 2] {
            "t" => (b'\t', 2),
            "x" => (u8::from_str_radix(&rest[at + 2..at + 4], 16).unwrap(), 4),
            _ => (b'\\', 2),
        };
        out.push(byte);
        rest = &rest[at + length..];
    }
    out.extend(rest.bytes());
    out
}
