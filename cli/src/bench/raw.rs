//! The disk alone: append and fdatasync, one after the other.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::load::Outcome;
use crate::failure::Failure;

const FILE_BYTES_MAX: u64 = 2 << 30;

/// Appends blocks of `bytes` to a file in `dir` that is gone afterwards.
pub fn append(dir: &Path, bytes: usize, duration: Duration) -> Result<Outcome, Failure> {
    let file = tempfile::tempfile_in(dir);
    let mut file: File = file.map_err(|e| Failure::other(format!("cannot write to {}: {e}", dir.display())))?;
    let block = vec![b'x'; bytes];
    let start = Instant::now();
    let mut outcome = Outcome::new();
    while start.elapsed() < duration && outcome.messages * (bytes as u64) < FILE_BYTES_MAX {
        let written = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        outcome.record(written.elapsed(), 1);
    }
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}
