//! What a bench found: a table, the ratios that matter, or both as JSON.

use std::io;

use serde_json::{Value, json};

use super::load::Outcome;
use crate::output;

const MIB: f64 = 1048576.0;

/// One measurement.
pub struct Row {
    server: &'static str,
    scenario: &'static str,
    payload_bytes: usize,
    outcome: Outcome,
    pub messages_per_fsync: Option<f64>,
    pub cpu_seconds: Option<f64>,
    pub peak_memory_bytes: Option<u64>,
}

/// All of them, in order.
pub struct Report {
    pub payloads: Vec<usize>,
    rows: Vec<Row>,
}

impl Row {
    pub fn new(server: &'static str, scenario: &'static str, payload_bytes: usize, outcome: Outcome) -> Self {
        Self {
            server,
            scenario,
            payload_bytes,
            outcome,
            messages_per_fsync: None,
            cpu_seconds: None,
            peak_memory_bytes: None,
        }
    }

    fn bytes_per_second(&self) -> f64 {
        self.outcome.rate() * self.payload_bytes as f64
    }

    /// In microseconds.
    fn latency(&self, quantile: f64) -> u64 {
        self.outcome.latency.value_at_quantile(quantile)
    }

    fn json(&self) -> Value {
        json!({
            "server": self.server,
            "scenario": self.scenario,
            "payload_bytes": self.payload_bytes,
            "messages": self.outcome.messages,
            "seconds": self.outcome.seconds,
            "messages_per_second": self.outcome.rate(),
            "bytes_per_second": self.bytes_per_second(),
            "p50_us": self.latency(0.5),
            "p99_us": self.latency(0.99),
            "p999_us": self.latency(0.999),
            "messages_per_fsync": self.messages_per_fsync,
            "cpu_seconds": self.cpu_seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
        })
    }

    fn cells(&self) -> Vec<String> {
        let known = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
        let ms = |quantile| format!("{:.2}", self.latency(quantile) as f64 / 1000.0);
        vec![
            self.server.to_owned(),
            self.scenario.to_owned(),
            self.payload_bytes.to_string(),
            format!("{:.0}", self.outcome.rate()),
            format!("{:.1}", self.bytes_per_second() / 1e6),
            ms(0.5),
            ms(0.99),
            ms(0.999),
            known(self.messages_per_fsync, 1),
            known(self.cpu_seconds, 2),
            known(self.peak_memory_bytes.map(|bytes| bytes as f64 / MIB), 0),
        ]
    }
}

impl Report {
    pub fn new(payloads: Vec<usize>) -> Self {
        Self { payloads, rows: Vec::new() }
    }

    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub fn has_rows_of(&self, server: &str) -> bool {
        self.rows.iter().any(|row| row.server == server)
    }

    pub fn print(&self, as_json: bool) -> io::Result<()> {
        let ratios = self.ratios();
        if as_json {
            let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
            let ratios: serde_json::Map<_, _> = ratios.into_iter().map(|(name, r)| (name, json!(r))).collect();
            return output::value(&json!({ "measurements": rows, "ratios": ratios }), true);
        }
        let headings = [
            "SERVER",
            "SCENARIO",
            "BYTES",
            "MSG/S",
            "MB/S",
            "P50 MS",
            "P99 MS",
            "P99.9 MS",
            "MSG/FSYNC",
            "CPU S",
            "PEAK MIB",
        ];
        let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        output::table(&headings, &rows)?;
        println!();
        let ratios: Vec<_> = ratios.into_iter().map(|(name, ratio)| vec![name, format!("{ratio:.2}")]).collect();
        output::table(&["RATIO", ""], &ratios)
    }

    /// Each is the broker's share of what the disk, gRPC, or itself without fan-out allows.
    fn ratios(&self) -> Vec<(String, f64)> {
        let mut ratios = Vec::new();
        for &bytes in &self.payloads {
            let named = |name: &str, ratio: Option<f64>| ratio.map(|r| (format!("{name}, {bytes} B"), r));
            ratios.extend(named("stream / disk in 1 MiB appends (bytes)", self.of_disk(bytes)));
            ratios.extend(named("unary, 64 / no-op", self.of_noop("unary, 64", bytes)));
            ratios.extend(named("unary, 1: p50 / (no-op + one append)", self.one_caller(bytes)));
            ratios.extend(named("through, full / no-op", self.through(bytes)));
            ratios.extend(named("through, keyed / through, full", self.of("through, keyed", "through, full", bytes)));
            ratios.extend(named("drain, one stuck key / drain", self.of("drain, one stuck key", "drain", bytes)));
            ratios.extend(named("fan-out 100 / one queue", self.of("fan-out 100", "stream", bytes)));
        }
        ratios
    }

    fn of_disk(&self, bytes: usize) -> Option<f64> {
        let disk = self.find("disk", "append 1 MiB", 1 << 20)?;
        Some(self.find("broker", "stream", bytes)?.bytes_per_second() / disk.bytes_per_second())
    }

    fn of_noop(&self, scenario: &str, bytes: usize) -> Option<f64> {
        Some(self.rate("broker", scenario, bytes)? / self.rate("no-op", scenario, bytes)?)
    }

    fn one_caller(&self, bytes: usize) -> Option<f64> {
        let round_trip = self.find("no-op", "unary, 1", bytes)?.latency(0.5);
        let append = self.find("disk", "append 1 KiB", 1 << 10)?.latency(0.5);
        let broker = self.find("broker", "unary, 1", bytes)?.latency(0.5);
        Some(broker as f64 / (round_trip + append).max(1) as f64)
    }

    /// The no-op server does the three steps one after the other.
    fn through(&self, bytes: usize) -> Option<f64> {
        let mut seconds = 0.0;
        for step in ["stream", "deliver", "ack"] {
            seconds += 1.0 / self.rate("no-op", step, bytes)?;
        }
        Some(self.rate("broker", "through, full", bytes)? * seconds)
    }

    /// One of the broker's rates over another one.
    fn of(&self, scenario: &str, other: &str, bytes: usize) -> Option<f64> {
        Some(self.rate("broker", scenario, bytes)? / self.rate("broker", other, bytes)?)
    }

    fn rate(&self, server: &str, scenario: &str, bytes: usize) -> Option<f64> {
        Some(self.find(server, scenario, bytes)?.outcome.rate())
    }

    fn find(&self, server: &str, scenario: &str, bytes: usize) -> Option<&Row> {
        let matches = |row: &&Row| row.server == server && row.scenario == scenario && row.payload_bytes == bytes;
        self.rows.iter().find(matches)
    }
}
