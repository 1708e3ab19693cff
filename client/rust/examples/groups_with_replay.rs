//! Groups over one log, as in Kafka: members of a group share it, groups do not share, and what is kept can be read again.
//!
//!     cargo run -p ferrymq-client --example groups_with_replay

mod shared;

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{Delivery, SeekRequest, SubscribeRequest};
use ferrymq_client::{Client, DeliveryExt as _, broadcast, group, message, point};

use crate::shared::{Failure, Names, done, promise, take, to_topic, topic};

const CLICKS: usize = 300;
const BUG_FROM: usize = 200;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    shared::play("groups_with_replay", groups_with_replay).await
}

async fn groups_with_replay(client: &Client, names: &Names) -> Result<(), Failure> {
    let clicks = topic(client, names.of("clicks")).await?;
    let member = || SubscribeRequest { prefetch: 10, ..group(&clicks, "dashboard") };
    let mut members = [client.subscribe_stream(member()).await?, client.subscribe_stream(member()).await?];
    let batch = (1..=CLICKS).map(|number| message(number.to_string())).collect();
    let positions = client.publish(to_topic(&clicks), batch).await?.results;
    println!("{CLICKS} clicks are published; the group `dashboard` has two members");

    let [one, two] = share(client, &mut members, CLICKS).await?;
    println!("one member took {}, the other {}", one.len(), two.len());
    promise("the members share the clicks", !one.is_empty() && !two.is_empty())?;
    promise("each click went to one of them", numbers(&[one, two].concat()) == (1..=CLICKS).collect::<Vec<_>>())?;

    let late = SubscribeRequest { start: Some(point::earliest()), ..group(&clicks, "fraud") };
    let all = take(client, &mut client.subscribe_stream(late).await?, CLICKS).await?;
    println!("the group `fraud` is made now, and begins with the oldest that is kept");
    promise("it gets all clicks, for the first time", is_from(&all, 1) && all.iter().all(|d| d.attempt == 1))?;

    let bug = positions[BUG_FROM - 1].position;
    println!("the dashboard counted wrongly from click {BUG_FROM} on: back to there");
    let to = bug.map(point::position);
    let moved = client.seek(SeekRequest { queue: format!("{clicks}/dashboard"), to, ..SeekRequest::default() }).await?;
    let count = CLICKS + 1 - BUG_FROM;
    promise("the broker says how many come again", usize::try_from(moved.ready)? == count)?;
    let again = share(client, &mut members, count).await?.concat();
    promise("they come again, and say so", again.iter().all(|click| click.attempt > 1))?;
    promise("nothing else does", numbers(&again) == (BUG_FROM..=CLICKS).collect::<Vec<_>>())?;

    let bounded =
        SubscribeRequest { start: Some(point::earliest()), stop: Some(point::latest()), ..broadcast(&clicks) };
    let mut replay = client.subscribe_stream(bounded).await?;
    let mut read = Vec::new();
    while let Some(batch) = replay.next_batch().await? {
        read.extend(batch);
    }
    println!("somebody without a group reads the log from its beginning to its end");
    promise("that ends by itself, with nothing to ack", is_from(&read, 1) && read.len() == CLICKS)
}

/// Lets two members take and ack `count` clicks between them; what each got.
async fn share(
    client: &Client,
    members: &mut [SubscribeStream; 2],
    count: usize,
) -> Result<[Vec<Delivery>; 2], Failure> {
    let [one, two] = members;
    let mut taken = [Vec::new(), Vec::new()];
    while taken[0].len() + taken[1].len() < count {
        let (who, batch) = tokio::select! {
            batch = one.next_batch() => (0, batch?),
            batch = two.next_batch() => (1, batch?),
        };
        let batch = batch.ok_or("the stream ended")?;
        done(client, &batch).await?;
        taken[who].extend(batch);
    }
    Ok(taken)
}

fn number(click: &Delivery) -> usize {
    click.text().parse().unwrap_or_default()
}

/// The numbers of these clicks, sorted.
fn numbers(clicks: &[Delivery]) -> Vec<usize> {
    let mut numbers: Vec<usize> = clicks.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Whether these are the clicks from `first` on, in order.
fn is_from(clicks: &[Delivery], first: usize) -> bool {
    clicks.iter().zip(first..).all(|(click, expected)| number(click) == expected)
}
