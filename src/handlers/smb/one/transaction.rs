//! TRANSACTION, TRANSACTION2 and NT_TRANSACT (MS-CIFS 2.2.4.33, 2.2.4.46, 2.2.4.62), with what follows in secondaries.

use super::super::disk::normal;
use super::super::host::Kind;
use super::super::info;
use super::super::open::{Directory, Object, Open, view};
use super::super::status::Status;
use super::super::wire::{Fields, Put, patch};
use super::message::{Block, Reply};
use super::{One, Peer, command, pulsar, rap};
use crate::events::Event;

/// Bytes of a transaction in pieces: EternalBlue's has 66,512.
const MAX_TRANSACTION: usize = 128 * 1024;
/// Bytes of a directory listing in one answer.
const MAX_LISTING: usize = 16 * 1024;

/// A transaction whose pieces are all there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transaction<'a> {
    pub(super) command: u8,
    pub(super) parameters: &'a [u8],
    pub(super) data: &'a [u8],
    /// Bytes of data that the visitor takes.
    max_data: usize,
}

/// One whose pieces are still coming.
#[derive(Debug)]
pub(super) struct Pending {
    command: u8,
    setup: Vec<u8>,
    parameters: Vec<u8>,
    data: Vec<u8>,
    /// Bytes of parameters and data altogether.
    total: usize,
    max_data: usize,
}

/// Where the fields are.
struct Shape {
    total_parameters: usize,
    total_data: usize,
    max_data: usize,
    parameters: [usize; 2],
    data: [usize; 2],
    setup: [usize; 2],
    is_wide: bool,
}

const SHAPE: Shape = Shape {
    total_parameters: 0,
    total_data: 2,
    max_data: 6,
    parameters: [18, 20],
    data: [22, 24],
    setup: [26, 28],
    is_wide: false,
};
const NT_SHAPE: Shape = Shape {
    total_parameters: 3,
    total_data: 7,
    max_data: 15,
    parameters: [19, 23],
    data: [27, 31],
    setup: [35, 38],
    is_wide: true,
};

impl Shape {
    fn number(&self, words: &[u8], at: usize) -> Option<usize> {
        if self.is_wide { words.at32(at) } else { words.at16(at) }
    }

    fn piece<'a>(&self, block: &Block<'a>, [count, offset]: [usize; 2]) -> Option<&'a [u8]> {
        let (count, offset) = (self.number(block.words, count)?, self.number(block.words, offset)?);
        if count == 0 { Some(&[]) } else { block.message.part(offset, count) }
    }
}

impl One {
    pub(super) fn transaction(&mut self, peer: &mut Peer<'_, '_>, command: u8, block: &Block<'_>) -> Option<Reply> {
        let shape = if command == command::NT_TRANSACT { NT_SHAPE } else { SHAPE };
        let words = block.words;
        let read = || {
            let total = shape.number(words, shape.total_parameters)? + shape.number(words, shape.total_data)?;
            let setup = words.get(shape.setup[1]..)?;
            let setup = setup.get(..2 * usize::from(words.byte(shape.setup[0])?)).unwrap_or(setup);
            Some((total, setup, shape.piece(block, shape.parameters)?, shape.piece(block, shape.data)?))
        };
        let Some((total, setup, parameters, data)) = read() else {
            return Some(Reply::failed(Status::INVALID_SMB));
        };
        if total > MAX_TRANSACTION {
            return Some(Reply::failed(Status::INSUFF_SERVER_RESOURCES));
        }
        let max_data = shape.number(words, shape.max_data).unwrap_or(0).min(0xffff);
        if parameters.len() + data.len() < total {
            self.transaction = Some(Pending {
                command,
                setup: setup.to_vec(),
                parameters: parameters.to_vec(),
                data: data.to_vec(),
                total,
                max_data,
            });
            // The interim answer: go on (MS-CIFS 3.3.5.57.1).
            return Some(Reply::default());
        }
        Some(self.perform(peer, block, setup, Transaction { command, parameters, data, max_data }))
    }

