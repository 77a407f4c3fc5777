//! The registry (MS-RRP): a few keys that every Windows 7 has, with what makes them this machine's, and what the source itself has set.

use super::super::host::{Host, Visitor};
use super::super::pool::Held;
use super::super::wire::{Put, utf16};
use super::installed::INSTALLED;
use super::principal::Domain;
use crate::handlers::Random;

/// Values and keys that are remembered of one source; the oldest makes room.
const MAX_SET: usize = 16;
/// Bytes of the data of one, and of its path and name.
const MAX_DATA: usize = 4096;
const MAX_NAME: usize = 512;

/// Types of values (MS-RRP 3.1.1.5).
const TEXT: u32 = 1;
const EXPANDED: u32 = 2;
const BINARY: u32 = 3;
const NUMBER: u32 = 4;
const LIST: u32 = 7;

/// A key with its values.
#[derive(Debug, Default)]
pub(super) struct Key {
    pub(super) path: String,
    pub(super) class: String,
    pub(super) values: Vec<Value>,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) kind: u32,
    pub(super) data: Vec<u8>,
}

/// What a source has set: a value, or a key without any.
#[derive(Debug)]
pub(in super::super) struct Set {
    path: String,
    /// Name, type and data.
    value: Option<(String, u32, Held)>,
}

impl Key {
    fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    fn value(mut self, name: &str, kind: u32, data: Vec<u8>) -> Self {
        self.values.push(Value { name: name.to_owned(), kind, data });
        self
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.value(name, TEXT, ended(text))
    }

    fn expanded(self, name: &str, text: &str) -> Self {
        self.value(name, EXPANDED, ended(text))
    }

    fn number(self, name: &str, number: u32) -> Self {
        self.value(name, NUMBER, number.to_le_bytes().to_vec())
    }

    fn list(self, name: &str, texts: &[&str]) -> Self {
        let mut data: Vec<u8> = texts.iter().flat_map(|text| ended(text)).collect();
        data.put16(0);
        self.value(name, LIST, data)
    }
}

/// UTF-16 with its end mark.
fn ended(text: &str) -> Vec<u8> {
    let mut data = utf16(text);
    data.put16(0);
    data
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// The path under which a key is kept: other names of the same key are the first.
pub(super) fn real(path: &str) -> String {
    const OTHER_NAMES: [(&str, &str); 5] = [
        ("HKCR", "HKLM\\SOFTWARE\\Classes"),
        ("HKCU", "HKU\\.DEFAULT"),
        ("HKCC", "HKLM\\SYSTEM\\CurrentControlSet\\Hardware Profiles\\Current"),
        ("HKU\\S-1-5-18", "HKU\\.DEFAULT"),
        ("HKLM\\SYSTEM\\ControlSet001", "HKLM\\SYSTEM\\CurrentControlSet"),
    ];
    let path = path.trim_matches('\\');
    for (other, real) in OTHER_NAMES {
        if let Some((start, rest)) = path.split_at_checked(other.len())
            && same(start, other)
            && (rest.is_empty() || rest.starts_with('\\'))
        {
            return format!("{real}{rest}");
        }
    }
    path.to_owned()
}

/// All keys that have values or nothing below them; those above them are there as well.
pub(super) fn keys(host: &Host, visitor: &Visitor) -> Vec<Key> {
    let mut keys = [system(host), software(host), users(host)].concat_keys();
    keys.extend(services());
    for set in &visitor.set {
        let at = keys.iter().position(|key| same(&key.path, &set.path)).unwrap_or_else(|| {
            keys.push(Key::new(set.path.as_str()));
            keys.len() - 1
        });
        let (Some((name, kind, held)), Some(key)) = (&set.value, keys.get_mut(at)) else { continue };
        key.values.retain(|value| !same(&value.name, name));
        key.values.push(Value { name: name.clone(), kind: *kind, data: held.bytes().to_vec() });
    }
    keys
}

/// Remembers a key, or a value of it, for its source; false when it is too long.
pub(super) fn set(host: &Host, visitor: &mut Visitor, path: String, value: Option<(&str, u32, &[u8])>) -> bool {
    let value = match value {
        Some((name, kind, data)) => {
            let mut held = Held::new(&host.memory);
            if path.len() + name.len() > MAX_NAME || !held.write_at(0, data, MAX_DATA) {
                return false;
            }
            Some((name.to_owned(), kind, held))
        }
        None if path.len() > MAX_NAME => return false,
        None => None,
    };
    let name = value.as_ref().map(|(name, ..)| name.as_str());
    remove(visitor, &path, name);
    if visitor.set.len() >= MAX_SET {
        visitor.set.remove(0);
    }
    visitor.set.push(Set { path, value });
    true
}

/// Forgets what the source has set: a value, or a key with all that lies below it; false when it has set no such thing.
pub(super) fn remove(visitor: &mut Visitor, path: &str, name: Option<&str>) -> bool {
    let before = visitor.set.len();
    let is_below = |one: &str| below(one, path).is_some() || same(one, path);
    visitor.set.retain(|set| match (name, &set.value) {
        (Some(name), Some((one, ..))) => !(same(&set.path, path) && same(one, name)),
        (Some(_), None) => true,
        (None, _) => !is_below(&set.path),
    });
    visitor.set.len() < before
}

/// What a path is called from a key above it.
fn below<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    let (start, rest) = path.split_at_checked(key.len())?;
    if same(start, key) { rest.strip_prefix('\\') } else { None }
}

