//! Each test runs in a forked child, which alone loses its privileges. They need root, and fail without.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Signal, WaitOptions, waitpid};

use super::*;

/// Runs `body` in a child and fails when it panics there.
fn in_child(body: impl FnOnce()) {
    assert!(rustix::process::geteuid().is_root(), "this test needs root: run it with sudo");
    match process::fork().unwrap() {
        None => {
            let code = i32::from(catch_unwind(AssertUnwindSafe(body)).is_err());
            std::process::exit(code);
        }
        Some(pid) => {
            let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
            assert_eq!(status.exit_status(), Some(0), "the child failed, see its message: {status:?}");
        }
    }
}

fn field(name: &str) -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    line.split_ascii_whitespace().skip(1).collect::<Vec<_>>().join(" ")
}

const ACCOUNT: Account = Account { uid: 65_534, gid: 65_533 };
const NET_ADMIN: &str = "0000000000001000";
const NONE: &str = "0000000000000000";

#[test]
fn the_engine_keeps_net_admin_and_nothing_else() {
    in_child(|| {
        set_parent_process_death_signal(Some(Signal::TERM)).unwrap();
        drop_to(&ACCOUNT).unwrap();
        assert_eq!(field("Uid"), "65534 65534 65534 65534");
        assert_eq!(field("Gid"), "65533 65533 65533 65533");
        assert_eq!(field("Groups"), "");
        assert_eq!((field("CapPrm").as_str(), field("CapEff").as_str()), (NET_ADMIN, NET_ADMIN));
        for set in ["CapInh", "CapBnd", "CapAmb"] {
            assert_eq!(field(set), NONE, "{set}");
        }
        assert_eq!(field("NoNewPrivs"), "1");
        assert_eq!(parent_process_death_signal().unwrap(), Some(Signal::TERM));
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert!(process::set_ids(0, 0).is_err(), "the way back is open");
    });
}

#[test]
fn a_server_thread_keeps_nothing_while_the_queue_thread_keeps_net_admin() {
    in_child(|| {
        drop_to(&ACCOUNT).unwrap();
        std::thread::spawn(|| {
            drop_all().unwrap();
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(field(set), NONE, "{set}");
            }
        })
        .join()
        .unwrap();
        assert_eq!(field("CapEff"), NET_ADMIN);
    });
}

#[test]
fn a_thread_of_root_may_not_call_itself_harmless() {
    in_child(|| assert!(matches!(drop_all(), Err(Error::Left(_)))));
}

#[test]
fn without_net_admin_the_error_says_how_to_get_it() {
    in_child(|| {
        drop_to(&ACCOUNT).unwrap();
        drop_all().unwrap();
        let error = drop_to(&ACCOUNT).unwrap_err().to_string();
        assert!(error.contains("CAP_NET_ADMIN") && error.contains("sudo"), "{error}");
    });
}

#[test]
fn a_process_that_starts_unprivileged_with_net_admin_keeps_its_user() {
    in_child(|| {
        drop_to(&ACCOUNT).unwrap();
        drop_to(&Account { uid: 2000, gid: 2000 }).unwrap();
        assert_eq!(field("Uid"), "65534 65534 65534 65534");
        assert_eq!(field("CapEff"), NET_ADMIN);
    });
}
