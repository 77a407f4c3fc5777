//! Protocol state of a flow: what each packet changes, how long silence is borne, what goes first when the table is full.

use std::time::Duration;

use super::CloseReason;
use crate::config::Timeouts;
use crate::packet::{Tcp, tcp_flag};

/// Which way a packet travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// State of a flow. TCP follows RFC 9293 section 3.3.2 as far as a bystander can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// TCP, handshake not complete. Anybody can make these without showing that the source address is theirs.
    TcpHandshake {
        /// The acknowledgement number that completes the handshake, once our side has answered.
        expected_ack: Option<u32>,
    },
    /// TCP, the client has acknowledged our initial sequence number.
    TcpEstablished,
    /// TCP, one side or both have sent FIN.
    TcpClosing {
        /// The client has.
        client: bool,
        /// We have.
        host: bool,
        /// The client was first, so our side keeps no TIME_WAIT.
        client_first: bool,
    },
    /// TCP, FIN both ways and acknowledged.
    TcpClosed {
        /// The client closed first, so no TIME_WAIT of ours can hold the translated tuple: another flow may take it.
        free: bool,
    },
    /// TCP, a reset was seen.
    TcpReset {
        /// The handshake had been complete.
        was_established: bool,
    },
    /// TCP, carried by the kernel, and a session of the handler server holds it: it lasts until that lets go.
    TcpHeld,
    /// TCP, redirected and over: the kernel may still know the connection, and then redirects no other that has its client's address and port.
    TcpLingering,
    /// UDP, no answer seen.
    UdpNew,
    /// UDP, answered.
    UdpAnswered,
    /// ICMP echo.
    Icmp,
}

/// How much a flow is worth keeping when the table is full: the least goes first, within a class the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Worth {
    /// Costs a forger one packet: half-open TCP, unanswered UDP, ICMP, what only lingers, and every flow that is not translated (forgetting it
    /// changes nothing).
    Unproven,
    /// Over.
    Closed,
    /// About to be over.
    Closing,
    /// Answered UDP.
    Answered,
    /// A client that proved its address: never evicted.
    Established,
}

/// Longer than any session lasts (`max_session_secs` is 30 days at most).
const HELD: Duration = Duration::from_secs(31 * 86_400);

/// Longer than the kernel knows a connection whose end was seen: its TIME_WAIT is 120 s (`nf_conntrack_tcp_timeout_time_wait`), and so is the time in which it
/// sends a SYN-ACK again.
const LINGERING: Duration = Duration::from_secs(130);

/// Classes that may be evicted, in their order.
pub(super) const EVICTABLE: [Worth; 4] = [Worth::Unproven, Worth::Closed, Worth::Closing, Worth::Answered];
/// Number of classes.
pub(super) const CLASSES: usize = 5;

impl State {
    /// How long a flow in this state may be silent.
    pub(super) const fn timeout(self, timeouts: &Timeouts) -> Duration {
        match self {
            Self::TcpHandshake { .. } => timeouts.tcp_handshake,
            Self::TcpEstablished => timeouts.tcp_established,
            Self::TcpHeld => HELD,
            Self::TcpLingering => LINGERING,
            Self::TcpClosing { .. } => timeouts.tcp_closing,
            Self::TcpClosed { .. } | Self::TcpReset { .. } => timeouts.tcp_closed,
            Self::UdpNew => timeouts.udp_new,
            Self::UdpAnswered => timeouts.udp_answered,
            Self::Icmp => timeouts.icmp,
        }
    }

    pub(super) const fn worth(self) -> Worth {
        match self {
            Self::TcpHandshake { .. } | Self::TcpLingering | Self::UdpNew | Self::Icmp => Worth::Unproven,
            Self::TcpEstablished | Self::TcpHeld => Worth::Established,
            Self::TcpClosing { .. } => Worth::Closing,
            Self::TcpClosed { .. } | Self::TcpReset { .. } => Worth::Closed,
            Self::UdpAnswered => Worth::Answered,
        }
    }

    /// Why a flow that ends in this state, after silence, has ended.
    pub(super) const fn reason(self) -> CloseReason {
        match self {
            Self::TcpReset { .. } => CloseReason::Reset,
            Self::TcpClosed { .. } | Self::TcpClosing { client: true, host: true, .. } => CloseReason::Finished,
            _ => CloseReason::Timeout,
        }
    }

