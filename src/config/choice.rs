//! Choices of `[engine]` about load: how it is spread, and what becomes of too much.

/// How packets are spread over several workers (`spread`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spread {
    /// By a hash of both addresses: all packets between two hosts meet one worker, in the order in which they came.
    #[default]
    Hosts,
    /// By the CPU that the kernel handles the packet on: no packet changes CPUs, and the receive queues of a network card spread the load.
    /// The packets of a flow may meet several workers.
    Cpu,
}

impl Spread {
    /// The names in the configuration.
    pub const NAMES: [(&'static str, Self); 2] = [("hosts", Self::Hosts), ("cpu", Self::Cpu)];
}

/// What becomes of packets that would open a flow when their source has opened enough (`new_flows_beyond`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Beyond {
    /// They are dropped.
    #[default]
    Drop,
    /// They pass to the host, undecided.
    Pass,
}

impl Beyond {
    /// The names in the configuration.
    pub const NAMES: [(&'static str, Self); 2] = [("drop", Self::Drop), ("pass", Self::Pass)];
}
