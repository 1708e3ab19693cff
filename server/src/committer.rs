//! The committer: the one writer of the store.
//!
//! It seals everything that waits into one group, commits it with one sync, and answers the callers. While a group is
//! synced the next one forms in its channels; there is no artificial wait. Settlements and admin changes go before
//! publishes, and still go when the disk is full (group commit after Helland et al., "Group Commit Timers", 1987).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ferrymq_core::settle::{self, SettleRecord};
use ferrymq_core::{CommitNo, LogId, Offset};
use ferrymq_engine::frame_log::LogError;
use ferrymq_engine::store::{Op, SETTLE_LOG, Store, StoreError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::error::Error;
use crate::watch::LogWatch;

/// Most submissions that wait in each channel.
const WAITING_MAX: usize = 8_192;
/// After so many bytes what is not needed any more is looked for.
const MUCH_BYTES: u64 = 32 << 20;

/// One record batch to append; the committer gives it its offsets.
#[derive(Debug)]
pub struct Append {
    /// To this log.
    pub log: LogId,
    /// Records in the batch.
    pub count: u32,
    /// The batch, encoded.
    pub batch: Bytes,
}

/// Makes operations that depend on where the logs end when the group is sealed.
pub type AtEnds = Box<dyn FnOnce(&mut dyn FnMut(LogId) -> Offset) -> Vec<Op> + Send>;

/// What one caller wants committed as one.
#[derive(Default)]
pub struct Change {
    /// Batches to append.
    pub appends: Vec<Append>,
    /// Progress of queues.
    pub settles: Vec<SettleRecord>,
    /// Made when the group is sealed, after this change's appends have their offsets.
    pub at_ends: Option<AtEnds>,
    /// The last one: the store is closed after its group.
    pub close: bool,
}

impl Change {
    fn bytes(&self) -> usize {
        self.appends.iter().map(|append| append.batch.len()).sum::<usize>() + self.settles.len() * 24
    }
}

/// Where a change stands on disk.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The commit that holds it.
    pub commit: CommitNo,
    /// First offset of each of its appends.
    pub bases: Vec<Offset>,
}

struct Submission {
    change: Change,
    reply: oneshot::Sender<Result<Committed, Error>>,
    /// Room among the unconfirmed bytes, given back with the answer.
    _room: Option<OwnedSemaphorePermit>,
}

/// A cheap handle to the committer.
#[derive(Clone)]
pub struct Committer {
    first: mpsc::Sender<Submission>,
    publishes: mpsc::Sender<Submission>,
    room: Arc<Semaphore>,
    room_bytes: usize,
    stopped: Arc<AtomicBool>,
    much: Arc<Notify>,
}

/// The answer to a submission, to be awaited.
pub struct Pending(oneshot::Receiver<Result<Committed, Error>>);

impl Pending {
    /// Waits for the commit.
    pub async fn wait(self) -> Result<Committed, Error> {
        self.0.await.unwrap_or_else(|_| Err(Error::writes_stopped()))
    }
}

impl Committer {
    /// Starts the committer over `store`; `unconfirmed_bytes_max` bounds what publishers have in it at once.
    pub fn start(store: Store, watch: Arc<LogWatch>, seal_bytes: usize, unconfirmed_bytes_max: usize) -> Self {
        let (first, first_rx) = mpsc::channel(WAITING_MAX);
        let (publishes, publishes_rx) = mpsc::channel(WAITING_MAX);
        let stopped = Arc::new(AtomicBool::new(false));
        let much = Arc::new(Notify::new());
        let writer = Writer { store, watch, seal_bytes, stopped: stopped.clone(), much: much.clone(), written: 0 };
        tokio::spawn(writer.run(first_rx, publishes_rx));
        let room_bytes = unconfirmed_bytes_max.min(Semaphore::MAX_PERMITS);
        Self { first, publishes, room: Arc::new(Semaphore::new(room_bytes)), room_bytes, stopped, much }
    }

