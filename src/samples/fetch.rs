//! The downloader: fetches what visitors name, as the tool that they named would, within limits.

use std::collections::VecDeque;
use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use data_encoding::HEXLOWER;
use rustls::crypto::ring::default_provider;
use ureq::config::{AutoHeaderValue, Config};
use ureq::http::Uri;
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use super::address::{Own, may_fetch_from};
use super::thread::Keeper;
use super::{Origin, Stored, with};
use crate::clock::Clock;
use crate::config::{Prefix, Samples};
use crate::control::{Counter, Counters};
use crate::events::{Event, EventSender, Record};
use crate::handlers::{Download, Persona, Sample};
use crate::host;
use crate::packet::Address;

/// URLs that are remembered so that they are not fetched again so soon.
const REMEMBERED: usize = 1_024;
/// How long.
const REPEATED_AFTER: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);
/// Longest URL that is fetched, in bytes.
const MAX_URL: usize = 2_048;
/// One source may use this part of the downloads of a minute, so that others have theirs.
const PART_OF_A_SOURCE: usize = 2;
/// Ports of mail, chat, files, names and databases: no malware is offered there, and a request would be a word to somebody else's server.
const FOREIGN_PORTS: [u16; 32] = [
    7, 9, 13, 19, 21, 22, 25, 53, 79, 110, 111, 119, 135, 137, 139, 143, 389, 445, 465, 514, 515, 587, 636, 873, 993,
    995, 1_433, 1_521, 3_306, 5_432, 6_379, 6_667,
];

/// What the downloader works with.
pub struct Fetching {
    /// Limits.
    pub limits: Samples,
    /// Networks that this sensor answers for: nothing is fetched from them.
    pub captured: Vec<Prefix>,
    /// Whose tools it imitates.
    pub persona: Arc<Persona>,
    /// Where it says what became of a download.
    pub events: EventSender,
    /// Where limits that are hit are counted.
    pub counters: Arc<Counters>,
    /// The time.
    pub clock: Clock,
}

pub(super) struct Fetcher {
    fetching: Fetching,
    keeper: Keeper,
    may_fetch_from: fn(IpAddr, &Own) -> bool,
    /// What was asked for last, by whom and when.
    recent: VecDeque<Wish>,
}

/// A download that was admitted.
struct Wish {
    url: String,
    source: Address,
    at: Instant,
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("fetched already within the hour")]
    Repeated,
    #[error("more than samples.fetches_per_minute, or half of them for one source")]
    Rate,
    #[error("only http and https are fetched")]
    Scheme,
    #[error("the URL has credentials: the sensor logs in nowhere")]
    Credentials,
    #[error("port {0} is that of another service")]
    ForeignPort(u16),
    #[error("{0} is not a public address")]
    NotPublic(IpAddr),
    #[error("longer than samples.max_file_bytes")]
    TooLong,
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    const fn counter(&self) -> Counter {
        match self {
            Self::Repeated => Counter::DownloadsRepeated,
            Self::Rate => Counter::DownloadsRefusedRate,
            Self::Scheme | Self::Credentials | Self::ForeignPort(_) | Self::NotPublic(_) => {
                Counter::DownloadsRefusedTarget
            }
            Self::TooLong => Counter::SamplesTooLong,
            Self::Failed(_) => Counter::DownloadsFailed,
        }
    }
}

/// An answer with its body.
struct Fetched {
    bytes: Vec<u8>,
    status: u16,
    content_type: Option<String>,
}

impl Fetcher {
    pub(super) fn new(fetching: Fetching, keeper: Keeper) -> Self {
        Self { fetching, keeper, may_fetch_from, recent: VecDeque::new() }
    }

    /// Without a sender, because nothing is to be fetched, this ends at once.
    pub(super) fn run(mut self, downloads: &Receiver<(Origin, Download)>) {
        while let Ok((origin, download)) = downloads.recv() {
            let event = self.serve(&origin, &download);
            let event = event.with("url", download.url).with("tool", download.tool);
            let Origin { flow, handler, .. } = origin;
            let at = self.fetching.clock.now();
            self.fetching.events.send(Record::Session { at, flow, handler, event: Box::new(event) });
        }
    }

    /// Fetches and stores; the event about it.
    pub(super) fn serve(&mut self, origin: &Origin, download: &Download) -> Event {
        let failed = |outcome: &str, reason: String| {
            Event::new("download", format!("not fetched: {reason}")).with("outcome", outcome).with("reason", reason)
        };
        let Fetched { bytes, status, content_type } = match self.admit(&download.url, origin) {
            Ok(url) => match self.fetch(&url, origin, &download.tool) {
                Ok(fetched) => fetched,
                Err(refusal) => {
                    self.fetching.counters.count(refusal.counter());
                    let outcome = if matches!(refusal, Refusal::Failed(_)) { "failed" } else { "refused" };
                    return failed(outcome, refusal.to_string());
                }
            },
            Err(refusal) => {
                self.fetching.counters.count(refusal.counter());
                return failed("refused", refusal.to_string());
            }
        };
        self.fetching.counters.count(Counter::DownloadsFetched);
        let sample = Sample::new(&download.url, bytes);
        let about = with(origin.to_value(), "url", download.url.as_str());
        let about = with(with(about, "tool", download.tool.as_str()), "content_type", content_type.clone());
        match self.keeper.keep(&sample, about) {
            Ok(stored) => {
                let known = if stored == Stored::Known { ", known already" } else { "" };
                Event::new("download", format!("fetched {} bytes{known}", sample.bytes.len()))
                    .with("outcome", "stored")
                    .with("status", status)
                    .with("content_type", content_type)
                    .with("bytes", sample.bytes.len())
                    .with("payload_hash", HEXLOWER.encode(&sample.hash))
            }
            Err(error) => failed("failed", error.to_string()),
        }
    }

