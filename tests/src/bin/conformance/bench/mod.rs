//! How fast the client is, beside the bare stubs of its gRPC library: see "Speed" in tests/conformance/README.md.

mod client;
mod stubs;

use std::time::Duration;

use ferrymq_client::Client;
use ferrymq_client::v1::{Message, Queue, SubscribeRequest};
use ferrymq_client::{message, queue};
use serde_json::json;
use tokio::time::Instant;

use crate::Failure;

/// At the broker.
const PUBLISHED: &str = "bench-publish";
const THROUGH: &str = "bench-through";
/// At the server that does nothing: it takes the size of payloads from the name.
const NOOP: &str = "noop-1024";
const PAYLOAD: &[u8] = &[b'x'; 1024];

pub async fn run(url: &str, noop_url: &str, seconds: &str) -> Result<(), Failure> {
    let counted = Duration::try_from_secs_f64(seconds.parse()?)?;
    let times = Times { warm_up: counted / 2, counted };
    let (broker, noop) = (Client::connect(url).await?, Client::connect(noop_url).await?);
    for name in [PUBLISHED, THROUGH] {
        broker.create_queue(Queue { name: name.to_owned(), ..Queue::default() }, vec![]).await?;
    }
    report("broker publish", client::publish(&broker, PUBLISHED, times).await?);
    report("broker through", client::through(&broker, THROUGH, times).await?);
    for name in [PUBLISHED, THROUGH] {
        broker.delete_queue(name, true).await?;
    }
    report("client publish", client::publish(&noop, NOOP, times).await?);
    report("client consume", client::consume(&noop, NOOP, times).await?);
    report("stubs publish", stubs::publish(noop_url, times).await?);
    report("stubs consume", stubs::consume(noop_url, times).await?);
    Ok(())
}

fn report(name: &str, messages_per_second: f64) {
    println!("{}", json!({"name": name, "messages_per_second": messages_per_second.round()}));
}

#[derive(Clone, Copy)]
struct Times {
    warm_up: Duration,
    counted: Duration,
}

impl Times {
    /// Messages each second of `work`, which is given a time and says how many messages it was.
    async fn rate(self, mut work: impl AsyncFnMut(Duration) -> Result<u64, Failure>) -> Result<f64, Failure> {
        work(self.warm_up).await?;
        let begin = Instant::now();
        let messages = work(self.counted).await?;
        Ok(messages as f64 / begin.elapsed().as_secs_f64())
    }
}

/// One message of its own.
fn payload() -> Message {
    message(PAYLOAD)
}

/// A wide window, so that what is measured is not the way there and back.
fn window(name: &str) -> SubscribeRequest {
    SubscribeRequest { prefetch: 10_000, prefetch_bytes: 64 << 20, ..queue(name) }
}
