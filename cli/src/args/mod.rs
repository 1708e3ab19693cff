//! The command line.

mod broker;
mod connected;
mod contexts;
#[cfg(test)]
mod documented;
mod messages;
mod printing;
mod resources;
mod settling;
mod snapshots;
mod work;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use broker::{BenchArgs, ServeArgs};
pub use connected::{ConnectionCommand, ConsumerCommand};
pub use contexts::ContextCommand;
pub use messages::{PeekArgs, PeekState, PeekWhich, PublishArgs, PurgeArgs, QueuePeekArgs, StatsArgs, SubscribeArgs};
pub use printing::Printing;
pub use resources::{BindingCommand, QueueArgs, QueueCommand, QueueOrdering, TopicCommand};
pub use settling::{AckArgs, ExtendArgs, NackArgs, PullArgs, SourceArgs};
pub use snapshots::SnapshotCommand;
pub use work::WorkArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0 done   1 other failure   2 wrong usage   3 not found   4 already exists, or a precondition failed
  5 the broker is unavailable   6 a limit or the disk is exhausted

Examples:
  ferrymq topic create orders
  ferrymq publish orders 'hello' --key eu.de
  ferrymq subscribe --topic orders --group billing --create";

const WORK: &str = "\
The process gets the payload on stdin, and in its environment FERRYMQ_QUEUE, TOPIC, POSITION, ATTEMPT, PUBLISH_TIME_MS, ROUTING_KEY,
ORDERING_KEY, MESSAGE_ID, CONTENT_TYPE, PRIORITY, REPLY_TO, CORRELATION_ID, ATTRIBUTES (JSON), ATTRIBUTE_<NAME> for each attribute, and
FERRYMQ_URL. The end of its stderr is the reason of a retry or reject. Ctrl-C lets those that run end; once more kills them.

Examples:
  ferrymq work jobs -- ./handler --fast
  ferrymq work jobs --concurrency 32 --timeout 2m -- python3 resize.py
  ferrymq work --topic orders --group mail --create -- sh -c 'mail -s \"$FERRYMQ_ROUTING_KEY\" sales'";

