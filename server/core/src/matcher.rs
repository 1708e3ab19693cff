//! All patterns of a topic, compiled into one matcher.

use std::collections::HashMap;

use crate::pattern::Pattern;

/// Says which targets a routing key goes to. Patterns without wildcards cost one look-up however many there are.
#[derive(Debug, Clone)]
pub struct Matcher<T> {
    all: Vec<T>,
    exact: HashMap<String, Vec<T>>,
    wild: Vec<(Pattern, T)>,
}

impl<T: Copy + Ord> Matcher<T> {
    /// Compiles pairs of pattern and target.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (Pattern, T)>) -> Self {
        let mut matcher = Self { all: Vec::new(), exact: HashMap::new(), wild: Vec::new() };
        for (pattern, target) in pairs {
            if pattern.is_all() {
                matcher.all.push(target);
            } else if let Some(key) = pattern.exact() {
                matcher.exact.entry(key).or_default().push(target);
            } else {
                matcher.wild.push((pattern, target));
            }
        }
        matcher.all.sort_unstable();
        matcher.all.dedup();
        matcher
    }

    /// Adds each target that `key` goes to, once, in order. `out` must be empty.
    pub fn matches(&self, key: &str, out: &mut Vec<T>) {
        out.extend_from_slice(&self.all);
        if self.exact.is_empty() && self.wild.is_empty() {
            return;
        }
        out.extend(self.exact.get(key).into_iter().flatten());
        out.extend(self.wild.iter().filter(|(pattern, _)| pattern.matches(key)).map(|(_, target)| target));
        out.sort_unstable();
        out.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn matches_as_each_pattern_alone(
            patterns in prop::collection::vec(("(a|b|\\*|#)(\\.(a|b|\\*|#)){0,3}", 0u8..6), 0..12),
            key in "((a|b|c)(\\.(a|b|c)){0,3})?",
        ) {
            let pairs: Vec<(Pattern, u8)> =
                patterns.iter().map(|(text, target)| (Pattern::parse(text).unwrap(), *target)).collect();
            let mut expected: Vec<u8> =
                pairs.iter().filter(|(pattern, _)| pattern.matches(&key)).map(|(_, target)| *target).collect();
            expected.sort_unstable();
            expected.dedup();
            let mut found = Vec::new();
            Matcher::new(pairs).matches(&key, &mut found);
            prop_assert_eq!(found, expected);
        }
    }
}
