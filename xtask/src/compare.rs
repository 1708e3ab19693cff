//! Whether a build is slower than an earlier one: the brokers of both are measured in turn, scenario by scenario, as the machine's own
//! speed changes, by the bench of the earlier one, so that what loads them is the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::run::{Failure, output, root};
use crate::server::Server;

/// What is measured at once: the scenarios whose names contain one of these. The less there is between the two that are compared, the
/// less the machine has changed meanwhile.
const SCENARIOS: [&str; 5] = ["unary, 1", "unary, 64", "stream", "through, ", "fan-out"];

/// Which builds are compared, and how.
#[derive(Args)]
pub struct Compare {
    /// The `ferrymq` program of the earlier build, whose bench loads both.
    old: PathBuf,
    /// The `ferrymq` program of the later one.
    new: PathBuf,
    /// How often each is measured, with brokers that nobody has used before.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,
    /// How long a whole bench would take, in seconds: a scenario is measured for a thirtieth of it.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Measure only the scenarios whose name contains this, such as `drain`. Default: all but the drains, a few at a time.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What one run of `ferrymq bench --json` prints, as far as it is wanted here.
#[derive(Deserialize)]
struct Run {
    measurements: Vec<Measurement>,
}

#[derive(Deserialize)]
struct Measurement {
    server: String,
    scenario: String,
    payload_bytes: u64,
    messages_per_second: f64,
    p50_us: f64,
}

/// Server, scenario, payload.
type Name = (String, String, u64);

/// New over old: one ratio for each pair of runs.
#[derive(Default)]
struct Ratios {
    rate: Vec<f64>,
    p50: Vec<f64>,
}

impl Compare {
    /// Measures both in turn, and prints what the medians are. Nothing else should run meanwhile.
    pub fn run(self) -> Result<(), Failure> {
        let (old, new) = (program(&self.old)?, program(&self.new)?);
        let (mut names, mut ratios) = (Vec::new(), BTreeMap::new());
        let scenarios = self.only.as_deref().map_or(SCENARIOS.to_vec(), |only| vec![only]);
        for number in 0..self.runs {
            let (old_broker, new_broker) = (Server::broker(&old)?, Server::broker(&new)?);
            for (nth, scenario) in scenarios.iter().enumerate() {
                let measure = |broker: &Server| self.measure(&old, broker, scenario);
                // Who is first changes, so that neither has the quieter machine.
                let (before, after) = match (number as usize + nth) % 2 {
                    0 => (measure(&old_broker)?, measure(&new_broker)?),
                    _ => {
                        let after = measure(&new_broker)?;
                        (measure(&old_broker)?, after)
                    }
                };
                pair(&before, &after, &mut names, &mut ratios);
            }
            eprintln!("{} of {}", number + 1, self.runs);
        }
        let rows: Vec<(Name, Ratios)> =
            names.into_iter().filter_map(|name| ratios.remove(&name).map(|ratios| (name, ratios))).collect();
        if self.json {
            println!("{}", Value::Array(rows.iter().map(in_json).collect()));
        } else {
            print(&rows);
        }
        Ok(())
    }

    fn measure(&self, load: &str, broker: &Server, scenario: &str) -> Result<Run, Failure> {
        let seconds = self.seconds.to_string();
        let how =
            ["bench", "--json", "--dir", "target", "--seconds", &seconds, "--only", scenario, "--url", broker.url()];
        Ok(serde_json::from_slice(&output(load, &how)?)?)
    }
}

fn program(path: &Path) -> Result<String, Failure> {
    std::fs::create_dir_all(root().join("target"))?;
    let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.to_str().ok_or("the path of a program is not UTF-8")?.to_owned())
}

/// Adds the ratios of one pair of runs; `names` keeps the order of the rows. A row that one build does not have is left out.
fn pair(before: &Run, after: &Run, names: &mut Vec<Name>, ratios: &mut BTreeMap<Name, Ratios>) {
    for new in &after.measurements {
        let is_same = |old: &&Measurement| old.name() == new.name();
        let Some(old) = before.measurements.iter().find(is_same) else { continue };
        if !names.contains(&new.name()) {
            names.push(new.name());
        }
        let row = ratios.entry(new.name()).or_default();
        row.rate.push(new.messages_per_second / old.messages_per_second);
        row.p50.push(new.p50_us / old.p50_us.max(1.0));
    }
}

impl Measurement {
    fn name(&self) -> Name {
        (self.server.clone(), self.scenario.clone(), self.payload_bytes)
    }
}

/// Least, median, most.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let half = sorted.len() / 2;
    let median = if sorted.len().is_multiple_of(2) { (at(half.wrapping_sub(1)) + at(half)) / 2.0 } else { at(half) };
    [at(0), median, at(sorted.len().wrapping_sub(1))]
}

fn in_json(((server, scenario, payload_bytes), ratios): &(Name, Ratios)) -> Value {
    let ([rate_least, rate, rate_most], [_, p50, _]) = (spread(&ratios.rate), spread(&ratios.p50));
    json!({
        "server": server,
        "scenario": scenario,
        "payload_bytes": payload_bytes,
        "runs": ratios.rate.len(),
        "rate_median": rate,
        "rate_least": rate_least,
        "rate_most": rate_most,
        "p50_median": p50,
    })
}

/// The disk and the server that does nothing say how much the machine itself changed.
fn print(rows: &[(Name, Ratios)]) {
    println!("new / old    server  scenario              bytes    rate: median   least    most    p50: median");
    for ((server, scenario, bytes), ratios) in rows {
        let ([least, rate, most], [_, p50, _]) = (spread(&ratios.rate), spread(&ratios.p50));
        let runs = ratios.rate.len();
        println!(
            "{runs:>4} pairs   {server:<7} {scenario:<21} {bytes:<8} {rate:>12.2} {least:>7.2} {most:>7.2} {p50:>14.2}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rows: &[(&str, f64)]) -> Run {
        let one = |(scenario, rate): &(&str, f64)| Measurement {
            server: "broker".into(),
            scenario: (*scenario).into(),
            payload_bytes: 100,
            messages_per_second: *rate,
            p50_us: 1_000.0 / rate,
        };
        Run { measurements: rows.iter().map(one).collect() }
    }

    #[test]
    fn rows_of_both_builds_are_compared_pair_by_pair() {
        let (mut names, mut ratios) = (Vec::new(), BTreeMap::new());
        for rate in [9.0, 11.0, 12.0] {
            let old = run(&[("stream", 10.0), ("gone", 1.0)]);
            pair(&old, &run(&[("new", 1.0), ("stream", rate)]), &mut names, &mut ratios);
        }
        assert_eq!(names, [("broker".into(), "stream".into(), 100)]);
        assert_eq!(spread(&ratios[&names[0]].rate), [0.9, 1.1, 1.2]);
        assert!((spread(&ratios[&names[0]].p50)[1] - 10.0 / 11.0).abs() < 1e-9);
    }

    #[test]
    fn an_even_number_has_its_median_between_two() {
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0])[1], 2.5);
        assert!(spread(&[]).iter().all(|value| value.is_nan()));
    }
}
