//! The committer: the one writer of the store.
//!
//! It seals everything that waits into one group, commits it with one sync, and answers the callers. While a group is
//! synced the next one forms in its channels; there is no artificial wait. Settlements and admin changes go before
//! publishes, and still go when the disk is full (group commit after Helland et al., "Group Commit Timers", 1987).

mod cap;
mod gate;
mod pins;
mod round;
mod seal;
mod stream;
mod verdicts;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use ferrymq_core::settle::SettleRecord;
use ferrymq_core::{CommitNo, LogId, Offset};
use ferrymq_engine::store::{Op, Store};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::catalogue::Catalogue;
use crate::depth::{Fit, Load, Settled};
use crate::error::Error;
use crate::watch::LogWatch;
pub use cap::{Cap, dropped_below};
pub use gate::{Gate, Owner, Passage};
pub use pins::{Look, Pin, Pins};
pub use stream::{Patience, Stream};
pub use verdicts::{NewestVerdicts, Verdicts};
use writer::Writer;

/// Most submissions that wait in each channel.
const WAITING_MAX: usize = 8_192;
/// After so many bytes what is not needed any more is looked for.
const MUCH_BYTES: u64 = 32 << 20;

/// One record batch to append; the committer gives it its offsets.
#[derive(Debug)]
pub struct Append {
    /// Of the log that it goes to.
    pub gate: Arc<Gate>,
    /// Records in the batch.
    pub count: u32,
    /// The batch, encoded.
    pub batch: Bytes,
    /// What it brings to queues with limits; the first append of a change tells it for all of them.
    pub loads: Vec<Load>,
    /// [`Catalogue::generation`] that this and the loads were found out from.
    pub generation: u64,
}

/// Makes operations that depend on where the logs end when the group is sealed.
pub type AtEnds = Box<dyn FnOnce(&mut dyn FnMut(LogId) -> Offset) -> Vec<Op> + Send>;

/// What one caller wants committed as one.
#[derive(Default)]
pub struct Change {
    /// Batches to append: one that was handed in, and behind it what of it goes on to other logs.
    pub appends: Vec<Append>,
    /// Progress of queues.
    pub settles: Vec<SettleRecord>,
    /// Made when the group is sealed, after this change's appends have their offsets.
    pub at_ends: Option<AtEnds>,
    /// How gates stand for what comes behind this change.
    pub gates: Vec<(Arc<Gate>, Passage)>,
    /// What the settlements take off a queue with limits.
    pub settled: Option<Settled>,
    /// Of a publish.
    pub patience: Patience,
    /// The publish stream that it is of.
    pub stream: Option<Stream>,
    /// What filters said of the first append.
    pub verdicts: Option<Verdicts>,
    /// The last one: the store is closed after its group.
    pub close: bool,
}

