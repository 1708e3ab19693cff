//! The numbers that name things for good.

/// A log's number. Never used again, not even after the log is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogId(pub u64);

/// A record's number in its log, dense from 0.
pub type Offset = u64;

/// The place of a commit in a partition's order: unique, strictly increasing for good, not dense. 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CommitNo(pub u64);

/// Milliseconds since 1970-01-01T00:00:00Z, as the injected clock tells them.
pub type Millis = u64;

/// A queue's number. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct QueueId(pub u64);
