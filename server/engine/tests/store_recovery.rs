//! After each commit the process may be gone: what is found again does not depend on what became of the state directory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::settle::{self, Progress, SettleRecord};
use ferrymq_core::{CommitNo, LogId, QueueId};
use ferrymq_engine::frame_log::{FrameLog, LogError};
use ferrymq_engine::journal::{Journal, JournalOptions};
use ferrymq_engine::memory::{Fault, MemoryLog};
use ferrymq_engine::store::{Op, SETTLE_LOG, Store, StoreError, StoreOptions, queue_key};

fn with_state(dir: &Path) -> StoreOptions {
    StoreOptions { state_dir: Some(dir.to_owned()), ..without_state() }
}

/// Most of the index is in pages.
fn without_state() -> StoreOptions {
    StoreOptions {
        checkpoint_every_bytes: u64::MAX,
        index_bytes_max: 400,
        index_page_batches: 3,
        stretch_bytes: 2_000,
        ..StoreOptions::default()
    }
}

/// The ops of the commit number `at` of a small history that uses all of them.
fn ops(store: &Store, at: u64) -> Vec<Op> {
    let log = LogId(2 + at % 2);
    let batch = Bytes::from(vec![at as u8; 300]);
    let mut ops = vec![Op::Append { log, base: store.end(log), count: 3, batch: batch.clone() }];
    let change = Progress::Settled { from: at, to: at + 2 };
    let settles = settle::encode(&[SettleRecord { queue: QueueId(at % 3), log, change }]);
    ops.push(Op::Append { log: SETTLE_LOG, base: store.end(SETTLE_LOG), count: 1, batch: settles });
    let key = Bytes::from(format!("key{}", at % 5));
    match at % 4 {
        0 => ops.push(Op::Put { key, value: Bytes::from(vec![at as u8; 20_000]) }),
        1 => ops.push(Op::TrimTo { log, floor: store.end(log).saturating_sub(9) }),
        2 => ops.push(Op::Delete { key }),
        _ => ops.push(Op::Delete { key: queue_key(QueueId(0)) }),
    }
    ops
}

fn copy_dir(from: &Path, to: &Path, upto_bytes: Option<u64>) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target, upto_bytes);
            continue;
        }
        let mut bytes = std::fs::read(entry.path()).unwrap();
        bytes.truncate(upto_bytes.unwrap_or(u64::MAX).min(bytes.len() as u64) as usize);
        std::fs::write(target, bytes).unwrap();
    }
}

fn damage(dir: &Path) {
    let file = dir.join("db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.iter_mut().filter(|byte| **byte != 0).step_by(97).for_each(|byte| *byte ^= 0x5a);
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn every_prefix_of_commits_is_found_again_whatever_became_of_the_state_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (state, older) = (dir.path().join("state"), dir.path().join("older"));
    let log = MemoryLog::new();
    let mut store = Store::open(Arc::new(log.reopen()), with_state(&state)).await.unwrap();
    for at in 0..24 {
        store.commit(ops(&store, at), false).await.unwrap();
        if at % 6 == 5 {
            store.checkpoint().await.unwrap();
        }
        let digest = store.digest();
        drop(store);
        if at == 8 {
            copy_dir(&state, &older, None);
        }
        let case = dir.path().join(format!("case{at}"));
        let plain = Store::open(Arc::new(log.reopen()), without_state()).await.unwrap();
        assert_eq!(plain.digest(), digest, "no state directory, commit {at}");
        drop(plain);
        if older.exists() && at % 5 == 0 {
            copy_dir(&older, &case.join("older"), None);
            copy_dir(&state, &case.join("half"), Some(9_000));
            copy_dir(&state, &case.join("damaged"), None);
            damage(&case.join("damaged"));
            for name in ["older", "half", "damaged"] {
                let store = Store::open(Arc::new(log.reopen()), with_state(&case.join(name))).await.unwrap();
                assert_eq!(store.digest(), digest, "state directory {name}, commit {at}");
                drop(store);
            }
        }
        store = Store::open(Arc::new(log.reopen()), with_state(&state)).await.unwrap();
        assert_eq!(store.digest(), digest, "its own state directory, commit {at}");
    }
}

#[tokio::test]
async fn a_state_directory_of_other_frames_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = Store::open(Arc::new(MemoryLog::new().reopen()), with_state(&state)).await.unwrap();
    store.commit(ops(&store, 0), false).await.unwrap();
    store.checkpoint().await.unwrap();
    drop(store);
    let other = Store::open(Arc::new(MemoryLog::new().reopen()), with_state(&state)).await.unwrap();
    assert_eq!((other.visible(), other.end(LogId(2))), (CommitNo(0), 0));
    assert!(dir.path().join("state.aside-0").exists() || std::fs::read_dir(dir.path()).unwrap().count() == 2);
}

#[tokio::test]
async fn a_frame_that_is_missing_is_named() {
    let log = MemoryLog::new();
    let store = Store::open(Arc::new(log.reopen()), without_state()).await.unwrap();
    for at in 0..12 {
        store.commit(ops(&store, at), false).await.unwrap();
        if at % 4 == 3 {
            store.checkpoint().await.unwrap();
        }
    }
    let digest = store.digest();
    drop(store);
    let slice = CommitNo(log.newest().0 - 1);
    log.drop_commit(slice);
    // The older image is whole, but what follows it is not: nothing may be lost silently.
    let opened = Store::open(Arc::new(log.reopen()), without_state()).await;
    assert!(matches!(opened, Err(StoreError::Log(LogError::NotThere(at))) if at == slice.0), "digest {digest}");
}

#[tokio::test]
async fn a_failed_write_changes_nothing_and_a_full_log_may_be_tried_again() {
    let log = MemoryLog::new();
    let frames = log.reopen();
    let store = Store::open(Arc::new(frames.clone()), without_state()).await.unwrap();
    store.commit(ops(&store, 0), false).await.unwrap();
    let digest = store.digest();
    frames.inject(0, Fault::Full);
    assert!(matches!(store.commit(ops(&store, 1), false).await, Err(StoreError::Log(LogError::Full))));
    assert_eq!(store.digest(), digest);
    store.commit(ops(&store, 1), false).await.unwrap();
    let digest = store.digest();
    frames.inject(0, Fault::Stopped);
    assert!(store.commit(ops(&store, 2), false).await.is_err());
    assert!(store.commit(ops(&store, 2), false).await.is_err(), "nothing is written any more");
    assert_eq!(store.digest(), digest);
}

#[tokio::test]
async fn a_clean_stop_is_known_on_a_journal_also_after_a_start_that_wrote_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = || Arc::new(Journal::open(dir.path(), JournalOptions::default()).unwrap());
    let store = Store::open(journal(), without_state()).await.unwrap();
    assert!(!store.unclean());
    store.commit(ops(&store, 0), false).await.unwrap();
    let digest = store.digest();
    store.close().await.unwrap();
    drop(store);
    for _ in 0..2 {
        let store = Store::open(journal(), without_state()).await.unwrap();
        assert_eq!((store.unclean(), store.digest()), (false, digest));
    }
    let store = Store::open(journal(), without_state()).await.unwrap();
    store.commit(ops(&store, 1), false).await.unwrap();
    drop(store);
    assert!(Store::open(journal(), without_state()).await.unwrap().unclean());
}
