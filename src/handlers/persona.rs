//! Who this sensor pretends to be: drawn from its id, the same across protocols, connections and restarts.
//!
//! Two sensors differ in everything that is drawn here; one sensor never contradicts itself. What a protocol needs besides is drawn with
//! [`Persona::random`] under a label of its own.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::Random;
use crate::clock::Timestamp;

/// Microseconds of a day.
const DAY: u64 = 86_400_000_000;
/// Longest NetBIOS name in bytes (MS-NBTE 2.2.1: 16 with the suffix).
const MAX_NETBIOS_NAME: usize = 15;
/// Longest DNS label in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// Vendors of network cards found in servers (IEEE MA-L registry): VMware twice, Intel, Dell, HPE, Supermicro.
const VENDORS: [[u8; 3]; 6] = [
    [0x00, 0x0c, 0x29],
    [0x00, 0x50, 0x56],
    [0x3c, 0xfd, 0xfe],
    [0xd4, 0xbe, 0xd9],
    [0x9c, 0xb6, 0x54],
    [0x0c, 0xc4, 0x7a],
];
const HOSTS: [&str; 12] = ["srv", "web", "app", "db", "node", "vm", "files", "backup", "erp", "intra", "mon", "gw"];
const DOMAINS: [&str; 10] =
    ["corp", "office", "intra", "company", "branch", "hq", "plant", "lab", "campus", "services"];
const ZONES: [&str; 5] = ["local", "lan", "internal", "intranet", "corp"];

/// Why `[persona]` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[persona]: {0}")]
pub struct PersonaError(String);

/// `[persona]`: what is not drawn but given.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Given {
    /// Host name, lower case, without the domain.
    host_name: Option<String>,
    /// NetBIOS name, upper case.
    windows_name: Option<String>,
    /// NetBIOS workgroup, upper case.
    workgroup: Option<String>,
    /// DNS domain.
    domain: Option<String>,
    /// MAC address as `00:0c:29:1f:2e:3d`.
    mac: Option<String>,
    /// GUID in its usual form.
    guid: Option<Uuid>,
    /// Days that the machine had been up when the sensor first started.
    uptime_days: Option<u16>,
    /// Days that the system had been installed when the sensor first started.
    installed_days: Option<u16>,
}

/// Who this sensor pretends to be.
#[derive(Debug, Clone)]
pub struct Persona {
    sensor: String,
    host_name: String,
    windows_name: String,
    workgroup: String,
    domain: String,
    mac: [u8; 6],
    guid: [u8; 16],
    booted: Timestamp,
    installed: Timestamp,
}

impl Persona {
    /// The persona of the sensor with this id, which first started at `born`; `given` is the `[persona]` table.
    ///
    /// # Errors
    /// The table has an unknown key or a value that cannot be.
    pub fn draw(sensor_id: &str, born: Timestamp, given: &toml::Table) -> Result<Self, PersonaError> {
        let given: Given = given.clone().try_into().map_err(|error| refused(error_text(&error)))?;
        let drawn = Self::drawn(sensor_id, born, &given);
        Ok(Self {
            host_name: checked("host_name", given.host_name, drawn.host_name, is_label)?,
            windows_name: checked("windows_name", given.windows_name, drawn.windows_name, is_netbios_name)?,
            workgroup: checked("workgroup", given.workgroup, drawn.workgroup, is_netbios_name)?,
            domain: checked("domain", given.domain, drawn.domain, |text| text.split('.').all(is_label))?,
            mac: given.mac.map_or(Ok(drawn.mac), |text| parse_mac(&text))?,
            guid: given.guid.map_or(drawn.guid, Uuid::into_bytes),
            ..drawn
        })
    }

