//! The streams of a queue's consumers, and the consumers that are kept until theirs comes back.

use std::collections::HashMap;

use ferrymq_core::queue::{End, Window};
use tokio::sync::mpsc;

use super::task::{Task, ms};
use super::{Event, LeaseMode, Message, Subscription, Wish};
use crate::error::Error;

/// Events that may wait for a stream beyond its prefetch: those that are no deliveries.
const EVENTS_EXTRA: usize = 16;
/// The largest prefetch there is.
const PREFETCH_MAX: usize = 100_000;
/// The window of a consumer that gets nothing more.
const SHUT: Window = Window { messages: 0, bytes: 1 };

/// The way to one stream.
struct Line {
    events: mpsc::Sender<Event>,
    /// Which of the consumer's streams, one after another, this is.
    stream: u64,
    /// Each event has at least one delivery, so more than this wait only if it does not read.
    waiting_max: usize,
    resume_within_ms: u64,
    /// Its window, once what was lost on its way is on record: that goes out before anything newer.
    shut: Option<Window>,
}

/// The consumers of a queue.
#[derive(Default)]
pub(super) struct Consumers {
    lines: HashMap<u64, Line>,
    /// Consumers whose stream broke, and until when they may come back.
    kept: HashMap<u64, u64>,
    last_stream: u64,
}

impl Consumers {
    /// A line for a new stream of a consumer; an earlier one of it ends.
    fn connect(&mut self, consumer: u64, window: Window, resume_within_ms: u64) -> (u64, mpsc::Receiver<Event>) {
        self.last_stream += 1;
        // The channel takes memory for what is in it only.
        let (events, receiver) = mpsc::channel(PREFETCH_MAX + EVENTS_EXTRA);
        let waiting_max = window.messages as usize + EVENTS_EXTRA;
        let line = Line { events, stream: self.last_stream, waiting_max, resume_within_ms, shut: None };
        self.kept.remove(&consumer);
        if let Some(earlier) = self.lines.insert(consumer, line) {
            let replaced = Error::new(
                ferrymq_proto::v1::ErrorReason::ConsumerReplaced,
                "the consumer came back with its resume token on another stream",
            );
            let _ = earlier.events.try_send(Event::End(replaced));
        }
        (self.last_stream, receiver)
    }

    fn line_of(&mut self, consumer: u64, stream: u64) -> Option<&mut Line> {
        self.lines.get_mut(&consumer).filter(|line| line.stream == stream)
    }

    /// Passes an event on. False: the consumer does not read.
    pub(super) fn pass(&self, consumer: u64, event: Event) -> bool {
        let Some(line) = self.lines.get(&consumer) else { return true };
        if line.events.max_capacity() - line.events.capacity() >= line.waiting_max {
            return false;
        }
        // Gone: its end is in the mailbox.
        !matches!(line.events.try_send(event), Err(mpsc::error::TrySendError::Full(_)))
    }

    pub(super) fn remove(&mut self, consumer: u64) {
        self.lines.remove(&consumer);
        self.kept.remove(&consumer);
    }

    /// Ends all streams; nobody may come back.
    pub(super) fn end_all(&mut self, error: &Error) {
        self.kept.clear();
        for (_, line) in self.lines.drain() {
            let _ = line.events.try_send(Event::End(error.clone()));
        }
    }

    /// How many have no stream.
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// When the next one that is kept is given up.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.kept.values().min().copied()
    }
}

