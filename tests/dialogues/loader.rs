//! A bot's loader, led by a file: it sends what the file says and goes on when what the real loader looks for has come.
//!
//! Without I/O, so that the handler's own tests and those with sockets play the same dialogues.

use std::collections::BTreeMap;

/// Bytes that an upload by `echo` sends: a header that says ELF, and every byte there is.
pub(crate) fn dropper() -> Vec<u8> {
    let header = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0";
    header.iter().copied().chain(0..=255).chain(0..=99).collect()
}

/// Bytes of one `echo` of an upload.
const CHUNK: usize = 64;

/// What the loader wants next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Wait for more of the answer to what was sent last.
    Wait(String),
    Done,
}

/// One dialogue.
pub(crate) struct Loader {
    steps: Vec<String>,
    at: usize,
    /// What has come since the last line was sent, without telnet's commands.
    answer: Vec<u8>,
    /// Answers to options that wait to be sent.
    replies: Vec<u8>,
    stream: Vec<u8>,
    learnt: BTreeMap<String, String>,
    writable: Vec<String>,
}

impl Loader {
    /// A loader for this dialogue; `is_control`: the device has no login, and the bot itself cannot run there.
    pub(crate) fn new(dialogue: &str, user: &str, password: &str, is_control: bool) -> Self {
        let lines = dialogue.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let login = ["? login", "> {user}", "? password", "> {password}"];
        let lines = lines.filter(|line| !(is_control && login.contains(line)));
        let steps = lines.filter_map(|line| match line.strip_prefix('@') {
            Some(_) if is_control => None,
            Some(rest) => Some(rest.to_owned()),
            None => Some(line.to_owned()),
        });
        Self {
            steps: steps.collect(),
            at: 0,
            answer: Vec::new(),
            replies: Vec::new(),
            stream: Vec::new(),
            learnt: [("user", user), ("password", password)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            writable: Vec::new(),
        }
    }

    /// Takes what the device sends. Options are answered as Mirai's loader does.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.stream.extend_from_slice(bytes);
        let stream = std::mem::take(&mut self.stream);
        let mut rest = stream.as_slice();
        loop {
            rest = match rest {
                [0xff, 0xfd, 31, rest @ ..] => {
                    self.replies.extend(b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0");
                    rest
                }
                [0xff, 0xfd, option, rest @ ..] => {
                    self.replies.extend([0xff, 0xfc, *option]);
                    rest
                }
                [0xff, 0xfb, option, rest @ ..] => {
                    self.replies.extend([0xff, 0xfd, *option]);
                    rest
                }
                [0xff, 0xfc | 0xfe, _, rest @ ..] => rest,
                [0xff] | [0xff, 0xfb..=0xfe] | [] => break,
                [0xff, 0xff, rest @ ..] => {
                    self.answer.push(0xff);
                    rest
                }
                [0xff, _, rest @ ..] => rest,
                [byte, rest @ ..] => {
                    self.answer.push(*byte);
                    rest
                }
            };
        }
        self.stream = rest.to_vec();
    }

    /// What to do next.
    pub(crate) fn next(&mut self) -> Wish {
        if !self.replies.is_empty() {
            return Wish::Send(std::mem::take(&mut self.replies));
        }
        let Some(step) = self.steps.get(self.at).cloned() else { return Wish::Done };
        if let Some(line) = step.strip_prefix("> ") {
            let line = self.filled(line);
            self.at += 1;
            // A line after a line: the loader does not look at the answer of the first.
            let after_wait = self.at >= 2 && !self.steps[self.at - 2].starts_with("> ");
            if after_wait {
                self.answer.clear();
            }
            return Wish::Send([line.as_bytes(), b"\r\n"].concat());
        }
        if let Some(predicate) = step.strip_prefix("? ") {
            if self.holds(predicate) {
                self.at += 1;
                return self.next();
            }
            return Wish::Wait(format!("{step}, after {:?}", String::from_utf8_lossy(&self.answer)));
        }
        let more = match step.strip_prefix("upload ").and_then(|rest| rest.split_once(' ')) {
            Some((name, token)) => upload(name, token),
            None => self.try_writable(),
        };
        self.steps.splice(self.at..=self.at, more);
        self.next()
    }

    fn filled(&self, line: &str) -> String {
        self.learnt.iter().fold(line.to_owned(), |line, (name, value)| line.replace(&format!("{{{name}}}"), value))
    }

    fn holds_text(&self, text: &str) -> bool {
        self.place_of(text).is_some()
    }

    fn place_of(&self, text: &str) -> Option<usize> {
        self.answer.windows(text.len()).position(|window| window == text.as_bytes())
    }

    /// The loader's acceptance predicates.
    fn holds(&mut self, predicate: &str) -> bool {
        let mut words = predicate.split(' ');
        let (name, argument) = (words.next().unwrap(), words.next().unwrap_or_default().to_owned());
        let is_prompt = self.answer.iter().any(|byte| b":>$#%".contains(byte));
        match name {
            "login" => is_prompt || self.holds_text("ogin") || self.holds_text("enter"),
            "password" => is_prompt || self.holds_text("assword"),
            "prompt" => is_prompt && !self.holds_text("ncorrect"),
            "said" => self.holds_text(&format!("\n{argument}")),
            "token" => self.holds_text(&format!("{argument}: applet not found")),
            "processes" => self.holds_processes(),
            "mounts" => self.finds_writable(),
            "written" => self
                .answer
                .split(|&b| b == b'\n')
                .any(|line| line.trim_ascii_end() == format!("kami{argument}").as_bytes()),
            "processor" => self.finds_processor(),
            "header" => self.holds_header(),
            "method" => self.holds_text("ECCHI: applet not found") && self.method() == argument,
            "runs" => {
                let (said, token) =
                    (self.place_of("listening tun0"), self.place_of(&format!("{argument}: applet not found")));
                said.is_some() && token.is_some() && said < token
            }
            other => panic!("no predicate {other}"),
        }
    }

    /// Lines that begin with a number and go on with a name.
    fn holds_processes(&self) -> bool {
        let text = String::from_utf8_lossy(&self.answer).into_owned();
        let count = text.lines().filter(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.len() >= 2 && words[0].parse::<u32>().is_ok()
        });
        count.count() >= 3
    }

