//! Storage of FerryMQ.
//!
//! [`frame_log`] is the contract that an engine keeps; [`journal`] and [`memory`] keep it; [`store`] is written once above
//! it.

pub mod frame_log;
pub mod journal;
pub mod memory;
pub mod store;