/// Names of the keys that lie in a key, in the order in which they are enumerated; `None` when there is no such key.
pub(super) fn children(keys: &[Key], path: &str) -> Option<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for one in keys.iter().filter_map(|key| below(&key.path, path)) {
        let name = one.split('\\').next().unwrap_or(one);
        if !found.iter().any(|known| same(known, name)) {
            found.push(name.to_owned());
        }
    }
    found.sort_by_key(|name| name.to_lowercase());
    (!found.is_empty() || keys.iter().any(|key| same(&key.path, path))).then_some(found)
}

/// Lists of keys as one.
trait Concat {
    fn concat_keys(self) -> Vec<Key>;
}

impl<const COUNT: usize> Concat for [Vec<Key>; COUNT] {
    fn concat_keys(self) -> Vec<Key> {
        self.into_iter().flatten().collect()
    }
}

fn system(host: &Host) -> Vec<Key> {
    let in_control = |path: &str| Key::new(format!("HKLM\\SYSTEM\\CurrentControlSet\\{path}"));
    let product = if host.is_server { "ServerNT" } else { "WinNT" };
    let mut random = Random::new(u64::from(host.pulsar_seed) ^ 0x626f_6f74);
    let mut keys = vec![
        in_control("Control\\ComputerName\\ActiveComputerName").text("ComputerName", &host.name),
        in_control("Control\\ComputerName\\ComputerName").text("", "mnmsrvc").text("ComputerName", &host.name),
        in_control("Control\\Lsa")
            .list("Authentication Packages", &["msv1_0"])
            .list("Security Packages", &["kerberos", "msv1_0", "schannel", "wdigest", "tspkg", "pku2u"])
            .list("Notification Packages", &["scecli"])
            .number("auditbasedirectories", 0)
            .number("auditbaseobjects", 0)
            .number("crashonauditfail", 0)
            .number("disabledomaincreds", 0)
            .number("everyoneincludesanonymous", 0)
            .number("forceguest", 0)
            .number("LimitBlankPasswordUse", 1)
            .number("NoLmHash", 1)
            .number("restrictanonymous", 0)
            .number("restrictanonymoussam", 1)
            .number("SecureBoot", 1),
        in_control("Control\\Lsa\\MSV1_0")
            .number("NtlmMinClientSec", 0x2000_0000)
            .number("NtlmMinServerSec", 0x2000_0000),
        in_control("Control\\ProductOptions").text("ProductType", product).list("ProductSuite", &["Terminal Server"]),
        in_control("Control\\SecurityProviders\\WDigest").number("UseLogonCredential", 1),
        in_control("Control\\Session Manager\\Environment")
            .expanded("ComSpec", "%SystemRoot%\\system32\\cmd.exe")
            .text("NUMBER_OF_PROCESSORS", "2")
            .text("OS", "Windows_NT")
            .text("PROCESSOR_ARCHITECTURE", "AMD64"),
        in_control("Control\\Terminal Server").number("fDenyTSConnections", 1).number("TSEnabled", 0),
        in_control("Control\\TimeZoneInformation").number("Bias", 0).text("TimeZoneKeyName", "UTC"),
        Key::new("HKLM\\SYSTEM\\Select")
            .number("Current", 1)
            .number("Default", 1)
            .number("Failed", 0)
            .number("LastKnownGood", 2),
        Key::new("HKLM\\SYSTEM\\Setup").number("SystemSetupInProgress", 0),
        Key::new("HKLM\\HARDWARE\\DESCRIPTION\\System\\CentralProcessor\\0")
            .text("Identifier", "Intel64 Family 6 Model 42 Stepping 7")
            .text("VendorIdentifier", "GenuineIntel")
            .number("~MHz", 3093),
        Key::new("HKLM\\SAM\\SAM"),
        Key::new("HKLM\\SECURITY"),
    ];
    // The boot key, in four parts that are the classes of these keys.
    for name in ["JD", "Skew1", "GBG", "Data"] {
        let class = format!("{:08x}", random.bits() & 0xffff_ffff);
        keys.push(Key {
            class,
            ..in_control(&format!("Control\\Lsa\\{name}")).value(
                "Lookup",
                BINARY,
                random.bits().to_be_bytes().get(2..).unwrap_or_default().to_vec(),
            )
        });
    }
    keys
}

