//! Scheduled tasks: ITaskSchedulerService (MS-TSCH 3.2.5.4) and atsvc (MS-TSCH 3.2.5.2). What a task runs is what matters here.

use super::super::remote;
use super::ndr::{Results, Stub};
use super::{Answer, BAD_STUB, Caller, DENIED, NO_SUCH_OPERATION};
use crate::clock::Timestamp;
use crate::events::Event;

/// Tasks of one pipe that are remembered.
const MAX_TASKS: usize = 16;
/// Version 1.3 (MS-TSCH 3.2.5.4.1).
const VERSION: u32 = 0x0001_0003;
/// Results (MS-TSCH 2.3.14, MS-ERREF 2.1).
const NOT_FOUND: u32 = 0x8007_0002;
const HAS_NOT_RUN: u32 = 0x0004_1303;
const MALFORMED: u32 = 0x8004_131a;
/// APE_AT_ID_NOT_FOUND: there is no such job.
const NO_SUCH_JOB: u32 = 3806;

/// The tasks that a visitor has registered.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    list: Vec<Task>,
    jobs: u32,
}

#[derive(Debug)]
struct Task {
    path: String,
    command: String,
    ran: Option<Timestamp>,
}

impl Tasks {
    /// ITaskSchedulerService.
    pub(super) fn call(&mut self, caller: &Caller<'_>, operation: u16, stub: &[u8], events: &mut Vec<Event>) -> Answer {
        if !caller.is_admin {
            return Err(DENIED);
        }
        let mut stub = Stub::new(stub);
        match operation {
            // SchRpcHighestVersion
            0 => Some(Results::default().long(VERSION).returning(0)),
            1 => self.register(&mut stub, events),
            // SchRpcEnumFolders, SchRpcEnumTasks
            6 => {
                stub.text(true).map(|path| names(if path.trim_matches('\\').is_empty() { &["Microsoft"] } else { &[] }))
            }
            7 => Some(names(&self.list.iter().map(|task| task.path.trim_matches('\\')).collect::<Vec<_>>())),
            12 => self.run(caller, &mut stub, events),
            // SchRpcDelete
            13 => stub.text(true).map(|path| {
                let before = self.list.len();
                self.list.retain(|task| !task.path.eq_ignore_ascii_case(&path));
                Results::default().returning(if self.list.len() < before { 0 } else { NOT_FOUND })
            }),
            // SchRpcGetLastRunInfo
            16 => stub.text(true).map(|path| self.last_run(&path)),
            // SchRpcGetTaskInfo: enabled, and ready.
            17 => stub.text(true).map(|path| match self.find(&path) {
                Some(_) => Results::default().long(1).long(3).returning(0),
                None => Results::default().long(0).long(0).returning(NOT_FOUND),
            }),
            2..=19 => return Err(DENIED),
            _ => return Err(NO_SUCH_OPERATION),
        }
        .ok_or(BAD_STUB)
    }

    /// atsvc, which Windows before Vista schedules with.
    pub(super) fn job(&mut self, caller: &Caller<'_>, operation: u16, stub: &[u8], events: &mut Vec<Event>) -> Answer {
        if !caller.is_admin {
            return Err(DENIED);
        }
        let mut stub = Stub::new(stub);
        match operation {
            // NetrJobAdd: a machine, when and on which days, flags, the command.
            0 => (|| {
                stub.pointed_text(true)?;
                let (time, _, _) = (stub.long()?, stub.long()?, stub.take(4)?);
                let command = stub.pointed_text(true)??;
                let event = Event::new("command", format!("job scheduled: {command}"));
                events.push(event.with("command", command.as_str()).with("milliseconds_of_day", time));
                self.jobs = self.jobs.wrapping_add(1);
                Some(Results::default().long(self.jobs).returning(0))
            })(),
            // NetrJobDel
            1 => Some(Results::default().returning(0)),
            // NetrJobEnum: none is left.
            2 => Some(Results::default().long(0).long(0).long(0).pointer().long(0).returning(0)),
            // NetrJobGetInfo
            3 => Some(Results::default().long(0).returning(NO_SUCH_JOB)),
            _ => return Err(NO_SUCH_OPERATION),
        }
        .ok_or(BAD_STUB)
    }

    fn find(&mut self, path: &str) -> Option<&mut Task> {
        self.list.iter_mut().find(|task| task.path.eq_ignore_ascii_case(path))
    }

    /// SchRpcRegisterTask (MS-TSCH 3.2.5.4.2): a path and the task in XML.
    fn register(&mut self, stub: &mut Stub<'_>, events: &mut Vec<Event>) -> Option<Vec<u8>> {
        let path = stub.pointed_text(true)?.unwrap_or_else(|| format!("\\Task{}", self.list.len()));
        let xml = stub.text(true)?;
        let mut out = Results::default();
        let Some(program) = element(&xml, "Command") else {
            return Some(out.long(0).long(0).returning(MALFORMED));
        };
        let arguments = element(&xml, "Arguments").unwrap_or_default();
        let command = format!("{program} {arguments}").trim_end().to_owned();
        let event = Event::new("command", format!("task {path:?} registered: {command}"));
        events.push(event.with("command", command.as_str()).with("task", path.as_str()));
        self.list.retain(|task| !task.path.eq_ignore_ascii_case(&path));
        if self.list.len() >= MAX_TASKS {
            self.list.remove(0);
        }
        out.pointer().text(&path).long(0);
        self.list.push(Task { path, command, ran: None });
        Some(out.returning(0))
    }

    /// SchRpcRun (MS-TSCH 3.2.5.4.13).
    fn run(&mut self, caller: &Caller<'_>, stub: &mut Stub<'_>, events: &mut Vec<Event>) -> Option<Vec<u8>> {
        let path = stub.text(true)?;
        let mut out = Results::default();
        let Some(task) = self.find(&path) else { return Some(out.put(&[0; 16]).returning(NOT_FOUND)) };
        task.ran = Some(caller.now);
        let event = Event::new("command", format!("task {path:?} run: {}", task.command));
        events.push(event.with("command", task.command.as_str()).with("task", path.as_str()));
        remote::ran(caller.host, caller.source, caller.now, &task.command);
        // The number of this run.
        let mut random = crate::handlers::Random::new(caller.seed ^ caller.now.as_micros());
        out.put(&random.bits().to_le_bytes()).put(&random.bits().to_le_bytes());
        Some(out.returning(0))
    }

    /// When it ran, and how that ended.
    fn last_run(&mut self, path: &str) -> Vec<u8> {
        let mut out = Results::default();
        match self.find(path).map(|task| task.ran) {
            Some(Some(time)) => out.system_time(time).long(0).returning(0),
            Some(None) => out.put(&[0; 16]).long(0).returning(HAS_NOT_RUN),
            None => out.put(&[0; 16]).long(0).returning(NOT_FOUND),
        }
    }
}

/// All names of a folder: where to go on, how many, and they themselves.
fn names(list: &[&str]) -> Vec<u8> {
    let mut out = Results::default();
    out.count(list.len()).count(list.len()).array(list.len());
    list.iter().for_each(|_| {
        out.pointer();
    });
    list.iter().for_each(|name| {
        out.text(name);
    });
    // S_FALSE: there are no more.
    out.returning(1)
}

/// The text of the first element of this name, without its escapes.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(text.replace("&amp;", "&").trim().to_owned())
}
