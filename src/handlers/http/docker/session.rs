//! `POST /session`: the client lends its files. BuildKit is the one that asks on this connection: it fetches the Dockerfile and the context
//! of a build (moby.filesync.v1, fsutil's packets).

use std::time::Duration;

use super::super::super::Context;
use super::super::answer::{Answer, Framing, Progress, Stream};
use super::super::ask::Ask;
use super::frame::{self, Frames, Messages};
use super::machine::Machine;
use super::protobuf::{Field, Message, fields};
use super::tar::Entry;
use super::{Docker, Machines, error};

/// Sessions of a machine, and bytes of files and their names that each keeps for its build; all that came are samples.
const MAX_SESSIONS: usize = 2;
const MAX_KEPT: usize = 64 * 1_024;
/// Files that each call of a session fetches, and bytes of all of them and their names.
const MAX_FILES: usize = 256;
const MAX_BYTES: usize = 512 * 1_024;
/// Bytes that the other side may send before it is heard no more.
const WINDOW: u32 = 2 << 20;
/// How often a session looks whether a build wants its files, and how many times at most.
const LOOK: Duration = Duration::from_millis(100);
const MAX_LOOKS: u32 = 10 * 3_600;
const METHOD: &str = "/moby.filesync.v1.FileSync/DiffCopy";
/// Kinds of packets (fsutil, wire.proto).
const STAT: u64 = 0;
const REQUEST: u64 = 1;
const CONTENT: u64 = 2;
const FINISH: u64 = 3;
const FAULT: u64 = 4;
/// Bits of Go's `os.FileMode`: directory, link, device, pipe, socket and so on.
const NO_FILE: u64 = 0x8f28_0000;
const DIRECTORY: u64 = 1 << 31;

/// A file of the client's.
#[derive(Debug, Clone, Default)]
pub(super) struct Lent {
    name: String,
    mode: u32,
    is_directory: bool,
    bytes: Vec<u8>,
    /// Its content is awaited.
    is_open: bool,
}

impl Lent {
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry { name: self.name.clone(), mode: self.mode, is_directory: self.is_directory, bytes: &self.bytes }
    }
}

/// What a session and a build share.
#[derive(Debug, Default)]
pub(super) struct Loan {
    id: String,
    /// The client is there.
    pub(super) is_open: bool,
    /// The Dockerfile that a build wants.
    wanted: Option<String>,
    pub(super) definition: Vec<Lent>,
    pub(super) context: Vec<Lent>,
    /// All has come that will come.
    pub(super) is_whole: bool,
}

impl Machine {
    /// Works with the session of this name.
    pub(super) fn with_loan<R>(&mut self, id: &str, work: impl FnOnce(&mut Loan) -> R) -> R {
        let id: String = id.chars().take(64).collect();
        let known = self.loans.iter().position(|loan| loan.id == id).map(|at| self.loans.remove(at));
        let mut loan = known.unwrap_or_else(|| Loan { id, ..Loan::default() });
        let done = work(&mut loan);
        self.loans.truncate(MAX_SESSIONS - 1);
        self.loans.insert(0, loan);
        done
    }
}

impl Loan {
    /// A build wants this Dockerfile, and the context.
    pub(super) fn borrow(&mut self, file: &str) {
        self.wanted = Some(file.chars().take(100).collect());
    }
}

impl Docker {
    pub(super) fn session(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Answer {
        let protocol = ask.head.values("upgrade").next().unwrap_or_default();
        if protocol.is_empty() {
            return error(400, "no upgrade proto in request");
        }
        if protocol != "h2c" {
            return error(400, &format!("protocol {protocol} not supported"));
        }
        let id = ask.head.values("x-docker-expose-session-uuid").next().unwrap_or_default();
        self.with(cx, |machine| machine.with_loan(id, |loan| loan.is_open = true));
        let lender = Lender {
            machines: self.machines.clone(),
            id: id.to_owned(),
            frames: Frames::default(),
            calls: [Call::new(1), Call::new(3)],
            begun: Begun::Nothing,
            room: MAX_BYTES,
            received: 0,
            looks: 0,
        };
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n".to_owned();
        Answer { head: Some(head), ..Answer::streamed(101, Framing::Raw, lender) }
    }
}

/// One fetch.
struct Call {
    stream: u32,
    messages: Messages,
    files: Vec<Lent>,
    /// The number of the next entry, and those files that have one: the other side counts all entries.
    number: u32,
    numbers: Vec<(u32, usize)>,
    /// Files whose content is awaited.
    awaited: usize,
    is_listed: bool,
    is_over: bool,
}

impl Call {
    fn new(stream: u32) -> Self {
        let (messages, files, numbers) = (Messages::default(), Vec::new(), Vec::new());
        Self { stream, messages, files, number: 0, numbers, awaited: 0, is_listed: false, is_over: false }
    }

