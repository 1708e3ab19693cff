//! `Seek`: where each log that feeds a queue goes.

use ferrymq_core::{LogId, Millis, Offset};
use ferrymq_proto::server as pb;

use super::Api;
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
        let mut targets = Vec::with_capacity(logs.len());
        let mut trimmed = false;
        for log in logs {
            let begins = begin_of(&catalogue, &queue, log);
            let (to, is_short) = self.target(&point, log, begins, now).await?;
            trimmed |= is_short;
            targets.push(Target { log, to });
        }
        let ready = queue.handle.seek(targets.clone(), pin).await?;
        // A trim that was under way when the logs were pinned may have come before.
        trimmed |= targets.iter().any(|target| match &target.to {
            To::Offset(offset) => *offset < broker.store.first(target.log),
            To::Cursor(cursor) => cursor.floor() < broker.store.first(target.log),
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

    /// Where one log goes; true if some of what was asked for may be kept no more. Nothing below `begins` was ever the
    /// queue's.
    async fn target(&self, point: &Point, log: LogId, begins: Offset, now: Millis) -> Result<(To, bool), Error> {
        let store = &self.broker.store;
        match point {
            Point::Latest => Ok((To::End, false)),
            Point::Time(time) if *time > now => Ok((To::End, false)),
            Point::Snapshot(_) => Err(Error::not_supported("to.snapshot")),
            Point::Earliest | Point::Position(..) | Point::Time(_) => {
                let found = points::resolve(store, "to", point, log, now).await?;
                let first = store.first(log);
                let is_short = matches!(point, Point::Time(_)) && found <= first && begins < first;
                Ok((To::Offset(found.max(begins)), is_short))
            }
        }
    }
}

/// The first offset of a log that some binding of the queue takes; 0 for the inbox.
fn begin_of(catalogue: &Catalogue, queue: &Queue, log: LogId) -> Offset {
    let bindings = catalogue.bindings_to(queue.record.id);
    bindings.iter().filter(|binding| binding.log_id() == log).map(|binding| binding.from).min().unwrap_or(0)
}
