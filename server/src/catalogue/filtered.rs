//! The bindings of a topic that have a filter: tried one by one, apart from those that only have a pattern.

use std::sync::Arc;

use ferrymq_core::filter::{Filter, MessageView};
use ferrymq_core::pattern::Pattern;

use super::record::BindingRecord;
use crate::committer::Verdicts;

/// A compiled binding with a filter.
struct Rule {
    binding: u64,
    queue: u64,
    pattern: Pattern,
    filter: Arc<Filter>,
}

/// Those of one topic, by number.
pub struct Filtered {
    rules: Vec<Rule>,
    bindings: Arc<[u64]>,
}

impl Default for Filtered {
    fn default() -> Self {
        Self { rules: Vec::new(), bindings: Arc::new([]) }
    }
}

impl Filtered {
    /// Compiles those of `bindings` (in the order of their numbers) that have a filter; what `before` had is taken from there.
    pub fn new<'a>(bindings: impl Iterator<Item = &'a Arc<BindingRecord>>, before: Option<&Self>) -> Self {
        let rules: Vec<Rule> = bindings.filter_map(|binding| rule(binding, before)).collect();
        let bindings = rules.iter().map(|rule| rule.binding).collect();
        Self { rules, bindings }
    }

    /// Where verdicts on so many messages are noted; none if there is nothing to say.
    pub fn verdicts(&self, messages: usize) -> Option<Verdicts> {
        (!self.rules.is_empty()).then(|| Verdicts::new(self.bindings.clone(), messages))
    }

    /// Adds each queue that a message goes to, and tells the place of each filter that matches.
    pub fn route(&self, message: &[u8], queues: &mut Vec<u64>, mut tell: impl FnMut(usize)) {
        if self.rules.is_empty() {
            return;
        }
        let view = MessageView::new(message);
        for (place, rule) in self.rules.iter().enumerate() {
            if rule.pattern.matches(view.routing_key()) && rule.filter.matches(&view) {
                tell(place);
                queues.push(rule.queue);
            }
        }
        queues.sort_unstable();
        queues.dedup();
    }
}

fn rule(binding: &BindingRecord, before: Option<&Filtered>) -> Option<Rule> {
    if binding.settings.filter.is_empty() {
        return None;
    }
    let known = before.and_then(|before| {
        let place = before.bindings.binary_search(&binding.id).ok()?;
        before.rules.get(place).map(|rule| rule.filter.clone())
    });
    let filter = known.or_else(|| Filter::parse(&binding.settings.filter).ok().map(Arc::new))?;
    let pattern = Pattern::parse(&binding.settings.pattern).ok()?;
    Some(Rule { binding: binding.id, queue: binding.queue, pattern, filter })
}
