//! The table of built-in handlers: one row a protocol, kept beside the protocol's code.

use super::registry::{Environment, Maker};
use super::{adb, echo, http, jabber, log_http, log_tcp, memcache, mqtt, nbns, smb, tcp, telnet, udp};
use crate::flow::Transport;

/// What the registry knows about a built-in handler before its settings are read.
pub(super) struct Builtin {
    /// Name in rule files, lower case.
    pub(super) name: &'static str,
    /// Other names that rule files may use.
    pub(super) aliases: &'static [&'static str],
    /// What it can serve.
    pub(super) transports: &'static [Transport],
    /// Ports where visitors expect it; empty = any.
    pub(super) default_ports: &'static [u16],
    /// One line for `glutton-nfq handlers`.
    pub(super) about: &'static str,
    /// Reads `[handlers.NAME]`; the result makes one handler a session.
    pub(super) prepare: fn(&Environment<'_>) -> Result<Maker, toml::de::Error>,
}

/// Every built-in handler, in the order of the README.
pub(super) const BUILTINS: &[Builtin] = &[
    tcp::BUILTIN,
    udp::BUILTIN,
    echo::BUILTIN,
    log_tcp::BUILTIN,
    log_http::BUILTIN,
    http::HTTP,
    http::HTTPS,
    http::ETHEREUM,
    http::HADOOP,
    http::DOCKER,
    telnet::BUILTIN,
    adb::BUILTIN,
    memcache::BUILTIN,
    mqtt::BUILTIN,
    mqtt::BUILTIN_TLS,
    jabber::BUILTIN,
    jabber::BUILTIN_TLS,
    smb::BUILTIN,
    smb::MSRPC,
    nbns::BUILTIN,
];
