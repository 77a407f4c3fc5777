//! The cli room.

pub mod demo;
