//! Stopping a queue's deliveries, and starting them again.

use std::sync::Arc;

use prost::Message as _;

use super::{Task, put};
use crate::catalogue::Queue;
use crate::catalogue::record::queue_key;
use crate::error::Error;
use crate::points::timestamp;

impl Task {
    /// On disk first, then told to the queue: when this returns, nothing is handed out any more (or all is again).
    pub(super) async fn pause_queue(&mut self, name: &str, paused: bool) -> Result<(), Error> {
        let queue = self.catalogue.queue(name)?;
        if queue.record.settings.paused == paused {
            return Ok(());
        }
        let mut record = queue.record.clone();
        record.settings.paused = paused;
        record.settings.update_time = Some(timestamp(self.clock.now_ms()));
        record.changes += 1;
        self.commit(vec![put(queue_key(name), record.encode_to_vec().into())]).await?;
        self.catalogue.add_queue(Queue { record, handle: queue.handle.clone(), gate: Arc::clone(&queue.gate) });
        queue.handle.pause(paused).await
    }
}
