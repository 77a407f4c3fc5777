//! A supervisor in a forked process, with engines that only say what happens to them. Everything is told through one
//! pipe, line by line.

use std::io::{PipeReader, PipeWriter, Read};

use rustix::process::{Pid, WaitOptions, getpid, kill_process, test_kill_process, waitpid};

use super::*;

/// No line is awaited longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where everyone writes.
struct Journal(PipeWriter);

impl Journal {
    fn line(&self, text: &str) {
        (&self.0).write_all(format!("{text}\n").as_bytes()).unwrap();
    }
}

/// A supervisor under test.
struct Run {
    pid: Pid,
    journal: PipeReader,
    read: String,
}

impl Run {
    /// Forks a process that supervises `engine`, whose first argument counts the installs so far.
    fn start(policy: Policy, install: Result<(), &str>, engine: impl Fn(u32, EngineSide, &Journal) -> u8) -> Self {
        let (reader, writer) = io::pipe().unwrap();
        match process::fork().unwrap() {
            Some(pid) => Self { pid, journal: reader, read: String::new() },
            None => std::process::exit(supervisor_process(policy, install, &engine, &Journal(writer))),
        }
    }

    /// The next line of the journal.
    fn next(&mut self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while !self.read.contains('\n') {
            let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).unwrap();
            let mut fds = [PollFd::new(&self.journal, PollFlags::IN)];
            assert_eq!(poll(&mut fds, Some(&left)), Ok(1), "nothing happened in time");
            let mut bytes = [0; 4096];
            let length = self.journal.read(&mut bytes).unwrap();
            assert_ne!(length, 0, "everyone is gone without a word");
            self.read.push_str(str::from_utf8(&bytes[..length]).unwrap());
        }
        let (line, rest) = self.read.split_once('\n').map(|(line, rest)| (line.to_owned(), rest.to_owned())).unwrap();
        self.read = rest;
        line
    }

    fn expect(&mut self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.next(), *line);
        }
    }

    /// The number behind a line such as `running 123`.
    fn expect_pid(&mut self, word: &str) -> Pid {
        let line = self.next();
        let number = line.strip_prefix(word).unwrap_or_else(|| panic!("`{line}` instead of `{word} PID`")).trim();
        Pid::from_raw(number.parse().unwrap()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    fn exit_code(self) -> Option<i32> {
        waitpid(Some(self.pid), WaitOptions::empty()).unwrap().unwrap().1.exit_status()
    }
}

/// Duties that are told in the journal.
struct Told<'a, E> {
    installs: u32,
    install: Result<(), &'a str>,
    engine: &'a E,
    journal: &'a Journal,
}

impl<'a, E: Fn(u32, EngineSide, &Journal) -> u8> Duties for Told<'a, E> {
    type Error = &'a str;

    fn install(&mut self, ready: &Ready) -> Result<(), &'a str> {
        self.installs += 1;
        self.journal.line(&format!("install {}", ready.note));
        self.install
    }

    fn remove(&mut self) {
        self.journal.line("remove");
    }

    fn engine(&mut self, side: EngineSide) -> u8 {
        (self.engine)(self.installs, side, self.journal)
    }

    fn hangup(&mut self, engine: &mut Line) {
        if let Ok(answer) = engine.ask(b"new rules") {
            self.journal.line(&format!("answer {answer:?}"));
        }
    }

    fn door(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn answer_door(&mut self, _: &mut Line) {}
}

fn supervisor_process(
    policy: Policy,
    install: Result<(), &str>,
    engine: &impl Fn(u32, EngineSide, &Journal) -> u8,
    journal: &Journal,
) -> i32 {
    match supervise(&policy, Told { installs: 0, install, engine, journal }) {
        Ok(()) => {
            journal.line("end");
            0
        }
        Err(error) => {
            journal.line(&format!("error: {error}"));
            1
        }
    }
}

