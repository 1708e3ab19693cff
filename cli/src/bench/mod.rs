//! `ferrymq bench`: a broker, the disk alone and gRPC alone, measured in one run by one load generator.

mod filling;
mod keyed;
mod load;
mod memory;
pub mod noop;
mod process;
mod raw;
mod report;
mod space;

use std::time::Duration;

use ferrymq_client::Client;
use ferrymq_client::v1::{BrokerStats, Ordering, Queue, Topic};

use self::load::{Outcome, Target};
use self::process::Server;
use self::report::{Report, Row};
use crate::args::BenchArgs;
use crate::failure::Failure;

const PAYLOADS: [usize; 2] = [100, 1024];
/// Consumers that take and ack what is fanned out.
const FAN_OUT: i32 = 10;
const CALLERS: usize = 64;
const CONNECTIONS: usize = 4;
/// A rate that leaves the machine mostly idle, in messages each second.
const STEADY: f64 = 10_000.0;
/// Two of the disk; for each payload five of the no-op server and nine of the broker. Those with keys came later and are
/// left out, so that a run compares with one of an earlier build.
const MEASUREMENTS: usize = 2 + PAYLOADS.len() * (5 + 9);

/// Measures the broker at `url`, or one of its own.
pub async fn run(args: BenchArgs, url: Option<&str>, as_json: bool) -> Result<(), Failure> {
    if args.space {
        return space::run(&args, as_json).await;
    }
    if args.memory {
        return memory::run(&args, as_json).await;
    }
    let slice = args.seconds / MEASUREMENTS as f64;
    let slice = Duration::try_from_secs_f64(slice).map_err(|_| Failure::usage("--seconds must not be negative"))?;
    let mut report = Report::new(args.payload.map_or(PAYLOADS.to_vec(), |bytes| vec![bytes as usize]));
    let only = args.only.clone().unwrap_or_default();
    disk(&args, slice, &mut report).await?;
    without_work(slice, &only, &mut report).await?;

    let data = tempfile::tempdir_in(&args.dir)?;
    let server = match url {
        Some(url) => Server::at(url),
        None => Server::broker(data.path()).await?,
    };
    let bench = Bench::new("broker", server, slice, &only).await?;
    for payload_bytes in report.payloads.clone() {
        bench.broker(payload_bytes, &mut report).await?;
    }
    if !report.has_rows_of("broker") {
        return Err(
            Failure::usage(format!("no scenario has `{only}` in its name")).hint("leave --only out to see them all")
        );
    }
    Ok(report.print(as_json)?)
}

async fn disk(args: &BenchArgs, slice: Duration, report: &mut Report) -> Result<(), Failure> {
    for (scenario, bytes) in [("append 1 KiB", 1 << 10), ("append 1 MiB", 1 << 20)] {
        let dir = args.dir.clone();
        let task = tokio::task::spawn_blocking(move || raw::append(&dir, bytes, slice));
        let outcome = task.await.map_err(|e| Failure::other(e.to_string()))??;
        report.add(Row::new("disk", scenario, bytes, outcome));
    }
    Ok(())
}

async fn without_work(slice: Duration, only: &str, report: &mut Report) -> Result<(), Failure> {
    // The steps of which the ratio of what goes through is made are wanted with it.
    let only = if only.contains("through") && "through, full".contains(only) { "" } else { only };
    let bench = Bench::new("no-op", Server::noop().await?, slice, only).await?;
    for payload_bytes in report.payloads.clone() {
        let target = bench.target(format!("noop-{payload_bytes}"), payload_bytes, 1);
        bench.publishing(&target, report).await?;
        bench.measure("deliver", &target, report, load::deliver(&target)).await?;
        bench.measure("ack", &target, report, load::ack(&target)).await?;
    }
    Ok(())
}

/// One server under load.
struct Bench {
    name: &'static str,
    server: Server,
    client: Client,
    slice: Duration,
    only: String,
    /// In all names, so that runs against one broker do not meet.
    run: u32,
}

impl Bench {
    async fn new(name: &'static str, server: Server, slice: Duration, only: &str) -> Result<Self, Failure> {
        let client = Client::builder(server.url.clone()).connections(CONNECTIONS).connect().await?;
        Ok(Self { name, server, client, slice, only: only.to_owned(), run: std::process::id() })
    }

