//! Names of topics, queues and groups.

/// Most bytes in a name that a user gives.
pub const NAME_BYTES_MAX: usize = 255;
/// Most bytes in a group's name.
pub const GROUP_BYTES_MAX: usize = 64;
const DLQ_SUFFIX: &str = ".dlq";

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct NameError {
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// Checks the name of something that a user makes.
///
/// # Errors
/// The rule that the name breaks.
pub fn check_name(name: &str) -> Result<(), NameError> {
    check_chars(name, NAME_BYTES_MAX, "must be 1 to 255 bytes long")?;
    if name.ends_with(DLQ_SUFFIX) {
        return Err(NameError { rule: "must not end in `.dlq`: such names are the broker's, for dead-letter queues" });
    }
    Ok(())
}

/// Checks a group's name.
///
/// # Errors
/// The rule that the name breaks.
pub fn check_group(name: &str) -> Result<(), NameError> {
    check_chars(name, GROUP_BYTES_MAX, "must be 1 to 64 bytes long")
}

fn check_chars(name: &str, bytes_max: usize, length_rule: &'static str) -> Result<(), NameError> {
    if name.is_empty() || name.len() > bytes_max {
        return Err(NameError { rule: length_rule });
    }
    if !name.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(NameError { rule: "must begin with a letter or a digit" });
    }
    if name.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || b"._-".contains(&byte))) {
        return Err(NameError { rule: "may only have A-Z a-z 0-9 . _ -" });
    }
    Ok(())
}

/// The queue of a group.
#[must_use]
pub fn group_queue(topic: &str, group: &str) -> String {
    format!("{topic}/{group}")
}

/// The dead-letter queue of a queue.
#[must_use]
pub fn dlq_name(queue: &str) -> String {
    format!("{queue}{DLQ_SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_rules_allow() {
        for good in ["a", "9", "orders", "eu.orders_v2-x", "A.b"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a b", "ä", "a:b", "$a", "a.dlq", "a\n"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name(&"a".repeat(255)).is_ok());
        assert!(check_name(&"a".repeat(256)).is_err());
        assert!(check_group(&"a".repeat(65)).is_err());
    }
}
