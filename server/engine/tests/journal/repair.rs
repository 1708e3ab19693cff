//! A repair keeps what is whole, names what is not, and deletes nothing.

use std::path::{Path, PathBuf};

use ferrymq_core::CommitNo;
use ferrymq_engine::frame_log::FrameLog as _;
use ferrymq_engine::journal::sim::SimFs;
use ferrymq_engine::journal::{RepairReport, check_on, repair_on};
use futures::executor::block_on;

use super::opening::{FRAMES, disk, is_whole, places, segments};
use super::workload::open_journal;

/// Repairs, and opens what is left: all but `lost` is there, and the check finds nothing any more.
fn repair(fs: &SimFs, lost: &[u64]) -> RepairReport {
    let before: Vec<Vec<u8>> = segments(fs).iter().map(|path| fs.bytes(path).unwrap()).collect();
    let report = repair_on(&fs.clone(), Path::new("data")).unwrap();
    for aside in &report.aside {
        assert!(before.contains(&fs.bytes(&Path::new("data").join(aside)).unwrap()), "{aside} is as it was");
    }
    assert_eq!(check_on(&fs.clone(), Path::new("data")).unwrap().problems, Vec::<String>::new());
    let journal = open_journal(fs).unwrap();
    for commit in 2..=FRAMES {
        assert_eq!(is_whole(&journal, commit), !lost.contains(&commit), "commit {commit}");
    }
    let next = block_on(journal.append(journal.newest(), Vec::new(), true)).unwrap();
    assert!(next > CommitNo(FRAMES));
    drop(journal);
    assert_eq!(report.frames, FRAMES - lost.len() as u64);
    let again = repair_on(&fs.clone(), Path::new("data")).unwrap();
    assert!(again.lost.is_empty() && again.aside.is_empty(), "{again:?}");
    report
}

/// The commit of the frame at a place.
fn commit_at(fs: &SimFs, path: &Path, at: usize) -> u64 {
    u64::from_le_bytes(fs.bytes(path).unwrap()[at + 16..at + 24].try_into().unwrap())
}

fn damaged(nth: usize, frames: &[usize]) -> (SimFs, PathBuf, Vec<u64>) {
    let fs = disk();
    let path = segments(&fs)[nth].clone();
    let places = places(&fs, &path);
    let lost = frames.iter().map(|frame| commit_at(&fs, &path, places[*frame])).collect();
    for frame in frames {
        fs.damage(&path, |bytes| bytes[places[*frame] + 60] ^= 1);
    }
    (fs, path, lost)
}

#[test]
fn a_whole_journal_is_left_alone() {
    let report = repair(&disk(), &[]);
    assert!(report.lost.is_empty() && report.aside.is_empty());
}

#[test]
fn damaged_frames_are_named_and_those_around_them_are_kept() {
    for nth in [0, 3, 9] {
        let (fs, path, lost) = damaged(nth, &[2, 5, 6]);
        let report = repair(&fs, &lost);
        let named: Vec<u64> = report.lost.iter().flat_map(|lost| lost.commits.clone().unwrap()).collect();
        assert_eq!((named, report.aside.len()), (lost, 1));
        assert!(report.lost.iter().all(|lost| path.ends_with(&lost.file)), "{:?}", report.lost);
    }
}

#[test]
fn the_first_and_the_last_frame_of_a_segment_may_be_damaged() {
    for frame in [0, 12] {
        let (fs, _, lost) = damaged(4, &[frame]);
        let report = repair(&fs, &lost);
        assert_eq!(report.lost[0].commits, Some(lost[0]..=lost[0]), "{:?}", report.lost);
    }
}

#[test]
fn frames_behind_a_damaged_header_or_before_a_damaged_seal_are_kept() {
    let fs = disk();
    let all = segments(&fs);
    fs.damage(&all[5], |bytes| bytes[1] ^= 1);
    let seal = *places(&fs, &all[7]).last().unwrap();
    fs.damage(&all[7], |bytes| bytes[seal + 50] ^= 1);
    let report = repair(&fs, &[]);
    assert_eq!((report.lost.len(), report.aside.len()), (0, 2), "{report:?}");
}

#[test]
fn damage_in_the_last_segment_is_named_too() {
    let fs = disk();
    let last = segments(&fs).pop().unwrap();
    let at = places(&fs, &last)[0];
    let commit = commit_at(&fs, &last, at);
    fs.damage(&last, |bytes| bytes[at + 60] ^= 1);
    assert!(open_journal(&fs).is_err());
    let report = repair(&fs, &[commit]);
    assert_eq!(report.lost[0].commits, Some(commit..=commit));
}
