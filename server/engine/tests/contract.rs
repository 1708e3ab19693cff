//! What every log of frames keeps to: one suite, run on each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::CommitNo;
use ferrymq_engine::frame_log::{Frame, FrameLog, LogError};
use ferrymq_engine::journal::sim::SimFs;
use ferrymq_engine::journal::{Journal, JournalOptions};
use ferrymq_engine::memory::MemoryLog;
use futures::executor::block_on;

/// Bytes at which the logs count as full.
const LIMIT: u64 = 6 * (64 << 10);

/// Opens the same log anew each time.
type Open = Box<dyn Fn() -> Arc<dyn FrameLog>>;

fn options() -> JournalOptions {
    JournalOptions { segment_bytes: 64 << 10, disk_limit: Some(LIMIT) }
}

fn in_memory() -> Open {
    let log = MemoryLog::with_limit(LIMIT);
    Box::new(move || Arc::new(log.reopen()))
}

fn on_disk() -> Open {
    let dir = tempfile::tempdir().unwrap();
    Box::new(move || Arc::new(Journal::open(dir.path(), options()).unwrap()))
}

fn simulated() -> Open {
    let fs = SimFs::default();
    Box::new(move || Arc::new(Journal::open_on(Arc::new(fs.clone()), Path::new("data"), options()).unwrap()))
}

fn body(number: u64, len: usize) -> Bytes {
    Bytes::from(number.to_le_bytes().repeat(len.div_ceil(8))).slice(..len)
}

fn try_append(log: &dyn FrameLog, body: Bytes, reserve: bool) -> Result<CommitNo, LogError> {
    block_on(log.append(log.newest(), vec![body], reserve))
}

fn append(log: &dyn FrameLog, number: u64, len: usize) -> CommitNo {
    try_append(log, body(number, len), false).unwrap()
}

fn read(log: &dyn FrameLog, from: CommitNo, upto: CommitNo, bytes_max: usize) -> Vec<CommitNo> {
    block_on(log.read(from, upto, bytes_max)).unwrap().into_iter().map(|frame| frame.commit).collect()
}

fn get(log: &dyn FrameLog, commit: CommitNo) -> Result<Frame, LogError> {
    block_on(log.get(commit))
}

fn is_gone(log: &dyn FrameLog, commit: CommitNo) -> bool {
    let part = block_on(log.get_part(commit, 0, 0));
    matches!(get(log, commit), Err(LogError::NotThere(at)) if at == commit.0)
        && matches!(part, Err(LogError::NotThere(at)) if at == commit.0)
}

fn appends_are_in_order_and_each_names_the_one_before(open: Open) {
    let log = open();
    let parts = vec![Bytes::from_static(b"one"), Bytes::new(), Bytes::from_static(b"two")];
    let first = block_on(log.append(log.newest(), parts, false)).unwrap();
    let empty = block_on(log.append(first, Vec::new(), true)).unwrap();
    let third = append(&*log, 3, 1_000);
    assert!(first < empty && empty < third && log.newest() == third);
    let frames = block_on(log.read(first, third, usize::MAX)).unwrap();
    let bodies: Vec<_> = frames.iter().map(|frame| frame.body.clone()).collect();
    assert_eq!(bodies, [Bytes::from_static(b"onetwo"), Bytes::new(), body(3, 1_000)]);
    for pair in frames.windows(2) {
        assert_eq!((pair[1].prev, pair[1].prev_hash), (pair[0].commit, pair[0].hash));
    }
    assert!(frames.iter().all(|frame| get(&*log, frame.commit).unwrap() == *frame));
    assert!(is_gone(&*log, CommitNo(third.0 + 1)) && is_gone(&*log, CommitNo(u64::MAX)));
}

