//! The resource manager's pages.

use serde_json::Value;

use super::super::answer::Answer;
use super::super::face::escaped;
use super::layout::{overview, page, rows};
use super::{App, CORES, Hadoop, MEMORY};
use crate::clock::Timestamp;

/// `/cluster/cluster`: what the resource manager is.
pub(super) fn about(hadoop: &Hadoop, now: Timestamp) -> Answer {
    let (version, commit, built) = hadoop.release;
    let build = format!("{version} from {commit} by root source checksum {} on {built}", hadoop.checksum);
    let told = rows(
        "Cluster overview",
        &[
            ("Cluster ID:", hadoop.started.to_string()),
            ("ResourceManager state:", "STARTED".to_owned()),
            ("ResourceManager HA state:", "active".to_owned()),
            ("ResourceManager HA zookeeper connection state:", "ResourceManager HA is not enabled.".to_owned()),
            (
                "ResourceManager RMStateStore:",
                "org.apache.hadoop.yarn.server.resourcemanager.recovery.NullRMStateStore".to_owned(),
            ),
            ("ResourceManager started on:", date(Timestamp::from_micros(hadoop.started * 1_000))),
            ("ResourceManager version:", build.clone()),
            ("Hadoop version:", build),
        ],
    );
    page("About the Cluster", &(overview(hadoop, now) + &told))
}

/// `/cluster/apps`, `/cluster/apps/RUNNING`: the applications, all or those in one state.
pub(super) fn apps(hadoop: &Hadoop, now: Timestamp, state: &str) -> Answer {
    let title =
        if state.is_empty() { "All Applications".to_owned() } else { format!("{} Applications", escaped(state)) };
    page(&title, &(overview(hadoop, now) + &table(hadoop, now, state)))
}

/// `/cluster/scheduler`: the one queue, and what runs in it.
pub(super) fn scheduler(hadoop: &Hadoop, now: Timestamp) -> Answer {
    let queue = hadoop.scheduler(now);
    let of = |name: &str| {
        queue
            .pointer(&format!("/scheduler/schedulerInfo/queues/queue/0/{name}"))
            .map_or_else(String::new, Value::to_string)
    };
    let status = rows(
        "'default' Queue Status",
        &[
            ("Queue State:", "RUNNING".to_owned()),
            ("Used Capacity:", format!("{}%", of("usedCapacity"))),
            ("Configured Capacity:", "100.0%".to_owned()),
            ("Configured Max Capacity:", "100.0%".to_owned()),
            ("Num Schedulable Applications:", of("numActiveApplications")),
            ("Num Non-Schedulable Applications:", of("numPendingApplications")),
            ("Num Containers:", of("numContainers")),
            ("Max Applications:", of("maxApplications")),
            ("Max Applications Per User:", of("maxApplicationsPerUser")),
            ("Configured Minimum User Limit Percent:", "100%".to_owned()),
            ("Configured User Limit Factor:", "1.0".to_owned()),
            ("Preemption:", "disabled".to_owned()),
        ],
    );
    let queues = format!(
        "          <div id=\"cs-wrapper\" class=\"ui-widget\">\n            <div class=\"ui-widget-header ui-corner-top\">\n              Application Queues\n            </div>\n{status}          </div>\n"
    );
    page("RUNNING Applications", &(overview(hadoop, now) + &queues + &table(hadoop, now, "RUNNING")))
}

/// The table of applications, the newest first: a script fills it.
fn table(hadoop: &Hadoop, now: Timestamp, state: &str) -> String {
    const COLUMNS: [&str; 15] = [
        "ID",
        "User",
        "Name",
        "Application Type",
        "Queue",
        "StartTime",
        "FinishTime",
        "State",
        "FinalStatus",
        "Running Containers",
        "Allocated CPU VCores",
        "Allocated Memory MB",
        "Progress",
        "Tracking UI",
        "Blacklisted Nodes",
    ];
    let heads: String =
        COLUMNS.iter().map(|name| format!("                <th>\n                  {name}\n")).collect();
    let data: Vec<String> = hadoop.with(|cluster| {
        let shown = cluster.apps.iter().rev().filter(|app| state.is_empty() || app.state(now) == state);
        shown.map(|app| line(app, &app.to_value(now, hadoop.started), &hadoop.host)).collect()
    });
    format!(
        "          <table id=\"apps\">\n            <thead>\n              <tr>\n{heads}            </thead>\n            \
         <script type=\"text/javascript\">\n              var appsTableData=[\n{}]\n            </script>\n            <tbody>\n            </tbody>\n          </table>\n",
        data.join(",\n")
    )
}

