//! The bounds of what a source can keep on a device.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;

use super::file_system::Overlay;
use super::*;
use crate::clock::Timestamp;
use crate::handlers::Persona;

fn device() -> Arc<Device> {
    Device::new(Flavor::BusyBox, &Persona::example(), &[])
}

fn source(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

#[test]
fn a_source_that_fills_its_disk_is_told_so_and_no_other() {
    let (device, now, piece) = (device(), Timestamp::default(), vec![b'x'; 64 << 10]);
    device.files(source(1), now, |files| {
        let store = |files: &mut FileSystem<'_>, n: usize| files.store(format!("/tmp/{n}").as_bytes(), &piece, 0o644);
        let stored = (0..100).take_while(|&n| store(files, n).is_ok()).count();
        assert_eq!(stored, 31, "two mebibytes, entries included");
        assert_eq!(store(files, 100), Err("No space left on device"));
        files.remove(b"/tmp/7").unwrap();
        assert_eq!(store(files, 100), Ok(()));
    });
    device.files(source(2), now, |files| assert_eq!(files.store(b"/tmp/1", &piece, 0o644), Ok(())));
}

#[test]
fn a_source_can_keep_so_many_files_and_no_more() {
    device().files(source(1), Timestamp::default(), |files| {
        let stored =
            (0..1_000).take_while(|n| files.store(format!("/tmp/{n}").as_bytes(), b"x", 0o644).is_ok()).count();
        assert_eq!(stored, 512);
        files.remove(b"/tmp/0").unwrap();
        assert_eq!(files.store(b"/tmp/y", b"x", 0o644), Ok(()));
    });
}

#[test]
fn a_forgotten_source_gives_all_its_room_back() {
    let (device, mut overlay) = (device(), Overlay::default());
    let mut files = FileSystem::new(&device, &mut overlay, Timestamp::default(), true);
    files.store(b"/tmp/a", &[b'x'; 10_000], 0o644).unwrap();
    files.append(b"/tmp/a", &[b'x'; 10_000]).unwrap();
    files.make_directory(b"/tmp/d").unwrap();
    files.rename(b"/tmp/a", b"/tmp/d/b").unwrap();
    files.copy(b"/tmp/d/b", b"/tmp/c").unwrap();
    files.remove(b"/etc/passwd").unwrap();
    assert!(device.room().load(Relaxed) > 40_000);
    drop(overlay);
    assert_eq!(device.room().load(Relaxed), 0);
}
