//! What a store is opened with, and what it answers.

use std::path::PathBuf;

use bytes::Bytes;
use ferrymq_core::codec::Malformed;
use ferrymq_core::{CommitNo, LogId, Offset};

use crate::frame_log::LogError;

/// Settings of a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Where the state is kept as well, to open faster; none: in the frame log alone.
    pub state_dir: Option<PathBuf>,
    /// Most bytes of batches kept in memory: the newest, and, in a quarter of it, what was read from disk last.
    pub cache_bytes_max: usize,
    /// A state image is written after so many bytes of frames.
    pub checkpoint_every_bytes: u64,
    /// The newest part of the index is in memory, up to about so many bytes; what is beyond goes into index frames.
    pub index_bytes_max: usize,
    /// Most bytes of index pages kept in memory after they were read.
    pub index_cache_bytes_max: usize,
    /// Most batches in one index page.
    pub index_page_batches: usize,
    /// Frames are accounted for, and given up, in stretches of about so many bytes: about half of what the frame log frees
    /// at once, as a smaller one could be live while all around it is dead.
    pub stretch_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            state_dir: None,
            cache_bytes_max: 64 << 20,
            checkpoint_every_bytes: 64 << 20,
            index_bytes_max: 8 << 20,
            index_cache_bytes_max: 8 << 20,
            index_page_batches: 512,
            stretch_bytes: 8 << 20,
        }
    }
}

/// Why an operation on the store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The frame log's failure.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A frame is not what it should be.
    #[error("commit {commit}: {what}")]
    Malformed {
        /// The frame.
        commit: u64,
        /// What is wrong with it.
        what: Malformed,
    },
    /// An append that does not begin at its log's end. Nothing was written.
    #[error("log {}: an append at {base}, but the log ends at {end}", log.0)]
    NotAtEnd {
        /// The log.
        log: LogId,
        /// Where the append would begin.
        base: Offset,
        /// Where the log ends.
        end: Offset,
    },
    /// The commit cannot be: what it holds is malformed. Nothing was written.
    #[error("the commit is refused: {0}")]
    Refused(&'static str),
    /// The commit is larger than the frame log takes. Nothing was written.
    #[error("a commit of {bytes} bytes is above the limit of {bytes_max}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The most.
        bytes_max: usize,
    },
    /// The frames do not reach back to what a recovery needs.
    #[error("the frames begin after commit {0}, and no whole state image is there")]
    Incomplete(u64),
}

/// A batch as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// Its log.
    pub log: LogId,
    /// Offset of its first record.
    pub base: Offset,
    /// Records in it.
    pub count: u32,
    /// The commit it was appended with.
    pub commit: CommitNo,
    /// What was appended.
    pub bytes: Bytes,
}

/// Numbers about a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Commits since it was opened.
    pub commits: u64,
    /// State images written since it was opened.
    pub checkpoints: u64,
    /// Bytes of batches copied to free space since it was opened.
    pub copied_bytes: u64,
    /// Bytes of batches that are kept.
    pub live_bytes: u64,
    /// Frames that are kept.
    pub frames: u64,
    /// Batches in the index (of pages also those that were trimmed or replaced since).
    pub batches: u64,
    /// Pages of the index that lie in index frames.
    pub index_pages: u64,
    /// Index frames written since it was opened.
    pub index_frames: u64,
    /// Bytes that the index takes in memory, about: its newest part and the references to its pages.
    pub index_bytes: u64,
    /// Bytes of index pages in memory.
    pub index_cache_bytes: u64,
    /// Bytes in the cache.
    pub cache_bytes: u64,
    /// Batches that were read from the cache.
    pub cache_hits: u64,
    /// Batches that were read from the frame log.
    pub cache_misses: u64,
}
