//! A process for each message.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::SourceArgs;
use crate::values;

/// `ferrymq work`.
#[derive(Debug, Args)]
pub struct WorkArgs {
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// So many at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub concurrency: u16,
    /// Kill a handler after so long, e.g. 30s; its message is tried again. Default: never.
    #[arg(long, value_parser = values::duration)]
    pub timeout: Option<Duration>,
    /// How long handlers may take to end after Ctrl-C, e.g. 5m.
    #[arg(long, value_parser = values::duration, default_value = "30s")]
    pub drain_timeout: Duration,
    /// The handler and its arguments, after `--`.
    #[arg(last = true, required = true)]
    pub handler: Vec<OsString>,
}
