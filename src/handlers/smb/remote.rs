//! What visitors have the machine run for them through the service manager, as far as their tools must see of it to go on: the pipe of
//! RemCom, which impacket's psexec uploads, and the file that a command line sends its output to, as impacket's smbexec has it.

use super::disk::View;
use super::host::{Host, Kind, Share};
use super::wire::Fields;
use crate::clock::Timestamp;
use crate::events::Event;
use crate::handlers::Context;
use crate::handlers::recording::with_text;

/// RemCom's pipes begin with this; the first is misspelt.
const PREFIX: &str = "RemCom_";
const COMMANDS: &str = "RemCom_communicaton";
/// Its message: command and directory, each filled up with zeros.
const COMMAND: usize = 4096;
const DIRECTORY: usize = 260;
/// Bytes of what is typed into a program that an event shows.
const MAX_SHOWN: usize = 512;
const MESSAGE: usize = COMMAND + DIRECTORY + 4 + 4 + 260 + 4;

/// One end of a pipe of RemCom.
#[derive(Debug)]
pub(super) struct RemCom {
    takes_commands: bool,
    input: Vec<u8>,
    /// Bytes of the answer that wait: error and return code, none.
    waits: usize,
}

impl RemCom {
    /// Opens a pipe of the program, which runs once this source has started a service.
    pub(super) fn open(host: &Host, cx: &Context<'_>, path: &str) -> Option<Self> {
        let name = path.trim_matches('\\');
        let is_running = || host.visitors.with(cx.session().client.ip(), cx.now(), |visitor| visitor.has_services);
        let takes_commands = name == COMMANDS;
        (name.starts_with(PREFIX) && is_running()).then_some(Self { takes_commands, input: Vec::new(), waits: 0 })
    }

    /// Takes what is written; a command is an event, and ends at once.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        if !self.takes_commands {
            let shown = bytes.get(..MAX_SHOWN).unwrap_or(bytes);
            return cx.event(with_text(Event::new("command", "typed into a program of RemCom"), "command", shown));
        }
        let room = MESSAGE.saturating_sub(self.input.len());
        self.input.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if self.input.len() < MESSAGE {
            return;
        }
        let message = std::mem::take(&mut self.input);
        let text = |at: usize, len: usize| message.part(at, len)?.split(|byte| *byte == 0).next();
        let (command, directory) = (text(0, COMMAND).unwrap_or_default(), text(COMMAND, DIRECTORY).unwrap_or_default());
        let event = Event::new("command", format!("run by RemCom: {}", command.escape_ascii()));
        cx.event(with_text(with_text(event, "command", command), "directory", directory));
        self.waits = 8;
    }

    pub(super) fn read(&mut self, max: usize) -> Vec<u8> {
        let count = self.waits.min(max);
        self.waits -= count;
        vec![0; count]
    }
}

/// A service or task that is only a command line has run: what it printed lies where it says, for this source.
pub(super) fn ran(host: &Host, source: std::net::IpAddr, now: Timestamp, command: &str) {
    host.visitors.with(source, now, |visitor| {
        visitor.has_services = true;
        let Some((share, path, printed)) = printed(host, command).or_else(|| redirected(host, command)) else { return };
        View { host, share, visitor }.put(&path, printed.as_bytes(), now);
    });
}

/// `%COMSPEC% /Q /c echo COMMAND ^> \\HOST\SHARE\PATH 2^>^&1 > ...`: where the output goes, and what it is. Of commands there are only those
/// that tell who and where the visitor is; all others print nothing.
fn printed(host: &Host, line: &str) -> Option<(Share, String, String)> {
    let (before, after) = line.split_once(" ^> \\\\")?;
    let command = before.rsplit_once("echo ")?.1.trim();
    let (_, path) = after.split_once('\\')?;
    let (share, path) = path.split_once('\\')?;
    let share = Host::share(share).filter(|share| share.kind == Kind::Disk)?;
    let path = super::path::normal(path.split(' ').next()?).ok()?;
    Some((share, path, output(host, command)))
}

/// `cmd.exe /C COMMAND > %windir%\PATH 2>&1`, as impacket's atexec has it.
fn redirected(host: &Host, line: &str) -> Option<(Share, String, String)> {
    let (before, after) = line.split_once(" > %windir%\\")?;
    let at = before.to_ascii_lowercase().find("/c ")?;
    let command = before.get(at + 3..)?.trim();
    let path = super::path::normal(after.split(' ').next()?).ok()?;
    Some((Host::share("ADMIN$")?, path, output(host, command)))
}

fn output(host: &Host, command: &str) -> String {
    match command.to_ascii_lowercase().as_str() {
        "cd" => "C:\\Windows\\system32\r\n".to_owned(),
        "whoami" => "nt authority\\system\r\n".to_owned(),
        "hostname" => format!("{}\r\n", host.name),
        "ver" => format!("\r\nMicrosoft Windows [Version 6.1.{}]\r\n", host.version.build),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::Environment;

    #[test]
    fn a_command_line_prints_where_it_says() {
        let table = toml::Table::new();
        let host = Host::prepared(&Environment::example(&table)).unwrap();
        let ask = |line: &str| printed(&host, line).map(|(share, path, text)| (share.name, path, text));
        let line = |command: &str, target: &str| {
            format!(
                "%COMSPEC% /Q /c echo {command} ^> \\\\%COMPUTERNAME%\\{target} 2^>^&1 > %SYSTEMROOT%\\a.bat & %COMSPEC% /Q /c a.bat"
            )
        };
        let found = ask(&line("whoami", "C$\\__output_x")).unwrap();
        assert_eq!(found, ("C$", "__output_x".to_owned(), "nt authority\\system\r\n".to_owned()));
        assert_eq!(ask(&line("rm -rf", "ADMIN$\\Temp\\y")).unwrap().2, "");
        let task = redirected(&host, "cmd.exe /C whoami > %windir%\\Temp\\x.tmp 2>&1").unwrap();
        assert_eq!(
            (task.0.name, task.1.as_str(), task.2.as_str()),
            ("ADMIN$", "Temp\\x.tmp", "nt authority\\system\r\n")
        );
        assert_eq!(redirected(&host, "cmd.exe /C whoami > %windir%\\..\\x"), None);
        for strange in
            [line("cd", "IPC$\\x"), line("cd", "C$\\..\\..\\x"), line("cd", "NONE\\x"), "calc.exe".to_owned()]
        {
            assert_eq!(ask(&strange), None, "{strange}");
        }
    }
}
