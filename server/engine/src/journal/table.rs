//! What is in the journal, and where: what readers and the writer share.
//!
//! A frame costs four bytes: its place in its segment. Its number follows from its place in the order, its length from
//! where the next one begins, and all else is read from its header when it is wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::RESERVE_SEGMENTS;
use super::frame::{FRAME_HEADER, SEGMENT_HEADER, SegmentId, TRAILER, Table, seal_len};
use super::fs::FsFile;

/// Set in the place of a frame that was dropped. Segments are smaller.
const DROPPED: u32 = 1 << 31;

/// One segment.
pub(super) struct Segment {
    pub file: Arc<dyn FsFile>,
    pub path: PathBuf,
    pub id: SegmentId,
    /// Bytes of the file.
    pub size: u64,
    /// Its frames. Places may be marked as dropped.
    pub table: Table,
    /// Frames in it that have not been dropped.
    pub live: usize,
    /// Before this place in the order all are dropped.
    low: usize,
}

/// Where a frame is.
pub(super) struct Place {
    pub file: Arc<dyn FsFile>,
    pub id: SegmentId,
    pub at: u64,
    pub len: u32,
}

impl Segment {
    pub(super) fn new(file: Arc<dyn FsFile>, path: PathBuf, id: SegmentId, size: u64, table: Table) -> Self {
        Self { file, path, id, size, live: table.positions.len(), table, low: 0 }
    }

    fn commits(&self) -> std::ops::Range<u64> {
        self.table.first..self.table.first + self.table.positions.len() as u64
    }

    /// Where the frame at a place in the order begins, and the bytes of its body; none if it was dropped.
    fn frame(&self, index: usize) -> Option<(u32, u32)> {
        let at = *self.table.positions.get(index).filter(|at| **at & DROPPED == 0)?;
        let next = self.table.positions.get(index + 1).map_or(self.table.end, |next| next & !DROPPED);
        Some((at, next.saturating_sub(at + FRAME_HEADER as u32)))
    }

    /// The frames from the commit `from` on, with the bytes of their bodies.
    fn frames(&self, from: u64) -> impl Iterator<Item = (u64, u32)> {
        let start = usize::try_from(from.saturating_sub(self.table.first)).unwrap_or(usize::MAX).max(self.low);
        (start..self.table.positions.len())
            .filter_map(|index| Some((self.table.first + index as u64, self.frame(index)?.1)))
    }

    /// The table as it is written: what was dropped is known to the owner of the log.
    pub(super) fn table(&self) -> Table {
        let positions = self.table.positions.iter().map(|at| at & !DROPPED).collect();
        Table { positions, ..self.table.clone() }
    }

    fn drop_frame(&mut self, index: usize) {
        if let Some(at) = self.table.positions.get_mut(index).filter(|at| **at & DROPPED == 0) {
            *at |= DROPPED;
            self.live -= 1;
        }
    }

    /// Drops all before a place in the order.
    fn drop_before(&mut self, index: usize) {
        let index = index.min(self.table.positions.len());
        (self.low..index).for_each(|index| self.drop_frame(index));
        self.low = self.low.max(index);
    }

    /// True if a frame of so many bytes, header included, fits, and the seal behind it.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let seal = seal_len(self.table.positions.len() + 1) + TRAILER;
        u64::from(self.table.end) + (bytes + seal) as u64 <= self.size
    }

    /// Bytes that frames may still take.
    pub(super) fn rest(&self) -> u64 {
        let seal = seal_len(self.table.positions.len() + 1) + TRAILER + FRAME_HEADER;
        self.size.saturating_sub(u64::from(self.table.end) + seal as u64)
    }
}

/// A table without frames, of a segment behind the frame `newest`.
pub(super) fn empty(newest: u64, newest_hash: u32) -> Table {
    let (prev, prev_hash, last_hash) = (newest, newest_hash, newest_hash);
    Table { first: newest + 1, prev, prev_hash, last_hash, positions: Vec::new(), end: SEGMENT_HEADER as u32 }
}

/// A segment that nobody needs any more.
pub(super) struct Retired {
    pub generation: u64,
    pub path: PathBuf,
}