    fn begin(&self, metadata: &[(&str, &str)], out: &mut Vec<u8>) {
        frame::call(self.stream, METHOD, metadata, out);
        frame::widen(self.stream, WINDOW, out);
    }

    /// A packet of the other side's, and what is said to it.
    fn packet(&mut self, message: &[u8], room: &mut usize, out: &mut Vec<u8>) {
        let (mut kind, mut stat, mut id, mut data) = (STAT, None, 0, &b""[..]);
        for field in fields(message) {
            match field {
                (1, Field::Number(value)) => kind = value,
                (2, Field::Bytes(value)) => stat = Some(value),
                (3, Field::Number(value)) => id = value,
                (4, Field::Bytes(value)) => data = value,
                _ => {}
            }
        }
        match (kind, stat) {
            (STAT, Some(stat)) => self.listed(stat, room, out),
            (STAT, None) => self.is_listed = true,
            (CONTENT, _) => self.content(id, data, room),
            (FINISH | FAULT, _) => self.is_over = true,
            _ => {}
        }
        if self.is_listed && !self.is_over && self.awaited == 0 {
            self.is_over = true;
            frame::write_message(self.stream, &Message::default().number(1, FINISH).0, true, out);
        }
    }

    /// An entry of the other side's list; a file is asked for at once.
    fn listed(&mut self, stat: &[u8], room: &mut usize, out: &mut Vec<u8>) {
        let (mut file, mut mode, mut size) = (Lent::default(), 0, 0);
        for field in fields(stat) {
            match field {
                (1, Field::Bytes(path)) => file.name = String::from_utf8_lossy(path).into_owned(),
                (2, Field::Number(value)) => mode = value,
                (5, Field::Number(value)) => size = usize::try_from(value).unwrap_or(usize::MAX),
                _ => {}
            }
        }
        let number = self.number;
        self.number = self.number.saturating_add(1);
        let is_file = mode & NO_FILE == 0;
        let is_kind = is_file || mode & DIRECTORY != 0;
        if self.files.len() >= MAX_FILES || file.name.len() > *room || !is_kind {
            return;
        }
        *room -= file.name.len();
        file.mode = u32::try_from(mode & 0o777).unwrap_or(0o644);
        file.is_directory = !is_file;
        file.is_open = is_file && size <= *room;
        if file.is_open {
            self.awaited += 1;
            self.numbers.push((number, self.files.len()));
            let packet = Message::default().number(1, REQUEST).number(3, u64::from(number));
            frame::write_message(self.stream, &packet.0, false, out);
        }
        self.files.push(file);
    }

    fn content(&mut self, id: u64, data: &[u8], room: &mut usize) {
        let at = self.numbers.iter().find(|(number, _)| u64::from(*number) == id).map(|(_, at)| *at);
        let Some(file) = at.and_then(|at| self.files.get_mut(at)) else { return };
        if data.is_empty() && file.is_open {
            file.is_open = false;
            self.awaited -= 1;
        }
        let data = data.get(..*room).unwrap_or(data);
        *room -= data.len();
        file.bytes.extend_from_slice(data);
    }
}

/// What a machine keeps of these, as long as there is room.
fn kept(files: Vec<Lent>, room: &mut usize) -> Vec<Lent> {
    let fitting = files.into_iter().filter_map(|mut file| {
        *room = room.checked_sub(file.name.len())?;
        file.bytes.truncate(*room);
        file.bytes.shrink_to_fit();
        *room -= file.bytes.len();
        Some(file)
    });
    fitting.collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    Nothing,
    Greeted,
    Fetching,
    Done,
}

/// The client's end of a session.
struct Lender {
    machines: Machines,
    id: String,
    frames: Frames,
    /// The Dockerfile's, and the context's.
    calls: [Call; 2],
    begun: Begun,
    /// Bytes that there is still room for.
    room: usize,
    received: usize,
    looks: u32,
}

impl Lender {
    fn greet(&mut self, out: &mut Vec<u8>) {
        if self.begun == Begun::Nothing {
            self.begun = Begun::Greeted;
            out.extend_from_slice(frame::PREFACE);
        }
    }

