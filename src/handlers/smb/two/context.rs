//! Contexts of CREATE (MS-SMB2 2.2.13.2, 2.2.14.2): leases, durable handles, rights and numbers that are asked for. And oplocks: nobody else has
//! a visitor's files open, so it gets what it asks for.

use super::super::host::{Dialect, Host};
use super::super::open::{Object, Open};
use super::super::status::Status;
use super::super::wire::{Fields, Put, patch};

/// Contexts of one request that are looked at.
const MAX: usize = 16;
/// Oplock levels (MS-SMB2 2.2.13).
const LEVEL_TWO: u8 = 0x01;
const EXCLUSIVE: u8 = 0x08;
const BATCH: u8 = 0x09;
const LEASE: u8 = 0xff;
/// Bits of a lease (MS-SMB2 2.2.13.2.8): to cache reads, handles, writes.
const CACHES_READS: u32 = 1;
const CACHES_HANDLES: u32 = 2;
const LEASE_LEN: usize = 32;

/// Contexts by their names and data.
pub(super) struct Contexts<'a> {
    list: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Contexts<'a> {
    /// Reads a list; `None` when one lies outside.
    pub(super) fn read(mut bytes: &'a [u8]) -> Option<Self> {
        let mut list = Vec::new();
        while !bytes.is_empty() && list.len() < MAX {
            let name = bytes.part(bytes.at16(4)?, bytes.at16(6)?)?;
            let len = bytes.at32(12)?;
            list.push((name, if len == 0 { &[][..] } else { bytes.part(bytes.at16(10)?, len)? }));
            match bytes.at32(0)? {
                0 => break,
                next => bytes = bytes.get(next..)?,
            }
        }
        Some(Self { list })
    }

    fn find(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.list.iter().find(|(one, _)| *one == name).map(|(_, data)| *data)
    }

    /// A handle from an earlier connection, or a file as it was at another time, there is not.
    pub(super) fn check(&self) -> Result<(), Status> {
        let is_gone = self.find(b"DHnC").is_some() || self.find(b"TWrp").is_some();
        if is_gone { Err(Status::OBJECT_NAME_NOT_FOUND) } else { Ok(()) }
    }

    /// Room that is to be kept for what will be written.
    pub(super) fn allocation(&self) -> Option<u64> {
        self.find(b"AlSi").and_then(|data| data.le64(0))
    }

    /// The security descriptor of a new file.
    pub(super) fn security(&self) -> Option<&'a [u8]> {
        self.find(b"SecD")
    }

    /// The oplock that is granted, and the contexts of the answer.
    pub(super) fn grant(&self, host: &Host, dialect: Option<Dialect>, open: &Open, asked: u8) -> (u8, Vec<u8>) {
        let mut out = Answers::default();
        let mut level = match (&open.object, asked) {
            (Object::File(_), LEVEL_TWO | EXCLUSIVE | BATCH) if open.is_alone => asked,
            (Object::File(_), LEVEL_TWO | EXCLUSIVE | BATCH) => LEVEL_TWO,
            _ => 0,
        };
        let mut caches = 0;
        if let (LEASE, Object::File(_), Some(Dialect::V210), Some(lease)) =
            (asked, &open.object, dialect, self.find(b"RqLs").filter(|data| data.len() >= LEASE_LEN))
        {
            let wanted = lease.le32(16).unwrap_or(0) & 7;
            caches = if wanted & CACHES_READS != 0 { wanted } else { 0 };
            level = LEASE;
            let mut data = lease.get(..16).unwrap_or_default().to_vec();
            data.put32(caches).put32(0).put64(0);
            out.add(b"RqLs", &data);
        }
        if self.find(b"DHnQ").is_some() && (level == BATCH || caches & CACHES_HANDLES != 0) {
            out.add(b"DHnQ", &[0; 8]);
        }
        if self.find(b"MxAc").is_some() {
            out.add(b"MxAc", &[0, 0, 0, 0, 0xff, 0x01, 0x1f, 0]);
        }
        if let (Some(_), Some(entry)) = (self.find(b"QFid"), &open.entry) {
            let mut data = Vec::new();
            data.put64(entry.index).put64(host.volume_serial.into()).put(&[0; 16]);
            out.add(b"QFid", &data);
        }
        (level, out.bytes)
    }
}

/// Contexts of an answer, each with the step to the next.
#[derive(Default)]
struct Answers {
    bytes: Vec<u8>,
    last: usize,
}

impl Answers {
    fn add(&mut self, name: &[u8; 4], data: &[u8]) {
        if !self.bytes.is_empty() {
            self.bytes.align(8);
            let step = u32::try_from(self.bytes.len() - self.last).unwrap_or(0);
            patch(&mut self.bytes, self.last, &step.to_le_bytes());
        }
        self.last = self.bytes.len();
        self.bytes.put32(0).put16(16).put16(4).put16(0).put16(24).put_len32(data.len()).put(name).put32(0).put(data);
    }
}
