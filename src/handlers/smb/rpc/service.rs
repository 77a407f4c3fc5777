//! svcctl (MS-SCMR): services that visitors create to run what they uploaded. The command line is what matters here.

use super::super::host::Visitor;
use super::super::remote;
use super::handle::{self, Kind, handle};
use super::installed::{self, INSTALLED, Installed};
use super::ndr::{Results, Stub};
use super::{Answer, BAD_STUB, Caller, DENIED, NO_SUCH_OPERATION};
use crate::events::Event;

/// Services of one source that are remembered; the oldest makes room.
const MAX_SERVICES: usize = 4;
/// Characters of a name (MS-SCMR 3.1.4.12), and of a command that are remembered; a longer one is shown whole when it is created.
const MAX_NAME: usize = 256;
const MAX_COMMAND: usize = 1024;
/// Services of every Windows have handles with numbers from here on, created ones before.
const FIRST_INSTALLED: u32 = 0x0100_0000;
/// Results of MS-ERREF 2.2.
const ACCESS_DENIED: u32 = 5;
const INVALID_HANDLE: u32 = 6;
const NO_SUCH_SERVICE: u32 = 1060;
const REQUEST_TIMEOUT: u32 = 1053;
const SERVICE_EXISTS: u32 = 1073;
const INVALID_NAME: u32 = 123;

/// A service that a source has created, by whichever of its sessions.
#[derive(Debug)]
pub(in super::super) struct Created {
    number: u32,
    name: String,
    command: String,
}

/// Those of every Windows that were given another command over this pipe: names and commands.
#[derive(Debug, Default)]
pub(super) struct Services {
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
                None => {
                    let number = handle::number(caller, Kind::Service, given);
                    visited(caller, |visitor| visitor.created.retain(|one| Some(one.number) != number));
                    Results::default().returning(0)
                }
            }),
            // RChangeServiceConfigW, RChangeServiceConfigA
            11 => self.change(caller, &mut stub, true, events),
            23 => self.change(caller, &mut stub, false, events),
            14 => list(caller, &mut stub),
            17 => config(caller, &mut stub),
            12 => create(caller, &mut stub, true, events),
            24 => create(caller, &mut stub, false, events),
            // ROpenSCManagerW, ROpenSCManagerA
            15 | 27 => Some(Results::default().put(&handle(caller, Kind::ServiceManager, 0)).returning(0)),
            16 => open(caller, &mut stub, true),
            28 => open(caller, &mut stub, false),
            // RStartServiceW, RStartServiceA
            19 | 31 => self.start(caller, &mut stub, events),
            3..=56 => return Err(DENIED),
            _ => return Err(NO_SUCH_OPERATION),
        }
        .ok_or(BAD_STUB)
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
            ((*name).to_owned(), command.clone())
        } else {
            let number = handle::number(caller, Kind::Service, given);
            let find = |visitor: &mut Visitor| {
                let found = visitor.created.iter().find(|one| Some(one.number) == number);
                found.map(|one| (one.name.clone(), one.command.clone()))
            };
            let Some(found) = visited(caller, find) else {
                return Some(Results::default().returning(INVALID_HANDLE));
            };
            found
        };
        events.push(
            Event::new("command", format!("service {name:?} started: {command}"))
                .with("command", command.as_str())
                .with("service", name.as_str()),
        );
        remote::ran(caller.host, caller.source, caller.now, &command);
        Some(Results::default().returning(REQUEST_TIMEOUT))
    }
}

/// Works with what is remembered of the source.
fn visited<R>(caller: &Caller<'_>, work: impl FnOnce(&mut Visitor) -> R) -> R {
    caller.host.visitors.with(caller.source, caller.now, work)
}

/// RCreateServiceW, RCreateServiceA (MS-SCMR 3.1.4.12).
fn create(caller: &Caller<'_>, stub: &mut Stub<'_>, wide: bool, events: &mut Vec<Event>) -> Option<Vec<u8>> {
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
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Some(Results::default().long(0).put(&[0; handle::LEN]).returning(INVALID_NAME));
    }
    let is_installed = INSTALLED.iter().any(|one| one.name.eq_ignore_ascii_case(&name));
    let number = visited(caller, |visitor| {
        let is_there = visitor.created.iter().any(|one| one.name.eq_ignore_ascii_case(&name));
        if is_installed || is_there {
            return None;
        }
        if visitor.created.len() >= MAX_SERVICES {
            visitor.created.remove(0);
        }
        let number = visitor.created.last().map_or(1, |one| one.number.wrapping_add(1)) % FIRST_INSTALLED;
        visitor.created.push(Created { number, name, command: command.chars().take(MAX_COMMAND).collect() });
        Some(number)
    });
    let mut out = Results::default();
    Some(match number {
        Some(number) => out.long(0).put(&handle(caller, Kind::Service, number)).returning(0),
        None => out.long(0).put(&[0; handle::LEN]).returning(SERVICE_EXISTS),
    })
}

/// ROpenServiceW, ROpenServiceA (MS-SCMR 3.1.4.16).
fn open(caller: &Caller<'_>, stub: &mut Stub<'_>, wide: bool) -> Option<Vec<u8>> {
    stub.take(handle::LEN)?;
    let name = stub.text(wide)?;
    let find = |visitor: &mut Visitor| {
        visitor.created.iter().find(|one| one.name.eq_ignore_ascii_case(&name)).map(|one| one.number)
    };
    let installed = || (FIRST_INSTALLED..).zip(&INSTALLED).find(|(_, one)| one.name.eq_ignore_ascii_case(&name));
    Some(match visited(caller, find).or_else(|| installed().map(|(number, _)| number)) {
        Some(number) => Results::default().put(&handle(caller, Kind::Service, number)).returning(0),
        None => Results::default().put(&[0; handle::LEN]).returning(NO_SUCH_SERVICE),
    })
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
