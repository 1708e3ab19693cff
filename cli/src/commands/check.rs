//! `ferrymq check` and `ferrymq repair`: a data directory, offline.

use std::path::{Path, PathBuf};

use ferrymq_engine::journal::{self, CheckReport, RepairReport};

use crate::failure::Failure;
use crate::output;

/// Fails if anything is damaged, naming each place.
pub fn run(dir: &Path, as_json: bool) -> Result<(), Failure> {
    let report = journal::check(&journal_of(dir)?).map_err(|error| Failure::other(error.to_string()))?;
    output::value(&found(&report), as_json)?;
    match report.problems.len() {
        0 => Ok(()),
        count => Err(Failure::other(format!("{count} places in {} are damaged", dir.display()))),
    }
}

/// Keeps what is whole, and names what is lost; nothing lost is success.
pub fn repair(dir: &Path, as_json: bool) -> Result<(), Failure> {
    let report = journal::repair(&journal_of(dir)?).map_err(|error| Failure::other(error.to_string()))?;
    output::value(&repaired(&report), as_json)?;
    match report.lost.len() {
        0 => Ok(()),
        count => Err(Failure::other(format!("{count} places in {} could not be kept; see above", dir.display()))),
    }
}

fn journal_of(dir: &Path) -> Result<PathBuf, Failure> {
    let journal = dir.join("journal");
    let dir = if journal.is_dir() { journal } else { dir.to_owned() };
    if dir.is_dir() { Ok(dir) } else { Err(Failure::usage(format!("{} is no directory", dir.display()))) }
}

fn repaired(report: &RepairReport) -> serde_json::Value {
    let lost = report.lost.iter().map(|lost| {
        let commits = lost.commits.as_ref().map(|commits| [*commits.start(), *commits.end()]);
        serde_json::json!({ "file": lost.file, "offset": lost.offset, "commits": commits })
    });
    serde_json::json!({
        "frames": report.frames,
        "put_aside": report.aside,
        "lost": lost.collect::<Vec<_>>(),
    })
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
