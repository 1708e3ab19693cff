//! A frame log in memory: for tests, and for brokers that keep nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use ferrymq_core::CommitNo;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::frame_log::{Frame, FrameLog, Limits, LogError, Space, window};

/// A fault for one append to come.
#[derive(Debug, Clone)]
pub enum Fault {
    /// No room; nothing is written.
    Full,
    /// The write fails; nothing may be written any more.
    Stopped,
}

#[derive(Default)]
struct Shared {
    frames: BTreeMap<u64, Frame>,
    newest: u64,
    newest_hash: u32,
    epoch: u64,
    bytes: u64,
    appends: u64,
    faults: BTreeMap<u64, Fault>,
}

impl Shared {
    fn drop_frame(&mut self, commit: u64) {
        if commit != self.newest
            && let Some(frame) = self.frames.remove(&commit)
        {
            self.bytes -= frame.body.len() as u64;
        }
    }

    fn drop_below(&mut self, commit: u64) {
        while let Some((&oldest, _)) = self.frames.first_key_value() {
            if oldest >= commit || oldest == self.newest {
                return;
            }
            self.drop_frame(oldest);
        }
    }
}

/// One owner's handle to a log in memory.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Mutex<Shared>>,
    epoch: u64,
    is_closed: Arc<AtomicBool>,
    bytes_max: Option<u64>,
}

const SEAL_BYTES: usize = 1 << 20;
const COMMIT_BYTES_MAX: usize = 8 << 20;

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::default(), epoch: 0, is_closed: Arc::default(), bytes_max: None }
    }

    /// An empty log that is full with so many bytes; half as many more are kept for settlements.
    #[must_use]
    pub fn with_limit(bytes_max: u64) -> Self {
        Self { bytes_max: Some(bytes_max), ..Self::new() }
    }

    /// A new owner of the same log: from now on older handles are fenced.
    #[must_use]
    pub fn reopen(&self) -> Self {
        let mut shared = self.lock();
        shared.epoch += 1;
        Self { shared: self.shared.clone(), epoch: shared.epoch, is_closed: Arc::default(), bytes_max: self.bytes_max }
    }

    /// The append after `after` more ones fails so.
    pub fn inject(&self, after: u64, fault: Fault) {
        let mut shared = self.lock();
        let at = shared.appends + after;
        shared.faults.insert(at, fault);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that an append may still take.
    fn free_bytes(&self, shared: &Shared, reserve: bool) -> u64 {
        let limit = self.bytes_max.map_or(u64::MAX, |max| if reserve { max + max / 2 } else { max });
        limit.saturating_sub(shared.bytes)
    }

    fn append_now(&self, prev: CommitNo, parts: Vec<Bytes>, reserve: bool) -> Result<CommitNo, LogError> {
        let mut shared = self.lock();
        if self.is_closed.load(Ordering::Acquire) {
            return Err(LogError::Stopped("closed".into()));
        }
        if shared.epoch != self.epoch {
            return Err(LogError::Fenced);
        }
        if shared.newest != prev.0 {
            shared.epoch += 1;
            return Err(LogError::Fenced);
        }
        let bytes = parts.iter().map(Bytes::len).sum();
        if bytes > COMMIT_BYTES_MAX {
            return Err(LogError::TooLarge { bytes, bytes_max: COMMIT_BYTES_MAX });
        }
        if bytes as u64 > self.free_bytes(&shared, reserve) {
            return Err(LogError::Full);
        }
        let at = shared.appends;
        shared.appends += 1;
        match shared.faults.remove(&at) {
            Some(Fault::Full) => return Err(LogError::Full),
            Some(Fault::Stopped) => {
                // Fenced from now on: a failed log takes no more writes.
                shared.epoch += 1;
                return Err(LogError::Stopped("injected".into()));
            }
            None => {}
        }
        shared.bytes += bytes as u64;
        let mut body = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        parts.iter().for_each(|part| body.extend_from_slice(part));
        let (body, commit) = (body.freeze(), CommitNo(shared.newest + 1));
        let hash = crc32c::crc32c(&body);
        let frame = Frame { commit, prev, prev_hash: shared.newest_hash, hash, body };
        (shared.newest, shared.newest_hash) = (commit.0, hash);
        shared.frames.insert(commit.0, frame);
        Ok(commit)
    }

    fn get_now(&self, commit: CommitNo) -> Result<Frame, LogError> {
        self.lock().frames.get(&commit.0).cloned().ok_or(LogError::NotThere(commit.0))
    }
}

impl FrameLog for MemoryLog {
    fn append(&self, prev: CommitNo, parts: Vec<Bytes>, reserve: bool) -> BoxFuture<'_, Result<CommitNo, LogError>> {
        async move { self.append_now(prev, parts, reserve) }.boxed()
    }

    fn read(&self, from: CommitNo, upto: CommitNo, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Frame>, LogError>> {
        let mut bytes = 0;
        let frames = if from > upto {
            Vec::new()
        } else {
            let shared = self.lock();
            let frames = shared.frames.range(from.0..=upto.0).map(|(_, frame)| frame);
            frames.take_while(|frame| window(&mut bytes, frame.body.len(), bytes_max)).cloned().collect()
        };
        async move { Ok(frames) }.boxed()
    }

    fn get(&self, commit: CommitNo) -> BoxFuture<'_, Result<Frame, LogError>> {
        async move { self.get_now(commit) }.boxed()
    }

    fn get_part(&self, commit: CommitNo, at: u32, len: u32) -> BoxFuture<'_, Result<Bytes, LogError>> {
        async move {
            let body = self.get_now(commit)?.body;
            let end = (at as usize).saturating_add(len as usize);
            if end > body.len() { Err(LogError::NotThere(commit.0)) } else { Ok(body.slice(at as usize..end)) }
        }
        .boxed()
    }

    fn newest(&self) -> CommitNo {
        CommitNo(self.lock().newest)
    }

    fn oldest(&self) -> CommitNo {
        CommitNo(self.lock().frames.keys().next().copied().unwrap_or(0))
    }

    fn drop_below(&self, commit: CommitNo) {
        self.lock().drop_below(commit.0);
    }

    fn drop_commit(&self, commit: CommitNo) {
        self.lock().drop_frame(commit.0);
    }

    fn give_back(&self) {}

    fn has_losses(&self) -> bool {
        false
    }

    fn limits(&self) -> Limits {
        Limits { seal_bytes: SEAL_BYTES, commit_bytes_max: COMMIT_BYTES_MAX }
    }

    fn space(&self) -> Space {
        let shared = self.lock();
        Space { used_bytes: shared.bytes, free_bytes: self.free_bytes(&shared, false) }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LogError>> {
        self.is_closed.store(true, Ordering::Release);
        async { Ok(()) }.boxed()
    }
}
