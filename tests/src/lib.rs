//! The harness of the scenarios: a real broker process, and short words for what they do with it.

mod broker;
pub mod cli;
mod cuts;
mod examples;
pub mod languages;
mod pages;
pub mod terminal;
mod verbatim;
mod words;

pub use broker::{Broker, binary};
pub use cuts::{Cut, Log};
pub use examples::{example, example_sources};
pub use pages::{Block, Shows, blocks};
pub use verbatim::{call, call_once};
pub use words::{
    acked, binding, collect, create_queue, create_topic, deliveries, message, payloads, prepared, publish, pull,
    pull_some, take_all, within,
};
