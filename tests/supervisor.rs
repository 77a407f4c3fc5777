//! A supervisor in a process of its own, with engines that only say what happens to them. Everything is told on its standard output,
//! line by line.
//!
//! `supervise` forks, so its process has one thread: a lock that another thread holds, that of standard output for one, stays locked in
//! the child for ever. The threads of the usual test harness would be such; so this program is its own harness, and calls itself
//! again for every supervisor.

#![cfg(test)]

use std::io::Read;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use glutton_nfq::supervisor::{Duties, EngineSide, Line, Policy, Ready, supervise};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, getpid, kill_process, test_kill_process};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;

/// No line is awaited longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Before the name of the test whose supervisor this process is to be.
const SUPERVISE: &str = "--supervise";

/// A test: a supervisor, and what must become of it.
struct Test {
    name: &'static str,
    policy: fn() -> Policy,
    install: fn() -> Result<(), &'static str>,
    /// The engine; its first argument counts the installs so far.
    engine: fn(u32, EngineSide) -> u8,
    story: fn(Run),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [word, name] if word == SUPERVISE => supervisor_process(TESTS.iter().find(|test| test.name == name).unwrap()),
        _ => run_tests(&arguments),
    }
}

/// Flags of the usual harness that have a value.
const VALUED: [&str; 6] = ["--test-threads", "--skip", "--format", "--color", "--logfile", "-Z"];

