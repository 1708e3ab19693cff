//! Opening what a clean stop, a crash or a failing disk left behind.
//!
//! Only the last segment may end in a torn frame: every other one ends with a seal, which was on disk before its successor was
//! begun. A bad frame is a torn tail only if no valid frame of its segment comes after it; anything else is damage, and is
//! named, not repaired.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{self, FRAME_HEADER, Header, SEGMENT_HEADER};
use super::fs::{Fs, FsFile, OpenMode, RealFs, Site};
use super::{Place, SEGMENT_BYTES_MAX, Segment, Shared, io_error};
use crate::frame_log::LogError;

/// One segment as it was read.
struct Scan {
    generation: u64,
    frames: Vec<(u64, Header)>,
    /// After the last valid frame.
    end: u64,
    sealed: bool,
    /// Bytes of a frame that did not become whole.
    torn: bool,
    /// A valid frame lies behind a bad one.
    damaged: bool,
}

fn scan(generation: u64, bytes: &[u8]) -> Scan {
    let mut scan =
        Scan { generation, frames: Vec::new(), end: SEGMENT_HEADER as u64, sealed: false, torn: false, damaged: false };
    while let Some(header) = bytes.get(scan.end as usize..).and_then(|rest| frame::read_frame(rest, generation)) {
        if header.prev == header.commit {
            scan.sealed = true;
            return scan;
        }
        scan.frames.push((scan.end, header));
        scan.end += (FRAME_HEADER + header.len as usize) as u64;
    }
    let rest = bytes.get(scan.end as usize..).unwrap_or_default();
    let last = scan.frames.last().map_or(0, |(_, header)| header.commit);
    let magic = b"FMQF";
    let valid_later = rest.iter().any(|byte| *byte != 0)
        && (1..rest.len().saturating_sub(FRAME_HEADER)).any(|at| {
            rest[at..].starts_with(magic)
                && frame::read_frame(&rest[at..], generation).is_some_and(|header| header.commit > last)
        });
    // What an earlier life of a recycled file left there is of another generation, and is nothing.
    let begun = rest.get(8..16).is_some_and(|bytes| bytes == generation.to_le_bytes());
    (scan.torn, scan.damaged) = (begun && !valid_later, valid_later);
    scan
}

/// The files of a journal, by what they are for.
#[derive(Default)]
struct Files {
    /// In the order of their generations.
    segments: Vec<PathBuf>,
    spares: Vec<PathBuf>,
    /// A segment that was being filled with zeros.
    unfinished: Option<PathBuf>,
}

fn files(fs: &dyn Fs, dir: &Path) -> Result<Files, LogError> {
    let mut files = Files::default();
    for path in fs.list(Site::List, dir).map_err(|error| io_error("data directory", &error))? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            "new.seg" => files.unfinished = Some(path),
            _ if !name.ends_with(".seg") => {}
            _ if name.starts_with("spare-") => files.spares.push(path),
            _ if name.starts_with("journal-") => files.segments.push(path),
            _ => {}
        }
    }
    files.segments.sort();
    Ok(files)
}

