//! The embedded frame log: segment files, recycled, one sync for each frame.
//!
//! One thread of its own writes; readers use positioned reads of their own. The first failed write or sync stops the
//! journal for good (what the page cache then holds is unknown: see P. Rebello et al., "Can Applications Recover from fsync
//! Failures?", 2020).

mod check;
mod frame;
pub mod fs;
mod lock;
mod recover;
mod repair;
mod scan;
#[doc(hidden)]
pub mod sim;
mod table;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use bytes::Bytes;
use ferrymq_core::CommitNo;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::frame_log::{Frame, FrameLog, Limits, LogError, Space, window};
use frame::FRAME_HEADER;
use fs::{Fs, RealFs, Site};
use table::{Place, Retired, Shared};

pub use check::{CheckReport, check, check_on};
pub use repair::{Lost, RepairReport, repair, repair_on};

/// Settings of a journal.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// Size of a segment file in bytes, from 4 KiB to 1 GiB. Default 16 MiB. A commit may have half of it, at most 8 MiB.
    pub segment_bytes: u64,
    /// Most bytes the journal may take. Default: what the file system has.
    pub disk_limit: Option<u64>,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, disk_limit: None }
    }
}

/// Segments that settlements, deletes and checkpoints may still take when the limit is reached.
const RESERVE_SEGMENTS: u64 = 2;
/// Free bytes of the file system that are left alone.
const FREE_BYTES_MIN: u64 = 64 << 20;
const SEAL_BYTES: usize = 1 << 20;
const COMMIT_BYTES_MAX: usize = 8 << 20;
const SEGMENT_BYTES_MIN: u64 = 4 << 10;
/// No segment is larger: more of a file is not read.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

impl JournalOptions {
    fn limits(&self) -> Limits {
        let commit_bytes_max = COMMIT_BYTES_MAX.min(usize::try_from(self.segment_bytes / 2).unwrap_or(usize::MAX));
        Limits { seal_bytes: SEAL_BYTES.min(commit_bytes_max), commit_bytes_max }
    }
}

/// Spares that are kept while segments come and go: about as many as a load of the disk's full speed takes until the next
/// ones retire. To remove files and make them anew instead holds up the syncs meanwhile.
const SPARES_MAX: usize = 6;

/// Does what may take some milliseconds without holding up the other tasks of a runtime.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Keeps retired segments as spares, or removes them.
fn free(fs: &dyn Fs, shared: &Mutex<Shared>, retired: impl IntoIterator<Item = Retired>) {
    for Retired { generation, path } in retired {
        let is_wanted = {
            let shared = lock(shared);
            // One that is in the reserve is given back to the disk.
            !shared.in_reserve && shared.spares.len() < SPARES_MAX
        };
        let spare = path.with_file_name(format!("spare-{generation:016x}.seg"));
        let is_kept = is_wanted && fs.rename(Site::RenameRetired, &path, &spare).is_ok();
        if !is_kept && let Err(error) = fs.remove(Site::RemoveRetired, &path) {
            tracing::warn!(%error, path = %path.display(), "a segment could not be removed");
        }
        let mut shared = lock(shared);
        shared.retiring -= 1;
        if is_kept {
            shared.spares.push(spare);
            shared.is_renamed = true;
        }
    }
}

struct AppendRequest {
    prev: CommitNo,
    parts: Vec<Bytes>,
    reserve: bool,
    reply: oneshot::Sender<Result<CommitNo, LogError>>,
}

/// A journal in a directory that this process holds.
pub struct Journal {
    shared: Arc<Mutex<Shared>>,
    requests: Mutex<Option<mpsc::SyncSender<AppendRequest>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    options: JournalOptions,
    fs: Arc<dyn Fs>,
    dir: PathBuf,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn io_error(what: &str, error: &std::io::Error) -> LogError {
    LogError::Io(format!("{what}: {error}"))
}

impl Journal {
    /// Opens the journal in `dir`, made if it is not there: takes the lock, recovers, and writes an epoch frame, so that all
    /// that is read from now on is on disk.
    ///
    /// # Errors
    /// If another process has it, if it is damaged, or if the disk fails.
    pub fn open(dir: &Path, options: JournalOptions) -> Result<Self, LogError> {
        Self::open_on(Arc::new(RealFs), dir, options)
    }

