//! Messages on their way into a batch.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ferrymq_proto::v1::{Message, PublishResult};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::Instant;

use super::PublisherOptions;
use crate::Error;

/// Where the outcome of one message goes.
pub(super) type Answer = oneshot::Sender<Result<PublishResult, Error>>;

/// Whether there is a batch to send.
#[derive(Debug, PartialEq)]
pub(super) enum Ready {
    No,
    At(Instant),
    Now,
}

/// Messages that are confirmed or refused together.
#[derive(Debug)]
pub(super) struct Batch {
    pub messages: Vec<Message>,
    pub answers: Vec<Answer>,
    pub bytes: usize,
    /// When the oldest was published.
    pub since: Instant,
}

/// What the publishing side and the task that sends share.
#[derive(Debug)]
pub(super) struct Buffer {
    state: Mutex<State>,
    /// Wakes the task that sends.
    pub wake: Notify,
    /// Bytes that may still be taken.
    pub room: Semaphore,
    options: PublisherOptions,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    bytes: usize,
    hurry: bool,
    closing: bool,
    ended: Option<Error>,
}

#[derive(Debug)]
struct Entry {
    message: Message,
    bytes: usize,
    since: Instant,
    answer: Answer,
}

impl Buffer {
    pub(super) fn new(options: PublisherOptions) -> Self {
        let room = Semaphore::new(options.unconfirmed_bytes);
        Self { state: Mutex::default(), wake: Notify::new(), room, options }
    }

    /// Takes a message for which room has been taken.
    pub(super) fn push(&self, message: Message, bytes: usize, answer: Answer) -> Result<(), Error> {
        let since = Instant::now();
        let mut state = self.lock();
        if let Some(error) = &state.ended {
            return Err(error.clone());
        }
        state.entries.push_back(Entry { message, bytes, since, answer });
        state.bytes += bytes;
        let (count, held) = (state.entries.len(), state.bytes);
        drop(state);
        // In between nothing changes for the task that sends.
        if count == 1 || count == self.options.batch_messages || held >= self.options.batch_bytes {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// `waiting`: how many batches are unconfirmed. Two keep the connection busy; more of them have to be full.
    pub(super) fn ready(&self, waiting: usize) -> Ready {
        let state = self.lock();
        let Some(oldest) = state.entries.front() else { return Ready::No };
        if state.entries.len() >= self.options.batch_messages || state.bytes >= self.options.batch_bytes {
            return Ready::Now;
        }
        if waiting >= 2 {
            return Ready::No;
        }
        let due = oldest.since + self.options.linger;
        if state.hurry || state.closing || due <= Instant::now() { Ready::Now } else { Ready::At(due) }
    }

    /// The next batch, if there is anything.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut state = self.lock();
        let since = state.entries.front()?.since;
        let most = state.entries.len().min(self.options.batch_messages);
        let mut batch =
            Batch { messages: Vec::with_capacity(most), answers: Vec::with_capacity(most), bytes: 0, since };
        while let Some(next) = state.entries.front().map(|entry| entry.bytes) {
            let is_full =
                batch.messages.len() >= self.options.batch_messages || batch.bytes + next > self.options.batch_bytes;
            if is_full && !batch.messages.is_empty() {
                break;
            }
            let Some(entry) = state.entries.pop_front() else { break };
            batch.bytes += entry.bytes;
            batch.messages.push(entry.message);
            batch.answers.push(entry.answer);
        }
        state.bytes -= batch.bytes;
        state.hurry &= !state.entries.is_empty();
        Some(batch)
    }

    /// Sends what is there without lingering.
    pub(super) fn hurry(&self) {
        self.lock().hurry = true;
        self.wake.notify_one();
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// When the message was published that waits longest.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lock().entries.front().map(|entry| entry.since)
    }

    /// Lets nothing more in.
    pub(super) fn end(&self, error: Error) {
        self.lock().ended.get_or_insert(error);
        self.room.close();
    }

    pub(super) fn end_reason(&self) -> Error {
        self.lock().ended.clone().unwrap_or_else(|| Error::unavailable("the publisher has been closed"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each critical section leaves the state whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn buffer(options: PublisherOptions) -> Buffer {
        Buffer::new(options.clamped())
    }

    fn push(buffer: &Buffer, bytes: usize) {
        let message = Message { payload: vec![0; bytes].into(), ..Message::default() };
        buffer.push(message, bytes, oneshot::channel().0).expect("it is open");
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_ends_at_its_messages_and_at_its_bytes_and_a_large_message_goes_alone() {
        let buffer = buffer(PublisherOptions { batch_messages: 3, batch_bytes: 100, ..PublisherOptions::default() });
        [10, 10, 10, 10, 90, 500, 10].into_iter().for_each(|bytes| push(&buffer, bytes));
        let sizes = std::iter::from_fn(|| buffer.take()).map(|batch| batch.bytes).collect::<Vec<_>>();
        assert_eq!(sizes, [30, 100, 500, 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_batch_waits_for_its_linger_and_while_two_are_on_their_way() {
        let linger = Duration::from_millis(5);
        let buffer = buffer(PublisherOptions { linger, batch_messages: 2, ..PublisherOptions::default() });
        assert_eq!(buffer.ready(0), Ready::No);
        push(&buffer, 1);
        assert_eq!(buffer.ready(0), Ready::At(Instant::now() + linger));
        tokio::time::advance(linger).await;
        assert_eq!(buffer.ready(1), Ready::Now);
        assert_eq!(buffer.ready(2), Ready::No);
        push(&buffer, 1);
        assert_eq!(buffer.ready(2), Ready::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_does_not_linger() {
        let buffer = buffer(PublisherOptions { linger: Duration::from_secs(1), ..PublisherOptions::default() });
        push(&buffer, 1);
        buffer.hurry();
        assert_eq!(buffer.ready(0), Ready::Now);
    }
}