/// A whole segment in memory.
fn read_segment(fs: &dyn Fs, path: &Path) -> std::io::Result<(Arc<dyn FsFile>, Vec<u8>)> {
    let file = fs.open(Site::OpenSegment, path, OpenMode::Existing)?;
    let len = file.len(Site::SegmentLen)?.min(SEGMENT_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    file.read_exact_at(Site::ReadSegment, &mut bytes, 0)?;
    Ok((file, bytes))
}

fn damaged(path: &Path, offset: u64, commit: u64, what: &str) -> LogError {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    LogError::Damaged { file, offset, commit, what: what.into() }
}

/// What the last segment ends with: its last frame, and its seal if it has one.
pub(super) struct Tail {
    pub file: Arc<dyn FsFile>,
    pub at: u64,
    pub bytes: Vec<u8>,
}

impl Tail {
    fn of(file: &Arc<dyn FsFile>, found: &Scan, bytes: &[u8]) -> Self {
        let at = found.frames.last().map_or(SEGMENT_HEADER as u64, |(at, _)| *at);
        let end = found.end as usize + if found.sealed { FRAME_HEADER } else { 0 };
        Self { file: file.clone(), at, bytes: bytes[at as usize..end].to_vec() }
    }
}

pub(super) fn recover(fs: &dyn Fs, dir: &Path) -> Result<(Shared, Option<Tail>), LogError> {
    let files = files(fs, dir)?;
    if let Some(unfinished) = files.unfinished {
        fs.remove(Site::RemoveUnfinished, &unfinished).map_err(|error| io_error("unfinished segment", &error))?;
    }
    let mut shared = Shared {
        frames: BTreeMap::new(),
        segments: BTreeMap::new(),
        newest: 0,
        newest_hash: 0,
        active: None,
        spares: files.spares,
        retiring: 0,
        // Whether a crashed process had synced them is not known.
        is_renamed: true,
        // Nor whether there was room; the first publish asks.
        in_reserve: true,
        stopped: None,
    };
    let mut tail = None;
    let count = files.segments.len();
    for (index, path) in files.segments.into_iter().enumerate() {
        let (file, bytes) = read_segment(fs, &path).map_err(|error| io_error("journal read", &error))?;
        let Some(generation) = frame::read_segment_header(&bytes) else {
            return Err(damaged(&path, 0, shared.newest, "the segment's header does not match its checksum"));
        };
        let found = scan(generation, &bytes);
        let is_last = index + 1 == count;
        check_scan(&path, &found, is_last, &shared)?;
        if found.torn {
            keep_cut(fs, &*file, &path, found.end, &bytes[found.end as usize..])
                .map_err(|error| io_error("cut", &error))?;
        }
        if is_last {
            tail = Some(Tail::of(&file, &found, &bytes));
        }
        add(&mut shared, file, path, &found, is_last);
    }
    Ok((shared, tail))
}

fn check_scan(path: &Path, found: &Scan, is_last: bool, shared: &Shared) -> Result<(), LogError> {
    let last = found.frames.last().map_or(shared.newest, |(_, header)| header.commit);
    if found.damaged || (!is_last && !found.sealed) {
        return Err(damaged(
            path,
            found.end,
            last + 1,
            "a frame does not match its checksum, and later ones are whole",
        ));
    }
    let mut before: Option<&Header> = None;
    for (at, header) in &found.frames {
        let follows = before.is_none_or(|b| header.prev == b.commit && header.prev_hash == b.crc);
        let rises = header.commit > header.prev && header.commit > shared.newest;
        if !follows || !rises {
            return Err(damaged(path, *at, header.commit, "the frame does not follow the one before it"));
        }
        // Across segments the predecessor may have been dropped; where it is there, it must be the right one.
        if header.prev == shared.newest && before.is_none() && header.prev_hash != shared.newest_hash {
            return Err(LogError::Diverged(header.commit));
        }
        before = Some(header);
    }
    Ok(())
}

fn add(shared: &mut Shared, file: Arc<dyn FsFile>, path: PathBuf, found: &Scan, is_last: bool) {
    for (at, header) in &found.frames {
        let place = Place {
            generation: found.generation,
            at: *at,
            len: header.len,
            crc: header.crc,
            prev: header.prev,
            prev_hash: header.prev_hash,
        };
        shared.frames.insert(header.commit, place);
        (shared.newest, shared.newest_hash) = (header.commit, header.crc);
    }
    let segment = Segment { file, path, live: found.frames.len() as u64 };
    shared.segments.insert(found.generation, segment);
    if is_last && !found.sealed {
        shared.active = Some((found.generation, found.end));
    }
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

/// What an offline check found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Segment files read.
    pub segments: usize,
    /// Whole frames.
    pub frames: u64,
    /// The newest commit.
    pub newest: u64,
    /// What is wrong, each with file, offset and commit.
    pub problems: Vec<String>,
}

/// Reads a journal without changing it. The caller makes sure that no broker has it open.
///
/// # Errors
/// If the directory cannot be read, or another process has it.
pub fn check(dir: &Path) -> Result<CheckReport, LogError> {
    check_on(&RealFs, dir)
}

fn check_on(fs: &dyn Fs, dir: &Path) -> Result<CheckReport, LogError> {
    let _held = fs.lock(dir)?;
    let files = files(fs, dir)?.segments;
    let mut report = CheckReport { segments: files.len(), ..CheckReport::default() };
    let count = files.len();
    for (index, path) in files.into_iter().enumerate() {
        let (_, bytes) = read_segment(fs, &path).map_err(|error| io_error("journal read", &error))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(generation) = frame::read_segment_header(&bytes) else {
            report.problems.push(format!("{name}: the header does not match its checksum"));
            continue;
        };
        let found = scan(generation, &bytes);
        report.frames += found.frames.len() as u64;
        report.newest = found.frames.last().map_or(report.newest, |(_, header)| header.commit);
        if found.damaged || (index + 1 < count && !found.sealed) {
            let commit = report.newest + 1;
            report.problems.push(format!("{name}: damaged at byte {}, commit {commit}", found.end));
        }
    }
    Ok(report)
}
