//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::values;

const EXIT_CODES: &str = "\
Exit codes:
  0 done   1 other failure   2 wrong usage   3 not found   4 already exists, or a precondition failed
  5 the broker is unavailable   6 a limit or the disk is exhausted

Examples:
  ferrymq topic create orders
  ferrymq publish orders 'hello' --key eu.de
  ferrymq subscribe --topic orders --group billing --create";

/// A message broker over gRPC, and the commands to work with it.
#[derive(Debug, Parser)]
#[command(name = "ferrymq", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The broker to talk to. Default: http://127.0.0.1:7171; `bench` starts one of its own.
    #[arg(long, global = true, env = "FERRYMQ_URL")]
    pub url: Option<String>,
    /// Print JSON, one value for each line; failures too, on stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do. Nothing: start the broker, as `ferrymq serve` does.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the broker. This is what `ferrymq` alone does.
    #[command(after_help = "Examples:
  ferrymq serve --data /var/lib/ferrymq
  ferrymq serve --ephemeral --listen 127.0.0.1:0 --port-file port
  ferrymq serve --config ferrymq.toml --print-config")]
    Serve(ServeArgs),
    /// Make, show, list and delete topics: what publishers name.
    #[command(
        subcommand,
        after_help = "Examples:
  ferrymq topic create orders --keep-for 7d
  ferrymq topic get orders
  ferrymq topic list"
    )]
    Topic(TopicCommand),
    /// Make, show, list and delete queues: messages that wait for consumers.
    #[command(
        subcommand,
        after_help = "Examples:
  ferrymq queue create billing --topic orders --pattern 'eu.#'
  ferrymq queue create jobs --max-attempts 5 --lease 2m
  ferrymq queue delete jobs --force"
    )]
    Queue(QueueCommand),
    /// Make, show, list and delete bindings: which messages of a topic go to a queue.
    #[command(
        subcommand,
        after_help = "Examples:
  ferrymq binding create orders billing --pattern 'eu.*.created'
  ferrymq binding list --topic orders
  ferrymq binding delete NAME"
    )]
    Binding(BindingCommand),
    /// Publish to a topic: an argument, a file, or each line of stdin.
    #[command(after_help = "Examples:
  ferrymq publish orders 'hello' --key eu.de --attribute source=shop
  ferrymq publish orders --file invoice.pdf
  cat events.ndjson | ferrymq publish events")]
    Publish(PublishArgs),
    /// Send straight into a queue: an argument, a file, or each line of stdin.
    #[command(after_help = "Examples:
  ferrymq send jobs 'resize 17'
  ferrymq send jobs --file job.json
  seq 1000 | ferrymq send jobs")]
    Send(PublishArgs),
    /// Print messages as they come, and ack what was printed.
    #[command(after_help = "Examples:
  ferrymq subscribe --topic orders
  ferrymq subscribe --topic orders --group billing --create --from earliest
  ferrymq subscribe --queue jobs --count 10 --json")]
    Subscribe(SubscribeArgs),
    /// Look at the messages of a queue or topic without taking them.
    #[command(after_help = "Examples:
  ferrymq peek jobs
  ferrymq peek jobs.dlq --count 100 --json
  ferrymq peek --topic orders")]
    Peek(PeekArgs),
    /// Drop all messages that wait in a queue.
    #[command(after_help = "Examples:
  ferrymq purge jobs --yes
  ferrymq purge jobs.dlq --yes --json
  ferrymq purge --topic orders --yes")]
    Purge(PurgeArgs),
    /// Numbers of the broker, and of the topics and queues that are named.
    #[command(after_help = "Examples:
  ferrymq stats
  ferrymq stats --queue jobs --queue jobs.dlq
  ferrymq stats --topic orders --json")]
    Stats(StatsArgs),
    /// Whether the broker is up and takes calls.
    #[command(after_help = "Examples:
  ferrymq status
  ferrymq status --json
  ferrymq status --url http://broker:7171 || alert")]
    Status,
    /// Read a stopped broker's data directory and name what is damaged. Changes nothing.
    #[command(after_help = "Examples:
  ferrymq check ferrymq-data
  ferrymq check /var/lib/ferrymq --json
  ferrymq check /backup/ferrymq && echo whole")]
    Check {
        /// The data directory.
        dir: PathBuf,
    },
    /// Make a stopped broker's damaged data directory readable again. What is whole is kept; damaged files are put aside,
    /// nothing is deleted, and what is lost is named.
    #[command(after_help = "Examples:
  ferrymq check ferrymq-data || ferrymq repair ferrymq-data
  ferrymq repair ferrymq-data --json
  cp -a ferrymq-data copy && ferrymq repair copy")]
    Repair {
        /// The data directory. Copy it first if you can.
        dir: PathBuf,
    },
    /// Measure a broker, beside the raw disk and a gRPC server that does nothing.
    #[command(after_help = "Examples:
  ferrymq bench --url http://127.0.0.1:7171
  ferrymq bench --seconds 60 --json
  ferrymq bench --dir /mnt/fast
  ferrymq bench --space --backlog 1GiB")]
    Bench(BenchArgs),
    /// The server that `bench` compares with.
    #[command(hide = true)]
    BenchNoopServer,
}

