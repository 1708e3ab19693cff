//! Measures a long backlog: fills a journal with batches, then opens it again in a process of its own.
//!
//! `cargo run --release -p ferrymq-engine --example backlog -- DIR [BYTES] [BATCH_BYTES] [BATCHES_PER_COMMIT]` writes 5 GiB
//! of 1 KiB batches, 64 to a commit, into DIR, which must be empty, and removes them again.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ferrymq_core::LogId;
use ferrymq_engine::journal::{Journal, JournalOptions};
use ferrymq_engine::store::{Op, Store, StoreOptions};

const LOG: LogId = LogId(20);
/// Batches read after it was opened again, here and there in the backlog.
const READS: u64 = 1_000;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default| args.get(at).map_or(Ok(default), |arg| arg.parse::<u64>());
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--fill", dir, _, bytes, group] => fill(Path::new(dir), number(2, 0)?, bytes.parse()?, group.parse()?).await,
        ["--reopen", dir] => reopen(Path::new(dir)).await,
        [dir, ..] => {
            let (bytes, batch_bytes, group) = (number(1, 5 << 30)?, number(2, 1 << 10)?.max(1), number(3, 64)?.max(1));
            let numbers = [bytes / batch_bytes, batch_bytes, group].map(|number| number.to_string());
            let done = itself(&[&["--fill", dir][..], &numbers.each_ref().map(String::as_str)].concat())
                .and_then(|()| itself(&["--reopen", dir]));
            std::fs::remove_dir_all(dir)?;
            done
        }
        [] => Err("usage: backlog DIR [BYTES] [BATCH_BYTES] [BATCHES_PER_COMMIT]".into()),
    }
}

/// Runs one half in a process of its own, so that each has its own peak of memory.
fn itself(args: &[&str]) -> Result<(), Failure> {
    let status = std::process::Command::new(std::env::current_exe()?).args(args).status()?;
    if status.success() { Ok(()) } else { Err(format!("{args:?}: {status}").into()) }
}

async fn open(dir: &Path) -> Result<Store, Failure> {
    let start = Instant::now();
    let journal = Journal::open(dir, JournalOptions::default())?;
    let scanned = start.elapsed();
    let options = StoreOptions { state_dir: Some(dir.join("state")), ..StoreOptions::default() };
    let store = Store::open(Arc::new(journal), options).await?;
    println!("opened in {:.2?}, the journal in {scanned:.2?}", start.elapsed());
    Ok(store)
}

async fn fill(dir: &Path, batches: u64, batch_bytes: usize, group: u64) -> Result<(), Failure> {
    let store = open(dir).await?;
    let start = Instant::now();
    for first in (0..batches).step_by(group as usize) {
        let append = |base| Op::Append { log: LOG, base, count: 1, batch: Bytes::from(vec![7; batch_bytes]) };
        store.commit((first..(first + group).min(batches)).map(append).collect(), false).await?;
    }
    println!("filled with {batches} batches of {batch_bytes} bytes in {:.2?}", start.elapsed());
    report(&store);
    // No clean stop, and no newer state image than there is: as after a crash.
    Ok(())
}

async fn reopen(dir: &Path) -> Result<(), Failure> {
    let store = open(dir).await?;
    let (start, end) = (Instant::now(), store.end(LOG));
    for nth in 0..READS.min(end) {
        let read = store.read(LOG, nth * (end / READS.min(end)), 1).await?;
        assert_eq!(read.first().map(|batch| batch.base), Some(nth * (end / READS.min(end))));
    }
    println!("{READS} batches read in {:.2?}", start.elapsed());
    report(&store);
    Ok(())
}

fn report(store: &Store) {
    println!("{:?}\n{:?}", store.stats(), store.space());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: not known here");
    println!("{peak}\n");
}
