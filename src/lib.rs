//! A userspace packet engine over NFQUEUE, with the honeypot that lives on it.

pub mod capture;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod engine;
pub mod events;
pub mod firewall;
pub mod flow;
pub mod handlers;
pub mod host;
mod near;
pub mod netns;
pub mod nfqueue;
pub mod packet;
pub mod privilege;
mod process;
pub mod rules;
pub mod run;
pub mod server;
pub mod supervisor;