    /// True after a failed write: nothing may be written or delivered until a restart.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits until some 32 MiB more have been written.
    pub async fn much_written(&self) {
        self.much.notified().await;
    }

    /// Hands in a publish; waits while too many bytes are unconfirmed. Changes of one caller keep their order.
    pub async fn publish(&self, change: Change) -> Result<Pending, Error> {
        let bytes = change.bytes().clamp(1, self.room_bytes);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await.map_err(|_| Error::writes_stopped())?;
        Self::send(&self.publishes, change, Some(room)).await
    }

    /// Hands in a settlement or an admin change: goes before publishes, and also when the disk is full.
    pub async fn settle(&self, change: Change) -> Result<Pending, Error> {
        Self::send(&self.first, change, None).await
    }

    /// Ends the committer after all that was handed in, and marks the store as cleanly stopped.
    pub async fn close(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let change = Change { close: true, ..Change::default() };
        let submission = Submission { change, reply, _room: None };
        self.first.send(submission).await.map_err(|_| Error::writes_stopped())?;
        Pending(answer).wait().await.map(|_| ())
    }

    async fn send(
        to: &mpsc::Sender<Submission>,
        change: Change,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Pending, Error> {
        let (reply, answer) = oneshot::channel();
        let submission = Submission { change, reply, _room: room };
        to.send(submission).await.map_err(|_| Error::writes_stopped())?;
        Ok(Pending(answer))
    }
}

struct Writer {
    store: Store,
    watch: Arc<LogWatch>,
    seal_bytes: usize,
    stopped: Arc<AtomicBool>,
    much: Arc<Notify>,
    /// Bytes since `much` was told.
    written: u64,
}

impl Writer {
    async fn run(mut self, mut first: mpsc::Receiver<Submission>, mut publishes: mpsc::Receiver<Submission>) {
        loop {
            let (mut urgent, mut normal) = (Vec::new(), Vec::new());
            tokio::select! {
                biased;
                Some(submission) = first.recv() => urgent.push(submission),
                Some(submission) = publishes.recv() => normal.push(submission),
                else => return,
            }
            self.fill(&mut urgent, &mut normal, &mut first, &mut publishes);
            let last = urgent.iter().position(|submission| submission.change.close);
            if let Some(last) = last.map(|index| urgent.remove(index)) {
                self.commit(urgent, normal).await;
                return self.close(last).await;
            }
            self.commit(urgent, normal).await;
        }
    }

    /// Takes what already waits, up to the size at which a group is sealed.
    fn fill(
        &self,
        urgent: &mut Vec<Submission>,
        normal: &mut Vec<Submission>,
        first: &mut mpsc::Receiver<Submission>,
        publishes: &mut mpsc::Receiver<Submission>,
    ) {
        let mut bytes: usize = urgent.iter().chain(normal.iter()).map(|s| s.change.bytes()).sum();
        for (channel, group) in [(first, urgent), (publishes, normal)] {
            while bytes < self.seal_bytes {
                let Ok(submission) = channel.try_recv() else { break };
                bytes += submission.change.bytes();
                group.push(submission);
            }
        }
    }

    async fn commit(&mut self, urgent: Vec<Submission>, normal: Vec<Submission>) {
        if self.stopped.load(Ordering::Acquire) {
            return answer_all(urgent.into_iter().chain(normal), &Error::writes_stopped());
        }
        // At the limit publishes are refused by themselves, so that settlements never wait for room they do not need.
        if !normal.is_empty() && self.is_full(&normal) {
            answer_all(normal, &Error::disk_full());
            if !urgent.is_empty() {
                self.commit_group(urgent, true).await;
            }
            return;
        }
        // A group with settlements must not be refused, should its size have been taken for a little less than it is.
        let reserve = !urgent.is_empty();
        self.commit_group(urgent.into_iter().chain(normal).collect(), reserve).await;
    }

