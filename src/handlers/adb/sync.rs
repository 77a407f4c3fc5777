//! `sync:`, the file service, version 1 and the second STAT: STAT, LIST, SEND, RECV, QUIT (AOSP packages/modules/adb, SYNC.TXT).
//!
//! A request is four letters and a little-endian length, then a path of so many bytes.

use super::budget::{Budget, Incoming, MAX_HELD};
use super::message::request;
use super::service::Service;
use crate::clock::Timestamp;
use crate::events::Event;
use crate::handlers::Context;
use crate::handlers::shell::Device;

/// Letters and a number stand before everything.
const HEADER: usize = 8;
/// The longest path of a request.
const MAX_PATH: u32 = 1_024;
/// The longest piece of a file.
const MAX_PIECE: u32 = 64 * 1024;
/// The type bits of `st_mode` for a directory.
const DIRECTORY: u32 = 0o040_000;
const TYPE: u32 = 0o170_000;

/// A file that is being sent.
#[derive(Debug)]
struct Upload {
    path: Vec<u8>,
    mode: u32,
    file: Incoming,
    /// Pieces that were not taken: the client has been told why.
    failed: bool,
}

/// What the next bytes are.
#[derive(Debug)]
enum State {
    /// A header, or a request with its path.
    Request,
    /// So many bytes of a piece of the file.
    Piece(Upload, usize),
    /// The header of the next piece, or of the end.
    BetweenPieces(Upload),
    /// Nothing more: the client has quit or sent nonsense.
    Over,
}

/// One session of the file service.
#[derive(Debug)]
pub(super) struct Sync {
    state: State,
    /// A header or request that is not whole: at most [`HEADER`] and [`MAX_PATH`] bytes.
    input: Vec<u8>,
    budget: Budget,
}

impl Sync {
    pub(super) fn new(budget: Budget) -> Self {
        Self { state: State::Request, input: Vec::new(), budget }
    }

    /// Takes bytes until more are needed.
    fn take(&mut self, cx: &mut Context<'_>, device: &Device, bytes: &[u8], out: &mut Vec<u8>) {
        let mut input = bytes;
        while out.len() < MAX_HELD {
            self.state = match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return,
                State::Piece(mut upload, left) => {
                    let (piece, rest) = input.split_at(left.min(input.len()));
                    input = rest;
                    if !upload.failed && !upload.file.push(piece) {
                        upload.failed = true;
                        fail(out, "couldn't write: No space left on device");
                    }
                    match left - piece.len() {
                        0 => State::BetweenPieces(upload),
                        left => State::Piece(upload, left),
                    }
                }
                waiting => match self.take_request(&waiting, &mut input) {
                    None => {
                        self.state = waiting;
                        return;
                    }
                    Some(request) => self.next(cx, device, waiting, request, out),
                },
            };
            if input.is_empty() && matches!(self.state, State::Piece(..)) {
                return;
            }
        }
    }

    /// A whole header, and in a request the path behind it.
    fn take_request(&mut self, waiting: &State, input: &mut &[u8]) -> Option<([u8; 4], u32, Vec<u8>)> {
        self.fill(HEADER, input);
        let (id, number) = self.input.split_first_chunk()?;
        let (id, number) = (*id, u32::from_le_bytes(*number.first_chunk()?));
        let has_path = matches!(waiting, State::Request) && number <= MAX_PATH;
        let wanted = HEADER + if has_path { usize::try_from(number).unwrap_or(0) } else { 0 };
        self.fill(wanted, input);
        let path = self.input.get(HEADER..wanted)?.to_vec();
        self.input = Vec::new();
        Some((id, number, path))
    }

    fn fill(&mut self, wanted: usize, input: &mut &[u8]) {
        let (taken, rest) = input.split_at(wanted.saturating_sub(self.input.len()).min(input.len()));
        self.input.extend_from_slice(taken);
        *input = rest;
    }

    fn next(
        &mut self,
        cx: &mut Context<'_>,
        device: &Device,
        waiting: State,
        (id, number, path): ([u8; 4], u32, Vec<u8>),
        out: &mut Vec<u8>,
    ) -> State {
        match (waiting, &id) {
            (State::BetweenPieces(upload), b"DATA") if number <= MAX_PIECE => {
                State::Piece(upload, usize::try_from(number).unwrap_or(0))
            }
            (State::BetweenPieces(upload), b"DONE") => {
                finish(cx, device, upload, number, out);
                State::Request
            }
            (State::BetweenPieces(mut upload), _) => {
                cx.sample(&String::from_utf8_lossy(&upload.path), upload.file.take());
                fail(out, "invalid data message");
                State::Over
            }
            (_, b"SEND") if number <= MAX_PATH => {
                let (path, mode) = path_and_mode(&path);
                State::BetweenPieces(Upload { path, mode, file: self.budget.file(), failed: false })
            }
            (_, b"STAT" | b"STA2" | b"LST2" | b"LIST" | b"RECV") if number <= MAX_PATH => {
                let source = cx.session().client.ip();
                cx.event(asked(id, &path));
                device.files(source, cx.now(), |files| {
                    let path = files.absolute(b"/", &path);
                    match &id {
                        b"STAT" => out.extend(stat(files.stat(&path), b"STAT")),
                        b"STA2" | b"LST2" => out.extend(stat_v2(files.stat(&path), id, &path)),
                        b"LIST" => {
                            for name in [b".".to_vec(), b"..".to_vec()].into_iter().chain(files.names(&path)) {
                                let found = files.stat(&files.absolute(&path, &name));
                                out.extend(stat(found, b"DENT"));
                                out.extend(u32::try_from(name.len()).unwrap_or(0).to_le_bytes());
                                out.extend(name);
                            }
                            out.extend(b"DONE");
                            out.extend([0; 16]);
                        }
                        _ if files.is_directory(&path) => fail(out, "read failed: Is a directory"),
                        _ => match files.read(&path) {
                            Some(content) => send_file(&content, out),
                            None if files.exists(&path) => fail(out, "open failed: Permission denied"),
                            None => fail(out, "open failed: No such file or directory"),
                        },
                    }
                });
                State::Request
            }
            (_, b"QUIT") => State::Over,
            _ => {
                cx.event(asked(id, &path));
                fail(out, if number > MAX_PATH { "path too long" } else { "unknown command" });
                State::Over
            }
        }
    }
}

