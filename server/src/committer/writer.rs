//! The task behind the committer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use ferrymq_core::{LogId, Offset};
use ferrymq_engine::frame_log::LogError;
use ferrymq_engine::store::{Store, StoreError};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::round::{Fate, Round};
use super::seal::{Seal, Turned};
use super::{Committed, MUCH_BYTES, NewestVerdicts, Submission};
use crate::catalogue::Catalogue;
use crate::depth::Load;
use crate::error::Error;
use crate::watch::LogWatch;

/// How long between two looks whether a full disk has room again, or patience is at its end. Room in queues and topics comes with
/// what is handed in.
pub(super) const ROOM_POLL: Duration = Duration::from_millis(100);

pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) watch: Arc<LogWatch>,
    pub(super) verdicts: Arc<NewestVerdicts>,
    pub(super) seal_bytes: usize,
    pub(super) stopped: Arc<AtomicBool>,
    pub(super) much: Arc<Notify>,
    /// Bytes since `much` was told.
    pub(super) written: u64,
    /// Told whether publishes found no room.
    pub(super) full: watch::Sender<bool>,
    pub(super) draining: watch::Receiver<bool>,
    /// What publishes were routed by, and are routed by again if it has changed since.
    pub(super) catalogue: Arc<ArcSwap<Catalogue>>,
    /// What has to wait for room or for a gate, in the order it came. Bounded by the room that publishers hold.
    pub(super) waiting: Vec<Submission>,
    /// How soon it is looked at again, if nothing is handed in before.
    pub(super) pause: Duration,
    /// When `much` was last told because a topic is at its limits.
    pub(super) tidied: Instant,
}

/// Most messages that are matched anew in one round, when bindings have changed since they were routed. The others wait for
/// the next one: filters cost time, and what is settled goes in between.
const ROUTED_MAX: usize = 4_096;

impl Writer {
    pub(super) async fn run(
        mut self,
        mut first: mpsc::Receiver<Submission>,
        mut publishes: mpsc::Receiver<Submission>,
    ) {
        loop {
            let mut group = Vec::new();
            tokio::select! {
                biased;
                Some(submission) = first.recv() => group.push(submission),
                Some(submission) = publishes.recv() => group.push(submission),
                () = tokio::time::sleep(self.pause), if !self.waiting.is_empty() => {}
                else => return,
            }
            // Callers that have just been answered are about to hand in what they have next: it fits into this group.
            tokio::task::yield_now().await;
            self.fill(&mut group, &mut first, &mut publishes);
            let last = group.iter().position(|submission| submission.change.close);
            if let Some(last) = last.map(|index| group.remove(index)) {
                self.commit(group).await;
                return self.close(last).await;
            }
            self.commit(group).await;
        }
    }

    /// Takes what already waits in the channels, up to the size at which a group is sealed.
    fn fill(
        &self,
        group: &mut Vec<Submission>,
        first: &mut mpsc::Receiver<Submission>,
        publishes: &mut mpsc::Receiver<Submission>,
    ) {
        let mut bytes: usize = group.iter().map(|submission| submission.change.bytes()).sum();
        for channel in [first, publishes] {
            while bytes < self.seal_bytes {
                let Ok(submission) = channel.try_recv() else { break };
                bytes += submission.change.bytes();
                group.push(submission);
            }
        }
    }

