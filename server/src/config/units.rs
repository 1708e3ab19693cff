//! Sizes and times as a person writes them: `64MiB`, `30s`.

use std::time::Duration;

/// Factors to a byte. Powers of two and of ten, as the words mean them.
const BYTE_UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("", 1),
];

/// Factors to a millisecond.
const TIME_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Bytes of `512`, `64KiB`, `1.5GiB`, `100MB`.
///
/// # Errors
/// The rule, if it is no such size.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    scaled(text, &BYTE_UNITS).ok_or_else(|| "must be a number and a unit: 512B, 64KiB, 100MB, 10GiB".into())
}

/// The time of `250ms`, `30s`, `5m`, `1.5h`, `7d`.
///
/// # Errors
/// The rule, if it is no such time.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    scaled(text, &TIME_UNITS)
        .map(Duration::from_millis)
        .ok_or_else(|| "must be a number and a unit: 250ms, 30s, 5m, 2h, 7d".into())
}

/// The shortest text that [`parse_bytes`] reads as `bytes`.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    shown(bytes, &BYTE_UNITS[..5])
}

/// The shortest text that [`parse_duration`] reads as `duration`, in whole milliseconds.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    shown(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &TIME_UNITS)
}

/// In the largest unit that gives a whole number.
fn shown(amount: u64, units: &[(&str, u64)]) -> String {
    let whole = units.iter().rev().find(|(_, factor)| amount != 0 && amount.is_multiple_of(*factor));
    let (unit, factor) = whole.unwrap_or(&units[0]);
    format!("{}{unit}", amount / factor)
}

/// Number times unit, exact: the decimals have to come out even.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    whole.checked_add(part(decimals, factor)?)
}

fn part(decimals: &str, factor: u64) -> Option<u64> {
    if decimals.is_empty() {
        return Some(0);
    }
    let scale = 10_u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let amount = decimals.parse::<u64>().ok()?.checked_mul(factor)?;
    amount.is_multiple_of(scale).then_some(amount / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_know_both_kinds_of_units() {
        for (text, bytes) in [("512", 512), ("64KiB", 64 << 10), ("1.5GiB", 3 << 29), ("10 MB", 10_000_000), ("0B", 0)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for bad in ["", "GiB", "-1", "1.2.3KiB", "10XB", "1e3", "99999999TiB", "0.3B", ".5KiB", "10mib"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_need_a_unit() {
        for (text, ms) in [("250ms", 250), ("30s", 30_000), ("1.5h", 5_400_000), ("7d", 604_800_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "30", "s", "-1s", "1y", "99999999999999999999d", "0.1ms"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back_as_the_same() {
        for bytes in [0, 1, 1_000, 1_024, (64 << 20) + 1, 10 << 30, u64::MAX] {
            assert_eq!(parse_bytes(&show_bytes(bytes)), Ok(bytes));
        }
        for ms in [0, 1, 1_500, 60_000, 90_000, 86_400_000] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
        assert_eq!((show_bytes(64 << 20).as_str(), show_duration(Duration::from_secs(90)).as_str()), ("64MiB", "90s"));
    }
}
