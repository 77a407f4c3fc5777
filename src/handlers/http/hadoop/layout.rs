//! What all pages of the resource manager have around their content (Hamlet's two-column layout).

use super::super::answer::Answer;
use super::{CORES, Hadoop, MEMORY};
use crate::clock::Timestamp;

const TYPE: &str = "text/html; charset=utf-8";
/// The states of applications, as the navigation lists them.
pub(super) const STATES: [&str; 8] =
    ["NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED", "RUNNING", "FINISHED", "FAILED", "KILLED"];
const SCRIPTS: [&str; 5] = [
    "/static/jquery/jquery-1.8.2.min.js",
    "/static/jquery/jquery-ui-1.9.1.custom.min.js",
    "/static/dt-1.9.4/js/jquery.dataTables.min.js",
    "/static/yarn.dt.plugins.js",
    "/static/dt-sorting/natural.js",
];

/// A page of this title.
pub(super) fn page(title: &str, content: &str) -> Answer {
    let scripts: String = SCRIPTS
        .iter()
        .map(|script| format!("  <script type=\"text/javascript\" src=\"{script}\">\n  </script>\n"))
        .collect();
    let navigation = navigation();
    Answer::new(
        200,
        TYPE,
        format!(
            "<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html>\n  \
         <meta http-equiv=\"X-UA-Compatible\" content=\"IE=8\">\n  <meta http-equiv=\"Content-type\" content=\"text/html; charset=UTF-8\">\n  \
         <title>\n    {title}\n  </title>\n  <link rel=\"stylesheet\" href=\"/static/yarn.css\">\n  \
         <style type=\"text/css\">\n    #layout {{ height: 100%; }}\n    #layout thead td {{ height: 3em; }}\n    #layout #navcell {{ width: 11em; padding: 0 1em; }}\n    \
         #layout td.content {{ padding-top: 0 }}\n    #layout tbody {{ vertical-align: top; }}\n    #layout tfoot td {{ height: 4em; }}\n  </style>\n  \
         <link rel=\"stylesheet\" href=\"/static/jquery/themes-1.9.1/base/jquery-ui.css\">\n  <link rel=\"stylesheet\" href=\"/static/dt-1.9.4/css/jui-dt.css\">\n\
         {scripts}  <div id=\"jsnotice\" class=\"ui-state-error\">\n    This page will not function without javascript enabled. Please enable javascript on your browser.\n  </div>\n  \
         <script type=\"text/javascript\">\n    $('#jsnotice').hide();\n  </script>\n  <table id=\"layout\" class=\"ui-widget-content\">\n    \
         <thead>\n      <tr>\n        <td colspan=\"2\">\n          <div id=\"header\" class=\"ui-widget\">\n            <div id=\"user\">\n              \
         Logged in as: dr.who\n            </div>\n            <div id=\"logo\">\n              <img src=\"/static/hadoop-st.png\">\n            </div>\n            \
         <h1>\n              {title}\n            </h1>\n          </div>\n        </td>\n      </tr>\n    </thead>\n    \
         <tfoot>\n      <tr>\n        <td colspan=\"2\">\n          <div id=\"footer\" class=\"ui-widget\">\n          </div>\n        </td>\n      </tr>\n    </tfoot>\n    \
         <tbody>\n      <tr>\n        <td id=\"navcell\">\n{navigation}        <td class=\"content\">\n{content}    </tbody>\n  </table>\n</html>\n"
        ),
    )
}

fn navigation() -> String {
    let entry = |path: &str, name: &str, indent: usize| {
        let space = " ".repeat(indent);
        format!("{space}<li>\n{space}  <a href=\"{path}\">{name}</a>\n")
    };
    let list = |entries: &[(&str, &str)]| entries.iter().map(|(path, name)| entry(path, name, 14)).collect::<String>();
    let states: String = STATES.iter().map(|state| entry(&format!("/cluster/apps/{state}"), state, 18)).collect();
    let above = list(&[
        ("/cluster/cluster", "About"),
        ("/cluster/nodes", "Nodes"),
        ("/cluster/nodelabels", "Node Labels"),
        ("/cluster/apps", "Applications"),
    ]);
    let below = list(&[("/cluster/scheduler", "Scheduler")]);
    let tools = list(&[
        ("/conf", "Configuration"),
        ("/logs", "Local logs"),
        ("/stacks", "Server stacks"),
        ("/metrics", "Server metrics"),
    ]);
    let head = |name: &str| format!("            <h3>\n              {name}\n            </h3>\n            <ul>\n");
    format!(
        "          <div id=\"nav\">\n{}{above}                <ul>\n{states}                </ul>\n{below}            </ul>\n{}{tools}            </ul>\n          </div>\n",
        head("Cluster"),
        head("Tools")
    )
}

