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
//!   reload: read and check the rules, make
//!     the firewall fit for both, hand over >  other rules from the next packet on
//!     make the firewall fit for the new  <-  done
//!   SIGTERM: remove the rules, then tell ->  drain queues, end sessions, report flows, write events
//!   engine gone: remove the rules, restart
//! ```

mod identity;
mod overload;
mod parent;
mod process;
mod queue;
mod reserved_port;
mod running;
mod shortcoming;
mod vigil;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use log::warn;
use thiserror::Error;

use crate::config::{self, Config, Datapath, Prefix};
use crate::engine::{Kernel, MarkField, Settings};
use crate::firewall::{self, Feature, Host, Inbound, KernelPath, Outbound, Plan, PolicyRoute, Queues};
use crate::flow::Transport;
use crate::handlers::{Registry, SettingsError};
use crate::host::{self, Ports};
use crate::privilege::{self, Account};
use crate::rules::{Action, RuleSet, Surroundings};
use crate::supervisor::{self, Policy, supervise};
use identity::Identity;
pub use identity::IdentityError;
use parent::Parent;
use process::EngineProcess;
use reserved_port::ReservedPorts;

/// Why a run could not start, or ended badly. Whatever the reason, nothing is left behind.
#[derive(Debug, Error)]
pub enum Error {
    /// A handler refuses its table of the configuration.
    #[error(transparent)]
    Handlers(#[from] SettingsError),
    /// Persona or certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
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
    /// A port for rejected or redirected connections could not be reserved.
    #[error("cannot reserve a port for `reject` or `redirect`: {0}")]
    Ports(io::Error),
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
    /// Where the rules came from, to read them again at a reload; `None` keeps them as they are.
    pub rule_file: Option<PathBuf>,
}

impl Sensor {
    /// A sensor with the handlers that are built in.
    pub fn new(config: Config, rules: RuleSet) -> Self {
        Self { config, rules: Arc::new(rules), registry: Registry::builtin(), rule_file: None }
    }

    /// What a run would install in the firewall, as commands for a shell. Changes nothing.
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub fn dry_run(&self) -> Result<String, Error> {
        let host = self.probe().unwrap_or_default();
        let ports = self.reserve_ports(&host)?;
        let plan = self.diversion(self.settings(&ports, &host), &host)?.plan(&self.rules);
        Ok(firewall::build(&plan, &host)?.to_string())
    }

    /// Runs until SIGTERM or SIGINT. Needs root, or CAP_NET_ADMIN with an unprivileged user, and a process with one thread.
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub fn run(mut self) -> Result<(), Error> {
        privilege::require_net_admin()?;
        let identity = Identity::open(&self.config)?;
        self.registry.configure(&self.config.handlers, self.config.server.max_tcp_payload, &identity.guise)?;
        for warning in self.warnings() {
            warn!("{warning}");
        }
        let host = self.probe()?;
        for warning in host.warnings.iter().chain(&self.shortcomings(&host)) {
            warn!("{warning}");
        }
        let ports = self.reserve_ports(&host)?;
        let diversion = self.diversion(self.settings(&ports, &host), &host)?;
        // What is not tracked anyway needs no telling.
        self.config.engine.conntrack |= !host.has(&[Feature::Tracking]);
        // An engine that is started again serves the queues that the firewall names, whatever CPUs there are by then.
        self.config.engine.queues = diversion.queues.count;
        let settings = diversion.settings;
        let account = Account::find(&self.config.server.user)?;
        let Self { config, rules, registry, rule_file } = self;
        let (interfaces, registry) = (diversion.interfaces.clone(), Arc::new(registry));
        let carries_captured = diversion.route.is_some();
        let process =
            EngineProcess { config, rules, registry, settings, interfaces, carries_captured, account, identity };
        supervise(&Policy::default(), Parent::new(process, rule_file, diversion, host)?)?;
        Ok(())
    }

