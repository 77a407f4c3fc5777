//! Real servers in the sensor's namespace: what the engine passes, proxies or rewrites to, and what it must leave alone.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use glutton_nfq::netns::Namespace;
use socket2::SockRef;

use super::pattern;

/// A TCP server on both families; it ends when it is dropped.
pub(crate) struct Service {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Answers every line with its own name, a blank and the line: so a client knows who answered.
    pub(crate) fn named(namespace: &Namespace, port: u16, name: &'static str) -> Self {
        Self::start(namespace, port, move |stream| {
            let mut answers = stream.try_clone()?;
            for line in BufReader::new(stream).lines() {
                answers.write_all(format!("{name} {}\n", line?).as_bytes())?;
            }
            Ok(())
        })
    }

    /// Takes or gives any number of bytes of [`pattern`]: see [`pattern::upload`] and [`pattern::download`].
    pub(crate) fn bulk(namespace: &Namespace, port: u16) -> Self {
        Self::start(namespace, port, pattern::serve)
    }

    /// Sends back the very bytes that come.
    pub(crate) fn echo(namespace: &Namespace, port: u16) -> Self {
        Self::start(namespace, port, |mut stream| {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let length = stream.read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                stream.write_all(&buffer[..length])?;
            }
        })
    }

    fn start(
        namespace: &Namespace,
        port: u16,
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Clone + 'static,
    ) -> Self {
        let listener = namespace.run(|| TcpListener::bind(("::", port))).unwrap().unwrap();
        let accepting = listener.try_clone().unwrap();
        let thread = namespace.spawn_thread(move || {
            while let Ok((stream, _)) = accepting.accept() {
                let serve = serve.clone();
                // A client that breaks off ends its own thread only; the client's side of the test says what was wrong.
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { listener, thread: Some(thread.unwrap()) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A listener that is shut down wakes its accept with an error.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A UDP server on both families that answers every datagram with its name, a blank and the datagram.
pub(crate) struct DatagramService {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DatagramService {
    /// Binds and serves.
    pub(crate) fn named(namespace: &Namespace, port: u16, name: &'static str) -> Self {
        let socket = namespace.run(|| UdpSocket::bind(("::", port))).unwrap().unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = namespace.spawn_thread(move || {
            let mut buffer = vec![0; 65_536];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let answer = [name.as_bytes(), b" ", &buffer[..length]].concat();
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { stop, thread: Some(thread.unwrap()) }
    }
}

impl Drop for DatagramService {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
