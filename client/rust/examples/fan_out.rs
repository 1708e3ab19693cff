//! Fan-out with one service down for a while: the others do not notice, and it gets all it missed, at its own pace.
//!
//!     cargo run -p ferrymq-client --example fan_out

mod shared;

use std::ops::RangeInclusive;

use ferrymq_client::v1::{Delivery, Message, SubscribeRequest};
use ferrymq_client::{Client, DeliveryExt as _, binding, message, queue};

use crate::shared::{Failure, Names, done, named, next, promise, take, to_topic, topic};

const MISSED: usize = 1_000;
const FRESH: usize = 50;
const PREFETCH: usize = 40;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    shared::play("fan_out", fan_out).await
}

async fn fan_out(client: &Client, names: &Names) -> Result<(), Failure> {
    let orders = topic(client, names.of("orders")).await?;
    for service in ["billing", "stock", "mail"] {
        let queue = names.of(service);
        client.create_queue(named(&queue), vec![binding(&orders, &queue)]).await?;
    }

    let confirm = client.publish(to_topic(&orders), numbered(1..=MISSED)).await?;
    println!("billing is down; {MISSED} orders are published");
    promise("each order goes to three queues", confirm.results.iter().all(|result| result.queues_matched == 3))?;

    for service in ["stock", "mail"] {
        let mut stream = client.subscribe_stream(queue(names.of(service))).await?;
        let taken = take(client, &mut stream, MISSED).await?;
        promise(&format!("{service} took all of them, in order"), in_order(&taken))?;
    }

    let billing = names.of("billing");
    let prefetch = i32::try_from(PREFETCH)?;
    let mut stream = client.subscribe_stream(SubscribeRequest { prefetch, ..queue(&billing) }).await?;
    println!("billing is back, and orders go on coming");
    let mut taken = Vec::new();
    while taken.len() < PREFETCH {
        taken.extend(next(&mut stream).await?);
    }
    let stats = client.get_queue(&billing).await?.stats.unwrap_or_default();
    println!("it holds {} orders, {} wait", stats.unsettled, stats.ready);
    promise("the surge brings no more at once than it asked for", stats.unsettled == i64::from(prefetch))?;

    client.publish(to_topic(&orders), numbered(MISSED + 1..=MISSED + FRESH)).await?;
    done(client, &taken).await?;
    let missing = MISSED + FRESH - taken.len();
    taken.extend(take(client, &mut stream, missing).await?);
    promise("it gets all it missed and then what is new, in order", in_order(&taken))?;
    promise("none of it is a repetition", taken.iter().all(|order| order.attempt == 1))
}

fn numbered(orders: RangeInclusive<usize>) -> Vec<Message> {
    orders.map(|number| message(number.to_string())).collect()
}

/// Whether these are the orders from 1 on, none missing.
fn in_order(taken: &[Delivery]) -> bool {
    taken.iter().zip(1..).all(|(order, number)| order.text() == number.to_string())
}