impl Service for Sync {
    fn receive(&mut self, cx: &mut Context<'_>, device: &Device, bytes: &[u8], out: &mut Vec<u8>) {
        self.take(cx, device, bytes, out);
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// What has come of a file is kept.
    fn closed(&mut self, cx: &mut Context<'_>) {
        if let State::Piece(upload, _) | State::BetweenPieces(upload) = &mut self.state
            && upload.file.len() > 0
        {
            cx.sample(&String::from_utf8_lossy(&upload.path), upload.file.take());
        }
    }
}

/// `path,mode`: the mode behind the last comma, decimal; without one the client means a plain file.
fn path_and_mode(request: &[u8]) -> (Vec<u8>, u32) {
    let comma = request.iter().rposition(|&byte| byte == b',');
    let split = comma.and_then(|at| Some((request.get(..at)?, request.get(at + 1..)?)));
    let read = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
    match split {
        Some((path, mode)) => (path.to_vec(), read(mode).unwrap_or(0o644)),
        None => (request.to_vec(), 0o644),
    }
}

/// The file is whole: it stands on the device, and goes to the samples.
fn finish(cx: &mut Context<'_>, device: &Device, mut upload: Upload, changed: u32, out: &mut Vec<u8>) {
    let source = cx.session().client.ip();
    let bytes = upload.file.take();
    let event = asked(*b"SEND", &upload.path).with("mode", format!("{:o}", upload.mode)).with("mtime", changed);
    let event = event.with("bytes", bytes.len());
    cx.event(if upload.failed { event.with("truncated", true) } else { event });
    if !upload.failed {
        let stored = device.files(source, cx.now(), |files| {
            if files.is_directory(&upload.path) {
                return Err("Is a directory");
            }
            files.store(&upload.path, &bytes, upload.mode)
        });
        match stored {
            Ok(()) => {
                out.extend(b"OKAY");
                out.extend([0; 4]);
            }
            Err(reason) => fail(out, &format!("couldn't create file: {reason}")),
        }
    }
    cx.sample(&String::from_utf8_lossy(&upload.path), bytes);
}

fn asked(id: [u8; 4], path: &[u8]) -> Event {
    request(&format!("sync {}", id.escape_ascii()), path).with("operation", id.escape_ascii().to_string())
}

/// What is known of a file; nothing is all zeros.
fn stat(found: Option<(u32, u64, Timestamp)>, id: &[u8; 4]) -> Vec<u8> {
    let (mode, size, changed) = found.unwrap_or((0, 0, Timestamp::default()));
    let size = if mode & TYPE == DIRECTORY { 4_096 } else { u32::try_from(size).unwrap_or(u32::MAX) };
    let size = if found.is_none() { 0 } else { size };
    let seconds = u32::try_from(changed.as_micros() / 1_000_000).unwrap_or(u32::MAX);
    [*id, mode.to_le_bytes(), size.to_le_bytes(), seconds.to_le_bytes()].concat()
}

/// The same in the form that devices since Android 8 have beside it: error, device, inode, mode, links, owner, group, size, and the times of
/// access, modification and change.
fn stat_v2(found: Option<(u32, u64, Timestamp)>, id: [u8; 4], path: &[u8]) -> Vec<u8> {
    const NO_SUCH_FILE: u32 = 2;
    const SHELL: u32 = 2_000;
    let Some((mode, size, changed)) = found else {
        let mut answer = [id, NO_SUCH_FILE.to_le_bytes()].concat();
        answer.resize(72, 0);
        return answer;
    };
    let owner = if path.starts_with(b"/data/local/tmp") { SHELL } else { 0 };
    // The same path has the same inode.
    let inode = path.iter().fold(5_381_u64, |sum, &byte| sum.wrapping_mul(33) ^ u64::from(byte)) % 900_000 + 12;
    let seconds = (changed.as_micros() / 1_000_000).to_le_bytes();
    let mut answer = [id, [0; 4]].concat();
    answer.extend([66_330_u64.to_le_bytes(), inode.to_le_bytes()].concat());
    answer.extend([mode, 1, owner, owner].iter().flat_map(|word| word.to_le_bytes()));
    answer.extend([size.to_le_bytes(), seconds, seconds, seconds].concat());
    answer
}

fn send_file(content: &[u8], out: &mut Vec<u8>) {
    for piece in content.chunks(usize::try_from(MAX_PIECE).unwrap_or(1)) {
        out.extend(b"DATA");
        out.extend(u32::try_from(piece.len()).unwrap_or(0).to_le_bytes());
        out.extend(piece);
    }
    out.extend(b"DONE");
    out.extend([0; 4]);
}

fn fail(out: &mut Vec<u8>, reason: &str) {
    out.extend(b"FAIL");
    out.extend(u32::try_from(reason.len()).unwrap_or(0).to_le_bytes());
    out.extend(reason.as_bytes());
}
