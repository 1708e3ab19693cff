//! Reading a journal offline, every byte of it.

use std::path::Path;

use super::frame::{self, FRAME_HEADER, SegmentId, Table};
use super::fs::{Fs, RealFs};
use super::io_error;
use super::scan::{self, Opened, file_name};
use crate::frame_log::LogError;

/// What an offline check found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Segment files read.
    pub segments: usize,
    /// Whole frames.
    pub frames: u64,
    /// Bytes of them, headers among them.
    pub frame_bytes: u64,
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

/// The same on any file system.
///
/// # Errors
/// As [`check`].
pub fn check_on(fs: &dyn Fs, dir: &Path) -> Result<CheckReport, LogError> {
    let _held = fs.lock(dir)?;
    let files = scan::files(fs, dir)?.segments;
    let mut report = CheckReport { segments: files.len(), ..CheckReport::default() };
    let count = files.len();
    for (index, path) in files.into_iter().enumerate() {
        let opened = scan::open(fs, &path).map_err(|error| io_error("journal read", &error))?;
        let bytes = opened.bytes().map_err(|error| io_error("journal read", &error))?;
        report.check_segment(&file_name(&path), &opened, &bytes, index + 1 == count)?;
    }
    Ok(report)
}

impl CheckReport {
    fn check_segment(&mut self, name: &str, opened: &Opened, bytes: &[u8], is_last: bool) -> Result<(), LogError> {
        let Some(id) = opened.id else {
            self.problems.push(format!("{name}: the header does not match its checksum"));
            return Ok(());
        };
        let read_error = |error| io_error("journal read", &error);
        let seal = opened.seal(id).map_err(read_error)?;
        match seal.map_or(Ok(None), |seal| opened.table(id, seal)).map_err(read_error)? {
            Some(table) => self.check_table(name, id, &table, bytes),
            None => self.check_scan(name, id, bytes, is_last),
        }
        Ok(())
    }

    /// Where the seal tells the places, each damaged frame is named.
    fn check_table(&mut self, name: &str, id: SegmentId, table: &Table, bytes: &[u8]) {
        let (mut prev, mut prev_hash) = (table.prev, Some(table.prev_hash));
        let ends = table.positions.iter().skip(1).chain([&table.end]);
        for ((commit, at), end) in (table.first..).zip(&table.positions).zip(ends) {
            let found = bytes.get(*at as usize..*end as usize).and_then(|frame| frame::read_frame(frame, id.life));
            let is_right = found.is_some_and(|header| {
                let is_whole = header.commit == commit && FRAME_HEADER + header.len as usize == (end - at) as usize;
                is_whole && header.prev == prev && prev_hash.is_none_or(|hash| hash == header.prev_hash)
            });
            if is_right {
                self.frames += 1;
                self.frame_bytes += u64::from(end - at);
            } else {
                self.problems.push(format!("{name}: damaged at byte {at}, commit {commit}"));
            }
            (prev, prev_hash) = (commit, found.filter(|_| is_right).map(|header| header.crc));
        }
        self.newest = table.first + table.positions.len() as u64 - 1;
    }

    fn check_scan(&mut self, name: &str, id: SegmentId, bytes: &[u8], is_last: bool) {
        let found = scan::scan(id.life, bytes);
        self.frames += found.frames.len() as u64;
        self.frame_bytes +=
            found.frames.iter().map(|(_, header)| FRAME_HEADER as u64 + u64::from(header.len)).sum::<u64>();
        self.newest = found.frames.last().map_or(self.newest, |(_, header)| header.commit);
        if found.is_damaged || (!is_last && found.seal == 0) {
            let commit = self.newest + 1;
            self.problems.push(format!("{name}: damaged at byte {}, commit {commit}", found.end));
        }
        if let Some((at, commit)) = found.break_in_order() {
            self.problems
                .push(format!("{name}: the frame at byte {at}, commit {commit}, does not follow its predecessor"));
        }
    }
}
