//! What a stream is connected to: told by the name that the client opens (AOSP packages/modules/adb, SERVICES.TXT).

use std::sync::Arc;
use std::time::Duration;

use super::budget::{Budget, Incoming};
use super::message::request;
use super::shell::{Commands, Framing, Login};
use super::sync::Sync;
use crate::clock::Timestamp;
use crate::handlers::Context;
use crate::handlers::shell::Device;

/// How long a device waits for its owner to allow a backup (AOSP BackupManagerService, `TIMEOUT_FULL_CONFIRMATION`).
const CONFIRMATION: Duration = Duration::from_secs(60);

/// A service at work for one stream.
pub(super) trait Service: Send {
    /// Bytes from the client; answers are added to `out`.
    fn receive(&mut self, cx: &mut Context<'_>, device: &Device, bytes: &[u8], out: &mut Vec<u8>) {
        let _ = (cx, device, bytes, out);
    }

    /// When [`Service::tick`] has something to do.
    fn due(&self) -> Option<Timestamp> {
        None
    }

    /// The time has come.
    fn tick(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let _ = (cx, out);
    }

    /// Nothing follows: the stream is closed once its answers are delivered.
    fn is_over(&self) -> bool;

    /// The device drops the connection afterwards: it restarts, or its daemon does.
    fn ends_connection(&self) -> bool {
        false
    }

    /// The stream is closed.
    fn closed(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }
}

/// A new service and what it says first; `None` where the device refuses. Recorded as a `request`, single commands as `command`.
pub(super) fn open(
    cx: &mut Context<'_>,
    device: &Arc<Device>,
    budget: &Budget,
    name: &[u8],
    out: &mut Vec<u8>,
) -> Option<Box<dyn Service>> {
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let colon = name.iter().position(|&byte| byte == b':').unwrap_or(name.len());
    let (kind, argument) = (name.get(..colon)?, name.get(colon + 1..).unwrap_or_default());
    let mut words = kind.split(|&byte| byte == b',');
    let first = words.next()?;
    let length = if first == b"exec" { install_length(argument) } else { None };
    let is_command = matches!(first, b"shell" | b"exec") && !argument.is_empty() && length.is_none();
    if !is_command {
        cx.event(request("open", name));
    }
    match first {
        b"shell" => Some(open_shell(cx, device, words, argument, out)),
        b"exec" => Some(match length {
            Some(length) => {
                let is_part = memchr::memmem::find(argument, b"install-write").is_some();
                Box::new(Install { file: budget.file(), length, left: length, is_part, is_full: false, is_over: false })
            }
            None => Box::new(Commands::new(cx, device, Framing::Bare { terminal: false }, Some(argument), out)),
        }),
        b"sync" => Some(Box::new(Sync::new(budget.clone()))),
        b"root" => say("adbd cannot run as root in production builds\n", out),
        b"unroot" => say("adbd not running as root\n", out),
        b"remount" => say("Not running as root. Try \"adb root\" first.\n", out),
        b"disable-verity" | b"enable-verity" => say("verity cannot be disabled/enabled - USER build\n", out),
        b"usb" => restart("restarting in USB mode\n", out),
        b"tcpip" => {
            match std::str::from_utf8(argument).ok().and_then(|port| port.parse::<u16>().ok()).filter(|&port| port > 0)
            {
                Some(port) => restart(&format!("restarting in TCP mode port: {port}\n"), out),
                None => say("invalid port\n", out),
            }
        }
        b"reboot" => restart("", out),
        b"reverse" => say(&reverse(device, cx, argument), out),
        b"track-jdwp" => {
            out.extend(b"0000");
            Some(Box::new(Silence::default()))
        }
        // The person at the device is asked, and does not answer.
        b"backup" | b"restore" => Some(Box::new(Silence { until: Some(cx.now() + CONFIRMATION), is_over: false })),
        b"jdwp" if argument.is_empty() => say("", out),
        _ => None,
    }
}

/// `shell`, with words such as `v2`, `TERM=xterm`, `raw` and `pty` behind it, and a command or none.
fn open_shell<'a>(
    cx: &mut Context<'_>,
    device: &Arc<Device>,
    words: impl Iterator<Item = &'a [u8]> + Clone,
    command: &[u8],
    out: &mut Vec<u8>,
) -> Box<dyn Service> {
    let says = |wanted: &[u8]| words.clone().any(|word| word == wanted);
    let framed = says(b"v2");
    if command.is_empty() && !says(b"raw") {
        return Box::new(Login::new(cx, device, framed, out));
    }
    // Without the packets a command has a terminal as well (Android 7, services.cpp).
    let framing = if framed { Framing::Packets } else { Framing::Bare { terminal: !says(b"raw") } };
    Box::new(Commands::new(cx, device, framing, (!command.is_empty()).then_some(command), out))
}

