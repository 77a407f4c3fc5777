//! Where proxy targets are: names and containers become addresses on a thread of their own, never on an event loop.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::Waker;

use super::docker;
use crate::rules::ProxyTarget;

/// How long an answer of the name service is used before it is asked again, in the background.
const NAME_AGE: Duration = Duration::from_secs(60);
/// A container's address is asked for at connect time; connections within this time share the answer.
const CONTAINER_AGE: Duration = Duration::from_secs(2);
/// How long a failure stands.
const FAILURE_AGE: Duration = Duration::from_secs(5);

/// What is known about a target.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Its addresses, in the order to be tried.
    Addresses(Arc<[SocketAddr]>),
    /// Being asked for; the wakers say when it is known.
    Pending,
    /// Why there is no address.
    Failed(Arc<str>),
}

/// A target that was asked for.
#[derive(Debug)]
struct Known {
    target: ProxyTarget,
    answer: Answer,
    /// When it was found out.
    at: Option<Instant>,
    /// The thread shall ask.
    wanted: bool,
}

#[derive(Debug, Default)]
struct Book {
    targets: Vec<Known>,
    stopped: bool,
}

/// Looks targets up, remembers what it found.
#[derive(Debug)]
pub(super) struct Resolver {
    book: Mutex<Book>,
    work: Condvar,
    wakers: Vec<Arc<Waker>>,
    own_port: u16,
}

impl Resolver {
    /// A resolver that wakes these workers when it has news; `own_port` is where this server listens.
    pub(super) fn new(wakers: Vec<Arc<Waker>>, own_port: u16) -> Self {
        Self { book: Mutex::default(), work: Condvar::new(), wakers, own_port }
    }

    /// What is known about a target now. Where that is nothing, or too old, the thread is set to work.
    pub(super) fn addresses(&self, target: &ProxyTarget) -> Answer {
        if let ProxyTarget::Tcp { host, port } = target
            && let Ok(address) = host.parse::<IpAddr>()
        {
            return Answer::Addresses(Arc::new([SocketAddr::new(address, *port)]));
        }
        let mut book = self.book();
        let index = book.targets.iter().position(|known| known.target == *target).unwrap_or(book.targets.len());
        if index == book.targets.len() {
            book.targets.push(Known { target: target.clone(), answer: Answer::Pending, at: None, wanted: false });
        }
        let Some(known) = book.targets.get_mut(index) else { return Answer::Pending };
        if known.is_fresh() {
            return known.answer.clone();
        }
        known.wanted = true;
        self.work.notify_one();
        match (&known.answer, target) {
            (Answer::Addresses(_), ProxyTarget::Tcp { .. }) => known.answer.clone(),
            _ => Answer::Pending,
        }
    }

    /// This address is our own listener: relaying there would go round for ever.
    pub(super) fn is_this_server(&self, address: SocketAddr) -> bool {
        // Only addresses of this host can be bound to.
        address.port() == self.own_port
            && (address.ip().is_unspecified() || UdpSocket::bind(SocketAddr::new(address.ip(), 0)).is_ok())
    }

    /// The thread: resolves what is wanted until [`Resolver::stop`].
    pub(super) fn run(&self) {
        while let Some(target) = self.next_wanted() {
            let answer = match look_up(&target) {
                Ok(addresses) if addresses.is_empty() => Answer::Failed(Arc::from("it has no address")),
                Ok(addresses) => Answer::Addresses(addresses.into()),
                Err(error) => Answer::Failed(Arc::from(error.to_string())),
            };
            self.store(&target, answer);
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.book().stopped = true;
        self.work.notify_all();
    }

    fn next_wanted(&self) -> Option<ProxyTarget> {
        let mut book = self.book();
        loop {
            if book.stopped {
                return None;
            }
            if let Some(known) = book.targets.iter().find(|known| known.wanted) {
                return Some(known.target.clone());
            }
            book = self.work.wait(book).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn store(&self, target: &ProxyTarget, answer: Answer) {
        if let Some(known) = self.book().targets.iter_mut().find(|known| known.target == *target) {
            known.answer = answer;
            known.at = Some(Instant::now());
            known.wanted = false;
        }
        for waker in &self.wakers {
            // A worker that cannot be woken finds out by its own deadline.
            let _ = waker.wake();
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_fresh(&self) -> bool {
        let age = match (&self.answer, &self.target) {
            (Answer::Pending, _) => return false,
            (Answer::Failed(_), _) => FAILURE_AGE,
            (Answer::Addresses(_), ProxyTarget::Tcp { .. }) => NAME_AGE,
            (Answer::Addresses(_), ProxyTarget::Docker { .. }) => CONTAINER_AGE,
        };
        self.at.is_some_and(|at| at.elapsed() < age)
    }
}

fn look_up(target: &ProxyTarget) -> io::Result<Vec<SocketAddr>> {
    match target {
        ProxyTarget::Tcp { host, port } => Ok((host.as_str(), *port).to_socket_addrs()?.collect()),
        ProxyTarget::Docker { container, port } => {
            let addresses = docker::addresses(docker::SOCKET.as_ref(), container)?;
            Ok(addresses.into_iter().map(|address| SocketAddr::new(address, *port)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str) -> ProxyTarget {
        ProxyTarget::Tcp { host: host.to_owned(), port: 80 }
    }

    #[test]
    fn an_address_needs_no_asking() {
        let resolver = Resolver::new(Vec::new(), 5000);
        let Answer::Addresses(addresses) = resolver.addresses(&tcp("::1")) else { panic!("not resolved") };
        assert_eq!(*addresses, ["[::1]:80".parse().unwrap()]);
    }

    #[test]
    fn a_name_is_pending_until_the_thread_has_asked() {
        let resolver = Arc::new(Resolver::new(Vec::new(), 5000));
        assert!(matches!(resolver.addresses(&tcp("localhost")), Answer::Pending));
        let target = resolver.next_wanted().unwrap();
        resolver.store(&target, Answer::Addresses(look_up(&target).unwrap().into()));
        let Answer::Addresses(addresses) = resolver.addresses(&tcp("localhost")) else { panic!("not resolved") };
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn the_thread_tells_failures_and_ends_when_told() {
        let resolver = Arc::new(Resolver::new(Vec::new(), 5000));
        let asking = Arc::clone(&resolver);
        let thread = std::thread::spawn(move || asking.run());
        let nowhere = ProxyTarget::Docker { container: "../images".to_owned(), port: 80 };
        let reason = loop {
            if let Answer::Failed(reason) = resolver.addresses(&nowhere) {
                break reason;
            }
            std::thread::yield_now();
        };
        assert_eq!(&*reason, "not a container name");
        resolver.stop();
        thread.join().unwrap();
    }

    #[test]
    fn our_own_listener_is_known_by_port_and_address() {
        let resolver = Resolver::new(Vec::new(), 5000);
        for (address, own) in
            [("127.0.0.1:5000", true), ("127.0.0.1:5001", false), ("0.0.0.0:5000", true), ("192.0.2.1:5000", false)]
        {
            assert_eq!(resolver.is_this_server(address.parse().unwrap()), own, "{address}");
        }
    }
}
