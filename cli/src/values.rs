//! Values as a person types them: `30s`, `10GiB`, `key=value`.

use std::time::Duration;

const DURATION_UNITS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];

const BYTE_UNITS: [(&str, f64); 9] = [
    ("", 1.0),
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1048576.0),
    ("GiB", 1073741824.0),
    ("TiB", 1099511627776.0),
];

/// `250ms`, `30s`, `5m`, `2h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let seconds = scaled(text, &DURATION_UNITS);
    seconds
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .ok_or_else(|| "give a number and a unit: 250ms, 30s, 5m, 2h, 7d".to_owned())
}

/// `512`, `64KiB`, `10GiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    scaled(text, &BYTE_UNITS)
        .filter(|bytes| *bytes < 9e18)
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "give a number and a unit: 512B, 64KiB, 100MB, 10GiB".to_owned())
}

/// `key=value`; the value may hold further `=`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must look like key=value".to_owned()),
    }
}

/// For the wire; what is longer than the protocol can say is as good as for ever.
pub fn wire(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or(prost_types::Duration { seconds: i64::MAX, nanos: 0 })
}

fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?.1;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        for bad in ["", "30", "s", "-1s", "1y", "99999999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_know_both_kinds_of_units() {
        assert_eq!(bytes("512"), Ok(512));
        assert_eq!(bytes("10GiB"), Ok(10 << 30));
        assert_eq!(bytes("1 MB"), Ok(1_000_000));
        for bad in ["", "GiB", "1.2.3", "1XB", "9999999999GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pairs_keep_what_follows_the_first_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(pair("=b").is_err());
        assert!(pair("ab").is_err());
    }
}
