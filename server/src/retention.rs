//! What logs keep: nothing of a topic goes while a bound queue still needs it, nor before the topic's retention allows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_core::batch::Batch;
use ferrymq_core::{LogId, Offset, QueueId};
use ferrymq_engine::store::{Op, Store};
use ferrymq_proto::server as pb;

use crate::broker::Broker;
use crate::catalogue::Catalogue;
use crate::catalogue::admin::Command;
use crate::committer::Change;

/// How often logs are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Runs until the broker stops.
pub async fn run(broker: Arc<Broker>) {
    let mut draining = broker.draining.clone();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = crate::edge::stopped(&mut draining) => return,
        }
        trim(&broker).await;
    }
}

async fn trim(broker: &Broker) {
    let catalogue = broker.catalogue();
    let (floors, over) = floors(&broker.store, &catalogue);
    if !over.is_empty() {
        broker.admin.tell(Command::Reap(over));
    }
    let mut ops = Vec::new();
    for queue in catalogue.queues.values() {
        push_trim(&broker.store, &mut ops, queue.inbox(), floors.get(&queue.inbox()).copied().unwrap_or(0));
    }
    let now = broker.clock.now_ms();
    for topic in catalogue.topics.values() {
        let needed = floors.get(&topic.log()).copied().unwrap_or(Offset::MAX);
        let retention = topic.record.settings.retention.unwrap_or_default();
        let kept = kept_from(&broker.store, topic.log(), &retention, now, needed).await;
        push_trim(&broker.store, &mut ops, topic.log(), kept.min(needed));
    }
    if ops.is_empty() || broker.committer.is_stopped() {
        return;
    }
    let change = Change { at_ends: Some(Box::new(move |_| ops)), ..Change::default() };
    if let Ok(pending) = broker.committer.settle(change).await
        && let Err(error) = pending.wait().await
    {
        tracing::warn!(%error, "what is not needed any more could not be trimmed");
    }
}

fn push_trim(store: &Store, ops: &mut Vec<Op>, log: LogId, floor: Offset) {
    let floor = floor.min(store.end(log));
    if floor > store.first(log) {
        ops.push(Op::TrimTo { log, floor });
    }
}

/// For each log the lowest durable floor of its queues, and the ended bindings that their queues have passed.
fn floors(store: &Store, catalogue: &Catalogue) -> (HashMap<LogId, Offset>, Vec<u64>) {
    let mut floors: HashMap<LogId, Offset> = HashMap::new();
    let mut over = Vec::new();
    let mut lower = |log: LogId, floor: Offset| {
        floors.entry(log).and_modify(|lowest| *lowest = floor.min(*lowest)).or_insert(floor);
    };
    for queue in catalogue.queues.values() {
        let cursors: HashMap<LogId, Offset> =
            store.cursors(QueueId(queue.record.id)).into_iter().map(|(log, cursor)| (log, cursor.floor())).collect();
        lower(queue.inbox(), cursors.get(&queue.inbox()).copied().unwrap_or(0));
        let mut starts: HashMap<LogId, Offset> = HashMap::new();
        for binding in catalogue.bindings_to(queue.record.id) {
            let passed = cursors.get(&binding.log_id()).copied().unwrap_or(0);
            if binding.to.is_some_and(|to| passed >= to || to <= binding.from) {
                over.push(binding.id);
                continue;
            }
            let from = starts.entry(binding.log_id()).or_insert(binding.from);
            *from = (*from).min(binding.from);
        }
        for (log, from) in starts {
            lower(log, cursors.get(&log).copied().unwrap_or(0).max(from));
        }
    }
    (floors, over)
}

/// The first offset that the topic's retention keeps, looking no further than `needed`.
async fn kept_from(store: &Store, log: LogId, retention: &pb::Retention, now: u64, needed: Offset) -> Offset {
    if retention.forever {
        return 0;
    }
    let bounded = retention.max_age.is_some() || retention.max_bytes > 0 || retention.max_messages > 0;
    let end = store.end(log);
    if !bounded {
        return end;
    }
    let by_count = if retention.max_messages > 0 { end.saturating_sub(retention.max_messages as u64) } else { 0 };
    let mut at = store.first(log).max(by_count);
    let mut bytes = store.bytes(log);
    let max_bytes = if retention.max_bytes > 0 { retention.max_bytes as u64 } else { u64::MAX };
    let oldest = retention.max_age.map_or(0, |age| now.saturating_sub(age.seconds as u64 * 1_000));
    while at < end.min(needed) {
        let Ok(read) = store.read(log, at, 1).await else { return at };
        let Some(stored) = read.into_iter().next() else { return at };
        let len = stored.bytes.len() as u64;
        let Ok(batch) = Batch::parse(stored.bytes) else { return at };
        if bytes <= max_bytes && batch.publish_time_ms() >= oldest {
            return at;
        }
        bytes = bytes.saturating_sub(len);
        at = stored.base + u64::from(stored.count);
    }
    at
}
