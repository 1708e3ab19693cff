//! Settings: defaults filled in, limits checked, and what this broker does not honour yet refused.

use std::collections::HashMap;

use ferrymq_core::filter::Filter;
use ferrymq_core::message::TTL_MS_MAX;
use ferrymq_core::name::check_name;
use ferrymq_core::pattern::Pattern;
use ferrymq_proto::server as pb;
use ferrymq_proto::v1::ErrorReason;
use prost_types::Duration;

use crate::error::Error;

const DAY_S: i64 = 86_400;

/// Checks a name of something that a user makes.
pub fn name(field: &str, name: &str) -> Result<(), Error> {
    check_name(name).map_err(|error| {
        Error::new(ErrorReason::NameInvalid, format!("bad name: {error}")).field(field, error.to_string())
    })
}

/// Refuses a setting that is there but not honoured yet.
pub fn unsupported(set: bool, field: &str) -> Result<(), Error> {
    if set { Err(Error::not_supported(field)) } else { Ok(()) }
}

/// Milliseconds of a duration within `[min, max]`; `default` where it is unset.
pub fn millis(field: &str, value: Option<&Duration>, default: u64, min: u64, max: u64) -> Result<u64, Error> {
    let Some(value) = value else { return Ok(default) };
    let ms = i128::from(value.seconds) * 1_000 + i128::from(value.nanos) / 1_000_000;
    if ms < i128::from(min) || ms > i128::from(max) {
        return Err(Error::invalid(field, format!("must be from {min} ms to {max} ms, and is {ms} ms")));
    }
    Ok(u64::try_from(ms).unwrap_or(max))
}

/// A duration of so many milliseconds.
pub fn duration(ms: u64) -> Duration {
    Duration { seconds: (ms / 1_000) as i64, nanos: (ms % 1_000) as i32 * 1_000_000 }
}

fn labels(field: &str, labels: &HashMap<String, String>) -> Result<(), Error> {
    let bytes: usize = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    let fits = labels.len() <= 64
        && bytes <= 4_096
        && labels.iter().all(|(key, value)| (1..=63).contains(&key.len()) && value.len() <= 255);
    if fits {
        return Ok(());
    }
    Err(Error::invalid(field, "at most 64, keys 1 to 63 bytes, values at most 255, together at most 4 KiB"))
}

/// A topic with its defaults.
pub fn topic(mut topic: pb::Topic) -> Result<pb::Topic, Error> {
    name("topic.name", &topic.name)?;
    labels("topic.labels", &topic.labels)?;
    unsupported(topic.dedup_window.is_some_and(|d| d != Duration::default()), "topic.dedup_window")?;
    unsupported(topic.priority_levels > 1, "topic.priority_levels")?;
    non_negative("topic.priority_levels", i64::from(topic.priority_levels))?;
    if let Some(limits) = &mut topic.limits {
        check_limits("topic.limits", limits)?;
    }
    if !topic.alternate_topic.is_empty() {
        name("topic.alternate_topic", &topic.alternate_topic)?;
    }
    topic.priority_levels = 1;
    let retention = match topic.retention.take() {
        None => {
            pb::Retention { max_age: Some(duration(DAY_S as u64 * 1_000)), max_bytes: 1 << 30, ..Default::default() }
        }
        Some(given) => retention(given)?,
    };
    topic.retention = Some(retention);
    (topic.stats, topic.etag) = (None, String::new());
    Ok(topic)
}

fn retention(given: pb::Retention) -> Result<pb::Retention, Error> {
    unsupported(given.compact, "topic.retention.compact")?;
    non_negative("topic.retention.max_bytes", given.max_bytes)?;
    non_negative("topic.retention.max_messages", given.max_messages)?;
    millis("topic.retention.max_age", given.max_age.as_ref(), 0, 1_000, 3_650 * DAY_S as u64 * 1_000)?;
    if given.forever && (given.max_age.is_some() || given.max_bytes > 0 || given.max_messages > 0) {
        return Err(Error::invalid("topic.retention.forever", "not together with max_age, max_bytes or max_messages"));
    }
    Ok(given)
}

/// Refuses a negative number.
pub fn non_negative(field: &str, value: i64) -> Result<(), Error> {
    if value < 0 { Err(Error::invalid(field, format!("must not be negative, and is {value}"))) } else { Ok(()) }
}

