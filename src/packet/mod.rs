//! The packet room.
