//! The `$SYS` topics of mosquitto 2.0, in the order in which it publishes them; they change every ten seconds.

use crate::clock::Timestamp;

/// Seconds between two publications (mosquitto's `sys_interval`).
pub(super) const INTERVAL_SECS: u64 = 10;
/// Spans of the load averages, in minutes.
const SPANS: [(u32, &str); 3] = [(1, "1min"), (5, "5min"), (15, "15min")];
/// Ticks after which an average of fifteen minutes has nothing left to lose.
const MAX_TICKS: u64 = 1_000;

/// What the broker counts for one source.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    pub(super) messages_received: u64,
    pub(super) messages_sent: u64,
    pub(super) publish_dropped: u64,
    pub(super) publish_received: u64,
    pub(super) publish_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) sockets: u64,
    pub(super) connections: u64,
    pub(super) publish_bytes_received: u64,
    pub(super) publish_bytes_sent: u64,
    loads: [Load; 9],
    tick: u64,
}

/// Load averages of one counter, per minute.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    counted: u64,
    averages: [f64; 3],
}

impl Load {
    /// `ticks` intervals have passed since the last call; what was counted since falls into the first.
    fn advance(&mut self, count: u64, ticks: u64) {
        let mut rate = f64::from(u32::try_from(count - self.counted.min(count)).unwrap_or(u32::MAX)) * 6.0;
        self.counted = count;
        for _ in 0..ticks.min(MAX_TICKS) {
            for (average, (minutes, _)) in self.averages.iter_mut().zip(SPANS) {
                let keeps = (-10.0 / (60.0 * f64::from(minutes))).exp();
                *average = rate.mul_add(1.0 - keeps, *average * keeps);
            }
            rate = 0.0;
        }
    }
}

impl Traffic {
    fn counters(&self) -> [(&'static str, u64); 9] {
        [
            ("messages/received", self.messages_received),
            ("messages/sent", self.messages_sent),
            ("publish/dropped", self.publish_dropped),
            ("publish/received", self.publish_received),
            ("publish/sent", self.publish_sent),
            ("bytes/received", self.bytes_received),
            ("bytes/sent", self.bytes_sent),
            ("sockets", self.sockets),
            ("connections", self.connections),
        ]
    }

    /// Brings the averages up to this tick.
    fn advance(&mut self, tick: u64) {
        let ticks = tick.saturating_sub(self.tick);
        if ticks > 0 {
            self.tick = tick;
            let counters = self.counters();
            for (load, (_, count)) in self.loads.iter_mut().zip(counters) {
                load.advance(count, ticks);
            }
        }
    }
}

/// What the broker says about itself.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) version: String,
    /// When it was started.
    pub(super) started: Timestamp,
}

impl Server {
    /// The number of the last publication, from the broker's start.
    pub(super) fn tick(&self, now: Timestamp) -> u64 {
        now.saturating_since(self.started).as_secs() / INTERVAL_SECS
    }

    /// Topics and values at the last publication.
    pub(super) fn topics(&self, broker: &mut super::broker::Broker, now: Timestamp) -> Vec<(String, String)> {
        let tick = self.tick(now);
        broker.traffic.advance(tick);
        let ((total, connected), (retained, bytes)) = (broker.clients(), broker.kept());
        let away = total - connected;
        let traffic = &broker.traffic;
        let mut topics: Vec<(String, String)> = Vec::with_capacity(56);
        let mut put = |name: &str, value: String| topics.push((format!("$SYS/broker/{name}"), value));
        put("version", format!("mosquitto version {}", self.version));
        put("uptime", format!("{} seconds", tick * INTERVAL_SECS + 2));
        let clients = [
            ("total", total),
            ("inactive", away),
            ("disconnected", away),
            ("active", connected),
            ("connected", connected),
            ("expired", 0),
            ("maximum", broker.most_clients),
        ];
        clients.iter().for_each(|(name, value)| put(&format!("clients/{name}"), value.to_string()));
        for (load, (name, _)) in traffic.loads.iter().zip(traffic.counters()) {
            for (average, (_, span)) in load.averages.iter().zip(SPANS) {
                put(&format!("load/{name}/{span}"), format!("{average:.2}"));
            }
        }
        // mosquitto retains its own topics, too.
        let stored = retained + 53;
        put("messages/stored", stored.to_string());
        put("messages/received", traffic.messages_received.to_string());
        put("messages/sent", traffic.messages_sent.to_string());
        put("store/messages/count", stored.to_string());
        put("store/messages/bytes", (bytes + 205).to_string());
        put("subscriptions/count", broker.subscriptions().to_string());
        put("shared_subscriptions/count", "0".to_owned());
        put("retained messages/count", stored.to_string());
        put("heap/current", (44_720 + 504 * total + bytes).to_string());
        put("heap/maximum", (46_168 + 504 * broker.most_clients + bytes).to_string());
        put("publish/messages/dropped", traffic.publish_dropped.to_string());
        put("publish/messages/received", traffic.publish_received.to_string());
        put("publish/messages/sent", traffic.publish_sent.to_string());
        put("publish/bytes/received", traffic.publish_bytes_received.to_string());
        put("publish/bytes/sent", traffic.publish_bytes_sent.to_string());
        put("bytes/received", traffic.bytes_received.to_string());
        put("bytes/sent", traffic.bytes_sent.to_string());
        topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_rise_with_traffic_and_fade_without() {
        let mut load = Load::default();
        load.advance(60, 1);
        assert!((load.averages[0] - 55.3).abs() < 0.1, "{load:?}");
        assert!(load.averages[0] > load.averages[1] && load.averages[1] > load.averages[2]);
        load.advance(60, 6);
        assert!((load.averages[0] - 20.3).abs() < 0.1, "{load:?}");
        load.advance(60, u64::MAX);
        assert!(load.averages[2] < 0.01);
    }
}
