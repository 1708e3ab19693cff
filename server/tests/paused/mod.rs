//! Broker and client in one runtime whose time is paused.

#![allow(dead_code, reason = "each file of tests needs some of it")]

use std::sync::Arc;
use std::time::Duration;

use ferrymq_client::v1::{Delivery, Message, PullRequest, pull_request};
use ferrymq_client::{Client, Destination};
use ferrymq_server::Server;
use ferrymq_server::clock::TokioClock;
use ferrymq_server::config::{Config, Layer};
use tokio::time::Instant;

/// One.
pub const SECOND: Duration = Duration::from_secs(1);
/// One.
pub const MINUTE: Duration = Duration::from_secs(60);

/// A broker in memory, and a client of it.
pub async fn broker() -> (Server, Client) {
    let settings = [("ephemeral", "true"), ("listen", "127.0.0.1:0")];
    let settings = settings.map(|(key, value)| (key, Some(value.to_owned())));
    let config = Config::resolve(vec![Layer::from_flags(settings)]).unwrap();
    let server = Server::start(&config, Arc::new(TokioClock::starting_at(1_700_000_000_000))).await.unwrap();
    let client = Client::connect(format!("http://{}", server.addr())).await.unwrap();
    (server, client)
}

/// For the wire.
pub fn wire(duration: Duration) -> Option<prost_types::Duration> {
    Some(duration.try_into().unwrap())
}

/// Sends so many messages to the queue `q`.
pub async fn send(client: &Client, count: usize) {
    let messages = vec![Message { payload: "x".into(), ..Message::default() }; count];
    client.publish(Destination::Queue("q".into()), messages).await.unwrap();
}

/// The next message of a queue, however long it takes, and how long it took.
pub async fn next(client: &Client, queue: &str) -> (Delivery, Duration) {
    let asked = Instant::now();
    loop {
        let source = Some(pull_request::Source::Queue(queue.to_owned()));
        let request = PullRequest { source, max_messages: 1, wait: wire(5 * MINUTE), ..PullRequest::default() };
        let mut pulled = client.pull(request).await.unwrap().deliveries;
        if let Some(delivery) = pulled.pop() {
            return (delivery, asked.elapsed());
        }
    }
}