/// `ferrymq serve`. What is not given comes from the environment (FERRYMQ_*), the file, or the default, in that order;
/// `--print-config` prints the settings that have no flag too.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// Where the data is kept. Default: ferrymq-data.
    #[arg(long, conflicts_with = "ephemeral")]
    pub data: Option<String>,
    /// Address to listen on. Default: 127.0.0.1:7171; port 0: any that is free.
    #[arg(long)]
    pub listen: Option<String>,
    /// A TOML file with settings.
    #[arg(long, env = "FERRYMQ_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print every setting and its value as a TOML file, and stop.
    #[arg(long)]
    pub print_config: bool,
    /// Keep everything in memory: gone when it stops.
    #[arg(long)]
    pub ephemeral: bool,
    /// Write the bound address here once ready.
    #[arg(long)]
    pub port_file: Option<String>,
    /// Refuse publishes once the data takes this much, e.g. 10GiB.
    #[arg(long)]
    pub disk_limit: Option<String>,
    /// Listen beyond this machine though nobody has to say who they are.
    #[arg(long)]
    pub allow_anonymous: bool,
    /// What to log: error, warn, info, debug, trace, or by part, e.g. info,ferrymq_server=debug. Default: info.
    #[arg(long)]
    pub log: Option<String>,
    /// How to write the log: text or json. Default: text.
    #[arg(long)]
    pub log_format: Option<String>,
    /// How long streams may take to end when the broker stops, e.g. 10s.
    #[arg(long)]
    pub drain_timeout: Option<String>,
}

/// `ferrymq topic ...`
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Make a topic.
    #[command(after_help = "Examples:
  ferrymq topic create orders
  ferrymq topic create audit --keep-forever")]
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
    },
    /// Show one, with its numbers.
    #[command(after_help = "Examples:
  ferrymq topic get orders
  ferrymq topic get orders --json")]
    Get(Name),
    /// Show many.
    #[command(after_help = "Examples:
  ferrymq topic list
  ferrymq topic list orders --json")]
    List(Prefix),
    /// Delete one with all that it keeps.
    #[command(after_help = "Examples:
  ferrymq topic delete orders
  ferrymq topic delete orders --force")]
    Delete(Deletion),
}

