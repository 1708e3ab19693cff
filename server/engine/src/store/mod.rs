//! The store: logs of batches, values and cursors, written once above a log of frames.
//!
//! A commit is a list of operations in one frame. What the store knows lives in memory, is written through the frame log
//! as a state image now and then, and is made anew from the newest image and the frames after it. See
//! `docs/storage-format.md`.

mod append;
mod body;
mod cache;
mod clean;
mod cursor_items;
mod entry;
mod image;
mod index_frames;
mod items;
mod ledger;
mod log_index;
mod lost;
mod op;
mod pages;
mod read;
mod recover;
mod sled_state;
mod state;
mod types;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::settle::{self, SettleRecord};
use ferrymq_core::{CommitNo, LogId, Offset, QueueId};

use crate::frame_log::{FrameLog, Space};
use append::Unfinished;
use cache::Cache;
use log_index::LogState;
use pages::PageCache;
use sled_state::SledState;
use state::State;

pub use op::Op;
pub use types::{StoreError, StoreOptions, StoreStats, StoredBatch};

/// The log of settlements: an append to it carries a list of settle records, its count is their number.
pub const SETTLE_LOG: LogId = LogId(1);

/// The key of all cursors of a queue: deleting it ends them. Nothing can be put there.
#[must_use]
pub fn queue_key(queue: QueueId) -> Bytes {
    Bytes::from([b"\0c".as_slice(), &queue.0.to_be_bytes()].concat())
}

fn queue_of_key(key: &[u8]) -> Option<QueueId> {
    let id = key.strip_prefix(b"\0c")?;
    Some(QueueId(u64::from_be_bytes(id.try_into().ok()?)))
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    checkpoints: AtomicU64,
    copied_bytes: AtomicU64,
    index_frames: AtomicU64,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
}

/// What only the one who appends may touch.
struct Writer {
    /// The newest commit that the store wrote or read.
    newest: CommitNo,
    /// The newest whole state image.
    image: CommitNo,
    /// The last commit in it.
    image_includes: CommitNo,
    /// Bytes of frames since it began.
    since_image: u64,
    /// Bytes of batches that lived then.
    live_at_image: u64,
    /// Bytes of the index's newest part that are too many.
    index_due_bytes: u64,
    /// An append whose caller did not wait for its end.
    unfinished: Option<Unfinished>,
}

struct Inner {
    frames: Arc<dyn FrameLog>,
    options: StoreOptions,
    state: RwLock<State>,
    cache: Mutex<Cache>,
    pages: Mutex<PageCache>,
    writer: tokio::sync::Mutex<Writer>,
    /// The state directory. Held while a state image is written: one at a time.
    imaging: tokio::sync::Mutex<Option<SledState>>,
    image_due: AtomicBool,
    paging_due: AtomicBool,
    counters: Counters,
    unclean: bool,
}