    /// The next piece; silence until the last.
    pub(super) fn secondary(&mut self, peer: &mut Peer<'_, '_>, command: u8, block: &Block<'_>) -> Option<Reply> {
        let shape = match command {
            command::NT_TRANSACT_SECONDARY => Shape { parameters: [11, 15], data: [23, 27], ..NT_SHAPE },
            _ => Shape { parameters: [4, 6], data: [10, 12], ..SHAPE },
        };
        let pending = self.transaction.as_mut()?;
        let (Some(parameters), Some(data)) = (shape.piece(block, shape.parameters), shape.piece(block, shape.data))
        else {
            self.transaction = None;
            return Some(Reply::failed(Status::INVALID_SMB));
        };
        let have = pending.parameters.len() + pending.data.len();
        let room = pending.total.saturating_sub(have + parameters.len());
        pending.parameters.extend_from_slice(parameters.get(..pending.total - have).unwrap_or(parameters));
        pending.data.extend_from_slice(data.get(..room).unwrap_or(data));
        if pending.parameters.len() + pending.data.len() < pending.total {
            return None;
        }
        let whole = self.transaction.take()?;
        if whole.command == command::NT_TRANSACT && command == command::TRANSACTION2_SECONDARY {
            if !peer.host.is_vulnerable {
                return Some(Reply::failed(Status::INVALID_SMB));
            }
            // The answer is one to TRANSACTION2: the header's command is rewritten where it is sent.
            let reply = pulsar::overflow(peer, whole.data);
            self.send_as(peer, command::TRANSACTION2, block, &reply);
            return None;
        }
        let Pending { command, setup, parameters, data, max_data, .. } = whole;
        let transaction = Transaction { command, parameters: &parameters, data: &data, max_data };
        let reply = self.perform(peer, block, &setup, transaction);
        self.send_as(peer, command, block, &reply);
        None
    }

    /// A whole transaction is answered under its first command.
    fn send_as(&self, peer: &mut Peer<'_, '_>, command: u8, block: &Block<'_>, reply: &Reply) {
        let mut header = block.header;
        header.take(reply);
        let mut out = header.bytes(command);
        header.write(&mut out, reply.status);
        reply.write(&mut out, command);
        peer.send(&out);
    }

    fn perform(
        &mut self,
        peer: &mut Peer<'_, '_>,
        block: &Block<'_>,
        setup: &[u8],
        transaction: Transaction<'_>,
    ) -> Reply {
        match transaction.command {
            command::TRANSACTION => self.named_pipe(peer, block, setup, transaction),
            command::TRANSACTION2 => self.transaction2(peer, block, setup, transaction),
            _ => {
                let function = block.words.le16(36).unwrap_or(0);
                peer.note(Event::new("request", format!("NT_TRANSACT function {function}")));
                Reply::failed(match function {
                    1..=8 => Status::NOT_SUPPORTED,
                    _ => Status::INVALID_SMB,
                })
            }
        }
    }

