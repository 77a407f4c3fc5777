//! svcctl (MS-SCMR): services that visitors create to run what they uploaded. The command line is what matters here.

use super::super::remote;
use super::handle::{self, Kind, handle};
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
            0 => Some(Results::default().put(&[0; handle::LEN]).returning(0)),
            // RControlService, RQueryServiceStatus: stopped.
            1 | 6 => Some(status()),
            // RDeleteService
            2 => Some(Results::default().returning(0)),
            12 => self.create(caller, &mut stub, true, events),
            24 => self.create(caller, &mut stub, false, events),
            // ROpenSCManagerW, ROpenSCManagerA
            15 | 27 => Some(Results::default().put(&handle(caller, Kind::ServiceManager, 0)).returning(0)),
            16 => self.open(caller, &mut stub, true),
            28 => self.open(caller, &mut stub, false),
            // RStartServiceW, RStartServiceA
            19 | 31 => self.start(caller, &mut stub, events),
            3..=56 => return Err(DENIED),
            _ => return Err(NO_SUCH_OPERATION),
        }
        .ok_or(BAD_STUB)
    }

    /// RCreateServiceW, RCreateServiceA (MS-SCMR 3.1.4.12).
    fn create(
        &mut self,
        caller: &Caller<'_>,
        stub: &mut Stub<'_>,
        wide: bool,
        events: &mut Vec<Event>,
    ) -> Option<Vec<u8>> {
        stub.take(handle::LEN)?;
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
        let number = u32::try_from(self.created.len()).unwrap_or(0);
        Some(Results::default().long(0).put(&handle(caller, Kind::Service, number)).returning(0))
    }

    /// ROpenServiceW, ROpenServiceA (MS-SCMR 3.1.4.16).
    fn open(&self, caller: &Caller<'_>, stub: &mut Stub<'_>, wide: bool) -> Option<Vec<u8>> {
        stub.take(handle::LEN)?;
        let name = stub.text(wide)?;
        let found = (1..).zip(&self.created).find(|(_, (known, _))| known.eq_ignore_ascii_case(&name));
        Some(match found {
            Some((number, _)) => Results::default().put(&handle(caller, Kind::Service, number)).returning(0),
            None => Results::default().put(&[0; handle::LEN]).returning(NO_SUCH_SERVICE),
        })
    }

    /// RStartServiceW, RStartServiceA (MS-SCMR 3.1.4.19): a program that is no service never reports back.
    fn start(&self, caller: &Caller<'_>, stub: &mut Stub<'_>, events: &mut Vec<Event>) -> Option<Vec<u8>> {
        let number = handle::number(caller, Kind::Service, stub.take(handle::LEN)?);
        let at = number.and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
        let Some((name, command)) = at.and_then(|at| self.created.get(at)) else {
            return Some(Results::default().returning(INVALID_HANDLE));
        };
        events.push(
            Event::new("command", format!("service {name:?} started: {command}"))
                .with("command", command.as_str())
                .with("service", name.as_str()),
        );
        remote::ran(caller.host, caller.source, caller.now, command);
        Some(Results::default().returning(REQUEST_TIMEOUT))
    }
}

/// SERVICE_STATUS (MS-SCMR 2.2.47): a stopped process of its own.
fn status() -> Vec<u8> {
    let mut out = Results::default();
    for value in [0x10, 1, 0, 1077, 0, 0, 0] {
        out.long(value);
    }
    out.returning(0)
}
