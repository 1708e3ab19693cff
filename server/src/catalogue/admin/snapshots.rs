//! Taking and deleting snapshots of queues' progress.

use std::sync::Arc;

use ferrymq_core::LogId;
use ferrymq_core::QueueId;
use ferrymq_core::cursor::Cursor;
use ferrymq_engine::store::Op;
use ferrymq_proto::server as pb;
use prost::Message as _;

use super::{Task, differing, put};
use crate::catalogue::record::{SnapshotCursor, SnapshotRecord, snapshot_key};
use crate::catalogue::{Queue, settings};
use crate::error::Error;
use crate::points::{millis, timestamp};

/// The most snapshots there can be.
const SNAPSHOTS_MAX: usize = 10_000;
/// The most snapshots of one queue.
const SNAPSHOTS_OF_QUEUE_MAX: usize = 100;
/// The most settled ranges that a snapshot keeps of one log; what is settled above them is delivered again.
const RANGES_MAX: usize = 10_000;

const DAY_MS: u64 = 86_400_000;

impl Task {
    pub(super) async fn create_snapshot(&mut self, given: pb::Snapshot) -> Result<pb::Snapshot, Error> {
        settings::name("snapshot.name", &given.name)?;
        let queue = self.catalogue.queue(&given.queue)?;
        let now = self.clock.now_ms();
        let expire_ms = expiry(&given, now)?;
        if let Ok(there) = self.catalogue.snapshot(&given.name, now) {
            return same(&given, &there);
        }
        self.check_snapshots(queue.record.id)?;
        let _pin = self.committer.pins().pin(self.catalogue.logs_of(&queue));
        let settings = pb::Snapshot {
            create_time: Some(timestamp(now)),
            expire_time: Some(given.expire_time.unwrap_or_else(|| timestamp(expire_ms))),
            ..given
        };
        let record = SnapshotRecord { settings, queue: queue.record.id, expire_ms, cursors: self.progress(&queue) };
        let key = snapshot_key(&record.settings.name);
        self.commit(vec![put(key, record.encode_to_vec().into())]).await?;
        let settings = record.settings.clone();
        self.catalogue.snapshots.insert(settings.name.as_str().into(), Arc::new(record));
        Ok(settings)
    }

    fn check_snapshots(&self, queue: u64) -> Result<(), Error> {
        if self.catalogue.snapshots.len() >= SNAPSHOTS_MAX {
            return Err(Error::limit_reached("snapshots", SNAPSHOTS_MAX as u64));
        }
        if self.catalogue.snapshots_of(queue).count() >= SNAPSHOTS_OF_QUEUE_MAX {
            return Err(Error::limit_reached("snapshots of one queue", SNAPSHOTS_OF_QUEUE_MAX as u64));
        }
        Ok(())
    }

    /// Where every cursor of the queue stands on disk.
    fn progress(&self, queue: &Queue) -> Vec<SnapshotCursor> {
        let cursors = self.store.cursors(QueueId(queue.record.id));
        let stands = |log: LogId| {
            let none = Cursor::default();
            let cursor = cursors.iter().find(|(of, _)| *of == log).map_or(&none, |(_, cursor)| cursor);
            let settled = cursor.settled_ranges().take(RANGES_MAX).flat_map(|(from, to)| [from, to]).collect();
            SnapshotCursor { log: log.0, floor: cursor.floor().max(self.catalogue.begin_of(queue, log)), settled }
        };
        self.catalogue.logs_of(queue).into_iter().map(stands).collect()
    }

    pub(super) async fn delete_snapshot(&mut self, request: pb::DeleteSnapshotRequest) -> Result<bool, Error> {
        match self.catalogue.snapshot(&request.name, self.clock.now_ms()) {
            Err(_) if request.allow_missing => return Ok(false),
            found => found?,
        };
        self.commit(vec![Op::Delete { key: snapshot_key(&request.name) }]).await?;
        self.catalogue.snapshots.remove(request.name.as_str());
        Ok(true)
    }

    /// Removes those whose time is over.
    pub(super) async fn expire_snapshots(&mut self) {
        let now = self.clock.now_ms();
        let over = self.catalogue.snapshots.iter().filter(|(_, snapshot)| snapshot.expire_ms <= now);
        let names: Vec<Arc<str>> = over.map(|(name, _)| name.clone()).collect();
        let ops: Vec<Op> = names.iter().map(|name| Op::Delete { key: snapshot_key(name) }).collect();
        if ops.is_empty() {
            return;
        }
        match self.commit(ops).await {
            Ok(()) => names.iter().for_each(|name| drop(self.catalogue.snapshots.remove(name))),
            Err(error) => tracing::warn!(%error, "snapshots whose time is over could not be removed"),
        }
    }

    /// Ends those of a queue that goes.
    pub(super) fn end_snapshots(&self, queue: u64) -> impl Iterator<Item = Op> {
        self.catalogue.snapshots_of(queue).map(|snapshot| Op::Delete { key: snapshot_key(&snapshot.settings.name) })
    }
}

/// When a snapshot ends: up to 31 days from now, 7 where it does not say.
fn expiry(given: &pb::Snapshot, now: u64) -> Result<u64, Error> {
    let Some(time) = &given.expire_time else { return Ok(now + 7 * DAY_MS) };
    let expire_ms = millis("snapshot.expire_time", time)?;
    if expire_ms <= now || expire_ms > now + 31 * DAY_MS {
        return Err(Error::invalid("snapshot.expire_time", "must be in the future, and at most 31 days from now"));
    }
    Ok(expire_ms)
}

fn same(given: &pb::Snapshot, there: &SnapshotRecord) -> Result<pb::Snapshot, Error> {
    let differ = differing(&[
        ("queue", given.queue != there.settings.queue),
        ("expire_time", given.expire_time.is_some() && given.expire_time != there.settings.expire_time),
    ]);
    match differ {
        None => Ok(there.settings.clone()),
        Some(fields) => Err(Error::settings_differ(&fields)),
    }
}
