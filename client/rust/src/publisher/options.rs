//! How a publisher batches.

use std::time::Duration;

/// How a [`Publisher`](crate::Publisher) batches and how much it holds.
#[derive(Clone, Debug)]
pub struct PublisherOptions {
    /// How long a message may wait for others of its batch. Default 0: a batch is what came while the two before it were on
    /// their way.
    pub linger: Duration,
    /// Most messages in one batch, 1 to 10,000. Default 1,000.
    pub batch_messages: usize,
    /// Most bytes in one batch, up to 4 MiB. Default 256 KiB. A larger message goes alone.
    pub batch_bytes: usize,
    /// Most bytes buffered and on their way; above, [`publish`](crate::Publisher::publish) waits. Default 16 MiB. One message
    /// always passes.
    pub unconfirmed_bytes: usize,
    /// How long a message is tried for while the connection is broken, from when it was published. Default 60 s.
    pub publish_timeout: Duration,
    /// Refuse a batch if some message of it matches no queue. Default false.
    pub require_route: bool,
    /// How long the broker waits for room in a full queue or disk. Default: without end.
    pub wait_for_room: Option<Duration>,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            linger: Duration::ZERO,
            batch_messages: 1000,
            batch_bytes: 256 << 10,
            unconfirmed_bytes: 16 << 20,
            publish_timeout: Duration::from_secs(60),
            require_route: false,
            wait_for_room: None,
        }
    }
}

impl PublisherOptions {
    /// The same within their ranges.
    pub(crate) fn clamped(mut self) -> Self {
        self.batch_messages = self.batch_messages.clamp(1, 10_000);
        self.batch_bytes = self.batch_bytes.clamp(1, 4 << 20);
        self.unconfirmed_bytes = self.unconfirmed_bytes.clamp(1, 1 << 30);
        self
    }
}
