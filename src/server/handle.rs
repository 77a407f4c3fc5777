//! Starting the server's threads, and ending them in order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use mio::{Poll, Waker};

use super::admission::Admission;
use super::answer_limit::AnswerLimits;
use super::bind::BoundServer;
use super::core::Parts;
use super::proof::Proofs;
use super::resolver::Resolver;
use super::token::Source;
use super::worker::{Worker, WorkerParts};
use super::{EventSink, FlowLookup};
use crate::clock::{Clock, Timestamp};
use crate::control::Counters;
use crate::handlers::Registry;
use crate::rules::ProxyTarget;
use crate::samples::SampleSender;

/// What the server works with.
pub struct Services {
    /// The handlers, with their settings.
    pub registry: Arc<Registry>,
    /// Who is served.
    pub flows: Arc<dyn FlowLookup>,
    /// Where limits that are hit are counted.
    pub counters: Arc<Counters>,
    /// Where files that visitors bring or name go.
    pub samples: SampleSender,
    /// The time.
    pub clock: Clock,
    /// Proxy targets of the rules, to be resolved before the first connection needs them. Others are resolved when met.
    pub targets: Vec<ProxyTarget>,
}

/// The word to stop, for all workers.
#[derive(Debug, Default)]
pub(super) struct Stop {
    wanted: AtomicBool,
    by_micros: AtomicU64,
}

impl Stop {
    /// Until when sessions have time to end, once that is wanted.
    pub(super) fn by(&self) -> Option<Timestamp> {
        self.wanted.load(SeqCst).then(|| Timestamp::from_micros(self.by_micros.load(SeqCst)))
    }

    fn want(&self, by: Timestamp) {
        self.by_micros.store(by.as_micros(), SeqCst);
        self.wanted.store(true, SeqCst);
    }
}

/// The running server. Dropping it ends the threads without waiting for them.
#[derive(Debug)]
pub struct ServerHandle {
    stop: Arc<Stop>,
    clock: Clock,
    wakers: Vec<Arc<Waker>>,
    resolver: Arc<Resolver>,
    ended: Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

impl BoundServer {
    /// Starts the worker threads and the one that resolves proxy targets. Each calls `on_thread_start` first: the place to give up
    /// what the thread must not have.
    ///
    /// # Errors
    /// When a thread cannot be started, or `on_thread_start` fails in one; those already running are ended.
    pub fn spawn(
        self,
        services: Services,
        sink: impl EventSink,
        on_thread_start: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<ServerHandle> {
        let polls: Vec<Poll> = self.workers.iter().map(|_| Poll::new()).collect::<io::Result<_>>()?;
        let wakers: Vec<Arc<Waker>> = polls
            .iter()
            .map(|poll| Waker::new(poll.registry(), Source::Wake.into()).map(Arc::new))
            .collect::<io::Result<_>>()?;
        let resolver = Arc::new(Resolver::new(wakers.clone(), self.config.tcp_port));
        for target in &services.targets {
            resolver.addresses(target);
        }
        let proofs = Proofs::new();
        let admission = Admission::new(self.config.max_sessions, self.config.max_sessions_per_source);
        let answers = AnswerLimits::new(&self.config);
        let mut starter = Starter::new(Arc::new(on_thread_start), &resolver, wakers, services.clock);
        let asking = Arc::clone(&resolver);
        starter.start("resolver".to_owned(), move || asking.run())?;
        for (number, (sockets, poll)) in self.workers.into_iter().zip(polls).enumerate() {
            let sink = sink.clone();
            let core = Parts {
                limits: self.config.clone(),
                counters: Arc::clone(&services.counters),
                registry: Arc::clone(&services.registry),
                resolver: Arc::clone(&resolver),
                proofs: Arc::clone(&proofs),
                samples: services.samples.clone(),
                flows: Arc::clone(&services.flows),
                clock: services.clock,
                sink: Box::new(move |record| sink.send(record)),
            };
            let (admission, answers) = (Arc::clone(&admission), Arc::clone(&answers));
            let stop = Arc::clone(&starter.handle.stop);
            let parts = WorkerParts { core, poll, sockets, admission, answers, stop };
            starter.start(format!("server-{number}"), move || Worker::run_with(parts))?;
        }
        Ok(starter.handle)
    }
}

/// Starts threads one after the other; what is started ends with the handle if one fails.
struct Starter {
    handle: ServerHandle,
    on_thread_start: Arc<dyn Fn() -> io::Result<()> + Send + Sync>,
    ended: Sender<()>,
}

impl Starter {
    fn new(
        on_thread_start: Arc<dyn Fn() -> io::Result<()> + Send + Sync>,
        resolver: &Arc<Resolver>,
        wakers: Vec<Arc<Waker>>,
        clock: Clock,
    ) -> Self {
        let (sender, ended) = bounded(wakers.len() + 1);
        let (stop, resolver) = (Arc::new(Stop::default()), Arc::clone(resolver));
        let handle = ServerHandle { stop, clock, wakers, resolver, ended, threads: Vec::new() };
        Self { handle, on_thread_start, ended: sender }
    }

    fn start(&mut self, name: String, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let (on_start, ended) = (Arc::clone(&self.on_thread_start), self.ended.clone());
        let (report, started) = bounded(1);
        let thread = thread::Builder::new().name(name.clone()).spawn(move || {
            let outcome = on_start();
            let goes_on = outcome.is_ok();
            // Nobody waits for these reports any more when the handle is gone: that is no failure.
            let _ = report.send(outcome);
            if goes_on {
                run();
            }
            let _ = ended.send(());
        })?;
        self.handle.threads.push(thread);
        started.recv().unwrap_or_else(|_| Err(io::Error::other(format!("thread {name} ended at its start"))))
    }
}

impl ServerHandle {
    /// Ends the server: nothing is accepted any more, handlers get their last call, what is queued is sent. Sessions that need longer than
    /// `within` are cut off. False when a thread has not ended a second after that.
    pub fn shutdown(mut self, within: Duration) -> bool {
        self.signal(within);
        let patience = within + Duration::from_secs(1);
        let begin = std::time::Instant::now();
        let ended = (0..self.threads.len())
            .take_while(|_| self.ended.recv_timeout(patience.saturating_sub(begin.elapsed())).is_ok())
            .count();
        if ended < self.threads.len() {
            return false;
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has ended, too.
            let _ = thread.join();
        }
        true
    }

    /// A thread has ended although nobody asked for it.
    pub fn has_failed(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    fn signal(&self, within: Duration) {
        self.stop.want(self.clock.now() + within);
        self.resolver.stop();
        for waker in &self.wakers {
            // A worker that cannot be woken has ended.
            let _ = waker.wake();
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.signal(Duration::ZERO);
        }
    }
}
