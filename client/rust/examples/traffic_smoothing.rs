//! Traffic smoothing: 10,000 orders come in each second, and 500 go out: as many as the service behind can bear. The rest waits.
//!
//!     cargo run -p ferrymq-client --example traffic_smoothing            three seconds of it
//!     cargo run -p ferrymq-client --example traffic_smoothing 20         twenty

mod shared;

use std::time::{Duration, Instant};

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{Limits, Queue, QueueStats, RateLimit};
use ferrymq_client::{Client, DeliveryExt as _, message, queue};
use tokio::sync::oneshot;

use crate::shared::{Failure, Names, done, named, next, promise, to_queue};

const IN_PER_SECOND: usize = 10_000;
const OUT_PER_SECOND: u32 = 500;
/// A tenth of a second's worth: so long may anybody stall without the mean falling below the rate.
const BURST: u32 = 50;
/// Sent at a time, a hundred times a second.
const BATCH: usize = 100;
const BATCH_EVERY: Duration = Duration::from_millis(10);
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let seconds: usize = std::env::args().nth(1).map_or(Ok(3), |seconds| seconds.parse())?;
    let orders = seconds.saturating_mul(IN_PER_SECOND);
    shared::play("traffic_smoothing", async |client: &Client, names: &Names| smooth(client, names, orders).await).await
}

async fn smooth(client: &Client, names: &Names, orders: usize) -> Result<(), Failure> {
    let name = names.of("orders");
    client.create_queue(limited(&name)?, vec![]).await?;
    let mut samples = vec![Sample::take(client, &name).await?];
    let (stop, stopped) = oneshot::channel();
    let service = tokio::spawn(serve(client.clone(), client.subscribe_stream(queue(&name)).await?, stopped));
    let door = tokio::spawn(take_in(client.clone(), name.clone(), orders));

    println!("{:>9} {:>9} {:>9}", "in/s", "out/s", "waiting");
    let (mut pace, mut told) = (tokio::time::interval(SAMPLE_EVERY), 0);
    loop {
        pace.tick().await;
        samples.push(Sample::take(client, &name).await?);
        let (newest, before) = (samples.len() - 1, &samples[told]);
        if before.asked.elapsed() >= Duration::from_secs(1) {
            samples[newest].tell_since(before);
            told = newest;
            if door.is_finished() {
                break;
            }
        }
    }
    door.await??;
    let _ = stop.send(());
    let served = service.await??;

    let end = Sample::take(client, &name).await?;
    println!("{orders} orders came in, {served} were served, {} wait", end.depth());
    promise("every order was taken in, and those that were served came once and in order", true)?;
    promise("all others wait, to the last one", usize::try_from(end.depth())? == orders - served)?;
    samples.push(end);
    promise("in no window did more go out than a burst and the rate", is_smooth(&samples))
}

/// Delivers evenly; and takes in no more than fits, so that a flood makes the door wait rather than fill the disk.
fn limited(name: &str) -> Result<Queue, Failure> {
    let rate_limit = Some(RateLimit { messages_per_second: f64::from(OUT_PER_SECOND), burst: i32::try_from(BURST)? });
    let limits = Some(Limits { max_messages: 1_000_000, ..Limits::default() });
    Ok(Queue { rate_limit, limits, ..named(name) })
}

/// Sends the orders evenly, and catches up after a stall; on return all are on disk.
async fn take_in(client: Client, queue: String, orders: usize) -> Result<(), Failure> {
    let publisher = client.publish_stream(to_queue(&queue));
    let mut pace = tokio::time::interval(BATCH_EVERY);
    let mut confirms = Vec::new();
    for first in (0..orders).step_by(BATCH) {
        pace.tick().await;
        let batch = (first..orders.min(first + BATCH)).map(|number| message(number.to_string())).collect();
        confirms.push(publisher.publish(batch).await?);
    }
    for confirm in confirms {
        confirm.await?;
    }
    Ok(publisher.finish().await?)
}

/// Serves orders until it is told to stop; how many.
async fn serve(client: Client, mut orders: SubscribeStream, mut stop: oneshot::Receiver<()>) -> Result<usize, Failure> {
    let mut served = 0;
    loop {
        let batch = tokio::select! {
            _ = &mut stop => return Ok(served),
            batch = next(&mut orders) => batch?,
        };
        for order in &batch {
            in_order(order.text().parse()?, served)?;
            served += 1;
        }
        done(&client, &batch).await?;
    }
}

fn in_order(number: usize, expected: usize) -> Result<(), Failure> {
    if number == expected { Ok(()) } else { Err(format!("order {number} came in place of {expected}").into()) }
}

/// What the broker counted at some moment between the two times.
struct Sample {
    asked: Instant,
    answered: Instant,
    stats: QueueStats,
}

impl Sample {
    async fn take(client: &Client, queue: &str) -> Result<Self, Failure> {
        let asked = Instant::now();
        let stats = client.get_queue(queue).await?.stats.ok_or("a queue has numbers")?;
        Ok(Self { asked, answered: Instant::now(), stats })
    }

    /// All that came in and is not served yet.
    fn depth(&self) -> i64 {
        self.stats.ready + self.stats.unsettled + self.stats.backing_off
    }

    fn tell_since(&self, before: &Self) {
        let seconds = (self.asked - before.asked).as_secs_f64();
        let per_second = |count: i64| count as f64 / seconds;
        let came = per_second(self.stats.received - before.stats.received);
        let went = per_second(self.stats.delivered - before.stats.delivered);
        println!("{came:>9.0} {went:>9.0} {:>9}", self.depth());
    }
}

/// True if between any two samples no more went out than a burst, and the rate for as long as may have passed between them.
fn is_smooth(samples: &[Sample]) -> bool {
    let allowed = |from: &Sample, to: &Sample| {
        let rated = f64::from(OUT_PER_SECOND) * (to.answered - from.asked).as_secs_f64();
        // The broker's clock counts milliseconds: that may be one message more.
        f64::from(BURST) + rated + 1.0
    };
    let windows = samples.iter().enumerate().flat_map(|(at, from)| samples[at..].iter().map(move |to| (from, to)));
    windows.into_iter().all(|(from, to)| (to.stats.delivered - from.stats.delivered) as f64 <= allowed(from, to))
}
