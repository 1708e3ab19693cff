//! The bindings of a topic that are more than one pattern: tried one by one, apart from those that are not.

use std::sync::Arc;

use ferrymq_core::filter::MessageView;

use super::rule::Rule;
use crate::committer::Verdicts;

/// One that is tried.
pub struct Tried {
    /// The binding's number.
    pub binding: u64,
    /// The queue it leads to.
    pub queue: u64,
    /// What it matches.
    pub rule: Arc<Rule>,
}

/// Those of one topic, by number.
pub struct Filtered {
    rules: Vec<Tried>,
    bindings: Arc<[u64]>,
}

impl Default for Filtered {
    fn default() -> Self {
        Self { rules: Vec::new(), bindings: Arc::new([]) }
    }
}

impl Filtered {
    /// Of these, in the order of their numbers.
    pub fn new(rules: Vec<Tried>) -> Self {
        let bindings = rules.iter().map(|tried| tried.binding).collect();
        Self { rules, bindings }
    }

    /// What a binding matches, if it is one of them.
    pub fn rule_of(&self, binding: u64) -> Option<Arc<Rule>> {
        let place = self.bindings.binary_search(&binding).ok()?;
        self.rules.get(place).map(|tried| tried.rule.clone())
    }

    /// Where verdicts on so many messages are noted; none if there is nothing to say.
    pub fn verdicts(&self, messages: usize) -> Option<Verdicts> {
        (!self.rules.is_empty()).then(|| Verdicts::new(self.bindings.clone(), messages))
    }

    /// Adds each queue that a message goes to, and tells the place of each one that matches.
    pub fn route(&self, message: &[u8], queues: &mut Vec<u64>, mut tell: impl FnMut(usize)) {
        if self.rules.is_empty() {
            return;
        }
        let view = MessageView::new(message);
        for (place, tried) in self.rules.iter().enumerate() {
            if tried.rule.takes_key(view.routing_key()) && tried.rule.passes(&view) {
                tell(place);
                queues.push(tried.queue);
            }
        }
        queues.sort_unstable();
        if !cfg!(feature = "planted-route-twice") {
            queues.dedup();
        }
    }
}
