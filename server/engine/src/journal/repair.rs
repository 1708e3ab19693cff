//! Making a damaged journal open again, offline: what is whole is kept, what is damaged is put aside and named.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::frame::{self, FRAME_HEADER, Header, SEGMENT_HEADER, SegmentId, TRAILER, Table};
use super::fs::{Fs, OpenMode, RealFs, Site};
use super::scan::{self, file_name};
use super::{io_error, segment_name};
use crate::frame_log::LogError;

/// What could not be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The file, by its name before the repair.
    pub file: String,
    /// Where the damage begins.
    pub offset: u64,
    /// The commits that are gone, as far as they are known: none, if only the end of a segment was damaged.
    pub commits: Option<RangeInclusive<u64>>,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Frames that are whole.
    pub frames: u64,
    /// Files that were put aside, by their names now. Nothing is deleted.
    pub aside: Vec<String>,
    /// What is gone.
    pub lost: Vec<Lost>,
}

/// Writes what is whole of each damaged segment into new ones, and puts the damaged files aside. The caller makes sure
/// that no broker has the journal open.
///
/// # Errors
/// If the directory cannot be read or written, or another process has it.
pub fn repair(dir: &Path) -> Result<RepairReport, LogError> {
    repair_on(&RealFs, dir)
}

/// The same on any file system.
///
/// # Errors
/// As [`repair`].
pub fn repair_on(fs: &dyn Fs, dir: &Path) -> Result<RepairReport, LogError> {
    let _held = fs.lock(dir)?;
    let files = scan::files(fs, dir)?.segments;
    let mut repair = Repair { fs, dir, report: RepairReport::default(), newest: 0, generation: 0, open_end: None };
    let count = files.len();
    for (index, path) in files.into_iter().enumerate() {
        repair.segment(&path, index + 1 == count).map_err(|error| io_error(&file_name(&path), &error))?;
    }
    if let Some(End { file, offset, .. }) = repair.open_end.take() {
        repair.report.lost.push(Lost { file, offset, commits: None });
    }
    Ok(repair.report)
}

/// A whole frame: where it is, and what its header says.
type Found = (usize, Header);

/// Every whole frame of a segment, in order, and whether anything else is between or behind them.
struct Sweep {
    frames: Vec<Found>,
    /// Where bytes begin that are no whole frame.
    damage: Option<usize>,
    is_sealed: bool,
}

fn sweep(life: u64, bytes: &[u8]) -> Sweep {
    let mut sweep = Sweep { frames: Vec::new(), damage: None, is_sealed: false };
    let mut at = SEGMENT_HEADER;
    while at + FRAME_HEADER <= bytes.len() {
        let header = bytes[at..].starts_with(b"FMQF").then(|| frame::read_frame(&bytes[at..], life)).flatten();
        match header {
            Some(header) if header.prev == header.commit => {
                sweep.is_sealed = true;
                break;
            }
            Some(header) => {
                sweep.frames.push((at, header));
                at += FRAME_HEADER + header.len as usize;
            }
            None => {
                sweep.damage.get_or_insert(at);
                at += 1;
            }
        }
    }
    let end = sweep.frames.last().map_or(SEGMENT_HEADER, end_of);
    // Behind the last frame of a segment without a seal there is nothing, or a torn frame.
    if !sweep.is_sealed && sweep.damage == Some(end) {
        sweep.damage = None;
    }
    sweep
}

fn end_of((at, header): &Found) -> usize {
    at + FRAME_HEADER + header.len as usize
}

/// Frames in runs that follow each other.
fn runs(frames: &[Found]) -> Vec<&[Found]> {
    let follows = |one: &Found, next: &Found| {
        next.1.prev == one.1.commit
            && next.1.prev_hash == one.1.crc
            && one.1.commit.checked_add(1) == Some(next.1.commit)
    };
    frames.chunk_by(follows).collect()
}

struct Repair<'a> {
    fs: &'a dyn Fs,
    dir: &'a Path,
    report: RepairReport,
    /// The newest commit that is kept so far.
    newest: u64,
    /// The last segment's that is kept.
    generation: u64,
    open_end: Option<End>,
}

/// A damaged end of a file: how much is gone there is known when the next frame is.
struct End {
    file: String,
    offset: u64,
    /// The first commit that is gone.
    from: u64,
}

/// Which segment it is if its header is damaged: its name and its first frame tell.
fn guess(path: &Path, bytes: &[u8]) -> Option<SegmentId> {
    let name = file_name(path);
    let generation = name.strip_prefix("journal-").and_then(|name| name.strip_suffix(".seg"))?;
    let frame = bytes.get(SEGMENT_HEADER..)?;
    let life = u64::from_le_bytes(frame.get(8..16)?.try_into().ok()?);
    frame::read_frame(frame, life)?;
    Some(SegmentId { generation: u64::from_str_radix(generation, 16).ok()?, life })
}