    /// TRANSACTION (MS-CIFS 2.2.5): operations on named pipes, and RAP.
    fn named_pipe(
        &mut self,
        peer: &mut Peer<'_, '_>,
        block: &Block<'_>,
        setup: &[u8],
        transaction: Transaction<'_>,
    ) -> Reply {
        if let Err(status) = self.tree(block) {
            return Reply::failed(status);
        }
        let Some(operation) = setup.le16(0) else {
            let (parameters, data) = rap::call(peer.host, transaction.parameters);
            let function = transaction.parameters.le16(0).unwrap_or(0);
            peer.note(Event::new("request", format!("RAP function {function}")));
            return answer(block, Status::OK, &parameters, &data);
        };
        let id = setup.le16(2).unwrap_or(0);
        if operation == 0x23 && id == 0 {
            peer.note(Event::new("scan", "MS17-010 check: PeekNamedPipe of no pipe"));
            // Missing MS17-010, Windows runs out of resources; with it, it looks at the pipe first.
            return Reply::failed(if peer.host.is_vulnerable {
                Status::INSUFF_SERVER_RESOURCES
            } else {
                Status::INVALID_HANDLE
            });
        }
        let user = match self.user(block) {
            Ok(user) => user,
            Err(status) => return Reply::failed(status),
        };
        if operation == 0x53 {
            return Reply::failed(Status::OBJECT_NAME_NOT_FOUND);
        }
        let Some(open) = peer.core.opens.find(id) else { return Reply::failed(Status::INVALID_HANDLE) };
        let Object::Pipe(_) = open.object else { return Reply::failed(Status::INVALID_DEVICE_REQUEST) };
        match operation {
            // TransactNmPipe: write, then read.
            0x26 => {
                if let Err(status) = open.write(peer.host, peer.cx, &user, 0, transaction.data) {
                    return Reply::failed(status);
                }
                match open.read(0, transaction.max_data) {
                    Ok((bytes, more)) => {
                        answer(block, if more { Status::BUFFER_OVERFLOW } else { Status::OK }, &[], &bytes)
                    }
                    Err(_) => answer(block, Status::OK, &[], &[]),
                }
            }
            // SetNmPipeState, then QueryNmPipeState.
            0x01 => answer(block, Status::OK, &[], &[]),
            0x21 => answer(block, Status::OK, &[0xff, 0x05], &[]),
            // PeekNamedPipe: available, of this message, connected.
            0x23 => answer(block, Status::OK, &[0, 0, 0, 0, 3, 0], &[]),
            _ => Reply::failed(Status::INVALID_PARAMETER),
        }
    }

    /// TRANSACTION2 (MS-CIFS 2.2.6).
    fn transaction2(
        &mut self,
        peer: &mut Peer<'_, '_>,
        block: &Block<'_>,
        setup: &[u8],
        transaction: Transaction<'_>,
    ) -> Reply {
        let subcommand = setup.le16(0).unwrap_or(u16::MAX);
        if subcommand == 0x0e {
            return self.pulsar.ping(peer, block, &transaction);
        }
        let share = match self.user(block).and_then(|_| self.tree(block)) {
            Ok(share) => share,
            Err(status) => return Reply::failed(status),
        };
        let parameters = transaction.parameters;
        match (subcommand, share.kind) {
            (0x10, _) => Reply::failed(Status::NOT_FOUND),
            (0x01, Kind::Disk) => self.find_first(peer, block, transaction),
            (0x02, Kind::Disk) => find_next(peer, block, transaction),
            (0x03, Kind::Disk) => {
                let level = parameters.le16(0).unwrap_or(0);
                let class = match level {
                    0x0102 => 1,
                    0x0103 => 3,
                    0x0104 => 4,
                    0x0105 => 5,
                    level => level.wrapping_sub(1000),
                };
                match info::volume(class, peer.host) {
                    Some(data) => answer(block, Status::OK, &[], &data),
                    None => Reply::failed(Status::INVALID_INFO_CLASS),
                }
            }
            (0x05, Kind::Disk) => {
                let Some(path) = normal(&text_of(block, parameters, 6)) else {
                    return Reply::failed(Status::OBJECT_NAME_INVALID);
                };
                match view(peer.host, peer.cx, share, |view, _| view.find(&path)) {
                    Ok(entry) => {
                        query(block, parameters.le16(0), |class| info::file(class, &entry, &format!("\\{path}"), false))
                    }
                    Err(status) => Reply::failed(status),
                }
            }
            (0x07, _) => {
                let Some(open) = peer.core.opens.find(parameters.le16(0).unwrap_or(0)) else {
                    return Reply::failed(Status::INVALID_HANDLE);
                };
                let path = format!("\\{}", open.path);
                query(block, parameters.le16(2), |class| match open.entry() {
                    Some(entry) => info::file(class, &entry, &path, open.deletes),
                    None => info::pipe(class),
                })
            }
            (0x08, Kind::Disk) => set(peer, block, transaction),
            (0x06, Kind::Disk) => answer(block, Status::OK, &[0, 0], &[]),
            (0x0d, Kind::Disk) => {
                let Some(path) = normal(&text_of(block, parameters, 4)) else {
                    return Reply::failed(Status::OBJECT_NAME_INVALID);
                };
                view(peer.host, peer.cx, share, |view, now| view.put(&path, true, &[], now));
                answer(block, Status::OK, &[0, 0], &[])
            }
            _ => Reply::failed(Status::INVALID_PARAMETER),
        }
    }

