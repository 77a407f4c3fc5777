//! The nfqueue room.