/// As the usual harness: arguments are parts of test names; flags other than `--list` and `--exact` have nothing to say here.
fn run_tests(arguments: &[String]) -> ExitCode {
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let before = std::iter::once("").chain(arguments.iter().map(String::as_str));
    let is_name = |(before, argument): &(&str, &String)| !argument.starts_with('-') && !VALUED.contains(before);
    let names: Vec<&String> = before.zip(arguments).filter(is_name).map(|(_, argument)| argument).collect();
    let is_wanted = |test: &&Test| {
        let fits = |name: &&String| if has("--exact") { test.name == *name } else { test.name.contains(*name) };
        names.is_empty() || names.iter().any(fits)
    };
    let mut code = ExitCode::SUCCESS;
    for test in TESTS.iter().filter(is_wanted) {
        if has("--list") {
            println!("{}: test", test.name);
            continue;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| (test.story)(Run::start(test.name))));
        println!("test {} ... {}", test.name, if outcome.is_ok() { "ok" } else { "FAILED" });
        if outcome.is_err() {
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn supervisor_process(test: &Test) -> ExitCode {
    match supervise(&(test.policy)(), Told { installs: 0, test }) {
        Ok(()) => {
            println!("end");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Duties that are told.
struct Told<'a> {
    installs: u32,
    test: &'a Test,
}

impl Duties for Told<'_> {
    type Error = &'static str;

    fn install(&mut self, ready: &Ready) -> Result<(), &'static str> {
        self.installs += 1;
        println!("install {}", ready.note);
        (self.test.install)()
    }

    fn remove(&mut self) {
        println!("remove");
    }

    fn look_after(&mut self) {
        println!("looked");
    }

    fn engine(&mut self, side: EngineSide) -> u8 {
        (self.test.engine)(self.installs, side)
    }

    fn hangup(&mut self, engine: &mut Line) {
        if let Ok(answer) = engine.ask(b"new rules") {
            println!("answer {answer:?}");
        }
    }

    fn door(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn answer_door(&mut self, _: &mut Line) {}
}

/// An engine as it should be: says what it gets, and ends when asked.
fn good_engine(side: EngineSide) -> u8 {
    let mut signals = Signals::new([SIGTERM, SIGHUP]).unwrap();
    let Ok(mut orders) = side.ready("5000") else {
        println!("dismissed");
        return 0;
    };
    println!("running {}", getpid().as_raw_pid());
    for signal in signals.forever() {
        if signal == SIGTERM {
            break;
        }
        println!("signal {signal}");
        let order = orders.receive().unwrap().unwrap();
        orders.answer(Ok(str::from_utf8(&order).unwrap())).unwrap();
    }
    println!("drained");
    0
}

/// An engine that goes on, whatever it is told.
fn go_on() -> ! {
    loop {
        std::thread::park();
    }
}

fn impatient() -> Policy {
    Policy { backoff: Duration::from_millis(1), ..Policy::default() }
}

/// A supervisor under test; killed at the latest when the story is over.
struct Run {
    process: Child,
    journal: ChildStdout,
    read: String,
}

impl Run {
    fn start(name: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command.args([SUPERVISE, name]).stdout(Stdio::piped()).spawn().unwrap();
        let journal = process.stdout.take().unwrap();
        Self { process, journal, read: String::new() }
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
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It may be gone already; an engine that is left gets SIGTERM from the kernel.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const TESTS: &[Test] = &[
    Test {
        name: "sigterm_removes_the_rules_before_the_engine_is_told",
        policy: Policy::default,
        install: || Ok(()),
        engine: |_, side| good_engine(side),
        story: |run| ends_in_order(run, Signal::TERM),
    },
    Test {
        name: "sigint_removes_the_rules_before_the_engine_is_told",
        policy: Policy::default,
        install: || Ok(()),
        engine: |_, side| good_engine(side),
        story: |run| ends_in_order(run, Signal::INT),
    },
    Test {
        name: "what_was_installed_is_looked_after_while_the_engine_runs",
        policy: || Policy { look_interval: Duration::from_millis(5), ..Policy::default() },
        install: || Ok(()),
        engine: |_, side| side.ready("").map_or(0, |_| go_on()),
        story: |mut run| run.expect(&["install ", "looked", "looked"]),
    },
    Test {
        name: "an_engine_that_is_killed_loses_its_rules_within_a_second_and_comes_back",
        policy: impatient,
        install: || Ok(()),
        engine: |_, side| good_engine(side),
        story: |mut run| {
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
        },
    },
    Test {
        name: "five_crashes_in_a_minute_are_enough",
        policy: impatient,
        install: || Ok(()),
        engine: |_, side| if side.ready("").is_ok() { 7 } else { 0 },
        story: |mut run| {
            for _ in 0..5 {
                run.expect(&["install ", "remove"]);
            }
            let error = run.next();
            let says = |text: &str| error.contains(text);
            assert!(says("error: the engine ended 5 times within 60 s") && says("exit code 7"), "{error}");
            assert_eq!(run.exit_code(), Some(1));
        },
    },
    Test {
        name: "a_panic_is_a_crash_like_any_other",
        policy: impatient,
        install: || Ok(()),
        engine: |installs, side| {
            if installs > 0 {
                return good_engine(side);
            }
            side.ready("first").unwrap();
            std::panic::resume_unwind(Box::new(()));
        },
        story: |mut run| {
            run.expect(&["install first", "remove", "install 5000"]);
            run.expect_pid("running");
            run.signal(Signal::TERM);
            run.expect(&["remove", "drained", "end"]);
        },
    },
    Test {
        name: "a_set_up_error_is_told_once_and_not_tried_again",
        policy: impatient,
        install: || Ok(()),
        engine: |_, side| side.fail("port 5000 is taken: set tcp_port"),
        story: |mut run| {
            run.expect(&["error: port 5000 is taken: set tcp_port"]);
            assert_eq!(run.exit_code(), Some(1));
        },
    },
    Test {
        name: "an_engine_that_dies_while_setting_up_is_restarted_and_then_given_up",
        policy: impatient,
        install: || Ok(()),
        engine: |_, _side| 3,
        story: |mut run| {
            let error = run.next();
            let says = |text: &str| error.contains(text);
            assert!(says("ended 5 times") && says("exit code 3 while it was setting up"), "{error}");
        },
    },
    Test {
        name: "when_the_rules_cannot_be_installed_the_engine_is_dismissed",
        policy: impatient,
        install: || Err("no iptables"),
        engine: |_, side| good_engine(side),
        story: |mut run| {
            run.expect(&["install 5000", "remove", "dismissed", "error: no iptables"]);
            assert_eq!(run.exit_code(), Some(1));
        },
    },
    Test {
        name: "an_engine_that_ends_well_ends_everything",
        policy: impatient,
        install: || Ok(()),
        engine: |_, side| u8::from(side.ready("").is_err()),
        story: |mut run| {
            run.expect(&["install ", "remove", "end"]);
            assert_eq!(run.exit_code(), Some(0));
        },
    },
    Test {
        name: "sighup_reaches_the_engine",
        policy: impatient,
        install: || Ok(()),
        engine: |_, side| good_engine(side),
        story: |mut run| {
            run.expect(&["install 5000"]);
            run.expect_pid("running");
            run.signal(Signal::HUP);
            run.expect(&[&format!("signal {SIGHUP}"), "answer Ok(\"new rules\")"]);
            run.signal(Signal::TERM);
            run.expect(&["remove", "drained", "end"]);
        },
    },
    Test {
        name: "an_engine_that_does_not_drain_in_time_is_killed",
        policy: || Policy { drain_timeout: Duration::from_millis(50), ..Policy::default() },
        install: || Ok(()),
        engine: |_, side| {
            let _deaf = Signals::new([SIGTERM]).unwrap();
            side.ready("").unwrap();
            println!("running {}", getpid().as_raw_pid());
            go_on()
        },
        story: |mut run| {
            run.expect(&["install "]);
            let engine = run.expect_pid("running");
            run.signal(Signal::TERM);
            run.expect(&["remove", "end"]);
            assert!(test_kill_process(engine).is_err(), "the engine still runs");
        },
    },
    Test {
        name: "a_second_sigint_does_not_wait_for_the_drain",
        policy: || Policy { drain_timeout: PATIENCE * 9, ..Policy::default() },
        install: || Ok(()),
        engine: |_, side| {
            let mut signals = Signals::new([SIGTERM]).unwrap();
            side.ready("").unwrap();
            signals.forever().next();
            println!("asked");
            go_on()
        },
        story: |mut run| {
            run.expect(&["install "]);
            run.signal(Signal::INT);
            run.expect(&["remove", "asked"]);
            run.signal(Signal::INT);
            run.expect(&["end"]);
        },
    },
    Test {
        name: "sigterm_ends_the_pause_before_a_restart",
        policy: || Policy { backoff: PATIENCE * 9, backoff_max: PATIENCE * 9, ..Policy::default() },
        install: || Ok(()),
        engine: |_, side| side.ready("").map_or(0, |_| 1),
        story: |mut run| {
            run.expect(&["install ", "remove"]);
            run.signal(Signal::TERM);
            run.expect(&["end"]);
            assert_eq!(run.exit_code(), Some(0));
        },
    },
    Test {
        name: "sigterm_ends_an_engine_that_is_still_setting_up",
        policy: Policy::default,
        install: || Ok(()),
        engine: |_, _side| {
            println!("slow");
            go_on()
        },
        story: |mut run| {
            run.expect(&["slow"]);
            run.signal(Signal::TERM);
            run.expect(&["end"]);
            assert_eq!(run.exit_code(), Some(0));
        },
    },
    Test {
        name: "an_engine_that_is_never_ready_is_killed",
        policy: || Policy { setup_timeout: Duration::from_millis(50), ..Policy::default() },
        install: || Ok(()),
        engine: |_, _side| go_on(),
        story: |mut run| {
            let error = run.next();
            assert!(error.starts_with("error: the engine was not ready within"), "{error}");
        },
    },
    Test {
        name: "an_engine_whose_parent_is_killed_stops_in_order",
        policy: Policy::default,
        install: || Ok(()),
        engine: |_, side| good_engine(side),
        story: |mut run| {
            run.expect(&["install 5000"]);
            run.expect_pid("running");
            run.signal(Signal::KILL);
            run.expect(&["drained"]);
        },
    },
    Test {
        name: "a_process_with_threads_is_not_forked",
        policy: || {
            start_thread();
            Policy::default()
        },
        install: || Ok(()),
        engine: |_, side| good_engine(side),
        story: |mut run| run.expect(&[TWO_THREADS]),
    },
    Test {
        name: "a_crashed_engine_is_not_started_again_once_there_are_threads",
        policy: impatient,
        install: || {
            start_thread();
            Ok(())
        },
        engine: |_, side| if side.ready("").is_ok() { 7 } else { 0 },
        story: |mut run| run.expect(&["install ", "remove", TWO_THREADS]),
    },
];

const TWO_THREADS: &str = "error: cannot fork the engine: 2 threads run already; supervise before any is started";

fn start_thread() {
    std::thread::spawn(|| go_on());
}

fn ends_in_order(mut run: Run, signal: Signal) {
    run.expect(&["install 5000"]);
    run.expect_pid("running");
    run.signal(signal);
    run.expect(&["remove", "drained", "end"]);
    assert_eq!(run.exit_code(), Some(0));
}
