//! `ferrymq subscribe`.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use ferrymq_client::v1;
use ferrymq_client::v1::subscribe_request::Source;
use ferrymq_client::v1::{SettleStatus, SubscribeRequest};
use ferrymq_client::{Delivery, Error, Settler, Settling, Subscriber};
use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Context;
use super::stop::Stop;
use crate::args::SubscribeArgs;
use crate::failure::Failure;
use crate::format::Form;
use crate::output::{self, Colour};
use crate::values;

/// Printed together, if they are there together.
const BATCH_MAX: usize = 256;
/// Long enough for another connection; no longer, as whoever is killed here leaves what it held to others.
const RESUME_WITHIN: Duration = Duration::from_secs(5);
/// Acks whose answers are waited for.
const ACKS_MAX: usize = 100_000;
const PREFETCH_MAX: u64 = 256;

/// Prints deliveries until told to stop, acking what was printed.
pub async fn run(args: SubscribeArgs, context: &Context) -> Result<(), Failure> {
    let mut subscriber = context.client.subscribe(request(&args)).await?;
    let mut stop = Stop::listen();
    announce(&subscriber, &args);
    let form = args.printing.form(context.json);
    let mut acks = Acks::start();
    let mut printed = 0;
    let printing = print_all(&mut subscriber, &args, form.as_ref(), &mut acks, &mut printed);
    let ended = tokio::select! {
        ended = printing => ended,
        () = stop.asked() => Ok(()),
    };
    stop.next_ends();
    // What is held goes back, and acks on their way are answered.
    let closed = subscriber.close().await;
    let acked = acks.finish().await;
    output::note(&format!("{printed} printed, {acked} acked"));
    ended.and(closed.map_err(Failure::from))
}

/// Until there are as many as asked for, nothing more comes, or nobody reads what is printed.
async fn print_all(
    subscriber: &mut Subscriber,
    args: &SubscribeArgs,
    form: Option<&Form>,
    acks: &mut Acks,
    printed: &mut u64,
) -> Result<(), Failure> {
    loop {
        let left = args.count.map_or(u64::MAX, |count| count - *printed);
        let batch =
            next_batch(subscriber, usize::try_from(left).unwrap_or(usize::MAX).min(BATCH_MAX), args.idle).await?;
        if batch.is_empty() {
            return Ok(());
        }
        if let Err(error) = print(&batch, form) {
            // What was not read is not acked.
            let gone = error.kind() == io::ErrorKind::BrokenPipe;
            return if gone { Ok(()) } else { Err(error.into()) };
        }
        *printed += batch.len() as u64;
        if !args.no_ack {
            acks.ack(batch).await;
        }
    }
}

/// The next delivery, and with it what is there already; none at the end or after `idle`.
async fn next_batch(subscriber: &mut Subscriber, most: usize, idle: Option<Duration>) -> Result<Vec<Delivery>, Error> {
    let mut batch = Vec::new();
    if most == 0 {
        return Ok(batch);
    }
    let first = match idle {
        Some(limit) => tokio::time::timeout(limit, subscriber.next()).await.unwrap_or(None),
        None => subscriber.next().await,
    };
    batch.extend(first.transpose()?);
    while !batch.is_empty() && batch.len() < most {
        match subscriber.next().now_or_never().flatten() {
            Some(Ok(delivery)) => batch.push(delivery),
            // It is the end: what came before it is handled first, and the stream says it again as its end.
            Some(Err(_)) | None => break,
        }
    }
    Ok(batch)
}

/// Acks on their way, counted as they are answered.
struct Acks {
    settlings: mpsc::Sender<Settling>,
    acked: JoinHandle<u64>,
}

impl Acks {
    fn start() -> Self {
        let (settlings, to_count) = mpsc::channel(ACKS_MAX);
        Self { settlings, acked: tokio::spawn(count(to_count)) }
    }

    async fn ack(&self, batch: Vec<Delivery>) {
        // Where there is nothing to settle, ids are empty.
        let settled = batch
            .into_iter()
            .filter(|delivery| !delivery.as_inner().ack_id.is_empty())
            .map(Delivery::settler)
            .map(Settler::ack);
        for settling in settled {
            // It ends only with us.
            let _ = self.settlings.send(settling).await;
        }
    }

    /// How many were acked, once all have been answered.
    async fn finish(self) -> u64 {
        drop(self.settlings);
        self.acked.await.unwrap_or_default()
    }
}

async fn count(mut settlings: mpsc::Receiver<Settling>) -> u64 {
    let mut acked = 0;
    while let Some(settling) = settlings.recv().await {
        match settling.await {
            Ok(SettleStatus::Ok | SettleStatus::AlreadySettled) => acked += 1,
            Ok(other) => output::note(&format!("not acked: {}", other.as_str_name())),
            Err(error) => output::note(&format!("not acked: {error}")),
        }
    }
    acked
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
        // A broadcast holds nothing, and has no such thing.
        resume_within: (args.queue.is_some() || args.group.is_some()).then(|| values::wire(RESUME_WITHIN)),
        prefetch: i32::try_from(prefetch).unwrap_or(i32::MAX),
        consumer: format!("ferrymq subscribe {}", std::process::id()),
        ..SubscribeRequest::default()
    }
}

fn announce(subscriber: &Subscriber, args: &SubscribeArgs) {
    let v1::Opened { queue, created, .. } = subscriber.opened();
    if queue.is_empty() {
        output::note("subscribed to all that is published; there is nothing to ack");
        return;
    }
    let made = if *created { " (made now)" } else { "" };
    let acks = if args.no_ack { "nothing is acked" } else { "acking each message once it is printed" };
    output::note(&format!("subscribed to queue `{queue}`{made}; {acks}"));
}

fn print(batch: &[Delivery], form: Option<&Form>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let terminal = io::stdout().is_terminal();
    for delivery in batch {
        if let Some(form) = form {
            form.write(delivery.as_inner(), &mut out)?;
            continue;
        }
        if terminal {
            write!(out, "{}", output::paint(Colour::Dim, &heading(delivery), true))?;
        }
        out.write_all(delivery.payload())?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// What a person wants to see before the payload.
fn heading(delivery: &Delivery) -> String {
    let key = &delivery.message().routing_key;
    let mut heading = String::new();
    if !key.is_empty() {
        heading.push_str(&format!("{key} "));
    }
    if delivery.attempt() > 1 {
        heading.push_str(&format!("(attempt {}) ", delivery.attempt()));
    }
    heading
}
