//! The line between parent and engine while it runs: the parent orders, the engine answers.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Longest answer in bytes; more is cut off.
const ANSWER_MAX: usize = 4096;
/// How long the parent waits for the engine to take an order, and to answer it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The parent's end.
#[derive(Debug)]
pub struct Line {
    /// `None` when the engine has once not answered: what comes next might be that answer.
    stream: Option<UnixStream>,
}

/// The engine's end.
#[derive(Debug)]
pub struct Orders {
    stream: UnixStream,
}

/// Both ends.
pub(super) fn pair() -> io::Result<(Line, Orders)> {
    let (parent, engine) = UnixStream::pair()?;
    parent.set_read_timeout(Some(PATIENCE))?;
    parent.set_write_timeout(Some(PATIENCE))?;
    Ok((Line { stream: Some(parent) }, Orders { stream: engine }))
}

impl Line {
    /// Sends an order and waits for the answer, a minute at most. The answer comes from an unprivileged process: it is text to be shown.
    ///
    /// # Errors
    /// The engine is gone or does not answer; it takes no more orders then.
    pub fn ask(&mut self, order: &[u8]) -> io::Result<Result<String, String>> {
        let mut stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        stream.write_all(&(order.len() as u64).to_le_bytes())?;
        stream.write_all(order)?;
        let [good, low, high] = read_array(&mut stream)?;
        let mut text = vec![0; usize::from(u16::from_le_bytes([low, high])).min(ANSWER_MAX)];
        stream.read_exact(&mut text)?;
        self.stream = Some(stream);
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(if good == 1 { Ok(text) } else { Err(text) })
    }
}

impl Orders {
    /// The next order; call it when the line is readable. `None` when the parent is gone.
    ///
    /// # Errors
    /// The line is broken.
    pub fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        let length = match read_array(&mut self.stream) {
            Ok(length) => u64::from_le_bytes(length),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut order = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut order)?;
        Ok(Some(order))
    }

    /// Answers the order that was received last.
    ///
    /// # Errors
    /// The parent is gone.
    pub fn answer(&mut self, answer: Result<&str, &str>) -> io::Result<()> {
        let (good, text) = match answer {
            Ok(text) => (1, text),
            Err(text) => (0, text),
        };
        let text = text.as_bytes().get(..ANSWER_MAX).unwrap_or(text.as_bytes());
        let [low, high] = u16::try_from(text.len()).unwrap_or(0).to_le_bytes();
        self.stream.write_all(&[&[good, low, high], text].concat())
    }
}

impl AsFd for Orders {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn read_array<const N: usize>(stream: &mut UnixStream) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    stream.read_exact(&mut array)?;
    Ok(array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_any_size_is_answered_and_long_answers_are_cut() {
        let (mut line, mut orders) = pair().unwrap();
        let engine = std::thread::spawn(move || {
            while let Some(order) = orders.receive().unwrap() {
                orders.answer(if order.is_empty() { Err("why") } else { Ok(str::from_utf8(&order).unwrap()) }).unwrap();
            }
        });
        assert_eq!(line.ask(b"").unwrap(), Err("why".to_owned()));
        let large = "x".repeat(1 << 20);
        assert_eq!(line.ask(large.as_bytes()).unwrap(), Ok(large[..ANSWER_MAX].to_owned()));
        assert_eq!(line.ask(b"again").unwrap(), Ok("again".to_owned()));
        drop(line);
        engine.join().unwrap();
    }

    #[test]
    fn an_engine_that_is_gone_takes_no_orders() {
        let (mut line, orders) = pair().unwrap();
        drop(orders);
        assert!(line.ask(b"reload").is_err());
        assert_eq!(line.ask(b"reload").unwrap_err().kind(), io::ErrorKind::NotConnected);
    }
}
