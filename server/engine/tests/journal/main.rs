//! The journal under the store, over a file system that crashes and fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod faults;
mod opening;
mod recorder;
mod repair;
mod workload;