/// `ferrymq queue ...`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Make a queue.
    #[command(after_help = "Examples:
  ferrymq queue create billing --topic orders --pattern 'eu.#'
  ferrymq queue create jobs --max-attempts 5 --lease 2m")]
    Create(QueueArgs),
    /// Show one, with its bindings and numbers.
    #[command(after_help = "Examples:
  ferrymq queue get billing
  ferrymq queue get billing --json")]
    Get(Name),
    /// Show many.
    #[command(after_help = "Examples:
  ferrymq queue list
  ferrymq queue list bill --json")]
    List(Prefix),
    /// Delete one with its messages.
    #[command(after_help = "Examples:
  ferrymq queue delete billing
  ferrymq queue delete billing --force")]
    Delete(Deletion),
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
    /// Dead letters go to this queue instead of NAME.dlq.
    #[arg(long)]
    pub dead_letter_queue: Option<String>,
}

/// `ferrymq binding ...`
#[derive(Debug, Subcommand)]
pub enum BindingCommand {
    /// Bind a queue to a topic.
    #[command(after_help = "Examples:
  ferrymq binding create orders billing --pattern 'eu.*.created'
  ferrymq binding create orders audit --from earliest")]
    Create {
        /// Where messages come from.
        topic: String,
        /// Where they go.
        queue: String,
        /// Only routing keys like this: `*` is one word, `#` none or more.
        #[arg(long, default_value = "")]
        pattern: String,
        /// Where in the topic it begins.
        #[arg(long, value_enum)]
        from: Option<Edge>,
    },
    /// Show one.
    #[command(after_help = "Examples:
  ferrymq binding get NAME
  ferrymq binding get NAME --json")]
    Get(Name),
    /// Show many.
    #[command(after_help = "Examples:
  ferrymq binding list
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
  ferrymq binding delete NAME")]
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
    #[arg(long, conflicts_with_all = ["payload", "file"])]
    pub messages: bool,
    /// Routing key: words with dots between.
    #[arg(long)]
    pub key: Option<String>,
    /// An attribute, key=value. May be given often.
    #[arg(long = "attribute", value_parser = values::pair)]
    pub attributes: Vec<(String, String)>,
    /// MIME type of the payload.
    #[arg(long)]
    pub content_type: Option<String>,
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
    /// Where to begin, for a topic or a new group.
    #[arg(long, value_enum, requires = "topic")]
    pub from: Option<Edge>,
    /// Stop after so many messages.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Stop when nothing came for so long, e.g. 5s.
    #[arg(long, value_parser = values::duration)]
    pub idle: Option<Duration>,
    /// Only look: what was printed goes back to the queue in the end.
    #[arg(long)]
    pub no_ack: bool,
}

/// An end of a topic's log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Edge {
    /// The oldest message that is kept.
    Earliest,
    /// What is published from now on.
    Latest,
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
    /// How many messages.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub count: i32,
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
}

/// `ferrymq bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// How long in all; with --only, as long as the whole would take divided by its measurements, for each.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Measure memory, disk and restart with a large backlog instead. Takes some minutes.
    #[arg(long, conflicts_with_all = ["only", "payload", "seconds"])]
    pub space: bool,
    /// How large a backlog --space makes, such as 5GiB.
    #[arg(long, default_value = "5GiB", value_parser = crate::values::bytes, requires = "space")]
    pub backlog: u64,
    /// Measure only the scenarios whose name contains this, such as `stream` or `through`.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Measure only payloads of so many bytes, instead of 100 and 1024.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(8..=1 << 20))]
    pub payload: Option<u32>,
    /// Where the raw disk is measured, and the data of an own broker goes.
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn without_example(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if !help.contains(&format!("  {path}")) {
                found.push(path.clone());
            }
            without_example(command, &path, found);
        }
    }

    #[test]
    fn the_help_of_every_command_has_an_example_of_it() {
        let mut found = Vec::new();
        without_example(&Cli::command(), "ferrymq", &mut found);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_subscription_needs_one_source() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        assert!(parse("ferrymq subscribe --queue q"));
        assert!(parse("ferrymq subscribe --topic t --group g --create --from earliest"));
        assert!(!parse("ferrymq subscribe"));
        assert!(!parse("ferrymq subscribe --queue q --topic t"));
        assert!(!parse("ferrymq subscribe --topic t --create"));
    }
}
