//! Sessions that last: the engine must not forget whom it serves.

use std::time::Duration;

use crate::lab::client::echo;
use crate::lab::{Lab, SENSOR, at};

const RULES: &str = "
version: 1
rules:
  - {name: echo, match: tcp, type: handler, target: echo}
";

/// Longer than the 60 s after which engines that count from the beginning of a session forget it.
const LONG: Duration = Duration::from_secs(66);

crate::on_each_datapath! {
    a_session_of_more_than_a_minute_goes_on_whether_it_talks_or_is_silent,
}

fn a_session_of_more_than_a_minute_goes_on_whether_it_talks_or_is_silent(datapath: &str) {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).datapath(datapath).start();
    let mut silent = SENSOR.map(|address| lab.dial(at(address, 7005)));
    let mut talking = SENSOR.map(|address| lab.dial(at(address, 7005)));
    for stream in silent.iter_mut().chain(&mut talking) {
        assert_eq!(echo(stream, b"first").unwrap(), b"first");
    }
    let end = std::time::Instant::now() + LONG;
    while std::time::Instant::now() < end {
        // Time itself is under test here: nothing but waiting makes a session old.
        std::thread::sleep(Duration::from_secs(3));
        for stream in &mut talking {
            assert_eq!(echo(stream, b"still here").unwrap(), b"still here");
        }
    }
    for stream in silent.iter_mut().chain(&mut talking) {
        assert_eq!(echo(stream, b"after a minute").unwrap(), b"after a minute");
    }
    engine.stop();
}
