//! The control socket: one question a connection, one line; one answer, the exit code of whoever asked and a text.
//!
//! Its name is in the abstract namespace (unix(7)), which belongs to the network namespace as the queues do: an engine is found by its queue
//! number, leaves no file behind, and does not meet the engine of another namespace. Names there have no owner, so both sides ask the
//! kernel who the other is: root or the same user.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

/// What the name of a control socket begins with; the queue's number follows.
const NAME: &str = "glutton-nfq/";
/// Longest question in bytes.
const QUESTION_MAX: u64 = 256;
/// Longest answer in bytes.
const ANSWER_MAX: u64 = 1 << 20;
/// How long a caller may take to ask and to read the answer.
const CALLER_PATIENCE: Duration = Duration::from_secs(1);
/// How long a caller waits for the answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(120);

/// Where callers are heard.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
}

/// Somebody who may ask, and what was asked.
#[derive(Debug)]
pub struct Caller {
    stream: UnixStream,
    /// The question, one line without its end.
    pub question: String,
}

/// What the caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Exit code for the caller: 0 done, 1 failed, 2 what the caller wants is wrong.
    pub code: u8,
    /// What to say.
    pub text: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens.
    #[error("no engine with queue {0} runs here: is it another --queue-num, or in another network namespace?")]
    NotRunning(u16),
    /// Somebody else has taken the name.
    #[error("the control socket of queue {queue_num} belongs to user {uid}: an engine runs as root or as the caller")]
    Stranger {
        /// Number of the first queue.
        queue_num: u16,
        /// User that listens there.
        uid: u32,
    },
    /// The engine closed the connection: the caller is neither root nor the user of the engine, or the engine has ended.
    #[error("the engine gave no answer: ask as root")]
    NoAnswer,
    /// A call failed.
    #[error("cannot talk to the engine: {0}")]
    Io(#[from] io::Error),
}

impl ControlSocket {
    /// Listens for callers of the engine whose first queue has this number.
    ///
    /// # Errors
    /// The name is taken.
    pub fn bind(queue_num: u16) -> io::Result<Self> {
        let listener = UnixListener::bind_addr(&address(queue_num)?)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener })
    }

    /// The next caller; `None` when there is none, or it may not ask or does not.
    pub fn accept(&self) -> Option<Caller> {
        let (stream, _) = self.listener.accept().ok()?;
        if !is_trusted(peer(&stream).ok()?) {
            return None;
        }
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(CALLER_PATIENCE)).ok()?;
        stream.set_write_timeout(Some(CALLER_PATIENCE)).ok()?;
        let mut question = String::new();
        BufReader::new((&stream).take(QUESTION_MAX)).read_line(&mut question).ok()?;
        Some(Caller { stream, question: question.trim().to_owned() })
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Caller {
    /// Answers. That the caller has gone is its own affair.
    pub fn answer(mut self, answer: &Answer) {
        let _ = self.stream.write_all(&[&[answer.code], answer.text.as_bytes()].concat());
    }
}

/// Asks the engine whose first queue has this number.
///
/// # Errors
/// There is no engine, or it gives no answer.
pub fn call(queue_num: u16, question: &str) -> Result<Answer, CallError> {
    let mut stream = UnixStream::connect_addr(&address(queue_num)?).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => CallError::NotRunning(queue_num),
        _ => CallError::Io(error),
    })?;
    let uid = peer(&stream)?;
    if !is_trusted(uid) {
        return Err(CallError::Stranger { queue_num, uid });
    }
    stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
    // An engine that does not want to hear us has closed the connection: that shows when reading.
    let _ = stream.write_all(format!("{question}\n").as_bytes());
    let mut answer = Vec::new();
    match stream.take(ANSWER_MAX).read_to_end(&mut answer) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => return Err(error.into()),
        _ => {}
    }
    let (&code, text) = answer.split_first().ok_or(CallError::NoAnswer)?;
    Ok(Answer { code, text: String::from_utf8_lossy(text).into_owned() })
}

/// An engine of this network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Number of its first queue.
    pub queue_num: u16,
    /// Its parent process.
    pub pid: i32,
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an engine (queue {}, pid {})", self.queue_num, self.pid)
    }
}

/// An engine that runs here, of whoever we would talk to; `None` when there is none.
///
/// # Errors
/// `/proc` is unreadable.
pub fn running() -> io::Result<Option<Running>> {
    let sockets = fs::read("/proc/thread-self/net/unix")?;
    let sockets = String::from_utf8_lossy(&sockets);
    // The kernel shows the zero byte before an abstract name as `@`.
    let names = sockets.lines().filter_map(|line| line.rsplit_once(&format!(" @{NAME}"))?.1.parse().ok());
    Ok(names.filter_map(answering).next())
}

fn answering(queue_num: u16) -> Option<Running> {
    let stream = UnixStream::connect_addr(&address(queue_num).ok()?).ok()?;
    let peer = socket_peercred(&stream).ok()?;
    is_trusted(peer.uid.as_raw()).then(|| Running { queue_num, pid: peer.pid.as_raw_pid() })
}

fn address(queue_num: u16) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("{NAME}{queue_num}"))
}

/// The user at the other end, as the kernel knows it.
fn peer(stream: &UnixStream) -> io::Result<u32> {
    Ok(socket_peercred(stream)?.uid.as_raw())
}

fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that no engine of a test has.
    const QUEUE: u16 = 64_901;

    #[test]
    fn a_question_is_answered_with_code_and_text() {
        let socket = ControlSocket::bind(QUEUE).unwrap();
        let asking = std::thread::spawn(|| call(QUEUE, "reload"));
        let caller = loop {
            if let Some(caller) = socket.accept() {
                break caller;
            }
            std::thread::yield_now();
        };
        assert_eq!(caller.question, "reload");
        let mut running = running().unwrap().into_iter();
        assert!(running.any(|engine| engine.pid == std::process::id() as i32), "this process runs one");
        let answer = Answer { code: 2, text: "line 3".to_owned() };
        caller.answer(&answer);
        assert_eq!(asking.join().unwrap().unwrap(), answer);
        assert!(ControlSocket::bind(QUEUE).is_err(), "there is one engine for a queue");
    }

    #[test]
    fn without_an_engine_the_caller_is_told_so() {
        assert!(matches!(call(QUEUE + 1, "reload"), Err(CallError::NotRunning(_))));
    }
}
