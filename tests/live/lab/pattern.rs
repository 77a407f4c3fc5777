//! Bulk transfer whose every byte is known: byte `n` of a transfer is byte `n % 65521` of a fixed pseudo-random block.
//!
//! The block's length is prime, so a segment that is lost, doubled, reordered or changed never looks right. Comparing blocks instead of
//! hashing keeps the test from measuring SHA-256.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;

const PERIOD: usize = 65_521;
const UPLOAD: u8 = b'u';
const DOWNLOAD: u8 = b'd';

/// Two periods, so that any run of up to one period is one slice.
static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let period: Vec<u8> = (0..PERIOD)
        .map(|_| {
            // xorshift64: any sequence without short repeats would do.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    period.repeat(2)
});

/// Bytes of the pattern from `offset` on, at most one period and at most `length`.
fn run_at(offset: u64, length: u64) -> &'static [u8] {
    let start = (offset % PERIOD as u64) as usize;
    &BLOCK[start..start + length.min(PERIOD as u64) as usize]
}

/// Client side: sends `length` bytes; the server's word on them must be "right".
pub(crate) fn upload(stream: &mut TcpStream, length: u64) -> io::Result<()> {
    request(stream, UPLOAD, length)?;
    send(stream, length)?;
    let mut word = [0; 1];
    stream.read_exact(&mut word)?;
    if word == [1] { Ok(()) } else { Err(io::Error::other("the server received other bytes than were sent")) }
}

/// Client side: receives `length` bytes and compares them.
pub(crate) fn download(stream: &mut TcpStream, length: u64) -> io::Result<()> {
    request(stream, DOWNLOAD, length)?;
    receive(stream, length)
}

/// Server side of both, until the client closes.
pub(crate) fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let length = u64::from_be_bytes(*head.last_chunk().unwrap());
        match head[0] {
            UPLOAD => {
                let right = receive(&mut stream, length).is_ok();
                stream.write_all(&[right.into()])?;
            }
            _ => send(&mut stream, length)?,
        }
    }
    Ok(())
}

fn request(stream: &mut TcpStream, what: u8, length: u64) -> io::Result<()> {
    stream.write_all(&[&[what][..], &length.to_be_bytes()].concat())
}

fn send(stream: &mut TcpStream, length: u64) -> io::Result<()> {
    let mut sent = 0;
    while sent < length {
        let run = run_at(sent, length - sent);
        stream.write_all(run)?;
        sent += run.len() as u64;
    }
    Ok(())
}

fn receive(stream: &mut TcpStream, length: u64) -> io::Result<()> {
    let mut buffer = vec![0; PERIOD];
    let mut received = 0;
    while received < length {
        let expected = run_at(received, length - received);
        let heard = &mut buffer[..expected.len()];
        // Takes up again what a stop of the process has interrupted, which a wait with a limit does not (signal(7)).
        stream.read_exact(heard)?;
        let end = received + heard.len() as u64;
        if heard != expected {
            return Err(io::Error::other(format!("bytes {received} to {end} differ")));
        }
        received = end;
    }
    Ok(())
}
