//! What deals with messages.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ferrymq_client::v1::LogPoint;

use super::Printing;
use crate::values;

/// `ferrymq publish` and `ferrymq send`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The topic, or for `send` the queue.
    pub destination: String,
    /// The message. Without it and --file: each line of stdin is one.
    #[arg(conflicts_with = "file")]
    pub payload: Option<String>,
    /// One message: the content of this file.
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Each line of stdin is a message as `subscribe --json` prints it, not a payload.
    #[arg(long, visible_alias = "json-lines", conflicts_with_all = ["payload", "file"])]
    pub messages: bool,
    /// Routing key: words with dots between.
    #[arg(long)]
    pub key: Option<String>,
    /// Ordering key: queues with `--ordering key` deliver messages of one key one after the other.
    #[arg(long)]
    pub ordering_key: Option<String>,
    /// An attribute, key=value. May be given often.
    #[arg(long = "attribute", value_parser = values::pair)]
    pub attributes: Vec<(String, String)>,
    /// MIME type of the payload.
    #[arg(long)]
    pub content_type: Option<String>,
    /// Not delivered any more after so long, e.g. 5m. Default: as the queue says.
    #[arg(long, value_parser = values::duration)]
    pub ttl: Option<Duration>,
    /// Fail if no queue matches.
    #[arg(long)]
    pub require_route: bool,
}

/// `ferrymq subscribe`.
#[derive(Debug, Args)]
pub struct SubscribeArgs {
    /// A queue.
    #[arg(long, conflicts_with_all = ["topic", "group"], required_unless_present = "topic")]
    pub queue: Option<String>,
    /// A topic: with --group as one of a group, else all that is published.
    #[arg(long)]
    pub topic: Option<String>,
    /// The group; its members share the messages.
    #[arg(long, requires = "topic")]
    pub group: Option<String>,
    /// Make the group if it is not there.
    #[arg(long, requires = "group")]
    pub create: bool,
    /// Where to begin, for a topic or a new group: `earliest`, `latest`, a time ago like -1h, a time like
    /// 2026-11-20T12:00:00Z, or a position LOG:OFFSET.
    #[arg(long, value_parser = values::point, requires = "topic", allow_hyphen_values = true)]
    pub from: Option<LogPoint>,
    /// Where to end, for a topic without a group, as --from. `latest`: with what is there now.
    #[arg(long, value_parser = values::point, requires = "topic", conflicts_with = "group", allow_hyphen_values = true)]
    pub until: Option<LogPoint>,
    /// Of a topic or for a new group, only messages for which this is true, in CEL, e.g. 'json.delay > 60'.
    #[arg(long, requires = "topic", default_value = "", hide_default_value = true)]
    pub filter: String,
    /// Stop after so many messages.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Stop when nothing came for so long, e.g. 5s.
    #[arg(long, value_parser = values::duration)]
    pub idle: Option<Duration>,
    /// Only look: what was printed goes back to the queue in the end.
    #[arg(long)]
    pub no_ack: bool,
    /// How. Default: the payload and the end of a line.
    #[command(flatten)]
    pub printing: Printing,
}

/// `ferrymq peek`.
#[derive(Debug, Args)]
pub struct PeekArgs {
    /// The queue.
    #[arg(required_unless_present = "topic", conflicts_with = "topic")]
    pub queue: Option<String>,
    /// What a topic keeps.
    #[arg(long)]
    pub topic: Option<String>,
    /// Which messages, and how many.
    #[command(flatten)]
    pub which: PeekWhich,
}

/// `ferrymq queue peek`.
#[derive(Debug, Args)]
pub struct QueuePeekArgs {
    /// Its name.
    pub name: String,
    /// Which messages, and how many.
    #[command(flatten)]
    pub which: PeekWhich,
}

/// Which messages a peek shows.
#[derive(Debug, Args)]
pub struct PeekWhich {
    /// Where to begin, as `subscribe --from`.
    #[arg(long, value_parser = values::point, allow_hyphen_values = true)]
    pub from: Option<LogPoint>,
    /// Only messages that are doing this. May be given often, or several with commas.
    #[arg(long = "state", value_enum, value_delimiter = ',')]
    pub states: Vec<PeekState>,
    /// Only messages for which this is true, in CEL, e.g. 'json.delay > 60'.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub filter: String,
    /// How many messages at most; 0: all.
    #[arg(long, visible_alias = "count", default_value_t = 20)]
    pub limit: u64,
    /// Cut payloads to so much, e.g. 1KiB; 0: whole. Default: 60 characters in the table, else whole.
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub payload: Option<u64>,
    /// How. Default: a table.
    #[command(flatten)]
    pub printing: Printing,
}

/// What a message is doing.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum PeekState {
    /// May be delivered now.
    Ready,
    /// With a consumer.
    Unsettled,
    /// Waiting for another attempt.
    BackingOff,
    /// Not due yet.
    Scheduled,
    /// Kept by a topic, of no use to any queue any more.
    Kept,
}

/// `ferrymq purge`.
#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// The queue.
    #[arg(required_unless_present = "topic", conflicts_with = "topic")]
    pub queue: Option<String>,
    /// What a topic keeps.
    #[arg(long)]
    pub topic: Option<String>,
    /// Yes, drop them.
    #[arg(long)]
    pub yes: bool,
}

/// `ferrymq stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// A topic. May be given often.
    #[arg(long = "topic")]
    pub topics: Vec<String>,
    /// A queue. May be given often.
    #[arg(long = "queue")]
    pub queues: Vec<String>,
    /// Again and again, until Ctrl-C: a table on a terminal, with rates; else lines of `time kind name key=value ...`.
    #[arg(long)]
    pub watch: bool,
    /// How often, e.g. 500ms. Default: 1s.
    #[arg(long, requires = "watch", value_parser = values::duration)]
    pub every: Option<Duration>,
    /// Stop after so many times.
    #[arg(long, requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}