fn software(host: &Host) -> Vec<Key> {
    let microsoft = |path: &str| Key::new(format!("HKLM\\SOFTWARE\\Microsoft\\{path}"));
    let [native, _] = host.native;
    let product = native.split(" 7601").next().unwrap_or(native);
    let edition = product.rsplit(' ').next().unwrap_or(product);
    let installed = u32::try_from(host.installed.as_micros() / 1_000_000).unwrap_or(0);
    let kind = if host.is_server { "Server" } else { "Client" };
    vec![
        microsoft("Windows NT\\CurrentVersion")
            .text("CurrentVersion", "6.1")
            .text("CurrentBuild", "7601")
            .text("SoftwareType", "System")
            .text("CurrentType", "Multiprocessor Free")
            .number("InstallDate", installed)
            .text("RegisteredOrganization", "")
            .text("RegisteredOwner", "Windows User")
            .text("SystemRoot", "C:\\Windows")
            .text("InstallationType", kind)
            .text("EditionID", if host.is_server { "ServerStandard" } else { edition })
            .text("ProductName", product)
            .text("CSDVersion", "Service Pack 1")
            .text("CSDBuildNumber", "1130")
            .text("CurrentBuildNumber", "7601")
            .text("BuildLab", "7601.win7sp1_rtm.101119-1850")
            .text("BuildLabEx", "7601.17514.amd64fre.win7sp1_rtm.101119-1850")
            .text("PathName", "C:\\Windows"),
        microsoft("Windows NT\\CurrentVersion\\Winlogon")
            .text("Shell", "explorer.exe")
            .text("Userinit", "C:\\Windows\\system32\\userinit.exe,")
            .text("DefaultUserName", "Administrator")
            .text("DefaultDomainName", &host.name)
            .text("AutoAdminLogon", "0")
            .text("CachedLogonsCount", "10"),
        microsoft("Windows NT\\CurrentVersion\\Image File Execution Options"),
        microsoft("Windows NT\\CurrentVersion\\ProfileList").expanded("ProfilesDirectory", "%SystemDrive%\\Users"),
        microsoft("Windows\\CurrentVersion")
            .text("ProgramFilesDir", "C:\\Program Files")
            .text("CommonFilesDir", "C:\\Program Files\\Common Files")
            .text("ProgramFilesDir (x86)", "C:\\Program Files (x86)"),
        microsoft("Windows\\CurrentVersion\\Policies\\System")
            .number("ConsentPromptBehaviorAdmin", 5)
            .number("EnableLUA", 1)
            .number("LocalAccountTokenFilterPolicy", 1),
        microsoft("Windows\\CurrentVersion\\Run"),
        microsoft("Windows\\CurrentVersion\\RunOnce"),
        microsoft("Windows\\CurrentVersion\\Uninstall"),
        microsoft("Internet Explorer").text("Version", "8.0.7601.17514").text("Build", "87601"),
        microsoft("NET Framework Setup\\NDP\\v3.5").number("Install", 1).text("Version", "3.5.30729.5420"),
        microsoft("PowerShell\\1\\PowerShellEngine").text("PowerShellVersion", "2.0"),
        Key::new("HKLM\\SOFTWARE\\Classes"),
        Key::new("HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows"),
        Key::new("HKLM\\SOFTWARE\\Wow6432Node\\Microsoft"),
    ]
}