/// What readers and the writer share.
#[derive(Default)]
pub(super) struct Shared {
    /// A repair has given frames up.
    pub has_losses: bool,
    /// By the first commit that is in it, or will be.
    pub segments: BTreeMap<u64, Segment>,
    pub newest: u64,
    pub newest_hash: u32,
    /// The segment that is written.
    pub active: Option<u64>,
    pub spares: Vec<PathBuf>,
    /// Segments that were begun, and how many there had been when space was last given back.
    pub begun: [u64; 2],
    /// Segments without live frames that are neither spares nor removed yet.
    pub retiring: usize,
    /// Spares were renamed, and the directory was not synced since.
    pub is_renamed: bool,
    /// The active segment was begun when only settlements had room.
    pub in_reserve: bool,
    pub stopped: Option<String>,
}

impl Shared {
    /// Adds a segment behind all others, whose frames are behind theirs.
    pub(super) fn add(&mut self, segment: Segment) {
        let table = &segment.table;
        if let Some(last) = (!table.positions.is_empty()).then_some(segment.commits().end - 1) {
            (self.newest, self.newest_hash) = (last, table.last_hash);
        }
        // An empty one that was sealed, as its successor's frame was too large for it.
        if let Some(empty) = self.segments.insert(table.first, segment) {
            self.spares.push(empty.path);
        }
    }

    /// The segment that is written.
    pub(super) fn active(&self) -> Option<&Segment> {
        self.segments.get(&self.active?)
    }

    /// A frame of so many bytes, header included, has been written at the end of the active segment.
    pub(super) fn appended(&mut self, commit: u64, hash: u32, bytes: u32) {
        (self.newest, self.newest_hash) = (commit, hash);
        let Some(segment) = self.active.and_then(|active| self.segments.get_mut(&active)) else { return };
        segment.table.positions.push(segment.table.end);
        segment.table.end += bytes;
        segment.table.last_hash = hash;
        segment.live += 1;
    }

    /// Where a frame is; none if it is not there.
    pub(super) fn place(&self, commit: u64) -> Option<Place> {
        let (first, segment) = self.segments.range(..=commit).next_back()?;
        let (at, len) = segment.frame(usize::try_from(commit - first).ok()?)?;
        Some(Place { file: segment.file.clone(), id: segment.id, at: at.into(), len })
    }

    /// The frames from one commit to another, with the bytes of their bodies.
    pub(super) fn frames(&self, from: u64, upto: u64) -> impl Iterator<Item = (u64, u32)> {
        let start = self.segments.range(..=from).next_back().map_or(from, |(first, _)| *first);
        let segments = self.segments.range(start..).map(|(_, segment)| segment);
        segments.flat_map(move |segment| segment.frames(from)).take_while(move |(commit, _)| *commit <= upto)
    }

    /// Forgets one frame; its segment, if nothing in that lives any more.
    pub(super) fn drop_frame(&mut self, commit: u64) -> Option<Retired> {
        // The newest is kept: its number must never be given again.
        let (&first, segment) = self.segments.range_mut(..=commit).next_back().filter(|_| commit != self.newest)?;
        segment.drop_frame(usize::try_from(commit - first).ok()?);
        self.retire_if_dead(first)
    }

    /// Forgets all frames below a commit, but the newest.
    pub(super) fn drop_below(&mut self, commit: u64) -> Vec<Retired> {
        let commit = commit.min(self.newest);
        for (first, segment) in self.segments.range_mut(..commit) {
            segment.drop_before(usize::try_from(commit - first).unwrap_or(usize::MAX));
        }
        let touched: Vec<u64> = self.segments.range(..commit).map(|(first, _)| *first).collect();
        touched.into_iter().filter_map(|first| self.retire_if_dead(first)).collect()
    }

    /// Takes out a segment that is not written any more and holds nothing live.
    pub(super) fn retire_if_dead(&mut self, first: u64) -> Option<Retired> {
        let segment = self.segments.get(&first)?;
        let needed = if cfg!(feature = "planted-early-reuse") { 8 } else { 0 };
        if segment.live > needed || self.active == Some(first) || segment.commits().contains(&self.newest) {
            return None;
        }
        let Segment { path, id, .. } = self.segments.remove(&first)?;
        self.retiring += 1;
        Some(Retired { generation: id.generation, path })
    }

    /// A spare to remove: none if segments were begun since this was asked last, nor of those that are always kept.
    pub(super) fn unused_spare(&mut self) -> Option<PathBuf> {
        let [now, before] = self.begun;
        self.begun = [now, now];
        if now != before || self.spares.len() <= RESERVE_SEGMENTS as usize { None } else { self.spares.pop() }
    }

    /// Files that count against the space.
    pub(super) fn files(&self) -> u64 {
        (self.segments.len() + self.spares.len() + self.retiring) as u64
    }
}