/// A queue with its defaults.
pub fn queue(mut queue: pb::Queue) -> Result<pb::Queue, Error> {
    labels("queue.labels", &queue.labels)?;
    match pb::Ordering::try_from(queue.ordering) {
        Ok(pb::Ordering::Unspecified) => queue.set_ordering(pb::Ordering::None),
        Ok(_) => {}
        Err(_) => return Err(Error::not_supported("queue.ordering")),
    }
    refuse_later_queue_settings(&queue)?;
    let max_lease = millis("queue.max_lease", queue.max_lease.as_ref(), 30 * 60_000, 1_000, 12 * 3_600_000)?;
    let lease = millis("queue.lease", queue.lease.as_ref(), 30_000.min(max_lease), 1_000, max_lease)?;
    queue.lease = Some(duration(lease));
    queue.max_lease = Some(duration(max_lease));
    if let Some(idle) = &queue.idle_expiry {
        queue.idle_expiry =
            Some(duration(millis("queue.idle_expiry", Some(idle), 0, 1_000, 366 * DAY_S as u64 * 1_000)?));
    }
    if let Some(ttl) = &queue.message_ttl {
        queue.message_ttl = Some(duration(millis("queue.message_ttl", Some(ttl), 0, 1, TTL_MS_MAX)?));
    }
    queue.rate_limit = queue.rate_limit.map(rate_limit).transpose()?;
    if let Some(limits) = &mut queue.limits {
        check_limits("queue.limits", limits)?;
    }
    queue.priority_levels = 1;
    queue.retry = Some(retry(queue.retry.take().unwrap_or_default())?);
    (queue.stats, queue.etag, queue.bindings, queue.paused) = (None, String::new(), Vec::new(), false);
    Ok(queue)
}

fn refuse_later_queue_settings(queue: &pb::Queue) -> Result<(), Error> {
    unsupported(queue.priority_levels > 1, "queue.priority_levels")?;
    non_negative("queue.priority_levels", i64::from(queue.priority_levels))?;
    unsupported(queue.dedup_window.is_some(), "queue.dedup_window")?;
    unsupported(!queue.fairness_attribute.is_empty(), "queue.fairness_attribute")?;
    match queue.dead_letter.as_ref().and_then(|policy| policy.target.as_ref()) {
        Some(pb::dead_letter_policy::Target::Discard(false)) => {
            Err(Error::invalid("queue.dead_letter.discard", "must be true if it is set"))
        }
        _ => Ok(()),
    }
}

fn rate_limit(given: pb::RateLimit) -> Result<pb::RateLimit, Error> {
    const RATE_MAX: f64 = 1_000_000.0;
    const BURST_MAX: i32 = 100_000;
    let rate = given.messages_per_second;
    if !(rate > 0.0 && rate <= RATE_MAX) {
        let rule = format!("must be above 0 and at most {RATE_MAX}, and is {rate}");
        return Err(Error::invalid("queue.rate_limit.messages_per_second", rule));
    }
    let burst = match given.burst {
        0 => (rate as i32).clamp(1, BURST_MAX),
        given if (1..=BURST_MAX).contains(&given) => given,
        other => {
            let rule = format!("must be from 1 to {BURST_MAX}, and is {other}");
            return Err(Error::invalid("queue.rate_limit.burst", rule));
        }
    };
    Ok(pb::RateLimit { messages_per_second: rate, burst })
}

/// Limits with their default.
fn check_limits(field: &str, limits: &mut pb::Limits) -> Result<(), Error> {
    non_negative(&format!("{field}.max_messages"), limits.max_messages)?;
    non_negative(&format!("{field}.max_bytes"), limits.max_bytes)?;
    match pb::Overflow::try_from(limits.overflow) {
        Ok(pb::Overflow::Unspecified) => limits.set_overflow(pb::Overflow::Reject),
        Ok(_) => {}
        Err(_) => return Err(Error::not_supported(format!("{field}.overflow"))),
    }
    Ok(())
}

fn retry(given: pb::RetryPolicy) -> Result<pb::RetryPolicy, Error> {
    let max_attempts = given.max_attempts.unwrap_or(10);
    if !(0..=1_000).contains(&max_attempts) {
        return Err(Error::invalid(
            "queue.retry.max_attempts",
            format!("must be from 0 to 1000, and is {max_attempts}"),
        ));
    }
    let max = millis("queue.retry.max_backoff", given.max_backoff.as_ref(), 600_000, 0, DAY_S as u64 * 1_000)?;
    let min = millis("queue.retry.min_backoff", given.min_backoff.as_ref(), 1_000.min(max), 0, max)?;
    let multiplier = if given.multiplier == 0.0 { 2.0 } else { given.multiplier };
    if !(1.0..=10.0).contains(&multiplier) {
        return Err(Error::invalid("queue.retry.multiplier", format!("must be from 1 to 10, and is {multiplier}")));
    }
    Ok(pb::RetryPolicy {
        max_attempts: Some(max_attempts),
        min_backoff: Some(duration(min)),
        max_backoff: Some(duration(max)),
        multiplier,
    })
}

/// Checks a pattern.
pub fn pattern(field: &str, pattern: &str) -> Result<Pattern, Error> {
    Pattern::parse(pattern).map_err(|error| {
        Error::new(ErrorReason::PatternInvalid, format!("bad pattern: {error}")).field(field, error.to_string())
    })
}

/// Checks and compiles a filter; none if it is empty.
pub fn filter(field: &str, text: &str) -> Result<Option<Filter>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    Filter::parse(text).map(Some).map_err(|error| {
        Error::new(ErrorReason::FilterInvalid, format!("bad filter: {error}"))
            .meta("position", error.position.to_string())
            .field(field, error.to_string())
    })
}
