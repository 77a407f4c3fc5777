//! `telnet`: BusyBox telnetd, its login, and the shell behind it, as Mirai's and Hajime's loaders meet them.
//!
//! [`option`] takes telnet's commands out of the stream, [`login`] asks for name and password, then a
//! [`Terminal`] of the shared shell has the visitor.
//!
//! Bounds: a session that has sent nothing holds some hundred bytes; one that talks the recorded beginning of its input, a line, 32 KiB
//! typed ahead, and what its shell holds (see `shell`).

mod login;
mod option;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use self::login::{Login, Step};
use self::option::{OPENING, Options, escaped};
use super::builtin::Builtin;
use super::recording::with_text;
use super::registry::{Environment, Maker, boxed};
use super::shell::{Device, Flavor, Shell, Terminal};
use super::{Context, Count, Credentials, Direction, Handler, Policy, Random, Recording, Session};
use crate::clock::Timestamp;
use crate::events::Event;
use crate::flow::Transport;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "telnet",
    aliases: &[],
    transports: &[Transport::Tcp],
    default_ports: &[23, 2323, 23231],
    about: "BusyBox telnetd with a login and a shell that Mirai's and Hajime's loaders go through",
    prepare,
};

/// How long what was typed may go on after the visitor has closed its side.
const LINGER: Duration = Duration::from_secs(10);

/// `[handlers.telnet]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Who is let in.
    credentials: Policy,
    /// Time for the login, in seconds.
    login_timeout_secs: u64,
    /// Programs that the device has not: without `wget` loaders try `tftp`, without both they upload by `echo`.
    without: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        // The first try of a source, whatever it is, and from then on only that one: a scanner finds its way in, and the one
        // that tries two random passwords finds no honeypot.
        let credentials = Count::try_from(1).map_or(Policy::AcceptAll, Policy::After);
        Self { credentials, login_timeout_secs: 180, without: Vec::new() }
    }
}

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    credentials: Credentials,
    device: Arc<Device>,
    /// `HOST login: `
    prompt: String,
    login_timeout: Duration,
    max_payload: usize,
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let device = Device::new(Flavor::BusyBox, &environment.persona, &settings.without);
    let shared = Arc::new(Shared {
        credentials: Credentials::new(settings.credentials),
        prompt: format!("{} login: ", device.host()),
        device,
        login_timeout: Duration::from_secs(settings.login_timeout_secs),
        max_payload: environment.max_payload,
    });
    Ok(boxed(move |session: &Session| Telnet {
        recording: Recording::new(shared.max_payload),
        shared: Arc::clone(&shared),
        random: Random::new(session.seed),
        options: Options::default(),
        stage: Stage::Login(Box::default()),
        login_by: Timestamp::default(),
        ends_by: None,
    }))
}

#[derive(Debug)]
enum Stage {
    Login(Box<Login>),
    Shell(Box<Terminal>),
}

#[derive(Debug)]
struct Telnet {
    shared: Arc<Shared>,
    recording: Recording,
    random: Random,
    options: Options,
    stage: Stage,
    login_by: Timestamp,
    /// The visitor has closed its side: what it typed goes on until then at most.
    ends_by: Option<Timestamp>,
}

impl Telnet {
    fn input(&mut self, cx: &mut Context<'_>, byte: u8, out: &mut Vec<u8>) -> Step {
        match &mut self.stage {
            Stage::Login(login) => login.byte(cx, &self.shared, &mut self.random, byte, out),
            Stage::Shell(terminal) => {
                terminal.input(cx, &[byte], out);
                Step::Asking
            }
        }
    }

    /// Carries out what a login step came to.
    fn step(&mut self, cx: &mut Context<'_>, step: Step, out: &mut Vec<u8>) {
        match step {
            Step::Asking => {}
            Step::Over => self.close(cx),
            Step::In(ahead) => {
                let mut terminal = Terminal::new(Shell::new(Arc::clone(&self.shared.device), self.random.bits()));
                terminal.start(out);
                terminal.input(cx, &ahead, out);
                self.stage = Stage::Shell(Box::new(terminal));
            }
        }
    }

