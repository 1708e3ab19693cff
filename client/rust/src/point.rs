//! Places in a log: where to begin, to end, or to move to.

use std::time::SystemTime;

use ferrymq_proto::v1::log_point::At;
use ferrymq_proto::v1::{LogEdge, LogPoint, Position};

/// The oldest message that is kept.
pub fn earliest() -> LogPoint {
    at(At::Edge(LogEdge::Earliest.into()))
}

/// After the newest message that there is now.
pub fn latest() -> LogPoint {
    at(At::Edge(LogEdge::Latest.into()))
}

/// Exactly here, e.g. at `Delivery.position`.
pub fn position(position: Position) -> LogPoint {
    at(At::Position(position))
}

/// The first message that was published at or after this time.
pub fn time(time: SystemTime) -> LogPoint {
    at(At::Time(time.into()))
}

/// Where a queue stood when this snapshot of it was taken; only for [`Client::seek`](crate::Client::seek).
pub fn snapshot(name: impl Into<String>) -> LogPoint {
    at(At::Snapshot(name.into()))
}

fn at(at: At) -> LogPoint {
    LogPoint { at: Some(at) }
}
