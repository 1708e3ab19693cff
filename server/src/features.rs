//! What this version can do beyond the basics, as GetServerInfo names it. A name stays once it is there.

/// The names, in order.
pub const FEATURES: &[&str] = &[
    "alternate_topic",
    "at_most_once",
    "consume",
    "exactly_once",
    "expiry",
    "filters",
    "idle_expiry",
    "limits",
    "ordering_key",
    "ordering_strict",
    "pause",
    "points",
    "rate_limit",
    "resume",
    "seek",
    "snapshots",
    "topic_bindings",
    "topic_limits",
];

#[cfg(test)]
mod tests {
    use super::FEATURES;

    #[test]
    fn names_are_in_order_and_each_is_there_once() {
        assert!(FEATURES.is_sorted_by(|a, b| a < b));
    }
}
