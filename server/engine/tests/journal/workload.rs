//! A history of a store: several logs, one of them slow, settlements, values, checkpoints, copies, restarts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ferrymq_core::settle::{self, Progress, SettleRecord};
use ferrymq_core::{LogId, Offset, QueueId};
use ferrymq_engine::journal::fs::Fs;
use ferrymq_engine::journal::sim::SimFs;
use ferrymq_engine::journal::{Journal, JournalOptions};
use ferrymq_engine::store::{Op, SETTLE_LOG, Store, StoreError, StoreOptions, queue_key};

use super::recorder::{History, Recorder};

/// Its batches are trimmed soon.
const FAST: LogId = LogId(20);
/// Its batches live long, and pin the segments that they are in until they are copied.
const SLOW: LogId = LogId(21);
/// Nothing of it ever goes; its batches are in the last commits of state images.
const KEPT: LogId = LogId(22);

pub fn journal_options() -> JournalOptions {
    JournalOptions { segment_bytes: 8 << 10, disk_limit: None }
}

pub fn store_options(state_dir: Option<PathBuf>) -> StoreOptions {
    // The index goes into pages, with the commit that makes it three batches of a log, and not beside it, so that the same
    // steps make the same calls.
    StoreOptions {
        state_dir,
        cache_bytes_max: 2_000,
        checkpoint_every_bytes: u64::MAX,
        index_bytes_max: 0,
        index_cache_bytes_max: 0,
        index_page_batches: 96,
        stretch_bytes: 4 << 10,
    }
}

pub fn open_journal(fs: &SimFs) -> Result<Journal, ferrymq_engine::frame_log::LogError> {
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    Journal::open_on(fs, Path::new("data"), journal_options())
}

/// A batch tells by its bytes where it belongs.
pub fn batch(log: LogId, base: Offset) -> Bytes {
    let seed = crc32c::crc32c(format!("{}/{base}", log.0).as_bytes());
    Bytes::from(seed.to_le_bytes().repeat(75 + seed as usize % 80))
}

/// The operations of step `at`.
fn ops(store: &Store, at: u64) -> Vec<Op> {
    let append = |log| Op::Append { log, base: store.end(log), count: 1, batch: batch(log, store.end(log)) };
    let mut ops = vec![append(FAST)];
    let change = Progress::Settled { from: at, to: at + 2 };
    let settles = settle::encode(&[SettleRecord { queue: QueueId(at % 3), log: FAST, change }]);
    ops.push(Op::Append { log: SETTLE_LOG, base: store.end(SETTLE_LOG), count: 1, batch: settles });
    let key = Bytes::from(format!("key{}", at % 5));
    match at % 6 {
        _ if at % 60 == 58 => ops.push(Op::TrimTo { log: SLOW, floor: store.end(SLOW) }),
        0 => ops.push(append(SLOW)),
        1 => ops.push(Op::Put { key, value: Bytes::from(vec![at as u8; 40]) }),
        2 => ops.push(Op::TrimTo { log: FAST, floor: store.end(FAST).saturating_sub(5) }),
        3 => ops.push(Op::Delete { key }),
        4 if at.is_multiple_of(5) => ops.push(Op::TrimTo { log: SLOW, floor: store.end(SLOW).saturating_sub(8) }),
        4 => ops.push(Op::Delete { key: queue_key(QueueId(0)) }),
        _ if at % 12 == 11 && at < 60 => ops.push(append(KEPT)),
        _ => {}
    }
    ops
}

/// Copies the oldest batches of the slow log to the journal's end, as cleaning does.
fn copies(store: &Store) -> Vec<Op> {
    let first = store.first(SLOW);
    let copy = |base| Op::Replace { log: SLOW, base, count: 1, batch: Some(batch(SLOW, base)) };
    (first..(first + 3).min(store.end(SLOW))).map(copy).collect()
}

/// All batches of a store are what they were.
pub async fn check_batches(store: &Store) -> Result<(), StoreError> {
    for log in [FAST, SLOW, KEPT] {
        let read = store.read(log, 0, usize::MAX).await?;
        let count = if read.is_empty() { 0 } else { store.end(log) - store.first(log) };
        assert_eq!(read.len() as u64, count, "{log:?}");
        assert!(read.iter().all(|found| found.bytes == batch(log, found.base)), "{log:?}");
    }
    Ok(())
}

/// A copy of the state directory after a checkpoint, and the number of changes when that had begun and had ended.
pub struct Snapshot {
    pub begun: usize,
    pub ended: usize,
    pub dir: PathBuf,
}

/// What a workload leaves behind.
pub struct Run {
    pub fs: SimFs,
    pub history: Arc<Mutex<History>>,
    pub snapshots: Vec<Snapshot>,
    /// Why it ended early.
    pub failure: Option<StoreError>,
}

impl Run {
    pub fn on(fs: SimFs) -> Self {
        Self { fs, history: Arc::default(), snapshots: Vec::new(), failure: None }
    }
}

pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub async fn open(run: &Run, dir: Option<&Path>) -> Result<(Store, Arc<Recorder>), StoreError> {
    let begun = run.fs.changes();
    let journal = open_journal(&run.fs).inspect_err(|_| run.history.lock().unwrap().note_failed_open(begun))?;
    let recorder = Recorder::new(journal, run.fs.clone(), begun, run.history.clone());
    let store = Store::open(recorder.clone(), store_options(dir.map(|dir| dir.join("state")))).await?;
    recorder.watch(Some(store.clone()));
    recorder.note_digest();
    Ok((store, recorder))
}

async fn steps(run: &mut Run, steps: u64, dir: Option<&Path>) -> Result<(), StoreError> {
    let (mut store, mut recorder) = open(run, dir).await?;
    for at in 0..steps {
        if at % 40 == 27 {
            if at % 80 == 27 {
                store.close().await?;
                recorder.note_digest();
            }
            recorder.watch(None);
            drop((store, recorder));
            (store, recorder) = open(run, dir).await?;
        }
        let done = step(run, &store, at, dir).await;
        recorder.note_digest();
        if done.is_err() {
            recorder.watch(None);
            return done;
        }
    }
    recorder.watch(None);
    Ok(())
}

pub async fn step(run: &mut Run, store: &Store, at: u64, dir: Option<&Path>) -> Result<(), StoreError> {
    store.commit(ops(store, at), at.is_multiple_of(2)).await?;
    if at % 15 == 13 {
        store.commit(copies(store), true).await?;
    }
    // Now and then there is none for a while, so that more is freed at once than is kept to be used again.
    if at % 12 == 11 && at % 120 < 50 {
        let begun = run.fs.changes();
        store.checkpoint().await?;
        if let Some(dir) = dir {
            let copy = dir.join(format!("snapshot{at}"));
            copy_dir(&dir.join("state"), &copy);
            run.snapshots.push(Snapshot { begun, ended: run.fs.changes(), dir: copy });
        }
        check_batches(store).await?;
        // The second has seen no load since the first.
        store.tidy().await?;
        store.tidy().await?;
    }
    Ok(())
}

/// Runs `count` steps, or as many as the file system lets it. State directories are made in `dir`.
pub fn run(fs: SimFs, count: u64, dir: Option<&Path>) -> Run {
    let mut run = Run::on(fs);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    run.failure = runtime.block_on(steps(&mut run, count, dir)).err();
    run
}
