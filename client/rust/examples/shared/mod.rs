//! What the examples share: the broker to talk to, names of their own, and promises that are checked.

#![allow(dead_code, reason = "no example needs all of it")]

use std::collections::HashMap;
use std::error::Error as StdError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{Delivery, Queue, SettleStatus, Topic};
use ferrymq_client::{Client, Destination, Error, ack_ids};

/// Why an example ended with exit code 1.
pub type Failure = Box<dyn StdError + Send + Sync>;

/// No example runs longer, whatever happens.
const RUN_MAX: Duration = Duration::from_secs(60);

/// Plays a scene on the broker that FERRYMQ_URL names (http://127.0.0.1:7171 by default), and clears the stage after it.
pub async fn play(title: &str, scene: impl AsyncFnOnce(&Client, &Names) -> Result<(), Failure>) -> Result<(), Failure> {
    let url = std::env::var("FERRYMQ_URL").unwrap_or_else(|_| "http://127.0.0.1:7171".to_owned());
    let client = Client::connect(url).await?;
    let names = Names::new(title)?;
    let outcome = tokio::time::timeout(RUN_MAX, scene(&client, &names)).await;
    clear(&client, &names.0).await?;
    outcome.map_err(|_| format!("not done after {RUN_MAX:?}"))?
}

/// Names of topics and queues that no other run uses.
pub struct Names(String);

impl Names {
    fn new(title: &str) -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        Ok(Self(format!("example.{title}.{now:x}-{}.", std::process::id())))
    }

    /// The name of `what` in this run.
    pub fn of(&self, what: &str) -> String {
        format!("{}{what}", self.0)
    }
}

async fn clear(client: &Client, prefix: &str) -> Result<(), Error> {
    for queue in client.list_queues(prefix).await? {
        client.delete_queue(queue.name, true).await?;
    }
    for topic in client.list_topics(prefix).await? {
        client.delete_topic(topic.name, true).await?;
    }
    Ok(())
}

/// Makes a topic with the default settings; its name.
pub async fn topic(client: &Client, name: String) -> Result<String, Error> {
    client.create_topic(Topic { name: name.clone(), ..Topic::default() }).await?;
    Ok(name)
}

/// A queue with the default settings, to be made.
pub fn named(name: &str) -> Queue {
    Queue { name: name.to_owned(), ..Queue::default() }
}

/// `name` as a destination to publish to.
pub fn to_topic(name: &str) -> Destination {
    Destination::Topic(name.to_owned())
}

/// `name` as a destination to send to, past any topic.
pub fn to_queue(name: &str) -> Destination {
    Destination::Queue(name.to_owned())
}

/// Attributes of a message.
pub fn attributes(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The next deliveries of a stream that is not to end.
pub async fn next(stream: &mut SubscribeStream) -> Result<Vec<Delivery>, Failure> {
    Ok(stream.next_batch().await?.ok_or("the stream ended")?)
}

/// Takes and acks `count` deliveries of a stream.
pub async fn take(client: &Client, stream: &mut SubscribeStream, count: usize) -> Result<Vec<Delivery>, Failure> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = next(stream).await?;
        done(client, &batch).await?;
        taken.extend(batch);
    }
    Ok(taken)
}

/// Acks deliveries; on return that is on disk.
pub async fn done(client: &Client, deliveries: &[Delivery]) -> Result<(), Failure> {
    let statuses = client.ack(ack_ids(deliveries)).await?;
    match statuses.iter().find(|&&status| status != SettleStatus::Ok) {
        Some(status) => Err(format!("an ack was answered with {status:?}").into()),
        None => Ok(()),
    }
}

/// Says that a promise was kept, or ends the example.
pub fn promise(what: &str, kept: bool) -> Result<(), Failure> {
    if !kept {
        return Err(format!("broken: {what}").into());
    }
    println!("  kept: {what}");
    Ok(())
}
