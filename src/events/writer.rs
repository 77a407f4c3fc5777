//! The thread that turns records into lines and hands them to the sinks.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select_biased};

use super::sink::{Block, Sink, SinkThread};
use super::{Event, Level, LineFormat, Record};
use crate::clock::Clock;
use crate::control::{Counter, Counters};

/// A block goes to the sinks when it has grown to this size, or when no record waits any more.
const BLOCK_BYTES: usize = 64 << 10;
/// Records gather so long after each block. Whoever sends one to a waiting thread pays for waking it, and those who send are the ones that
/// packets wait for.
const GATHERING: Duration = Duration::from_millis(5);

/// The running writer: one thread that makes lines, one per sink that writes them.
pub struct EventWriter {
    stop: Sender<()>,
    sinks: Vec<SinkThread>,
    running: Receiver<()>,
}

impl EventWriter {
    /// Starts the threads: each of `sinks` gets every one of `records`, in lines that carry `sensor_id`. To be called after privileges are given up: they keep what the caller has.
    ///
    /// # Errors
    /// What the system says when it gives no thread.
    pub fn start(
        records: Receiver<Record>,
        sinks: Vec<Box<dyn Sink>>,
        sensor_id: String,
        counters: Arc<Counters>,
        clock: Clock,
    ) -> io::Result<Self> {
        // Nothing is ever sent on it: it is closed when the last thread has dropped its end.
        let (alive, running) = bounded(0);
        let (stop, stopped) = bounded(1);
        let sinks = sinks
            .into_iter()
            .map(|sink| SinkThread::start(sink, Arc::clone(&counters), alive.clone()))
            .collect::<io::Result<Vec<_>>>()?;
        let dispatcher = Dispatcher {
            records,
            stopped,
            format: LineFormat::new(sensor_id),
            bytes: Vec::with_capacity(2 * BLOCK_BYTES),
            lines: 0,
            sinks: sinks.clone(),
            losses_said: 0,
            counters,
            clock,
        };
        thread::Builder::new().name("events".to_owned()).spawn(move || {
            let _alive = alive;
            dispatcher.run();
        })?;
        Ok(Self { stop, sinks, running })
    }

    /// Asks the sinks to open their files anew (SIGHUP). Returns at once; a sink that cannot says so on the log and goes on with its
    /// old file.
    pub fn reopen(&self) {
        for sink in &self.sinks {
            sink.reopen();
        }
    }

    /// Writes what is queued at this moment and ends. False when the sinks were not done within `deadline`; what they still hold is
    /// lost when the process exits. Records sent later are counted as lost.
    pub fn finish(self, deadline: Duration) -> bool {
        // The channel holds one message and this is the only one; a dispatcher that has ended needs none.
        let _ = self.stop.try_send(());
        drop(self.sinks);
        matches!(self.running.recv_timeout(deadline), Err(RecvTimeoutError::Disconnected))
    }
}

struct Dispatcher {
    records: Receiver<Record>,
    stopped: Receiver<()>,
    format: LineFormat,
    bytes: Vec<u8>,
    lines: u64,
    sinks: Vec<SinkThread>,
    /// How much of [`Counter::EventsLost`] has been written about.
    losses_said: u64,
    counters: Arc<Counters>,
    clock: Clock,
}

impl Dispatcher {
    fn run(mut self) {
        while self.wait() {
            self.drain();
            if self.gather() {
                break;
            }
        }
        self.drain();
    }

    /// Lets records gather, unless it is time to end (true).
    fn gather(&self) -> bool {
        self.stopped.recv_timeout(GATHERING) != Err(RecvTimeoutError::Timeout)
    }

    /// Waits for a record and begins a block with it; false when it is time to end.
    fn wait(&mut self) -> bool {
        select_biased! {
            recv(self.stopped) -> _ => false,
            recv(self.records) -> record => record.map(|record| self.append(&record)).is_ok(),
        }
    }

    /// Writes what is queued now: bounded, however fast more comes in.
    fn drain(&mut self) {
        for _ in 0..self.records.len() {
            let Ok(record) = self.records.try_recv() else { break };
            self.append(&record);
        }
        self.say_losses();
        self.flush();
    }

    fn append(&mut self, record: &Record) {
        self.format.append(record, &mut self.bytes);
        self.lines += 1;
        if self.bytes.len() >= BLOCK_BYTES {
            self.flush();
        }
    }

    /// A sensor event about records that found the queue full since the last one. There is room again, for the queue was just
    /// emptied.
    fn say_losses(&mut self) {
        let lost = self.counters.value(Counter::EventsLost);
        let count = lost.saturating_sub(self.losses_said);
        if count == 0 {
            return;
        }
        self.losses_said = lost;
        let event = Event::new("events_lost", format!("{count} events lost: the event queue was full"))
            .at_level(Level::Warn)
            .with("count", count);
        self.append(&Record::Sensor { at: self.clock.now(), event: Box::new(event) });
    }

    fn flush(&mut self) {
        if self.lines == 0 {
            return;
        }
        let block = Block::new(&self.bytes, self.lines);
        self.sinks.retain_mut(|sink| sink.offer(&block));
        self.counters.add(Counter::EventsWritten, self.lines);
        self.bytes.clear();
        self.bytes.shrink_to(2 * BLOCK_BYTES);
        self.lines = 0;
    }
}