impl Change {
    fn bytes(&self) -> usize {
        let verdicts = self.verdicts.as_ref().map_or(0, Verdicts::bytes);
        self.appends.iter().map(|append| append.batch.len()).sum::<usize>() + self.settles.len() * 24 + verdicts
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

/// What a publish holds while it is unconfirmed.
type Room = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

struct Submission {
    /// Boxed: it moves from the channel into its group and on, and a group is a list of these.
    change: Box<Change>,
    reply: oneshot::Sender<Result<Committed, Error>>,
    /// A settlement or an admin change, which has room on a full disk.
    urgent: bool,
    /// Room among the unconfirmed bytes, and of the stream's share of it; given back with the answer.
    _room: Option<Room>,
}

impl Submission {
    fn is_patient(&self) -> bool {
        !self.urgent && !matches!(self.change.patience, Patience::None)
    }
}

/// A cheap handle to the committer.
#[derive(Clone)]
pub struct Committer {
    first: mpsc::Sender<Submission>,
    publishes: mpsc::Sender<Submission>,
    /// Of publishes to queues and topics with limits, which may wait for room there, and of all others.
    rooms: [Arc<Semaphore>; 2],
    room_bytes: usize,
    full: watch::Receiver<bool>,
    stopped: Arc<AtomicBool>,
    much: Arc<Notify>,
    pins: Arc<Pins>,
    verdicts: Arc<NewestVerdicts>,
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
    /// Starts the committer over `store`; `unconfirmed_bytes_max` bounds what publishers have in it at once. From
    /// `draining` on no publish waits for room.
    pub fn start(
        store: Store,
        log_watch: Arc<LogWatch>,
        seal_bytes: usize,
        unconfirmed_bytes_max: usize,
        draining: watch::Receiver<bool>,
        catalogue: Arc<ArcSwap<Catalogue>>,
    ) -> Self {
        let (first, first_rx) = mpsc::channel(WAITING_MAX);
        let (publishes, publishes_rx) = mpsc::channel(WAITING_MAX);
        let stopped = Arc::new(AtomicBool::new(false));
        let much = Arc::new(Notify::new());
        let (full_sender, full) = watch::channel(false);
        let verdicts = Arc::<NewestVerdicts>::default();
        let writer = Writer {
            store,
            watch: log_watch,
            verdicts: verdicts.clone(),
            seal_bytes,
            stopped: stopped.clone(),
            much: much.clone(),
            written: 0,
            full: full_sender,
            draining,
            catalogue,
            waiting: Vec::new(),
            pause: writer::ROOM_POLL,
            tidied: Instant::now(),
        };
        tokio::spawn(writer.run(first_rx, publishes_rx));
        let room_bytes = unconfirmed_bytes_max.min(Semaphore::MAX_PERMITS);
        Self {
            first,
            publishes,
            rooms: [Arc::new(Semaphore::new(room_bytes)), Arc::new(Semaphore::new(room_bytes))],
            room_bytes,
            full,
            stopped,
            much,
            pins: Arc::default(),
            verdicts,
        }
    }

    /// True after a failed write: nothing may be written or delivered until a restart.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// What filters said of the newest batches.
    pub fn verdicts(&self) -> &NewestVerdicts {
        &self.verdicts
    }

    /// Waits until some 32 MiB more have been written.
    pub async fn much_written(&self) {
        self.much.notified().await;
    }

    /// Hands in a publish; waits while too many bytes are unconfirmed. Changes of one caller keep their order.
    pub async fn publish(&self, change: Change) -> Result<Pending, Error> {
        let bytes = change.bytes().clamp(1, self.room_bytes);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let is_limited = |append: &Append| !append.loads.is_empty() || append.gate.cap().is_some();
        let is_limited = change.appends.iter().any(is_limited);
        let share = match change.stream.clone().filter(|_| is_limited) {
            Some(stream) => stream.take(bytes, change.patience).await,
            None => None,
        };
        let room = &self.rooms[usize::from(!is_limited)];
        let room = match Arc::clone(room).try_acquire_many_owned(permits) {
            Ok(room) => room,
            Err(_) => match refusal(&change) {
                Some(error) => return Err(error),
                None => self.wait_for_room(room, permits, change.patience).await?,
            },
        };
        Self::send(&self.publishes, change, Some((room, share))).await
    }

    /// For what one publish stream publishes.
    pub fn stream(&self) -> Stream {
        Stream::new(self.room_bytes)
    }

    /// While the disk is full those that wait for it hold the room: the others are refused here.
    async fn wait_for_room(
        &self,
        room: &Arc<Semaphore>,
        permits: u32,
        patience: Patience,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let mut full = self.full.clone();
        let refused = async {
            // It ends only with the writer, which then answers by itself.
            let _ = full.wait_for(|full| *full).await;
            patience.over().await;
        };
        tokio::select! {
            biased;
            room = Arc::clone(room).acquire_many_owned(permits) => room.map_err(|_| Error::writes_stopped()),
            () = refused => Err(Error::disk_full()),
        }
    }

    /// Logs of which more may soon be needed.
    pub fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// Hands in that logs keep nothing below these offsets, but for those that were pinned since `look`.
    pub async fn trim(&self, look: Look, floors: Vec<(LogId, Offset)>) -> Result<Pending, Error> {
        let at_ends = Box::new(move |end_of: &mut dyn FnMut(LogId) -> Offset| {
            let floors = floors.into_iter().filter(|(log, _)| look.may_trim(*log));
            floors.map(|(log, floor)| Op::TrimTo { log, floor: floor.min(end_of(log)) }).collect()
        });
        self.settle(Change { at_ends: Some(at_ends), ..Change::default() }).await
    }

    /// Hands in a settlement or an admin change: goes before publishes, and also when the disk is full.
    pub async fn settle(&self, change: Change) -> Result<Pending, Error> {
        Self::send(&self.first, change, None).await
    }

    /// Ends the committer after all that was handed in, and marks the store as cleanly stopped.
    pub async fn close(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let change = Box::new(Change { close: true, ..Change::default() });
        let submission = Submission { change, reply, urgent: true, _room: None };
        self.first.send(submission).await.map_err(|_| Error::writes_stopped())?;
        Pending(answer).wait().await.map(|_| ())
    }

    async fn send(to: &mpsc::Sender<Submission>, change: Change, room: Option<Room>) -> Result<Pending, Error> {
        let (reply, answer) = oneshot::channel();
        let submission = Submission { change: Box::new(change), reply, urgent: room.is_none(), _room: room };
        to.send(submission).await.map_err(|_| Error::writes_stopped())?;
        Ok(Pending(answer))
    }
}

/// Why a publish that would have to wait, and has no patience, is refused at once: something that it goes to is full.
fn refusal(change: &Change) -> Option<Error> {
    if !matches!(change.patience, Patience::None) {
        return None;
    }
    let load = change.appends.iter().flat_map(|append| &append.loads).find(|load| load.fit() == Fit::No);
    let full = || change.appends.iter().find(|append| append.gate.cap().is_some_and(Cap::is_full));
    load.map(|load| load.depth.full()).or_else(|| full().map(|append| append.gate.full()))
}
