//! svcctl (MS-SCMR): services that visitors create to run what they uploaded. The command line is what matters here.

use super::ndr::{Results, Stub};
use super::{Answer, BAD_STUB, Caller, DENIED, NO_SUCH_OPERATION};
use crate::events::Event;

/// Services of one pipe that are remembered.
const MAX_SERVICES: usize = 16;
/// Results of MS-ERREF 2.2.
const INVALID_HANDLE: u32 = 6;
const NO_SUCH_SERVICE: u32 = 1060;
const REQUEST_TIMEOUT: u32 = 1053;

/// The services that a visitor has created.
#[derive(Debug, Default)]
pub(super) struct Services {
    created: Vec<(String, String)>,
}

impl Services {
    pub(super) fn call(&mut self, caller: &Caller<'_>, operation: u16, stub: &[u8], events: &mut Vec<Event>) -> Answer {
        if !caller.is_admin {
            return Err(DENIED);
        }
        let mut stub = Stub::new(stub);
        match operation {
            // RCloseServiceHandle
            0 => Some(Results::default().put(&[0; 20]).returning(0)),
            // RControlService, RQueryServiceStatus: stopped.
            1 | 6 => Some(status()),
            // RDeleteService
            2 => Some(Results::default().returning(0)),
            12 => self.create(&mut stub, true, events),
            24 => self.create(&mut stub, false, events),
            // ROpenSCManagerW, ROpenSCManagerA
            15 | 27 => Some(Results::default().put(&handle(0)).returning(0)),
            16 => self.open(&mut stub, true),
            28 => self.open(&mut stub, false),
            // RStartServiceW, RStartServiceA
            19 | 31 => self.start(&mut stub, events),
            3..=56 => return Err(DENIED),
            _ => return Err(NO_SUCH_OPERATION),
        }
        .ok_or(BAD_STUB)
    }

    /// RCreateServiceW, RCreateServiceA (MS-SCMR 3.1.4.12).
    fn create(&mut self, stub: &mut Stub<'_>, wide: bool, events: &mut Vec<Event>) -> Option<Vec<u8>> {
        stub.take(20)?;
        let name = stub.text(wide)?;
        stub.pointed_text(wide)?;
        // Access, type, start, error control.
        for _ in 0..4 {
            stub.long()?;
        }
        let command = stub.text(wide)?;
        events.push(
            Event::new("command", format!("service {name:?} created: {command}"))
                .with("command", command.as_str())
                .with("service", name.as_str()),
        );
        if self.created.len() >= MAX_SERVICES {
            self.created.remove(0);
        }
        self.created.push((name, command));
        Some(Results::default().long(0).put(&handle(self.created.len())).returning(0))
    }

    /// ROpenServiceW, ROpenServiceA (MS-SCMR 3.1.4.16).
    fn open(&self, stub: &mut Stub<'_>, wide: bool) -> Option<Vec<u8>> {
        stub.take(20)?;
        let name = stub.text(wide)?;
        let found = self.created.iter().position(|(known, _)| known.eq_ignore_ascii_case(&name));
        Some(match found {
            Some(at) => Results::default().put(&handle(at + 1)).returning(0),
            None => Results::default().put(&[0; 20]).returning(NO_SUCH_SERVICE),
        })
    }

    /// RStartServiceW, RStartServiceA (MS-SCMR 3.1.4.19): a program that is no service never reports back.
    fn start(&self, stub: &mut Stub<'_>, events: &mut Vec<Event>) -> Option<Vec<u8>> {
        let number = usize::from(*stub.take(20)?.get(16)?);
        let Some((name, command)) = number.checked_sub(1).and_then(|at| self.created.get(at)) else {
            return Some(Results::default().returning(INVALID_HANDLE));
        };
        events.push(
            Event::new("command", format!("service {name:?} started: {command}"))
                .with("command", command.as_str())
                .with("service", name.as_str()),
        );
        Some(Results::default().returning(REQUEST_TIMEOUT))
    }
}

/// A context handle: all that matters of it is the number of the service, 0 for the manager.
fn handle(number: usize) -> [u8; 20] {
    let mut handle = *b"\0\0\0\0\x5d\x2c\x7a\x91\x0b\xe4\x42\x4f\xa9\x3e\xd1\x58\0\x66\x1c\x07";
    if let Some(byte) = handle.get_mut(16) {
        *byte = u8::try_from(number).unwrap_or(u8::MAX);
    }
    handle
}

/// SERVICE_STATUS (MS-SCMR 2.2.47): a stopped process of its own.
fn status() -> Vec<u8> {
    let mut out = Results::default();
    for value in [0x10, 1, 0, 1077, 0, 0, 0] {
        out.long(value);
    }
    out.returning(0)
}
