//! The FerryMQ broker.
//!
//! [`run`] opens the store, starts a task for each queue and serves `ferrymq.v1` until it is told to stop.

#[cfg(all(
    not(debug_assertions),
    any(
        feature = "planted-alternate",
        feature = "planted-bind",
        feature = "planted-early-ack",
        feature = "planted-filter",
        feature = "planted-interval",
        feature = "planted-purge-fresh",
        feature = "planted-rate",
        feature = "planted-route-end",
        feature = "planted-route-loop",
        feature = "planted-route-lost",
        feature = "planted-route-twice"
    )
))]
compile_error!("a planted bug must not be in a release");

pub mod ack_id;
pub mod broker;
pub mod catalogue;
pub mod clock;
pub mod committer;
pub mod config;
pub mod depth;
pub mod edge;
pub mod error;
pub mod features;
pub mod grpc;
pub mod identity;
mod peek;
pub mod points;
mod process;
pub mod queue;
pub mod retention;
pub mod roster;
mod server;
pub mod shared_filters;
mod start;
mod sync_time;
pub mod watch;

pub use server::Server;
pub use start::{ReadyInfo, RunError, run};
