//! What a binding matches, compiled: the conditions of its own, and those of the topic-to-topic bindings on the way to it.

use std::sync::Arc;

use ferrymq_core::filter::{Filter, MessageView};
use ferrymq_core::pattern::Pattern;

use super::record::BindingRecord;

/// Conditions that all have to hold.
#[derive(Debug)]
pub struct Rule {
    /// Those that do not match everything.
    patterns: Vec<Pattern>,
    filters: Vec<Filter>,
}

impl Rule {
    /// Of a binding. None if it cannot be read, which was checked when it was made.
    pub fn of(binding: &BindingRecord) -> Option<Arc<Self>> {
        let own = (&binding.settings.pattern, &binding.settings.filter);
        let on_the_way = binding.through.iter().map(|step| (&step.pattern, &step.filter));
        let mut rule = Self { patterns: Vec::new(), filters: Vec::new() };
        for (pattern, filter) in on_the_way.chain([own]) {
            let pattern = Pattern::parse(pattern).ok()?;
            if !pattern.is_all() {
                rule.patterns.push(pattern);
            }
            if !filter.is_empty() {
                rule.filters.push(Filter::parse(filter).ok()?);
            }
        }
        Some(Arc::new(rule))
    }

    /// The pattern that says all that it says, if there is one.
    pub fn only_pattern(&self) -> Option<Pattern> {
        match (self.patterns.as_slice(), self.filters.is_empty()) {
            ([], true) => Pattern::parse("").ok(),
            ([pattern], true) => Some(pattern.clone()),
            _ => None,
        }
    }

    /// True if every routing key matches.
    pub fn takes_every_key(&self) -> bool {
        self.patterns.is_empty()
    }

    /// True if a routing key matches.
    pub fn takes_key(&self, key: &str) -> bool {
        self.patterns.iter().all(|pattern| pattern.matches(key))
    }

    /// True if there are filters, which are another question.
    pub fn has_filters(&self) -> bool {
        !self.filters.is_empty()
    }

    /// True if a message passes the filters.
    pub fn passes(&self, view: &MessageView<'_>) -> bool {
        self.filters.iter().all(|filter| filter.matches(view))
    }
}
