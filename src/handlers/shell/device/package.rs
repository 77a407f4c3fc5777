//! What a visitor has installed on a phone, and set.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Device;
use crate::clock::Timestamp;
use crate::handlers::shell::apk;

/// Packages of one source; the oldest is forgotten.
const MAX_PACKAGES: usize = 16;
/// Settings of one source, and bytes of each.
const MAX_SETTINGS: usize = 64;
const MAX_SETTING: usize = 256;

/// An installed package; its name is not known where the file does not tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::handlers::shell) struct Package {
    pub(in crate::handlers::shell) name: Option<String>,
}

impl Package {
    /// The package in this file.
    pub(in crate::handlers::shell) fn of(file: &[u8]) -> Self {
        Self { name: apk::package_name(file) }
    }

    /// Adds a package, in the place of one of the same name.
    pub(in crate::handlers::shell) fn add(to: &mut Vec<Self>, package: Self) {
        to.retain(|known| *known != package);
        if to.len() >= MAX_PACKAGES {
            to.remove(0);
        }
        to.push(package);
    }
}

/// Values by name: properties and settings.
#[derive(Debug, Default)]
pub(in crate::handlers::shell) struct Settings(BTreeMap<String, String>);

impl Settings {
    pub(in crate::handlers::shell) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a value, while there is room.
    pub(in crate::handlers::shell) fn set(&mut self, name: String, value: String) {
        let has_room = self.0.len() < MAX_SETTINGS || self.0.contains_key(&name);
        if has_room && name.len() + value.len() <= MAX_SETTING {
            self.0.insert(name, value);
        }
    }

    pub(in crate::handlers::shell) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Names that begin with this, without it, and their values.
    pub(in crate::handlers::shell) fn under(&self, prefix: &str) -> Vec<(String, String)> {
        let rest =
            self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value.clone())));
        rest.collect()
    }
}

/// Ports that the device is asked to listen on for a client (`adb reverse`), and where they lead.
#[derive(Debug)]
pub(in crate::handlers) struct Forwards<'s>(&'s mut Settings);

impl Forwards<'_> {
    const PREFIX: &'static str = "reverse ";

    /// From where to where, in order.
    pub(in crate::handlers) fn list(&self) -> impl Iterator<Item = (String, String)> {
        self.0.under(Self::PREFIX).into_iter()
    }

    pub(in crate::handlers) fn add(&mut self, from: &str, to: &str) {
        self.0.set(format!("{}{from}", Self::PREFIX), to.to_owned());
    }

    /// True when it was there.
    pub(in crate::handlers) fn remove(&mut self, from: &str) -> bool {
        self.0.0.remove(&format!("{}{from}", Self::PREFIX)).is_some()
    }

    pub(in crate::handlers) fn clear(&mut self) {
        self.0.0.retain(|name, _| !name.starts_with(Self::PREFIX));
    }
}

impl Device {
    /// The forwards of a source.
    pub(in crate::handlers) fn forwards<R>(
        &self,
        source: IpAddr,
        now: Timestamp,
        work: impl FnOnce(&mut Forwards<'_>) -> R,
    ) -> R {
        self.remembered(source, now, |kept| work(&mut Forwards(&mut kept.settings)))
    }

    /// A source has installed the package in this file (`adb install`).
    pub(in crate::handlers) fn install(&self, source: IpAddr, now: Timestamp, file: &[u8]) {
        self.remembered(source, now, |kept| Package::add(&mut kept.packages, Package::of(file)));
    }
}
