//! Snapshots.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::values;

/// `ferrymq snapshot ...`
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Keep where a queue stands now under a name.
    #[command(after_help = "Examples:
  ferrymq snapshot create before-upgrade --queue billing
  ferrymq snapshot create audit --queue orders/billing --keep-for 30d
  ferrymq queue seek billing --to snapshot:before-upgrade")]
    Create {
        /// Its name.
        name: String,
        /// The queue, which alone can seek to it.
        #[arg(long)]
        queue: String,
        /// Keep it, and the messages it needs, for so long: up to 31d. Default: 7d.
        #[arg(long, value_parser = values::duration)]
        keep_for: Option<Duration>,
    },
    /// Show one.
    #[command(after_help = "Examples:
  ferrymq snapshot get before-upgrade
  ferrymq snapshot get before-upgrade --json
  ferrymq snapshot get audit")]
    Get(SnapshotName),
    /// Show many.
    #[command(after_help = "Examples:
  ferrymq snapshot list
  ferrymq snapshot list --queue billing
  ferrymq snapshot list --json")]
    List {
        /// Only of this queue.
        #[arg(long, default_value = "")]
        queue: String,
    },
    /// Delete one; what only it needed is kept no more.
    #[command(after_help = "Examples:
  ferrymq snapshot delete before-upgrade
  ferrymq snapshot delete audit
  ferrymq snapshot list --queue billing")]
    Delete(SnapshotName),
}

/// Which one.
#[derive(Debug, Args)]
pub struct SnapshotName {
    /// Its name.
    pub name: String,
}
