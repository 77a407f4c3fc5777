//! Dates as `date`, `ls` and `uptime` print them; the device's clock runs in UTC.

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// English month names, as C's `%b`.
pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The calendar date and clock time of a moment.
pub(super) fn zoned(time: Timestamp) -> Zoned {
    let seconds = i64::try_from(time.as_micros() / 1_000_000).unwrap_or(0);
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_zoned(TimeZone::UTC)
}

/// The time in a format of strftime(3); empty when the format is none.
pub(super) fn format(time: Timestamp, format: &str) -> String {
    jiff::fmt::strtime::format(format, &zoned(time)).unwrap_or_default()
}
