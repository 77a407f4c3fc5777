//! Each test runs in a process of its own, which alone loses its privileges. They need root, and fail without.

use std::process::Command;
use std::{env, fs};

use rustix::process::Signal;

use super::*;

/// Set in the process that is to lose its privileges.
const ALONE: &str = "GLUTTON_TEST_ALONE";

/// Runs `body`, which is what the test `name` does, in a process that runs this test alone; fails when it fails there.
///
/// Not in a forked child: that would inherit, locked for ever, the locks that the threads of other tests hold.
fn alone(name: &str, body: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return body();
    }
    assert!(rustix::process::geteuid().is_root(), "this test needs root: run it with sudo");
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([&format!("privilege::tests::{name}"), "--exact", "--nocapture"]).env(ALONE, "");
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
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
    alone("the_engine_keeps_net_admin_and_nothing_else", || {
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
    alone("a_server_thread_keeps_nothing_while_the_queue_thread_keeps_net_admin", || {
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
    alone("a_thread_of_root_may_not_call_itself_harmless", || assert!(matches!(drop_all(), Err(Error::Left(_)))));
}

#[test]
fn without_net_admin_the_error_says_how_to_get_it() {
    alone("without_net_admin_the_error_says_how_to_get_it", || {
        drop_to(&ACCOUNT).unwrap();
        drop_all().unwrap();
        let error = drop_to(&ACCOUNT).unwrap_err().to_string();
        assert!(error.contains("CAP_NET_ADMIN") && error.contains("sudo"), "{error}");
    });
}

#[test]
fn a_process_that_starts_unprivileged_with_net_admin_keeps_its_user() {
    alone("a_process_that_starts_unprivileged_with_net_admin_keeps_its_user", || {
        drop_to(&ACCOUNT).unwrap();
        drop_to(&Account { uid: 2000, gid: 2000 }).unwrap();
        assert_eq!(field("Uid"), "65534 65534 65534 65534");
        assert_eq!(field("CapEff"), NET_ADMIN);
    });
}
