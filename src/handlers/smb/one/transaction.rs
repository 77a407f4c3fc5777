//! TRANSACTION, TRANSACTION2 and NT_TRANSACT (MS-CIFS 2.2.4.33, 2.2.4.46, 2.2.4.62), with what follows in secondaries.

use super::super::status::Status;
use super::super::wire::{Fields, Put, text_of_utf16};
use super::message::{Block, Reply};
use super::{One, Peer, command, pulsar};

/// Bytes of a transaction in pieces: EternalBlue's has 66,512.
const MAX_TRANSACTION: usize = 128 * 1024;

/// A transaction whose pieces are all there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transaction<'a> {
    /// The request that completes it.
    pub(super) block: &'a Block<'a>,
    pub(super) command: u8,
    /// The function of NT_TRANSACT.
    pub(super) function: u16,
    /// What TRANSACTION is sent to: a pipe.
    pub(super) name: &'a str,
    pub(super) setup: &'a [u8],
    pub(super) parameters: &'a [u8],
    pub(super) data: &'a [u8],
    /// Bytes of data that the visitor takes.
    pub(super) max_data: usize,
}

/// One whose pieces are still coming.
#[derive(Debug)]
pub(super) struct Pending {
    command: u8,
    function: u16,
    name: String,
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
        let function = words.le16(36).filter(|_| shape.is_wide).unwrap_or(0);
        let name = if command == command::TRANSACTION { block.text(0).0 } else { String::new() };
        if parameters.len() + data.len() < total {
            self.transaction = Some(Pending {
                command,
                function,
                name,
                setup: setup.to_vec(),
                parameters: parameters.to_vec(),
                data: data.to_vec(),
                total,
                max_data,
            });
            // The interim answer: go on (MS-CIFS 3.3.5.57.1).
            return Some(Reply::default());
        }
        self.perform(peer, &Transaction { block, command, function, name: &name, setup, parameters, data, max_data })
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
        let Pending { command, function, name, setup, parameters, data, max_data, .. } = whole;
        let (name, setup, parameters, data) = (&name, &setup, &parameters, &data);
        let reply =
            self.perform(peer, &Transaction { block, command, function, name, setup, parameters, data, max_data })?;
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

    /// The answer to a whole transaction; `None` to one that waits for something to happen.
    fn perform(&mut self, peer: &mut Peer<'_, '_>, asked: &Transaction<'_>) -> Option<Reply> {
        let result = match asked.command {
            command::TRANSACTION => self.named_pipe(peer, asked),
            command::TRANSACTION2 => self.transaction2(peer, asked),
            _ => return self.nt_transact(peer, asked).unwrap_or_else(|status| Some(Reply::failed(status))),
        };
        Some(result.unwrap_or_else(Reply::failed))
    }
}

impl Transaction<'_> {
    /// The path in its parameters at this place.
    pub(super) fn path(&self, at: usize) -> String {
        text_of(self.block, self.parameters, at)
    }

    /// The answer: parameters and data, each aligned to four (MS-CIFS 2.2.4.33.2, 2.2.4.62.2).
    pub(super) fn answer(&self, parameters: &[u8], data: &[u8]) -> Reply {
        let is_wide = self.command == command::NT_TRANSACT;
        let at = self.block.reply_data_at(if is_wide { 36 } else { 20 });
        let parameters_at = at.next_multiple_of(4);
        let data_at = (parameters_at + parameters.len()).next_multiple_of(4);
        let mut words = Vec::new();
        // Totals, then count, offset and displacement of both.
        if is_wide {
            words.put(&[0; 3]).put_len32(parameters.len()).put_len32(data.len());
            words.put_len32(parameters.len()).put_len32(parameters_at).put32(0);
            words.put_len32(data.len()).put_len32(data_at).put32(0).put8(0);
        } else {
            words.put_len16(parameters.len()).put_len16(data.len()).put16(0);
            words.put_len16(parameters.len()).put_len16(parameters_at).put16(0);
            words.put_len16(data.len()).put_len16(data_at).put16(0).put16(0);
        }
        let mut out = vec![0; parameters_at - at];
        out.put(parameters);
        out.resize(data_at - at, 0);
        out.put(data);
        Reply { words, data: out, ..Reply::default() }
    }
}

/// A path in the parameters of a transaction.
fn text_of(block: &Block<'_>, parameters: &[u8], at: usize) -> String {
    let bytes = parameters.get(at..).unwrap_or_default();
    let text =
        if block.header.is_unicode() { text_of_utf16(bytes) } else { String::from_utf8_lossy(bytes).into_owned() };
    text.split('\0').next().unwrap_or_default().to_owned()
}
