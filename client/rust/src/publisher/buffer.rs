//! Messages on their way into a batch, encoded as they come.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use ferrymq_proto::v1::Message;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::PublisherOptions;
use super::confirm::{Answer, Confirm};
use crate::Error;

/// What a message takes of the buffer beside its bytes.
const OVERHEAD_BYTES: usize = 64;
/// Of `PublishRequest.messages`.
const MESSAGES_TAG: u32 = 4;

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
    /// The whole `PublishRequest`, encoded.
    pub request: Bytes,
    pub answer: Answer,
    /// Of the publisher's room.
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
    /// What every batch begins with: a `PublishRequest` without messages, encoded.
    head: Bytes,
}

#[derive(Debug, Default)]
struct State {
    /// All but the last are as full as they get.
    batches: VecDeque<Filling>,
    /// How large the last batch was that was sent: the next is expected to be like it.
    expected_bytes: usize,
    hurry: bool,
    closing: bool,
    ended: Option<Error>,
}

/// A batch that takes messages yet.
#[derive(Debug)]
struct Filling {
    request: BytesMut,
    messages: usize,
    bytes: usize,
    since: Instant,
    answer: Answer,
}

impl Buffer {
    pub(super) fn new(options: PublisherOptions, head: Bytes) -> Self {
        let room = Semaphore::new(options.unconfirmed_bytes);
        Self { state: Mutex::default(), wake: Notify::new(), room, options, head }
    }

    /// What a message of this encoded length takes of the room. One always passes, however large.
    pub(super) fn room_for(&self, encoded_len: usize) -> usize {
        (encoded_len + OVERHEAD_BYTES).min(self.options.unconfirmed_bytes)
    }

    /// Takes a message for which room has been taken.
    pub(super) fn push(&self, message: &Message, encoded_len: usize) -> Result<Confirm, Error> {
        let bytes = self.room_for(encoded_len);
        let mut state = self.lock();
        if let Some(error) = &state.ended {
            return Err(error.clone());
        }
        let fits = state.batches.back().is_some_and(|batch| batch.fits(bytes, &self.options));
        if !fits {
            let request = self.begun(encoded_len, state.expected_bytes);
            state.batches.push_back(Filling::new(request));
        }
        let Some(batch) = state.batches.back_mut() else { return Err(Error::unavailable("no batch was begun")) };
        let confirm = batch.add(message, encoded_len, bytes);
        let is_full = batch.is_full(&self.options);
        drop(state);
        // In between nothing changes for the task that sends.
        if !fits || is_full {
            self.wake.notify_one();
        }
        Ok(confirm)
    }

    /// With room for its first message, or as much as the batch before it took.
    fn begun(&self, encoded_len: usize, expected_bytes: usize) -> BytesMut {
        let first = key_len(MESSAGES_TAG) + encoded_len_varint(encoded_len as u64) + encoded_len;
        let mut request = BytesMut::with_capacity((self.head.len() + first).max(expected_bytes));
        request.extend_from_slice(&self.head);
        request
    }

    /// `waiting`: how many batches are unconfirmed. Two keep the connection busy; more of them have to be full.
    pub(super) fn ready(&self, waiting: usize) -> Ready {
        let state = self.lock();
        let Some(oldest) = state.batches.front() else { return Ready::No };
        if state.batches.len() > 1 || oldest.is_full(&self.options) {
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
        let Filling { request, bytes, since, answer, .. } = state.batches.pop_front()?;
        state.expected_bytes = request.len();
        state.hurry &= !state.batches.is_empty();
        Some(Batch { request: request.freeze(), answer, bytes, since })
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
        self.lock().batches.is_empty()
    }

    /// When the message was published that waits longest.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lock().batches.front().map(|batch| batch.since)
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

impl Filling {
    fn new(request: BytesMut) -> Self {
        Self { request, messages: 0, bytes: 0, since: Instant::now(), answer: Answer::default() }
    }

    fn fits(&self, bytes: usize, options: &PublisherOptions) -> bool {
        self.messages < options.batch_messages && self.bytes + bytes <= options.batch_bytes
    }

    fn is_full(&self, options: &PublisherOptions) -> bool {
        self.messages >= options.batch_messages || self.bytes >= options.batch_bytes
    }

    fn add(&mut self, message: &Message, encoded_len: usize, bytes: usize) -> Confirm {
        encode_key(MESSAGES_TAG, WireType::LengthDelimited, &mut self.request);
        encode_varint(encoded_len as u64, &mut self.request);
        message.encode_raw(&mut self.request);
        self.bytes += bytes;
        self.messages += 1;
        self.answer.confirm(self.messages - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ferrymq_proto::v1::PublishRequest;

    use super::*;

    fn buffer(options: PublisherOptions) -> Buffer {
        Buffer::new(options.clamped(), head().encode_to_vec().into())
    }

    fn head() -> PublishRequest {
        PublishRequest { destination: Some("orders".into()), require_route: true, ..PublishRequest::default() }
    }

    /// Publishes a message that takes so much room.
    fn push(buffer: &Buffer, bytes: usize) {
        let message = sized(bytes);
        buffer.push(&message, message.encoded_len()).expect("it is open");
    }

    fn sized(bytes: usize) -> Message {
        let field = if bytes - OVERHEAD_BYTES < 130 { 2 } else { 3 };
        let payload = vec![7; bytes - OVERHEAD_BYTES - field].into();
        Message { payload, ..Message::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_the_request_that_its_messages_would_make() {
        let buffer = buffer(PublisherOptions::default());
        for bytes in [100, 1000, 70] {
            push(&buffer, bytes);
        }
        let batch = buffer.take().expect("there is one");
        let expected = PublishRequest { messages: [100, 1000, 70].map(sized).into(), ..head() };
        assert_eq!(PublishRequest::decode(batch.request), Ok(expected));
        assert_eq!(batch.bytes, 1170);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_ends_at_its_messages_and_at_its_bytes_and_a_large_message_goes_alone() {
        let buffer = buffer(PublisherOptions { batch_messages: 3, batch_bytes: 1000, ..PublisherOptions::default() });
        [100, 100, 100, 100, 900, 5000, 100].into_iter().for_each(|bytes| push(&buffer, bytes));
        let sizes = std::iter::from_fn(|| buffer.take()).map(|batch| batch.bytes).collect::<Vec<_>>();
        assert_eq!(sizes, [300, 1000, 5000, 100]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_batch_waits_for_its_linger_and_while_two_are_on_their_way() {
        let linger = Duration::from_millis(5);
        let buffer = buffer(PublisherOptions { linger, batch_messages: 2, ..PublisherOptions::default() });
        assert_eq!(buffer.ready(0), Ready::No);
        push(&buffer, 70);
        assert_eq!(buffer.ready(0), Ready::At(Instant::now() + linger));
        tokio::time::advance(linger).await;
        assert_eq!(buffer.ready(1), Ready::Now);
        assert_eq!(buffer.ready(2), Ready::No);
        push(&buffer, 70);
        assert_eq!(buffer.ready(2), Ready::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flush_does_not_linger() {
        let buffer = buffer(PublisherOptions { linger: Duration::from_secs(1), ..PublisherOptions::default() });
        push(&buffer, 70);
        buffer.hurry();
        assert_eq!(buffer.ready(0), Ready::Now);
    }
}
