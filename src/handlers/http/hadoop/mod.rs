//! A Hadoop YARN resource manager (Hadoop 2, ResourceManager REST APIs): takes any application, as the genuine one does without
//! Kerberos. The command of the application master's container is the attack.

mod app;
mod layout;
mod page;
mod rest;
mod servlet;
mod xml;

use std::sync::{Mutex, PoisonError};

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::super::{Context, Persona};
use super::answer::Answer;
use super::ask::Ask;
use super::face::Face;
use super::family::Family;
use super::record::command_event;
use super::site::draw;
use crate::clock::Timestamp;
use app::{App, Submission};

/// Applications that are remembered; the oldest goes.
const MAX_APPS: usize = 64;
/// Memory of the cluster's one node in MiB, and its cores.
const MEMORY: u32 = 8_192;
const CORES: u32 = 8;

/// A release: Hadoop version, commit, when it was built.
type Release = (&'static str, &'static str, &'static str);

/// The resource manager.
pub(super) struct Hadoop {
    face: Face,
    release: Release,
    checksum: String,
    /// When it started, in milliseconds since the epoch: the middle part of application ids.
    started: u64,
    /// Applications of the time before the sensor.
    first: u64,
    host: String,
    cluster: Mutex<Cluster>,
}

/// What visitors change.
#[derive(Default)]
struct Cluster {
    /// Ids given out.
    given: u64,
    apps: Vec<App>,
}

impl Hadoop {
    pub(super) fn new(persona: &Persona) -> Self {
        const RELEASES: [Release; 4] = [
            ("2.7.3", "baa91f7c6bc9cb92be5982de4719c1c8af91ccff", "2016-08-18T01:47Z"),
            ("2.7.7", "c1aad84bd27cd79c3d1a7dd58202a8c3ee1ed3ac", "2018-07-18T22:53Z"),
            ("2.8.5", "0b8464d75227fcee2c6e7f2410377b3d53d3d5f8", "2018-09-10T03:38Z"),
            ("2.9.2", "826afbeae31ca687bc2f8471dc841b66ed2c6704", "2018-11-13T12:48Z"),
        ];
        let mut random = persona.random("http hadoop");
        let mut checksum = [0; 16];
        let release = draw(&mut random, &RELEASES);
        random.fill(&mut checksum);
        Self {
            face: Face::Jetty { server: "Jetty(6.1.26)".to_owned() },
            release,
            checksum: HEXLOWER.encode(&checksum),
            started: persona.booted().as_micros() / 1_000 + random.within(&(40_000..=400_000)),
            first: random.within(&(3..=900)),
            host: persona.host_name().to_owned(),
            cluster: Mutex::default(),
        }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Cluster) -> R) -> R {
        work(&mut self.cluster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Rises with time, as others use the cluster, too, and with every id given out.
    fn next_id(&self, now: Timestamp) -> String {
        let hours = (now.as_micros() / 1_000).saturating_sub(self.started) / 3_600_000;
        let given = self.with(|cluster| {
            cluster.given += 1;
            cluster.given
        });
        format!("application_{}_{:04}", self.started, self.first + hours + given)
    }

    /// Who the visitor says to be, as a cluster without Kerberos believes.
    fn user(ask: &Ask<'_>) -> String {
        let named = ask.field("user.name").filter(|name| !name.is_empty());
        named.unwrap_or_else(|| "dr.who".to_owned()).chars().take(64).collect()
    }

    fn submit(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        let Some(submission) = Submission::read(ask.body) else {
            return exception(
                400,
                "BadRequestException",
                "java.lang.Exception: application-submission-context is not readable",
            );
        };
        if let Some(command) = &submission.command {
            cx.event(command_event(command));
        }
        let decoded = submission.to_value();
        if !submission.id.starts_with("application_") {
            let why = format!("java.lang.Exception: Could not parse application id {}", submission.id);
            return exception(400, "BadRequestException", &why).decoded("application", decoded);
        }
        let to = format!("{}/ws/v1/cluster/apps/{}", ask.origin(), submission.id);
        let app = App::new(submission, Self::user(ask), cx.now());
        self.with(|cluster| {
            if !cluster.apps.iter().any(|known| known.id == app.id) {
                if cluster.apps.len() >= MAX_APPS {
                    cluster.apps.remove(0);
                }
                cluster.apps.push(app);
            }
        });
        Answer::empty(202).header("Location", to).decoded("application", decoded)
    }

    fn info(&self) -> Value {
        let (version, commit, built) = self.release;
        let built_by = format!("{version} from {commit} by root source checksum {}", self.checksum);
        json!({"clusterInfo": {
            "id": self.started, "startedOn": self.started, "state": "STARTED", "haState": "ACTIVE",
            "rmStateStoreName": "org.apache.hadoop.yarn.server.resourcemanager.recovery.NullRMStateStore",
            "resourceManagerVersion": version, "resourceManagerBuildVersion": built_by, "resourceManagerVersionBuiltOn": built,
            "hadoopVersion": version, "hadoopBuildVersion": built_by, "hadoopVersionBuiltOn": built,
            "haZooKeeperConnectionState": "ResourceManager HA is not enabled.",
        }})
    }

    fn metrics(&self, now: Timestamp) -> Value {
        let count =
            |state: &str| self.with(|cluster| cluster.apps.iter().filter(|app| app.state(now) == state).count());
        let running = count("RUNNING");
        let (memory, cores) = (running.min(3) * 2_048, running.min(3));
        json!({"clusterMetrics": {
            "appsSubmitted": self.with(|cluster| cluster.apps.len()), "appsCompleted": count("FINISHED"),
            "appsPending": count("ACCEPTED"), "appsRunning": running, "appsFailed": 0, "appsKilled": count("KILLED"), "reservedMB": 0,
            "availableMB": MEMORY as usize - memory, "allocatedMB": memory, "reservedVirtualCores": 0,
            "availableVirtualCores": CORES as usize - cores, "allocatedVirtualCores": cores, "containersAllocated": running,
            "containersReserved": 0, "containersPending": 0, "totalMB": MEMORY, "totalVirtualCores": CORES, "totalNodes": 1,
            "lostNodes": 0, "unhealthyNodes": 0, "decommissioningNodes": 0, "decommissionedNodes": 0, "rebootedNodes": 0, "activeNodes": 1,
        }})
    }

    fn nodes(&self, now: Timestamp) -> Value {
        json!({"nodes": {"node": [{
            "rack": "/default-rack", "state": "RUNNING", "id": format!("{}:45454", self.host), "nodeHostName": self.host,
            "nodeHTTPAddress": format!("{}:8042", self.host), "lastHealthUpdate": now.as_micros() / 1_000, "version": self.release.0,
            "healthReport": "", "numContainers": 0, "usedMemoryMB": 0, "availMemoryMB": MEMORY, "usedVirtualCores": 0,
            "availableVirtualCores": CORES,
        }]}})
    }

    /// Shows the state, or kills.
    fn app_state(&self, cx: &Context<'_>, ask: &Ask<'_>, id: &str) -> Answer {
        let now = cx.now();
        let kills = ask.head.method == "PUT" && memchr::memmem::find(ask.body, b"KILLED").is_some();
        let state = self.with(|cluster| {
            let app = cluster.apps.iter_mut().find(|app| app.id == id)?;
            if kills {
                app.kill(now);
            }
            Some(app.state(now))
        });
        match state {
            Some(state) => Answer::json(if kills { 202 } else { 200 }, &json!({"state": state})),
            None => no_such_app(id),
        }
    }
}

fn no_such_app(id: &str) -> Answer {
    exception(404, "NotFoundException", &format!("java.lang.Exception: app with id: {id} not found"))
}

/// How YARN's web services say that something went wrong.
fn exception(status: u16, name: &str, message: &str) -> Answer {
    let class = match name {
        "IllegalArgumentException" => format!("java.lang.{name}"),
        _ => format!("org.apache.hadoop.yarn.webapp.{name}"),
    };
    Answer::json(status, &json!({"RemoteException": {"exception": name, "message": message, "javaClassName": class}}))
}

impl Family for Hadoop {
    fn name(&self) -> &'static str {
        "hadoop"
    }

    fn claims(&self, ask: &Ask<'_>) -> bool {
        let path = ask.path();
        path == "/cluster"
            || path.starts_with("/cluster/")
            || path == "/ws/v1/cluster"
            || path.starts_with("/ws/v1/cluster/")
            || path.contains("cluster/apps/new-application")
    }

    fn face(&self) -> Option<&Face> {
        Some(&self.face)
    }

    fn answer(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        let path = ask.path().trim_end_matches('/');
        if let Some(rest) = path.strip_prefix("/ws/v1/cluster") {
            return self.rest(cx, ask, rest.trim_start_matches('/'));
        }
        if path.ends_with("cluster/apps/new-application") {
            return self.rest(cx, ask, "apps/new-application");
        }
        if !ask.is("GET") {
            return None;
        }
        match path {
            "" | "/index.html" => Some(Answer::empty(302).header("Location", format!("{}/cluster", ask.origin()))),
            "/cluster/cluster" => Some(page::about(self, cx.now())),
            "/cluster/nodes" => Some(page::nodes(self, cx.now())),
            "/cluster/nodelabels" => Some(page::labels(self, cx.now())),
            "/cluster/scheduler" => Some(page::scheduler(self, cx.now())),
            "/cluster" | "/cluster/apps" => Some(page::apps(self, cx.now(), "")),
            _ => match path.strip_prefix("/cluster/apps/").map(|state| (state, state.to_ascii_uppercase())) {
                Some((given, state)) if given == state => Some(page::apps(self, cx.now(), &state)),
                Some(_) => None,
                None => path
                    .strip_prefix("/cluster/app/")
                    .map(|id| page::app(self, cx.now(), id))
                    .or_else(|| servlet::answer(self, cx.now(), path)),
            },
        }
    }
}
