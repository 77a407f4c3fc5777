//! What of a container's output a client sees: which streams and lines, with or without their time.

use super::super::ask::Ask;
use super::container::Container;
use super::engine::rfc3339;
use super::output::{Channel, Wanted, emit};
use crate::clock::Timestamp;

/// A request's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selection {
    wanted: Wanted,
    timestamps: bool,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Lines of what there is already; `None`: all.
    tail: Option<usize>,
}

impl Selection {
    /// The choice of `GET /containers/ID/logs`, or why there is none.
    pub(super) fn of(ask: &Ask<'_>) -> Result<Self, String> {
        let time = |name: &str| match ask.field(name).filter(|text| !text.is_empty() && text != "0") {
            None => Ok(None),
            Some(text) => moment(&text).map(Some),
        };
        Ok(Self {
            wanted: Wanted::of(ask),
            timestamps: ask.is_set("timestamps"),
            since: time("since")?,
            until: time("until")?,
            tail: ask.field("tail").and_then(|tail| tail.parse().ok()),
        })
    }

    /// The lines from this piece on that are written by now, and the number of the next piece. What is there at first is cut to the tail.
    pub(super) fn lines(&self, container: &Container, from: usize, now: Timestamp, out: &mut Vec<u8>) -> usize {
        let pieces = container.written(from, now);
        let is_wanted = |at: Timestamp, channel| {
            self.wanted.has(channel, container.tty)
                && self.since.is_none_or(|since| since <= at)
                && self.until.is_none_or(|until| at <= until)
        };
        let lines: Vec<(Timestamp, Channel, &[u8])> = pieces
            .iter()
            .filter(|(at, channel, _)| is_wanted(*at, *channel))
            .flat_map(|(at, channel, bytes)| {
                bytes.split_inclusive(|&byte| byte == b'\n').map(move |line| (*at, *channel, line))
            })
            .collect();
        let skip = self.tail.filter(|_| from == 0).map_or(0, |tail| lines.len().saturating_sub(tail));
        for (at, channel, line) in lines.into_iter().skip(skip) {
            let time = if self.timestamps { format!("{} ", rfc3339(at)) } else { String::new() };
            emit(channel, &[time.as_bytes(), line].concat(), container.tty, out);
        }
        from + pieces.len()
    }
}

/// Seconds since the epoch, with or without a fraction of up to nine digits.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let invalid = |part: &str| format!("strconv.ParseInt: parsing {part:?}: invalid syntax");
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds: i64 = seconds.parse().map_err(|_| invalid(seconds))?;
    let nanos: u64 = format!("{fraction:0<9}").parse().map_err(|_| invalid(fraction))?;
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Ok(Timestamp::from_micros(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)))
}
