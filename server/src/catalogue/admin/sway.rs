//! Topics whose messages go elsewhere when bindings change: held while they do, so that what goes to an alternate topic, and
//! what does not, follows from the bindings of the very commit.
//!
//! A publish is routed by a picture that may be older than the commit before it. For queues that does no harm, as they go by
//! the offsets of their bindings; where a message goes on to is decided once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Task;
use crate::committer::{Change, Gate, Passage};

/// Gates that stay held until the new picture is out.
#[derive(Clone, Default)]
pub(super) struct Swayed(Vec<Arc<Gate>>);

impl Swayed {
    /// To be turned in the commit that changes the bindings.
    pub(super) fn held(&self) -> impl Iterator<Item = (Arc<Gate>, Passage)> {
        self.0.iter().map(|gate| (gate.clone(), Passage::Held))
    }

    pub(super) fn contains(&self, gate: &Arc<Gate>) -> bool {
        self.0.iter().any(|held| Arc::ptr_eq(held, gate))
    }
}

impl Task {
    /// Of the topics whose alternates depend on what is bound to these logs.
    pub(super) fn swayed_by(&self, logs: impl IntoIterator<Item = u64>) -> Swayed {
        let logs: BTreeSet<u64> = logs.into_iter().collect();
        let decides = |topic: &Arc<crate::catalogue::Topic>| logs.contains(&topic.record.log);
        let sways =
            |topic: &&Arc<crate::catalogue::Topic>| decides(topic) || self.catalogue.alternates(topic).any(decides);
        Swayed(self.catalogue.with_alternate().filter(sways).map(|topic| topic.gate.clone()).collect())
    }

    /// Once the new picture is out.
    pub(super) async fn let_go(&mut self, swayed: Swayed) {
        self.show();
        let gates: Vec<_> =
            swayed.0.into_iter().filter(|gate| !gate.has_ended()).map(|gate| (gate, Passage::Open)).collect();
        if gates.is_empty() {
            return;
        }
        let done = match self.committer.settle(Change { gates, ..Change::default() }).await {
            Ok(pending) => pending.wait().await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "topics could not be opened again");
        }
    }
}
