//! The built binary in the sensor: started as an operator starts it, watched, stopped, and held to leave nothing behind.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::events::Events;
use super::firewall::{Variant, saved_rules};
use super::{Lab, PATIENCE, within};

/// The command line of an engine.
pub(crate) struct EngineBuilder<'a> {
    lab: &'a Lab,
    binary: PathBuf,
    wrapper: Vec<String>,
    args: Vec<String>,
    events: PathBuf,
    variant: Variant,
}

impl<'a> EngineBuilder<'a> {
    pub(super) fn new(lab: &'a Lab) -> Self {
        Self {
            lab,
            binary: PathBuf::from(env!("CARGO_BIN_EXE_glutton-nfq")),
            wrapper: Vec::new(),
            args: Vec::new(),
            events: lab.path("events.jsonl"),
            variant: Variant::System,
        }
    }

    /// Runs these rules (YAML).
    pub(crate) fn rules(self, yaml: &str) -> Self {
        let file = self.lab.file("rules.yml", yaml);
        self.args(["-r", file.to_str().unwrap()])
    }

    /// Runs with this configuration (TOML).
    pub(crate) fn config(self, toml: &str) -> Self {
        let file = self.lab.file("glutton-nfq.toml", toml);
        self.args(["-c", file.to_str().unwrap()])
    }

    /// Runs with this datapath and the configuration's defaults.
    pub(crate) fn datapath(self, datapath: &str) -> Self {
        self.config(&format!("[engine]\ndatapath = \"{datapath}\"\n"))
    }

    /// Further arguments.
    pub(crate) fn args<'b>(mut self, args: impl IntoIterator<Item = &'b str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// Starts through another program, for example one that takes rights away; the binary and its arguments follow `words`.
    pub(crate) fn through(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts this copy of the binary.
    pub(crate) fn binary(mut self, binary: PathBuf) -> Self {
        self.binary = binary;
        self
    }

    /// Uses this iptables variant.
    pub(crate) fn variant(mut self, variant: Variant) -> Self {
        self.variant = variant;
        self
    }

    /// Writes no events that a test could read: for floods, whose events would fill the disk.
    pub(crate) fn without_events(mut self) -> Self {
        self.events = PathBuf::from("/dev/null");
        self
    }

    /// Starts the engine and waits until it is ready.
    pub(crate) fn start(self) -> Engine<'a> {
        let rules_before = saved_rules(self.lab, self.variant);
        let mut command = self.command();
        let mut child = self.lab.sensor_namespace().spawn(&mut command).unwrap();
        let said = Said::by(child.stderr.take().unwrap());
        let mut engine =
            Engine { lab: self.lab, child, said, events: Events::of(self.events), variant: self.variant, rules_before };
        let ready = within(PATIENCE, || {
            if engine.said.text().contains("glutton-nfq: ready") {
                return Some(true);
            }
            engine.child.try_wait().unwrap().map(|_| false)
        });
        assert_eq!(ready, Some(true), "the engine did not become ready; it said: {}", engine.said.text());
        engine
    }

    /// Runs an engine that must end by itself soon, and returns how it ended.
    pub(crate) fn refusal(self) -> Refusal {
        let rules_before = saved_rules(self.lab, self.variant);
        let mut child = self.lab.sensor_namespace().spawn(&mut self.command()).unwrap();
        let said = Said::by(child.stderr.take().unwrap());
        let Some(status) = within(PATIENCE, || child.try_wait().unwrap()) else {
            let _ = child.kill();
            panic!("the engine should have refused to start; it said: {}", said.text());
        };
        assert_eq!(saved_rules(self.lab, self.variant), rules_before, "a refused start left rules behind");
        Refusal { status, text: said.whole() }
    }

    fn command(&self) -> Command {
        // The descriptor limit of an ordinary login shell, whatever this test process has: raising it is the engine's business.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -Sn 1024; exec \"$@\"", "sh"]).args(&self.wrapper).arg(&self.binary);
        command.arg("-l").arg(&self.events).args(&self.args);
        command.env("PATH", self.variant.path(self.lab));
        command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

/// How an engine ended that refused to start.
pub(crate) struct Refusal {
    /// Its exit status.
    pub(crate) status: ExitStatus,
    /// What it said on standard error.
    pub(crate) text: String,
}

/// A running engine. Dropped without [`Engine::stop`] (a test failed) it is killed.
pub(crate) struct Engine<'a> {
    lab: &'a Lab,
    child: Child,
    said: Said,
    /// Its events.
    pub(crate) events: Events,
    variant: Variant,
    rules_before: String,
}

impl Engine<'_> {
    /// The process that was started: the supervising parent.
    pub(crate) fn parent(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The parent's children: the engine proper.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let parent = self.parent().as_raw_nonzero();
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    }

    /// What it has said on standard error so far.
    pub(crate) fn said(&self) -> String {
        self.said.text()
    }

    /// Waits for the exit of the parent after `signal`.
    pub(crate) fn end_with(&mut self, signal: Signal) -> ExitStatus {
        rustix::process::kill_process(self.parent(), signal).unwrap();
        let status = within(PATIENCE, || self.child.try_wait().unwrap());
        status.unwrap_or_else(|| panic!("the engine outlived {signal:?}; it said: {}", self.said.text()))
    }

    /// How the parent has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Stops it with SIGTERM: exit code 0, firewall as before.
    pub(crate) fn stop(self) {
        self.stop_with(Signal::TERM);
    }

    /// Stops it with `signal`: exit code 0, firewall as before.
    pub(crate) fn stop_with(mut self, signal: Signal) {
        let status = self.end_with(signal);
        assert_eq!(
            status.code(),
            Some(0),
            "after {signal:?} the engine ended with {status}; it said: {}",
            self.said.text()
        );
        assert_eq!(saved_rules(self.lab, self.variant), self.rules_before, "rules were left behind after {signal:?}");
    }

    /// Stops it with SIGTERM; everything that it has said on standard error.
    pub(crate) fn end_and_say(mut self) -> String {
        let status = self.end_with(Signal::TERM);
        assert_eq!(status.code(), Some(0), "the engine ended with {status}; it said: {}", self.said.text());
        within(Duration::from_secs(2), || self.said.thread.is_finished().then_some(()));
        self.said.text()
    }

    /// The firewall is as it was before the engine started.
    pub(crate) fn assert_rules_as_before(&self) {
        assert_eq!(saved_rules(self.lab, self.variant), self.rules_before, "rules were left behind");
    }

    /// The most memory that its processes have had resident so far, in bytes, shared pages counted in each.
    pub(crate) fn peak_memory(&self) -> u64 {
        let peak = |pid: &Pid| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
        };
        self.children().iter().chain([&self.parent()]).map(peak).sum()
    }
}

impl Drop for Engine<'_> {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let children = self.children();
            // The parent first: it would start another child.
            for pid in [self.parent()].into_iter().chain(children) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the engine said:\n{}", self.said.text());
        }
    }
}

/// What a process says on standard error, collected while it runs.
struct Said {
    text: Arc<Mutex<String>>,
    thread: JoinHandle<()>,
}

impl Said {
    fn by(stderr: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&text);
        let thread = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut text = written.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { text, thread }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// Everything, after the process and whatever inherited its standard error have ended.
    fn whole(self) -> String {
        within(Duration::from_secs(2), || self.thread.is_finished().then_some(()));
        self.text()
    }
}
