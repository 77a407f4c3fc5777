//! Every counter of the engine, with its name and meaning, in one table.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($variant:ident $name:literal $help:literal,)*) => {
        /// A counter by name. The meaning of each stands in [`COUNTERS`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter {
            $(#[doc = $help] $variant,)*
        }

        /// Name and meaning of every counter, in the order of [`Counter`].
        pub const COUNTERS: &[(Counter, &str, &str)] = &[$((Counter::$variant, $name, $help),)*];
    };
}

counters! {
    PacketsReceived "packets_received" "packets that the kernel handed over",
    BytesReceived "bytes_received" "bytes of those packets, from the IP header on",
    VerdictAccept "verdict_accept" "packets accepted, untouched or rewritten",
    VerdictDrop "verdict_drop" "packets dropped by a decision",
    PacketsRewritten "packets_rewritten" "accepted packets that were written back changed",
    VerdictFallback "verdict_fallback" "packets that nobody decided and that got the fallback verdict",
    VerdictErrors "verdict_errors" "verdicts that the kernel refused",
    ReceiveOverruns "receive_overruns" "times that the queue socket reported a full buffer (ENOBUFS)",
    PacketsTruncated "packets_truncated" "packets longer than the copy range, accepted unchanged",
    MessagesUnread "messages_unread" "netlink messages that could not be read",
    KernelQueueDropped "kernel_queue_dropped" "packets that the kernel dropped because the queue was full",
    KernelUserDropped "kernel_user_dropped" "packets that the kernel dropped because the socket was full",
    KernelUserPassed "kernel_user_passed" "packets that the kernel let pass undecided because the socket was full (fail = \"open\")",
    QueuesFoundFull "queues_found_full" "queues found full, at four looks a second, while fail = \"open\" lets packets pass undecided",
    PacketsMalformed "packets_malformed" "packets whose headers contradict their length, accepted unchanged",
    Fragments "fragments" "later fragments, which carry no ports, accepted unchanged",
    FlowsOpened "flows_opened" "flows that a rule took",
    FlowsClosed "flows_closed" "flows that ended",
    FlowsEvicted "flows_evicted" "flows that ended to make room for another",
    FlowsRefused "flows_refused" "first packets dropped because the flow table was full of better flows",
    FlowsLimited "flows_limited" "first packets dropped or passed because their source had opened new_flows_per_source",
    AliasesUsed "aliases_used" "flows whose source port was translated because another flow held it",
    RedirectsClashed "redirects_clashed" "flows with datapath redirect carried in user space because another of the same client port is or was redirected",
    AliasesExhausted "aliases_exhausted" "first packets dropped because no source port was left for translation",
    UnmatchedPackets "unmatched_packets" "packets without a flow that no rule matched",
    LimitExceeded "limit_exceeded" "matches that the limit of a rule left to the next rule",
    LimitEvictions "limit_evictions" "addresses forgotten before a limit had run out for them: the table was full",
    RulesReloaded "rules_reloaded" "times that new rules took over",
    RulesRefused "rules_refused" "times that a reload was refused and the old rules went on",
    MidstreamPackets "midstream_packets" "TCP packets without a flow that do not open one: the host answers them, where no rule stands in for a listener",
    EventsWritten "events_written" "events handed to the sinks",
    EventsLost "events_lost" "events dropped because the queue to the sinks was full",
    SinkErrors "sink_errors" "events that a sink could not write",
    SinkOverflows "sink_overflows" "events dropped because a sink was too slow and its own queue was full",
    SessionsOpened "sessions_opened" "connections accepted for a handler or proxy",
    SessionsClosed "sessions_closed" "sessions that ended",
    SessionsWithoutFlow "sessions_without_flow" "connections to the handler port that no flow explains, closed",
    SessionsRefusedTotal "sessions_refused_total" "connections closed because max_sessions was reached",
    SessionsRefusedSource "sessions_refused_source" "connections closed because max_sessions_per_source was reached",
    SessionsIdle "sessions_idle" "sessions closed after idle_timeout_secs",
    SessionsOverlong "sessions_overlong" "sessions closed after max_session_secs or max_session_bytes",
    HandlerPanics "handler_panics" "handlers that panicked; their session was closed",
    AcceptErrors "accept_errors" "failed accept calls (descriptor limit, aborted connections)",
    ProxyFailures "proxy_failures" "proxied connections whose target could not be reached",
    PayloadTruncated "payload_truncated" "events marked `truncated`: they hold less than what came (max_tcp_payload)",
    DatagramsReceived "datagrams_received" "datagrams that came to the handler port",
    DatagramsWithoutFlow "datagrams_without_flow" "datagrams to the handler port that no flow explains, dropped",
    DatagramBytesReceived "datagram_bytes_received" "bytes of datagrams that a handler got",
    DatagramsAnswered "datagrams_answered" "answers sent over UDP",
    DatagramBytesSent "datagram_bytes_sent" "bytes of those answers",
    DatagramsUnanswered "datagrams_unanswered" "answers not sent: more than came from an unproved address, beyond udp_answers_per_source or udp_answer_bytes_per_source, or refused by the socket",
    DatagramSessionsEvicted "datagram_sessions_evicted" "UDP sessions that ended to make room for another",
    SamplesStored "samples_stored" "files of visitors that were stored",
    SamplesKnown "samples_known" "files of visitors that were in the store already",
    SamplesLost "samples_lost" "files dropped because samples.queue_bytes waited to be stored",
    SamplesTooLong "samples_too_long" "files not stored because they are longer than samples.max_file_bytes",
    SamplesRefused "samples_refused" "files not stored because the store held samples.max_bytes",
    SampleErrors "sample_errors" "files that could not be written",
    DownloadsFetched "downloads_fetched" "files fetched that visitors had named",
    DownloadsFailed "downloads_failed" "downloads that failed: no such name, no answer, no success, too many redirects or too slow",
    DownloadsRefusedTarget "downloads_refused_target" "downloads refused: not http or https, or not from a public address",
    DownloadsRefusedRate "downloads_refused_rate" "downloads refused because of fetches_per_minute",
    DownloadsRepeated "downloads_repeated" "downloads not repeated within an hour",
    DownloadsLost "downloads_lost" "downloads dropped because too many waited",
    DatagramsUnrecorded "datagrams_unrecorded" "datagrams beyond what is recorded for one flow",
}

/// The counters themselves, shared by every thread.
#[derive(Debug)]
pub struct Counters {
    values: [AtomicU64; COUNTERS.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self { values: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Counters {
    /// Counts one.
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `n`.
    pub fn add(&self, counter: Counter, n: u64) {
        if let Some(value) = self.values.get(counter as usize) {
            value.fetch_add(n, Relaxed);
        }
    }

    /// Sets a value that is read elsewhere (kernel statistics).
    pub fn set(&self, counter: Counter, n: u64) {
        if let Some(value) = self.values.get(counter as usize) {
            value.store(n, Relaxed);
        }
    }

    /// The present value.
    pub fn value(&self, counter: Counter) -> u64 {
        self.values.get(counter as usize).map_or(0, |value| value.load(Relaxed))
    }

    /// Name, meaning and value of every counter.
    pub fn snapshot(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        COUNTERS.iter().map(|&(counter, name, help)| (name, help, self.value(counter)))
    }
}