/// A table of names and values.
pub(super) fn rows(title: &str, rows: &[(&str, String)]) -> String {
    let row = |(name, value): &(&str, String)| {
        format!(
            "            <tr>\n              <th>\n                {name}\n              <td>\n                {value}\n"
        )
    };
    let title = match title {
        "" => String::new(),
        title => format!(
            "            <tr>\n              <th class=\"ui-widget-header\" colspan=\"2\">\n                {title}\n"
        ),
    };
    format!("          <table class=\"info\">\n{title}{}          </table>\n", rows.iter().map(row).collect::<String>())
}

/// A table with one line.
fn line(title: &str, columns: &[(&str, String)]) -> String {
    let cells = |kind: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.map(|cell| format!("                <{kind}>\n                  {cell}\n")).collect::<String>()
    };
    let names = cells("th class=\"ui-state-default\"", &mut columns.iter().map(|(name, _)| *name));
    let values = cells("td", &mut columns.iter().map(|(_, value)| value.as_str()));
    format!(
        "            <h3>\n              {title}\n            </h3>\n            <table id=\"metricsoverview\">\n              \
         <thead class=\"ui-widget-header\">\n              <tr>\n{names}              </thead>\n              \
         <tbody class=\"ui-widget-content\">\n              <tr>\n{values}              </tbody>\n            </table>\n"
    )
}

/// The cluster's numbers, as its pages show them on top.
pub(super) fn overview(hadoop: &Hadoop, now: Timestamp) -> String {
    let counts = hadoop.metrics(now);
    let count = |name: &str| {
        let found = counts.pointer(&format!("/clusterMetrics/{name}")).and_then(serde_json::Value::as_u64);
        found.unwrap_or(0)
    };
    let memory = |name: &str| match count(name) {
        0 => "0 B".to_owned(),
        megabytes if megabytes % 1_024 == 0 => format!("{} GB", megabytes / 1_024),
        megabytes => format!("{megabytes} MB"),
    };
    let plain = |name: &str| count(name).to_string();
    let cluster = [
        ("Apps Submitted", plain("appsSubmitted")),
        ("Apps Pending", plain("appsPending")),
        ("Apps Running", plain("appsRunning")),
        ("Apps Completed", (count("appsCompleted") + count("appsKilled")).to_string()),
        ("Containers Running", plain("containersAllocated")),
        ("Memory Used", memory("allocatedMB")),
        ("Memory Total", memory("totalMB")),
        ("Memory Reserved", memory("reservedMB")),
        ("VCores Used", plain("allocatedVirtualCores")),
        ("VCores Total", plain("totalVirtualCores")),
        ("VCores Reserved", plain("reservedVirtualCores")),
        ("Active Nodes", plain("activeNodes")),
        ("Decommissioned Nodes", plain("decommissionedNodes")),
        ("Lost Nodes", plain("lostNodes")),
        ("Unhealthy Nodes", plain("unhealthyNodes")),
        ("Rebooted Nodes", plain("rebootedNodes")),
    ];
    let scheduler = [
        ("Scheduler Type", "Capacity Scheduler".to_owned()),
        ("Scheduling Resource Type", "[MEMORY]".to_owned()),
        ("Minimum Allocation", "&lt;memory:1024, vCores:1&gt;".to_owned()),
        ("Maximum Allocation", format!("&lt;memory:{MEMORY}, vCores:{CORES}&gt;")),
    ];
    format!(
        "          <div class=\"metrics\">\n{}{}          </div>\n",
        line("Cluster Metrics", &cluster),
        line("Scheduler Metrics", &scheduler)
    )
}
