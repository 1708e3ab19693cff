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

/// In this order.
const NAMES: [&str; 6] =
    ["broker publish", "broker through", "client publish", "client consume", "stubs publish", "stubs consume"];

/// At the broker.
const PUBLISHED: &str = "bench-publish";
const THROUGH: &str = "bench-through";
/// At the server that does nothing: it takes the size of payloads from the name.
const NOOP: &str = "noop-1024";
const PAYLOAD: &[u8] = &[b'x'; 1024];

/// All, or only those that are named.
pub async fn run(url: &str, noop_url: &str, seconds: &str, names: &[&str]) -> Result<(), Failure> {
    let counted = Duration::try_from_secs_f64(seconds.parse()?)?;
    let times = Times { warm_up: counted / 2, counted };
    let (broker, noop) = (Client::connect(url).await?, Client::connect(noop_url).await?);
    for name in NAMES.into_iter().filter(|name| names.is_empty() || names.contains(name)) {
        let rate = match name {
            "broker publish" => on_queue(&broker, PUBLISHED, client::publish(&broker, PUBLISHED, times)).await?,
            "broker through" => on_queue(&broker, THROUGH, client::through(&broker, THROUGH, times)).await?,
            "client publish" => client::publish(&noop, NOOP, times).await?,
            "client consume" => client::consume(&noop, NOOP, times).await?,
            "stubs publish" => stubs::publish(noop_url, times).await?,
            _ => stubs::consume(noop_url, times).await?,
        };
        println!("{}", json!({"name": name, "messages_per_second": rate.round()}));
    }
    Ok(())
}

/// What is measured on a queue that is there only for that.
async fn on_queue(
    broker: &Client,
    name: &str,
    measured: impl Future<Output = Result<f64, Failure>>,
) -> Result<f64, Failure> {
    broker.create_queue(Queue { name: name.to_owned(), ..Queue::default() }, vec![]).await?;
    let rate = measured.await?;
    broker.delete_queue(name, true).await?;
    Ok(rate)
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
