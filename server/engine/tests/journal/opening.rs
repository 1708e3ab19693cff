//! Opening reads little, and what is damaged is named when it is wanted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::CommitNo;
use ferrymq_engine::frame_log::{FrameLog as _, LogError};
use ferrymq_engine::journal::fs::Site;
use ferrymq_engine::journal::sim::{Fate, SimFs};
use ferrymq_engine::journal::{CheckReport, Journal, check_on};
use futures::executor::block_on;

use super::workload::open_journal;

pub const FRAMES: u64 = 300;

fn body(commit: u64) -> Bytes {
    Bytes::from(commit.to_le_bytes().repeat(60))
}

/// A disk with some twenty segments: the commit n has the body n.
pub fn disk() -> SimFs {
    let fs = SimFs::default();
    let journal = open_journal(&fs).unwrap();
    for commit in 2..=FRAMES {
        assert_eq!(block_on(journal.append(journal.newest(), vec![body(commit)], false)).unwrap(), CommitNo(commit));
    }
    drop(journal);
    fs.crashed(fs.changes(), |_| Fate::Lost)
}

fn check(fs: &SimFs) -> CheckReport {
    check_on(&fs.clone(), Path::new("data")).unwrap()
}

pub fn is_whole(journal: &Journal, commit: u64) -> bool {
    block_on(journal.get(CommitNo(commit))).is_ok_and(|frame| frame.body == body(commit))
}

pub fn segments(fs: &SimFs) -> Vec<PathBuf> {
    fs.names().into_iter().filter(|name| name.to_string_lossy().contains("journal-")).collect()
}

/// The places of all frames and seals in a segment.
pub fn places(fs: &SimFs, path: &Path) -> Vec<usize> {
    let bytes = fs.bytes(path).unwrap();
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"FMQF")).collect()
}

#[test]
fn only_the_last_segment_is_read_whole() {
    let fs = disk();
    assert!(segments(&fs).len() > 15);
    let journal = open_journal(&fs).unwrap();
    let trace = fs.trace();
    let count = |site| trace.iter().filter(|of| **of == site).count();
    assert_eq!((count(Site::ReadSegment), count(Site::ReadSeal)), (1, segments(&fs).len() - 1));
    assert!((2..=FRAMES).all(|commit| is_whole(&journal, commit)));
    let frames = block_on(journal.read(CommitNo(2), CommitNo(FRAMES), usize::MAX)).unwrap();
    assert!(frames.windows(2).all(|pair| (pair[1].prev, pair[1].prev_hash) == (pair[0].commit, pair[0].hash)));
    drop(journal);
    let report = check(&fs);
    assert_eq!((report.frames, report.newest), (FRAMES + 1, FRAMES + 1));
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn damage_in_a_sealed_segment_is_named_where_it_is_and_hides_nothing_else() {
    let fs = disk();
    let path = &segments(&fs)[4];
    let at = places(&fs, path)[3];
    fs.damage(path, |bytes| bytes[at + 100] ^= 1);
    let report = check(&fs);
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(report.frames, FRAMES - 1);
    let journal = open_journal(&fs).unwrap();
    let lost: Vec<u64> = (2..=FRAMES).filter(|commit| !is_whole(&journal, *commit)).collect();
    let Err(LogError::Damaged { file, offset, commit, .. }) = block_on(journal.get(CommitNo(lost[0]))) else {
        panic!("damage was not seen")
    };
    assert_eq!((vec![commit], offset, &*file), (lost, at as u64, &*path.file_name().unwrap().to_string_lossy()));
    assert!(report.problems[0].contains(&file) && report.problems[0].ends_with(&format!("byte {at}, commit {commit}")));
}

#[test]
fn a_segment_whose_trailer_or_seal_is_damaged_is_read_frame_by_frame() {
    let fs = disk();
    let all = segments(&fs);
    fs.damage(&all[2], |bytes| *bytes.last_mut().unwrap() ^= 1);
    let journal = open_journal(&fs).unwrap();
    assert!((2..=FRAMES).all(|commit| is_whole(&journal, commit)));
    drop(journal);
    assert!(check(&fs).problems.is_empty());
    let seal = *places(&fs, &all[3]).last().unwrap();
    fs.damage(&all[3], |bytes| bytes[seal + 50] ^= 1);
    let journal = open_journal(&fs).unwrap();
    assert!((2..=FRAMES).all(|commit| is_whole(&journal, commit)), "the trailer tells that no frame is missing");
    drop(journal);
    assert_eq!(check(&fs).problems.len(), 1, "a damaged seal is named by a check");
    let frame = places(&fs, &all[3])[5];
    fs.damage(&all[3], |bytes| bytes[frame + 50] ^= 1);
    let Err(LogError::Damaged { file, offset, .. }) = open_journal(&fs) else { panic!("damage was not seen") };
    assert_eq!((Path::new("data").join(file), offset), (all[3].clone(), frame as u64));
}

#[test]
fn frames_in_a_message_are_nothing() {
    let fs = SimFs::default();
    let journal = Arc::new(open_journal(&fs).unwrap());
    // What looks like a later frame of the same segment lies in the body of one that is torn.
    let mut forged = fs.bytes(&segments(&fs)[0]).unwrap()[32..72].to_vec();
    forged[8..16].copy_from_slice(&1u64.to_le_bytes());
    forged[16..24].copy_from_slice(&9u64.to_le_bytes());
    let crc = crc32c::crc32c(&forged[..36]);
    forged[36..].copy_from_slice(&crc.to_le_bytes());
    block_on(journal.append(journal.newest(), vec![Bytes::from([vec![7; 500], forged, vec![7; 500]].concat())], false))
        .unwrap();
    drop(journal);
    let upto = fs.changes() - 1;
    let torn = fs.crashed(upto, |_| Fate::First(800));
    assert_eq!(open_journal(&torn).unwrap().newest(), CommitNo(2), "the torn frame is cut");
}

#[test]
fn what_is_kept_for_the_next_load_is_given_back_when_there_is_none() {
    let fs = SimFs::default();
    let journal = open_journal(&fs).unwrap();
    let spares = || fs.names().iter().filter(|name| name.to_string_lossy().contains("spare-")).count();
    let fill = |upto: u64| {
        for commit in journal.newest().0 + 1..=upto {
            block_on(journal.append(journal.newest(), vec![body(commit)], false)).unwrap();
        }
    };
    fill(FRAMES);
    journal.drop_below(CommitNo(FRAMES));
    assert_eq!((segments(&fs).len(), spares()), (1, 6), "the rest is removed at once");
    journal.give_back();
    assert_eq!(spares(), 6, "there was load just now");
    journal.give_back();
    assert_eq!(spares(), 5);
    fill(FRAMES + 20);
    let left = spares();
    assert!(left < 5, "they are used first");
    journal.give_back();
    assert_eq!(spares(), left);
    for _ in 0..10 {
        journal.give_back();
    }
    assert_eq!(spares(), left.min(2), "some are always kept");
}
