//! `ferrymq subscribe`.

use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::Duration;

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1;
use ferrymq_client::v1::subscribe_request::Source;
use ferrymq_client::v1::{Delivery, SettleStatus, SubscribeRequest};

use super::Context;
use crate::args::SubscribeArgs;
use crate::failure::Failure;
use crate::json;
use crate::output::{self, Colour};

const PREFETCH_MAX: u64 = 256;

/// Prints deliveries until told to stop, acking what was printed.
pub async fn run(args: SubscribeArgs, context: &Context) -> Result<(), Failure> {
    let mut subscriber = context.client.subscribe_stream(request(&args)).await?;
    announce(&subscriber, &args);
    let mut seen = Seen::default();
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let ended = loop {
        let left = args.count.map_or(u64::MAX, |count| count - seen.printed);
        if left == 0 {
            break Ok(());
        }
        let next = tokio::select! {
            batch = within(args.idle, subscriber.next_batch()) => batch,
            _ = &mut interrupted => break Ok(()),
        };
        let mut batch = match next {
            Some(Ok(Some(batch))) => batch,
            Some(Ok(None)) | None => break Ok(()),
            Some(Err(error)) => break Err(error.into()),
        };
        batch.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        match handle(batch, &args, context, &mut seen).await {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    output::note(&format!("{} printed, {} acked", seen.printed, seen.acked));
    ended
}

#[derive(Default)]
struct Seen {
    printed: u64,
    acked: u64,
}

/// False when nobody reads our output any more: what was not read is not acked.
async fn handle(
    batch: Vec<Delivery>,
    args: &SubscribeArgs,
    context: &Context,
    seen: &mut Seen,
) -> Result<bool, Failure> {
    if let Err(error) = print(&batch, context.json) {
        let gone = error.kind() == io::ErrorKind::BrokenPipe;
        return if gone { Ok(false) } else { Err(error.into()) };
    }
    seen.printed += batch.len() as u64;
    let ids: Vec<_> = batch.into_iter().map(|delivery| delivery.ack_id).filter(|id| !id.is_empty()).collect();
    if args.no_ack || ids.is_empty() {
        return Ok(true);
    }
    for status in context.client.ack(ids).await? {
        match status {
            SettleStatus::Ok | SettleStatus::AlreadySettled => seen.acked += 1,
            other => output::note(&format!("not acked: {}", other.as_str_name())),
        }
    }
    Ok(true)
}

fn request(args: &SubscribeArgs) -> SubscribeRequest {
    let source = match (&args.queue, &args.topic) {
        (Some(queue), _) => Some(Source::Queue(queue.clone())),
        (None, Some(topic)) => Some(Source::Topic(topic.clone())),
        (None, None) => None,
    };
    // No more than asked for: others may be waiting for the rest. Without acks, there must be room for all.
    let prefetch = match args.count {
        Some(count) if args.no_ack => count.min(100_000),
        Some(count) => count.min(PREFETCH_MAX),
        None if args.no_ack => 100_000,
        None => PREFETCH_MAX,
    };
    SubscribeRequest {
        source,
        group: args.group.clone().unwrap_or_default(),
        create_if_missing: args.create,
        start: args.from.clone(),
        filter: args.filter.clone(),
        stop: args.until.clone(),
        prefetch: i32::try_from(prefetch).unwrap_or(i32::MAX),
        consumer: format!("ferrymq subscribe {}", std::process::id()),
        ..SubscribeRequest::default()
    }
}

fn announce(subscriber: &SubscribeStream, args: &SubscribeArgs) {
    let v1::Opened { queue, created, .. } = subscriber.opened();
    if queue.is_empty() {
        output::note("subscribed to all that is published; there is nothing to ack");
        return;
    }
    let made = if *created { " (made now)" } else { "" };
    let acks = if args.no_ack { "nothing is acked" } else { "acking each message once it is printed" };
    output::note(&format!("subscribed to queue `{queue}`{made}; {acks}"));
}

async fn within<F: Future>(limit: Option<Duration>, future: F) -> Option<F::Output> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

fn print(batch: &[Delivery], as_json: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let terminal = io::stdout().is_terminal();
    for delivery in batch {
        if as_json {
            writeln!(out, "{}", json::of("Delivery", delivery))?;
            continue;
        }
        if terminal {
            write!(out, "{}", output::paint(Colour::Dim, &heading(delivery), true))?;
        }
        let payload = delivery.message.as_ref().map(|message| &message.payload[..]);
        out.write_all(payload.unwrap_or_default())?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// What a person wants to see before the payload.
fn heading(delivery: &Delivery) -> String {
    let key = delivery.message.as_ref().map_or("", |message| message.routing_key.as_str());
    let mut heading = String::new();
    if !key.is_empty() {
        heading.push_str(&format!("{key} "));
    }
    if delivery.attempt > 1 {
        heading.push_str(&format!("(attempt {}) ", delivery.attempt));
    }
    heading
}
