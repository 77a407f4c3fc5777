//! A minute of everything at once, with reloads and a killed engine in the middle: nothing is left behind, nothing grows.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::dark::{self, DARK};
use crate::lab::client::{abort, ask_datagram, datagrams, dial, echo};
use crate::lab::events::kind;
use crate::lab::firewall::saved_routes;
use crate::lab::service::{DatagramService, Service};
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};

const RULES: &str = "
version: 1
rules:
  - {name: dropped, match: dst port 9300, type: drop}
  - {name: rejected, match: dst port 9400, type: reject}
  - {name: passed, match: dst port 9500, type: pass}
  - {name: rewritten, match: dst port 9200, type: rewrite, target: '9201'}
  - {name: proxied, match: tcp dst port 9100, type: proxy, target: 'tcp://127.0.0.1:9101'}
  - {name: web, match: tcp dst port 8080, type: log_http}
  - {name: seen, match: tcp dst port 7006, type: handler, target: echo, datapath: userspace}
  - {name: redirected, match: tcp dst port 7004, type: handler, target: echo, datapath: redirect}
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";

/// How long the load lasts.
const LOAD: Duration = Duration::from_secs(60);
/// Between two visits of one visitor.
const PAUSE: Duration = Duration::from_millis(150);
/// From the kill until the new engine has everything that it will need.
const SETTLED: Duration = Duration::from_secs(10);
/// From the beginning to the kill.
const KILL_AFTER: Duration = Duration::from_secs(25);

/// One visit of each kind to each family. Wrong answers fail the test; errors may be those of an engine that is being replaced.
fn visit(round: u64) -> std::io::Result<()> {
    for address in SENSOR {
        for port in [7004, 7005, 7006, 9100, 9200, 9500] {
            let mut stream = dial(at(address, port))?;
            let said = format!("round {round} port {port}");
            assert_eq!(echo(&mut stream, said.as_bytes())?, said.as_bytes());
            if round.is_multiple_of(3) {
                abort(stream);
            }
        }
        let mut web = dial(at(address, 8080))?;
        web.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        web.read_to_string(&mut answer)?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for port in [7005, 9200, 9500] {
            let socket = datagrams(at(address, port))?;
            assert!(ask_datagram(&socket, b"datagram")?.ends_with(b"datagram"));
        }
        assert!(dial(at(address, 9400)).is_err(), "a rejected port answers");
        datagrams(at(address, 9300))?.send(b"into the void")?;
    }
    for address in DARK {
        let dark = at(address.parse().unwrap(), 7005);
        assert_eq!(echo(&mut dial(dark)?, b"from the dark")?, b"from the dark");
        assert_eq!(ask_datagram(&datagrams(dark)?, b"datagram")?, b"datagram");
    }
    Ok(())
}

/// What a process holds.
#[derive(Debug)]
struct Holdings {
    descriptors: usize,
    resident: u64,
}

impl Holdings {
    fn of(pid: Pid) -> Self {
        let proc = std::path::PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let status = std::fs::read_to_string(proc.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            descriptors: std::fs::read_dir(proc.join("fd")).unwrap().count(),
            resident: line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024,
        }
    }
}

/// Flows that were not closed once for each time that they were opened, except those that a killed engine had open: it could not close them.
fn leaked(seen: &[Value]) -> Vec<String> {
    let last_start = seen.iter().rposition(|event| kind(event) == "sensor_start").unwrap();
    let mut open: HashMap<&str, (i64, usize)> = HashMap::new();
    for (place, event) in seen.iter().enumerate() {
        let step = match kind(event) {
            "flow_open" => 1,
            "flow_close" => -1,
            _ => continue,
        };
        let (count, opened) = open.entry(event["flow_id"].as_str().unwrap()).or_insert((0, place));
        *count += step;
        *opened = (*opened).min(place);
    }
    let is_leaked = |&(count, opened): &(i64, usize)| count < 0 || (count > 0 && opened > last_start);
    let told =
        |id: &str| seen.iter().filter(|event| event["flow_id"] == id).map(|event| format!("\n  {event}")).collect();
    open.iter().filter(|(_, counted)| is_leaked(counted)).map(|(id, _)| told(id)).collect()
}