impl Task {
    pub(super) async fn subscribe(
        &mut self,
        wish: &Wish,
        mailbox: mpsc::Sender<Message>,
    ) -> Result<Subscription, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let max = ms(self.record.settings.max_lease.as_ref());
        let lease_ms = wish.lease_ms.unwrap_or(ms(self.record.settings.lease.as_ref()));
        if lease_ms > max {
            return Err(Error::invalid("lease", format!("must be at most the queue's max_lease, {max} ms")));
        }
        let resumed = self.resumed(wish, lease_ms);
        let consumer = resumed.unwrap_or_else(|| self.machine.add_consumer(wish.window, lease_ms, wish.mode));
        let (stream, events) = self.consumers.connect(consumer, wish.window, wish.resume_within_ms);
        if resumed.is_some() {
            self.open_when_durable(consumer, stream, wish.window, mailbox.clone()).await;
        }
        self.will_tell_caught_up(consumer);
        let lease_ms = if wish.mode == LeaseMode::Stream { max } else { lease_ms };
        Ok(Subscription { consumer, lease_ms, events, end: End::Lost, stream, mailbox })
    }

    /// The consumer that comes back, if it does and is still known.
    fn resumed(&mut self, wish: &Wish, lease_ms: u64) -> Option<u64> {
        let resume = wish.resume.as_ref()?;
        let now = self.shared.clock.now_ms();
        let is_too_late = self.consumers.kept.get(&resume.consumer).is_some_and(|until| *until <= now);
        let asked = self.consumers.lines.get(&resume.consumer).is_some_and(|line| line.resume_within_ms > 0);
        if is_too_late || !(asked || self.consumers.kept.contains_key(&resume.consumer)) {
            return None;
        }
        let wanted = (SHUT, lease_ms, wish.mode);
        let is_known = self.machine.resume_consumer(resume.consumer, wanted, &resume.held, now);
        is_known.then_some(resume.consumer)
    }

    async fn open_when_durable(&mut self, consumer: u64, stream: u64, window: Window, mailbox: mpsc::Sender<Message>) {
        if let Some(line) = self.consumers.line_of(consumer, stream) {
            line.shut = Some(window);
        }
        let open = move |_| {
            let message = Message::OpenWindow { consumer, stream };
            if let Err(mpsc::error::TrySendError::Full(message)) = mailbox.try_send(message) {
                tokio::spawn(async move { mailbox.send(message).await });
            }
        };
        self.when_durable(Box::new(open)).await;
    }

    /// What was lost on the way to a consumer that came back is ready again: it gets what it asked for.
    pub(super) fn open_window(&mut self, consumer: u64, stream: u64) {
        let Some(line) = self.consumers.line_of(consumer, stream) else { return };
        if let Some(window) = line.shut.take() {
            self.machine.set_window(consumer, window);
        }
    }

    /// A stream is over.
    pub(super) fn gone(&mut self, consumer: u64, stream: u64, end: End, now: u64) {
        // It has been replaced: what it held is the other's.
        let Some(line) = self.consumers.line_of(consumer, stream) else { return };
        let until = now.saturating_add(line.resume_within_ms);
        self.consumers.lines.remove(&consumer);
        self.catching_up.retain(|waiting| waiting.consumer != consumer);
        if end == End::Lost && until > now && self.machine.set_window(consumer, SHUT) {
            self.consumers.kept.insert(consumer, until);
        } else {
            self.machine.remove_consumer(consumer, end, now);
        }
    }

    /// Gives up on those that did not come back in time.
    pub(super) fn end_kept(&mut self, now: u64) {
        if self.consumers.kept.is_empty() {
            return;
        }
        let late: Vec<u64> =
            self.consumers.kept.iter().filter(|(_, until)| **until <= now).map(|(id, _)| *id).collect();
        for consumer in late {
            self.consumers.kept.remove(&consumer);
            self.machine.remove_consumer(consumer, End::Lost, now);
        }
    }

    pub(super) fn set_window(&mut self, consumer: u64, stream: u64, window: Window) {
        let Some(line) = self.consumers.line_of(consumer, stream) else { return };
        line.waiting_max = line.waiting_max.max(window.messages as usize + EVENTS_EXTRA);
        match &mut line.shut {
            Some(shut) => *shut = window,
            None => drop(self.machine.set_window(consumer, window)),
        }
    }
}