    /// What the operator should know about the rules.
    pub fn warnings(&self) -> Vec<String> {
        warnings(&self.rules, &self.registry, &self.config)
    }

    fn settings(&self, ports: &ReservedPorts, host: &Host) -> Settings {
        let server = &self.config.server;
        let marks = MarkField::new(self.config.engine.mark_mask);
        Settings {
            tcp_port: server.tcp_port,
            udp_port: server.udp_port,
            closed_tcp_port: ports.closed_tcp,
            closed_udp_port: ports.closed_udp,
            kernel: Kernel {
                marks: marks.filter(|_| host.has(&[Feature::Tracking, Feature::Marks])),
                datapath: self.config.engine.datapath,
                transparent: host.has(&[Feature::Tracking, Feature::Marks, Feature::Transparent]),
                redirect_port: ports.redirect,
            },
        }
    }

    /// Those that are configured, or the one of the default route.
    fn interfaces(&self) -> Result<Vec<String>, host::Error> {
        let interfaces = &self.config.engine.interfaces;
        if interfaces.is_empty() { Ok(vec![host::default_interface()?]) } else { Ok(interfaces.clone()) }
    }

    /// What the rules have no say in.
    fn diversion(&self, settings: Settings, host: &Host) -> Result<Diversion, Error> {
        let engine = &self.config.engine;
        let interfaces = self.interfaces()?;
        interfaces.iter().try_for_each(|name| host::check_interface(name))?;
        host::check_captured(&engine.capture)?;
        let in_use = ports_in_use(&interfaces, engine)?;
        let count = engine.workers(host::parallelism());
        let queues = Queues { first: engine.queue_num, count, spread: engine.spread };
        let listen = self.config.server.listen.clone();
        let capture = engine.capture.clone();
        let tracks = host.has(&[Feature::Tracking]);
        let (conntrack, own_udp) = (engine.conntrack || !tracks, (!tracks).then(host::own_ports));
        let route = self.policy_route(settings).filter(|_| host.routes);
        Ok(Diversion { interfaces, capture, conntrack, own_udp, route, queues, in_use, settings, listen })
    }

    /// How packets to captured networks, which are not this host's, reach the transparent listener: by mark.
    fn policy_route(&self, settings: Settings) -> Option<PolicyRoute> {
        let engine = &self.config.engine;
        let route = PolicyRoute { table: engine.capture_table, priority: engine.capture_priority };
        (settings.kernel.transparent && !engine.capture.is_empty()).then_some(route)
    }
}

fn has_loopback(interfaces: &[String]) -> bool {
    interfaces.iter().any(|name| name == "lo")
}

/// Ports that stay with the host unless a rule names them, as of now.
fn ports_in_use(interfaces: &[String], engine: &config::Engine) -> Result<Ports, host::Error> {
    let mut in_use = host::ports_in_use(has_loopback(interfaces))?;
    in_use.tcp.extend(&engine.exempt_ports);
    in_use.udp.extend(&engine.exempt_ports);
    Ok(in_use)
}

fn warnings(rules: &RuleSet, registry: &Registry, config: &Config) -> Vec<String> {
    let names: Vec<&str> = registry.names().collect();
    let ports = [config.server.tcp_port, config.server.udp_port];
    let surroundings = Surroundings {
        handlers: &names,
        server_ports: &ports,
        addresses: &host::addresses(),
        ssh_port: host::ssh_port(),
    };
    rules.warnings(&surroundings).iter().map(ToString::to_string).collect()
}

/// What is diverted, as far as the rules have no say in it: looked up at start, the ports in use at every reload, too.
#[derive(Debug)]
struct Diversion {
    interfaces: Vec<String>,
    capture: Vec<Prefix>,
    conntrack: bool,
    own_udp: Option<(u16, u16)>,
    route: Option<PolicyRoute>,
    queues: Queues,
    /// Ports that stay with the host unless a rule names them.
    in_use: Ports,
    settings: Settings,
    /// Addresses of the handler server.
    listen: Vec<IpAddr>,
}

impl Diversion {
    /// What these rules ask for that was not prepared at start.
    fn unprepared(&self, rules: &RuleSet) -> Option<String> {
        let is_unprepared = rules.has_datapath(Datapath::Redirect) && self.settings.kernel.redirect_port.is_none();
        let said = "a rule has datapath redirect, which was not asked for at start or cannot be had: its flows are carried in user space";
        is_unprepared.then(|| said.to_owned())
    }

