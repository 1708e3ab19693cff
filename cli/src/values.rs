//! Values as a person types them: `30s`, `10GiB`, `key=value`.

use std::time::{Duration, SystemTime};

use ferrymq_client::v1::log_point::At;
use ferrymq_client::v1::{LogEdge, LogPoint, Position};

pub use ferrymq_server::config::units::{parse_bytes as bytes, parse_duration as duration};

/// `key=value`; the value may hold further `=`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must look like key=value".to_owned()),
    }
}

/// How large a payload to measure with: large enough for what is written into it, small enough for every broker.
pub fn payload_bytes(text: &str) -> Result<u32, String> {
    let small = u32::try_from(bytes(text)?).ok().filter(|bytes| (8..=1 << 20).contains(bytes));
    small.ok_or_else(|| "must be 8B to 1MiB".to_owned())
}

/// For the wire; what is longer than the protocol can say is as good as for ever.
pub fn wire(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or(prost_types::Duration { seconds: i64::MAX, nanos: 0 })
}

/// A point in a log: `earliest`, `latest`, a time ago like `-1h`, an RFC 3339 time, or `LOG:OFFSET`.
pub fn point(text: &str) -> Result<LogPoint, String> {
    let at = match text {
        "earliest" => At::Edge(LogEdge::Earliest.into()),
        "latest" => At::Edge(LogEdge::Latest.into()),
        _ => match (text.strip_prefix('-'), position(text)) {
            (Some(ago), _) => {
                let since = SystemTime::now().checked_sub(duration(ago)?);
                At::Time(since.unwrap_or(SystemTime::UNIX_EPOCH).into())
            }
            (None, Some(position)) => At::Position(position),
            (None, None) => At::Time(text.parse().map_err(
                |_| "must be earliest, latest, a time ago like -1h, a time like 2026-11-20T12:00:00Z, or LOG:OFFSET",
            )?),
        },
    };
    Ok(LogPoint { at: Some(at) })
}

/// The same, or `snapshot:NAME`.
pub fn point_or_snapshot(text: &str) -> Result<LogPoint, String> {
    match text.strip_prefix("snapshot:") {
        Some(name) => Ok(LogPoint { at: Some(At::Snapshot(name.to_owned())) }),
        None => point(text),
    }
}

fn position(text: &str) -> Option<Position> {
    let (log, offset) = text.split_once(':')?;
    Some(Position { log: log.parse().ok()?, offset: offset.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_edges_times_and_positions() {
        let at = |text| point(text).ok().and_then(|point| point.at);
        assert_eq!(at("earliest"), Some(At::Edge(LogEdge::Earliest.into())));
        assert_eq!(at("12:34"), Some(At::Position(Position { log: 12, offset: 34 })));
        let time = prost_types::Timestamp { seconds: 1_795_176_000, nanos: 0 };
        assert_eq!(at("2026-11-20T12:00:00Z"), Some(At::Time(time)));
        assert!(matches!(at("-1h"), Some(At::Time(_))));
        assert_eq!((at("yesterday"), at("-"), at("1:2:3"), at("")), (None, None, None, None));
    }

    #[test]
    fn payloads_are_measured_within_limits() {
        assert_eq!(
            [payload_bytes("8"), payload_bytes("1KiB"), payload_bytes("1MiB")],
            [Ok(8), Ok(1 << 10), Ok(1 << 20)]
        );
        assert!(payload_bytes("7B").is_err() && payload_bytes("2MiB").is_err() && payload_bytes("9999TiB").is_err());
    }

    #[test]
    fn pairs_keep_what_follows_the_first_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=b").is_err());
        assert!(pair("ab").is_err());
    }
}