    fn drawn(sensor_id: &str, born: Timestamp, given: &Given) -> Self {
        let random = |label| random_of(sensor_id, label);
        let mut up = random("booted");
        let uptime = given.uptime_days.map_or_else(|| up.within(&(3..=90)), u64::from) * DAY + up.within(&(0..=DAY));
        let mut age = random("installed");
        let days = given.installed_days.map_or_else(|| age.within(&(120..=900)), u64::from);
        let age = (days * DAY + age.within(&(0..=DAY))).max(uptime);
        let before = |micros| Timestamp::from_micros(born.as_micros().saturating_sub(micros));
        Self {
            sensor: sensor_id.to_owned(),
            host_name: draw_host_name(&mut random("host_name")),
            windows_name: draw_windows_name(&mut random("windows_name")),
            workgroup: "WORKGROUP".to_owned(),
            domain: draw_domain(&mut random("domain")),
            mac: draw_mac(&mut random("mac")),
            guid: draw_guid(&mut random("guid")),
            booted: before(uptime),
            installed: before(age),
        }
    }

    /// The persona that tests meet.
    pub fn example() -> Arc<Self> {
        static EXAMPLE: LazyLock<Arc<Persona>> = LazyLock::new(|| {
            let born = Timestamp::from_micros(1_690_000_000_000_000);
            Arc::new(Persona::drawn("example", born, &Given::default()))
        });
        Arc::clone(&EXAMPLE)
    }

    /// Host name without the domain, lower case.
    pub fn host_name(&self) -> &str {
        &self.host_name
    }

    /// NetBIOS name of the machine, upper case, at most 15 bytes.
    pub fn windows_name(&self) -> &str {
        &self.windows_name
    }

    /// NetBIOS workgroup, upper case, at most 15 bytes.
    pub fn workgroup(&self) -> &str {
        &self.workgroup
    }

    /// DNS domain, lower case.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Host name and domain.
    pub fn fqdn(&self) -> String {
        format!("{}.{}", self.host_name, self.domain)
    }

    /// Address of the network card, in the order of its text, which is that on the wire.
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// A GUID (RFC 9562 version 4), in the order of its text.
    pub const fn guid(&self) -> [u8; 16] {
        self.guid
    }

    /// Since when the machine is up: days before the sensor's first start.
    pub const fn booted(&self) -> Timestamp {
        self.booted
    }

    /// When its system was installed: the date of its files, never after [`Persona::booted`].
    pub const fn installed(&self) -> Timestamp {
        self.installed
    }

    /// A sequence for anything else: the same sensor and label always give the same one.
    pub fn random(&self, label: &str) -> Random {
        random_of(&self.sensor, label)
    }
}

/// SHA-256, so that no draw tells another one of the same sensor, nor its id.
fn random_of(sensor: &str, label: &str) -> Random {
    let digest = Sha256::new().chain_update(sensor).chain_update([0]).chain_update(label).finalize();
    Random::new(digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
}

fn pick<'a>(random: &mut Random, list: &[&'a str]) -> &'a str {
    let at = usize::try_from(random.bits() % (list.len() as u64).max(1)).unwrap_or(0);
    list.get(at).copied().unwrap_or_default()
}

fn draw_host_name(random: &mut Random) -> String {
    let host = pick(random, &HOSTS);
    match random.within(&(0..=2)) {
        0 => format!("{host}-{:04x}", random.within(&(0x1000..=0xffff))),
        1 => format!("{host}{:02}", random.within(&(1..=99))),
        _ => format!("{host}-{:02}-{:03}", random.within(&(1..=12)), random.within(&(1..=250))),
    }
}

/// What Windows Server Setup draws: `WIN-` and eleven letters and digits.
fn draw_windows_name(random: &mut Random) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let letter = |at: u64| LETTERS.get(usize::try_from(at).unwrap_or(0)).copied().map_or('A', char::from);
    let tail: String = (0..11).map(|_| letter(random.within(&(0..=35)))).collect();
    format!("WIN-{tail}")
}

fn draw_domain(random: &mut Random) -> String {
    let name = pick(random, &DOMAINS);
    let zone = pick(random, &ZONES);
    match random.within(&(0..=1)) {
        0 => format!("{name}{}.{zone}", random.within(&(1..=40))),
        _ => format!("{name}-{}.{zone}", pick(random, &["net", "it", "ad", "east", "west", "north", "south"])),
    }
}

