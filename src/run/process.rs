//! The engine process: what root opens, and how an unprivileged process starts to serve with it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;

use log::{error, warn};
use rustix::process::Signal;
use thiserror::Error;

use super::identity::Identity;
use super::overload::Overload;
use super::queue::{self, QueueDecider, QueueThread};
use super::running::Running;
use crate::clock::Clock;
use crate::config::{Config, Fail};
use crate::control::Counters;
use crate::engine::{Capture, Course, Engine, Settings};
use crate::events::{self, EventSender, EventWriter, Owner};
use crate::flow::{FlowTable, Seed};
use crate::handlers::Registry;
use crate::host;
use crate::nfqueue::{self, Options, Overruns, Socket, Statistics, Worker};
use crate::privilege::{self, Account};
use crate::process::SignalFd;
use crate::rules::{Action, ProxyTarget, RuleSet, Sources};
use crate::samples::{self, Collector, Fetching, Store};
use crate::server::{self, BoundServer, ServerHandle, Services};
use crate::supervisor::EngineSide;

/// Why the engine process could not set itself up, or had to end.
#[derive(Debug, Error)]
enum Error {
    #[error(transparent)]
    Queue(#[from] nfqueue::Error),
    #[error(transparent)]
    Bind(#[from] server::BindError),
    #[error(transparent)]
    Sink(#[from] events::SinkError),
    #[error(transparent)]
    Privilege(#[from] privilege::Error),
    #[error("cannot {what}: {source}")]
    Io { what: &'static str, source: io::Error },
}

fn io_error(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { what, source }
}

/// What the forked process needs; the parent makes it once and every restart uses it again.
pub(super) struct EngineProcess {
    pub(super) config: Config,
    pub(super) rules: Arc<RuleSet>,
    pub(super) registry: Arc<Registry>,
    pub(super) settings: Settings,
    pub(super) interfaces: Vec<String>,
    /// The kernel delivers packets to captured networks.
    pub(super) carries_captured: bool,
    pub(super) account: Account,
    pub(super) identity: Identity,
}

/// What the parent tells a running engine.
pub(super) enum Order {
    /// The parent has read and checked these rules: put them in force.
    Rules(Sources),
    /// The rule file is wrong, and this is what is wrong with it.
    Refused(String),
}

impl Order {
    const RULES: u8 = b'R';
    const REFUSED: u8 = b'E';

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Rules(sources) => [&[Self::RULES], sources.encode().as_slice()].concat(),
            Self::Refused(why) => [&[Self::REFUSED], why.as_bytes()].concat(),
        }
    }

    pub(super) fn decode(encoded: &[u8]) -> Option<Self> {
        match encoded.split_first()? {
            (&Self::RULES, sources) => Sources::decode(sources).map(Self::Rules),
            (&Self::REFUSED, why) => Some(Self::Refused(String::from_utf8_lossy(why).into_owned())),
            _ => None,
        }
    }
}

/// What must be opened as root.
struct Opened {
    /// The queues of each worker.
    queues: Vec<Vec<Socket>>,
    statistics: Option<Statistics>,
    server: BoundServer,
    sinks: Vec<Box<dyn events::Sink>>,
    store: Option<Store>,
}

impl EngineProcess {
    /// The life of the engine process; what it returns is its exit code.
    pub(super) fn run(&self, side: EngineSide) -> u8 {
        let started = self.open().and_then(|opened| {
            privilege::drop_to(&self.account)?;
            self.start(opened)
        });
        let mut running = match started {
            Ok(running) => running,
            Err(error) => return side.fail(&error.to_string()),
        };
        let Ok(orders) = side.ready("") else {
            // The rules were not installed; the parent has said why.
            running.stop();
            return 0;
        };
        running.announce(&self.interfaces, self.rules.rules().len());
        let outcome = running.watch(orders);
        running.stop();
        match outcome {
            Ok(()) => 0,
            Err(why) => {
                error!("{why}");
                1
            }
        }
    }

    fn open(&self) -> Result<Opened, Error> {
        let config = &self.config;
        let (first, count) = (config.engine.queue_num, config.engine.queues);
        let bind = |number| Socket::bind(&Options::new(&config.engine, number));
        let numbers = first..first.saturating_add(count);
        let queues = numbers.map(|number| Ok(vec![bind(number)?, bind(number.saturating_add(count))?]));
        let queues = queues.collect::<Result<Vec<_>, Error>>()?;
        let statistics = Statistics::open(first, 2 * count);
        let statistics = statistics.inspect_err(|error| warn!("no queue statistics: {error}")).ok();
        let statistics = statistics.map(|statistics| match config.engine.fail {
            Fail::Open => statistics.failing_open(config.engine.queue_len, overruns(&queues)),
            Fail::Closed => statistics,
        });
        let mut server = server::bind(&config.server)?;
        let kernel = &self.settings.kernel;
        if let Some(marks) = kernel.marks.filter(|_| kernel.transparent) {
            server
                .make_transparent(marks.value(Course::Transparent))
                .map_err(io_error("make the listeners transparent"))?;
        }
        if let Some(port) = self.settings.kernel.redirect_port {
            server.listen_for_redirected(port)?;
        }
        let owner = Owner { uid: self.account.uid, gid: self.account.gid };
        let sinks = events::open_sinks(&config.events, Some(owner))?;
        let dir = config.samples.dir.clone().unwrap_or_else(|| config.engine.state_dir.join("samples"));
        let store = Store::open(&dir, &config.samples, Some(owner));
        let store = store.inspect_err(|error| {
            warn!(
                "cannot open {}: {error}: no samples are stored; set samples.dir to a directory that can be",
                dir.display()
            );
        });
        Ok(Opened { queues, statistics, server, sinks, store: store.ok() })
    }

    /// Starts every thread. Signals are blocked before, so that they come to [`Running::watch`] and nowhere else.
    fn start(&self, opened: Opened) -> Result<Running, Error> {
        let signals = SignalFd::block(&[Signal::TERM, Signal::HUP]).map_err(io_error("block signals"))?;
        let (config, clock) = (&self.config, Clock::start());
        let counters = Arc::new(Counters::default());
        let (events, records) = events::channel(config.events.queue_len, Arc::clone(&counters));
        let writer =
            EventWriter::start(records, opened.sinks, self.identity.sensor_id.clone(), Arc::clone(&counters), clock);
        let writer = writer.map_err(io_error("start the event threads"))?;
        let flows = FlowTable::new(config.engine.max_flows, config.engine.timeouts, random_seed(), clock.now());
        let flows = Arc::new(flows);
        let (samples, received) = samples::channel(&config.samples, Arc::clone(&counters));
        let fetching = Fetching {
            limits: config.samples.clone(),
            captured: config.engine.capture.clone(),
            persona: Arc::clone(&self.identity.guise.persona),
            events: events.clone(),
            counters: Arc::clone(&counters),
            clock,
        };
        let drop_all = || privilege::drop_all().map_err(io::Error::other);
        let collector = Collector::start(received, opened.store, fetching, Arc::clone(&counters), drop_all);
        let collector = collector.map_err(io_error("start the threads for samples"))?;
        let services = Services {
            registry: Arc::clone(&self.registry),
            flows: Arc::clone(&flows) as Arc<dyn server::FlowLookup>,
            counters: Arc::clone(&counters),
            samples,
            clock,
            targets: self.proxy_targets(),
        };
        let server = start_server(opened.server, services, &events)?;
        let rules = Arc::clone(&self.rules);
        let engine = Engine::new(rules, Arc::clone(&flows), Arc::clone(&counters), self.settings);
        let engine = engine.capturing(self.capture()).limiting_sources(&config.engine);
        let engine = Arc::new(engine);
        let workers = self.start_workers(opened.queues, &engine, &events, &counters, clock)?;
        let (statistics, overload) = (opened.statistics, Overload::default());
        Ok(Running {
            signals,
            statistics,
            overload,
            writer,
            collector,
            server,
            workers,
            engine,
            events,
            counters,
            clock,
        })
    }

    fn start_workers(
        &self,
        queues: Vec<Vec<Socket>>,
        engine: &Arc<Engine>,
        events: &EventSender,
        counters: &Arc<Counters>,
        clock: Clock,
    ) -> Result<Vec<QueueThread>, Error> {
        let config = &self.config.engine;
        let places = if config.pin { queue::places(queues.len()) } else { vec![None; queues.len()] };
        let start = |((number, queues), cpu)| {
            let decider = QueueDecider { engine: Arc::clone(engine), events: events.clone() };
            let worker = Worker::new(queues, config.fail, decider, clock, Arc::clone(counters))?;
            QueueThread::start(number, worker, cpu).map_err(io_error("start a queue thread"))
        };
        queues.into_iter().enumerate().zip(places).map(start).collect()
    }

    /// The captured networks, and what stands in for them.
    fn capture(&self) -> Capture {
        let networks = self.config.engine.capture.clone();
        let (v4, v6) = if networks.is_empty() { (None, None) } else { host::stand_ins() };
        let untracked = !self.config.engine.conntrack;
        Capture { networks, untracked, carried: self.carries_captured, v4, v6 }
    }

    /// Proxy targets of the rules, to be resolved at once.
    fn proxy_targets(&self) -> Vec<ProxyTarget> {
        let targets = self.rules.rules().iter().filter_map(|rule| match &rule.action {
            Action::Proxy(target) | Action::ProxySsh(target) => Some(target.clone()),
            _ => None,
        });
        targets.collect()
    }
}

/// What shows that packets pass the sockets of these queues undecided.
fn overruns(queues: &[Vec<Socket>]) -> Vec<Overruns> {
    let overruns = queues.iter().flatten().map(Socket::overruns).collect::<io::Result<_>>();
    overruns.unwrap_or_else(|error| {
        warn!("packets that pass a full receive buffer are not counted: {error}");
        Vec::new()
    })
}

fn start_server(server: BoundServer, services: Services, events: &EventSender) -> Result<ServerHandle, Error> {
    let events = events.clone();
    let sink = move |record| events.send(record);
    let started = server.spawn(services, sink, || privilege::drop_all().map_err(io::Error::other));
    started.map_err(io_error("start the handler server"))
}

/// Secrets for the flow table, from the system's randomness.
fn random_seed() -> Seed {
    Seed(std::array::from_fn(|_| RandomState::new().build_hasher().finish()))
}
