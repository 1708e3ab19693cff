//! `ferrymq bench --memory`: the most memory that a broker takes where there is very much of something.

mod scenarios;

use std::path::Path;
use std::time::Instant;

use ferrymq_client::v1::{Ordering, Queue};
use ferrymq_client::{Client, Destination};
use serde_json::{Value, json};

use self::scenarios::SCENARIOS;
use super::filling::{self, Messages};
use super::process::Server;
use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::output;

const MIB: f64 = 1048576.0;
const PAYLOAD_BYTES: usize = 100;
const CONNECTIONS: usize = 4;

/// What one broker took.
struct Finding {
    scenario: String,
    /// How many there were of what the scenario counts.
    count: u64,
    seconds: f64,
    before_bytes: Option<u64>,
    peak_bytes: Option<u64>,
    disk_bytes: i64,
}

/// A broker of its own for a scenario.
struct Stage {
    server: Server,
    client: Client,
    start: Instant,
    before_bytes: Option<u64>,
}

/// Measures one broker after the other; what they keep is removed with each.
pub async fn run(args: &BenchArgs, as_json: bool) -> Result<(), Failure> {
    let only = args.only.clone().unwrap_or_default();
    let mut findings = Vec::new();
    for scenario in SCENARIOS.into_iter().filter(|name| name.contains(&only)) {
        let data = tempfile::tempdir_in(&args.dir)?;
        scenarios::perform(scenario, data.path(), &mut findings).await?;
    }
    print(&findings, as_json)
}

impl Stage {
    /// Starts the broker, on what is in `dir` already.
    async fn start(dir: &Path) -> Result<Self, Failure> {
        let server = Server::broker(dir).await?;
        let client = Client::builder(server.url.clone()).connections(CONNECTIONS).connect().await?;
        let before_bytes = server.memory_bytes();
        Ok(Self { server, client, start: Instant::now(), before_bytes })
    }

    /// With a queue that holds messages.
    async fn filled(dir: &Path, queue: Queue, messages: Messages) -> Result<Self, Failure> {
        let stage = Self::start(dir).await?;
        let to = Destination::Queue(queue.name.clone());
        stage.client.create_queue(queue, Vec::new()).await?;
        filling::fill(&stage.client, to, messages).await?;
        Ok(stage)
    }

    /// What it took until now.
    async fn finding(&self, scenario: impl Into<String>, count: u64) -> Result<Finding, Failure> {
        let stats = self.client.stats(Vec::new(), Vec::new()).await?;
        Ok(Finding {
            scenario: scenario.into(),
            count,
            seconds: self.start.elapsed().as_secs_f64(),
            before_bytes: self.before_bytes,
            peak_bytes: self.server.peak_memory_bytes(),
            disk_bytes: stats.broker.unwrap_or_default().disk_used_bytes,
        })
    }
}

/// The one queue of most scenarios.
fn queue(ordering: Ordering) -> Queue {
    Queue { name: scenarios::QUEUE.to_owned(), ordering: ordering.into(), ..Queue::default() }
}

fn print(findings: &[Finding], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return Ok(output::value(&Value::Array(findings.iter().map(Finding::json).collect()), true)?);
    }
    let headings = ["SCENARIO", "COUNT", "SECONDS", "BEFORE MIB", "PEAK MIB", "DISK MIB"];
    Ok(output::table(&headings, &findings.iter().map(Finding::cells).collect::<Vec<_>>())?)
}

impl Finding {
    fn json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "count": self.count,
            "seconds": self.seconds,
            "before_bytes": self.before_bytes,
            "peak_bytes": self.peak_bytes,
            "disk_bytes": self.disk_bytes,
        })
    }

    fn cells(&self) -> Vec<String> {
        let mib = |bytes: Option<u64>| bytes.map_or("-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / MIB));
        vec![
            self.scenario.clone(),
            self.count.to_string(),
            format!("{:.1}", self.seconds),
            mib(self.before_bytes),
            mib(self.peak_bytes),
            format!("{:.0}", self.disk_bytes as f64 / MIB),
        ]
    }
}