/// A message broker over gRPC, and the commands to work with it.
#[derive(Debug, Parser)]
#[command(name = "ferrymq", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The broker to talk to. Default: what FERRYMQ_URL says, else the context in use, else http://127.0.0.1:7171; `bench` starts one of
    /// its own.
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// The broker of this name: see `ferrymq context`.
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "url")]
    pub context: Option<String>,
    /// Print JSON, one value for each line; failures too, on stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say on stderr which calls are made, how each ended and how long it took.
    #[arg(long, global = true)]
    pub verbose: bool,
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
    /// Make, show, list, delete and move queues: messages that wait for consumers.
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
    /// Make, show, list and delete snapshots: where a queue stood, to seek to.
    #[command(
        subcommand,
        after_help = "Examples:
  ferrymq snapshot create before-upgrade --queue billing
  ferrymq queue seek billing --to snapshot:before-upgrade
  ferrymq snapshot delete before-upgrade"
    )]
    Snapshot(SnapshotCommand),
    /// Show who consumes.
    #[command(
        subcommand,
        after_help = "Examples:
  ferrymq consumer list
  ferrymq consumer list --queue billing
  ferrymq consumer list --json"
    )]
    Consumer(ConsumerCommand),
    /// Show who is connected, and end connections.
    #[command(
        subcommand,
        after_help = "Examples:
  ferrymq connection list
  ferrymq connection close ID
  ferrymq connection close ID --reason 'upgrade of the host'"
    )]
    Connection(ConnectionCommand),
    /// Publish to a topic: an argument, a file, or each line of stdin.
    #[command(after_help = "Examples:
  ferrymq publish orders 'hello' --key eu.de --attribute source=shop
  ferrymq publish bookings '+20 EUR' --ordering-key account-7
  ferrymq publish orders --file invoice.pdf
  cat events.ndjson | ferrymq publish events
  ferrymq subscribe --topic orders --from earliest --until latest --json | ferrymq publish copy --messages")]
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
  ferrymq subscribe --topic orders --from -1h --until latest
  ferrymq subscribe --topic orders --from 2026-11-20T12:00:00Z --until 2026-11-20T13:00:00Z --json
  ferrymq subscribe --topic orders --from 12:4711 --count 10
  ferrymq subscribe --queue jobs --count 10 --json
  ferrymq subscribe --queue jobs --format '{publish_time} {routing_key} {payload}'")]
    Subscribe(SubscribeArgs),
    /// Take messages that wait and print them with the ids to settle them by: for scripts.
    #[command(after_help = "Examples:
  ferrymq pull jobs --max 10 --lease 2m --json
  ferrymq pull jobs --wait 0s --format '{ack_id} {payload}'
  ferrymq pull jobs --raw --ack > job.bin
  ferrymq pull jobs --max 100 --json | tee jobs.ndjson | ferrymq ack")]
    Pull(PullArgs),
    /// Settle what was pulled: done.
    #[command(after_help = "Examples:
  ferrymq ack ID ID
  ferrymq ack < ids.txt
  ferrymq pull jobs --json | ferrymq ack --json")]
    Ack(AckArgs),
    /// Settle what was pulled: failed, to come again, or to be given up.
    #[command(after_help = "Examples:
  ferrymq nack ID --reason 'no route to host' --delay 10m
  ferrymq nack ID --reject --reason 'no such account'
  ferrymq pull jobs --max 100 --json | ferrymq nack --release")]
    Nack(NackArgs),
    /// Hold what was pulled for longer.
    #[command(after_help = "Examples:
  ferrymq extend ID
  ferrymq extend ID --lease 2m
  ferrymq extend --lease 5m < ids.txt")]
    Extend(ExtendArgs),
    /// Run a process for each message and settle it by its exit code: 0 acks, 100 rejects, any other tries again later.
    #[command(after_help = WORK)]
    Work(WorkArgs),
    /// Look at the messages of a queue or topic without taking them.
    #[command(after_help = "Examples:
  ferrymq peek jobs --state unsettled,backing-off
  ferrymq peek jobs.dlq --limit 100 --json
  ferrymq peek jobs.dlq --limit 1 --raw > job.bin
  ferrymq peek --topic orders --from -10m --filter 'attributes.country == \"DE\"'")]
    Peek(PeekArgs),
    /// Drop all messages that wait in a queue.
    #[command(after_help = "Examples:
  ferrymq purge jobs --yes
  ferrymq purge jobs.dlq --yes --json
  ferrymq purge --topic orders --yes")]
    Purge(PurgeArgs),
    /// Name brokers, and say which one to talk to.
    #[command(
        subcommand,
        after_help = "Examples:
  ferrymq context add staging http://staging:7171 --use
  ferrymq context list
  ferrymq --context staging stats"
    )]
    Context(ContextCommand),
    /// Print what completes these commands in a shell.
    #[command(after_help = "Examples:
  ferrymq completions bash > ~/.local/share/bash-completion/completions/ferrymq
  ferrymq completions zsh > ~/.zfunc/_ferrymq
  ferrymq completions fish > ~/.config/fish/completions/ferrymq.fish
  ferrymq completions powershell >> $PROFILE")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Numbers of the broker, and of the topics and queues that are named.
    #[command(after_help = "Examples:
  ferrymq stats
  ferrymq stats --queue jobs --queue jobs.dlq
  ferrymq stats --queue jobs --watch --every 5s")]
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
  ferrymq bench --space --backlog 1GiB
  ferrymq bench --memory --only nacked")]
    Bench(BenchArgs),
    /// The server that `bench` compares with.
    #[command(hide = true)]
    BenchNoopServer,
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
            let examples = help.lines().filter(|line| line.starts_with("  ") && line.contains("ferrymq "));
            if !help.contains(&format!("  {path}")) || examples.count() < 3 {
                found.push(path.clone());
            }
            without_example(command, &path, found);
        }
    }

    #[test]
    fn the_help_of_every_command_has_three_examples() {
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
        assert!(parse("ferrymq subscribe --topic t --from -1h --until latest"));
        assert!(!parse("ferrymq subscribe --topic t --group g --until latest"));
        assert!(!parse("ferrymq subscribe --topic t --from yesterday"));
    }
}
