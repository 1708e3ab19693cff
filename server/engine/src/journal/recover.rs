//! Opening what a clean stop, a crash or a failing disk left behind.
//!
//! Only the last segment may end in a torn frame: every other one ends with a seal, which was on disk before its successor was
//! begun. A bad frame is a torn tail only if no valid frame of its segment comes after it; anything else is damage, and is
//! named, not repaired. The frames of a sealed segment are not read: what is damaged there is named when it is wanted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{SEGMENT_HEADER, SegmentId, Table};
use super::fs::{Fs, FsFile, OpenMode, Site};
use super::io_error;
use super::scan::{self, Opened, Scan, file_name};
use super::table::{Segment, Shared};
use crate::frame_log::LogError;

/// What the last segment ends with: its last frame, and its seal if it has one.
pub(super) struct Tail {
    pub file: Arc<dyn FsFile>,
    pub at: u64,
    pub bytes: Vec<u8>,
}

pub(super) fn recover(fs: &dyn Fs, dir: &Path, segment_bytes: u64) -> Result<(Shared, Option<Tail>), LogError> {
    let mut files = scan::files(fs, dir)?;
    if let Some(unfinished) = files.unfinished {
        fs.remove(Site::RemoveUnfinished, &unfinished).map_err(|error| io_error("unfinished segment", &error))?;
    }
    let mut shared = Shared {
        spares: spares(fs, files.spares, segment_bytes).map_err(|error| io_error("spare segment", &error))?,
        // Whether a crashed process had synced them is not known.
        is_renamed: true,
        // Nor whether there was room; the first publish asks.
        in_reserve: true,
        has_losses: files.has_losses,
        ..Shared::default()
    };
    let Some(last) = files.segments.pop() else { return Ok((shared, None)) };
    for path in files.segments {
        add_sealed(fs, path, &mut shared)?;
    }
    let tail = add_last(fs, last, &mut shared)?;
    Ok((shared, Some(tail)))
}

/// The spares of the right size; others are removed.
fn spares(fs: &dyn Fs, paths: Vec<PathBuf>, segment_bytes: u64) -> std::io::Result<Vec<PathBuf>> {
    let mut kept = Vec::new();
    for path in paths {
        if fs.open(Site::OpenSpare, &path, OpenMode::Existing)?.len(Site::SpareLen)? == segment_bytes {
            kept.push(path);
        } else {
            fs.remove(Site::RemoveSpare, &path)?;
        }
    }
    Ok(kept)
}

fn read_error(error: std::io::Error) -> LogError {
    io_error("journal read", &error)
}

fn damaged(path: &Path, offset: u64, commit: u64, what: &str) -> LogError {
    LogError::Damaged { file: file_name(path), offset, commit, what: what.into() }
}

fn open(fs: &dyn Fs, path: &Path, newest: u64) -> Result<(Opened, SegmentId), LogError> {
    let opened = scan::open(fs, path).map_err(read_error)?;
    let what = "the segment's header does not match its checksum";
    let id = opened.id.ok_or_else(|| damaged(path, 0, newest + 1, what))?;
    Ok((opened, id))
}

/// Every segment but the last: by its seal, or, where that cannot be read so, frame by frame.
fn add_sealed(fs: &dyn Fs, path: PathBuf, shared: &mut Shared) -> Result<(), LogError> {
    let (opened, id) = open(fs, &path, shared.newest)?;
    let seal = opened.seal(id).map_err(read_error)?;
    let table = seal.map_or(Ok(None), |seal| opened.table(id, seal)).map_err(read_error)?;
    let table = match table {
        Some(table) => table,
        None => {
            let found = scan::scan(id.life, &opened.bytes().map_err(read_error)?);
            // If the seal alone is damaged, the trailer tells that all frames before it are there.
            let is_all = seal.is_some_and(|(at, _)| u64::from(at) == found.end);
            check_scan(&path, &found, is_all, shared)?;
            found.table(shared.newest, shared.newest_hash)
        }
    };
    add(opened, path, id, table, shared)
}

/// The last segment is read whole: it may end anywhere.
fn add_last(fs: &dyn Fs, path: PathBuf, shared: &mut Shared) -> Result<Tail, LogError> {
    let (opened, id) = open(fs, &path, shared.newest)?;
    let bytes = opened.bytes().map_err(read_error)?;
    let found = scan::scan(id.life, &bytes);
    check_scan(&path, &found, true, shared)?;
    if found.is_torn {
        keep_cut(fs, &*opened.file, &path, found.end, &bytes[found.end as usize..])
            .map_err(|error| io_error("cut", &error))?;
    }
    let at = found.frames.last().map_or(SEGMENT_HEADER as u64, |(at, _)| *at);
    let bytes = bytes[at as usize..(found.end + found.seal) as usize].to_vec();
    let tail = Tail { file: opened.file.clone(), at, bytes };
    let table = found.table(shared.newest, shared.newest_hash);
    shared.active = (found.seal == 0).then_some(table.first);
    add(opened, path, id, table, shared)?;
    Ok(tail)
}

fn check_scan(path: &Path, found: &Scan, may_end: bool, shared: &Shared) -> Result<(), LogError> {
    let last = found.frames.last().map_or(shared.newest, |(_, header)| header.commit);
    if found.is_damaged || (!may_end && found.seal == 0) {
        let what = "a frame does not match its checksum, and later ones are whole";
        return Err(damaged(path, found.end, last + 1, what));
    }
    match found.break_in_order() {
        Some((at, commit)) => Err(damaged(path, at, commit, "the frame does not follow the one before it")),
        None => Ok(()),
    }
}

fn add(opened: Opened, path: PathBuf, id: SegmentId, table: Table, shared: &mut Shared) -> Result<(), LogError> {
    if table.first <= shared.newest || table.prev >= table.first {
        let at = SEGMENT_HEADER as u64;
        return Err(damaged(&path, at, table.first, "the frame does not follow the one before it"));
    }
    // The predecessor may have been dropped with its segment; where it is there, it must be the right one.
    if table.prev == shared.newest && table.prev_hash != shared.newest_hash {
        return Err(LogError::Diverged(table.first));
    }
    shared.add(Segment::new(opened.file, path, id, opened.size, table));
    Ok(())
}

/// A torn tail is cut, but what was cut is kept for whoever wants to look. It was never confirmed.
fn keep_cut(fs: &dyn Fs, file: &dyn FsFile, path: &Path, at: u64, rest: &[u8]) -> std::io::Result<()> {
    let used = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    tracing::warn!(segment = %path.display(), at, bytes = used, "the journal ended in a torn frame: it was cut, and kept aside");
    let cut = fs.open(Site::CreateCut, &path.with_extension(format!("{at}.cut")), OpenMode::Create)?;
    cut.write_all_at(Site::WriteCut, &rest[..used], 0)?;
    cut.sync_all(Site::SyncCut)?;
    // Zeros again, so that nothing of it is ever taken for a frame.
    file.write_all_at(Site::WriteTailZeros, &vec![0; used], at)?;
    file.sync_data(Site::SyncTailZeros)
}
