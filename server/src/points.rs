//! Points in a log, as requests name them: where a reader begins, or ends.

use ferrymq_core::batch::Batch;
use ferrymq_core::{LogId, Millis, Offset};
use ferrymq_engine::store::Store;
use ferrymq_proto::server as pb;
use ferrymq_proto::v1::ErrorReason;

use crate::error::Error;
use crate::retention::by_age;

/// Where something begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// At the oldest message that is kept.
    Earliest,
    /// After the newest.
    Latest,
    /// At this message.
    Position(LogId, Offset),
    /// At the first message published then or later; one that has not come yet is LATEST.
    Time(Millis),
    /// Where a snapshot's cursors stood.
    Snapshot(String),
}

/// The point that a field names; LATEST where it is unset.
pub fn point(field: &str, given: Option<&pb::LogPoint>) -> Result<Point, Error> {
    let Some(given) = given else { return Ok(Point::Latest) };
    match &given.at {
        None => Err(Error::invalid(field, "exactly one of edge, position, time, snapshot must be set")),
        Some(pb::log_point::At::Edge(edge)) => match pb::LogEdge::try_from(*edge) {
            Ok(pb::LogEdge::Earliest) => Ok(Point::Earliest),
            Ok(pb::LogEdge::Latest) => Ok(Point::Latest),
            _ => Err(Error::invalid(format!("{field}.edge"), "must be LOG_EDGE_EARLIEST or LOG_EDGE_LATEST")),
        },
        Some(pb::log_point::At::Position(position)) => {
            let number = |name: &str, value: i64| {
                let negative = || Error::invalid(format!("{field}.position.{name}"), "must not be negative");
                u64::try_from(value).map_err(|_| negative())
            };
            Ok(Point::Position(LogId(number("log", position.log)?), number("offset", position.offset)?))
        }
        Some(pb::log_point::At::Time(time)) => millis(&format!("{field}.time"), time).map(Point::Time),
        Some(pb::log_point::At::Snapshot(name)) => Ok(Point::Snapshot(name.clone())),
    }
}

/// The same for a field that no snapshot can stand in.
pub fn point_of_log(field: &str, given: Option<&pb::LogPoint>) -> Result<Point, Error> {
    match point(field, given)? {
        Point::Snapshot(_) => Err(Error::invalid(format!("{field}.snapshot"), "only for Seek")),
        point => Ok(point),
    }
}

/// Milliseconds since 1970; a part of one counts as a whole, as publish times have no parts.
pub(crate) fn millis(field: &str, time: &prost_types::Timestamp) -> Result<Millis, Error> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(Error::invalid(format!("{field}.nanos"), "must be from 0 to 999999999"));
    }
    let ms = i128::from(time.seconds) * 1_000 + (i128::from(time.nanos) + 999_999) / 1_000_000;
    Ok(u64::try_from(ms.max(0)).unwrap_or(u64::MAX))
}

/// The time of so many milliseconds since 1970.
pub(crate) fn timestamp(ms: Millis) -> prost_types::Timestamp {
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    prost_types::Timestamp { seconds, nanos: (ms % 1_000) as i32 * 1_000_000 }
}

/// The offset that a point names in a log that holds [first, end). POSITION_UNKNOWN for a position of another log or beyond
/// the end, POSITION_TRIMMED for one below `first`. A time has been looked up before; none: it has not come yet.
pub fn offset_of(
    field: &str,
    point: &Point,
    log: LogId,
    (first, end): (Offset, Offset),
    by_time: Option<Offset>,
) -> Result<Offset, Error> {
    match *point {
        Point::Earliest => Ok(first),
        Point::Latest => Ok(end),
        Point::Time(_) => Ok(by_time.unwrap_or(end).clamp(first, end)),
        Point::Position(of, _) if of != log => Err(unknown(field, "it is of another log")),
        Point::Position(_, offset) if offset > end => Err(unknown(field, &format!("the log ends at {end}"))),
        Point::Position(_, offset) if offset < first => Err(trimmed(log, offset, first)),
        Point::Position(_, offset) => Ok(offset),
        Point::Snapshot(_) => Err(Error::invalid(format!("{field}.snapshot"), "only for Seek")),
    }
}

/// Where the first message stands that was published at or after a point's time; none if the point is no time, or one that
/// has not come yet. Batches are looked at by halves, as their times rise along the log.
pub async fn look_up(store: &Store, point: &Point, log: LogId, now: Millis) -> Option<Offset> {
    match *point {
        Point::Time(time) if time <= now => Some(by_age(store, log, store.first(log), store.end(log), time).await),
        _ => None,
    }
}

/// The offset that a point names now.
pub async fn resolve(store: &Store, field: &str, point: &Point, log: LogId, now: Millis) -> Result<Offset, Error> {
    let by_time = look_up(store, point, log, now).await;
    offset_of(field, point, log, (store.first(log), store.end(log)), by_time)
}