fn a_writer_with_a_stale_view_is_fenced_for_good(open: Open) {
    let log = open();
    let first = append(&*log, 1, 10);
    let second = append(&*log, 2, 10);
    for prev in [first, CommitNo(second.0 + 1), second] {
        let again = block_on(log.append(prev, vec![body(3, 10)], true));
        assert!(matches!(again, Err(LogError::Fenced)), "{again:?}");
    }
    assert_eq!((log.newest(), get(&*log, second).unwrap().body), (second, body(2, 10)));
    drop(log);
    let log = open();
    assert_eq!(get(&*log, second).unwrap().body, body(2, 10));
    append(&*log, 3, 10);
}

fn a_read_has_its_window_and_at_least_one_frame(open: Open) {
    let log = open();
    let all: Vec<_> = (0..10).map(|number| append(&*log, number, 100)).collect();
    let (first, last) = (all[0], all[9]);
    assert_eq!(read(&*log, first, last, usize::MAX), all);
    assert_eq!(read(&*log, all[3], all[5], usize::MAX), all[3..=5]);
    assert_eq!(read(&*log, first, last, 0), Vec::new());
    assert_eq!(read(&*log, first, last, 1), all[..1]);
    assert_eq!(read(&*log, first, last, 100), all[..1]);
    assert_eq!(read(&*log, first, last, 101), all[..2]);
    assert_eq!(read(&*log, last, first, usize::MAX), Vec::new());
    assert_eq!(read(&*log, CommitNo(last.0 + 1), CommitNo(u64::MAX), usize::MAX), Vec::new());
    assert_eq!(read(&*log, CommitNo(0), CommitNo(u64::MAX), usize::MAX).last(), Some(&last));
    log.drop_commit(all[4]);
    assert_eq!(read(&*log, all[3], all[6], usize::MAX), [all[3], all[5], all[6]]);
}

fn a_part_is_within_its_frame(open: Open) {
    let log = open();
    append(&*log, 1, 50);
    let commit = append(&*log, 2, 100);
    append(&*log, 3, 50);
    let part = |at, len| block_on(log.get_part(commit, at, len));
    assert_eq!(part(0, 100).unwrap(), body(2, 100));
    assert_eq!(part(7, 9).unwrap(), body(2, 100).slice(7..16));
    assert!(part(100, 0).unwrap().is_empty() && part(0, 0).unwrap().is_empty());
    for (at, len) in [(0, 101), (100, 1), (101, 0), (u32::MAX, u32::MAX), (1, u32::MAX), (u32::MAX, 0)] {
        assert!(matches!(part(at, len), Err(LogError::NotThere(_))), "{len} bytes at {at}");
    }
}

fn what_is_dropped_is_gone_and_the_newest_is_kept(open: Open) {
    let log = open();
    let all: Vec<_> = (0..20).map(|number| append(&*log, number, 9_000)).collect();
    for _ in 0..2 {
        log.drop_commit(all[9]);
        log.drop_below(all[5]);
        log.drop_below(all[2]);
        log.drop_commit(CommitNo(u64::MAX));
        log.drop_commit(CommitNo(0));
    }
    let left = [&all[5..9], &all[10..]].concat();
    assert_eq!(read(&*log, CommitNo(0), all[19], usize::MAX), left);
    assert!(log.oldest() == all[5] && is_gone(&*log, all[4]) && is_gone(&*log, all[9]));
    assert!(left.iter().all(|commit| get(&*log, *commit).is_ok()));
    for _ in 0..2 {
        log.drop_below(CommitNo(u64::MAX));
        log.drop_commit(all[19]);
    }
    assert_eq!(read(&*log, CommitNo(0), CommitNo(u64::MAX), usize::MAX), [all[19]]);
    assert_eq!((log.oldest(), get(&*log, all[19]).unwrap().body), (all[19], body(19, 9_000)));
}

