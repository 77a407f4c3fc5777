//! What the kernel counts about queues: `/proc/net/netfilter/nfnetlink_queue`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::socket::Overruns;
use crate::control::{Counter, Counters};

/// The file of the calling thread's network namespace. Readable by root only, so it is opened before privileges are dropped.
const PATH: &str = "/proc/thread-self/net/netfilter/nfnetlink_queue";
/// Bytes of it that are read: more than 500 queues.
const READ_LIMIT: usize = 32 << 10;

/// One line of the kernel's table. Columns as `seq_show` in `net/netfilter/nfnetlink_queue.c` writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueStatistics {
    /// The queue's number.
    pub queue: u16,
    /// Netlink port of the socket that bound it.
    pub portid: u32,
    /// Packets that wait for their verdict.
    pub waiting: u32,
    /// `enum nfqnl_config_mode`: 2 is "whole packets".
    pub copy_mode: u8,
    /// Bytes of a packet that are copied at most.
    pub copy_range: u32,
    /// Packets dropped because the queue was full.
    pub queue_dropped: u32,
    /// Packets dropped because the socket was full.
    pub user_dropped: u32,
    /// Id of the newest packet.
    pub last_id: u32,
}

impl QueueStatistics {
    /// Reads one line; `None` when it has fewer columns or other than numbers.
    pub fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split_ascii_whitespace();
        Some(Self {
            queue: columns.next()?.parse().ok()?,
            // Older kernels print the port signed.
            portid: u32::try_from(columns.next()?.parse::<i64>().ok()? & i64::from(u32::MAX)).ok()?,
            waiting: columns.next()?.parse().ok()?,
            copy_mode: columns.next()?.parse().ok()?,
            copy_range: columns.next()?.parse().ok()?,
            queue_dropped: columns.next()?.parse().ok()?,
            user_dropped: columns.next()?.parse().ok()?,
            last_id: columns.next()?.parse().ok()?,
        })
    }
}

/// Brings the kernel's drop counts of this engine's queues into the counters.
#[derive(Debug)]
pub struct Statistics {
    file: File,
    first: u16,
    queues: u16,
    /// Packets that wait in a queue from which others pass undecided.
    full_at: Option<u32>,
    /// Of such queues.
    overruns: Vec<Overruns>,
    buffer: Vec<u8>,
}

impl Statistics {
    /// Opens the table of the calling thread's network namespace for the queues from number `first` on. Needs root once; the open file
    /// can be read without.
    ///
    /// # Errors
    /// When there is no such file (no NFQUEUE in the kernel) or it cannot be opened.
    pub fn open(first: u16, queues: u16) -> io::Result<Self> {
        Ok(Self {
            file: File::open(PATH)?,
            first,
            queues,
            full_at: None,
            overruns: Vec::new(),
            buffer: vec![0; READ_LIMIT],
        })
    }

    /// For queues of this length with `fail = "open"`: what passes a full queue undecided is counted by nobody, so [`Self::refresh`] counts the queues
    /// that it finds full; what passes a full socket is counted there.
    #[must_use]
    pub fn failing_open(self, queue_len: u32, overruns: Vec<Overruns>) -> Self {
        // A worker takes packets while we look: a queue that is nearly full was full a moment ago.
        Self { full_at: Some(queue_len - queue_len / 8), overruns, ..self }
    }

    /// Reads the table and sets `KernelQueueDropped` and `KernelUserDropped`, each the sum over the queues. When none of them is bound (any
    /// more), the last values stay. If queues fail open, counts `QueuesFoundFull` and sets `KernelUserPassed`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn refresh(&mut self, counters: &Counters) -> io::Result<()> {
        let (full_at, mut full) = (self.full_at, 0);
        let dropped = self.read()?.map(|queue| {
            full += u64::from(full_at.is_some_and(|length| queue.waiting >= length));
            (u64::from(queue.queue_dropped), u64::from(queue.user_dropped))
        });
        let dropped = dropped.reduce(|sum, next| (sum.0 + next.0, sum.1 + next.1));
        counters.add(Counter::QueuesFoundFull, full);
        counters.set(Counter::KernelUserPassed, self.overruns.iter().map(|socket| u64::from(socket.count())).sum());
        if let Some((queue_dropped, user_dropped)) = dropped {
            counters.set(Counter::KernelQueueDropped, queue_dropped);
            counters.set(Counter::KernelUserDropped, user_dropped);
        }
        Ok(())
    }

    /// The lines of this engine's queues.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self) -> io::Result<impl Iterator<Item = QueueStatistics>> {
        let mut length = 0;
        // The kernel hands out a page or less a call.
        while let Some(rest) = self.buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, length as u64)? {
                0 => break,
                read => length += read,
            }
        }
        let (first, end) = (u32::from(self.first), u32::from(self.first) + u32::from(self.queues));
        let text = str::from_utf8(self.buffer.get(..length).unwrap_or_default()).unwrap_or_default();
        let ours = move |queue: &QueueStatistics| (first..end).contains(&u32::from(queue.queue));
        Ok(text.lines().filter_map(QueueStatistics::parse).filter(ours))
    }
}

/// The netlink port that has bound this queue.
pub(super) fn owner(queue: u16) -> Option<u32> {
    Statistics::open(queue, 1).ok()?.read().ok()?.next().map(|found| found.portid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_the_kernel_is_read() {
        let line = "    7  41233    12 2 65531     3     4      900  1";
        let expected = QueueStatistics {
            queue: 7,
            portid: 41_233,
            waiting: 12,
            copy_mode: 2,
            copy_range: 65_531,
            queue_dropped: 3,
            user_dropped: 4,
            last_id: 900,
        };
        assert_eq!(QueueStatistics::parse(line), Some(expected));
    }

    #[test]
    fn negative_port_of_older_kernels_is_read_as_unsigned() {
        let line = "    0 -4097    0 2 65531     0     0      0  1";
        assert_eq!(QueueStatistics::parse(line).map(|queue| queue.portid), Some(4_294_963_199));
    }

    #[test]
    fn garbage_is_no_line() {
        for line in ["", "queue", "1 2 3", "70000 1 0 2 65531 0 0 0 1"] {
            assert_eq!(QueueStatistics::parse(line), None);
        }
    }
}
