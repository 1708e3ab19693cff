//! `ferrymq bench --space`: memory, disk and restart of a broker that holds much, and what it costs when idle.

use std::path::Path;
use std::time::{Duration, Instant};

use ferrymq_client::v1::{Delivery, Queue};
use ferrymq_client::{Client, Destination};
use serde_json::{Value, json};

use super::filling::{self, Messages};
use super::process::Server;
use crate::args::BenchArgs;
use crate::failure::Failure;
use crate::output;

const PAYLOAD_BYTES: u64 = 1 << 10;
const PREFETCH: i32 = 10_000;
/// What stays in a queue while much else goes through another.
const LIVE_BYTES: u64 = 64 << 20;
/// How often that much goes through.
const CHURN: u64 = 100;
const IDLE: Duration = Duration::from_secs(5);
const MIB: f64 = 1048576.0;

/// What was measured: a name, a number, its unit.
type Finding = (&'static str, f64, &'static str);

/// Measures a broker of its own.
pub async fn run(args: &BenchArgs, as_json: bool) -> Result<(), Failure> {
    let data = tempfile::tempdir_in(&args.dir)?;
    let mut findings = Vec::new();
    backlog(data.path(), args.backlog, &mut findings).await?;
    let data = tempfile::tempdir_in(&args.dir)?;
    churn(data.path(), &mut findings).await?;
    print(&findings, as_json)
}

/// A queue that nobody reads; kill -9; a restart; then it is read to its end.
async fn backlog(dir: &Path, bytes: u64, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let mut server = Server::broker(dir).await?;
    let client = connect(&server).await?;
    make(&client, "backlog").await?;
    let start = Instant::now();
    let messages = fill(&client, "backlog", bytes).await?;
    findings.push(("backlog", bytes as f64 / MIB, "MiB"));
    findings.push(("published", messages as f64 / start.elapsed().as_secs_f64(), "messages/s"));
    findings.push(("peak memory while published", peak(&server), "MiB"));
    findings.push(("disk used", disk(&client).await?, "MiB"));
    server.kill().await?;
    let start = Instant::now();
    let server = Server::broker(dir).await?;
    findings.push(("restart after kill -9 until ready", start.elapsed().as_secs_f64(), "s"));
    let client = connect(&server).await?;
    let drained = drain(&client, "backlog", messages, start).await?;
    findings.push(("restart until the first delivery", drained.first, "s"));
    findings.push(("delivered and acked", messages as f64 / drained.seconds, "messages/s"));
    findings.push(("peak memory after the restart", peak(&server), "MiB"));
    idle(&server, findings).await;
    Ok(())
}

/// Live bytes that nobody reads, and [`CHURN`] times as many through another queue.
async fn churn(dir: &Path, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let server = Server::broker(dir).await?;
    let client = connect(&server).await?;
    for queue in ["live", "through"] {
        make(&client, queue).await?;
    }
    fill(&client, "live", LIVE_BYTES).await?;
    let mut most: f64 = 0.0;
    for _ in 0..CHURN {
        let filling = fill(&client, "through", LIVE_BYTES);
        let draining = drain(&client, "through", LIVE_BYTES / PAYLOAD_BYTES, Instant::now());
        let (filled, drained) = tokio::join!(filling, draining);
        filled.and(drained)?;
        most = most.max(disk(&client).await?);
    }
    findings.push(("live bytes", LIVE_BYTES as f64 / MIB, "MiB"));
    findings.push(("bytes through another queue", (LIVE_BYTES * CHURN) as f64 / MIB, "MiB"));
    findings.push(("disk used, most", most, "MiB"));
    tokio::time::sleep(IDLE).await;
    findings.push(("disk used, five seconds later", disk(&client).await?, "MiB"));
    findings.push(("peak memory", peak(&server), "MiB"));
    Ok(())
}

async fn idle(server: &Server, findings: &mut Vec<Finding>) {
    let before = server.cpu_seconds().unwrap_or_default();
    tokio::time::sleep(IDLE).await;
    let used = server.cpu_seconds().unwrap_or_default() - before;
    findings.push(("CPU when idle", used / IDLE.as_secs_f64() * 100.0, "% of a core"));
}

async fn connect(server: &Server) -> Result<Client, Failure> {
    Ok(Client::builder(server.url.clone()).connections(2).connect().await?)
}

async fn make(client: &Client, queue: &str) -> Result<(), Failure> {
    client.create_queue(Queue { name: queue.to_owned(), ..Queue::default() }, Vec::new()).await?;
    Ok(())
}

/// Publishes so many bytes, in messages of [`PAYLOAD_BYTES`]; how many messages.
async fn fill(client: &Client, queue: &str, bytes: u64) -> Result<u64, Failure> {
    let messages = Messages::plain(bytes / PAYLOAD_BYTES, PAYLOAD_BYTES as usize);
    let count = messages.count;
    filling::fill(client, Destination::Queue(queue.to_owned()), messages).await?;
    Ok(count)
}

struct Drained {
    /// Seconds until the first delivery.
    first: f64,
    /// Seconds in all.
    seconds: f64,
}

/// Takes and acks so many messages.
async fn drain(client: &Client, queue: &str, messages: u64, start: Instant) -> Result<Drained, Failure> {
    let mut subscriber = filling::open(client, queue, PREFETCH, 0).await?;
    let first = std::cell::OnceCell::new();
    let seen = |_: &Delivery| {
        first.get_or_init(|| start.elapsed().as_secs_f64());
        true
    };
    filling::drain(client, &mut subscriber, messages, seen).await?;
    Ok(Drained { first: first.get().copied().unwrap_or_default(), seconds: start.elapsed().as_secs_f64() })
}

fn peak(server: &Server) -> f64 {
    server.peak_memory_bytes().unwrap_or_default() as f64 / MIB
}

async fn disk(client: &Client) -> Result<f64, Failure> {
    let stats = client.stats(Vec::new(), Vec::new()).await?;
    Ok(stats.broker.unwrap_or_default().disk_used_bytes as f64 / MIB)
}

fn print(findings: &[Finding], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let one = |(name, number, unit): &Finding| json!({ "name": name, "value": number, "unit": unit });
        return Ok(output::value(&Value::Array(findings.iter().map(one).collect()), true)?);
    }
    let row = |(name, number, unit): &Finding| vec![(*name).to_owned(), format!("{number:.2}"), (*unit).to_owned()];
    Ok(output::table(&["SPACE", "", ""], &findings.iter().map(row).collect::<Vec<_>>())?)
}