    /// The same on any file system.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(fs: Arc<dyn Fs>, dir: &Path, options: JournalOptions) -> Result<Self, LogError> {
        let segment_bytes = options.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let options = JournalOptions { segment_bytes, ..options };
        fs.make_dir(Site::MakeDir, dir).map_err(|error| io_error("data directory", &error))?;
        let held = fs.lock(dir)?;
        let (recovered, tail) = recover::recover(&*fs, dir, options.segment_bytes)?;
        let shared = Arc::new(Mutex::new(recovered));
        let mut writer = writer::Writer::new(shared.clone(), fs.clone(), dir.to_owned(), options.clone());
        // Also makes durable what a crashed process may have left in the page cache alone.
        writer.begin_epoch(tail)?;
        let (requests, receiver) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                writer.run(&receiver);
                // Nobody else gets the directory while this may still write.
                drop(held);
            })
            .map_err(|error| io_error("journal thread", &error))?;
        let (requests, thread) = (Mutex::new(Some(requests)), Mutex::new(Some(thread)));
        Ok(Self { shared, requests, thread, options, fs, dir: dir.to_owned() })
    }

    /// Ends writing, and waits for what is being written.
    fn end(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's thread panicked");
        }
    }

    fn place(&self, commit: CommitNo) -> Result<Place, LogError> {
        lock(&self.shared).place(commit.0).ok_or(LogError::NotThere(commit.0))
    }

    fn get_now(&self, commit: CommitNo) -> Result<Frame, LogError> {
        let place = self.place(commit)?;
        let mut bytes = vec![0; FRAME_HEADER + place.len as usize];
        let read = place.file.read_exact_at(Site::ReadFrame, &mut bytes, place.at);
        read.map_err(|error| io_error("journal read", &error))?;
        let is_it = |header: &frame::Header| header.commit == commit.0 && header.len == place.len;
        let Some(header) = frame::read_frame(&bytes, place.id.life).filter(is_it) else {
            // It may have been dropped, and its segment used again, while it was read.
            self.place(commit)?;
            return Err(LogError::Damaged {
                file: segment_name(place.id.generation),
                offset: place.at,
                commit: commit.0,
                what: "the frame's checksum does not match".into(),
            });
        };
        let body = Bytes::from(bytes).slice(FRAME_HEADER..);
        Ok(Frame { commit, prev: CommitNo(header.prev), prev_hash: header.prev_hash, hash: header.crc, body })
    }

    fn part_now(&self, commit: CommitNo, at: u32, len: u32) -> Result<Bytes, LogError> {
        let place = self.place(commit)?;
        if u64::from(at) + u64::from(len) > u64::from(place.len) {
            return Err(LogError::NotThere(commit.0));
        }
        let from = place.at + FRAME_HEADER as u64 + u64::from(at);
        let read = place.file.read_at(Site::ReadPart, len as usize, from);
        let bytes = read.map_err(|error| io_error("journal read", &error))?;
        // It may have been dropped, and its segment used again, while it was read.
        self.place(commit)?;
        Ok(bytes.into())
    }

    fn submit(&self, request: AppendRequest) -> Result<(), LogError> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = requests.as_ref().ok_or_else(|| LogError::Stopped("closed".into()))?;
        // One append is in flight at a time, so there is room.
        sender.try_send(request).map_err(|_| LogError::Stopped("the journal's thread is gone or busy".into()))
    }
}

fn segment_name(generation: u64) -> String {
    format!("journal-{generation:016x}.seg")
}

