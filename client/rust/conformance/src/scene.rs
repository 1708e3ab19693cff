//! One scenario's broker, and what its steps keep.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::process::Stdio;
use std::time::Duration;

use ferrymq_client::{Client, Delivery, Destination, Publisher, Subscriber};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Failure;
use crate::messages::text;

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`, but not for ever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, future).await.map_err(|_| format!("not within {PATIENCE:?}: {what}").into())
}

pub struct Scene {
    pub client: Client,
    pub publishers: HashMap<Value, Publisher>,
    pub subscribers: HashMap<String, Subscriber>,
    /// What `receive` with `settle: hold` keeps, by the subscriber's name.
    pub held: HashMap<String, Vec<Delivery>>,
    /// What a worker handled before it was told to stop.
    pub handled: BTreeSet<String>,
    stage: Stage,
}

impl Scene {
    pub async fn open(durable: bool) -> Result<Self, Failure> {
        let mut stage = Stage::start()?;
        let url = stage.tell(if durable { "durable" } else { "ephemeral" }).await?;
        Ok(Self {
            client: Client::connect(url).await?,
            publishers: HashMap::new(),
            subscribers: HashMap::new(),
            held: HashMap::new(),
            handled: BTreeSet::new(),
            stage,
        })
    }

    /// `kill` or `break`.
    pub async fn tell(&mut self, word: &str) -> Result<(), Failure> {
        self.stage.tell(word).await.map(drop)
    }

    pub fn subscriber(&mut self, name: &Value) -> Result<&mut Subscriber, Failure> {
        self.subscribers.get_mut(&text(name)).ok_or_else(|| format!("no subscriber {name}").into())
    }

    pub fn publisher(&mut self, arguments: &Value) -> &Publisher {
        let key = Value::Array(vec![arguments["topic"].clone(), arguments["queue"].clone()]);
        let client = &self.client;
        self.publishers.entry(key).or_insert_with(|| client.publisher(destination(arguments)))
    }

    pub async fn close(mut self) -> Result<(), Failure> {
        for (_, publisher) in self.publishers.drain() {
            // It may have come to its end with what it was to publish.
            let _ = within("a publisher closes", publisher.close()).await?;
        }
        self.held.clear();
        for (_, subscriber) in self.subscribers.drain() {
            within("a subscriber closes", subscriber.close()).await??;
        }
        Ok(())
    }
}

pub fn destination(arguments: &Value) -> Destination {
    match arguments["topic"].as_str() {
        Some(topic) => Destination::Topic(topic.to_owned()),
        None => Destination::Queue(text(&arguments["queue"])),
    }
}

/// The process that has the brokers. It ends with its stdin, and they with it: killed, it would leave them behind.
struct Stage {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Stage {
    fn start() -> Result<Self, Failure> {
        let program = std::env::var_os("TEST_STAGE").ok_or("TEST_STAGE is not set")?;
        let mut command = Command::new(program);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let answers = BufReader::new(answers.ok_or("stdout is piped")?).lines();
        Ok(Self { _child: child, orders: orders.ok_or("stdin is piped")?, answers })
    }

    async fn tell(&mut self, word: &str) -> Result<String, Failure> {
        self.orders.write_all(format!("{word}\n").as_bytes()).await?;
        let answer = within("an answer of the stage", self.answers.next_line()).await??;
        let answer = answer.ok_or("the stage has gone")?;
        answer.strip_prefix("ok ").map(str::to_owned).ok_or_else(|| answer.clone().into())
    }
}
