//! What logs keep: nothing of a topic goes while a bound queue still needs it, nor before the topic's retention allows it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ferrymq_core::batch::Batch;
use ferrymq_core::{LogId, Offset, QueueId};
use ferrymq_engine::store::Store;
use ferrymq_proto::server as pb;

use crate::broker::Broker;
use crate::catalogue::Catalogue;
use crate::catalogue::admin::Command;
use crate::catalogue::record::{BindingRecord, SnapshotRecord};
use crate::committer::dropped_below;

/// How often logs are looked at; sooner when much was written.
const EVERY: Duration = Duration::from_secs(2);
/// How soon they are looked at again where the oldest goes of one that is over its limits.
const SOON: Duration = Duration::from_millis(100);

/// Batches of the index that are looked at in one go.
const EXTENTS: usize = 1_024;

/// Runs until the broker stops.
pub async fn run(broker: Arc<Broker>) {
    let mut draining = broker.draining.clone();
    let (mut over, mut next) = (Over::default(), EVERY);
    loop {
        let is_quiet = tokio::select! {
            () = tokio::time::sleep(next) => next == EVERY,
            () = broker.committer.much_written() => false,
            () = crate::edge::stopped(&mut draining) => return,
        };
        next = if trim(&broker, &mut over).await { SOON } else { EVERY };
        if is_quiet && let Err(error) = broker.store.tidy().await {
            tracing::warn!(%error, "space was not freed; it will be tried in time");
        }
    }
}

/// The logs that are over limits at which the oldest goes, and for each what may stay.
type Over = BTreeMap<LogId, Offset>;

/// True if more has to go of a log that is over its limits than at the last look.
async fn trim(broker: &Broker, last: &mut Over) -> bool {
    let look = broker.committer.pins().look();
    let catalogue = broker.catalogue();
    let now = broker.clock.now_ms();
    let (floors, over) = floors(&broker.store, &catalogue, now);
    if catalogue.snapshots.values().any(|snapshot| snapshot.expire_ms <= now) {
        broker.admin.tell(Command::ExpireSnapshots);
    }
    if !over.is_empty() {
        broker.admin.tell(Command::Reap(over));
    }
    let (mut trims, mut now_over) = (Vec::new(), Over::new());
    for queue in catalogue.queues.values() {
        push_trim(&broker.store, &mut trims, queue.inbox(), floors.get(&queue.inbox()).copied().unwrap_or(0));
    }
    for topic in catalogue.topics.values() {
        let needed = floors.get(&topic.log()).copied().unwrap_or(Offset::MAX);
        let retention = topic.record.settings.retention.unwrap_or_default();
        let kept = kept_from(&broker.store, topic.log(), &retention, now, needed).await;
        let below = dropped_below(&broker.store, topic.log(), topic.record.settings.limits.as_ref()).await;
        now_over.extend(below.map(|below| (topic.log(), below)));
        if let Some(below) = below.filter(|below| *below > needed) {
            give_up(&catalogue, topic.log(), below);
        }
        push_trim(&broker.store, &mut trims, topic.log(), kept.max(below.unwrap_or(0)).min(needed));
    }
    let goes_on = now_over.iter().any(|(log, below)| last.get(log).is_none_or(|known| known < below));
    *last = now_over;
    if trims.is_empty() || broker.committer.is_stopped() {
        return goes_on;
    }
    if let Ok(pending) = broker.committer.trim(look, trims).await
        && let Err(error) = pending.wait().await
    {
        tracing::warn!(%error, "what is not needed any more could not be trimmed");
    }
    goes_on
}

/// A topic is over limits at which the oldest goes: queues that have yet to settle it put it among their dead letters.
fn give_up(catalogue: &Catalogue, log: LogId, below: Offset) {
    let bound: BTreeSet<u64> = catalogue.bindings.over(log.0).map(|binding| binding.queue).collect();
    for queue in bound.iter().filter_map(|queue| catalogue.queues_by_id.get(queue)) {
        queue.handle.give_up(log, below);
    }
}

fn push_trim(store: &Store, trims: &mut Vec<(LogId, Offset)>, log: LogId, floor: Offset) {
    let floor = floor.min(store.end(log));
    if floor > store.first(log) {
        trims.push((log, floor));
    }
}

/// True if an ended binding brings nothing any more: its queue has passed it, and so have the snapshots of that.
pub(crate) fn is_over(catalogue: &Catalogue, binding: &BindingRecord, passed: Offset) -> bool {
    let Some(to) = binding.to else { return false };
    let of_log = |snapshot: &SnapshotRecord| {
        let cursor = snapshot.cursors.iter().find(|cursor| cursor.log == binding.log);
        cursor.map_or(Offset::MAX, |cursor| cursor.floor)
    };
    to <= binding.from || (passed >= to && catalogue.snapshots_of(binding.queue).all(|snapshot| of_log(snapshot) >= to))
}

/// The first offset of a log that a bound queue or a snapshot needs.
pub(crate) fn needed(store: &Store, catalogue: &Catalogue, now: u64, log: LogId) -> Offset {
    floors(store, catalogue, now).0.get(&log).copied().unwrap_or(Offset::MAX)
}