    async fn broker(&self, payload_bytes: usize, report: &mut Report) -> Result<(), Failure> {
        let target = self.made("publish", payload_bytes, 1).await?;
        self.publishing(&target, report).await?;
        self.unmade(&target).await?;

        let target = self.made("through", payload_bytes, 1).await?;
        let full = self.measure("through, full", &target, report, load::end_to_end(&target, None)).await?;
        let full = match full {
            // Half of what goes through has to be known, also where only that row is wanted.
            None if self.wants("through, half") => Some(load::end_to_end(&target, None).await?.rate()),
            full => full,
        };
        if let Some(full) = full {
            let half = load::end_to_end(&target, Some(full / 2.0));
            self.measure("through, half", &target, report, half).await?;
        }
        let steady = load::end_to_end(&target, Some(STEADY));
        self.measure("through, 10k/s", &target, report, steady).await?;
        self.unmade(&target).await?;
        self.through_keyed(payload_bytes, report).await?;
        self.drains(payload_bytes, report).await?;

        let target = self.made("fan", payload_bytes, FAN_OUT).await?;
        self.measure("fan-out 10, through", &target, report, load::end_to_end(&target, None)).await?;
        self.unmade(&target).await?;
        for (scenario, queues) in [("fan-out 10", 10), ("fan-out 100", 100)] {
            let target = self.made("fan", payload_bytes, queues).await?;
            self.measure(scenario, &target, report, load::stream(&target)).await?;
            self.unmade(&target).await?;
        }
        Ok(())
    }

    async fn publishing(&self, target: &Target, report: &mut Report) -> Result<(), Failure> {
        self.measure("unary, 1", target, report, load::unary(target, 1)).await?;
        self.measure("unary, 64", target, report, load::unary(target, CALLERS)).await?;
        self.measure("stream", target, report, load::stream(target)).await?;
        Ok(())
    }

    /// Adds one row, if it is wanted; returns its messages each second.
    async fn measure(
        &self,
        scenario: &'static str,
        target: &Target,
        report: &mut Report,
        load: impl Future<Output = Result<Outcome, Failure>>,
    ) -> Result<Option<f64>, Failure> {
        if !self.wants(scenario) {
            return Ok(None);
        }
        let (cpu, stats) = (self.server.cpu_seconds(), self.stats().await);
        let outcome = load.await?;
        let rate = outcome.rate();
        let mut row = Row::new(self.name, scenario, target.payload_bytes, outcome);
        row.cpu_seconds = self.server.cpu_seconds().zip(cpu).map(|(after, before)| after - before);
        row.peak_memory_bytes = self.server.peak_memory_bytes();
        row.messages_per_fsync = stats.zip(self.stats().await).and_then(|(before, after)| grouping(&before, &after));
        report.add(row);
        Ok(Some(rate))
    }

    fn wants(&self, scenario: &str) -> bool {
        scenario.contains(&self.only)
    }

    /// Only the broker has any.
    async fn stats(&self) -> Option<BrokerStats> {
        self.client.stats(Vec::new(), Vec::new()).await.ok()?.broker
    }

    fn target(&self, topic: String, payload_bytes: usize, queues: i32) -> Target {
        Target { client: self.client.clone(), topic, payload_bytes, keys: 0, queues, duration: self.slice }
    }

    /// A topic with queues bound to it.
    async fn made(&self, scenario: &str, payload_bytes: usize, queues: i32) -> Result<Target, Failure> {
        self.made_with(scenario, payload_bytes, queues, Ordering::None).await
    }

    async fn made_with(
        &self,
        scenario: &str,
        payload_bytes: usize,
        queues: i32,
        ordering: Ordering,
    ) -> Result<Target, Failure> {
        let topic = format!("bench-{scenario}-{}-{queues}-{payload_bytes}", self.run);
        self.client.create_topic(Topic { name: topic.clone(), ..Topic::default() }).await?;
        for number in 0..queues {
            let binding = ferrymq_client::v1::Binding { topic: topic.clone(), ..Default::default() };
            let name = format!("{topic}.{number}");
            let queue = Queue { name, ordering: ordering.into(), ..Queue::default() };
            self.client.create_queue(queue, vec![binding]).await?;
        }
        Ok(self.target(topic, payload_bytes, queues))
    }

    async fn unmade(&self, target: &Target) -> Result<(), Failure> {
        for number in 0..target.queues {
            self.client.delete_queue(format!("{}.{number}", target.topic), true).await?;
        }
        self.client.delete_topic(&target.topic, true).await?;
        Ok(())
    }
}

fn grouping(before: &BrokerStats, after: &BrokerStats) -> Option<f64> {
    let commits = after.commits - before.commits;
    (commits > 0).then(|| (after.published - before.published) as f64 / commits as f64)
}