    async fn commit(&mut self, new: Vec<Submission>) {
        if self.stopped.load(Ordering::Acquire) {
            return answer_all(self.waiting.drain(..).chain(new), &Error::writes_stopped());
        }
        let mut all = std::mem::take(&mut self.waiting);
        all.extend(new);
        // What is urgent goes first, and within both what came first.
        all.sort_by_key(|submission| !submission.urgent);
        let catalogue = self.catalogue.load();
        let mut budget = ROUTED_MAX;
        for submission in &mut all {
            let mut endless = usize::MAX;
            let budget = if submission.urgent { &mut endless } else { &mut budget };
            catalogue.refresh(&mut submission.change, budget);
        }
        let mut round = Round::new(*self.draining.borrow(), catalogue.generation);
        drop(catalogue);
        let mut seal = Seal::new(&self.store);
        self.pause = ROOM_POLL;
        let mut group = Vec::with_capacity(all.len());
        for mut submission in all {
            match round.fate(&submission, &self.store, self.seal_bytes) {
                Fate::Go => {
                    let bases = seal.add(&mut submission.change);
                    group.push((submission, bases));
                }
                Fate::Wait(pause) => {
                    self.pause = self.pause.min(pause);
                    round.block(&submission);
                    self.waiting.push(submission);
                }
                Fate::Refuse(error) => drop(submission.reply.send(Err(error))),
            }
        }
        if round.caps.is_over && self.tidied.elapsed() >= ROOM_POLL {
            self.tidied = Instant::now();
            self.much.notify_one();
        }
        let sealed = seal.finish();
        let is_full = round.is_full | self.commit_group(group, sealed).await;
        if is_full {
            self.pause = ROOM_POLL;
        }
        self.full.send_if_modified(|full| std::mem::replace(full, is_full) != is_full);
    }

    /// Commits what was sealed, and answers. True if there was no room for it.
    async fn commit_group(
        &mut self,
        group: Vec<(Submission, Vec<Offset>)>,
        (ops, logs, turned): (Vec<ferrymq_engine::store::Op>, Vec<LogId>, Turned),
    ) -> bool {
        if group.is_empty() {
            return false;
        }
        self.written += group.iter().map(|(submission, _)| submission.change.bytes() as u64).sum::<u64>();
        // A group with settlements must not be refused, should its size have been taken for a little less than it is.
        let reserve = group.iter().any(|(submission, _)| submission.urgent);
        match self.store.commit(ops, reserve).await {
            Ok(commit) => {
                for (mut submission, bases) in group {
                    submission.change.appends.iter().flat_map(|append| &append.loads).for_each(Load::arrived);
                    self.keep_verdicts(&mut submission, &bases);
                    // A caller that has gone no longer wants the answer.
                    let _ = submission.reply.send(Ok(Committed { commit, bases }));
                }
                self.watch.wake(&logs);
                if self.written >= MUCH_BYTES {
                    self.written = 0;
                    self.much.notify_one();
                }
                false
            }
            Err(StoreError::Log(LogError::Full)) => {
                turned.into_iter().rev().for_each(|(gate, before)| gate.turn(before));
                let changes = group.iter().map(|(submission, _)| &submission.change);
                changes.flat_map(|change| &change.appends).flat_map(|append| &append.loads).for_each(Load::take_back);
                let (patient, others): (Vec<_>, Vec<_>) =
                    group.into_iter().map(|(submission, _)| submission).partition(Submission::is_patient);
                // They stood before all that waits already.
                self.waiting.splice(0..0, patient);
                answer_all(others, &Error::disk_full());
                true
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed: no more writes until a restart");
                self.stopped.store(true, Ordering::Release);
                self.watch.wake_all();
                let waiting = self.waiting.drain(..);
                answer_all(
                    group.into_iter().map(|(submission, _)| submission).chain(waiting),
                    &Error::writes_stopped(),
                );
                false
            }
        }
    }

    /// Before anybody is woken who would ask for them.
    fn keep_verdicts(&self, submission: &mut Submission, bases: &[Offset]) {
        let first = submission.change.appends.first().zip(bases.first());
        if let (Some(verdicts), Some((append, base))) = (submission.change.verdicts.take(), first) {
            self.verdicts.insert(append.gate.log(), *base, verdicts);
        }
    }

    async fn close(&mut self, last: Submission) {
        self.stopped.store(true, Ordering::Release);
        answer_all(self.waiting.drain(..), &Error::draining());
        let closed = self.store.close().await;
        let commit = self.store.visible();
        let answer = closed.map(|()| Committed { commit, bases: Vec::new() }).map_err(|_| Error::writes_stopped());
        let _ = last.reply.send(answer);
    }
}

fn answer_all(submissions: impl IntoIterator<Item = Submission>, error: &Error) {
    for submission in submissions {
        let _ = submission.reply.send(Err(error.clone()));
    }
}