fn draw_mac(random: &mut Random) -> [u8; 6] {
    let at = usize::try_from(random.within(&(0..=VENDORS.len() as u64 - 1))).unwrap_or(0);
    let [a, b, c] = VENDORS.get(at).copied().unwrap_or_default();
    let [d, e, f, ..] = random.bits().to_be_bytes();
    [a, b, c, d, e, f]
}

fn draw_guid(random: &mut Random) -> [u8; 16] {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid().into_bytes()
}

fn refused(why: impl Into<String>) -> PersonaError {
    PersonaError(why.into())
}

/// The error on one line.
fn error_text(error: &toml::de::Error) -> String {
    error.message().lines().collect::<Vec<_>>().join(", ")
}

fn checked(
    key: &str,
    given: Option<String>,
    drawn: String,
    is_valid: impl Fn(&str) -> bool,
) -> Result<String, PersonaError> {
    match given {
        None => Ok(drawn),
        Some(text) if is_valid(&text) => Ok(text),
        Some(text) => Err(refused(format!("{key} = {text:?} cannot be"))),
    }
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_netbios_name(text: &str) -> bool {
    (1..=MAX_NETBIOS_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}

fn parse_mac(text: &str) -> Result<[u8; 6], PersonaError> {
    let bytes: Vec<u8> = text.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes.try_into().map_err(|_| refused(format!("mac = {text:?} is no address such as \"00:0c:29:1f:2e:3d\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BORN: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn draw(id: &str, given: &str) -> Result<Persona, PersonaError> {
        Persona::draw(id, BORN, &given.parse().unwrap())
    }

    #[test]
    fn a_sensor_stays_the_same_and_two_differ_in_everything() {
        let [one, again, other] = ["a", "a", "b"].map(|id| draw(id, "").unwrap());
        assert_eq!(format!("{one:?}"), format!("{again:?}"));
        assert_ne!(one.fqdn(), other.fqdn());
        assert_ne!(one.windows_name(), other.windows_name());
        assert_ne!((one.mac(), one.guid()), (other.mac(), other.guid()));
        assert_ne!(one.booted(), other.booted());
        assert_eq!(one.random("x").bits(), again.random("x").bits());
        assert_ne!(one.random("x").bits(), one.random("y").bits());
    }

    #[test]
    fn names_are_valid_and_times_in_order_whatever_the_id() {
        for number in 0..500 {
            let persona = draw(&number.to_string(), "").unwrap();
            assert!(is_label(persona.host_name()) && persona.domain().split('.').all(is_label), "{persona:?}");
            assert!(is_netbios_name(persona.windows_name()) && persona.windows_name().len() == 15, "{persona:?}");
            assert!(persona.installed() <= persona.booted() && persona.booted() < BORN, "{persona:?}");
        }
    }

    #[test]
    fn what_is_given_is_not_drawn() {
        let persona =
            draw("a", "host_name = 'nas'\nmac = '02:00:00:00:00:07'\nuptime_days = 0\nworkgroup = 'SALES'").unwrap();
        assert_eq!((persona.host_name(), persona.workgroup()), ("nas", "SALES"));
        assert_eq!(persona.mac(), [2, 0, 0, 0, 0, 7]);
        assert!(BORN.saturating_since(persona.booted()).as_secs() <= 86_400);
        assert_eq!(persona.domain(), draw("a", "").unwrap().domain());
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        for (given, key) in [
            ("hostname = 'x'", "hostname"),
            ("host_name = 'Two Words'", "host_name"),
            ("windows_name = 'LONGER-THAN-15-BYTES'", "windows_name"),
            ("domain = 'a..b'", "domain"),
            ("mac = '00:11'", "mac"),
        ] {
            let error = draw("a", given).unwrap_err().to_string();
            assert!(error.starts_with("[persona]: ") && error.contains(key), "{error}");
        }
    }
}
