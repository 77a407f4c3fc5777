//! What every Hadoop daemon's web server has besides its own pages: configuration, metrics, threads, logs.

use serde_json::json;

use super::super::answer::Answer;
use super::super::face::escaped;
use super::{Hadoop, MEMORY};
use crate::clock::Timestamp;

/// The answer to one of these paths.
pub(super) fn answer(hadoop: &Hadoop, now: Timestamp, path: &str) -> Option<Answer> {
    let (user, host) = ("root", &hadoop.host);
    Some(match path {
        "/conf" => configuration(hadoop),
        "/jmx" => metrics(hadoop, now),
        // No context of the old metrics is configured.
        "/metrics" => Answer::new(200, "text/plain; charset=utf-8", ""),
        "/stacks" => Answer::new(200, "text/plain; charset=utf-8", STACKS),
        "/logLevel" => Answer::html(
            "<html>\n<head>\n<link rel=\"stylesheet\" type=\"text/css\" href=\"/static/hadoop.css\" />\n<title>Log Level</title>\n</head>\n<body>\n<h1>Log Level</h1>\n\n<br /><hr /><h3>Get / Set</h3>\n\n<form>Log: <input type='text' size='50' name='log' /> <input type='submit' value='Get Log Level' /></form>\n</body></html>",
        ),
        "/logs" => {
            let names =
                [format!("yarn-{user}-resourcemanager-{host}.log"), format!("yarn-{user}-resourcemanager-{host}.out")];
            let row = |name: &String| format!("<TR><TD><A HREF=\"/logs/{0}\">{0}&nbsp;</A></TD></TR>\n", escaped(name));
            let rows: String = names.iter().map(row).collect();
            Answer::html(format!(
                "<HTML><HEAD><TITLE>Directory: /logs/</TITLE></HEAD><BODY>\n<H1>Directory: /logs/</H1>\n<TABLE BORDER=0>\n{rows}</TABLE>\n</BODY></HTML>\n"
            ))
        }
        _ if path.starts_with("/logs/") && path.ends_with(".log") => {
            let began = super::super::face::http_date(Timestamp::from_micros(hadoop.started * 1_000));
            Answer::new(
                200,
                "text/plain",
                format!(
                    "{began} INFO org.apache.hadoop.yarn.server.resourcemanager.ResourceManager: registered UNIX signal handlers for [TERM, HUP, INT]\n{began} INFO org.apache.hadoop.yarn.server.resourcemanager.ResourceManager: Transitioned to active state\n"
                ),
            )
        }
        _ if path.starts_with("/logs/") && path.ends_with(".out") => {
            Answer::new(200, "text/plain", "ulimit -a\ncore file size          (blocks, -c) 0\n")
        }
        "/static/yarn.css" => Answer::new(
            200,
            "text/css",
            "* { color: black; }\nbody { font: 13px sans-serif; }\n#navcell { width: 16em; }\n#header { text-align: center; }\n",
        ),
        _ => return None,
    })
}

/// `/conf`: the settings, with where each comes from.
fn configuration(hadoop: &Hadoop) -> Answer {
    let memory = MEMORY.to_string();
    let settings = [
        ("yarn.resourcemanager.hostname", hadoop.host.as_str(), "yarn-site.xml"),
        ("yarn.resourcemanager.webapp.address", "${yarn.resourcemanager.hostname}:8088", "yarn-default.xml"),
        (
            "yarn.resourcemanager.scheduler.class",
            "org.apache.hadoop.yarn.server.resourcemanager.scheduler.capacity.CapacityScheduler",
            "yarn-default.xml",
        ),
        ("yarn.scheduler.maximum-allocation-mb", &memory, "yarn-default.xml"),
        ("yarn.nodemanager.aux-services", "mapreduce_shuffle", "yarn-site.xml"),
        ("yarn.acl.enable", "false", "yarn-default.xml"),
        ("hadoop.security.authentication", "simple", "core-default.xml"),
        ("hadoop.http.staticuser.user", "dr.who", "core-default.xml"),
        ("hadoop.http.authentication.type", "simple", "core-default.xml"),
        ("fs.defaultFS", "hdfs://localhost:9000", "core-site.xml"),
    ];
    let one = |(name, value, source): &(&str, &str, &str)| {
        format!("<property><name>{name}</name><value>{}</value><source>{source}</source></property>\n", escaped(value))
    };
    let all: String = settings.iter().map(one).collect();
    Answer::new(
        200,
        "text/xml; charset=utf-8",
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?><configuration>\n{all}</configuration>\n"),
    )
}

/// `/jmx`: a few of the beans that scanners look for.
fn metrics(hadoop: &Hadoop, now: Timestamp) -> Answer {
    let up = (now.as_micros() / 1_000).saturating_sub(hadoop.started);
    let counts = hadoop.metrics(now);
    let count = |name: &str| counts.pointer(&format!("/clusterMetrics/{name}")).cloned().unwrap_or_default();
    let beans = json!({"beans": [
        {"name": "java.lang:type=Runtime", "modelerType": "sun.management.RuntimeImpl", "StartTime": hadoop.started, "Uptime": up,
            "VmName": "OpenJDK 64-Bit Server VM", "VmVendor": "Private Build", "SpecVersion": "1.8"},
        {"name": "Hadoop:service=ResourceManager,name=RMInfo", "modelerType": "org.apache.hadoop.yarn.server.resourcemanager.RMInfo",
            "State": "active", "HostAndPort": format!("{}:8032", hadoop.host), "SecurityEnabled": false},
        {"name": "Hadoop:service=ResourceManager,name=ClusterMetrics", "modelerType": "ClusterMetrics", "tag.ClusterMetrics": "ResourceManager",
            "tag.Context": "yarn", "tag.Hostname": hadoop.host, "NumActiveNMs": 1, "NumLostNMs": 0},
        {"name": "Hadoop:service=ResourceManager,name=QueueMetrics,q0=root", "modelerType": "QueueMetrics,q0=root",
            "AppsSubmitted": count("appsSubmitted"), "AppsRunning": count("appsRunning"), "AvailableMB": count("availableMB")},
    ]});
    let text = serde_json::to_string_pretty(&beans).unwrap_or_default();
    Answer::new(200, "application/json; charset=utf8", text)
}

const STACKS: &str = "Process Thread Dump: \n3 active threads\nThread 1 (main):\n  State: WAITING\n  Blocked count: 2\n  Waited count: 3\n  Stack:\n    java.lang.Object.wait(Native Method)\n    java.lang.Thread.join(Thread.java:1252)\n    org.apache.hadoop.yarn.server.resourcemanager.ResourceManager.main(ResourceManager.java:1265)\n";