#[test]
fn a_minute_of_everything_with_reloads_and_a_killed_engine_leaves_nothing_behind() {
    let lab = Lab::new();
    let sensor = lab.sensor_namespace();
    let _streams = [9101, 9201, 9500].map(|port| Service::echo(sensor, port));
    let _datagrams = [9201, 9500].map(|port| DatagramService::named(sensor, port, "own"));
    let routes_before = saved_routes(&lab);
    dark::route_dark_nets(&lab);
    // The table may touch 16 MiB more as it fills: what grows beyond that is a leak.
    let config = dark::config("auto") + "max_flows = 65536\n";
    let mut engine = lab.engine().rules(RULES).config(&config).start();
    assert_ne!(saved_routes(&lab), routes_before, "captured networks have routes while the engine runs");
    // Even while an engine serves; a visit that began under one number and ended under another met the kill.
    let (over, epoch) = (AtomicBool::new(false), AtomicU64::new(0));
    let visits = AtomicU64::new(0);
    let begin = Instant::now();
    let (mut killed, mut young) = (None, None);
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    lab.attacker(|| {
                        while !over.load(Ordering::Relaxed) {
                            let round = visits.fetch_add(1, Ordering::Relaxed);
                            let before = epoch.load(Ordering::Relaxed);
                            let outcome = visit(round);
                            if before % 2 == 0 && before == epoch.load(Ordering::Relaxed) {
                                outcome.unwrap_or_else(|error| panic!("round {round}: {error}"));
                            }
                            std::thread::sleep(PAUSE);
                        }
                    });
                })
            })
            .collect();
        while begin.elapsed() < LOAD {
            kill_process(engine.parent(), Signal::HUP).unwrap();
            std::thread::sleep(Duration::from_millis(500));
            if begin.elapsed() > KILL_AFTER && killed.is_none() {
                epoch.store(1, Ordering::Relaxed);
                killed = engine.children().first().copied();
                kill_process(killed.unwrap(), Signal::KILL).unwrap();
                engine.events.await_that("second sensor_start", PATIENCE, |seen| {
                    (seen.iter().filter(|event| kind(event) == "sensor_start").count() == 2).then_some(())
                });
                epoch.store(2, Ordering::Relaxed);
            }
            // A few seconds after the new engine has begun: what it holds from then on must not grow.
            if killed.is_some() && begin.elapsed() > KILL_AFTER + SETTLED && young.is_none() {
                young = engine.children().first().map(|pid| Holdings::of(*pid));
            }
        }
        over.store(true, Ordering::Relaxed);
        visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    });
    let visits = visits.into_inner();
    assert!(visits > 50, "only {visits} rounds");
    let mut stream = lab.attacker(|| dial(at(SENSOR[0], 7005))).unwrap();
    assert_eq!(echo(&mut stream, b"still here").unwrap(), b"still here");
    drop(stream);

    let (child, young) = (*engine.children().first().unwrap(), young.unwrap());
    assert_ne!(Some(child), killed, "the engine is another");
    let settled = within(PATIENCE, || {
        let old = Holdings::of(child);
        // Sessions linger for seconds after their end; descriptors of a few may be open now or have been then.
        (old.descriptors <= young.descriptors + 8 && old.resident < young.resident + (24 << 20)).then_some(())
    });
    assert!(settled.is_some(), "it grew from {young:?} to {:?}", Holdings::of(child));

    kill_process(engine.parent(), Signal::TERM).unwrap();
    assert!(within(PATIENCE, || engine.ended()).is_some());
    let leaked = engine.events.await_that("sensor_stop", PATIENCE, |seen| {
        seen.iter().any(|event| kind(event) == "sensor_stop").then(|| leaked(seen))
    });
    assert!(leaked.is_empty(), "opened and not closed once each: {}", leaked.concat());
    assert_eq!(saved_routes(&lab), routes_before);
    engine.assert_rules_as_before();
}
