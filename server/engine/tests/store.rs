//! The store over each frame log: what was committed is there again, whatever happened in between.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::settle::{self, Progress, SettleRecord};
use ferrymq_core::{LogId, QueueId};
use ferrymq_engine::frame_log::{FrameLog, LogError};
use ferrymq_engine::journal::{Journal, JournalOptions, check};
use ferrymq_engine::memory::{Fault, MemoryLog};
use ferrymq_engine::store::{Op, SETTLE_LOG, Store, StoreError, StoreOptions};
use futures::executor::block_on;

const LOG: LogId = LogId(20);

fn options() -> StoreOptions {
    StoreOptions {
        cache_bytes_max: 4_096,
        checkpoint_every_bytes: 20_000,
        stretch_bytes: 8_000,
        ..StoreOptions::default()
    }
}

fn small() -> JournalOptions {
    JournalOptions { segment_bytes: 64 << 10, disk_limit: None }
}

fn journal(dir: &Path) -> Arc<dyn FrameLog> {
    Arc::new(Journal::open(dir, small()).unwrap())
}

fn open(frames: Arc<dyn FrameLog>) -> Store {
    block_on(Store::open(frames, options())).unwrap()
}

fn batch(number: u64) -> Bytes {
    Bytes::from(number.to_le_bytes().repeat(100))
}

/// Commit `number`: a batch, a settlement, a key, and now and then a trim.
fn commit(store: &Store, number: u64) -> Result<(), StoreError> {
    let record =
        SettleRecord { queue: QueueId(1), log: LOG, change: Progress::Settled { from: number, to: number + 1 } };
    let end = store.end(SETTLE_LOG);
    let mut ops = vec![
        Op::Append { log: LOG, base: number, count: 1, batch: batch(number) },
        Op::Append { log: SETTLE_LOG, base: end, count: 1, batch: settle::encode(&[record]) },
        Op::Put { key: format!("k{}", number % 7).into(), value: number.to_string().into() },
    ];
    if number % 10 == 9 {
        ops.push(Op::TrimTo { log: LOG, floor: number - 5 });
        ops.push(Op::Delete { key: "k3".into() });
    }
    block_on(store.commit(ops, false)).map(|_| ())
}

fn check_batches(store: &Store, end: u64) {
    assert_eq!(store.end(LOG), end);
    let read = block_on(store.read(LOG, 0, usize::MAX)).unwrap();
    assert_eq!(read.first().map(|b| b.base), Some(store.first(LOG)));
    assert_eq!(read.len() as u64, end - store.first(LOG));
    assert!(read.iter().all(|found| found.bytes == batch(found.base) && found.count == 1));
    assert_eq!(block_on(store.read(LOG, end - 1, 1)).unwrap().len(), 1);
    let cursor: BTreeMap<LogId, Cursor> = store.cursors(QueueId(1)).into_iter().collect();
    assert_eq!(cursor[&LOG].floor(), end);
}

#[test]
fn a_reopened_store_has_the_same_state_after_each_commit() {
    let log = MemoryLog::new();
    let store = open(Arc::new(log.clone()));
    let mut log = log;
    let mut digest = store.digest();
    for number in 0..120 {
        log = log.reopen();
        let store = open(Arc::new(log.clone()));
        assert_eq!(store.digest(), digest, "before commit {number}");
        commit(&store, number).unwrap();
        check_batches(&store, number + 1);
        digest = store.digest();
    }
}

#[test]
fn a_journal_keeps_all_and_gives_back_the_space_of_the_dead() {
    let dir = tempfile::tempdir().unwrap();
    let mut digest = None;
    for round in 0..8 {
        let store = open(journal(dir.path()));
        assert!(digest.is_none_or(|digest| digest == store.digest()), "round {round}");
        for number in round * 100..(round + 1) * 100 {
            commit(&store, number).unwrap();
        }
        check_batches(&store, (round + 1) * 100);
        digest = Some(store.digest());
    }
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    let segments = files.iter().filter(|name| name.to_string_lossy().ends_with(".seg")).count();
    assert!(segments <= 6, "800 KiB went through, and the disk holds {files:?}");
    assert!(check(dir.path()).unwrap().problems.is_empty());
}

#[test]
fn every_torn_tail_is_cut_and_all_before_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(journal(dir.path()));
    for number in 0..5 {
        commit(&store, number).unwrap();
    }
    let digest = store.digest();
    commit(&store, 5).unwrap();
    drop(store);
    let segment = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal-")))
        .unwrap();
    let whole = std::fs::read(&segment).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let frame = whole[..end].windows(4).rposition(|window| window == b"FMQF").unwrap();
    for cut in (frame..end).step_by(37).chain([frame, frame + 1, end - 1]) {
        let torn: Vec<u8> = whole.iter().enumerate().map(|(at, byte)| if at < cut { *byte } else { 0 }).collect();
        std::fs::write(&segment, &torn).unwrap();
        let store = open(journal(dir.path()));
        assert_eq!(store.digest(), digest, "cut at {cut}");
        commit(&store, 5).unwrap();
        check_batches(&store, 6);
    }
}

#[test]
fn damage_in_the_middle_is_named_and_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(journal(dir.path()));
    for number in 0..5 {
        commit(&store, number).unwrap();
    }
    drop(store);
    let segment = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal-")))
        .unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[1_500] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let Err(LogError::Damaged { file, offset, commit, .. }) = Journal::open(dir.path(), small()) else {
        panic!("damage was not seen")
    };
    assert!(file.starts_with("journal-") && offset > 0 && commit > 0);
    assert_eq!(check(dir.path()).unwrap().problems.len(), 1);
}

#[test]
fn a_full_journal_refuses_publishes_takes_settlements_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let options = JournalOptions { disk_limit: Some(4 * (64 << 10)), ..small() };
    let frames = Arc::new(Journal::open(dir.path(), options).unwrap());
    let store = open(frames);
    let mut number = 0;
    let append =
        |number: u64| vec![Op::Append { log: LOG, base: number, count: 1, batch: Bytes::from(vec![7; 8_000]) }];
    let error = loop {
        match block_on(store.commit(append(number), false)) {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Log(LogError::Full)), "{error}");
    assert_eq!(store.end(LOG), number, "a refused commit changes nothing");
    block_on(store.commit(vec![Op::TrimTo { log: LOG, floor: number }], true)).unwrap();
    for more in 0..20 {
        block_on(store.commit(append(number + more), false)).unwrap();
        block_on(store.commit(vec![Op::TrimTo { log: LOG, floor: number + more }], true)).unwrap();
    }
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let held = Journal::open(dir.path(), small()).unwrap();
    let error = Journal::open(dir.path(), small()).err().unwrap().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    drop(held);
    Journal::open(dir.path(), small()).unwrap();
}

#[test]
fn a_fenced_or_failed_log_takes_no_more_commits() {
    let log = MemoryLog::new();
    let store = open(Arc::new(log.clone()));
    commit(&store, 0).unwrap();
    log.inject(0, Fault::Full);
    assert!(matches!(commit(&store, 1), Err(StoreError::Log(LogError::Full))));
    commit(&store, 1).unwrap();
    log.inject(0, Fault::Stopped);
    assert!(matches!(commit(&store, 2), Err(StoreError::Log(LogError::Stopped(_)))));
    assert!(matches!(commit(&store, 2), Err(StoreError::Log(LogError::Fenced))));
    let store = open(Arc::new(log.reopen()));
    check_batches(&store, 2);
}
