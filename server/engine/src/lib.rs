//! Storage of FerryMQ.
//!
//! [`frame_log`] is the contract that an engine keeps; [`journal`] and [`memory`] keep it; [`store`] is written once above
//! it.

#[cfg(all(not(debug_assertions), any(feature = "planted-early-reuse", feature = "planted-no-fsync")))]
compile_error!("a planted bug must not be in a release");

pub mod frame_log;
pub mod journal;
pub mod memory;
pub mod store;
