//! Several connections of one source, and another source: what each sees of the others.

use std::sync::Arc;

use super::super::access::{ALL, Wanted};
use super::super::account::User;
use super::super::change::{Watch, kind};
use super::super::disk::view;
use super::super::host::{Host, Share};
use super::super::lock::Lock;
use super::super::open::Open;
use super::super::opens::Opens;
use super::super::status::Status;
use crate::clock::Timestamp;
use crate::flow::Transport;
use crate::handlers::{Context, Environment, Output, Session};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
/// FILE_OPEN, FILE_CREATE, FILE_OPEN_IF.
const OPEN: u32 = 1;
const CREATE: u32 = 2;
const OPEN_IF: u32 = 3;

fn host() -> Arc<Host> {
    Host::prepared(&Environment::example(&toml::Table::new())).unwrap()
}

/// A connection that has logged in.
struct Connection {
    host: Arc<Host>,
    session: Session,
    opens: Opens,
    out: Output,
}

impl Connection {
    fn new(host: &Arc<Host>, seed: u64) -> Self {
        let session = Session { seed, ..Session::example(Transport::Tcp, 445) };
        Self { host: Arc::clone(host), session, opens: Opens::default(), out: Output::default() }
    }

    fn elsewhere(host: &Arc<Host>) -> Self {
        let mut other = Self::new(host, 99);
        other.session.client.set_ip([203, 0, 113, 9].into());
        other
    }

    fn open(&mut self, share: &str, path: &str, disposition: u32, shared: u32) -> Result<u16, Status> {
        let wanted = Wanted { path: path.to_owned(), disposition, options: 0, access: ALL, shared, attributes: 0 };
        let user = User { is_anonymous: false, ..User::nobody() };
        let mut cx = Context::new(&self.session, NOW, &mut self.out);
        let tree = (1, Host::share(share).unwrap());
        self.opens.create(&self.host, &mut cx, &user, tree, &wanted).map(|open| open.id)
    }

