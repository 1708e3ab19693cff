//! Reading a segment: by the table in its seal, or frame by frame.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{self, FRAME_HEADER, Header, SEGMENT_HEADER, SegmentId, TRAILER, Table};
use super::fs::{Fs, FsFile, OpenMode, Site};
use super::{SEGMENT_BYTES_MAX, io_error, table};
use crate::frame_log::LogError;

/// The files of a journal, by what they are for.
#[derive(Default)]
pub(super) struct Files {
    /// In the order of their generations.
    pub segments: Vec<PathBuf>,
    pub spares: Vec<PathBuf>,
    /// A segment that was being filled with zeros.
    pub unfinished: Option<PathBuf>,
    /// A repair has put damaged files aside.
    pub has_losses: bool,
}

pub(super) fn files(fs: &dyn Fs, dir: &Path) -> Result<Files, LogError> {
    let mut files = Files::default();
    for path in fs.list(Site::List, dir).map_err(|error| io_error("data directory", &error))? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            "new.seg" => files.unfinished = Some(path),
            _ if name.contains(".damaged-") => files.has_losses = true,
            _ if !name.ends_with(".seg") => {}
            _ if name.starts_with("spare-") => files.spares.push(path),
            _ if name.starts_with("journal-") => files.segments.push(path),
            _ => {}
        }
    }
    files.segments.sort();
    Ok(files)
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A segment's file.
pub(super) struct Opened {
    pub file: Arc<dyn FsFile>,
    pub size: u64,
    /// None: its header is damaged.
    pub id: Option<SegmentId>,
}

pub(super) fn open(fs: &dyn Fs, path: &Path) -> std::io::Result<Opened> {
    let file = fs.open(Site::OpenSegment, path, OpenMode::Existing)?;
    let size = file.len(Site::SegmentLen)?.min(SEGMENT_BYTES_MAX);
    let mut header = vec![0; SEGMENT_HEADER.min(usize::try_from(size).unwrap_or(0))];
    file.read_exact_at(Site::ReadHeader, &mut header, 0)?;
    Ok(Opened { file, size, id: frame::read_segment_header(&header) })
}

impl Opened {
    /// Where the seal of a sealed segment is, and its bytes; none if it has no trailer.
    pub(super) fn seal(&self, id: SegmentId) -> std::io::Result<Option<(u32, u32)>> {
        let mut bytes = [0; TRAILER];
        let Some(at) = self.size.checked_sub(TRAILER as u64) else { return Ok(None) };
        self.file.read_exact_at(Site::ReadTrailer, &mut bytes, at)?;
        let found = frame::read_trailer(&bytes, id.life);
        Ok(found.filter(|(seal, len)| u64::from(*seal) + u64::from(*len) <= at))
    }

    /// What a sealed segment holds, without reading its frames; none if its seal is not whole.
    pub(super) fn table(&self, id: SegmentId, (at, len): (u32, u32)) -> std::io::Result<Option<Table>> {
        let mut bytes = vec![0; len as usize];
        self.file.read_exact_at(Site::ReadSeal, &mut bytes, at.into())?;
        Ok(frame::read_seal(&bytes, id.life, at))
    }

    /// All its bytes.
    pub(super) fn bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.size).unwrap_or(0)];
        self.file.read_exact_at(Site::ReadSegment, &mut bytes, 0)?;
        Ok(bytes)
    }
}

/// One segment as it was read frame by frame.
pub(super) struct Scan {
    pub frames: Vec<(u64, Header)>,
    /// After the last valid frame.
    pub end: u64,
    /// Bytes of the seal behind that; 0: there is none.
    pub seal: u64,
    /// Bytes of a frame that did not become whole.
    pub is_torn: bool,
    /// A valid frame lies behind a bad one.
    pub is_damaged: bool,
}

pub(super) fn scan(life: u64, bytes: &[u8]) -> Scan {
    let mut scan = Scan { frames: Vec::new(), end: SEGMENT_HEADER as u64, seal: 0, is_torn: false, is_damaged: false };
    while let Some(header) = bytes.get(scan.end as usize..).and_then(|rest| frame::read_frame(rest, life)) {
        let len = (FRAME_HEADER + header.len as usize) as u64;
        if header.prev == header.commit {
            scan.seal = len;
            return scan;
        }
        scan.frames.push((scan.end, header));
        scan.end += len;
    }
    let rest = bytes.get(scan.end as usize..).unwrap_or_default();
    let last = scan.frames.last().map_or(0, |(_, header)| header.commit);
    let is_later = |header: Header| header.commit > last || header.commit == header.prev;
    scan.is_damaged = (1..rest.len().saturating_sub(FRAME_HEADER - 1))
        .any(|at| rest[at..].starts_with(b"FMQF") && frame::read_frame(&rest[at..], life).is_some_and(is_later));
    let begun = rest.get(8..16).is_some_and(|bytes| bytes == life.to_le_bytes());
    scan.is_torn = begun && !scan.is_damaged;
    scan
}

impl Scan {
    /// The table of these frames, in a segment that follows the frame `newest`.
    pub(super) fn table(&self, newest: u64, newest_hash: u32) -> Table {
        let Some((_, first)) = self.frames.first() else { return table::empty(newest, newest_hash) };
        Table {
            first: first.commit,
            prev: first.prev,
            prev_hash: first.prev_hash,
            last_hash: self.frames.last().map_or(0, |(_, last)| last.crc),
            positions: self.frames.iter().map(|(at, _)| *at as u32).collect(),
            end: self.end as u32,
        }
    }

    /// The first frame that does not follow the one before it.
    pub(super) fn break_in_order(&self) -> Option<(u64, u64)> {
        let follows = |one: &Header, next: &Header| {
            next.prev == one.commit && next.prev_hash == one.crc && one.commit.checked_add(1) == Some(next.commit)
        };
        let broken = self.frames.windows(2).find(|pair| !follows(&pair[0].1, &pair[1].1));
        broken.map(|pair| (pair[1].0, pair[1].1.commit))
    }
}
