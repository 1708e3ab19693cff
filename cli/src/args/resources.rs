//! Topics, queues and bindings.

use std::time::Duration;

use clap::{Args, Subcommand};

use ferrymq_client::v1::LogPoint;

use super::QueuePeekArgs;
use crate::values;

/// `ferrymq topic ...`
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Make a topic.
    #[command(after_help = "Examples:
  ferrymq topic create orders
  ferrymq topic create audit --keep-forever
  ferrymq topic create orders --alternate unrouted
  ferrymq topic create ticks --max-messages 100000 --drop-oldest")]
    Create {
        /// Its name.
        name: String,
        /// Keep messages this long after every queue has them, e.g. 7d.
        #[arg(long, value_parser = values::duration, conflicts_with = "keep_forever")]
        keep_for: Option<Duration>,
        /// Keep at most this much, e.g. 10GiB.
        #[arg(long, value_parser = values::bytes, conflicts_with = "keep_forever")]
        keep_bytes: Option<u64>,
        /// Keep everything.
        #[arg(long)]
        keep_forever: bool,
        /// At most so many messages are kept, for queues and for replay.
        #[arg(long)]
        max_messages: Option<i64>,
        /// At most this much is kept, e.g. 10GiB.
        #[arg(long, value_parser = values::bytes)]
        max_bytes: Option<u64>,
        /// At these limits the oldest goes to the dead letters of queues that have yet to settle it; otherwise publishers are refused, or wait.
        #[arg(long)]
        drop_oldest: bool,
        /// What matches no queue goes on to this topic.
        #[arg(long, default_value = "", hide_default_value = true)]
        alternate: String,
    },
    /// Show one, with its numbers.
    #[command(after_help = "Examples:
  ferrymq topic get orders
  ferrymq topic get orders --json
  ferrymq topic get orders --context staging")]
    Get(Name),
    /// Show many.
    #[command(after_help = "Examples:
  ferrymq topic list
  ferrymq topic list orders
  ferrymq topic list orders --json")]
    List(Prefix),
    /// Delete one with all that it keeps.
    #[command(after_help = "Examples:
  ferrymq topic delete orders
  ferrymq topic delete orders --force
  ferrymq binding list --topic orders")]
    Delete(Deletion),
}

/// `ferrymq queue ...`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Make a queue.
    #[command(after_help = "Examples:
  ferrymq queue create billing --topic orders --pattern 'eu.#'
  ferrymq queue create late --topic flights --filter 'json.delay > 60'
  ferrymq queue create jobs --max-attempts 5 --lease 2m
  ferrymq queue create mails --rate 50 --burst 100
  ferrymq queue create quotes --ttl 10m --dead-letter-expired
  ferrymq queue create accounts --topic bookings --ordering key")]
    Create(QueueArgs),
    /// Show one, with its bindings and numbers.
    #[command(after_help = "Examples:
  ferrymq queue get billing
  ferrymq queue get orders/audit
  ferrymq queue get billing --json | jq .stats.ready")]
    Get(Name),
    /// Show many: what waits in each, who consumes, and how old the oldest message is.
    #[command(after_help = "Examples:
  ferrymq queue list
  ferrymq queue list bill
  ferrymq queue list --json | jq 'select(.stats.ready > 1000).name'")]
    List(Prefix),
    /// Look at its messages without taking them: what they are doing, their attempts and failures.
    #[command(after_help = "Examples:
  ferrymq queue peek billing
  ferrymq queue peek billing --state unsettled --state backing-off
  ferrymq queue peek billing.dlq --filter 'json.amount > 100' --limit 0 --json")]
    Peek(QueuePeekArgs),
    /// Deliver nothing until `queue resume`; publishing and settling go on.
    #[command(after_help = "Examples:
  ferrymq queue pause billing
  ferrymq queue get billing
  ferrymq queue resume billing")]
    Pause(Name),
    /// Deliver again after `queue pause`.
    #[command(after_help = "Examples:
  ferrymq queue resume billing
  ferrymq queue resume orders/audit
  ferrymq queue get billing --json")]
    Resume(Name),
    /// Delete one with its messages.
    #[command(after_help = "Examples:
  ferrymq queue delete billing
  ferrymq queue delete billing --force
  ferrymq queue delete orders/audit")]
    Delete(Deletion),
    /// Move its progress: back, to get messages again as far as they are kept, or forward, to skip them. What consumers
    /// hold is theirs no more.
    #[command(after_help = "Examples:
  ferrymq queue seek billing --to -1h
  ferrymq queue seek orders/billing --to earliest --topic orders
  ferrymq queue seek billing --to 2026-11-20T12:00:00Z
  ferrymq queue seek billing --to snapshot:before-upgrade")]
    Seek {
        /// Its name.
        name: String,
        /// Where to: `earliest`, `latest`, a time ago like -1h, a time like 2026-11-20T12:00:00Z, a position LOG:OFFSET, or
        /// snapshot:NAME.
        #[arg(long, value_parser = values::point_or_snapshot, allow_hyphen_values = true)]
        to: LogPoint,
        /// Only what comes from this topic.
        #[arg(long, default_value = "")]
        topic: String,
    },
}

