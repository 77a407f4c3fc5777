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

/// A time as `date -d` takes it: seconds since the epoch behind `@`, a day, a time of the day, or both.
pub(super) fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    const FORMATS: [&str; 6] =
        ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y.%m.%d-%H:%M:%S", "%Y.%m.%d-%H:%M", "%Y%m%d%H%M.%S", "%Y%m%d%H%M"];
    let text = text.trim();
    let seconds = if let Some(seconds) = text.strip_prefix('@') {
        seconds.parse::<i64>().ok()?
    } else {
        let today = zoned(now).date();
        let day = |text: &str| jiff::civil::Date::strptime("%Y-%m-%d", text).ok().map(|day| day.at(0, 0, 0, 0));
        let clock =
            |text: &str| ["%H:%M:%S", "%H:%M"].iter().find_map(|format| jiff::civil::Time::strptime(format, text).ok());
        let both = FORMATS.iter().find_map(|format| jiff::civil::DateTime::strptime(format, text).ok());
        let time = both.or_else(|| day(text)).or_else(|| Some(today.to_datetime(clock(text)?)))?;
        time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second()
    };
    Some(Timestamp::from_micros(u64::try_from(seconds).ok()?.checked_mul(1_000_000)?))
}