    /// Works with what is open, as it is by now.
    fn with<R>(&mut self, id: u16, work: impl FnOnce(&mut Open, &Host, &mut Context<'_>) -> R) -> R {
        let mut cx = Context::new(&self.session, NOW, &mut self.out);
        let open = self.opens.look(&self.host, &cx, 1, id).unwrap();
        work(open, &self.host, &mut cx)
    }

    fn read(&mut self, id: u16) -> Result<Vec<u8>, Status> {
        self.with(id, |open, host, cx| open.read(host, cx, (0, 0), 100)).map(|(bytes, _)| bytes)
    }

    fn write(&mut self, id: u16, offset: u64, bytes: &[u8]) -> Result<(), Status> {
        self.with(id, |open, host, cx| open.write(host, cx, &User::nobody(), (offset, 0), bytes))
    }

    fn lock(&mut self, id: u16, lock: Lock) -> Result<(), Status> {
        self.with(id, |open, host, cx| {
            let owner = open.owner(cx);
            view(host, cx, open.share, |view, _| view.visitor.claims.lock(owner, &[lock]))
        })
    }

    fn close(&mut self, id: u16) {
        self.opens.close(&self.host, &mut Context::new(&self.session, NOW, &mut self.out), id).unwrap();
    }
}

#[test]
fn connections_of_a_source_see_each_others_writes_lengths_and_names_at_once() {
    let host = host();
    let (mut one, mut other) = (Connection::new(&host, 1), Connection::new(&host, 2));
    let mine = one.open("C$", "note.txt", CREATE, 7).unwrap();
    let its = other.open("C$", "NOTE.TXT", OPEN, 7).unwrap();
    one.write(mine, 0, b"hello").unwrap();
    assert_eq!(other.read(its).unwrap(), b"hello");
    other.write(its, 0, b"J").unwrap();
    other.with(its, |open, host, cx| open.resize(host, cx, 3)).unwrap();
    assert_eq!(one.read(mine).unwrap(), b"Jel");
    other.with(its, |open, host, cx| open.rename(host, cx, "other.txt", false)).unwrap();
    assert_eq!(
        one.with(mine, |open, _, _| (open.path.clone(), open.entry.clone().unwrap().size)),
        ("other.txt".into(), 3)
    );
    other.close(its);
    assert_eq!(one.read(mine).unwrap(), b"Jel");
    assert_eq!(Connection::elsewhere(&host).open("C$", "other.txt", OPEN, 7), Err(Status::OBJECT_NAME_NOT_FOUND));
}

#[test]
fn every_share_shows_the_same_drive() {
    let host = host();
    let mut one = Connection::new(&host, 1);
    let mine = one.open("ADMIN$", "Temp\\x.exe", CREATE, 7).unwrap();
    one.write(mine, 0, b"MZ").unwrap();
    let its = one.open("C$", "Windows\\temp\\X.EXE", OPEN, 7).unwrap();
    assert_eq!(one.read(its).unwrap(), b"MZ");
}

#[test]
fn what_one_connection_does_not_share_no_other_opens() {
    let host = host();
    let (mut one, mut other) = (Connection::new(&host, 1), Connection::new(&host, 2));
    let alone = one.open("C$", "a", CREATE, 0).unwrap();
    assert_eq!(other.open("C$", "a", OPEN, 7), Err(Status::SHARING_VIOLATION));
    one.close(alone);
    one.open("C$", "a", OPEN, 7).unwrap();
    assert_eq!(other.open("C$", "a", OPEN, 0), Err(Status::SHARING_VIOLATION));
    assert!(other.open("C$", "a", OPEN, 7).is_ok() && Connection::elsewhere(&host).open("C$", "a", CREATE, 0).is_ok());
}

#[test]
fn what_is_deleted_is_gone_once_the_last_connection_has_closed_it() {
    let host = host();
    let (mut one, mut other) = (Connection::new(&host, 1), Connection::new(&host, 2));
    let mine = one.open("C$", "a", CREATE, 7).unwrap();
    let its = other.open("C$", "a", OPEN, 7).unwrap();
    other.with(its, |open, host, cx| open.delete(host, cx, true)).unwrap();
    assert!(one.with(mine, |open, _, _| open.entry.clone().unwrap().is_doomed));
    other.close(its);
    assert_eq!(other.open("C$", "a", OPEN_IF, 7), Err(Status::DELETE_PENDING));
    one.close(mine);
    assert_eq!(other.open("C$", "a", OPEN, 7), Err(Status::OBJECT_NAME_NOT_FOUND));
    assert!(one.out.events.iter().any(|event| event.msg.ends_with("\\C$\\a deleted")));
}

#[test]
fn a_range_that_one_connection_has_locked_no_other_writes_or_locks() {
    let host = host();
    let (mut one, mut other) = (Connection::new(&host, 1), Connection::new(&host, 2));
    let mine = one.open("C$", "a", CREATE, 7).unwrap();
    let its = other.open("C$", "a", OPEN, 7).unwrap();
    one.write(mine, 0, b"0123456789").unwrap();
    let lock = Lock { offset: 4, len: 2, is_exclusive: true, process: 0 };
    one.lock(mine, lock).unwrap();
    assert_eq!(
        (other.write(its, 5, b"x"), other.read(its)),
        (Err(Status::FILE_LOCK_CONFLICT), Err(Status::FILE_LOCK_CONFLICT))
    );
    assert_eq!(other.lock(its, lock), Err(Status::LOCK_NOT_GRANTED));
    assert!(other.write(its, 6, b"x").is_ok() && one.write(mine, 5, b"x").is_ok());
    one.close(mine);
    assert_eq!((other.lock(its, lock), other.write(its, 5, b"y")), (Ok(()), Ok(())));
}

#[test]
fn times_attributes_and_access_stay_with_a_file_of_the_source() {
    let host = host();
    let mut one = Connection::new(&host, 1);
    let times = [1, 2, 3, 4].map(|day| 130_000_000_000_000_000 + day * 864_000_000_000);
    for path in ["new.txt", "Windows\\win.ini"] {
        let id = one.open("C$", path, OPEN_IF, 7).unwrap();
        one.with(id, |open, host, cx| {
            open.set_basic(host, cx, times, 0x22).unwrap();
            // What was set as the last write stays, whatever this handle writes.
            open.write(host, cx, &User::nobody(), (0, 0), b"x").unwrap();
            let nobody = [&[1, 0, 4, 0x80][..], &[0; 12], &[20, 0, 0, 0, 2, 0, 8, 0, 0, 0, 0, 0]].concat();
            open.set_security(host, cx, &nobody, 4).unwrap();
        });
        one.close(id);
        let mut later = Connection::new(&host, 2);
        let id = later.open("C$", path, OPEN, 7).unwrap();
        let (entry, access) =
            later.with(id, |open, host, cx| (open.entry.clone().unwrap(), open.security(host, cx, 4).unwrap()));
        assert_eq!((entry.times.0, entry.attributes(), access.len()), (times, 0x22, 28), "{path}");
    }
    let mut other = Connection::elsewhere(&host);
    let id = other.open("C$", "Windows\\win.ini", OPEN, 7).unwrap();
    assert_eq!(other.with(id, |open, _, _| open.entry.clone().unwrap().attributes()), 0x20);
}

#[test]
fn a_file_that_is_read_only_is_neither_written_nor_deleted() {
    let host = host();
    let mut one = Connection::new(&host, 1);
    let id = one.open("C$", "a", CREATE, 7).unwrap();
    one.with(id, |open, host, cx| open.set_basic(host, cx, [0; 4], 1)).unwrap();
    assert_eq!(one.with(id, |open, host, cx| open.delete(host, cx, true)), Err(Status::CANNOT_DELETE));
    one.close(id);
    assert_eq!(one.open("C$", "a", OPEN, 7), Err(Status::ACCESS_DENIED));
}

#[test]
fn who_watches_over_one_connection_is_told_of_what_another_does() {
    let host = host();
    let (mut one, mut other) = (Connection::new(&host, 1), Connection::new(&host, 2));
    let directory = one.open("C$", "Users", OPEN, 7).unwrap();
    let seen = |one: &mut Connection| {
        one.with(directory, |open, host, cx| {
            let owner = open.owner(cx);
            view(host, cx, open.share, |view, _| {
                let (claims, changes) = (&mut view.visitor.claims, &view.visitor.changes);
                let claim = claims.find_mut(owner).unwrap();
                let next = changes.next();
                let watch = Watch { kinds: kind::FILE_NAME, is_recursive: true, room: 1000, next };
                changes.seen(claim.watch.get_or_insert(watch), &claim.path, 1000)
            })
        })
    };
    assert_eq!(seen(&mut one), None);
    let file = other.open("Users", "Public\\a", CREATE, 7).unwrap();
    assert!(seen(&mut one).is_some_and(|told| told[4] == 1 && told[8] == 16), "added, at a path of eight letters");
    other.close(file);
    assert_eq!(seen(&mut one), None);
}

#[test]
fn a_source_has_so_many_files_open_and_no_more_whatever_its_connections() {
    let host = host();
    let mut connections: Vec<_> = (1..=5).map(|seed| Connection::new(&host, seed)).collect();
    let mut count = 0;
    for connection in &mut connections {
        while connection.open("C$", &format!("f{count}"), OPEN_IF, 7).is_ok() {
            count += 1;
        }
    }
    assert_eq!(count, 128);
    assert!(Connection::elsewhere(&host).open("C$", "f", OPEN_IF, 7).is_ok());
    for connection in &mut connections {
        let mut cx = Context::new(&connection.session, NOW, &mut connection.out);
        connection.opens.close_all(&host, &mut cx, None);
    }
    let share: Share = Host::share("C$").unwrap();
    let cx = &mut Output::default();
    let cx = Context::new(&connections[0].session, NOW, cx);
    assert!(view(&host, &cx, share, |view, _| !view.visitor.claims.is_open_below("")));
}
