//! A run: the order in which everything starts and stops.
//!
//! Owns threads, signals and the two processes. Refuses to know protocols, packets or rules from inside.
//!
//! ```text
//! parent, root                               engine, forked
//!   rules, handlers, interfaces, firewall plan
//!   supervise ---------------------------->  bind queues, listeners, sinks (root)
//!                                            drop to `user` with CAP_NET_ADMIN; server and sink threads keep nothing
//!                                            start events, server, queue workers
//!   install the firewall rules  <----------  ready
//!   go ----------------------------------->  serve until SIGTERM
//!   SIGTERM: remove the rules, then tell ->  drain queues, end sessions, report flows, write events
//!   engine gone: remove the rules, restart
//! ```

mod closed_port;
mod process;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use log::{error, info, warn};
use thiserror::Error;

use crate::config::Config;
use crate::engine::Settings;
use crate::firewall::{self, Host, Inbound, Outbound, Plan, Queues};
use crate::flow::Transport;
use crate::handlers::{Registry, SettingsError};
use crate::host::{self, Ports};
use crate::privilege::{self, Account};
use crate::rules::{Action, RuleSet};
use crate::supervisor::{self, Policy, supervise};
use closed_port::ClosedPorts;
use process::EngineProcess;

/// Why a run could not start, or ended badly. Whatever the reason, nothing is left behind.
#[derive(Debug, Error)]
pub enum Error {
    /// A handler refuses its table of the configuration.
    #[error(transparent)]
    Handlers(#[from] SettingsError),
    /// No interface, or no such interface.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// iptables, or the plan for it.
    #[error(transparent)]
    Firewall(#[from] firewall::Error),
    /// The plan has a hole.
    #[error(transparent)]
    Plan(#[from] firewall::PlanError),
    /// The unprivileged user.
    #[error(transparent)]
    Privilege(#[from] privilege::Error),
    /// A port for rejected connections could not be reserved.
    #[error("cannot reserve a closed port for `reject` rules: {0}")]
    ClosedPort(io::Error),
    /// The engine process.
    #[error(transparent)]
    Supervisor(#[from] supervisor::Error),
}

/// A sensor that is ready to run: configuration, rules and handlers.
#[derive(Debug)]
pub struct Sensor {
    /// How it runs.
    pub config: Config,
    /// What becomes of packets.
    pub rules: Arc<RuleSet>,
    /// Who talks to visitors. Own handlers are registered here.
    pub registry: Registry,
}

impl Sensor {
    /// A sensor with the handlers that are built in.
    pub fn new(config: Config, rules: RuleSet) -> Self {
        Self { config, rules: Arc::new(rules), registry: Registry::builtin() }
    }

    /// What a run would install in the firewall, as commands for a shell. Changes nothing.
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub fn dry_run(&self) -> Result<String, Error> {
        let host = Host::probe().unwrap_or_default();
        let closed = ClosedPorts::reserve().map_err(Error::ClosedPort)?;
        let plan = self.plan(&self.settings(&closed))?;
        Ok(firewall::build(&plan, &host)?.to_string())
    }

    /// Runs until SIGTERM or SIGINT. Needs root, or CAP_NET_ADMIN with an unprivileged user, and a process with one thread.
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub fn run(mut self) -> Result<(), Error> {
        self.registry.configure(&self.config.handlers, self.config.server.max_tcp_payload)?;
        for warning in self.warnings() {
            warn!("{warning}");
        }
        privilege::require_net_admin()?;
        let host = Host::probe()?;
        for warning in &host.warnings {
            warn!("{warning}");
        }
        let closed = ClosedPorts::reserve().map_err(Error::ClosedPort)?;
        let settings = self.settings(&closed);
        let plan = self.plan(&settings)?;
        let rules = firewall::build(&plan, &host)?;
        let account = Account::find(&self.config.server.user)?;
        let Self { config, rules: rule_set, registry } = self;
        let registry = Arc::new(registry);
        let process =
            EngineProcess { config, rules: rule_set, registry, settings, interfaces: plan.interfaces, account };
        supervise(
            &Policy::default(),
            |_| {
                info!("installing the firewall rules");
                firewall::apply(&rules)
            },
            remove_rules,
            |side| process.run(side),
        )?;
        Ok(())
    }

    /// What the operator should know about the rules.
    pub fn warnings(&self) -> Vec<String> {
        let names: Vec<&str> = self.registry.names().collect();
        let ports = [self.config.server.tcp_port, self.config.server.udp_port];
        self.rules.warnings(&names, &ports).iter().map(ToString::to_string).collect()
    }

    fn settings(&self, closed: &ClosedPorts) -> Settings {
        let server = &self.config.server;
        Settings {
            tcp_port: server.tcp_port,
            udp_port: server.udp_port,
            closed_tcp_port: closed.tcp,
            closed_udp_port: closed.udp,
        }
    }

    /// What is diverted: only the protocols that a rule can match, never the host's own services unless a rule names them.
    fn plan(&self, settings: &Settings) -> Result<Plan, Error> {
        let engine = &self.config.engine;
        let mut interfaces = engine.interfaces.clone();
        if interfaces.is_empty() {
            interfaces.push(host::default_interface()?);
        }
        interfaces.iter().try_for_each(|name| host::check_interface(name))?;
        let protocols = self.rules.protocols();
        let inbound = Inbound {
            tcp: protocols.tcp,
            udp: protocols.udp,
            icmp_echo: protocols.icmp_echo,
            icmpv6_echo: protocols.icmp_echo,
        };
        let outbound = Outbound { ports: self.answering_ports(settings), unreachable: protocols.udp };
        let exempt = self.exempt_ports(&interfaces, settings)?;
        let queues = Queues { first: engine.queue_num, count: engine.queues };
        Ok(Plan { interfaces, queues, inbound, exempt, outbound })
    }

    /// Source ports of whoever packets are rewritten to.
    fn answering_ports(&self, settings: &Settings) -> Ports {
        let rewritten = self.rules.rules().iter().filter_map(|rule| match rule.action {
            Action::Rewrite { port, .. } => Some(port),
            _ => None,
        });
        let rewritten: BTreeSet<u16> = rewritten.collect();
        let with = |own: [u16; 2]| rewritten.iter().copied().chain(own).collect();
        Ports {
            tcp: with([settings.tcp_port, settings.closed_tcp_port]),
            udp: with([settings.udp_port, settings.closed_udp_port]),
        }
    }

    /// Ports that stay with the host.
    fn exempt_ports(&self, interfaces: &[String], settings: &Settings) -> Result<Ports, Error> {
        let loopback = interfaces.iter().any(|name| name == "lo");
        let mut ports = host::ports_in_use(loopback)?;
        ports.tcp.extend(&self.config.engine.exempt_ports);
        ports.udp.extend(&self.config.engine.exempt_ports);
        let own = [settings.tcp_port, settings.udp_port, settings.closed_tcp_port, settings.closed_udp_port];
        let named = |transport, port| !self.rules.is_embedded() && self.rules.names_dst_port(transport, port);
        let is_exempt = |transport, port: &u16| !own.contains(port) && !named(transport, *port);
        ports.tcp.retain(|port| is_exempt(Transport::Tcp, port));
        ports.udp.retain(|port| is_exempt(Transport::Udp, port));
        Ok(ports)
    }
}

/// Times that removing the rules is tried: an iptables command may be killed along with the engine, or wait for another's lock.
const REMOVE_TRIES: u32 = 3;

fn remove_rules() {
    for _ in 0..REMOVE_TRIES {
        match firewall::remove() {
            Ok(_) => return info!("the firewall rules are removed"),
            Err(error) => error!("cannot remove the firewall rules: {error}"),
        }
    }
    error!("firewall rules are left behind; they let traffic pass, and `glutton-nfq clean` removes them");
}