/// Settings of a queue.
#[derive(Debug, Args)]
pub struct QueueArgs {
    /// Its name.
    pub name: String,
    /// Bind it to this topic.
    #[arg(long)]
    pub topic: Option<String>,
    /// Of the topic, only routing keys like this: `*` is one word, `#` none or more.
    #[arg(long, requires = "topic")]
    pub pattern: Option<String>,
    /// Of the topic, only messages for which this is true, in CEL, e.g. 'attributes.country == "DE"'.
    #[arg(long, requires = "topic")]
    pub filter: Option<String>,
    /// What is kept in order: `key`, messages of one ordering key, over any number of consumers; `strict`, all of them,
    /// to one consumer at a time.
    #[arg(long, value_enum)]
    pub ordering: Option<QueueOrdering>,
    /// How long a delivery is one consumer's, e.g. 30s.
    #[arg(long, value_parser = values::duration)]
    pub lease: Option<Duration>,
    /// Failures before a message is dead-lettered; 0: without end.
    #[arg(long)]
    pub max_attempts: Option<i32>,
    /// Wait before the second attempt, e.g. 1s.
    #[arg(long, value_parser = values::duration)]
    pub min_backoff: Option<Duration>,
    /// Longest wait between attempts, e.g. 10m.
    #[arg(long, value_parser = values::duration)]
    pub max_backoff: Option<Duration>,
    /// At most this many messages wait.
    #[arg(long)]
    pub max_messages: Option<i64>,
    /// At most this much waits, e.g. 1GiB.
    #[arg(long, value_parser = values::bytes)]
    pub max_bytes: Option<u64>,
    /// At a limit the oldest goes to the dead-letter queue; otherwise publishers are refused, or wait.
    #[arg(long)]
    pub drop_oldest: bool,
    /// Dead letters go to this queue instead of NAME.dlq.
    #[arg(long)]
    pub dead_letter_queue: Option<String>,
    /// Messages without a time to live of their own are not delivered any more after so long, e.g. 1h.
    #[arg(long, value_parser = values::duration)]
    pub ttl: Option<Duration>,
    /// Deliver at most so many messages each second, e.g. 500 or 0.1.
    #[arg(long)]
    pub rate: Option<f64>,
    /// How many at once with --rate. Default: a second's worth, at least 1.
    #[arg(long, requires = "rate")]
    pub burst: Option<i32>,
    /// Delete the queue after so long without consumers and without messages, e.g. 1d.
    #[arg(long, value_parser = values::duration)]
    pub idle_expiry: Option<Duration>,
    /// Only the newest delivery can be acked: a late ack is refused instead of settling.
    #[arg(long)]
    pub exactly_once: bool,
    /// Dead-letter what expires; else it is counted and gone.
    #[arg(long)]
    pub dead_letter_expired: bool,
}

/// What a queue keeps in order.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum QueueOrdering {
    /// First in, first out as far as redelivery and several consumers allow.
    None,
    /// The next message of an ordering key only when the one before it is settled.
    Key,
    /// The next message only when those before it are settled or with the same consumer.
    Strict,
}

/// `ferrymq binding ...`
#[derive(Debug, Subcommand)]
pub enum BindingCommand {
    /// Bind a queue to a topic, or a topic to another.
    #[command(after_help = "Examples:
  ferrymq binding create orders billing --pattern 'eu.*.created'
  ferrymq binding create flights late --filter 'json.delay > 60'
  ferrymq binding create orders audit --from earliest
  ferrymq binding create orders --to-topic everything")]
    Create {
        /// Where messages come from.
        topic: String,
        /// Where they go.
        #[arg(required_unless_present = "to_topic")]
        queue: Option<String>,
        /// They go on to the queues of this topic instead.
        #[arg(long, conflicts_with_all = ["queue", "from"])]
        to_topic: Option<String>,
        /// Only routing keys like this: `*` is one word, `#` none or more.
        #[arg(long, default_value = "")]
        pattern: String,
        /// Only messages for which this is true, in CEL, e.g. 'attributes.country == "DE"'.
        #[arg(long, default_value = "", hide_default_value = true)]
        filter: String,
        /// Where in the topic it begins, as `subscribe --from`. Default: latest.
        #[arg(long, value_parser = values::point, allow_hyphen_values = true)]
        from: Option<LogPoint>,
    },
    /// Show one.
    #[command(after_help = "Examples:
  ferrymq binding list --queue billing
  ferrymq binding get NAME
  ferrymq binding get NAME --json")]
    Get(Name),
    /// Show many.
    #[command(after_help = "Examples:
  ferrymq binding list
  ferrymq binding list --queue billing
  ferrymq binding list --topic orders --json")]
    List {
        /// Only from this topic.
        #[arg(long, default_value = "")]
        topic: String,
        /// Only to this queue.
        #[arg(long, default_value = "")]
        queue: String,
    },
    /// Delete one; what the queue has received stays.
    #[command(after_help = "Examples:
  ferrymq binding list --queue billing
  ferrymq binding delete NAME
  ferrymq binding delete NAME --context staging")]
    Delete(Name),
}

/// Which one.
#[derive(Debug, Args)]
pub struct Name {
    /// Its name.
    pub name: String,
}

/// Which ones.
#[derive(Debug, Args)]
pub struct Prefix {
    /// Only names that begin so.
    #[arg(default_value = "")]
    pub prefix: String,
}

/// Which one to delete.
#[derive(Debug, Args)]
pub struct Deletion {
    /// Its name.
    pub name: String,
    /// Though it is in use.
    #[arg(long)]
    pub force: bool,
}