/// For each log the lowest durable floor of its queues and of their snapshots, and the ended bindings that their queues have passed.
fn floors(store: &Store, catalogue: &Catalogue, now: u64) -> (HashMap<LogId, Offset>, Vec<u64>) {
    let mut floors: HashMap<LogId, Offset> = HashMap::new();
    let mut over = Vec::new();
    let mut lower = |log: LogId, floor: Offset| {
        floors.entry(log).and_modify(|lowest| *lowest = floor.min(*lowest)).or_insert(floor);
    };
    for snapshot in catalogue.snapshots.values().filter(|snapshot| snapshot.expire_ms > now) {
        snapshot.cursors.iter().for_each(|cursor| lower(LogId(cursor.log), cursor.floor));
    }
    for queue in catalogue.queues.values() {
        let cursors: HashMap<LogId, Offset> =
            store.cursors(QueueId(queue.record.id)).into_iter().map(|(log, cursor)| (log, cursor.floor())).collect();
        lower(queue.inbox(), cursors.get(&queue.inbox()).copied().unwrap_or(0));
        let mut starts: HashMap<LogId, Offset> = HashMap::new();
        for binding in catalogue.bindings.to_queue(queue.record.id) {
            let passed = cursors.get(&binding.log_id()).copied().unwrap_or(0);
            if is_over(catalogue, binding, passed) {
                over.push(binding.id);
            }
            if binding.to.is_some_and(|to| passed >= to || to <= binding.from) {
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
    let first = store.first(log);
    let by_bytes = match retention.max_bytes {
        0 => first,
        max => by_bytes(store, log, first, max as u64).await,
    };
    let at = by_count.max(by_bytes).max(first);
    match &retention.max_age {
        Some(age) => by_age(store, log, at, end.min(needed), now.saturating_sub(ms(age))).await,
        None => at,
    }
}

fn ms(duration: &prost_types::Duration) -> u64 {
    duration.seconds as u64 * 1_000 + duration.nanos as u64 / 1_000_000
}

/// The first offset from which on the log has no more than `bytes_max`. Only the index is read.
pub(crate) async fn by_bytes(store: &Store, log: LogId, mut at: Offset, bytes_max: u64) -> Offset {
    let mut excess = store.bytes(log).saturating_sub(bytes_max);
    while excess > 0 {
        let Ok(extents) = store.extents(log, at, EXTENTS).await else { return at };
        if extents.is_empty() {
            return at;
        }
        for (_, end, bytes) in extents {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(bytes);
            at = end;
        }
    }
    at
}

/// The first offset of a batch that is not older than `oldest`: found by halves, as times rise with offsets.
pub(crate) async fn by_age(store: &Store, log: LogId, first: Offset, end: Offset, oldest: u64) -> Offset {
    let (mut from, mut to) = (first, end);
    while from < to {
        let middle = if from == first { from } else { from + (to - from) / 2 };
        let Ok(read) = store.read(log, middle, 1).await else { return from };
        let Some(stored) = read.into_iter().next() else { return from };
        let Ok(batch) = Batch::parse(stored.bytes) else { return from };
        if batch.publish_time_ms() < oldest {
            from = stored.base + u64::from(stored.count);
        } else if stored.base <= from {
            return from;
        } else {
            to = stored.base.min(middle);
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ferrymq_core::{LogId, batch};
    use ferrymq_engine::memory::MemoryLog;
    use ferrymq_engine::store::{Op, Store, StoreOptions};

    use super::{by_age, by_bytes};

    const LOG: LogId = LogId(9);

    /// Batch n has n + 1 messages, time 10 n, and one byte for each message.
    async fn store() -> (Store, Vec<u64>) {
        let store = Store::open(Arc::new(MemoryLog::new()), StoreOptions::default()).await.unwrap();
        let mut bases = Vec::new();
        for number in 0..40_u64 {
            let base = store.end(LOG);
            bases.push(base);
            let records = vec![(&b""[..], &b"x"[..]); number as usize + 1];
            let batch = batch::encode(number * 10, false, records.into_iter());
            store.commit(vec![Op::Append { log: LOG, base, count: number as u32 + 1, batch }], false).await.unwrap();
        }
        (store, bases)
    }

    #[tokio::test]
    async fn age_is_found_by_halves_as_by_looking_at_each() {
        let (store, bases) = store().await;
        let end = store.end(LOG);
        for oldest in 0..420 {
            let plain = bases.iter().enumerate().find(|(number, _)| *number as u64 * 10 >= oldest);
            assert_eq!(by_age(&store, LOG, 0, end, oldest).await, plain.map_or(end, |(_, base)| *base), "{oldest}");
        }
        store.commit(vec![Op::Replace { log: LOG, base: bases[20], count: 21, batch: None }], false).await.unwrap();
        for oldest in 0..420 {
            let found = by_age(&store, LOG, 0, end, oldest).await;
            let older = bases.iter().enumerate().filter(|(_, base)| **base < found);
            assert!(older.into_iter().all(|(number, _)| number == 20 || (number as u64) * 10 < oldest), "{oldest}");
        }
    }

    #[tokio::test]
    async fn bytes_go_from_the_front_in_whole_batches() {
        let (store, bases) = store().await;
        let all = store.bytes(LOG);
        let mut left = all;
        for (number, (base, end, bytes)) in store.extents(LOG, 0, 100).await.unwrap().into_iter().enumerate() {
            assert_eq!(base, bases[number]);
            assert_eq!(by_bytes(&store, LOG, 0, left).await, base);
            assert_eq!(by_bytes(&store, LOG, 0, left - 1).await, end);
            left -= bytes;
        }
        assert_eq!(left, 0);
    }
}
