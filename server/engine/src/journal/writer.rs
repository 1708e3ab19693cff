//! The one writer of a journal: puts a frame into the active segment, syncs, answers.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use ferrymq_core::CommitNo;

use super::frame::{self, FRAME_HEADER, Header, SEGMENT_HEADER};
use super::{
    AppendRequest, COMMIT_BYTES_MAX, FREE_BYTES_MIN, JournalOptions, Place, RESERVE_SEGMENTS, Segment, Shared,
    io_error, lock, segment_name,
};
use crate::frame_log::LogError;

/// Zeros are written in pieces of this size.
const FILL_BYTES: usize = 1 << 20;

pub(super) struct Writer {
    shared: Arc<Mutex<Shared>>,
    dir: PathBuf,
    options: JournalOptions,
    buffer: Vec<u8>,
}

/// Free bytes of the file system.
pub(super) fn disk_free(dir: &Path) -> u64 {
    rustix::fs::statvfs(dir).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

impl Writer {
    pub(super) fn new(shared: Arc<Mutex<Shared>>, dir: PathBuf, options: JournalOptions) -> Self {
        Self { shared, dir, options, buffer: Vec::new() }
    }

    /// Syncs what is there, and writes an empty frame behind it.
    pub(super) fn begin_epoch(&mut self) -> Result<(), LogError> {
        let (newest, active) = {
            let shared = lock(&self.shared);
            let file =
                shared.active.and_then(|(generation, _)| shared.segments.get(&generation)).map(|s| s.file.clone());
            (shared.newest, file)
        };
        if let Some(file) = active {
            file.sync_data().map_err(|error| io_error("journal sync", &error))?;
        }
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
        if len > COMMIT_BYTES_MAX {
            return Err(LogError::Io(format!("a commit of {len} bytes is larger than {COMMIT_BYTES_MAX}")));
        }
        let (generation, at, file) = self.room_for(FRAME_HEADER + len, reserve)?;
        let commit = newest + 1;
        let header = Header { len: len as u32, generation, commit, prev: newest, prev_hash: newest_hash, crc: 0 };
        self.buffer.clear();
        let crc = frame::write_frame(&mut self.buffer, header, parts);
        self.write(&file, at)?;
        let mut shared = lock(&self.shared);
        let place = Place { generation, at, len: len as u32, crc, prev: newest, prev_hash: newest_hash };
        shared.frames.insert(commit, place);
        if let Some(segment) = shared.segments.get_mut(&generation) {
            segment.live += 1;
        }
        (shared.newest, shared.newest_hash) = (commit, crc);
        shared.active = Some((generation, at + self.buffer.len() as u64));
        Ok(CommitNo(commit))
    }

    fn check(&self, prev: CommitNo) -> Result<(u64, u32), LogError> {
        let shared = lock(&self.shared);
        if let Some(why) = &shared.stopped {
            return Err(LogError::Stopped(why.clone()));
        }
        if shared.newest != prev.0 {
            return Err(LogError::Fenced);
        }
        Ok((shared.newest, shared.newest_hash))
    }

    /// Writes the buffer and syncs it; a failure stops the journal.
    fn write(&self, file: &File, at: u64) -> Result<(), LogError> {
        file.write_all_at(&self.buffer, at).and_then(|()| file.sync_data()).map_err(|error| self.stop(&error))
    }

    fn stop(&self, error: &std::io::Error) -> LogError {
        let why = format!("journal write: {error}");
        lock(&self.shared).stopped = Some(why.clone());
        LogError::Stopped(why)
    }

    /// The place for so many bytes: in the active segment, or at the start of a new one.
    fn room_for(&mut self, bytes: usize, reserve: bool) -> Result<(u64, u64, Arc<File>), LogError> {
        let active = {
            let shared = lock(&self.shared);
            shared
                .active
                .and_then(|(generation, end)| Some((generation, end, shared.segments.get(&generation)?.file.clone())))
        };
        if let Some((generation, end, file)) = active {
            // Room for the seal is always left.
            if end + (bytes + FRAME_HEADER) as u64 <= self.options.segment_bytes {
                return Ok((generation, end, file));
            }
            let next = self.next_segment(reserve)?;
            self.seal(generation, end, &file)?;
            return self.activate(next);
        }
        let next = self.next_segment(reserve)?;
        self.activate(next)
    }

    /// Marks the end of a segment: a frame that names itself as its predecessor. It is on disk before any later segment.
    fn seal(&mut self, generation: u64, end: u64, file: &File) -> Result<(), LogError> {
        let newest = lock(&self.shared).newest;
        let header = Header { len: 0, generation, commit: newest, prev: newest, prev_hash: 0, crc: 0 };
        self.buffer.clear();
        frame::write_frame(&mut self.buffer, header, &[]);
        self.write(file, end)
    }

    /// A file for the next segment: a spare, or a new one filled with zeros.
    fn next_segment(&mut self, reserve: bool) -> Result<PathBuf, LogError> {
        let (spare, used) = {
            let mut shared = lock(&self.shared);
            let used = (shared.segments.len() + shared.spares.len()) as u64 * self.options.segment_bytes;
            (shared.spares.pop(), used)
        };
        if let Some(spare) = spare {
            return Ok(spare);
        }
        let extra = if reserve { RESERVE_SEGMENTS * self.options.segment_bytes } else { 0 };
        let wanted = used + self.options.segment_bytes;
        let over = self.options.disk_limit.is_some_and(|limit| wanted > limit.saturating_add(extra));
        let kept_free = if reserve { 0 } else { FREE_BYTES_MIN };
        if over || disk_free(&self.dir) < self.options.segment_bytes + kept_free {
            return Err(LogError::Full);
        }
        self.fill()
    }

    /// Zero-filled, not only preallocated: else each sync would write metadata too.
    fn fill(&self) -> Result<PathBuf, LogError> {
        let path = self.dir.join("new.seg");
        let filled = self.fill_file(&path);
        if let Err(error) = filled {
            let _ = std::fs::remove_file(&path);
            return Err(if error.kind() == ErrorKind::StorageFull { LogError::Full } else { self.stop(&error) });
        }
        Ok(path)
    }

    fn fill_file(&self, path: &Path) -> std::io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        let zeros = vec![0; FILL_BYTES];
        let mut at = 0;
        while at < self.options.segment_bytes {
            let len = (self.options.segment_bytes - at).min(FILL_BYTES as u64);
            file.write_all_at(&zeros[..len as usize], at)?;
            at += len;
        }
        file.sync_all()
    }

    /// Gives the file a generation of its own, so that frames of its earlier lives are never taken for valid.
    fn activate(&mut self, from: PathBuf) -> Result<(u64, u64, Arc<File>), LogError> {
        let generation = lock(&self.shared).segments.keys().next_back().map_or(1, |last| last + 1);
        let generation = generation.max(lock(&self.shared).newest + 1);
        let path = self.dir.join(segment_name(generation));
        let opened = (|| {
            let file = OpenOptions::new().read(true).write(true).open(&from)?;
            file.write_all_at(&frame::segment_header(generation), 0)?;
            file.sync_data()?;
            std::fs::rename(&from, &path)?;
            File::open(&self.dir)?.sync_all()?;
            Ok(file)
        })();
        let file = Arc::new(opened.map_err(|error: std::io::Error| self.stop(&error))?);
        let mut shared = lock(&self.shared);
        let segment = Segment { file: file.clone(), path, live: 0 };
        shared.segments.insert(generation, segment);
        let before = shared.active.replace((generation, SEGMENT_HEADER as u64));
        // The segment left behind may have no live frame by now.
        if let Some((left, _)) = before
            && shared.segments.get(&left).is_some_and(|segment| segment.live == 0)
        {
            shared.retire(left);
        }
        Ok((generation, SEGMENT_HEADER as u64, file))
    }
}
