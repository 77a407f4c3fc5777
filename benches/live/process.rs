//! Processes that are measured: the engine as it ships, and peers on the same queue. Each is watched from outside, the same way.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use glutton_nfq::netns::{INTERFACE, Namespace};
use glutton_nfq::nfqueue::Statistics;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Until a process must be ready, or must have ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Queues of which the kernel's figures are summed up: more than any process here binds.
const QUEUES: u16 = 16;

/// A network of nobody (RFC 5737, section 3) that a sensor answers for.
pub(crate) const TELESCOPE: &str = "203.0.113.0/24";

/// Who carries the packets of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datapath {
    /// The kernel after the first packet, as shipped.
    Auto,
    /// The kernel after the first packet, by NAT.
    Redirect,
    /// The engine sees them all.
    Userspace,
    /// As shipped, for [`TELESCOPE`], whose connections the kernel does not track.
    Stateless,
}

/// A process that serves the queues of a namespace.
pub(crate) struct Server {
    child: Child,
    /// The process that serves: a child of the engine's supervisor, or the child itself.
    serving: u32,
    statistics: Statistics,
    _dir: TempDir,
}

/// What the kernel says about a namespace's queues, and the CPU time of who serves them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time of all threads.
    pub(crate) cpu: Duration,
    /// Packets that were handed to the process.
    pub(crate) packets: u64,
    /// Packets that were dropped because the queue or its socket was full.
    pub(crate) dropped: u64,
    /// Packets that wait for a verdict at this moment.
    pub(crate) waiting: u64,
}

impl Usage {
    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            packets: self.packets.saturating_sub(earlier.packets),
            dropped: self.dropped.saturating_sub(earlier.dropped),
            waiting: self.waiting,
        }
    }

    /// CPU time in nanoseconds for one packet.
    pub(crate) fn nanos_per_packet(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.packets.max(1) as f64
    }
}

impl Server {
    /// Starts the shipped binary (or the one that `GLUTTON_NFQ` names, to compare two builds) with these rules and waits until it serves.
    /// Events go to a file, as with `-l`.
    pub(crate) fn engine(namespace: &Namespace, rules: &str, queues: u16) -> Result<Self> {
        Self::engine_with(namespace, rules, queues, Datapath::Userspace)
    }

    /// As [`Self::engine`], with this datapath.
    pub(crate) fn engine_with(namespace: &Namespace, rules: &str, queues: u16, datapath: Datapath) -> Result<Self> {
        let (datapath, capture) = match datapath {
            Datapath::Auto => ("auto", String::new()),
            Datapath::Redirect => ("redirect", String::new()),
            Datapath::Userspace => ("userspace", String::new()),
            Datapath::Stateless => ("auto", format!("capture = [\"{TELESCOPE}\"]\nconntrack = false\n")),
        };
        let dir = tempfile::tempdir()?;
        let (said, state) = (dir.path().join("stderr"), dir.path().display());
        let config = format!(
            "[engine]\nqueues = {queues}\ndatapath = \"{datapath}\"\nstate_dir = \"{state}\"\n{capture}[server]\nmax_session_bytes = 1099511627776\n[events]\nsensor_id = \"bench\"\n[events.stdout]\nenabled = false\n"
        );
        fs::write(dir.path().join("rules.yml"), rules)?;
        fs::write(dir.path().join("glutton-nfq.toml"), config)?;
        let shipped = || env!("CARGO_BIN_EXE_glutton-nfq").into();
        let mut command = Command::new(std::env::var_os("GLUTTON_NFQ").unwrap_or_else(shipped));
        command.current_dir(dir.path()).env_remove("RUST_LOG");
        command.args(["-i", INTERFACE, "-r", "rules.yml", "-c", "glutton-nfq.toml", "-l", "events.jsonl"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
        let mut child = namespace.spawn(&mut command)?;
        await_that("the engine to be ready", || {
            let text = fs::read_to_string(&said)?;
            ensure!(child.try_wait()?.is_none(), "the engine ended at once: {text}");
            Ok(text.contains("glutton-nfq: ready").then_some(()))
        })?;
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()))?;
        let serving = children.split_whitespace().next().context("the engine has no process of its own")?.parse()?;
        Self::watched(child, serving, namespace, dir)
    }

    /// Starts a program that binds queue 0, accepts everything, and says a line when it has begun; and adds the iptables rules that divert
    /// packets into its queue, where the engine would.
    pub(crate) fn peer(namespace: &Namespace, command: &mut Command, diverting: &[String]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut child = namespace.spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        ensure!(line.starts_with("ready"), "the peer did not bind its queue");
        for rule in diverting {
            let output = namespace.output(Command::new("iptables").args(rule.split_whitespace()))?;
            ensure!(output.status.success(), "iptables: {}", String::from_utf8_lossy(&output.stderr));
        }
        let serving = child.id();
        Self::watched(child, serving, namespace, dir)
    }

    fn watched(child: Child, serving: u32, namespace: &Namespace, dir: TempDir) -> Result<Self> {
        let statistics = namespace.run(|| Statistics::open(0, QUEUES))??;
        Ok(Self { child, serving, statistics, _dir: dir })
    }

    /// What has been used so far.
    pub(crate) fn usage(&mut self) -> Result<Usage> {
        let mut usage = Usage { cpu: cpu_times(self.serving)?.values().sum(), ..Usage::default() };
        for queue in self.statistics.read()? {
            // A packet that found the socket full had its number already.
            usage.packets += u64::from(queue.last_id.saturating_sub(queue.user_dropped));
            usage.dropped += u64::from(queue.queue_dropped) + u64::from(queue.user_dropped);
            usage.waiting += u64::from(queue.waiting);
        }
        Ok(usage)
    }

    /// CPU time of each thread so far.
    pub(crate) fn threads(&self) -> Result<BTreeMap<String, Duration>> {
        cpu_times(self.serving)
    }

    /// What `work` uses, until the last of its packets has its verdict.
    pub(crate) fn during(&mut self, work: impl FnOnce() -> Result<()>) -> Result<Usage> {
        let before = self.usage()?;
        work()?;
        await_that("the queue to be empty", || Ok((self.usage()?.waiting == 0).then_some(())))?;
        Ok(self.usage()?.since(before))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The supervisor removes its rules and its child; whatever does not end is killed with its namespace.
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let ended = await_that("the end", || Ok(self.child.try_wait()?.map(|_| ())));
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// User and system time of a process's threads, by name: what the scheduler counted (`schedstat` of every task, in nanoseconds). Its sum is
/// the utime + stime of `/proc/PID/stat`, without the 10 ms steps of those.
fn cpu_times(pid: u32) -> Result<BTreeMap<String, Duration>> {
    let mut times = BTreeMap::new();
    for task in fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task"))? {
        let task = task?.path();
        let nanos = fs::read_to_string(task.join("schedstat"))?;
        let nanos = nanos.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let name = fs::read_to_string(task.join("comm"))?.trim_end().to_owned();
        *times.entry(name).or_default() += Duration::from_nanos(nanos);
    }
    Ok(times)
}

/// Looks again and again until there is an answer.
pub(crate) fn await_that<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(found) = look()? {
            return Ok(found);
        }
        thread::sleep(LOOK);
    }
    bail!("waited for {what} for {} s", PATIENCE.as_secs())
}
