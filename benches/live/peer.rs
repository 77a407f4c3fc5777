//! Peers on a queue: programs that accept everything, one packet a call.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The argument that makes this program the loop on the `nfq` crate.
pub(crate) const NFQ_LOOP: &str = "nfq-loop";
const QUEUE_LEN: u32 = 65_536;
const C_SOURCE: &str = include_str!("accept_all.c");

/// The loop on the `nfq` crate: this very program, told so.
pub(crate) fn nfq_crate() -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(NFQ_LOOP);
    Ok(command)
}

/// The loop on libnetfilter_queue, compiled into `dir`.
pub(crate) fn c_loop(dir: &Path) -> Result<Command> {
    fs::create_dir_all(dir)?;
    let (source, program) = (dir.join("accept_all.c"), dir.join("accept_all"));
    fs::write(&source, C_SOURCE)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-o"]).arg(&program).arg(&source).args(["-lnetfilter_queue", "-lnfnetlink"]);
    let output = compiler.output().context("running cc (apt-get install gcc)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| line.contains("error")).unwrap_or_default();
    ensure!(output.status.success(), "the C loop does not compile (apt-get install libnetfilter-queue-dev): {first}");
    Ok(Command::new(program))
}

/// What the README of the `nfq` crate shows, on queue 0, until it is killed.
pub(crate) fn serve_nfq_loop() -> Result<()> {
    let mut queue = nfq::Queue::open().context("opening the queue")?;
    queue.bind(0).context("binding queue 0")?;
    queue.set_queue_max_len(0, QUEUE_LEN)?;
    // Its socket buffer cannot be raised; a loss shall not end the loop.
    queue.set_recv_enobufs(false)?;
    super::say("ready")?;
    loop {
        let mut message = queue.recv()?;
        message.set_verdict(nfq::Verdict::Accept);
        queue.verdict(message)?;
    }
}
