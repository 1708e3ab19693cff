//! The domain of FerryMQ, without I/O.
//!
//! Everything here is given `now` and commands, and returns plain values. It knows no runtime, no wire protocol and no
//! storage.

pub mod ids;

pub use ids::{CommitNo, LogId, Millis, Offset};
