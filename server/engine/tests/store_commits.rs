//! Commits whole or not at all: larger than a frame, given up by their caller, cut off by a fault; and settlements that come
//! after their queue has ended.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod wrapped;

use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::settle::{self, Progress, SettleRecord};
use ferrymq_core::{CommitNo, LogId, QueueId};
use ferrymq_engine::frame_log::{FrameLog as _, LogError};
use ferrymq_engine::memory::{Fault, MemoryLog};
use ferrymq_engine::store::{Op, SETTLE_LOG, Store, StoreError, StoreOptions, queue_key};
use futures::FutureExt as _;
use wrapped::Wrapped;

const LOG: LogId = LogId(2);

fn options() -> StoreOptions {
    StoreOptions { cache_bytes_max: 0, index_page_batches: 4, stretch_bytes: 9_000, ..StoreOptions::default() }
}

/// Frames of at most 4,000 bytes.
async fn small(log: &MemoryLog) -> Store {
    let frames = Wrapped { commit_bytes_max: 4_000, ..Wrapped::new(log.reopen()) };
    Store::open(Arc::new(frames), options()).await.unwrap()
}

/// Three batches fill a frame.
fn batch(number: u64) -> Bytes {
    Bytes::from(number.to_le_bytes().repeat(150))
}

fn append(base: u64) -> Op {
    Op::Append { log: LOG, base, count: 1, batch: batch(base) }
}

fn settle(store: &Store, queue: u64, upto: u64) -> Op {
    let change = Progress::Settled { from: 0, to: upto };
    let batch = settle::encode(&[SettleRecord { queue: QueueId(queue), log: LOG, change }]);
    Op::Append { log: SETTLE_LOG, base: store.end(SETTLE_LOG), count: 1, batch }
}

/// Ten batches, a value and a settlement: five frames.
fn large(store: &Store) -> Vec<Op> {
    let end = store.end(LOG);
    let mut ops: Vec<Op> = (end..end + 10).map(append).collect();
    ops.push(Op::Put { key: "end".into(), value: (end + 10).to_string().into() });
    ops.push(settle(store, 1, end + 10));
    ops
}

/// A large commit with a mark in its first frame, which is never seen if it is cut off.
fn with_orphan(store: &Store) -> Vec<Op> {
    let mark = Op::Put { key: "orphan".into(), value: "1".into() };
    std::iter::once(mark).chain(large(store)).collect()
}

async fn check(store: &Store, commits: &[CommitNo]) {
    assert_eq!(store.get(b"orphan"), None);
    let end = 10 * commits.len() as u64;
    assert_eq!(store.end(LOG), end);
    let read = store.read(LOG, 0, usize::MAX).await.unwrap();
    assert_eq!(read.len() as u64, end);
    for (found, commit) in read.iter().zip(commits.iter().flat_map(|commit| [commit; 10])) {
        assert_eq!((&found.bytes, found.commit), (&batch(found.base), *commit));
    }
    let value = (end > 0).then(|| Bytes::from(end.to_string()));
    assert_eq!(store.get(b"end"), value);
    assert_eq!(store.cursors(QueueId(1)).first().map(|(_, cursor)| cursor.floor()), (end > 0).then_some(end));
}

#[tokio::test]
async fn a_commit_larger_than_a_frame_is_one_commit_all_the_same() {
    let log = MemoryLog::new();
    let mut commits = Vec::new();
    for round in 0..6 {
        let store = small(&log).await;
        let before = log.newest();
        commits.push(store.commit(large(&store), false).await.unwrap());
        assert!(log.newest().0 - before.0 >= 4, "it takes several frames");
        check(&store, &commits).await;
        let digest = store.digest();
        if round % 3 == 1 {
            store.checkpoint().await.unwrap();
        }
        drop(store);
        let store = small(&log).await;
        assert_eq!(store.digest(), digest);
        check(&store, &commits).await;
    }
    let store = small(&log).await;
    let huge = Op::Append { log: LOG, base: store.end(LOG), count: 1, batch: Bytes::from(vec![0; 4_001]) };
    let before = log.newest();
    let refused =
        store.commit(vec![append(store.end(LOG)), Op::Put { key: "k".into(), value: huge_value() }], false).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { bytes_max: 4_000, .. })));
    assert!(matches!(store.commit(vec![huge], false).await, Err(StoreError::TooLarge { .. })));
    assert_eq!(log.newest(), before, "nothing was written");
    check(&store, &commits).await;
}