    /// Whether the connection is over as far as this end can see.
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::TcpClosed { .. } | Self::TcpReset { .. } | Self::TcpLingering)
    }

    /// Whether the kernel surely holds nothing for the translated tuple any more.
    pub(super) const fn is_free(self) -> bool {
        matches!(self, Self::TcpClosed { free: true } | Self::TcpReset { .. })
    }

    /// The state after a TCP segment.
    #[must_use]
    pub(super) fn after_tcp(self, direction: Direction, tcp: &Tcp) -> Self {
        let has = |flag| tcp.flags & flag != 0;
        if matches!(self, Self::TcpHeld | Self::TcpLingering) {
            return self;
        }
        if has(tcp_flag::RST) {
            let was_established = match self {
                Self::TcpReset { was_established } => was_established,
                Self::TcpEstablished | Self::TcpClosing { .. } => true,
                _ => false,
            };
            return Self::TcpReset { was_established };
        }
        match self {
            Self::TcpHandshake { .. } if direction == Direction::Out && has(tcp_flag::SYN) => {
                Self::TcpHandshake { expected_ack: Some(tcp.seq.wrapping_add(1)) }
            }
            // Only who has seen our SYN-ACK knows this number: spoofed sources stay half-open.
            Self::TcpHandshake { expected_ack: Some(expected) }
                if direction == Direction::In && has(tcp_flag::ACK) && tcp.ack == expected =>
            {
                Self::TcpEstablished.after_tcp(direction, tcp)
            }
            Self::TcpEstablished if has(tcp_flag::FIN) => Self::TcpClosing {
                client: direction == Direction::In,
                host: direction == Direction::Out,
                client_first: direction == Direction::In,
            },
            Self::TcpClosing { client, host, client_first } if has(tcp_flag::FIN) => Self::TcpClosing {
                client: client || direction == Direction::In,
                host: host || direction == Direction::Out,
                client_first,
            },
            Self::TcpClosing { client: true, host: true, client_first } => Self::TcpClosed { free: client_first },
            // Our side still talks, so the reset was out of window and ignored (RFC 5961 section 3.2). A handshake that was never
            // complete stays what it was: a forger can make the kernel talk with a stray segment.
            Self::TcpReset { was_established: true } if direction == Direction::Out => Self::TcpEstablished,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_flag::{ACK, FIN, RST, SYN};

    fn segment(flags: u8, seq: u32, ack: u32) -> Tcp {
        Tcp { src_port: 1, dst_port: 2, seq, ack, flags }
    }

    fn established() -> State {
        State::TcpHandshake { expected_ack: None }
            .after_tcp(Direction::Out, &segment(SYN | ACK, 1_000, 8))
            .after_tcp(Direction::In, &segment(ACK, 8, 1_001))
    }

    #[test]
    fn three_packets_establish() {
        assert_eq!(established(), State::TcpEstablished);
    }

    #[test]
    fn a_forged_acknowledgement_does_not_establish() {
        let half_open = State::TcpHandshake { expected_ack: None };
        let forged = segment(ACK, 8, 77);
        assert_eq!(half_open.after_tcp(Direction::In, &forged), half_open);
        let answered = half_open.after_tcp(Direction::Out, &segment(SYN | ACK, 1_000, 8));
        assert_eq!(answered.after_tcp(Direction::In, &forged), answered);
    }

    #[test]
    fn whoever_closes_last_leaves_no_time_wait() {
        for (first, second, free) in [(Direction::In, Direction::Out, true), (Direction::Out, Direction::In, false)] {
            let over = established()
                .after_tcp(first, &segment(FIN | ACK, 8, 1))
                .after_tcp(second, &segment(FIN | ACK, 9, 9))
                .after_tcp(first, &segment(ACK, 9, 10));
            assert_eq!(over, State::TcpClosed { free });
            assert_eq!(over.reason(), CloseReason::Finished);
        }
    }

    #[test]
    fn a_half_closed_connection_goes_on() {
        let half_closed = established().after_tcp(Direction::In, &segment(FIN | ACK, 8, 1));
        let after_data = half_closed.after_tcp(Direction::Out, &segment(ACK, 1_001, 9));
        assert!(matches!(after_data, State::TcpClosing { client: true, host: false, .. }));
    }

    #[test]
    fn a_reset_that_our_side_ignores_does_not_end_the_flow() {
        let reset = established().after_tcp(Direction::In, &segment(RST, 5, 0));
        assert_eq!(reset, State::TcpReset { was_established: true });
        assert_eq!(reset.after_tcp(Direction::Out, &segment(ACK, 1_001, 9)), State::TcpEstablished);
    }

    #[test]
    fn reset_and_stray_segment_do_not_establish() {
        let reset = State::TcpHandshake { expected_ack: Some(9) }.after_tcp(Direction::In, &segment(RST, 5, 0));
        assert_eq!(reset.after_tcp(Direction::Out, &segment(ACK, 1_001, 9)), reset);
    }
}
