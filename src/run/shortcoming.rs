//! What a configuration asks of this host's kernel, and what becomes of it where the kernel cannot.

use super::reserved_port::ReservedPorts;
use super::{Error, Sensor, has_loopback};
use crate::config::Datapath;
use crate::firewall::{Feature, Host};
use crate::host;

impl Sensor {
    /// Whether some flow may have this datapath.
    fn has_datapath(&self, datapath: Datapath) -> bool {
        self.config.engine.datapath == datapath || self.rules.has_datapath(datapath)
    }

    /// What iptables must be able to do for the kernel to carry connections. NAT is looked at only when it is asked for: looking loads it.
    pub(super) fn features(&self) -> Vec<Feature> {
        let mut features = vec![Feature::Tracking, Feature::Marks, Feature::Transparent];
        features.extend(self.has_datapath(Datapath::Redirect).then_some(Feature::Redirect));
        features
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
        let lacks: Vec<String> = host.lacks.iter().filter(matters).map(ToString::to_string).collect();
        let lacks = (!lacks.is_empty()).then(|| {
            format!("this host has no {}: connections that need it are carried in user space", lacks.join(" and no "))
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
        [lacks, untracked, unrouted, on_loopback].into_iter().flatten().collect()
    }

    /// The kernel decides about NAT of what comes by loopback when it leaves, before any rule of ours.
    fn is_on_loopback(&self) -> bool {
        has_loopback(&self.config.engine.interfaces)
    }

    pub(super) fn reserve_ports(&self, host: &Host) -> Result<ReservedPorts, Error> {
        let redirects = host.has(&[Feature::Tracking, Feature::Marks, Feature::Redirect]);
        let redirect = redirects && self.has_datapath(Datapath::Redirect) && !self.is_on_loopback();
        ReservedPorts::reserve(redirect).map_err(Error::Ports)
    }
}
