//! A sink on its own thread, behind its own bounded queue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use log::{info, warn};

use super::{Block, Sink, WriteError};
use crate::control::{Counter, Counters};

/// Blocks that wait for one sink at most.
const MAX_BLOCKS: usize = 16_384;
/// Bytes that wait for one sink at most.
const MAX_BYTES: usize = 16 << 20;

enum Message {
    Block(Block),
    /// Look at the reopen flag now.
    Wake,
}

/// What the sink's thread and those who feed it share.
#[derive(Default)]
struct Shared {
    waiting_bytes: AtomicUsize,
    reopen: AtomicBool,
}

/// The end of a sink's queue that the writer holds. When all are dropped, the thread writes what waits and ends.
#[derive(Clone)]
pub(in crate::events) struct SinkThread {
    name: String,
    queue: Sender<Message>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    overflow: Burst,
}

impl SinkThread {
    /// Starts the thread. `running` is dropped when it ends.
    pub(in crate::events) fn start(
        sink: Box<dyn Sink>,
        counters: Arc<Counters>,
        running: Sender<()>,
    ) -> io::Result<Self> {
        let (queue, messages) = bounded(MAX_BLOCKS);
        let shared = Arc::new(Shared::default());
        let name = sink.name();
        let thread = Writing { sink, shared: Arc::clone(&shared), counters: Arc::clone(&counters) };
        thread::Builder::new().name("sink".to_owned()).spawn(move || {
            let _running = running;
            thread.serve(&messages);
        })?;
        Ok(Self { name, queue, shared, counters, overflow: Burst::default() })
    }

    /// Hands over a block without waiting: lines that find no room are dropped and counted. False when the sink has ended.
    pub(in crate::events) fn offer(&mut self, block: &Block) -> bool {
        let size = block.bytes().len();
        let waiting = self.shared.waiting_bytes.fetch_add(size, Ordering::Relaxed);
        // A single block always fits, however long its line is.
        let fits = waiting == 0 || waiting + size <= MAX_BYTES;
        let sent = if fits { self.queue.try_send(Message::Block(block.clone())) } else { Err(full()) };
        match sent {
            Ok(()) => {
                self.overflow.end(|lost| info!("events {}: keeps up again; {lost} events were lost", self.name));
                true
            }
            Err(TrySendError::Full(_)) => {
                self.shared.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
                self.counters.add(Counter::SinkOverflows, block.lines());
                self.overflow.more(block.lines(), || {
                    warn!("events {}: too slow, events are lost until it has caught up", self.name);
                });
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    /// Asks the sink to open its file anew.
    pub(in crate::events) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        // A full queue needs no waking: the flag is looked at before every block.
        let _ = self.queue.try_send(Message::Wake);
    }
}

const fn full() -> TrySendError<Message> {
    TrySendError::Full(Message::Wake)
}

/// The thread's side.
struct Writing {
    sink: Box<dyn Sink>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
}

impl Writing {
    fn serve(mut self, messages: &Receiver<Message>) {
        let mut failure = Burst::default();
        for message in messages {
            if self.shared.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            let Message::Block(block) = message else { continue };
            let result = self.sink.write(&block);
            self.shared.waiting_bytes.fetch_sub(block.bytes().len(), Ordering::Relaxed);
            match result {
                Ok(()) => {
                    failure.end(|lost| info!("events {}: writes again; {lost} events were lost", self.sink.name()))
                }
                Err(WriteError::Lost { lines, cause }) => {
                    self.counters.add(Counter::SinkErrors, lines);
                    failure.more(lines, || {
                        warn!("events {}: {cause}; events are lost until it can be written again", self.sink.name());
                    });
                }
                Err(closed @ WriteError::Closed) => {
                    self.counters.add(Counter::SinkErrors, block.lines());
                    warn!("events {}: {closed}; this sink ends, the others go on", self.sink.name());
                    return;
                }
            }
        }
    }

    fn reopen(&mut self) {
        match self.sink.reopen() {
            Ok(()) => info!("events {}: reopened", self.sink.name()),
            Err(error) => warn!("events {}: cannot be reopened: {error}; goes on with the old one", self.sink.name()),
        }
    }
}

/// Losses in a row, so that the log gets two lines for them and not one each.
#[derive(Debug, Clone, Copy, Default)]
struct Burst {
    lost: u64,
}

impl Burst {
    /// More was lost; `say` is called for the first loss of the burst.
    fn more(&mut self, lines: u64, say: impl FnOnce()) {
        if self.lost == 0 {
            say();
        }
        self.lost += lines.max(1);
    }

    /// Nothing was lost this time; `say` is called when that ends a burst.
    fn end(&mut self, say: impl FnOnce(u64)) {
        if self.lost > 0 {
            say(std::mem::take(&mut self.lost));
        }
    }
}
