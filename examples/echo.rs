//! A sensor with a handler of its own: whatever is said to port 7005 comes back in capitals.
//!
//! `cargo build --example echo && sudo target/debug/examples/echo`

use std::error::Error;

use glutton_nfq::config::Config;
use glutton_nfq::flow::Transport;
use glutton_nfq::handlers::{Context, Handler};
use glutton_nfq::rules::RuleSet;
use glutton_nfq::run::Sensor;

struct Shout;

impl Handler for Shout {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        cx.send(bytes.to_ascii_uppercase());
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let rules = "rules: [{ match: tcp dst port 7005, type: handler, target: shout }]";
    let mut sensor = Sensor::new(Config::default(), RuleSet::from_yaml(rules, "echo.rs")?);
    sensor.registry.register("shout", &[Transport::Tcp], |_| Shout);
    Ok(sensor.run()?)
}
