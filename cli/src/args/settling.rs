//! Taking messages and settling them, one call each.

use std::time::Duration;

use clap::Args;

use super::Printing;
use crate::values;

/// Where messages are taken from: a queue, or a group of a topic.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// The queue; of a group TOPIC/GROUP.
    #[arg(required_unless_present = "topic", conflicts_with_all = ["topic", "group"])]
    pub queue: Option<String>,
    /// A topic, with --group.
    #[arg(long, requires = "group")]
    pub topic: Option<String>,
    /// The group; its members share the messages.
    #[arg(long, requires = "topic")]
    pub group: Option<String>,
    /// Make the group if it is not there.
    #[arg(long, requires = "group")]
    pub create: bool,
}

/// `ferrymq pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// Where from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// At most so many messages.
    #[arg(long, visible_alias = "count", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub max: i32,
    /// Together at most this much, e.g. 4MiB; one message always comes. Default: 1MiB.
    #[arg(long, value_parser = values::bytes)]
    pub max_bytes: Option<u64>,
    /// How long to wait for the first one, e.g. 0s or 1m. Default: 10s.
    #[arg(long, value_parser = values::duration)]
    pub wait: Option<Duration>,
    /// How long they are ours, e.g. 2m. Default: as the queue says.
    #[arg(long, value_parser = values::duration)]
    pub lease: Option<Duration>,
    /// Ack them once they are printed.
    #[arg(long)]
    pub ack: bool,
    /// How. Default: '{ack_id} {payload}'.
    #[command(flatten)]
    pub printing: Printing,
}

/// Which deliveries.
#[derive(Debug, Args)]
pub struct Ids {
    /// Ack ids, as `ferrymq pull` prints them. None: each line of stdin is one, or a message as `pull --json` prints it.
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
}

/// `ferrymq ack`.
#[derive(Debug, Args)]
pub struct AckArgs {
    /// Which.
    #[command(flatten)]
    pub which: Ids,
}

/// `ferrymq nack`.
#[derive(Debug, Args)]
pub struct NackArgs {
    /// Which.
    #[command(flatten)]
    pub which: Ids,
    /// Why, for whoever looks into the dead-letter queue.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
    /// When they come again, e.g. 10m. Default: after the queue's backoff.
    #[arg(long, value_parser = values::duration, conflicts_with = "reject")]
    pub delay: Option<Duration>,
    /// They will never work: to the dead-letter queue now.
    #[arg(long, conflicts_with = "release")]
    pub reject: bool,
    /// They were not tried: back to their place, and no failure is counted.
    #[arg(long)]
    pub release: bool,
}

/// `ferrymq extend`.
#[derive(Debug, Args)]
pub struct ExtendArgs {
    /// Which.
    #[command(flatten)]
    pub which: Ids,
    /// From now on, e.g. 2m. Default: the queue's lease again.
    #[arg(long, value_parser = values::duration)]
    pub lease: Option<Duration>,
}