    fn close(&mut self, cx: &mut Context<'_>) {
        cx.close();
    }

    /// Sends what was printed, and asks for the next call or ends the session.
    fn settle(&mut self, cx: &mut Context<'_>, out: &[u8]) {
        if !out.is_empty() {
            cx.send(escaped(out));
        }
        let (due, is_over) = match &self.stage {
            Stage::Login(login) => (Some(login.due().unwrap_or(self.login_by)), login.due().is_none()),
            Stage::Shell(terminal) => {
                if terminal.has_ended() {
                    return self.close(cx);
                }
                (terminal.due(), terminal.due().is_none())
            }
        };
        if self.ends_by.is_some_and(|end| is_over || end <= cx.now()) {
            return self.close(cx);
        }
        match [due, self.ends_by].into_iter().flatten().min() {
            Some(due) => cx.deadline_in(due.saturating_since(cx.now())),
            None => cx.clear_deadline(),
        }
    }
}

impl Handler for Telnet {
    fn open(&mut self, cx: &mut Context<'_>) {
        self.login_by = cx.now() + self.shared.login_timeout;
        cx.send(OPENING);
        if let Stage::Login(login) = &mut self.stage {
            login.start(cx, &mut self.random);
        }
        self.settle(cx, b"");
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut out = Vec::new();
        let mut taken = 0;
        for &byte in bytes {
            taken += 1;
            // Answers to options go out as they are, text is escaped: they are kept apart, in their order.
            let mut answer = Vec::new();
            let text = self.options.byte(byte, &mut answer);
            if !answer.is_empty() {
                if !out.is_empty() {
                    cx.send(escaped(&std::mem::take(&mut out)));
                }
                cx.send(answer);
            }
            let Some(byte) = text else { continue };
            let step = self.input(cx, byte, &mut out);
            let is_over = step == Step::Over || matches!(&self.stage, Stage::Shell(terminal) if terminal.has_ended());
            self.step(cx, step, &mut out);
            if is_over {
                break;
            }
        }
        self.recording.push(bytes.get(..taken).unwrap_or(bytes));
        self.settle(cx, &out);
    }

    fn eof(&mut self, cx: &mut Context<'_>) {
        let mut out = Vec::new();
        if let Stage::Shell(terminal) = &mut self.stage {
            terminal.end_of_input(cx, &mut out);
        }
        self.ends_by = Some(cx.now() + LINGER);
        self.settle(cx, &out);
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        let mut out = Vec::new();
        let step = match &mut self.stage {
            Stage::Login(login) if login.due().is_some() => login.wake(cx, &self.shared, &mut self.random, &mut out),
            Stage::Login(_) if self.login_by <= cx.now() => {
                let seconds = self.shared.login_timeout.as_secs();
                out.extend_from_slice(format!("\r\nLogin timed out after {seconds} seconds\r\n").as_bytes());
                Step::Over
            }
            Stage::Login(_) => Step::Asking,
            Stage::Shell(terminal) => {
                terminal.wake(cx, &mut out);
                Step::Asking
            }
        };
        let is_over = step == Step::Over;
        self.step(cx, step, &mut out);
        if is_over {
            cx.send(escaped(&out));
        } else {
            self.settle(cx, &out);
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        match &mut self.stage {
            Stage::Shell(terminal) => terminal.closed(cx),
            Stage::Login(login) => {
                if let Some(name) = login.unanswered_name() {
                    let event = Event::new("login", format!("{}: no password", name.escape_ascii()));
                    cx.event(with_text(event, "username", name).with("success", false));
                }
            }
        }
        let mut event = self.recording.event(Direction::Recv);
        if let Some(decoded) = self.options.decoded() {
            event = event.with("decoded", decoded);
        }
        cx.event(event);
    }
}
