//! The threads that store and fetch.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select_biased};
use log::warn;
use serde_json::Value;

use super::fetch::{Fetcher, Fetching};
use super::{Origin, Receivers, Store, StoreError, Stored, with};
use crate::control::{Counter, Counters};
use crate::handlers::Sample;

/// The running threads.
#[derive(Debug)]
pub struct Collector {
    stop: Sender<()>,
    running: Receiver<()>,
}

/// The store as both threads use it.
#[derive(Clone)]
pub(super) struct Keeper {
    store: Option<Arc<Mutex<Store>>>,
    counters: Arc<Counters>,
}

impl Keeper {
    /// Without a store every file is one that could not be written.
    pub(super) fn new(store: Option<Store>, counters: Arc<Counters>) -> Self {
        Self { store: store.map(|store| Arc::new(Mutex::new(store))), counters }
    }

    /// Stores a file and counts what became of it.
    pub(super) fn keep(&self, sample: &Sample, about: Value) -> Result<Stored, StoreError> {
        let outcome = match &self.store {
            Some(store) => {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                store.put(&sample.hash, &sample.bytes, about)
            }
            None => Err(StoreError::Io(io::Error::other("the directory could not be opened"))),
        };
        self.counters.count(match &outcome {
            Ok(Stored::New) => Counter::SamplesStored,
            Ok(Stored::Known) => Counter::SamplesKnown,
            Err(StoreError::TooLong) => Counter::SamplesTooLong,
            Err(StoreError::Full) => Counter::SamplesRefused,
            Err(StoreError::Io(error)) => {
                if self.counters.value(Counter::SampleErrors) == 0 {
                    warn!("a sample cannot be stored: {error}; further ones are counted as sample_errors");
                }
                Counter::SampleErrors
            }
        });
        outcome
    }
}

impl Collector {
    /// Starts the threads; each calls `on_thread_start` first: the place to give up what it must not have. `fetching` is what the
    /// downloader needs.
    ///
    /// # Errors
    /// A thread cannot be started, or `on_thread_start` fails in one.
    pub fn start(
        receivers: Receivers,
        store: Option<Store>,
        fetching: Fetching,
        counters: Arc<Counters>,
        on_thread_start: impl Fn() -> io::Result<()> + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let Receivers { files, downloads, waiting } = receivers;
        let keeper = Keeper::new(store, counters);
        let (stop, stopped) = bounded(1);
        let (alive, running) = bounded(0);
        let fetcher = Fetcher::new(fetching, keeper.clone());
        start("fetcher", on_thread_start.clone(), move || fetcher.run(&downloads))?;
        start("samples", on_thread_start, move || {
            let _alive: Sender<()> = alive;
            store_all(&files, &stopped, &waiting, &keeper);
        })?;
        Ok(Self { stop, running })
    }

    /// Stores what waits at this moment and ends. False when that was not done within `deadline`. A download that is under way is not
    /// waited for.
    pub fn finish(self, deadline: Duration) -> bool {
        // The channel holds one message and this is the only one.
        let _ = self.stop.try_send(());
        matches!(self.running.recv_timeout(deadline), Err(RecvTimeoutError::Disconnected))
    }
}

fn start(
    name: &str,
    on_thread_start: impl FnOnce() -> io::Result<()> + Send + 'static,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let (report, started) = bounded(1);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let outcome = on_thread_start();
        let goes_on = outcome.is_ok();
        // Whoever starts threads waits for this.
        let _ = report.send(outcome);
        if goes_on {
            run();
        }
    })?;
    started.recv().unwrap_or_else(|_| Err(io::Error::other(format!("thread {name} ended at its start"))))
}

fn store_all(files: &Receiver<(Origin, Sample)>, stopped: &Receiver<()>, waiting: &AtomicUsize, keeper: &Keeper) {
    let keep = |(origin, sample): (Origin, Sample)| {
        // Counted there; the event about the file has been written already.
        let _ = keeper.keep(&sample, with(origin.to_value(), "name", sample.name.as_str()));
        waiting.fetch_sub(sample.bytes.len(), Relaxed);
    };
    loop {
        select_biased! {
            recv(stopped) -> _ => break,
            recv(files) -> file => match file {
                Ok(file) => keep(file),
                Err(_) => return,
            },
        }
    }
    for _ in 0..files.len() {
        if let Ok(file) = files.try_recv() {
            keep(file);
        }
    }
}
