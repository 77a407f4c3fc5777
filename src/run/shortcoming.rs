//! What a configuration asks of this host's kernel, and what becomes of it where the kernel cannot.

use super::reserved_port::ReservedPorts;
use super::{Error, Sensor, has_loopback};
use crate::config::Datapath;
use crate::firewall::{self, Feature, Host};
use crate::host;

impl Sensor {
    /// Whether some flow may have this datapath.
    fn has_datapath(&self, datapath: Datapath) -> bool {
        self.config.engine.datapath == datapath || self.rules.has_datapath(datapath)
    }

    /// What iptables can do here for the kernel to carry connections. NAT is looked at only when it is asked for or must stand in: looking loads
    /// it.
    pub(super) fn probe(&self) -> Result<Host, Error> {
        let mut features = vec![Feature::Tracking, Feature::Marks, Feature::Transparent];
        features.extend(self.has_datapath(Datapath::Redirect).then_some(Feature::Redirect));
        let host = Host::probe(&features)?;
        let bridge = firewall::bridge_without_sockets(&self.interfaces()?);
        let host = host.behind(bridge.clone());
        if !self.wants_stand_in(&host) || features.contains(&Feature::Redirect) {
            return Ok(host);
        }
        features.push(Feature::Redirect);
        Ok(Host::probe(&features)?.behind(bridge))
    }

    /// `auto` needs something else than TPROXY here.
    fn wants_stand_in(&self, host: &Host) -> bool {
        let can_carry = host.has(&[Feature::Tracking, Feature::Marks]) && !self.is_on_loopback();
        can_carry && self.has_datapath(Datapath::Auto) && !host.has(&[Feature::Transparent])
    }

    /// What was asked for and cannot be had here, a line for each.
    pub(super) fn shortcomings(&self, host: &Host) -> Vec<String> {
        let transparent = self.has_datapath(Datapath::Auto) || self.has_datapath(Datapath::Tproxy);
        let redirect = self.has_datapath(Datapath::Redirect);
        let matters = |feature: &&Feature| match feature {
            Feature::Tracking | Feature::Marks => transparent || redirect,
            Feature::Transparent => transparent,
            Feature::Redirect => redirect,
        };
        let name = |feature: &Feature| match (&host.bridge, feature) {
            (Some(bridge), Feature::Transparent) => {
                format!("TPROXY for what comes by the bridge {bridge} (net.bridge.bridge-nf-call-iptables is 1)")
            }
            _ => feature.to_string(),
        };
        let lacks: Vec<String> = host.lacks.iter().filter(matters).map(name).collect();
        let lacks = (!lacks.is_empty()).then(|| {
            let stands_in = self.wants_stand_in(host) && host.has(&[Feature::Redirect]);
            let auto = if stands_in { "`auto` is `redirect`, and other " } else { "" };
            format!(
                "this host has no {}: {auto}connections that need it are carried in user space",
                lacks.join(" and no ")
            )
        });
        let untracked = (!host.has(&[Feature::Tracking])).then(|| {
            let (first, last) = host::own_ports();
            format!("without connection tracking, UDP to ports {first} to {last} stays with the host: answers to its own lookups come there")
        });
        let unrouted = transparent && !host.routes && !self.config.engine.capture.is_empty();
        let unrouted = unrouted.then(|| {
            "this host has no policy routing or no `ip` (iproute2): captured networks are carried in user space"
                .to_owned()
        });
        let on_loopback = (redirect && self.is_on_loopback()).then(|| {
            "what this host sends to itself is never redirected: with `lo` among the interfaces, `redirect` is `userspace`"
                .to_owned()
        });
        let server = &self.config.server;
        let dropped = firewall::drops_input(server.tcp_port).map(|firewall| {
            format!(
                "the firewall of this host ({firewall}) drops by default what comes in: let it accept TCP to {} and UDP to {}, and TCP to all ports that the sensor answers",
                server.tcp_port, server.udp_port
            )
        });
        [lacks, untracked, unrouted, on_loopback, dropped].into_iter().flatten().collect()
    }

    /// The kernel decides about NAT of what comes by loopback when it leaves, before any rule of ours.
    fn is_on_loopback(&self) -> bool {
        has_loopback(&self.config.engine.interfaces)
    }

    pub(super) fn reserve_ports(&self, host: &Host) -> Result<ReservedPorts, Error> {
        let redirects = host.has(&[Feature::Tracking, Feature::Marks, Feature::Redirect]);
        let wanted = self.has_datapath(Datapath::Redirect) || self.wants_stand_in(host);
        let redirect = redirects && wanted && !self.is_on_loopback();
        ReservedPorts::reserve(redirect).map_err(Error::Ports)
    }
}
