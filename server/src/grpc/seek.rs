//! `Seek`: where each log that feeds a queue goes.

use std::sync::Arc;

use ferrymq_core::{LogId, Millis, Offset};
use ferrymq_proto::server as pb;

use super::Api;
use crate::catalogue::record::SnapshotRecord;
use crate::catalogue::{Catalogue, Queue};
use crate::error::Error;
use crate::points::{self, Point, point};
use crate::queue::{Target, To};

impl Api {
    pub(super) async fn seek_queue(&self, request: &pb::SeekRequest) -> Result<pb::SeekResponse, Error> {
        let broker = &self.broker;
        broker.check_serving()?;
        let queue = broker.queue(&request.queue)?;
        if request.to.is_none() {
            return Err(Error::invalid("to", "is required"));
        }
        let point = point("to", request.to.as_ref())?;
        let catalogue = broker.catalogue();
        let logs = self.sought_logs(&catalogue, &queue, &request.topic, &point)?;
        let pin = broker.committer.pins().pin(logs.clone());
        let now = broker.clock.now_ms();
        // What it needs was kept until the logs were pinned: it is looked up behind that.
        let snapshot = self.snapshot_of(&queue, &point, now)?;
        let mut targets = Vec::with_capacity(logs.len());
        let mut trimmed = false;
        for log in logs {
            let begins = catalogue.begin_of(&queue, log);
            let (to, is_short) = match &snapshot {
                Some(snapshot) => (self.stood(snapshot, log, begins), false),
                None => self.target(&point, log, begins, now).await?,
            };
            trimmed |= is_short;
            targets.push(Target { log, to });
        }
        let ready = queue.handle.seek(targets.clone(), pin).await?;
        // A trim that was under way when the logs were pinned may have come before.
        trimmed |= targets.iter().any(|target| match &target.to {
            To::Offset(offset) => *offset < broker.store.first(target.log),
            To::Stood { floor, .. } => *floor < broker.store.first(target.log),
            To::End => false,
        });
        Ok(pb::SeekResponse { ready, trimmed })
    }

    /// The logs that move: those of the queue, of one topic, or the one that a position names.
    fn sought_logs(
        &self,
        catalogue: &Catalogue,
        queue: &Queue,
        topic: &str,
        point: &Point,
    ) -> Result<Vec<LogId>, Error> {
        let mut logs = catalogue.logs_of(queue);
        if !topic.is_empty() {
            let log = self.broker.topic(topic)?.log();
            if !logs.contains(&log) {
                return Err(Error::invalid("topic", format!("the queue takes nothing from `{topic}`")));
            }
            logs = vec![log];
        }
        let Point::Position(log, _) = point else { return Ok(logs) };
        if !logs.contains(log) {
            return Err(points::unknown("to", "the queue takes nothing from its log"));
        }
        Ok(vec![*log])
    }

    /// The snapshot that a point names, which has to be of this queue.
    fn snapshot_of(&self, queue: &Queue, point: &Point, now: Millis) -> Result<Option<Arc<SnapshotRecord>>, Error> {
        let Point::Snapshot(name) = point else { return Ok(None) };
        let snapshot = self.broker.catalogue().snapshot(name, now)?;
        if snapshot.queue == queue.record.id {
            return Ok(Some(snapshot));
        }
        let rule = format!("is of the queue `{}`, the only one that can seek to it", snapshot.settings.queue);
        Err(Error::invalid("to.snapshot", rule))
    }

    /// Where a cursor stood. Of a log that was bound since, all is newer.
    fn stood(&self, snapshot: &SnapshotRecord, log: LogId, begins: Offset) -> To {
        match snapshot.cursors.iter().find(|cursor| cursor.log == log.0) {
            Some(cursor) => To::Stood { floor: cursor.floor, settled: cursor.settled_ranges() },
            None => To::Offset(self.broker.store.first(log).max(begins)),
        }
    }

    /// Where one log goes; true if some of what was asked for may be kept no more. Nothing below `begins` was ever the
    /// queue's.
    async fn target(&self, point: &Point, log: LogId, begins: Offset, now: Millis) -> Result<(To, bool), Error> {
        let store = &self.broker.store;
        match point {
            Point::Latest => Ok((To::End, false)),
            Point::Time(time) if *time > now => Ok((To::End, false)),
            _ => {
                let found = points::resolve(store, "to", point, log, now).await?;
                let first = store.first(log);
                let is_short = matches!(point, Point::Time(_)) && found <= first && begins < first;
                Ok((To::Offset(found.max(begins)), is_short))
            }
        }
    }
}
