//! svcctl (MS-SCMR): services that visitors create to run what they uploaded. The command line is what matters here.

use super::super::host::Visitor;
use super::super::remote;
use super::handle::{self, Kind, handle};
use super::installed::{self, INSTALLED, Installed};
use super::ndr::{Results, Stub};
use super::{Answer, BAD_STUB, Caller, DENIED, NO_SUCH_OPERATION};
use crate::events::Event;

/// Services of one pipe that are remembered.
const MAX_SERVICES: usize = 16;
/// Services of every Windows have handles with numbers from here on, created ones before.
const FIRST_INSTALLED: u32 = 100;
/// Results of MS-ERREF 2.2.
const ACCESS_DENIED: u32 = 5;
const INVALID_HANDLE: u32 = 6;
const NO_SUCH_SERVICE: u32 = 1060;
const REQUEST_TIMEOUT: u32 = 1053;

/// The services that a visitor has created, and those of every Windows that it has given another command: names and commands.
#[derive(Debug, Default)]
pub(super) struct Services {
    created: Vec<(String, String)>,
    changed: Vec<(&'static str, String)>,
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
            1 => control(caller, &mut stub),
            // RQueryServiceStatus, RQueryServiceStatusEx
            6 | 40 => stub.take(handle::LEN).map(|given| {
                let found = known(caller, given);
                let runs = found.is_some_and(|one| visited(caller, |visitor| one.runs(visitor)));
                installed::state(found, runs, operation == 40).returning(0)
            }),
            // RDeleteService
            2 => stub.take(handle::LEN).map(|given| match known(caller, given) {
                Some(_) => Results::default().returning(ACCESS_DENIED),
                None => Results::default().returning(0),
            }),
            // RChangeServiceConfigW, RChangeServiceConfigA
            11 => self.change(caller, &mut stub, true, events),
            23 => self.change(caller, &mut stub, false, events),
            14 => list(caller, &mut stub),
            17 => config(caller, &mut stub),
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
        let found = found.map(|(number, _)| number);
        let installed = || (FIRST_INSTALLED..).zip(&INSTALLED).find(|(_, one)| one.name.eq_ignore_ascii_case(&name));
        Some(match found.or_else(|| installed().map(|(number, _)| number)) {
            Some(number) => Results::default().put(&handle(caller, Kind::Service, number)).returning(0),
            None => Results::default().put(&[0; handle::LEN]).returning(NO_SUCH_SERVICE),
        })
    }

    /// RChangeServiceConfigW, RChangeServiceConfigA (MS-SCMR 3.1.4.11): another command for a service is what matters.
    fn change(
        &mut self,
        caller: &Caller<'_>,
        stub: &mut Stub<'_>,
        wide: bool,
        events: &mut Vec<Event>,
    ) -> Option<Vec<u8>> {
        let found = known(caller, stub.take(handle::LEN)?);
        // Type, start, error control.
        for _ in 0..3 {
            stub.long()?;
        }
        let command = stub.pointed_text(wide)?;
        if let (Some(one), Some(command)) = (found, command) {
            events.push(
                Event::new("command", format!("service {:?} changed: {command}", one.name))
                    .with("command", command.as_str())
                    .with("service", one.name),
            );
            self.changed.retain(|(name, _)| *name != one.name);
            self.changed.push((one.name, command));
        }
        // No tag.
        Some(Results::default().long(0).returning(0))
    }

    /// RStartServiceW, RStartServiceA (MS-SCMR 3.1.4.19): a program that is no service never reports back.
    fn start(&self, caller: &Caller<'_>, stub: &mut Stub<'_>, events: &mut Vec<Event>) -> Option<Vec<u8>> {
        let given = stub.take(handle::LEN)?;
        let (name, command) = if let Some(one) = known(caller, given) {
            let Some((name, command)) = self.changed.iter().find(|(name, _)| *name == one.name) else {
                return Some(Results::default().returning(visited(caller, |visitor| one.turn(visitor, true))));
            };
            (*name, command)
        } else {
            let number = handle::number(caller, Kind::Service, given);
            let at = number.and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
            let Some((name, command)) = at.and_then(|at| self.created.get(at)) else {
                return Some(Results::default().returning(INVALID_HANDLE));
            };
            (name.as_str(), command)
        };
        events.push(
            Event::new("command", format!("service {name:?} started: {command}"))
                .with("command", command.as_str())
                .with("service", name),
        );
        remote::ran(caller.host, caller.source, caller.now, command);
        Some(Results::default().returning(REQUEST_TIMEOUT))
    }
}

/// Works with what is remembered of the source.
fn visited<R>(caller: &Caller<'_>, work: impl FnOnce(&mut Visitor) -> R) -> R {
    caller.host.visitors.with(caller.source, caller.now, work)
}

/// RControlService (MS-SCMR 3.1.4.2): stops a service; other controls do nothing.
fn control(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    const STOP: u32 = 1;
    let found = known(caller, stub.take(handle::LEN)?);
    let stops = stub.long()? == STOP;
    let Some(one) = found else { return Some(installed::state(None, false, false).returning(0)) };
    let (result, runs) = visited(caller, |visitor| {
        let result = if stops { one.turn(visitor, false) } else { 0 };
        (result, one.runs(visitor))
    });
    Some(installed::state(found, runs, false).returning(result))
}

/// The service of every Windows that a handle stands for.
fn known(caller: &Caller<'_>, given: &[u8]) -> Option<&'static Installed> {
    let number = handle::number(caller, Kind::Service, given)?.checked_sub(FIRST_INSTALLED)?;
    INSTALLED.get(usize::try_from(number).ok()?)
}

/// REnumServicesStatusW: a handle, kind, state, room, and where to go on.
fn list(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    stub.take(handle::LEN)?;
    let (kind, state, room) = (stub.long()?, stub.long()?, stub.long()?);
    let room = usize::try_from(room).ok()?;
    Some(visited(caller, |visitor| installed::list(visitor, kind, state, room)))
}

/// RQueryServiceConfigW.
fn config(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let found = known(caller, stub.take(handle::LEN)?);
    let room = usize::try_from(stub.long()?).ok()?;
    Some(match found {
        Some(one) => installed::config(one, room),
        None => Results::default().put(&[0; 36]).long(0).returning(INVALID_HANDLE),
    })
}