    fn is_full(&self, publishes: &[Submission]) -> bool {
        let wanted: usize = publishes.iter().map(|s| s.change.bytes()).sum();
        self.store.space().free_bytes < wanted as u64
    }

    async fn close(&self, last: Submission) {
        self.stopped.store(true, Ordering::Release);
        let closed = self.store.close().await;
        let commit = self.store.visible();
        let answer = closed.map(|()| Committed { commit, bases: Vec::new() }).map_err(|_| Error::writes_stopped());
        let _ = last.reply.send(answer);
    }

    async fn commit_group(&mut self, group: Vec<Submission>, reserve: bool) {
        let mut seal = Seal { store: &self.store, ends: HashMap::new(), ops: Vec::new(), settles: Vec::new() };
        let mut callers = Vec::with_capacity(group.len());
        for Submission { change, reply, _room: room } in group {
            self.written += change.bytes() as u64;
            callers.push((seal.add(change), reply, room));
        }
        let (ops, logs) = seal.finish();
        match self.store.commit(ops, reserve).await {
            Ok(commit) => {
                for (bases, reply, _room) in callers {
                    // A caller that has gone no longer wants the answer.
                    let _ = reply.send(Ok(Committed { commit, bases }));
                }
                self.watch.wake(&logs);
                if self.written >= MUCH_BYTES {
                    self.written = 0;
                    self.much.notify_one();
                }
            }
            Err(error) => self.refuse(&error, callers.into_iter().map(|(_, reply, _)| reply)),
        }
    }

    fn refuse(&self, error: &StoreError, replies: impl Iterator<Item = oneshot::Sender<Result<Committed, Error>>>) {
        let answer = match error {
            StoreError::Log(LogError::Full) => Error::disk_full(),
            other => {
                tracing::error!(error = %other, "a commit failed: no more writes until a restart");
                self.stopped.store(true, Ordering::Release);
                self.watch.wake_all();
                Error::writes_stopped()
            }
        };
        for reply in replies {
            let _ = reply.send(Err(answer.clone()));
        }
    }
}

fn answer_all(submissions: impl IntoIterator<Item = Submission>, error: &Error) {
    for submission in submissions {
        let _ = submission.reply.send(Err(error.clone()));
    }
}

/// One group while it is put together: gives offsets, one append to the settle log for all.
struct Seal<'a> {
    store: &'a Store,
    ends: HashMap<LogId, Offset>,
    ops: Vec<Op>,
    settles: Vec<SettleRecord>,
}

impl Seal<'_> {
    fn add(&mut self, change: Change) -> Vec<Offset> {
        let bases = change.appends.into_iter().map(|append| self.append(append)).collect();
        self.settles.extend(change.settles);
        if let Some(at_ends) = change.at_ends {
            let (ends, store) = (&mut self.ends, self.store);
            let ops = at_ends(&mut |log| *ends.entry(log).or_insert_with(|| store.end(log)));
            self.ops.extend(ops);
        }
        bases
    }

    fn append(&mut self, append: Append) -> Offset {
        let end = self.ends.entry(append.log).or_insert_with(|| self.store.end(append.log));
        let base = *end;
        *end += u64::from(append.count);
        self.ops.push(Op::Append { log: append.log, base, count: append.count, batch: append.batch });
        base
    }

    /// The operations, and the logs that grew. Sorted by log, so that a log's batches lie together.
    fn finish(mut self) -> (Vec<Op>, Vec<LogId>) {
        if !self.settles.is_empty() {
            let records = std::mem::take(&mut self.settles);
            let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
            self.append(Append { log: SETTLE_LOG, count, batch: settle::encode(&records) });
        }
        self.ops.sort_by_key(|op| match op {
            Op::Append { log, .. } => *log,
            _ => LogId(0),
        });
        let mut logs: Vec<LogId> =
            self.ops.iter().filter_map(|op| if let Op::Append { log, .. } = op { Some(*log) } else { None }).collect();
        logs.dedup();
        (self.ops, logs)
    }
}
