//! From the rule that took a flow to what serves it, worked out once a rule.

use std::collections::HashMap;
use std::sync::Arc;

use crate::flow::Transport;
use crate::handlers::{Entry, Registry};
use crate::rules::{Action, ProxyTarget, Rule};

/// What serves the flows of a rule.
#[derive(Debug)]
pub(super) enum Service {
    /// This handler.
    Handler(Arc<Entry>),
    /// A relay to this target.
    Relay(Arc<ProxyTarget>),
    /// Nothing here: the rule's flows have no business with the server.
    None,
}

/// A rule and what serves it.
#[derive(Debug)]
pub(super) struct Binding {
    rule: Arc<Rule>,
    /// The rule's name, shared by its sessions.
    pub(super) rule_name: Arc<str>,
    pub(super) service: Service,
}

/// The bindings of a worker. A reloaded rule replaces the one of its position.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    known: HashMap<(usize, Transport), Arc<Binding>>,
}

impl Bindings {
    /// What serves flows of this rule.
    pub(super) fn of(&mut self, rule: &Arc<Rule>, transport: Transport, registry: &Registry) -> Arc<Binding> {
        let key = (rule.position, transport);
        if let Some(binding) = self.known.get(&key)
            && Arc::ptr_eq(&binding.rule, rule)
        {
            return Arc::clone(binding);
        }
        let service = service(&rule.action, transport, registry);
        let binding = Arc::new(Binding { rule: Arc::clone(rule), rule_name: Arc::from(rule.name.as_str()), service });
        self.known.insert(key, Arc::clone(&binding));
        binding
    }
}

/// A handler that is unknown, or not made for the transport, is replaced by the one that records everything; so is a proxy for UDP,
/// which is never relayed.
fn service(action: &Action, transport: Transport, registry: &Registry) -> Service {
    let fallback = match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Icmp | Transport::Icmpv6 => return Service::None,
    };
    let name = match action {
        Action::Proxy(target) | Action::ProxySsh(target) if transport == Transport::Tcp => {
            return Service::Relay(Arc::new(target.clone()));
        }
        Action::Handler(name) => name,
        Action::Proxy(_) | Action::ProxySsh(_) => fallback,
        Action::Pass | Action::Drop | Action::Reject | Action::Rewrite { .. } => return Service::None,
    };
    let named = registry.find(name).filter(|entry| entry.serves(transport));
    named.or_else(|| registry.find(fallback)).map_or(Service::None, |entry| Service::Handler(Arc::clone(entry)))
}