fn huge_value() -> Bytes {
    Bytes::from(vec![0; 4_100])
}

#[tokio::test]
async fn a_commit_that_is_cut_off_between_its_frames_has_no_effect_then_or_later() {
    for fault in [Fault::Full, Fault::Stopped] {
        for after in 0..4 {
            let log = MemoryLog::new();
            let frames = log.reopen();
            let wrapped = Wrapped { commit_bytes_max: 4_000, ..Wrapped::new(frames.clone()) };
            let mut store = Store::open(Arc::new(wrapped), options()).await.unwrap();
            let mut commits = vec![store.commit(large(&store), false).await.unwrap()];
            let digest = store.digest();
            frames.inject(after, fault.clone());
            let failed = store.commit(with_orphan(&store), false).await;
            assert!(matches!(failed, Err(StoreError::Log(LogError::Full | LogError::Stopped(_)))));
            assert_eq!(store.digest(), digest);
            check(&store, &commits).await;
            if matches!(fault, Fault::Stopped) || after % 2 == 0 {
                store = small(&log).await;
                assert_eq!(store.digest(), digest, "{fault:?} after {after}");
            }
            // The frames of the one cut off are not taken for a part of what follows, large or small.
            store.commit(vec![Op::Put { key: "other".into(), value: "1".into() }], false).await.unwrap();
            commits.push(store.commit(large(&store), false).await.unwrap());
            let digest = store.digest();
            let store = small(&log).await;
            assert_eq!(store.digest(), digest);
            check(&store, &commits).await;
        }
    }
}

#[tokio::test]
async fn a_large_commit_right_behind_one_that_was_cut_off_is_whole() {
    let log = MemoryLog::new();
    let frames = log.reopen();
    let wrapped = Wrapped { commit_bytes_max: 4_000, ..Wrapped::new(frames.clone()) };
    let store = Store::open(Arc::new(wrapped), options()).await.unwrap();
    frames.inject(2, Fault::Stopped);
    assert!(store.commit(with_orphan(&store), false).await.is_err());
    let store = small(&log).await;
    let commits = [store.commit(large(&store), false).await.unwrap()];
    let digest = store.digest();
    let store = small(&log).await;
    assert_eq!(store.digest(), digest);
    check(&store, &commits).await;
}

#[tokio::test]
async fn a_commit_whose_caller_went_away_is_finished_by_the_next() {
    let log = MemoryLog::new();
    let wrapped = Wrapped { delays: 3, commit_bytes_max: 4_000, ..Wrapped::new(log.reopen()) };
    let store = Store::open(Arc::new(wrapped), options()).await.unwrap();
    for polls in 0..12 {
        let end = store.end(LOG);
        let mut commit = Box::pin(store.commit(large(&store), false));
        for _ in 0..=polls {
            assert!(commit.as_mut().now_or_never().is_none(), "it takes five frames of four polls each");
        }
        drop(commit);
        // It was begun, so it is there; what comes next does not mistake the log for another writer's.
        store.commit(vec![Op::Put { key: "next".into(), value: Bytes::from(vec![polls]) }], false).await.unwrap();
        assert_eq!(store.end(LOG), end + 10);
    }
    store.close().await.unwrap();
    let digest = store.digest();
    let store = small(&log).await;
    assert_eq!((store.digest(), store.end(LOG)), (digest, 120));
    assert_eq!(store.read(LOG, 0, usize::MAX).await.unwrap().len(), 120);
}

#[tokio::test]
async fn a_settlement_that_comes_after_its_queue_ended_brings_no_cursor_back() {
    let log = MemoryLog::new();
    let mut store = small(&log).await;
    store.commit(vec![settle(&store, 1, 5)], true).await.unwrap();
    store.commit(vec![settle(&store, 2, 5)], true).await.unwrap();
    store.commit(vec![Op::Delete { key: queue_key(QueueId(1)) }, settle(&store, 1, 6)], true).await.unwrap();
    for image in [false, true] {
        store.commit(vec![settle(&store, 1, 7)], true).await.unwrap();
        store.commit(vec![settle(&store, 2, 7)], true).await.unwrap();
        if image {
            store.checkpoint().await.unwrap();
        }
        let digest = store.digest();
        store = small(&log).await;
        assert_eq!(store.digest(), digest);
        assert_eq!((store.cursors(QueueId(1)).len(), store.cursors(QueueId(2)).len()), (0, 1));
    }
}