    /// The second field of every line whose fourth holds `rw`, if shorter than 31 bytes.
    fn finds_writable(&mut self) -> bool {
        let text = String::from_utf8_lossy(&self.answer).into_owned();
        self.writable = text
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .filter(|fields| fields.len() >= 4 && fields[3].contains("rw") && fields[1].starts_with('/'))
            .map(|fields| fields[1].to_owned())
            .filter(|path| path.len() < 31)
            .collect();
        self.writable.push("/dev".to_owned());
        self.learnt.insert("dir".to_owned(), self.writable[0].clone());
        self.writable.len() > 1
    }

    /// The trial of every directory; the first one is used. All must hold what was written.
    fn try_writable(&mut self) -> Vec<String> {
        let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let mut steps = Vec::new();
        for path in &self.writable {
            let line = format!(
                "> /bin/busybox echo -e '{}' > {path}/.nippon; /bin/busybox cat {path}/.nippon; /bin/busybox rm {path}/.nippon",
                hex(&format!("kami{path}"))
            );
            steps.extend([line, format!("? written {path}")]);
        }
        steps
    }

    /// `e_machine` and the byte order of the program that was printed.
    fn finds_processor(&mut self) -> bool {
        let Some(at) = self.place_of("\x7fELF") else { return false };
        let Some(header) = self.answer.get(at..at + 52) else { return false };
        let machine = if header[5] == 2 { [header[18], header[19]] } else { [header[19], header[18]] };
        let arch = match (u16::from_be_bytes(machine), header[5]) {
            (40 | 183, _) => "arm",
            (8 | 10, 1) => "mpsl",
            (8 | 10, 2) => "mips",
            (3 | 6 | 7 | 62, _) => "x86",
            other => panic!("the loader knows no processor {other:?}"),
        };
        self.learnt.insert("arch".to_owned(), arch.to_owned());
        true
    }

    /// Exactly a 32-bit header, then what `dd` says of it.
    fn holds_header(&self) -> bool {
        let Some(at) = self.place_of("\x7fELF") else { return false };
        let rest = &self.answer[at..];
        rest.get(52..).is_some_and(|after| after.starts_with(b"1+0 records in"))
    }

    fn method(&self) -> &'static str {
        match (self.holds_text("wget: applet not found"), self.holds_text("tftp: applet not found")) {
            (false, _) => "wget",
            (true, false) => "tftp",
            (true, true) => "echo",
        }
    }
}

/// `echo -ne '\x7f\x45...' > NAME`, then `>> NAME`, each with the token behind.
fn upload(name: &str, token: &str) -> Vec<String> {
    let mut steps = Vec::new();
    for (at, chunk) in dropper().chunks(CHUNK).enumerate() {
        let hex: String = chunk.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        let arrow = if at == 0 { ">" } else { ">>" };
        steps.push(format!("> echo -ne '{hex}' {arrow} {name}; /bin/busybox {token}"));
        steps.push(format!("? token {token}"));
    }
    steps
}
