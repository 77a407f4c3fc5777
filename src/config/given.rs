//! A value as it stands in the file, asked for as what it has to be.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::{Beyond, Datapath, Downloads, Fail, Prefix, Spread, is_mark_mask};

/// Longest name of a network interface in bytes (`IFNAMSIZ` in linux/if.h is 16 with the final NUL).
const MAX_INTERFACE_NAME: usize = 15;
/// Longest text that is taken for a name.
const MAX_NAME: usize = 128;

/// What is wrong with a value, and where in the file it stands.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) span: Range<usize>,
    pub(super) problem: String,
    pub(super) mend: String,
}

pub(super) type Taken<T> = Result<T, Refusal>;

/// A value of the file.
#[derive(Clone, Copy)]
pub(super) struct Given<'a>(pub(super) &'a Spanned<DeValue<'a>>);

impl<'a> Given<'a> {
    fn refuse(self, problem: impl Into<String>, mend: impl Into<String>) -> Refusal {
        Refusal { span: self.0.span(), problem: problem.into(), mend: mend.into() }
    }

    fn wrong_type(self, wanted: &str) -> Refusal {
        self.refuse(format!("{} where {wanted} belongs", self.0.as_ref().type_str()), format!("give {wanted}"))
    }

    fn str(self, wanted: &str) -> Taken<&'a str> {
        self.0.as_ref().as_str().ok_or_else(|| self.wrong_type(wanted))
    }

    pub(super) fn boolean(self) -> Taken<bool> {
        self.0.as_ref().as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    pub(super) fn integer<T>(self, range: RangeInclusive<T>) -> Taken<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let number = self.0.as_ref().as_integer().ok_or_else(|| self.wrong_type("a whole number"))?;
        i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.refuse("out of range", format!("give {} to {}", range.start(), range.end())))
    }

    pub(super) fn seconds(self, range: RangeInclusive<u64>) -> Taken<Duration> {
        self.integer(range).map(Duration::from_secs)
    }

    pub(super) fn port(self) -> Taken<u16> {
        self.integer(1..=u16::MAX)
    }

    /// Every element of a list.
    fn list<T>(self, wanted: &str, element: impl Fn(Self) -> Taken<T>) -> Taken<Vec<T>> {
        let elements = self.0.as_ref().as_array().ok_or_else(|| self.wrong_type(wanted))?;
        elements.iter().map(|value| element(Given(value))).collect()
    }

    /// Ports, sorted, each once.
    pub(super) fn ports(self) -> Taken<Vec<u16>> {
        let mut ports = self.list("a list of ports", Given::port)?;
        ports.sort_unstable();
        ports.dedup();
        Ok(ports)
    }

    pub(super) fn addresses(self) -> Taken<Vec<IpAddr>> {
        let addresses = self.list("a list of addresses", |element| {
            let text = element.str("an address in quotes")?;
            IpAddr::from_str(text)
                .map_err(|_| element.refuse("not an IP address", "give one such as \"0.0.0.0\" or \"::\""))
        })?;
        if addresses.is_empty() {
            Err(self.refuse("an empty list", "give one address at least"))
        } else {
            Ok(addresses)
        }
    }

    pub(super) fn prefixes(self) -> Taken<Vec<Prefix>> {
        self.list("a list of networks", |element| {
            let text = element.str("a network in quotes")?;
            Prefix::from_str(text).map_err(|problem| element.refuse(problem, "give one such as \"203.0.113.0/24\""))
        })
    }

    pub(super) fn interfaces(self) -> Taken<Vec<String>> {
        self.list("a list of interface names", |element| {
            let name = element.str("an interface name in quotes")?;
            let valid = (1..=MAX_INTERFACE_NAME).contains(&name.len())
                && !name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
            if valid {
                Ok(name.to_owned())
            } else {
                Err(element.refuse("not an interface name", "give one that `ip link` shows"))
            }
        })
    }

    /// Printable text of a word or none; empty where empty means something.
    pub(super) fn name_or_empty(self) -> Taken<String> {
        let name = self.str("text in quotes")?;
        let valid = name.len() <= MAX_NAME && name.chars().all(|c| c.is_ascii_graphic());
        let mend = || format!("give at most {MAX_NAME} printable ASCII characters without spaces");
        if valid { Ok(name.to_owned()) } else { Err(self.refuse("not usable as a name", mend())) }
    }

    pub(super) fn name(self) -> Taken<String> {
        match self.name_or_empty()? {
            name if name.is_empty() => Err(self.refuse("empty", "give a name")),
            name => Ok(name),
        }
    }

    /// An absolute or relative path.
    pub(super) fn path(self) -> Taken<PathBuf> {
        self.path_or_none()?.ok_or_else(|| self.refuse("empty", "give a path"))
    }

    /// A path; the empty text is none.
    pub(super) fn path_or_none(self) -> Taken<Option<PathBuf>> {
        let path = self.str("a path in quotes")?;
        if path.contains('\0') {
            return Err(self.refuse("not a path", "take out the NUL"));
        }
        Ok((!path.is_empty()).then(|| PathBuf::from(path)))
    }

    pub(super) fn fail(self) -> Taken<Fail> {
        match self.str("\"open\" or \"closed\"")? {
            "open" => Ok(Fail::Open),
            "closed" => Ok(Fail::Closed),
            _ => Err(self.refuse("neither open nor closed", "give \"open\" or \"closed\"")),
        }
    }

    /// One of these names.
    fn one_of<T: Copy, const N: usize>(self, choices: [(&'static str, T); N], what: &str) -> Taken<T> {
        let names = || choices.map(|(name, _)| format!("\"{name}\"")).join(", ");
        let text = self.str(&names())?;
        let known = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        known.ok_or_else(|| self.refuse(format!("not {what}"), format!("give one of {}", names())))
    }

    pub(super) fn downloads(self) -> Taken<Downloads> {
        self.one_of(Downloads::NAMES, "what becomes of downloads")
    }

    pub(super) fn datapath(self) -> Taken<Datapath> {
        self.one_of(Datapath::NAMES, "a datapath")
    }

    pub(super) fn spread(self) -> Taken<Spread> {
        self.one_of(Spread::NAMES, "how packets can be spread")
    }

    pub(super) fn beyond(self) -> Taken<Beyond> {
        self.one_of(Beyond::NAMES, "what becomes of packets")
    }

    /// At least two bits, side by side.
    pub(super) fn mark_mask(self) -> Taken<u32> {
        let mask = self.integer(3..=u32::MAX)?;
        let refusal = || self.refuse("not two bits or more, side by side", "give a mask such as 0x30000000");
        if is_mark_mask(mask) { Ok(mask) } else { Err(refusal()) }
    }
}
