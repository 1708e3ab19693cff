//! `Pause` and `Resume`.

use super::Api;
use crate::catalogue::admin::Command;
use crate::error::Error;

impl Api {
    pub(super) async fn pause_queue(&self, queue: String, paused: bool) -> Result<(), Error> {
        self.broker.check_serving()?;
        // Looked up here too, so that the span of the call names it.
        self.broker.queue(&queue)?;
        self.broker.admin.ask(|reply| Command::PauseQueue(queue, paused, reply)).await
    }
}