impl Repair<'_> {
    fn segment(&mut self, path: &Path, is_last: bool) -> std::io::Result<()> {
        let opened = scan::open(self.fs, path)?;
        let bytes = opened.bytes()?;
        let name = file_name(path);
        let Some(id) = opened.id.or_else(|| guess(path, &bytes)) else {
            self.open_end = Some(End { file: name, offset: 0, from: self.newest + 1 });
            return self.put_aside(path);
        };
        let before = self.newest;
        let mut found = sweep(id.life, &bytes);
        found.frames.retain(|(_, header)| header.commit > before && header.prev < header.commit);
        if let Some((_, first)) = found.frames.first() {
            self.close_end(first.commit);
        }
        self.report.frames += found.frames.len() as u64;
        self.newest = found.frames.last().map_or(before, |(_, header)| header.commit);
        let runs = runs(&found.frames);
        let is_ended = is_last || found.is_sealed;
        if opened.id.is_some() && runs.len() <= 1 && found.damage.is_none() && is_ended {
            self.generation = id.generation;
            return Ok(());
        }
        self.name_lost(&name, before.max(id.generation.saturating_sub(1)), &found, &runs);
        if !is_ended {
            let end = found.frames.last().map_or(SEGMENT_HEADER, end_of);
            self.open_end = Some(End { file: name, offset: end as u64, from: self.newest + 1 });
        }
        let written: Vec<_> = runs.iter().map(|run| self.write(id, run, &bytes)).collect::<Result<_, _>>()?;
        self.put_aside(path)?;
        for (from, to) in written {
            self.fs.rename(Site::Repair, &from, &to)?;
        }
        self.fs.sync_dir(Site::Repair, self.dir)
    }

    /// What is gone before, between and behind the runs of a sealed segment. `before` is the last commit before it.
    fn name_lost(&mut self, file: &str, before: u64, found: &Sweep, runs: &[&[Found]]) {
        let mut last = (SEGMENT_HEADER, before);
        for run in runs {
            let (at, header) = run[0];
            if at > last.0 || header.commit > last.1.saturating_add(1) {
                self.lose(file, last.0, last.1 + 1, header.commit);
            }
            let end = &run[run.len() - 1];
            last = (end_of(end), end.1.commit);
        }
        if let (Some(damage), true) = (found.damage.filter(|damage| *damage >= last.0), found.is_sealed) {
            self.open_end = Some(End { file: file.to_owned(), offset: damage as u64, from: last.1 + 1 });
        }
    }

    fn lose(&mut self, file: &str, offset: usize, from: u64, next: u64) {
        let commits = (from < next).then(|| from..=next - 1);
        self.report.lost.push(Lost { file: file.to_owned(), offset: offset as u64, commits });
    }

    fn close_end(&mut self, next: u64) {
        if let Some(End { file, offset, from }) = self.open_end.take()
            && from < next
        {
            self.report.lost.push(Lost { file, offset, commits: Some(from..=next - 1) });
        }
    }

    fn put_aside(&mut self, path: &Path) -> std::io::Result<()> {
        let taken: Vec<String> = self.fs.list(Site::Repair, self.dir)?.iter().map(|path| file_name(path)).collect();
        let name = file_name(path);
        let free = (0..=taken.len()).map(|nth| format!("{name}.damaged-{nth}")).find(|name| !taken.contains(name));
        let aside = free.unwrap_or(name);
        self.fs.rename(Site::Repair, path, &self.dir.join(&aside))?;
        self.report.aside.push(aside);
        self.fs.sync_dir(Site::Repair, self.dir)
    }

    /// Writes a run of frames as a sealed segment of its own; its name for now, and the one it gets.
    fn write(&mut self, id: SegmentId, run: &[Found], bytes: &[u8]) -> std::io::Result<(PathBuf, PathBuf)> {
        let (from, first) = run[0];
        let (at, last) = run[run.len() - 1];
        let to = end_of(&(at, last));
        // Generations grow at least as the commits do, so there is one before that of the next segment.
        self.generation = id.generation.max(first.commit).max(self.generation + 1);
        let id = SegmentId { generation: self.generation, ..id };
        let table = Table {
            first: first.commit,
            prev: first.prev,
            prev_hash: first.prev_hash,
            last_hash: last.crc,
            positions: run.iter().map(|(at, _)| (SEGMENT_HEADER + at - from) as u32).collect(),
            end: (SEGMENT_HEADER + to - from) as u32,
        };
        let mut out = frame::segment_header(id);
        out.extend_from_slice(&bytes[from..to]);
        frame::write_seal(&mut out, id.life, &table);
        let seal = out.len() as u32 - table.end;
        out.resize(bytes.len().max(out.len() + TRAILER) - TRAILER, 0);
        out.extend_from_slice(&frame::trailer(id.life, table.end, seal));
        let name = segment_name(id.generation);
        let part = self.dir.join(format!("{name}.part"));
        let file = self.fs.open(Site::Repair, &part, OpenMode::Create)?;
        file.write_all_at(Site::Repair, &out, 0)?;
        file.sync_all(Site::Repair)?;
        Ok((part, self.dir.join(name)))
    }
}
