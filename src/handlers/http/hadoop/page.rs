//! The resource manager's pages, as its Hamlet templates draw them: little but tables.

use super::super::answer::Answer;
use super::super::face::escaped;
use super::{CORES, Hadoop, MEMORY};
use crate::clock::Timestamp;

const TYPE: &str = "text/html; charset=utf-8";

fn page(title: &str, content: &str) -> Answer {
    Answer::new(
        200,
        TYPE,
        format!(
            "<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html>\n  \
         <meta http-equiv=\"X-UA-Compatible\" content=\"IE=8\">\n  <meta http-equiv=\"Content-type\" content=\"text/html; charset=UTF-8\">\n  \
         <title>\n    {title}\n  </title>\n  <link rel=\"stylesheet\" href=\"/static/yarn.css\">\n  <table id=\"layout\" class=\"ui-widget-content\">\n    \
         <thead>\n      <tr>\n        <td colspan=\"2\">\n          <div id=\"header\" class=\"ui-widget\">\n            <div id=\"user\">\n              \
         Logged in as: dr.who\n            </div>\n            <div id=\"logo\">\n              <img src=\"/static/hadoop-st.png\">\n            </div>\n            \
         <h1>\n              {title}\n            </h1>\n          </div>\n        </td>\n      </tr>\n    </thead>\n    <tbody>\n      <tr>\n        \
         <td id=\"navcell\">\n          <div id=\"nav\">\n            <h3>\n              Cluster\n            </h3>\n            <ul>\n              \
         <li>\n                <a href=\"/cluster/cluster\">About</a>\n              <li>\n                <a href=\"/cluster/nodes\">Nodes</a>\n              \
         <li>\n                <a href=\"/cluster/apps\">Applications</a>\n              <li>\n                <a href=\"/cluster/scheduler\">Scheduler</a>\n            \
         </ul>\n          </div>\n        <td class=\"content\">\n{content}    </tbody>\n  </table>\n</html>\n"
        ),
    )
}

fn rows(rows: &[(&str, String)]) -> String {
    let row = |(name, value): &(&str, String)| {
        format!(
            "            <tr>\n              <th>\n                {name}\n              <td>\n                {value}\n"
        )
    };
    format!("          <table class=\"info\">\n{}          </table>\n", rows.iter().map(row).collect::<String>())
}

/// `/cluster/cluster`: what the resource manager is.
pub(super) fn about(hadoop: &Hadoop) -> Answer {
    let (version, commit, built) = hadoop.release;
    let build = format!("{version} from {commit} by root source checksum {} on {built}", hadoop.checksum);
    page(
        "About the Cluster",
        &rows(&[
            ("Cluster ID:", hadoop.started.to_string()),
            ("ResourceManager state:", "STARTED".to_owned()),
            ("ResourceManager HA state:", "active".to_owned()),
            ("ResourceManager HA zookeeper connection state:", "ResourceManager HA is not enabled.".to_owned()),
            (
                "ResourceManager RMStateStore:",
                "org.apache.hadoop.yarn.server.resourcemanager.recovery.NullRMStateStore".to_owned(),
            ),
            (
                "ResourceManager started on:",
                super::super::face::http_date(Timestamp::from_micros(hadoop.started * 1_000)),
            ),
            ("ResourceManager version:", build.clone()),
            ("Hadoop version:", build),
        ]),
    )
}

/// `/cluster/apps`, `/cluster/apps/RUNNING`: the applications, all or those in one state.
pub(super) fn apps(hadoop: &Hadoop, now: Timestamp, state: &str) -> Answer {
    let rows: String = hadoop.with(|cluster| {
        let row = |app: &super::App| {
            let (id, name) = (escaped(&app.id), escaped(&app.name));
            format!(
                "            <tr><td><a href=\"/cluster/app/{id}\">{id}</a><td>{}<td>{name}<td>{}<td>{}\n",
                escaped(&app.user),
                app.state(now),
                app.final_status(now)
            )
        };
        cluster.apps.iter().rev().filter(|app| state.is_empty() || app.state(now) == state).map(row).collect()
    });
    let title =
        if state.is_empty() { "All Applications".to_owned() } else { format!("{} Applications", escaped(state)) };
    page(
        &title,
        &format!(
            "          <table id=\"apps\">\n            <thead>\n            <tr><th>ID<th>User<th>Name<th>State<th>FinalStatus\n            </thead>\n            <tbody>\n{rows}            </tbody>\n          </table>\n"
        ),
    )
}

/// `/cluster/nodes`: the one node.
pub(super) fn nodes(hadoop: &Hadoop) -> Answer {
    let host = &hadoop.host;
    page(
        "Nodes of the cluster",
        &format!(
            "          <table id=\"nodes\">\n            <tr><th>Rack<th>Node State<th>Node Address<th>Mem Avail<th>VCores Avail<th>Version\n            \
         <tr><td>/default-rack<td>RUNNING<td>{host}:45454<td>{} GB<td>{CORES}<td>{}\n          </table>\n",
            MEMORY / 1_024,
            hadoop.release.0
        ),
    )
}

/// `/cluster/app/ID`.
pub(super) fn app(hadoop: &Hadoop, now: Timestamp, id: &str) -> Answer {
    let found = hadoop.with(|cluster| {
        let app = cluster.apps.iter().find(|app| app.id == id)?;
        Some([
            ("Name:", escaped(&app.name)),
            ("State:", app.state(now).to_owned()),
            ("FinalStatus:", app.final_status(now).to_owned()),
        ])
    });
    match found {
        Some(lines) => page(&format!("Application {}", escaped(id)), &rows(&lines)),
        None => page("Application", &format!("          <p>Application not found: {}\n", escaped(id))),
    }
}
