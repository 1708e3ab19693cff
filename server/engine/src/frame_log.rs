//! The contract of durable storage: a log of frames.
//!
//! It is narrow on purpose: a local journal, memory and a replicated stream can all keep it, and everything else is
//! written once above it (`store/`).

use bytes::Bytes;
use futures::future::BoxFuture;

use ferrymq_core::CommitNo;

/// One commit as it was written: opaque to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its place in the order.
    pub commit: CommitNo,
    /// The frame before it when it was written, and that one's hash: where both are there they must match.
    pub prev: CommitNo,
    /// Hash of the predecessor's content.
    pub prev_hash: u32,
    /// Hash of this frame's content.
    pub hash: u32,
    /// What was appended.
    pub body: Bytes,
}

/// Sizes that a frame log wants kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A group is sealed at this many bytes.
    pub seal_bytes: usize,
    /// The largest body of one frame, in bytes.
    pub commit_bytes_max: usize,
}

/// Space as the log sees it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Space {
    /// Bytes taken in the data directory.
    pub used_bytes: u64,
    /// Bytes that appends of publishes may still take before the log counts as full.
    pub free_bytes: u64,
}

/// Why an operation on the frame log failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// Another owner has opened the log, or the writer's view of its end is stale: the handle is dead.
    #[error("fenced: the log has another writer")]
    Fenced,
    /// Nothing was written, and nothing is broken: there is no room. Try again when space returned.
    #[error("no space left for the journal")]
    Full,
    /// The frame is larger than [`FrameLog::limits`] allows. Nothing was written, and nothing is broken.
    #[error("a commit of {bytes} bytes is above the limit of {bytes_max}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The most.
        bytes_max: usize,
    },
    /// A write or a sync failed. Nothing may be written any more until the log is opened anew.
    #[error("the log stopped: {0}")]
    Stopped(String),
    /// What was asked for is damaged.
    #[error("damaged: {file} at byte {offset}, commit {commit}: {what}")]
    Damaged {
        /// File name inside the data directory.
        file: String,
        /// Byte in that file.
        offset: u64,
        /// Commit number, as far as it is known.
        commit: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Two frames that should follow each other do not.
    #[error("diverged at commit {0}: the predecessor's hash differs")]
    Diverged(u64),
    /// The frame was dropped, or never was.
    #[error("commit {0} is not in the log")]
    NotThere(u64),
    /// Any other failure of the system, while reading.
    #[error("i/o: {0}")]
    Io(String),
}

/// A durable, fenced, totally ordered log of frames. One writer; any number of readers.
pub trait FrameLog: Send + Sync + 'static {
    /// Appends one frame of `parts`, in that order, and answers once it is durable. One append at a time.
    ///
    /// `prev` is the newest commit number that the writer knows; another one there is [`LogError::Fenced`].
    /// `reserve` appends (settlements, deletes, checkpoints) may use the spare space kept for them when the log is full.
    fn append(&self, prev: CommitNo, parts: Vec<Bytes>, reserve: bool) -> BoxFuture<'_, Result<CommitNo, LogError>>;

    /// Frames from `from` up to and including `upto`, in order, until they exceed `bytes_max` (at least one if there is any).
    fn read(&self, from: CommitNo, upto: CommitNo, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Frame>, LogError>>;

    /// One whole frame.
    fn get(&self, commit: CommitNo) -> BoxFuture<'_, Result<Frame, LogError>>;

    /// `len` bytes at `at` of the body of one frame, without reading the rest of it where the log can.
    fn get_part(&self, commit: CommitNo, at: u32, len: u32) -> BoxFuture<'_, Result<Bytes, LogError>>;

    /// The newest durable commit; 0 if there is none.
    fn newest(&self) -> CommitNo;

    /// The oldest commit still there; 0 if there is none.
    fn oldest(&self) -> CommitNo;

    /// Frees all below `commit`, later and repeatably. The newest frame stays in any case: its number is never given again.
    fn drop_below(&self, commit: CommitNo);

    /// Frees one frame, later and repeatably; not the newest.
    fn drop_commit(&self, commit: CommitNo);

    /// For quiet times: gives back some of the space that is kept for the next load, if there was none since the last call.
    fn give_back(&self);

    /// True if a repair has given frames up and named them: what is missing may then be passed over.
    fn has_losses(&self) -> bool;

    /// Sizes to keep.
    fn limits(&self) -> Limits;

    /// How much room there is.
    fn space(&self) -> Space;

    /// Ends writing: what was appended is durable, the lock is released. Reading goes on; an append is
    /// [`LogError::Stopped`].
    fn close(&self) -> BoxFuture<'_, Result<(), LogError>>;
}

/// True while a read goes on: always for the first frame, then until `bytes_max` is reached.
pub(crate) fn window(bytes: &mut usize, len: usize, bytes_max: usize) -> bool {
    let goes_on = *bytes < bytes_max;
    *bytes = bytes.saturating_add(len.max(1));
    goes_on
}