/// An engine as it should be: says what it gets, and ends when asked.
fn good_engine(side: EngineSide, journal: &Journal) -> u8 {
    let signals = SignalFd::block(&[Signal::TERM, Signal::HUP]).unwrap();
    let Ok(mut orders) = side.ready("5000") else {
        journal.line("dismissed");
        return 0;
    };
    journal.line(&format!("running {}", getpid().as_raw_pid()));
    loop {
        let mut fds = [PollFd::new(&signals, PollFlags::IN)];
        poll(&mut fds, None).unwrap();
        match signals.next().unwrap() {
            Some(Signal::TERM) => break,
            Some(signal) => {
                journal.line(&format!("signal {}", signal.as_raw()));
                let order = orders.receive().unwrap().unwrap();
                orders.answer(Ok(str::from_utf8(&order).unwrap())).unwrap();
            }
            None => {}
        }
    }
    journal.line("drained");
    0
}

fn impatient() -> Policy {
    Policy { backoff: Duration::from_millis(1), ..Policy::default() }
}

#[test]
fn sigterm_removes_the_rules_before_the_engine_is_told() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut run = Run::start(Policy::default(), Ok(()), |_, side, journal| good_engine(side, journal));
        run.expect(&["install 5000"]);
        run.expect_pid("running");
        run.signal(signal);
        run.expect(&["remove", "drained", "end"]);
        assert_eq!(run.exit_code(), Some(0));
    }
}

#[test]
fn an_engine_that_is_killed_loses_its_rules_within_a_second_and_comes_back() {
    let mut run = Run::start(impatient(), Ok(()), |_, side, journal| good_engine(side, journal));
    run.expect(&["install 5000"]);
    let engine = run.expect_pid("running");
    let killed = Instant::now();
    kill_process(engine, Signal::KILL).unwrap();
    run.expect(&["remove"]);
    assert!(killed.elapsed() < Duration::from_secs(1));
    run.expect(&["install 5000"]);
    assert_ne!(run.expect_pid("running"), engine);
    run.signal(Signal::TERM);
    run.expect(&["remove", "drained", "end"]);
}

#[test]
fn five_crashes_in_a_minute_are_enough() {
    let mut run = Run::start(impatient(), Ok(()), |_, side, _| if side.ready("").is_ok() { 7 } else { 0 });
    for _ in 0..5 {
        run.expect(&["install ", "remove"]);
    }
    let error = run.next();
    assert!(
        error.starts_with("error: the engine ended 5 times within 60 s") && error.contains("exit code 7"),
        "{error}"
    );
    assert_eq!(run.exit_code(), Some(1));
}

#[test]
fn a_panic_is_a_crash_like_any_other() {
    let mut run = Run::start(impatient(), Ok(()), |installs, side, journal| {
        if installs > 0 {
            return good_engine(side, journal);
        }
        side.ready("first").unwrap();
        std::panic::resume_unwind(Box::new(()));
    });
    run.expect(&["install first", "remove", "install 5000"]);
    run.expect_pid("running");
    run.signal(Signal::TERM);
    run.expect(&["remove", "drained", "end"]);
}

#[test]
fn a_set_up_error_is_told_once_and_not_tried_again() {
    let mut run = Run::start(impatient(), Ok(()), |_, side, _| side.fail("port 5000 is taken: set tcp_port"));
    run.expect(&["error: port 5000 is taken: set tcp_port"]);
    assert_eq!(run.exit_code(), Some(1));
}

#[test]
fn an_engine_that_dies_while_setting_up_is_restarted_and_then_given_up() {
    let mut run = Run::start(impatient(), Ok(()), |_, _side, _| 3);
    let error = run.next();
    assert!(error.contains("ended 5 times") && error.contains("exit code 3 while it was setting up"), "{error}");
}

#[test]
fn when_the_rules_cannot_be_installed_the_engine_is_dismissed() {
    let mut run = Run::start(impatient(), Err("no iptables"), |_, side, journal| good_engine(side, journal));
    run.expect(&["install 5000", "remove", "dismissed", "error: no iptables"]);
    assert_eq!(run.exit_code(), Some(1));
}