    /// FIND_FIRST2 (MS-CIFS 2.2.6.2).
    fn find_first(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>, transaction: Transaction<'_>) -> Reply {
        let parameters = transaction.parameters;
        let (Some(count), Some(flags), Some(level)) = (parameters.at16(2), parameters.le16(4), parameters.le16(6))
        else {
            return Reply::failed(Status::INVALID_PARAMETER);
        };
        let text = text_of(block, parameters, 12);
        let Some(path) = normal(&text) else { return Reply::failed(Status::OBJECT_NAME_INVALID) };
        let (directory, pattern) = path.rsplit_once('\\').unwrap_or(("", &path));
        let Ok(share) = self.tree(block) else { return Reply::failed(Status::SMB_BAD_TID) };
        peer.note(Event::new("request", format!("list {}\\{path}", share.name)));
        if peer.core.opens.is_full() {
            return Reply::failed(Status::TOO_MANY_OPENED_FILES);
        }
        let found = view(peer.host, peer.cx, share, |view, _| {
            let mut search = Directory::new(view.find(directory)?);
            search.fill(view, directory, pattern, true);
            Ok(search)
        });
        let mut search = match found {
            Ok(search) => search,
            Err(status) => return Reply::failed(status),
        };
        if search.peek().is_none() {
            return Reply::failed(Status::NO_SUCH_FILE);
        }
        let Some((data, found, last)) = listing(&mut search, level, count, transaction.max_data) else {
            return Reply::failed(Status::INVALID_INFO_CLASS);
        };
        let is_end = search.peek().is_none();
        let mut out = Vec::new();
        // The search is kept unless it is to be closed now, or at its end.
        let id = if flags & 1 != 0 || is_end && flags & 2 != 0 {
            0
        } else {
            let tree = block.header.tid.into();
            let path = directory.to_owned();
            peer.core.opens.insert(Open {
                id: 0,
                tree,
                share,
                path,
                object: Object::Directory(search),
                action: 1,
                deletes: false,
            })
        };
        out.put16(id).put_len16(found).put16(is_end.into()).put16(0).put_len16(last);
        answer(block, Status::OK, &out, &data)
    }
}

/// FIND_NEXT2 (MS-CIFS 2.2.6.3).
fn find_next(peer: &mut Peer<'_, '_>, block: &Block<'_>, transaction: Transaction<'_>) -> Reply {
    let parameters = transaction.parameters;
    let (Some(id), Some(count), Some(level)) = (parameters.le16(0), parameters.at16(2), parameters.le16(4)) else {
        return Reply::failed(Status::INVALID_PARAMETER);
    };
    let Some(Open { object: Object::Directory(search), .. }) = peer.core.opens.find(id) else {
        return Reply::failed(Status::INVALID_HANDLE);
    };
    let Some((data, found, last)) = listing(search, level, count, transaction.max_data) else {
        return Reply::failed(Status::INVALID_INFO_CLASS);
    };
    let mut out = Vec::new();
    out.put_len16(found).put16(search.peek().is_none().into()).put16(0).put_len16(last);
    answer(block, Status::OK, &out, &data)
}

