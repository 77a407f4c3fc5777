//! How long each software waits for what is to come: nginx by its `*_timeout` defaults, Apache as Debian's mod_reqtimeout has it.

use std::time::Duration;

use super::face::Face;
use crate::clock::Timestamp;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    /// The first byte of all.
    First,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
    /// The rest of a body that was answered already.
    Leftover,
    /// The next request.
    Next,
}

/// Where nothing else is known.
const USUAL: Duration = Duration::from_secs(60);
/// `keepalive_timeout`, `lingering_timeout` and `lingering_time` of nginx.
const NGINX_NEXT: Duration = Duration::from_secs(75);
const NGINX_PIECE: Duration = Duration::from_secs(5);
const NGINX_LEFTOVER: Duration = Duration::from_secs(30);
/// KeepAliveTimeout; RequestReadTimeout for heads and bodies, which every so many bytes make a second longer; and how long the kernel keeps
/// a connection from Apache on which nothing comes (AcceptFilter), before that time begins.
const APACHE_NEXT: Duration = Duration::from_secs(5);
const APACHE_HEAD: Duration = Duration::from_secs(20);
const APACHE_LONGEST_HEAD: Duration = Duration::from_secs(40);
const APACHE_BODY: Duration = Duration::from_secs(10);
const APACHE_BYTES: u64 = 500;
const APACHE_DEFERRED: Duration = Duration::from_secs(31);

/// The patience with one connection.
#[derive(Debug)]
pub(super) struct Patience {
    /// For everything, if the operator says so.
    given: Option<Duration>,
    /// What it waits for, and since when.
    awaits: Option<Awaits>,
    since: Timestamp,
}

impl Patience {
    pub(super) const fn new(given: Option<Duration>) -> Self {
        Self { given, awaits: None, since: Timestamp::from_micros(0) }
    }

    /// What was waited for has come.
    pub(super) fn restart(&mut self) {
        self.awaits = None;
    }

    /// The time that is left to a visitor who has sent so many bytes of what is waited for.
    pub(super) fn left(&mut self, face: &Face, awaits: Awaits, heard: u64, now: Timestamp) -> Duration {
        if self.awaits != Some(awaits) {
            (self.awaits, self.since) = (Some(awaits), now);
        }
        let bonus = Duration::from_secs(heard / APACHE_BYTES);
        let until = |limit: Duration| (self.since + limit).saturating_since(now);
        match (self.given, face, awaits) {
            (Some(given), ..) => given,
            (None, Face::Nginx { .. }, Awaits::Head) => until(USUAL),
            (None, Face::Nginx { .. }, Awaits::Leftover) => NGINX_PIECE.min(until(NGINX_LEFTOVER)),
            (None, Face::Nginx { .. }, Awaits::Next) => NGINX_NEXT,
            (None, Face::Apache { .. }, Awaits::First) => APACHE_DEFERRED + APACHE_HEAD,
            (None, Face::Apache { .. }, Awaits::Head) => until((APACHE_HEAD + bonus).min(APACHE_LONGEST_HEAD)),
            (None, Face::Apache { .. }, Awaits::Body | Awaits::Leftover) => until(APACHE_BODY + bonus),
            (None, Face::Apache { .. }, Awaits::Next) => APACHE_NEXT,
            (None, ..) => USUAL,
        }
    }
}
