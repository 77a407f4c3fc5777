//! What can go wrong with a queue, said to the operator.

use std::io;

/// Why a queue cannot be opened or served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel was built or runs without NFQUEUE.
    #[error(
        "this kernel has no NFQUEUE (CONFIG_NETFILTER_NETLINK_QUEUE, module nfnetlink_queue): load the module or use another kernel"
    )]
    NoNfqueue,
    /// The process may not bind a queue.
    #[error("queue {queue} cannot be bound without CAP_NET_ADMIN: run as root")]
    NotPermitted {
        /// The queue's number.
        queue: u16,
    },
    /// Somebody else has the queue.
    #[error("queue {queue} is already bound by another process ({owner}): stop it or choose --queue-num")]
    AlreadyBound {
        /// The queue's number.
        queue: u16,
        /// Netlink port of the socket, and the process that has this number, if any.
        owner: String,
    },
    /// Any other failure before the queue is bound.
    #[error("queue {queue} cannot be bound: {action}: {source}")]
    Bind {
        /// The queue's number.
        queue: u16,
        /// What was tried.
        action: &'static str,
        /// What the system call said.
        source: io::Error,
    },
    /// The socket is broken.
    #[error("queue {queue}: receiving packets failed: {source}")]
    Receive {
        /// The queue's number.
        queue: u16,
        /// What the system call said.
        source: io::Error,
    },
    /// A verdict could not be sent, whatever was tried.
    #[error("queue {queue}: a verdict could not be sent: {source}")]
    Send {
        /// The queue's number.
        queue: u16,
        /// What the system call said.
        source: io::Error,
    },
    /// The kernel takes no verdict from this process.
    #[error(
        "queue {queue}: the kernel refuses our verdicts ({source}): the thread needs CAP_NET_ADMIN and the socket that bound the queue"
    )]
    Refused {
        /// The queue's number.
        queue: u16,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The event loop of the queue could not be set up or failed.
    #[error("queue {queue}: the event loop failed: {source}")]
    Poll {
        /// The queue's number.
        queue: u16,
        /// What the system call said.
        source: io::Error,
    },
}