impl FrameLog for Journal {
    fn append(&self, prev: CommitNo, parts: Vec<Bytes>, reserve: bool) -> BoxFuture<'_, Result<CommitNo, LogError>> {
        async move {
            let (reply, answer) = oneshot::channel();
            self.submit(AppendRequest { prev, parts, reserve, reply })?;
            answer.await.unwrap_or_else(|_| Err(LogError::Stopped("the journal's thread is gone".into())))
        }
        .boxed()
    }

    fn read(&self, from: CommitNo, upto: CommitNo, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Frame>, LogError>> {
        async move {
            if from > upto {
                return Ok(Vec::new());
            }
            let mut bytes = 0;
            let commits: Vec<u64> = {
                let shared = lock(&self.shared);
                let frames = shared.frames(from.0, upto.0);
                frames
                    .take_while(|(_, len)| window(&mut bytes, *len as usize, bytes_max))
                    .map(|(commit, _)| commit)
                    .collect()
            };
            commits.into_iter().map(|commit| self.get_now(CommitNo(commit))).collect()
        }
        .boxed()
    }

    fn get(&self, commit: CommitNo) -> BoxFuture<'_, Result<Frame, LogError>> {
        async move { self.get_now(commit) }.boxed()
    }

    fn get_part(&self, commit: CommitNo, at: u32, len: u32) -> BoxFuture<'_, Result<Bytes, LogError>> {
        async move { self.part_now(commit, at, len) }.boxed()
    }

    fn newest(&self) -> CommitNo {
        CommitNo(lock(&self.shared).newest)
    }

    fn oldest(&self) -> CommitNo {
        CommitNo(lock(&self.shared).frames(0, u64::MAX).next().map_or(0, |(commit, _)| commit))
    }

    fn drop_below(&self, commit: CommitNo) {
        let retired = lock(&self.shared).drop_below(commit.0);
        if !retired.is_empty() {
            blocking(|| free(&*self.fs, &self.shared, retired));
        }
    }

    fn drop_commit(&self, commit: CommitNo) {
        let retired = lock(&self.shared).drop_frame(commit.0);
        if let Some(retired) = retired {
            blocking(|| free(&*self.fs, &self.shared, [retired]));
        }
    }

    fn give_back(&self) {
        let Some(path) = lock(&self.shared).unused_spare() else { return };
        if let Err(error) = blocking(|| self.fs.remove(Site::RemoveUnused, &path)) {
            tracing::warn!(%error, path = %path.display(), "a spare could not be removed");
        }
    }

    fn has_losses(&self) -> bool {
        lock(&self.shared).has_losses
    }

    fn limits(&self) -> Limits {
        self.options.limits()
    }

    fn space(&self) -> Space {
        let shared = lock(&self.shared);
        let segment = self.options.segment_bytes;
        let used_bytes = shared.files() * segment;
        let rest = shared.active().map_or(0, table::Segment::rest);
        let (spares, in_reserve) = (shared.spares.len() as u64 * segment, shared.in_reserve);
        drop(shared);
        let limit = self.options.disk_limit.unwrap_or(u64::MAX);
        let disk = self.fs.free_bytes(Site::FreeBytesStats, &self.dir).unwrap_or(u64::MAX);
        if in_reserve && (used_bytes > limit || (spares == 0 && disk < FREE_BYTES_MIN)) {
            return Space { used_bytes, free_bytes: 0 };
        }
        let by_limit = limit.saturating_sub(used_bytes) / segment * segment;
        let by_disk = disk.saturating_sub(FREE_BYTES_MIN) / segment * segment;
        let free_bytes = rest.saturating_add(spares).saturating_add(by_limit.min(by_disk));
        // A commit goes into one segment whole: what is left of the active one may be too small for it.
        Space { used_bytes, free_bytes }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LogError>> {
        // Every append was synced before it was answered; at most one is under way.
        async move {
            self.end();
            Ok(())
        }
        .boxed()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.end();
    }
}