    /// What is diverted under these rules: only the protocols that a rule can match, never the host's own services unless a rule names them.
    fn plan(&self, rules: &RuleSet) -> Plan {
        let protocols = rules.protocols();
        let inbound = Inbound {
            tcp: protocols.tcp,
            udp: protocols.udp,
            icmp_echo: protocols.icmp_echo,
            icmpv6_echo: protocols.icmp_echo,
        };
        Plan {
            interfaces: self.interfaces.clone(),
            capture: self.capture.clone(),
            conntrack: self.conntrack,
            own_udp: self.own_udp,
            queues: self.queues,
            inbound,
            exempt: self.exempt_ports(rules),
            outbound: Outbound { ports: self.answering_ports(rules), unreachable: protocols.udp },
            kernel: self.kernel_path(rules),
        }
    }

    /// How connections that these rules decide leave user space.
    fn kernel_path(&self, rules: &RuleSet) -> Option<KernelPath> {
        let kernel = self.settings.kernel;
        let marks = kernel.marks?;
        let mut datapaths = rules.rules().iter().map(|rule| rule.datapath.unwrap_or(kernel.datapath));
        let wanted = datapaths.any(|datapath| matches!(datapath, Datapath::Auto | Datapath::Tproxy));
        let carries = wanted && kernel.transparent;
        let wildcard = |v4: bool| self.listen.iter().any(|address| address.is_ipv4() == v4 && address.is_unspecified());
        let fixed = |v4: bool| self.listen.iter().find(|address| address.is_ipv4() == v4).filter(|_| !wildcard(v4));
        Some(KernelPath {
            marks,
            listener: carries.then_some(self.settings.tcp_port),
            redirect: kernel.redirect_port,
            closed: self.settings.closed_tcp_port,
            addresses: [true, false].into_iter().filter_map(fixed).copied().collect(),
            route: self.route.filter(|_| carries),
        })
    }

    /// Source ports of whoever packets are rewritten to.
    fn answering_ports(&self, rules: &RuleSet) -> Ports {
        let rewritten = rules.rules().iter().filter_map(|rule| match rule.action {
            Action::Rewrite { port, .. } => Some(port),
            _ => None,
        });
        let rewritten: BTreeSet<u16> = rewritten.collect();
        let with = |own: [u16; 2]| rewritten.iter().copied().chain(own).collect();
        let settings = &self.settings;
        Ports {
            tcp: with([settings.tcp_port, settings.closed_tcp_port]),
            udp: with([settings.udp_port, settings.closed_udp_port]),
        }
    }

    /// Ports that stay with the host.
    fn exempt_ports(&self, rules: &RuleSet) -> Ports {
        let settings = &self.settings;
        let own = [settings.tcp_port, settings.udp_port, settings.closed_tcp_port, settings.closed_udp_port];
        let is_own = |port| own.contains(&port) || settings.kernel.redirect_port == Some(port);
        let named = |transport, port| !rules.is_embedded() && rules.names_dst_port(transport, port);
        let is_exempt = |transport, port: &u16| !is_own(*port) && !named(transport, *port);
        let mut ports = self.in_use.clone();
        ports.tcp.retain(|port| is_exempt(Transport::Tcp, port));
        ports.udp.retain(|port| is_exempt(Transport::Udp, port));
        ports
    }
}
