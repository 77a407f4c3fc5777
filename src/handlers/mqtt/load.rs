//! Averages of what the broker counts, over a minute, five and fifteen.

use super::sys::INTERVAL;

/// Ticks after which an average of fifteen minutes has nothing left to lose.
const MAX_TICKS: u64 = 1_000;
/// Spans of the load averages, in minutes.
pub(super) const SPANS: [(u32, &str); 3] = [(1, "1min"), (5, "5min"), (15, "15min")];
/// Load averages of one counter, per minute.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) counted: u64,
    pub(super) averages: [f64; 3],
}

impl Load {
    /// `ticks` intervals have passed since the last call; what was counted since falls into the first.
    pub(super) fn advance(&mut self, count: u64, ticks: u64) {
        let minutes_each = 60.0 / INTERVAL;
        let mut rate = f64::from(u32::try_from(count - self.counted.min(count)).unwrap_or(u32::MAX)) * minutes_each;
        self.counted = count;
        for _ in 0..ticks.min(MAX_TICKS) {
            for (average, (minutes, _)) in self.averages.iter_mut().zip(SPANS) {
                let keeps = (-INTERVAL / (60.0 * f64::from(minutes))).exp();
                *average = rate.mul_add(1.0 - keeps, *average * keeps);
            }
            rate = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_rise_with_traffic_and_fade_without() {
        let mut load = Load::default();
        load.advance(3, 1);
        assert!((load.averages[0] - 2.74).abs() < 0.005, "mosquitto says 2.74: {load:?}");
        assert!(load.averages[0] > load.averages[1] && load.averages[1] > load.averages[2]);
        load.advance(3, 6);
        assert!((load.averages[0] - 0.91).abs() < 0.01, "{load:?}");
        load.advance(3, u64::MAX);
        assert!(load.averages[2] < 0.01);
    }
}