/// A handle to the store; clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens the store over `frames`: all that they hold is there again.
    ///
    /// # Errors
    /// If frames cannot be read, are damaged or do not follow each other.
    pub async fn open(frames: Arc<dyn FrameLog>, options: StoreOptions) -> Result<Self, StoreError> {
        let found = recover::recover(&*frames, &options).await?;
        let inner = Inner {
            cache: Mutex::new(Cache::new(options.cache_bytes_max)),
            pages: Mutex::new(PageCache::new(options.index_cache_bytes_max)),
            state: RwLock::new(found.state),
            writer: tokio::sync::Mutex::new(found.writer),
            imaging: tokio::sync::Mutex::new(found.sled),
            image_due: AtomicBool::new(false),
            paging_due: AtomicBool::new(false),
            counters: Counters::default(),
            unclean: found.unclean,
            frames,
            options,
        };
        let store = Self { inner: Arc::new(inner) };
        if store.inner.frames.has_losses() {
            store.end_lost().await?;
        }
        Ok(store)
    }

    /// Writes `ops` as one frame and answers once they are durable and applied. All of them or none.
    ///
    /// `reserve` commits (settlements, deletes) may use the space kept for them when the log is full. If the
    /// future is dropped before it answers, the commit may or may not have been made; the next one finishes it first.
    ///
    /// # Errors
    /// [`Full`](crate::frame_log::LogError::Full) and what is refused leave the store as it was; after any other failure it writes no more.
    pub async fn commit(&self, ops: Vec<Op>, reserve: bool) -> Result<CommitNo, StoreError> {
        let inner = &*self.inner;
        let mut writer = inner.writer().await;
        let settles = inner.check(&ops)?;
        let commit = inner.commit_ops(&mut writer, ops, settles, reserve).await?;
        inner.counters.commits.fetch_add(1, Ordering::Relaxed);
        let (image_due, paging_due) = (inner.is_due(&writer), inner.is_paging_due(&writer));
        drop(writer);
        self.page_if_due(paging_due).await;
        self.checkpoint_if_due(image_due).await;
        Ok(commit)
    }

    /// The offset after a log's last record; 0 for a log that never was.
    #[must_use]
    pub fn end(&self, log: LogId) -> Offset {
        self.inner.state().logs.get(&log).map_or(0, |state| state.end)
    }

    /// The first offset that a log may still hold.
    #[must_use]
    pub fn first(&self, log: LogId) -> Offset {
        self.inner.state().logs.get(&log).map_or(0, |state| state.first)
    }

    /// Bytes of a log's batches that are kept; within one index page an estimate.
    #[must_use]
    pub fn bytes(&self, log: LogId) -> u64 {
        self.inner.state().logs.get(&log).map_or(0, LogState::bytes)
    }

    /// The newest commit whose effects can be read: nothing earlier is missing.
    #[must_use]
    pub fn visible(&self) -> CommitNo {
        self.inner.state().applied
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.inner.state().values.get(key).cloned()
    }

    /// All keys that begin with `prefix`, in order, with their values.
    #[must_use]
    pub fn scan(&self, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        let state = self.inner.state();
        let from = state.values.range(Bytes::copy_from_slice(prefix)..);
        from.take_while(|(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// A queue's progress over each log, as settled so far.
    #[must_use]
    pub fn cursors(&self, queue: QueueId) -> Vec<(LogId, Cursor)> {
        let state = self.inner.state();
        let range = state.cursors.range((queue, LogId(0))..=(queue, LogId(u64::MAX)));
        range.map(|((_, log), cursor)| (*log, cursor.clone())).collect()
    }

    /// True if the last stop was not a clean one: what was sent may not be known exactly.
    #[must_use]
    pub fn unclean(&self) -> bool {
        self.inner.unclean
    }

    /// A number that two stores share only if logs, values and cursors are the same in both. It reads the whole state.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.inner.state().digest()
    }

    /// How much room there is.
    #[must_use]
    pub fn space(&self) -> Space {
        self.inner.frames.space()
    }

    /// Numbers about the store.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (counters, state) = (&self.inner.counters, self.inner.state());
        let ledger = &state.ledger;
        StoreStats {
            commits: load(&counters.commits),
            checkpoints: load(&counters.checkpoints),
            copied_bytes: load(&counters.copied_bytes),
            live_bytes: ledger.live_bytes,
            frames: ledger.frames(),
            batches: ledger.newest + ledger.paged,
            index_pages: ledger.pages,
            index_frames: load(&counters.index_frames),
            index_bytes: ledger.newest_bytes() + ledger.reference_bytes(),
            index_cache_bytes: self.inner.pages().bytes() as u64,
            cache_bytes: self.inner.cache().bytes() as u64,
            cache_hits: load(&counters.cache_hits),
            cache_misses: load(&counters.cache_misses),
        }
    }

    /// Ends writing in order: the next open finds a clean stop.
    ///
    /// # Errors
    /// If the mark cannot be written.
    pub async fn close(&self) -> Result<(), StoreError> {
        let mut writer = self.inner.writer().await;
        let parts = body::encode_clean(writer.image);
        self.inner.append_own(&mut writer, parts).await?;
        Ok(self.inner.frames.close().await?)
    }
}

impl Inner {
    // A thread that panicked while it held one of these locks left a whole state behind: each change is applied by
    // code that does not panic, so the poison says nothing.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, PageCache> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what could not be replayed; the settle records among `ops`.
    fn check(&self, ops: &[Op]) -> Result<Vec<SettleRecord>, StoreError> {
        let state = self.state();
        let mut ends = std::collections::HashMap::new();
        let mut settles = Vec::new();
        for op in ops {
            match op {
                Op::Append { count: 0, .. } => return Err(StoreError::Refused("a batch of no records")),
                Op::Append { log, base, count, batch } => {
                    let end = ends.entry(*log).or_insert_with(|| state.logs.get(log).map_or(0, |state| state.end));
                    if base != end {
                        return Err(StoreError::NotAtEnd { log: *log, base: *base, end: *end });
                    }
                    *end = end.checked_add((*count).into()).ok_or(StoreError::Refused("an offset beyond 64 bits"))?;
                    if *log == SETTLE_LOG {
                        settles.extend(settle::decode(batch).map_err(|what| StoreError::Refused(what.0))?);
                    }
                }
                Op::Put { key, .. } if queue_of_key(key).is_some() => {
                    return Err(StoreError::Refused("the key of a queue's cursors takes no value"));
                }
                _ => {}
            }
        }
        Ok(settles)
    }
}
