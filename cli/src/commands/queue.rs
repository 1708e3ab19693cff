//! `ferrymq queue`.

use ferrymq_client::v1::dead_letter_policy::Target;
use ferrymq_client::v1::{
    Binding, DeadLetterPolicy, Limits, LogPoint, Ordering, Overflow, Queue, RateLimit, ResourceView, RetryPolicy,
    SeekRequest, peek_request,
};

use super::Context;
use crate::args::{QueueArgs, QueueCommand, QueueOrdering};
use crate::failure::Failure;
use crate::human;
use crate::{json, output, values};

/// Runs one of them.
pub async fn run(command: QueueCommand, context: &Context) -> Result<(), Failure> {
    match command {
        QueueCommand::Create(args) => create(args, context).await,
        QueueCommand::Get(which) => {
            let queue = context.client.get_queue(which.name).await?;
            Ok(output::value(&json::of("Queue", &queue), context.json)?)
        }
        QueueCommand::List(which) => list(&which.prefix, context).await,
        QueueCommand::Delete(which) => {
            let response = context.client.delete_queue(&which.name, which.force).await?;
            let dropped = response.messages_dropped;
            output::note(&format!("queue `{}` deleted with {dropped} messages", which.name));
            Ok(())
        }
        QueueCommand::Pause(which) => {
            context.client.pause(&which.name).await?;
            output::note(&format!("queue `{}` delivers nothing until it is resumed", which.name));
            Ok(())
        }
        QueueCommand::Resume(which) => {
            context.client.resume(&which.name).await?;
            output::note(&format!("queue `{}` delivers again", which.name));
            Ok(())
        }
        QueueCommand::Peek(args) => {
            let source = peek_request::Source::Queue(args.name);
            super::peek::show(source, args.which, context).await
        }
        QueueCommand::Seek { name, to, topic } => seek(name, to, topic, context).await,
    }
}

async fn seek(queue: String, to: LogPoint, topic: String, context: &Context) -> Result<(), Failure> {
    let response = context.client.seek(SeekRequest { queue: queue.clone(), to: Some(to), topic }).await?;
    if context.json {
        return Ok(output::value(&json::of("SeekResponse", &response), true)?);
    }
    let short = if response.trimmed { "; some of what was asked for is kept no more" } else { "" };
    output::note(&format!("queue `{queue}` moved: {} messages to deliver{short}", response.ready));
    Ok(())
}

async fn create(args: QueueArgs, context: &Context) -> Result<(), Failure> {
    let binding = args.topic.clone().map(|topic| Binding {
        topic,
        pattern: args.pattern.clone().unwrap_or_default(),
        filter: args.filter.clone().unwrap_or_default(),
        ..Binding::default()
    });
    let response = context.client.create_queue(settings(args), binding.into_iter().collect()).await?;
    let queue = response.queue.unwrap_or_default();
    if context.json {
        output::value(&json::of("Queue", &queue), true)?;
    }
    let how = if response.created { "created" } else { "was there already, the same" };
    output::note(&format!("queue `{}` {how}", queue.name));
    Ok(())
}

fn limits(args: &QueueArgs) -> Option<Limits> {
    let is_limited = args.max_messages.is_some() || args.max_bytes.is_some();
    is_limited.then(|| Limits {
        max_messages: args.max_messages.unwrap_or(0),
        max_bytes: args.max_bytes.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        overflow: if args.drop_oldest { Overflow::DropOldest } else { Overflow::Reject }.into(),
    })
}

fn settings(args: QueueArgs) -> Queue {
    let limits = limits(&args);
    let retry = args.max_attempts.is_some() || args.min_backoff.is_some() || args.max_backoff.is_some();
    Queue {
        name: args.name,
        ordering: args.ordering.map_or(Ordering::Unspecified, ordering).into(),
        lease: args.lease.map(values::wire),
        retry: retry.then(|| RetryPolicy {
            max_attempts: args.max_attempts,
            min_backoff: args.min_backoff.map(values::wire),
            max_backoff: args.max_backoff.map(values::wire),
            multiplier: 0.0,
        }),
        dead_letter: (args.dead_letter_queue.is_some() || args.dead_letter_expired).then(|| DeadLetterPolicy {
            target: args.dead_letter_queue.map(Target::Queue),
            expired: args.dead_letter_expired,
        }),
        limits,
        message_ttl: args.ttl.map(values::wire),
        exactly_once: args.exactly_once,
        idle_expiry: args.idle_expiry.map(values::wire),
        rate_limit: args
            .rate
            .map(|messages_per_second| RateLimit { messages_per_second, burst: args.burst.unwrap_or_default() }),
        ..Queue::default()
    }
}

fn ordering(of: QueueOrdering) -> Ordering {
    match of {
        QueueOrdering::None => Ordering::None,
        QueueOrdering::Key => Ordering::Key,
        QueueOrdering::Strict => Ordering::Strict,
    }
}

async fn list(prefix: &str, context: &Context) -> Result<(), Failure> {
    let queues = context.client.list_queues_in(prefix, ResourceView::Full).await?;
    if context.json {
        for queue in &queues {
            output::value(&json::of("Queue", queue), true)?;
        }
        return Ok(());
    }
    let rows: Vec<_> = queues.into_iter().map(row).collect();
    let headings = [
        "QUEUE",
        "READY",
        "SIZE",
        "UNSETTLED",
        "BACKING OFF",
        "CONSUMERS",
        "OLDEST",
        "ACKED",
        "REJECTED",
        "EXHAUSTED",
        "EXPIRED",
        "BOUND TO",
    ];
    Ok(output::table(&headings, &rows)?)
}

fn row(queue: Queue) -> Vec<String> {
    let stats = queue.stats.unwrap_or_default();
    let mut row = vec![if queue.paused { format!("{} (paused)", queue.name) } else { queue.name }];
    row.extend(human::standing(&stats));
    row.extend([stats.acked, stats.rejected, stats.exhausted, stats.expired].map(human::count));
    row.push(queue.bindings.iter().map(bound).collect::<Vec<_>>().join(", "));
    row
}

/// A binding as one word: `orders:eu.#`.
fn bound(binding: &Binding) -> String {
    if binding.pattern.is_empty() { binding.topic.clone() } else { format!("{}:{}", binding.topic, binding.pattern) }
}