    fn fetch(&mut self, file: &str, out: &mut Vec<u8>) {
        self.begun = Begun::Fetching;
        let [definition, context] = &self.calls;
        definition.begin(&[("dir-name", "dockerfile"), ("include-patterns", file), ("override-excludes", "true")], out);
        context.begin(&[("dir-name", "context")], out);
        frame::widen(0, WINDOW, out);
    }

    fn take(&mut self, frame: &frame::Frame, out: &mut Vec<u8>) {
        let call = self.calls.iter_mut().find(|call| call.stream == frame.stream);
        match (frame.kind, call) {
            (frame::SETTINGS, _) if frame.flags & frame::ACK == 0 => {
                frame::write(frame::SETTINGS, frame::ACK, 0, &[], out)
            }
            (frame::PING, _) if frame.flags & frame::ACK == 0 => {
                frame::write(frame::PING, frame::ACK, 0, &frame.payload, out)
            }
            (frame::DATA, Some(call)) => {
                call.messages.push(frame.data());
                while let Some(message) = call.messages.next() {
                    call.packet(&message, &mut self.room, out);
                }
            }
            (frame::HEADERS, Some(call)) if frame.flags & frame::END_STREAM != 0 => call.is_over = true,
            (frame::RST_STREAM, Some(call)) => call.is_over = true,
            (frame::GOAWAY, _) => self.calls.iter_mut().for_each(|call| call.is_over = true),
            _ => {}
        }
    }

    /// Hands over what has come, once it is all.
    fn hand_over(&mut self, cx: &mut Context<'_>) {
        if self.begun != Begun::Fetching || !self.calls.iter().all(|call| call.is_over) {
            return;
        }
        self.begun = Begun::Done;
        let [definition, context] = &mut self.calls;
        let (definition, context) = (std::mem::take(&mut definition.files), std::mem::take(&mut context.files));
        for file in context.iter().chain(&definition).filter(|file| !file.bytes.is_empty()) {
            cx.sample(&file.name, file.bytes.clone());
        }
        let mut room = MAX_KEPT;
        let (definition, context) = (kept(definition, &mut room), kept(context, &mut room));
        self.machines.with(cx.session().client.ip(), cx.now(), |machine| {
            machine.with_loan(&self.id, |loan| {
                (loan.definition, loan.context, loan.is_whole) = (definition, context, true);
            });
        });
    }
}

impl Stream for Lender {
    fn next(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.looks += 1;
        self.greet(out);
        if self.begun == Begun::Greeted {
            let wanted = self.machines.with(cx.session().client.ip(), cx.now(), |machine| {
                machine.with_loan(&self.id, |loan| loan.wanted.clone())
            });
            if let Some(file) = wanted {
                self.fetch(&file, out);
            }
        }
        if self.looks > MAX_LOOKS { Progress::Ended } else { Progress::After(LOOK) }
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        self.received = self.received.saturating_add(bytes.len());
        if self.received > 2 * WINDOW as usize {
            return Progress::Ended;
        }
        self.greet(out);
        self.frames.push(bytes);
        loop {
            match self.frames.next() {
                Ok(Some(frame)) => self.take(&frame, out),
                Ok(None) => break,
                Err(()) => return Progress::Ended,
            }
        }
        self.hand_over(cx);
        Progress::After(Duration::ZERO)
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        self.calls.iter_mut().for_each(|call| call.is_over = true);
        self.hand_over(cx);
        self.machines.with(cx.session().client.ip(), cx.now(), |machine| {
            machine.with_loan(&self.id, |loan| loan.is_open = false)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str) -> Vec<u8> {
        let stat = Message::default().bytes(1, name).number(2, 0o644);
        Message::default().bytes(2, stat.0).0
    }

    #[test]
    fn names_take_room_as_contents_do() {
        let (mut call, mut room, mut out) = (Call::new(1), MAX_BYTES, Vec::new());
        let size = |files: &[Lent]| files.iter().map(|file| file.name.len() + file.bytes.len()).sum::<usize>();
        for _ in 0..100 {
            call.packet(&listed(&"n".repeat(10_000)), &mut room, &mut out);
        }
        assert_eq!((size(&call.files), room), (520_000, MAX_BYTES - 520_000));
        call.packet(&Message::default().number(1, CONTENT).bytes(4, [7; 10_000]).0, &mut room, &mut out);
        assert_eq!((size(&call.files), room), (MAX_BYTES, 0));
        let kept = kept(call.files, &mut MAX_KEPT.clone());
        assert!(size(&kept) <= MAX_KEPT && !kept.is_empty(), "{}", size(&kept));
    }
}