/// One line of that table.
fn line(app: &App, shown: &Value, host: &str) -> String {
    let text = |name: &str| match shown.get(name) {
        Some(Value::String(text)) => quoted(text),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let (id, progress) = (quoted(&app.id), text("progress"));
    let held = |name: &str| match text(name).as_str() {
        "-1" => "N/A".to_owned(),
        held => held.to_owned(),
    };
    let tracking = match text("trackingUI").as_str() {
        "UNASSIGNED" => "<a href='#'>Unassigned</a>".to_owned(),
        name => format!("<a href='http://{host}:8088/proxy/{id}/'>{name}</a>"),
    };
    let bar = format!(
        "<br title='{progress}'> <div class='ui-progressbar ui-widget ui-widget-content ui-corner-all' title='{progress}%'> \
         <div class='ui-progressbar-value ui-widget-header ui-corner-left' style='width:{progress}%'> </div> </div>"
    );
    let cells = [
        format!("<a href='/cluster/app/{id}'>{id}</a>"),
        text("user"),
        text("name"),
        text("applicationType"),
        text("queue"),
        text("startedTime"),
        text("finishedTime"),
        text("state"),
        text("finalStatus"),
        held("runningContainers"),
        held("allocatedVCores"),
        held("allocatedMB"),
        bar,
        tracking,
        "0".to_owned(),
    ];
    format!("[\"{}\"]", cells.join("\",\""))
}

/// A text in a script within a page.
fn quoted(text: &str) -> String {
    escaped(text).replace('\\', "\\\\").replace('/', "\\/").replace('\n', "\\n").replace('\r', "\\r")
}

/// `/cluster/nodes`: the one node.
pub(super) fn nodes(hadoop: &Hadoop, now: Timestamp) -> Answer {
    const COLUMNS: [&str; 13] = [
        "Node Labels",
        "Rack",
        "Node State",
        "Node Address",
        "Node HTTP Address",
        "Last health-update",
        "Health-report",
        "Containers",
        "Mem Used",
        "Mem Avail",
        "VCores Used",
        "VCores Avail",
        "Version",
    ];
    let host = &hadoop.host;
    let cells = [
        String::new(),
        "/default-rack".to_owned(),
        "RUNNING".to_owned(),
        format!("{host}:45454"),
        format!("<a href=\"//{host}:8042\">{host}:8042</a>"),
        date(now),
        String::new(),
        "0".to_owned(),
        "0 B".to_owned(),
        format!("{} GB", MEMORY / 1_024),
        "0".to_owned(),
        CORES.to_string(),
        hadoop.release.0.to_owned(),
    ];
    let heads: String = COLUMNS.iter().map(|name| format!("              <th>\n                {name}\n")).collect();
    let cells: String = cells.iter().map(|cell| format!("              <td>\n                {cell}\n")).collect();
    let table = format!(
        "          <table id=\"nodes\">\n            <thead>\n            <tr>\n{heads}            </thead>\n            <tbody>\n            <tr>\n{cells}            </tbody>\n          </table>\n"
    );
    page("Nodes of the cluster", &(overview(hadoop, now) + &table))
}

/// `/cluster/nodelabels`: there is none besides the one of every node.
pub(super) fn labels(hadoop: &Hadoop, now: Timestamp) -> Answer {
    let memory = format!("&lt;memory:{MEMORY}, vCores:{CORES}&gt;");
    let row = format!(
        "            <tr>\n              <td>\n                &lt;DEFAULT_PARTITION&gt;\n              <td>\n                Exclusive Partition\n              <td>\n                1\n              <td>\n                {memory}\n"
    );
    let table = format!(
        "          <table id=\"nodelabels\">\n            <thead>\n            <tr>\n              <th>\n                Label Name\n              <th>\n                Label Type\n              <th>\n                Num Of Active NMs\n              <th>\n                Total Resource\n            </thead>\n            <tbody>\n{row}            </tbody>\n          </table>\n"
    );
    page("Node labels of the cluster", &(overview(hadoop, now) + &table))
}

/// `/cluster/app/ID`.
pub(super) fn app(hadoop: &Hadoop, now: Timestamp, id: &str) -> Answer {
    if !id.starts_with("application_") || id.split('_').count() != 3 {
        return page("Application", &format!("          <p>\n            Invalid Application ID: {}\n", escaped(id)));
    }
    let found = hadoop.with(|cluster| {
        let app = cluster.apps.iter().find(|app| app.id == id)?;
        Some((told(app, now), app.attempt(now, &hadoop.host)))
    });
    let Some((lines, attempt)) = found else {
        return page("Application", &format!("          <p>\n            Application not found: {}\n", escaped(id)));
    };
    let of = |name: &str| attempt.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = of("appAttemptId");
    let attempts = format!(
        "          <table id=\"attempts\">\n            <thead>\n            <tr>\n              <th>\n                Attempt ID\n              <th>\n                Started\n              <th>\n                Node\n              <th>\n                Logs\n            </thead>\n            \
         <tbody>\n            <tr>\n              <td>\n                <a href=\"/cluster/appattempt/{number}\">{number}</a>\n              <td>\n                {}\n              <td>\n                <a href=\"http://{node}\">http://{node}</a>\n              <td>\n                <a href=\"{}\">Logs</a>\n            </tbody>\n          </table>\n",
        attempt.get("startTime").map_or_else(String::new, Value::to_string),
        escaped(of("logsLink")),
        node = of("nodeHttpAddress"),
    );
    page(&format!("Application {}", escaped(id)), &(rows("Application Overview", &lines) + &attempts))
}

fn told(app: &App, now: Timestamp) -> [(&'static str, String); 11] {
    let state = match app.state(now) {
        "ACCEPTED" => "ACCEPTED: waiting for AM container to be allocated, launched and register with RM.",
        "RUNNING" => "RUNNING: AM has registered with RM and started running.",
        other => other,
    };
    let shown = app.to_value(now, 0);
    let millis = |name: &str| shown.get(name).and_then(Value::as_u64).unwrap_or(0);
    let seconds = millis("elapsedTime") / 1_000;
    let elapsed =
        if seconds < 60 { format!("{seconds}sec") } else { format!("{}mins, {}sec", seconds / 60, seconds % 60) };
    let last = match app.final_status(now) {
        "UNDEFINED" => "Application has not completed yet.",
        status => status,
    };
    [
        ("User:", escaped(&app.user)),
        ("Name:", escaped(&app.name)),
        ("Application Type:", escaped(&app.kind)),
        ("Application Tags:", String::new()),
        ("YarnApplicationState:", state.to_owned()),
        ("Queue:", escaped(&app.queue)),
        ("FinalStatus Reported by AM:", last.to_owned()),
        ("Started:", date(Timestamp::from_micros(millis("startedTime") * 1_000))),
        ("Elapsed:", elapsed),
        ("Tracking URL:", if app.state(now) == "RUNNING" { "ApplicationMaster" } else { "Unassigned" }.to_owned()),
        ("Diagnostics:", String::new()),
    ]
}

/// A time as the pages show it: `Thu Nov 26 08:35:52 +0000 2026`.
fn date(at: Timestamp) -> String {
    let micros = i64::try_from(at.as_micros()).unwrap_or(0);
    jiff::Timestamp::from_microsecond(micros).unwrap_or_default().strftime("%a %b %d %H:%M:%S +0000 %Y").to_string()
}
