//! The engine while it serves: signals, the parent's orders, the kernel's counters; and its end.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{error, info, warn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::overload::Overload;
use super::process::Order;
use super::queue::QueueThread;
use crate::clock::Clock;
use crate::control::{Counter, Counters};
use crate::engine::Engine;
use crate::events::{Event, EventSender, EventWriter, Level, Record};
use crate::nfqueue::Statistics;
use crate::process::SignalFd;
use crate::rules::Sources;
use crate::samples::Collector;
use crate::server::ServerHandle;
use crate::supervisor::Orders;

/// How often the kernel's counters are read and the threads looked after.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
/// Time for sessions to end when the engine stops; the supervisor waits longer.
const SESSION_GRACE: Duration = Duration::from_secs(1);
/// Time for the sinks to write what is queued.
const WRITE_GRACE: Duration = Duration::from_secs(2);

/// The running engine.
pub(super) struct Running {
    pub(super) signals: SignalFd,
    pub(super) statistics: Option<Statistics>,
    pub(super) overload: Overload,
    pub(super) writer: EventWriter,
    pub(super) collector: Collector,
    pub(super) server: ServerHandle,
    pub(super) workers: Vec<QueueThread>,
    pub(super) engine: Arc<Engine>,
    pub(super) events: EventSender,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
}

impl Running {
    /// Says on standard error and as an event that packets are served from now on.
    pub(super) fn announce(&self, interfaces: &[String], rules: usize) {
        let interfaces = interfaces.join(", ");
        let text = format!("ready: {rules} rules on {interfaces}");
        // Whoever started the engine may have closed standard error; that is no reason to end.
        let _ = writeln!(io::stderr(), "glutton-nfq: {text}");
        self.send(Event::new("sensor_start", text).with("version", env!("CARGO_PKG_VERSION")));
    }

    /// Looks after signals, orders, threads and the kernel's counters until the end is asked for or a thread is lost.
    pub(super) fn watch(&mut self, orders: Orders) -> Result<(), String> {
        // Without a parent there are no orders, and SIGTERM is on its way.
        let mut orders = Some(orders);
        loop {
            match self.signals.next().map_err(|error| format!("cannot read signals: {error}"))? {
                Some(Signal::HUP) => {
                    info!("SIGHUP: reopening the event files");
                    self.writer.reopen();
                    continue;
                }
                Some(_) => return Ok(()),
                None => {}
            }
            if self.workers.iter().any(|worker| worker.thread.is_finished()) {
                return Err("a queue thread has ended: the engine cannot go on".to_owned());
            }
            if self.server.has_failed() {
                return Err("a server thread has ended: the engine cannot go on".to_owned());
            }
            self.read_statistics();
            self.overload.look(&self.counters, self.clock.now(), |line| warn!("{line}"));
            let mut waiting = vec![PollFd::new(&self.signals, PollFlags::IN)];
            waiting.extend(orders.as_ref().map(|orders| PollFd::new(orders, PollFlags::IN)));
            // Interrupted or not: the loop looks again.
            let _ = poll(&mut waiting, Some(&TICK));
            let is_ordered = waiting.get(1).is_some_and(|fd| !fd.revents().is_empty());
            orders = if is_ordered { orders.and_then(|orders| self.obey(orders)) } else { orders };
        }
    }

    /// Does what the parent wants; `None` when there is no parent any more.
    fn obey(&self, mut orders: Orders) -> Option<Orders> {
        let order = orders.receive().ok()??;
        let outcome = match Order::decode(&order) {
            Some(Order::Rules(sources)) => self.take_over(sources),
            Some(Order::Refused(why)) => {
                self.counters.count(Counter::RulesRefused);
                let event = Event::new("reload", "the rule file is wrong: the old rules go on").with("error", why);
                self.send(event.at_level(Level::Error));
                Ok(String::new())
            }
            None => Err("not understood".to_owned()),
        };
        orders.answer(outcome.as_deref().map_err(String::as_str)).ok()?;
        Some(orders)
    }

    /// Puts other rules in force.
    fn take_over(&self, mut sources: Sources) -> Result<String, String> {
        let rules = sources.rules().map_err(|error| error.to_string())?;
        let (count, file) = (rules.rules().len(), sources.path().display().to_string());
        self.engine.replace_rules(rules);
        let said = format!("reloaded: {count} rules from {file}");
        self.send(Event::new("reload", said.as_str()).with("rules", count).with("file", file));
        Ok(said)
    }

    fn send(&self, event: Event) {
        self.events.send(Record::Sensor { at: self.clock.now(), event: Box::new(event) });
    }

    fn read_statistics(&mut self) {
        if let Some(statistics) = &mut self.statistics
            && let Err(error) = statistics.refresh(&self.counters)
        {
            warn!("cannot read the queue statistics: {error}");
        }
    }

    /// Ends in the order in which work flows: no more packets, no more sessions, every flow reported, every event written.
    pub(super) fn stop(mut self) {
        let begin = Instant::now();
        self.read_statistics();
        // They hold the queues open.
        self.statistics = None;
        for worker in &self.workers {
            worker.stopper.stop();
        }
        for worker in self.workers {
            if worker.thread.join().is_err() {
                error!("a queue thread has panicked");
            }
        }
        if !self.server.shutdown(SESSION_GRACE) {
            warn!("sessions were cut off: they did not end within {} s", SESSION_GRACE.as_secs());
        }
        if !self.collector.finish(WRITE_GRACE) {
            warn!("samples were lost: they were not stored within {} s", WRITE_GRACE.as_secs());
        }
        let now = self.clock.now();
        self.overload.finish(&self.counters, now, |line| warn!("{line}"));
        self.engine.flows().close_all(now, &mut |event| self.events.send(Record::Flow(event)));
        let summary = self.counters.summary();
        let event = Event::new("sensor_stop", summary.clone());
        self.events.send(Record::Sensor { at: now, event: Box::new(event) });
        if !self.writer.finish(WRITE_GRACE) {
            warn!("events were lost: the sinks did not write them within {} s", WRITE_GRACE.as_secs());
        }
        let _ = writeln!(io::stderr(), "glutton-nfq: stopped after {:.1?}: {summary}", begin.elapsed());
    }
}