    /// What is to be asked for, if it may be now.
    fn admit(&mut self, url: &str, origin: &Origin) -> Result<String, Refusal> {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let scheme = url.split("://").next().unwrap_or_default().to_ascii_lowercase();
        if !["http", "https"].contains(&scheme.as_str()) || url.len() > MAX_URL {
            return Err(Refusal::Scheme);
        }
        let (source, at) = (Address::from(origin.flow.key.client).source(), Instant::now());
        while self.recent.len() >= REMEMBERED || self.recent.front().is_some_and(|wish| wish.at + REPEATED_AFTER < at) {
            self.recent.pop_front();
        }
        if self.recent.iter().any(|wish| wish.url == url) {
            return Err(Refusal::Repeated);
        }
        let most = self.fetching.limits.fetches_per_minute;
        let lately = self.recent.iter().rev().take_while(|wish| wish.at + MINUTE > at);
        let (all, own) = lately.fold((0, 0), |(all, own), wish| (all + 1, own + usize::from(wish.source == source)));
        if all >= most || own >= most.div_ceil(PART_OF_A_SOURCE) {
            return Err(Refusal::Rate);
        }
        self.recent.push_back(Wish { url: url.clone(), source, at });
        Ok(url)
    }

    fn fetch(&self, url: &str, origin: &Origin, tool: &str) -> Result<Fetched, Refusal> {
        let limit = self.fetching.limits.max_file_bytes;
        let mut response = self.agent(origin, tool).get(url).call().map_err(refusal)?;
        let status = response.status().as_u16();
        let content_type =
            response.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
        if !response.status().is_success() {
            return Err(Refusal::Failed(format!("the server says {status}")));
        }
        let mut bytes = Vec::new();
        let reader = response.body_mut().as_reader();
        reader.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| Refusal::Failed(error.to_string()))?;
        if bytes.len() > limit {
            return Err(Refusal::TooLong);
        }
        Ok(Fetched { bytes, status, content_type })
    }

    /// A client for one download: what it resolves is checked, at every redirect, and it connects to what was checked.
    fn agent(&self, origin: &Origin, tool: &str) -> Agent {
        let mut addresses = host::addresses();
        addresses.push(origin.flow.key.dialled);
        let own = Own { addresses, networks: self.fetching.captured.clone() };
        let resolver = Guarded { own, may_fetch_from: self.may_fetch_from, inner: DefaultResolver::default() };
        // Those who spread malware have no certificates that anybody vouches for.
        let tls = TlsConfig::builder()
            .disable_verification(true)
            .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
            .build();
        let config: Config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(self.fetching.limits.fetch_redirects)
            .timeout_global(Some(self.fetching.limits.fetch_timeout))
            .user_agent(user_agent(tool, &self.fetching.persona))
            .accept_encoding(AutoHeaderValue::None)
            .tls_config(tls)
            .max_idle_connections(0)
            .build();
        Agent::with_parts(config, DefaultConnector::default(), resolver)
    }
}

/// Resolves names to addresses that may be fetched from.
#[derive(Debug)]
struct Guarded {
    own: Own,
    may_fetch_from: fn(IpAddr, &Own) -> bool,
    inner: DefaultResolver,
}

impl Resolver for Guarded {
    /// Asked at the beginning and at every redirect; the connection goes to what this returns.
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(Error::Other(Box::new(Refusal::Credentials)));
        }
        if let Some(port) = uri.port_u16().filter(|port| FOREIGN_PORTS.contains(port)) {
            return Err(Error::Other(Box::new(Refusal::ForeignPort(port))));
        }
        let resolved = self.inner.resolve(uri, config, timeout)?;
        // One address that may not be is enough: whoever owns the name wants us to go there.
        match resolved.iter().find(|address| !(self.may_fetch_from)(address.ip(), &self.own)) {
            Some(address) => Err(Error::Other(Box::new(Refusal::NotPublic(address.ip())))),
            None => Ok(resolved),
        }
    }
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Other(error) => match error.downcast::<Refusal>() {
            Ok(refusal) => *refusal,
            Err(error) => Refusal::Failed(error.to_string()),
        },
        error => Refusal::Failed(error.to_string()),
    }
}

/// What the tool says of itself, in a version that goes with the persona.
fn user_agent(tool: &str, persona: &Persona) -> String {
    const WGET: [&str; 5] = ["1.20.3", "1.21", "1.21.2", "1.21.3", "1.21.4"];
    const CURL: [&str; 6] = ["7.68.0", "7.74.0", "7.81.0", "7.88.1", "8.5.0", "8.9.1"];
    let pick = |label: &str, versions: &[&'static str]| {
        let at = persona.random(label).within(&(0..=versions.len() as u64 - 1));
        versions.get(usize::try_from(at).unwrap_or(0)).copied().unwrap_or_default()
    };
    let tool = tool.to_ascii_lowercase();
    if tool.contains("busybox") {
        "Wget".to_owned()
    } else if tool.contains("curl") {
        format!("curl/{}", pick("curl", &CURL))
    } else if tool.contains("powershell") {
        "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.17763.1".to_owned()
    } else if tool.contains("certutil") {
        "Microsoft-CryptoAPI/10.0".to_owned()
    } else {
        format!("Wget/{}", pick("wget", &WGET))
    }
}

#[cfg(test)]
impl Fetcher {
    /// For tests, whose servers live on loopback.
    pub(super) fn judging_by(mut self, may_fetch_from: fn(IpAddr, &Own) -> bool) -> Self {
        self.may_fetch_from = may_fetch_from;
        self
    }
}