#[test]
fn an_engine_that_ends_well_ends_everything() {
    let mut run = Run::start(impatient(), Ok(()), |_, side, _| u8::from(side.ready("").is_err()));
    run.expect(&["install ", "remove", "end"]);
    assert_eq!(run.exit_code(), Some(0));
}

#[test]
fn sighup_reaches_the_engine() {
    let mut run = Run::start(impatient(), Ok(()), |_, side, journal| good_engine(side, journal));
    run.expect(&["install 5000"]);
    run.expect_pid("running");
    run.signal(Signal::HUP);
    run.expect(&[&format!("signal {}", Signal::HUP.as_raw()), "answer Ok(\"new rules\")"]);
    run.signal(Signal::TERM);
    run.expect(&["remove", "drained", "end"]);
}

#[test]
fn an_engine_that_does_not_drain_in_time_is_killed() {
    let policy = Policy { drain_timeout: Duration::from_millis(50), ..Policy::default() };
    let mut run = Run::start(policy, Ok(()), |_, side, journal| {
        let _deaf = SignalFd::block(&[Signal::TERM]).unwrap();
        side.ready("").unwrap();
        journal.line(&format!("running {}", getpid().as_raw_pid()));
        loop {
            std::thread::park();
        }
    });
    run.expect(&["install "]);
    let engine = run.expect_pid("running");
    run.signal(Signal::TERM);
    run.expect(&["remove", "end"]);
    assert!(test_kill_process(engine).is_err(), "the engine still runs");
}

#[test]
fn a_second_sigint_does_not_wait_for_the_drain() {
    let mut run =
        Run::start(Policy { drain_timeout: PATIENCE * 9, ..Policy::default() }, Ok(()), |_, side, journal| {
            let signals = SignalFd::block(&[Signal::TERM]).unwrap();
            side.ready("").unwrap();
            poll(&mut [PollFd::new(&signals, PollFlags::IN)], None).unwrap();
            journal.line("asked");
            loop {
                std::thread::park();
            }
        });
    run.expect(&["install "]);
    run.signal(Signal::INT);
    run.expect(&["remove", "asked"]);
    run.signal(Signal::INT);
    run.expect(&["end"]);
}

#[test]
fn sigterm_ends_the_pause_before_a_restart() {
    let policy = Policy { backoff: PATIENCE * 9, backoff_max: PATIENCE * 9, ..Policy::default() };
    let mut run = Run::start(policy, Ok(()), |_, side, _| side.ready("").map_or(0, |_| 1));
    run.expect(&["install ", "remove"]);
    run.signal(Signal::TERM);
    run.expect(&["end"]);
    assert_eq!(run.exit_code(), Some(0));
}

#[test]
fn sigterm_ends_an_engine_that_is_still_setting_up() {
    let mut run = Run::start(Policy::default(), Ok(()), |_, _side, journal| {
        journal.line("slow");
        loop {
            std::thread::park();
        }
    });
    run.expect(&["slow"]);
    run.signal(Signal::TERM);
    run.expect(&["end"]);
    assert_eq!(run.exit_code(), Some(0));
}

#[test]
fn an_engine_that_is_never_ready_is_killed() {
    let policy = Policy { setup_timeout: Duration::from_millis(50), ..Policy::default() };
    let mut run = Run::start(policy, Ok(()), |_, _side, _| {
        loop {
            std::thread::park();
        }
    });
    let error = run.next();
    assert!(error.starts_with("error: the engine was not ready within"), "{error}");
}

#[test]
fn an_engine_whose_parent_is_killed_stops_in_order() {
    let mut run = Run::start(Policy::default(), Ok(()), |_, side, journal| good_engine(side, journal));
    run.expect(&["install 5000"]);
    run.expect_pid("running");
    run.signal(Signal::KILL);
    run.expect(&["drained"]);
}

#[test]
fn a_process_with_threads_is_not_forked() {
    let (_, writer) = io::pipe().unwrap();
    let duties = Told { installs: 0, install: Ok(()), engine: &|_, _, _: &Journal| 0, journal: &Journal(writer) };
    let result = supervise(&Policy::default(), duties);
    assert!(matches!(result, Err(Error::Threads(2..))), "{result:?}");
}
