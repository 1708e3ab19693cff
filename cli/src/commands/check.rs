//! `ferrymq check`: a data directory, offline.

use std::path::Path;

use ferrymq_engine::journal::{self, CheckReport};

use crate::failure::Failure;
use crate::output;

/// Fails if anything is damaged, naming each place.
pub fn run(dir: &Path, as_json: bool) -> Result<(), Failure> {
    let journal = dir.join("journal");
    let dir = if journal.is_dir() { journal.as_path() } else { dir };
    if !dir.is_dir() {
        return Err(Failure::usage(format!("{} is no directory", dir.display())));
    }
    let report = journal::check(dir).map_err(|error| Failure::other(error.to_string()))?;
    output::value(&found(&report), as_json)?;
    match report.problems.len() {
        0 => Ok(()),
        count => Err(Failure::other(format!("{count} places in {} are damaged", dir.display()))),
    }
}

fn found(report: &CheckReport) -> serde_json::Value {
    serde_json::json!({
        "segments": report.segments,
        "frames": report.frames,
        "frame_bytes": report.frame_bytes,
        "newest_commit": report.newest,
        "problems": report.problems,
    })
}
