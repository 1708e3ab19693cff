//! The domain of FerryMQ, without I/O.
//!
//! Everything here is given `now` and commands, and returns plain values. It knows no runtime, no wire protocol and no
//! storage.

#[cfg(all(
    not(debug_assertions),
    any(
        feature = "planted-any-ack",
        feature = "planted-count",
        feature = "planted-expired",
        feature = "planted-key-order",
        feature = "planted-late-count",
        feature = "planted-late-order",
        feature = "planted-purge-held",
        feature = "planted-purge-order",
        feature = "planted-resume",
        feature = "planted-seek",
        feature = "planted-sent-forgotten"
    )
))]
compile_error!("a planted bug must not be in a release");

pub mod batch;
pub mod codec;
pub mod cursor;
pub mod filter;
pub mod ids;
pub mod matcher;
pub mod message;
pub mod name;
pub mod pattern;
pub mod queue;
pub mod ranges;
pub mod retries;
pub mod settle;

pub use ids::{CommitNo, LogId, Millis, Offset, QueueId};