/// For each of the logs that feed a queue, the offset that a point names now. What a position names in the other logs is
/// what was published with it or later.
pub async fn starts(
    store: &Store,
    field: &str,
    point: &Point,
    logs: &[LogId],
    now: Millis,
) -> Result<Vec<(LogId, Offset)>, Error> {
    let mut starts = Vec::with_capacity(logs.len());
    let mut of_others = point.clone();
    if let Point::Position(log, offset) = *point {
        if !logs.contains(&log) {
            return Err(unknown(field, "the queue takes nothing from its log"));
        }
        starts.push((log, resolve(store, field, point, log, now).await?));
        of_others = match published(store, log, offset).await? {
            Some(time) => Point::Time(time),
            None => Point::Latest,
        };
    }
    for log in logs {
        if starts.iter().all(|(of, _)| of != log) {
            starts.push((*log, resolve(store, field, &of_others, *log, now).await?));
        }
    }
    Ok(starts)
}

/// When the message at a place, or the next one that is kept, was published; none if there is none.
async fn published(store: &Store, log: LogId, offset: Offset) -> Result<Option<Millis>, Error> {
    let damaged = |what: String| Error::damaged(&what);
    let read = store.read(log, offset, 1).await.map_err(|error| damaged(error.to_string()))?;
    let Some(stored) = read.into_iter().next() else { return Ok(None) };
    let batch = Batch::parse(stored.bytes).map_err(|error| damaged(error.to_string()))?;
    Ok(Some(batch.publish_time_ms()))
}

/// A position that names nothing here.
pub fn unknown(field: &str, rule: &str) -> Error {
    let field = format!("{field}.position");
    Error::new(ErrorReason::PositionUnknown, format!("{field}: no such position here: {rule}")).field(field, rule)
}

fn trimmed(log: LogId, offset: Offset, first: Offset) -> Error {
    let message = format!("{}:{offset} is kept no more; the first that is kept is {}:{first}", log.0, log.0);
    Error::new(ErrorReason::PositionTrimmed, message).meta("first", first.to_string()).meta("log", log.0.to_string())
}

/// Where a broadcast ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nowhere.
    Never,
    /// Before this offset.
    Before(Offset),
    /// Before what was published at this time or later.
    At(Millis),
}

impl Stop {
    /// The end that a request names; a position itself is still delivered.
    pub fn resolve(store: &Store, given: Option<&pb::LogPoint>, log: LogId) -> Result<Self, Error> {
        if given.is_none() {
            return Ok(Self::Never);
        }
        let point = point_of_log("stop", given)?;
        if let Point::Time(time) = point {
            return Ok(Self::At(time));
        }
        let offset = offset_of("stop", &point, log, (store.first(log), store.end(log)), None)?;
        let inclusive = matches!(point, Point::Position(..));
        Ok(Self::Before(offset.saturating_add(inclusive.into())))
    }

    /// True if nothing more is to be delivered to one who has read all below `at`, which is all there is if `is_end`.
    pub fn is_reached(self, at: Offset, is_end: bool, now: Millis) -> bool {
        match self {
            Self::Never => false,
            Self::Before(offset) => at >= offset,
            Self::At(time) => is_end && now >= time,
        }
    }

    /// True if a message stands behind the end.
    pub fn is_before(self, offset: Offset, publish_time_ms: i64) -> bool {
        match self {
            Self::Never => false,
            Self::Before(stop) => offset >= stop,
            Self::At(time) => u64::try_from(publish_time_ms).is_ok_and(|published| published >= time),
        }
    }

    /// How long until the end comes by itself.
    pub fn wait(self, now: Millis) -> Option<std::time::Duration> {
        match self {
            Self::At(time) => Some(std::time::Duration::from_millis(time.saturating_sub(now))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId(7);

    fn at(point: &Point) -> Result<Offset, ErrorReason> {
        offset_of("start", point, LOG, (10, 20), Some(15)).map_err(|error| error.reason())
    }

    #[test]
    fn positions_are_of_the_log_and_between_its_ends() {
        assert_eq!((at(&Point::Earliest), at(&Point::Latest), at(&Point::Time(5))), (Ok(10), Ok(20), Ok(15)));
        assert_eq!((at(&Point::Position(LOG, 10)), at(&Point::Position(LOG, 20))), (Ok(10), Ok(20)));
        assert_eq!(at(&Point::Position(LOG, 21)), Err(ErrorReason::PositionUnknown));
        assert_eq!(at(&Point::Position(LogId(8), 15)), Err(ErrorReason::PositionUnknown));
        assert_eq!(at(&Point::Position(LOG, 9)), Err(ErrorReason::PositionTrimmed));
    }

    #[test]
    fn a_part_of_a_millisecond_counts_as_a_whole_one() {
        let ms = |seconds, nanos| millis("t", &prost_types::Timestamp { seconds, nanos }).map_err(|_| ());
        assert_eq!((ms(5, 0), ms(5, 1), ms(5, 1_000_000), ms(-5, 0)), (Ok(5_000), Ok(5_001), Ok(5_001), Ok(0)));
        assert_eq!((ms(i64::MAX, 0), ms(0, -1), ms(0, 1_000_000_000)), (Ok(u64::MAX), Err(()), Err(())));
    }

    #[test]
    fn an_end_in_time_comes_when_the_clock_has_passed_it_and_all_is_read() {
        let stop = Stop::At(100);
        assert!(!stop.is_reached(5, true, 99) && !stop.is_reached(5, false, 100) && stop.is_reached(5, true, 100));
        assert!(!stop.is_before(5, 99) && stop.is_before(5, 100));
        assert_eq!(stop.wait(40), Some(std::time::Duration::from_millis(60)));
        assert!(Stop::Before(5).is_reached(5, false, 0) && Stop::Before(5).is_before(5, 0));
    }
}