/// A service that says one thing.
struct Said {
    ends_connection: bool,
}

impl Service for Said {
    fn is_over(&self) -> bool {
        true
    }

    fn ends_connection(&self) -> bool {
        self.ends_connection
    }
}

fn say(text: &str, out: &mut Vec<u8>) -> Option<Box<dyn Service>> {
    out.extend(text.as_bytes());
    Some(Box::new(Said { ends_connection: false }))
}

fn restart(text: &str, out: &mut Vec<u8>) -> Option<Box<dyn Service>> {
    out.extend(text.as_bytes());
    Some(Box::new(Said { ends_connection: true }))
}

/// What adbd answers to a request about ports that it listens on for the client (services.cpp, `reverse_service`): they are taken note of and
/// listed; nobody ever connects to them.
fn reverse(device: &Device, cx: &Context<'_>, request: &[u8]) -> String {
    const MISSING: &str = "listener not found";
    let text = String::from_utf8_lossy(request);
    let (verb, rest) = text.split_once(':').unwrap_or((&text, ""));
    device.forwards(cx.session().client.ip(), cx.now(), |forwards| match verb {
        "list-forward" => {
            let lines: String = forwards.list().map(|(from, to)| format!("host-12 {from} {to}\n")).collect();
            format!("{:04x}{lines}", lines.len())
        }
        "forward" => {
            if let Some((from, to)) = rest.strip_prefix("norebind:").unwrap_or(rest).split_once(';') {
                forwards.add(from, to);
            }
            "OKAY".to_owned()
        }
        "killforward" if !forwards.remove(rest) => format!("FAIL{:04x}{MISSING}", MISSING.len()),
        "killforward-all" => {
            forwards.clear();
            "OKAY".to_owned()
        }
        _ => "OKAY".to_owned(),
    })
}

/// A service that has nothing to tell, for ever or until then.
#[derive(Default)]
struct Silence {
    until: Option<Timestamp>,
    is_over: bool,
}

impl Service for Silence {
    fn due(&self) -> Option<Timestamp> {
        self.until
    }

    fn tick(&mut self, _: &mut Context<'_>, _: &mut Vec<u8>) {
        self.until = None;
        self.is_over = true;
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

/// `cmd package install -S LENGTH`, words quoted or not: how `adb install` streams a package.
///
/// `cmd package install-write -S LENGTH SESSION NAME -` does the same for one of several (`adb install-multiple`); before Android 7 that
/// is `pm install-write`.
fn install_length(command: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(command).ok()?;
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).collect();
    let (["cmd", "package", "install" | "install-write", rest @ ..] | ["pm", "install-write", rest @ ..]) =
        words.as_slice()
    else {
        return None;
    };
    let at = rest.iter().position(|word| *word == "-S")?;
    rest.get(at + 1)?.parse().ok()
}

/// A package that is being installed: kept, and told to be a success.
struct Install {
    file: Incoming,
    length: usize,
    left: usize,
    /// One of several, which a later command installs.
    is_part: bool,
    is_full: bool,
    is_over: bool,
}

impl Service for Install {
    fn receive(&mut self, cx: &mut Context<'_>, device: &Device, bytes: &[u8], out: &mut Vec<u8>) {
        let piece = bytes.get(..self.left).unwrap_or(bytes);
        self.left -= piece.len();
        self.is_full = self.is_full || !self.file.push(piece);
        if self.left == 0 && !self.is_over {
            self.is_over = true;
            let file = self.file.take();
            if !self.is_full {
                device.install(cx.session().client.ip(), cx.now(), &file);
            }
            cx.sample("base.apk", file);
            let answer = match (self.is_full, self.is_part) {
                (true, _) => "Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE]\n".to_owned(),
                (false, true) => format!("Success: streamed {} bytes\n", self.length),
                (false, false) => "Success\n".to_owned(),
            };
            out.extend(answer.bytes());
        }
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        if self.file.len() > 0 {
            cx.sample("base.apk", self.file.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streamed_package_tells_its_length() {
        assert_eq!(install_length(b"cmd package 'install'  -S 12345"), Some(12_345));
        assert_eq!(install_length(b"cmd 'package' 'install' '-r' '-S' '7'"), Some(7));
        assert_eq!(install_length(b"cmd package install-write -S 9 1234 base.apk -"), Some(9));
        assert_eq!(install_length(b"pm install-write -S 9 1234 base.apk -"), Some(9));
        assert_eq!(install_length(b"cmd package list"), None);
        assert_eq!(install_length(b"pm install /data/local/tmp/a.apk"), None);
    }
}
