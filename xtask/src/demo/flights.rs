//! The flights of the file, and what the file alone says must come out of each queue.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::data::fetch;
use crate::run::Failure;

/// More minutes of delay than this, and a flight is rejected.
pub const DELAY_MAX: i64 = 60;

/// One record of the file.
#[derive(Debug)]
pub struct Flight {
    /// The record's own bytes.
    pub payload: String,
    /// Where it started.
    pub origin: String,
    /// Where it went.
    pub destination: String,
    /// Minutes.
    pub delay: i64,
}

impl Flight {
    /// True for those that the rejecting consumers reject.
    pub fn is_late(&self) -> bool {
        self.delay > DELAY_MAX
    }
}

/// One of the three queues: its pattern for the broker, and the same in words that do not go through the broker.
pub struct Route {
    /// The queue.
    pub queue: &'static str,
    /// As the broker is told.
    pub pattern: &'static str,
    takes: fn(&Flight) -> bool,
}

/// The queues that the topic is fanned out to.
pub const ROUTES: [Route; 3] = [
    Route { queue: "all", pattern: "#", takes: |_| true },
    Route { queue: "from-sfo", pattern: "flights.SFO.*", takes: |flight| flight.origin == "SFO" },
    Route { queue: "to-lax", pattern: "flights.*.LAX", takes: |flight| flight.destination == "LAX" },
];

impl Route {
    /// The records that must come out of the queue, by their place in the file.
    pub fn expected(&self, flights: &[Flight]) -> BTreeSet<usize> {
        let all = flights.iter().enumerate();
        all.filter(|(_, flight)| (self.takes)(flight)).map(|(number, _)| number).collect()
    }

    /// Those of them that must end as dead letters.
    pub fn expected_dead(&self, flights: &[Flight]) -> BTreeSet<usize> {
        self.expected(flights).into_iter().filter(|number| flights[*number].is_late()).collect()
    }
}

#[derive(Deserialize)]
struct Routed {
    delay: i64,
    origin: String,
    destination: String,
}

#[derive(Deserialize)]
struct Delayed {
    delay: i64,
}

/// Reads the records of `file`, else those of the package.
pub fn load(file: Option<&Path>, volume: bool) -> Result<Vec<Flight>, Failure> {
    let path = file.map_or_else(|| fetch("flights-20k.json"), |path| Ok(path.to_path_buf()))?;
    let routed = parse(&path, &|raw| {
        let Routed { delay, origin, destination } = serde_json::from_str(raw)?;
        Ok(Flight { payload: raw.to_owned(), origin, destination, delay })
    })?;
    if volume { load_volume(&routed) } else { Ok(routed) }
}

/// The large file has delays and distances, but no airports: each record flies a route of the small one, in turn.
fn load_volume(routed: &[Flight]) -> Result<Vec<Flight>, Failure> {
    let mut routes = routed.iter().cycle();
    let mut flights = parse(&fetch("flights-200k.json")?, &|raw| {
        let Delayed { delay } = serde_json::from_str(raw)?;
        Ok(Flight { payload: raw.to_owned(), origin: String::new(), destination: String::new(), delay })
    })?;
    for (flight, route) in flights.iter_mut().zip(&mut routes) {
        flight.origin.clone_from(&route.origin);
        flight.destination.clone_from(&route.destination);
    }
    Ok(flights)
}

type ParseOne<'a> = &'a dyn Fn(&str) -> Result<Flight, serde_json::Error>;

fn parse(path: &Path, one: ParseOne<'_>) -> Result<Vec<Flight>, Failure> {
    let wrong = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
    let content = fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let raws: Vec<&RawValue> = serde_json::from_str(&content).map_err(|error| wrong(&error))?;
    let flights = raws.into_iter().map(|raw| one(raw.get())).collect::<Result<Vec<_>, _>>();
    Ok(flights.map_err(|error| wrong(&error))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_queue_must_get_is_read_off_the_records() {
        let text = r#"[{"date":"a","delay":61,"distance":1,"origin":"SFO","destination":"LAX"},
            {"date":"b","delay":60,"distance":1,"origin":"SFO","destination":"OAK"},
            {"date":"c","delay":-1,"distance":1,"origin":"LAX","destination":"SFO"}]"#;
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let flights = load(Some(file.path()), false).unwrap();
        let expected = ROUTES.map(|route| route.expected(&flights));
        assert_eq!(expected, [BTreeSet::from([0, 1, 2]), BTreeSet::from([0, 1]), BTreeSet::from([0])]);
        assert!(ROUTES.iter().all(|route| route.expected_dead(&flights) == BTreeSet::from([0])));
        assert!(flights[1].payload.starts_with(r#"{"date":"b""#));
    }

    #[test]
    fn a_record_without_an_airport_is_named_by_file_and_field() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), r#"[{"delay":1}]"#).unwrap();
        let failure = load(Some(file.path()), false).unwrap_err().to_string();
        assert!(failure.contains("origin") && failure.contains(&file.path().display().to_string()), "{failure}");
    }
}