/// Whose registry is loaded: the system's accounts, and who is logged on.
fn users(host: &Host) -> Vec<Key> {
    let sid: String = Domain::Machine.with(host, 500).parts.iter().map(|part| format!("-{part}")).collect();
    let names = [".DEFAULT", "S-1-5-19", "S-1-5-20"].map(str::to_owned);
    let names = names.into_iter().chain([format!("S-1-5{sid}")]);
    let mut keys: Vec<Key> = names
        .flat_map(|name| {
            let run = format!("HKU\\{name}\\Software\\Microsoft\\Windows\\CurrentVersion\\Run");
            [
                Key::new(run),
                Key::new(format!("HKU\\{name}\\Environment")).expanded("TEMP", "%USERPROFILE%\\AppData\\Local\\Temp"),
            ]
        })
        .collect();
    keys.push(Key::new(format!("HKU\\S-1-5{sid}_Classes")));
    keys
}

fn services() -> impl Iterator<Item = Key> {
    INSTALLED.iter().map(|one| {
        Key::new(format!("HKLM\\SYSTEM\\CurrentControlSet\\services\\{}", one.name))
            .text("DisplayName", one.display)
            .expanded("ImagePath", one.path)
            .text("ObjectName", one.account)
            .number("Start", one.start)
            .number("Type", one.kind)
            .number("ErrorControl", 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::Environment;

    #[test]
    fn keys_are_found_by_each_of_their_names_and_list_what_lies_in_them() {
        let table = toml::Table::new();
        let host = Host::prepared(&Environment::example(&table)).unwrap();
        let keys = keys(&host, &Visitor::default());
        assert_eq!(children(&keys, "HKLM").unwrap(), ["HARDWARE", "SAM", "SECURITY", "SOFTWARE", "SYSTEM"]);
        assert_eq!(children(&keys, &real("HKLM\\system\\controlset001\\SERVICES\\spooler")), Some(Vec::new()));
        assert_eq!(children(&keys, &real("HKCU\\Software")).unwrap(), ["Microsoft"]);
        assert_eq!(children(&keys, "HKLM\\SOFT"), None);
    }

    #[test]
    fn what_a_source_sets_is_there_until_it_is_removed_and_bounded() {
        let table = toml::Table::new();
        let host = Host::prepared(&Environment::example(&table)).unwrap();
        let mut visitor = Visitor::default();
        let path = || "HKLM\\SOFTWARE\\New".to_owned();
        for number in 0..2 * u32::try_from(MAX_SET).unwrap() {
            assert!(set(&host, &mut visitor, path(), Some((&format!("v{number}"), 4, &number.to_le_bytes()))));
        }
        assert!(!set(&host, &mut visitor, path(), Some(("long", 3, &[0; MAX_DATA + 1]))));
        assert!(!set(&host, &mut visitor, "x".repeat(MAX_NAME + 1), None));
        let values = |visitor: &Visitor| {
            keys(&host, visitor).into_iter().find(|key| key.path == path()).map(|key| key.values.len())
        };
        assert_eq!(values(&visitor), Some(MAX_SET));
        assert!(remove(&mut visitor, &path(), Some("V31")) && !remove(&mut visitor, &path(), Some("v31")));
        assert!(remove(&mut visitor, "HKLM\\SOFTWARE\\new", None));
        assert_eq!(values(&visitor), None);
    }
}
