//! The one writer of a journal: puts a frame into the active segment, syncs, answers.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use ferrymq_core::CommitNo;

use super::frame::{self, FRAME_HEADER, Header, SegmentId, TRAILER};
use super::fs::{Fs, FsFile, OpenMode, Site};
use super::recover::Tail;
use super::table::{self, Segment, Shared};
use super::{AppendRequest, FREE_BYTES_MIN, JournalOptions, RESERVE_SEGMENTS, free, io_error, lock, segment_name};
use crate::frame_log::LogError;

/// Zeros are written in pieces of this size.
const FILL_BYTES: usize = 256 << 10;
/// Frames from this size on are written where no zeros have been.
const LARGE_BYTES: u64 = 64 << 10;

pub(super) struct Writer {
    shared: Arc<Mutex<Shared>>,
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    options: JournalOptions,
    buffer: Vec<u8>,
    /// Up to here the active segment has been written once: overwriting it is all that a sync has to make durable.
    written_to: u64,
    is_fenced: bool,
}

/// A file for a new segment.
struct Next {
    path: PathBuf,
    /// Up to here it has been written once.
    written_to: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Mutex<Shared>>, fs: Arc<dyn Fs>, dir: PathBuf, options: JournalOptions) -> Self {
        Self { shared, fs, dir, options, buffer: Vec::new(), written_to: u64::MAX, is_fenced: false }
    }

    /// Makes durable what was found, and writes an empty frame behind it.
    ///
    /// A process that was killed may have left the tail of the last segment, or its name, in the page cache alone. A sync
    /// is not enough for that: after one that failed, the cache may take for written what the disk never saw.
    pub(super) fn begin_epoch(&mut self, tail: Option<Tail>) -> Result<(), LogError> {
        let newest = lock(&self.shared).newest;
        if let Some(Tail { file, at, bytes }) = tail {
            file.write_all_at(Site::WriteLastAgain, &bytes, at)
                .and_then(|()| file.sync_data(Site::SyncLastAgain))
                .map_err(|error| io_error("writing the journal's tail again", &error))?;
        }
        self.fs.sync_dir(Site::SyncDirAgain, &self.dir).map_err(|error| io_error("directory sync", &error))?;
        self.append(CommitNo(newest), &[], true).map(|_| ())
    }

    pub(super) fn run(mut self, requests: &mpsc::Receiver<AppendRequest>) {
        while let Ok(AppendRequest { prev, parts, reserve, reply }) = requests.recv() {
            let answer = self.append(prev, &parts, reserve);
            // The caller may have gone; the frame stays.
            let _ = reply.send(answer);
        }
    }

    fn append(&mut self, prev: CommitNo, parts: &[Bytes], reserve: bool) -> Result<CommitNo, LogError> {
        let len: usize = parts.iter().map(Bytes::len).sum();
        let (newest, newest_hash) = self.check(prev)?;
        let bytes_max = self.options.limits().commit_bytes_max;
        if len > bytes_max {
            return Err(LogError::TooLarge { bytes: len, bytes_max });
        }
        let place = self.room_for(FRAME_HEADER + len, reserve)?;
        let commit = newest + 1;
        let life = place.life;
        let header = Header { len: len as u32, life, commit, prev: newest, prev_hash: newest_hash, crc: 0 };
        self.buffer.clear();
        let crc = frame::write_frame(&mut self.buffer, header, parts);
        self.zeros_ahead(&place)?;
        self.write([Site::WriteFrame, Site::SyncFrame], &*place.file, place.at)?;
        lock(&self.shared).appended(commit, crc, self.buffer.len() as u32);
        Ok(CommitNo(commit))
    }

    /// Before the first write to a place in a file, a sync also has to make durable that something is there. Small frames
    /// share that: zeros are written ahead of them, and are durable with the first. A large frame pays for itself.
    fn zeros_ahead(&mut self, place: &Place) -> Result<(), LogError> {
        let end = place.at + self.buffer.len() as u64;
        if end <= self.written_to {
            return Ok(());
        }
        let is_large = self.buffer.len() as u64 >= LARGE_BYTES;
        let ahead = if is_large { 0 } else { (FILL_BYTES as u64).min(place.size.saturating_sub(end)) };
        self.written_to = end + ahead;
        if ahead == 0 {
            return Ok(());
        }
        let zeros = vec![0; ahead as usize];
        place.file.write_all_at(Site::WriteZerosAhead, &zeros, end).map_err(|error| self.stop("journal write", &error))
    }

    fn check(&mut self, prev: CommitNo) -> Result<(u64, u32), LogError> {
        let shared = lock(&self.shared);
        if let Some(why) = &shared.stopped {
            return Err(LogError::Stopped(why.clone()));
        }
        // The caller's view of the end was wrong once: it is trusted no more.
        self.is_fenced |= shared.newest != prev.0;
        if self.is_fenced {
            return Err(LogError::Fenced);
        }
        Ok((shared.newest, shared.newest_hash))
    }

    /// Writes the buffer and syncs it; a failure stops the journal.
    fn write(&self, [write, sync]: [Site; 2], file: &dyn FsFile, at: u64) -> Result<(), LogError> {
        file.write_all_at(write, &self.buffer, at)
            .and_then(|()| if cfg!(feature = "planted-no-fsync") { Ok(()) } else { file.sync_data(sync) })
            .map_err(|error| self.stop("journal write", &error))
    }

    fn stop(&self, what: &str, error: &std::io::Error) -> LogError {
        let why = format!("{what}: {error}");
        lock(&self.shared).stopped = Some(why.clone());
        LogError::Stopped(why)
    }

    /// The place for so many bytes: in the active segment, or at the start of a new one.
    fn room_for(&mut self, bytes: usize, reserve: bool) -> Result<Place, LogError> {
        let active = lock(&self.shared).active().map(|segment| (segment.has_room(bytes), Place::at_end_of(segment)));
        if let Some((true, place)) = active {
            self.check_reserve(reserve)?;
            return Ok(place);
        }
        let next = self.next_segment(reserve)?;
        if let Some((_, place)) = active {
            self.seal(&place)?;
        }
        self.activate(&next)
    }

    /// Marks the end of a segment, with a table of what is in it. It is on disk before any later segment.
    fn seal(&mut self, place: &Place) -> Result<(), LogError> {
        let Some(table) = lock(&self.shared).active().map(Segment::table) else { return Ok(()) };
        self.buffer.clear();
        frame::write_seal(&mut self.buffer, place.life, &table);
        let trailer = frame::trailer(place.life, table.end, self.buffer.len() as u32);
        let at = place.size.saturating_sub(TRAILER as u64);
        place
            .file
            .write_all_at(Site::WriteTrailer, &trailer, at)
            .map_err(|error| self.stop("journal write", &error))?;
        self.write([Site::WriteSeal, Site::SyncSeal], &*place.file, place.at)
    }

    /// What was taken for settlements alone is not for publishes, until there is room again.
    fn check_reserve(&self, reserve: bool) -> Result<(), LogError> {
        let (is_kept, files, spares) = {
            let shared = lock(&self.shared);
            (shared.in_reserve, shared.files(), shared.spares.len())
        };
        if reserve || !is_kept {
            return Ok(());
        }
        let taken = if spares > 0 { None } else { Some(0) };
        if !self.may_have(files, taken, false) {
            return Err(LogError::Full);
        }
        lock(&self.shared).in_reserve = false;
        Ok(())
    }

    /// True if the journal may have so many files, and take so many bytes of the disk, if any.
    fn may_have(&self, files: u64, taken: Option<u64>, reserve: bool) -> bool {
        let (extra, kept_free) = if reserve { (RESERVE_SEGMENTS, 0) } else { (0, FREE_BYTES_MIN) };
        let bytes = files.saturating_sub(extra) * self.options.segment_bytes;
        let is_within = self.options.disk_limit.is_none_or(|limit| bytes <= limit);
        let disk_free = || self.fs.free_bytes(Site::FreeBytes, &self.dir).unwrap_or(u64::MAX);
        is_within && taken.is_none_or(|taken| disk_free() >= taken + kept_free)
    }

    /// A file for the next segment: a spare, or a new one.
    fn next_segment(&mut self, reserve: bool) -> Result<Next, LogError> {
        let (files, spares) = {
            let shared = lock(&self.shared);
            (shared.files(), shared.spares.len())
        };
        let (files, taken) = if spares > 0 { (files, None) } else { (files + 1, Some(self.options.segment_bytes)) };
        let is_roomy = self.may_have(files, taken, false);
        let is_allowed = is_roomy || (reserve && self.may_have(files, taken, true));
        if !is_allowed {
            return Err(LogError::Full);
        }
        let next = if taken.is_none() { self.spare()? } else { None };
        let next = next.map_or_else(|| self.fill(), Ok)?;
        let mut shared = lock(&self.shared);
        shared.in_reserve = !is_roomy;
        shared.begun[0] += 1;
        Ok(next)
    }

    fn spare(&self) -> Result<Option<Next>, LogError> {
        let (spare, is_renamed) = {
            let mut shared = lock(&self.shared);
            (shared.spares.pop(), std::mem::take(&mut shared.is_renamed))
        };
        if is_renamed {
            // If its old name came back after a crash, its new content would be taken for damage there.
            self.fs
                .sync_dir(Site::SyncDirRetired, &self.dir)
                .map_err(|error| self.stop("sync of the directory", &error))?;
        }
        Ok(spare.map(|path| Next { path, written_to: u64::MAX }))
    }

    fn fill(&self) -> Result<Next, LogError> {
        let path = self.dir.join("new.seg");
        match self.fill_file(&path) {
            Ok(written_to) => Ok(Next { path, written_to }),
            Err(error) => {
                let _ = self.fs.remove(Site::RemoveFill, &path);
                let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
                Err(if is_full { LogError::Full } else { self.stop("filling a segment", &error) })
            }
        }
    }

    /// Takes the whole segment's blocks, so that the disk is never full in the middle of it; up to where it is written.
    fn fill_file(&self, path: &Path) -> std::io::Result<u64> {
        let file = self.fs.open(Site::CreateFill, path, OpenMode::Create)?;
        let written_to = match file.allocate(Site::Allocate, self.options.segment_bytes) {
            Ok(()) => 0,
            Err(error) if error.kind() == ErrorKind::Unsupported => self.write_zeros(&*file)?,
            Err(error) => return Err(error),
        };
        file.sync_all(Site::SyncFill)?;
        Ok(written_to)
    }

    fn write_zeros(&self, file: &dyn FsFile) -> std::io::Result<u64> {
        let zeros = vec![0; FILL_BYTES.min(usize::try_from(self.options.segment_bytes).unwrap_or(FILL_BYTES))];
        let mut at = 0;
        while at < self.options.segment_bytes {
            let len = (self.options.segment_bytes - at).min(zeros.len() as u64);
            file.write_all_at(Site::WriteFill, &zeros[..len as usize], at)?;
            at += len;
        }
        Ok(at)
    }

    /// Makes the file the active segment.
    fn activate(&mut self, next: &Next) -> Result<Place, LogError> {
        let (generation, newest, newest_hash) = {
            let shared = lock(&self.shared);
            let last = shared.segments.values().next_back().map_or(0, |segment| segment.id.generation);
            (last.max(shared.newest) + 1, shared.newest, shared.newest_hash)
        };
        let mut life = [0; 8];
        getrandom::fill(&mut life)
            .map_err(|error| self.stop("random numbers", &std::io::Error::other(error.to_string())))?;
        let id = SegmentId { generation, life: u64::from_le_bytes(life) };
        let path = self.dir.join(segment_name(generation));
        let file = self.begin_file(&next.path, &path, id).map_err(|error| self.stop("beginning a segment", &error))?;
        self.written_to = next.written_to;
        let table = table::empty(newest, newest_hash);
        let first = table.first;
        let segment = Segment::new(file, path, id, self.options.segment_bytes, table);
        let place = Place::at_end_of(&segment);
        let retired = {
            let mut shared = lock(&self.shared);
            // The segment left behind may have no live frame by now.
            let left = shared.active.take();
            let retired = left.and_then(|left| shared.retire_if_dead(left));
            shared.add(segment);
            shared.active = Some(first);
            retired
        };
        free(&*self.fs, &self.shared, retired);
        Ok(place)
    }

    fn begin_file(&self, from: &Path, path: &Path, id: SegmentId) -> std::io::Result<Arc<dyn FsFile>> {
        let file = self.fs.open(Site::OpenNext, from, OpenMode::Existing)?;
        file.write_all_at(Site::WriteHeader, &frame::segment_header(id), 0)?;
        file.sync_data(Site::SyncHeader)?;
        self.fs.rename(Site::RenameNext, from, path)?;
        self.fs.sync_dir(Site::SyncDirNext, &self.dir)?;
        Ok(file)
    }
}

/// Where the next frame goes.
struct Place {
    file: Arc<dyn FsFile>,
    life: u64,
    at: u64,
    /// Bytes of the file.
    size: u64,
}

impl Place {
    fn at_end_of(segment: &Segment) -> Self {
        let at = segment.table.end.into();
        Self { file: segment.file.clone(), life: segment.id.life, at, size: segment.size }
    }
}
