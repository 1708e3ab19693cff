//! Real flight records through a topic fanned out to queues by pattern, by a filter over their JSON, to a group and in order
//! by airport, with a broker that is killed and consumers that die.
//!
//! What must come out is computed from the file alone and compared with what came out.

mod consume;
mod data;
mod drive;
mod flights;
mod ledger;
mod life;
mod order;
mod progress;
mod publish;
mod report;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use self::flights::{Flight, ROUTES};
use self::ledger::SharedLedger;
use self::report::Report;
use crate::run::Failure;

/// How the demo is run.
#[derive(Args)]
pub struct Demo {
    /// Flight records (JSON: date, delay, distance, origin, destination) in place of those of the npm package vega-datasets.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Only the first so many records.
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..))]
    records: Option<u32>,
    /// The package's large file: 200,000 records, on the routes of the small one.
    #[arg(long)]
    volume: bool,
    /// For when the broker and the consumers die.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Fail when it has not ended after so many seconds.
    #[arg(long, default_value_t = 300)]
    deadline: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Demo {
    /// Runs it; any difference is a failure.
    pub fn run(self) -> Result<(), Failure> {
        let mut flights = flights::load(self.file.as_deref(), self.volume)?;
        flights.truncate(self.records.map_or(usize::MAX, |records| records as usize));
        if flights.is_empty() {
            return Err("the file has no records".into());
        }
        let report = tokio::runtime::Runtime::new()?.block_on(self.report(Arc::new(flights)))?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            table::print(&report);
        }
        if report.faults == 0 { Ok(()) } else { Err(format!("{} differences", report.faults).into()) }
    }

    async fn report(&self, flights: Arc<Vec<Flight>>) -> Result<Report, Failure> {
        let ledger = SharedLedger::default();
        let course = drive::drive(flights.clone(), self.seed, ledger.clone());
        let course = tokio::time::timeout(Duration::from_secs(self.deadline), course).await;
        let course = course.map_err(|_| missing(&flights, &ledger, self.deadline))??;
        Ok(report::compare(&flights, &mut ledger.lock(), &course))
    }
}

/// What there was not at the deadline.
fn missing(flights: &[Flight], ledger: &SharedLedger, deadline: u64) -> String {
    let ledger = ledger.lock();
    let mut lines = vec![format!("not done after {deadline} s")];
    for route in &ROUTES {
        let came = ledger.queues.get(route.queue).map(|queue| queue.records.clone()).unwrap_or_default();
        let expected = route.expected(flights);
        let missing: Vec<&usize> = expected.difference(&came).collect();
        let first = &missing[..missing.len().min(5)];
        lines.push(format!(
            "{}: {} of {} records missing, the first {first:?}",
            route.queue,
            missing.len(),
            expected.len()
        ));
    }
    lines.extend(ledger.notes.iter().map(|(who, what)| format!("{who}: {what}")));
    lines.extend(ledger.faults.shown.iter().cloned());
    lines.join("\n")
}
