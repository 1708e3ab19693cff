//! Traffic smoothing: orders come in as fast as the disk takes them, and go out no faster than the service behind can bear.
//!
//!     cargo run -p ferrymq-client --example traffic_smoothing            2,000 orders at once, 500 a second go out
//!     cargo run -p ferrymq-client --example traffic_smoothing 10000      twenty seconds of it

mod shared;

use std::time::{Duration, Instant};

use ferrymq_client::v1::{Limits, Queue, RateLimit};
use ferrymq_client::{Client, DeliveryExt as _, message, queue};

use crate::shared::{Failure, Names, done, named, next, promise, to_queue};

const OUT_PER_SECOND: u32 = 500;
/// A tenth of a second's worth: so long may anybody stall without the mean falling below the rate.
const BURST: u32 = 50;
const BATCH: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let orders = std::env::args().nth(1).map_or(Ok(2_000), |count| count.parse())?;
    shared::play("traffic_smoothing", async |client: &Client, names: &Names| smooth(client, names, orders).await).await
}

async fn smooth(client: &Client, names: &Names, orders: usize) -> Result<(), Failure> {
    let name = names.of("orders");
    let began = Instant::now();
    client.create_queue(limited(&name)?, vec![]).await?;
    let mut service = client.subscribe_stream(queue(&name)).await?;
    let door = tokio::spawn(take_in(client.clone(), name.clone(), orders));

    let mut served = 0;
    let mut fastest_kept = true;
    while served < orders {
        let batch = next(&mut service).await?;
        for order in &batch {
            in_order(order.text().parse()?, served)?;
            served += 1;
        }
        fastest_kept &= served <= allowed(began.elapsed());
        done(client, &batch).await?;
    }

    let taken_in = door.await??;
    println!("{orders} orders were confirmed in {taken_in:?}: {:.0} a second", per_second(orders, taken_in));
    println!("they were served in {:?}: {:.0} a second", began.elapsed(), per_second(orders, began.elapsed()));
    promise("every order was taken in, and served once, in order", true)?;
    promise("at no moment more than a burst and the rate", fastest_kept)
}

/// Delivers evenly; and takes in no more than fits, so that a flood makes the door wait rather than fill the disk.
fn limited(name: &str) -> Result<Queue, Failure> {
    let rate_limit = Some(RateLimit { messages_per_second: f64::from(OUT_PER_SECOND), burst: i32::try_from(BURST)? });
    let limits = Some(Limits { max_messages: 100_000, ..Limits::default() });
    Ok(Queue { rate_limit, limits, ..named(name) })
}

/// Sends the orders as fast as they are confirmed; how long that took.
async fn take_in(client: Client, queue: String, orders: usize) -> Result<Duration, Failure> {
    let began = Instant::now();
    let publisher = client.publish_stream(to_queue(&queue));
    let mut confirms = Vec::new();
    for first in (0..orders).step_by(BATCH) {
        let batch = (first..orders.min(first + BATCH)).map(|number| message(number.to_string())).collect();
        confirms.push(publisher.publish(batch).await?);
    }
    for confirm in confirms {
        confirm.await?;
    }
    publisher.finish().await?;
    Ok(began.elapsed())
}

fn in_order(number: usize, expected: usize) -> Result<(), Failure> {
    if number == expected { Ok(()) } else { Err(format!("order {number} came in place of {expected}").into()) }
}

/// The most that may have gone out after so long.
fn allowed(elapsed: Duration) -> usize {
    let rated = u128::from(OUT_PER_SECOND) * elapsed.as_millis() / 1_000;
    BURST as usize + 1 + usize::try_from(rated).unwrap_or(usize::MAX)
}

fn per_second(count: usize, time: Duration) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from) / time.as_secs_f64()
}
