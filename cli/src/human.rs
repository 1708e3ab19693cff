//! Numbers as a person reads them: `3m 12s`, `1.4 MiB`, `12,345`. JSON has them exactly.

use std::time::Duration;

use ferrymq_client::v1::QueueStats;

const AGE_UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
const SIZE_UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// In its two largest units, down to seconds.
pub fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let first = AGE_UNITS.iter().position(|(_, factor)| seconds >= *factor).unwrap_or(AGE_UNITS.len() - 1);
    let (unit, factor) = AGE_UNITS[first];
    let large = format!("{}{unit}", seconds / factor);
    match AGE_UNITS.get(first + 1) {
        Some((unit, smaller)) if seconds % factor >= *smaller => {
            format!("{large} {}{unit}", seconds % factor / smaller)
        }
        _ => large,
    }
}

/// The age of a queue's oldest message; `-` if there is none.
pub fn oldest(stats: &QueueStats) -> String {
    let oldest = stats.oldest_age.and_then(|age| Duration::try_from(age).ok());
    oldest.map_or_else(|| "-".to_owned(), age)
}

/// How a queue stands, as every table begins: ready, its bytes, unsettled, backing off, consumers, the oldest's age.
pub fn standing(stats: &QueueStats) -> [String; 6] {
    [
        count(stats.ready),
        size(stats.ready_bytes),
        count(stats.unsettled),
        count(stats.backing_off),
        count(stats.consumers),
        oldest(stats),
    ]
}

/// With one decimal from a KiB on.
pub fn size(bytes: i64) -> String {
    let (mut amount, mut unit) = (bytes.max(0) as f64, 0);
    while amount >= 1024.0 && unit + 1 < SIZE_UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{amount:.0} B") } else { format!("{amount:.1} {}", SIZE_UNITS[unit]) }
}

/// With commas between thousands.
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_their_two_largest_units() {
        let of = |seconds| age(Duration::from_secs(seconds));
        assert_eq!([of(0), of(59), of(60), of(192)], ["0s", "59s", "1m", "3m 12s"]);
        assert_eq!([of(3_600), of(3_659), of(7_260), of(200_000)], ["1h", "1h", "2h 1m", "2d 7h"]);
    }

    #[test]
    fn sizes_have_a_decimal_from_a_kib_on() {
        assert_eq!([size(0), size(1_023), size(1_024), size(1_500_000)], ["0 B", "1023 B", "1.0 KiB", "1.4 MiB"]);
        assert_eq!([size(-1), size(i64::MAX)], ["0 B", "8388608.0 TiB"]);
    }

    #[test]
    fn counts_have_commas_between_thousands() {
        let counts = [count(0), count(999), count(1_000), count(12_345_678), count(-1_000)];
        assert_eq!(counts, ["0", "999", "1,000", "12,345,678", "-1,000"]);
    }
}
