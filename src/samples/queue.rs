//! The bounded queues between those who serve visitors and those who store and fetch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Origin;
use crate::config::{Downloads, Samples};
use crate::control::{Counter, Counters};
use crate::handlers::{Download, Sample};

/// Files that wait to be stored at most; `samples.queue_bytes` bounds their bytes.
const MAX_WAITING_FILES: usize = 1_024;
/// Files that wait to be fetched at most.
const MAX_WAITING_DOWNLOADS: usize = 64;

/// The end that every worker holds. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct SampleSender {
    files: Option<Sender<(Origin, Sample)>>,
    downloads: Option<Sender<(Origin, Download)>>,
    mode: Downloads,
    /// Bytes of the files that wait.
    waiting: Arc<AtomicUsize>,
    max_waiting: usize,
    counters: Arc<Counters>,
}

/// The ends that [`super::Collector::start`] takes.
#[derive(Debug)]
pub struct Receivers {
    pub(super) files: Receiver<(Origin, Sample)>,
    pub(super) downloads: Receiver<(Origin, Download)>,
    pub(super) waiting: Arc<AtomicUsize>,
}

/// Queues as the configuration bounds them.
pub fn channel(config: &Samples, counters: Arc<Counters>) -> (SampleSender, Receivers) {
    let (files, files_received) = bounded(MAX_WAITING_FILES);
    let (downloads, downloads_received) = bounded(MAX_WAITING_DOWNLOADS);
    let waiting = Arc::new(AtomicUsize::new(0));
    let sender = SampleSender {
        files: Some(files),
        downloads: (config.downloads == Downloads::Fetch).then_some(downloads),
        mode: config.downloads,
        waiting: Arc::clone(&waiting),
        max_waiting: config.queue_bytes,
        counters,
    };
    (sender, Receivers { files: files_received, downloads: downloads_received, waiting })
}

impl SampleSender {
    /// A sender for a server without a store: events are all that is left of samples.
    pub fn none() -> Self {
        Self {
            files: None,
            downloads: None,
            mode: Downloads::Record,
            waiting: Arc::default(),
            max_waiting: 0,
            counters: Arc::default(),
        }
    }

    /// Whether URLs that visitors name are events of their own.
    pub fn records_downloads(&self) -> bool {
        self.mode != Downloads::Off
    }

    /// Hands over a file to be stored. Never blocks: one that finds no room is dropped and counted.
    pub fn store(&self, origin: Origin, sample: Sample) {
        let Some(files) = &self.files else { return };
        let bytes = sample.bytes.len();
        // Two workers may both see room for one: then the bound is passed by one file.
        let has_room = self.waiting.load(Relaxed).saturating_add(bytes) <= self.max_waiting;
        if has_room {
            self.waiting.fetch_add(bytes, Relaxed);
        }
        if !has_room || files.try_send((origin, sample)).is_err() {
            if has_room {
                self.waiting.fetch_sub(bytes, Relaxed);
            }
            self.counters.count(Counter::SamplesLost);
        }
    }

    /// Hands over a URL to be fetched, if that is wanted at all. Never blocks: one that finds no room is dropped and counted.
    pub fn fetch(&self, origin: Origin, download: Download) {
        if let Some(downloads) = &self.downloads
            && downloads.try_send((origin, download)).is_err()
        {
            self.counters.count(Counter::DownloadsLost);
        }
    }
}