/// SET_FILE_INFORMATION (MS-CIFS 2.2.6.9): length and deletion matter, times are taken.
fn set(peer: &mut Peer<'_, '_>, block: &Block<'_>, transaction: Transaction<'_>) -> Reply {
    let (id, level) = (transaction.parameters.le16(0).unwrap_or(0), transaction.parameters.le16(2).unwrap_or(0));
    let Some(open) = peer.core.opens.find(id) else { return Reply::failed(Status::INVALID_HANDLE) };
    let result = match level {
        // Disposition; end of file; allocation.
        0x0102 | 1013 => {
            open.deletes = transaction.data.first() == Some(&1);
            Ok(())
        }
        0x0104 | 1020 => open.resize(peer.host, transaction.data.le64(0).unwrap_or(0)),
        _ => Ok(()),
    };
    match result {
        Ok(()) => answer(block, Status::OK, &[0, 0], &[]),
        Err(status) => Reply::failed(status),
    }
}

/// Information by its level (MS-CIFS 2.2.8.3; above 1000 those of NT).
fn query(block: &Block<'_>, level: Option<u16>, info: impl FnOnce(u16) -> Option<Vec<u8>>) -> Reply {
    let class = match level.unwrap_or(0) {
        0x0101 => 4,
        0x0102 => 5,
        0x0103 => 7,
        0x0104 => 9,
        0x0107 => 18,
        0x0109 => 22,
        level => level.wrapping_sub(1000),
    };
    match info(class) {
        Some(data) => answer(block, Status::OK, &[0, 0], &data),
        None => Reply::failed(Status::INVALID_INFO_CLASS),
    }
}

/// Entries of a search from where it is, at most `count`, at most `max` bytes; with how many there are, and where the last begins.
fn listing(search: &mut Directory, level: u16, count: usize, max: usize) -> Option<(Vec<u8>, usize, usize)> {
    let class = match level {
        0x0101 => 0x01,
        0x0102 => 0x02,
        0x0103 => 0x0c,
        0x0104 => 0x03,
        0x0105 => 0x26,
        0x0106 => 0x25,
        _ => return None,
    };
    let (mut out, mut found, mut last) = (Vec::new(), 0, 0);
    while let Some(entry) = search.peek().filter(|_| found < count) {
        let mut one = Vec::new();
        info::directory_entry(&mut one, class, entry);
        let at = out.len().next_multiple_of(8);
        if at + one.len() > max.min(MAX_LISTING) {
            break;
        }
        if found > 0 {
            let step = u32::try_from(at - last).unwrap_or(0);
            out.align(8);
            patch(&mut out, last, &step.to_le_bytes());
        }
        out.put(&one);
        (found, last) = (found + 1, at);
        search.advance();
    }
    Some((out, found, last))
}

/// A path in the parameters of a transaction.
fn text_of(block: &Block<'_>, parameters: &[u8], at: usize) -> String {
    let bytes = parameters.get(at..).unwrap_or_default();
    let text = if block.header.is_unicode() {
        super::super::wire::text_of_utf16(bytes)
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    };
    text.split('\0').next().unwrap_or_default().to_owned()
}

/// The answer to a transaction: parameters and data, each aligned to four.
fn answer(block: &Block<'_>, status: Status, parameters: &[u8], data: &[u8]) -> Reply {
    let at = block.reply_data_at(20);
    let parameters_at = at.next_multiple_of(4);
    let data_at = (parameters_at + parameters.len()).next_multiple_of(4);
    let mut words = Vec::new();
    words.put_len16(parameters.len()).put_len16(data.len()).put16(0);
    words.put_len16(parameters.len()).put_len16(parameters_at).put16(0);
    words.put_len16(data.len()).put_len16(data_at).put16(0).put16(0);
    let mut out = vec![0; parameters_at - at];
    out.put(parameters);
    out.resize(data_at - at, 0);
    out.put(data);
    Reply { status, words, data: out, ..Reply::default() }
}