fn a_log_opened_again_has_all_and_gives_no_number_twice(open: Open) {
    let mut newest = CommitNo(0);
    let mut kept = Vec::new();
    for round in 0..6 {
        let log = open();
        assert!(log.newest() >= newest);
        for (number, commit) in &kept {
            let frame: Frame = get(&*log, *commit).unwrap();
            assert_eq!(frame.body, body(*number, 5_000), "round {round}");
        }
        let before = log.newest();
        for number in round * 20..(round + 1) * 20 {
            let commit = append(&*log, number, 5_000);
            assert!(commit > newest.max(before));
            newest = commit;
            kept.push((number, commit));
        }
        if round % 2 == 1 {
            log.drop_below(newest);
            kept = kept.split_off(kept.len() - 1);
        }
        let (number, dropped) = kept[kept.len() / 2];
        log.drop_commit(dropped);
        kept.retain(|(kept, _)| *kept != number || dropped == newest);
    }
}

fn a_frame_above_the_limit_is_refused_and_the_log_goes_on(open: Open) {
    let log = open();
    let bytes_max = log.limits().commit_bytes_max;
    assert!(log.limits().seal_bytes <= bytes_max);
    let large = try_append(&*log, Bytes::from(vec![7; bytes_max + 1]), true);
    assert!(matches!(large, Err(LogError::TooLarge { bytes, .. }) if bytes == bytes_max + 1), "{large:?}");
    if bytes_max as u64 > LIMIT {
        return;
    }
    for _ in 0..3 {
        let commit = try_append(&*log, Bytes::from(vec![7; bytes_max]), false).unwrap();
        assert_eq!(get(&*log, commit).unwrap().body.len(), bytes_max);
    }
}

fn a_full_log_takes_settlements_and_goes_on_when_space_is_back(open: Open) {
    let log = open();
    let mut all = Vec::new();
    let refused = loop {
        match try_append(&*log, body(all.len() as u64, 20_000), false) {
            Ok(commit) => all.push(commit),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, LogError::Full) && all.len() > 8, "{refused}");
    assert!(log.space().free_bytes < 20_100, "{:?}", log.space());
    for _ in 0..4 {
        all.push(try_append(&*log, body(all.len() as u64, 20_000), true).unwrap());
    }
    assert!(matches!(try_append(&*log, body(0, 20_000), false), Err(LogError::Full)));
    drop(log);
    let log = open();
    for (number, commit) in all.iter().enumerate() {
        assert_eq!(get(&*log, *commit).unwrap().body, body(number as u64, 20_000));
    }
    log.drop_below(log.newest());
    for number in 0..100 {
        let commit = append(&*log, number, 20_000);
        log.drop_below(commit);
    }
}

fn a_closed_log_reads_and_another_may_have_it(open: Open) {
    let log = open();
    let commit = append(&*log, 1, 100);
    block_on(log.close()).unwrap();
    block_on(log.close()).unwrap();
    assert!(matches!(try_append(&*log, body(2, 100), true), Err(LogError::Stopped(_))));
    let next = open();
    append(&*next, 2, 100);
    assert_eq!(get(&*log, commit).unwrap().body, body(1, 100));
    assert_eq!(get(&*next, commit).unwrap().body, body(1, 100));
}

macro_rules! suite {
    ($($log:ident: $make:path;)+) => { $(mod $log { suite!(@each $make:
        appends_are_in_order_and_each_names_the_one_before, a_writer_with_a_stale_view_is_fenced_for_good,
        a_read_has_its_window_and_at_least_one_frame, a_part_is_within_its_frame,
        what_is_dropped_is_gone_and_the_newest_is_kept, a_log_opened_again_has_all_and_gives_no_number_twice,
        a_frame_above_the_limit_is_refused_and_the_log_goes_on,
        a_full_log_takes_settlements_and_goes_on_when_space_is_back, a_closed_log_reads_and_another_may_have_it,
    ); })+ };
    (@each $make:path: $($test:ident,)+) => { $(#[test] fn $test() { super::$test($make()); })+ };
}

suite! {
    memory: crate::in_memory;
    journal: crate::on_disk;
    simulated_journal: crate::simulated;
}
