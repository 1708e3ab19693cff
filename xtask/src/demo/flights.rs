//! The flights of the file, and what the file alone says must come out of each queue.

use std::collections::{BTreeMap, BTreeSet};
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
    /// When it was to leave, as text that sorts by time; empty where the file has none.
    pub date: String,
}

impl Flight {
    /// True for those that the rejecting consumers reject.
    pub fn is_late(&self) -> bool {
        self.delay > DELAY_MAX
    }
}

/// One of the queues: its rule for the broker, and the same in words that do not go through the broker.
pub struct Route {
    /// The queue.
    pub queue: &'static str,
    /// The group of the topic that it is; empty: a queue by itself.
    pub group: &'static str,
    /// As the broker is told.
    pub pattern: &'static str,
    /// The same, in CEL.
    pub filter: &'static str,
    /// Flights from one airport come one after the other.
    pub keeps_order: bool,
    /// Late flights are rejected.
    pub rejects_late: bool,
    takes: fn(&Flight) -> bool,
}

const PLAIN: Route =
    Route { queue: "", group: "", pattern: "#", filter: "", keeps_order: false, rejects_late: true, takes: |_| true };

/// The queues that the topic is fanned out to; the first gets everything.
pub static ROUTES: [Route; 6] = [
    Route { queue: "all", ..PLAIN },
    Route { queue: "from-sfo", pattern: "flights.SFO.*", takes: |flight| flight.origin == "SFO", ..PLAIN },
    Route { queue: "to-lax", pattern: "flights.*.LAX", takes: |flight| flight.destination == "LAX", ..PLAIN },
    Route {
        queue: "flights/board",
        group: "board",
        pattern: "flights.ORD.*",
        takes: |flight| flight.origin == "ORD",
        ..PLAIN
    },
    Route { queue: "late", filter: "json.delay > 60", takes: Flight::is_late, rejects_late: false, ..PLAIN },
    Route {
        queue: "by-origin",
        pattern: "flights.*.ORD",
        keeps_order: true,
        takes: |flight| flight.destination == "ORD",
        rejects_late: false,
        ..PLAIN
    },
];

impl Route {
    /// What it takes and how, for a person.
    pub fn rule(&self) -> String {
        let order = if self.keeps_order { ", in order by origin" } else { "" };
        let group = if self.group.is_empty() { "" } else { ", a group" };
        let takes = if self.filter.is_empty() { self.pattern } else { self.filter };
        format!("{takes}{group}{order}")
    }

    /// True if a consumer of it rejects this flight.
    pub fn rejects(&self, flight: &Flight) -> bool {
        self.rejects_late && flight.is_late()
    }

    /// The records from each airport, in the order in which they were to leave: what an ordered queue has to deliver.
    pub fn expected_order<'a>(&self, flights: &'a [Flight]) -> BTreeMap<&'a str, Vec<usize>> {
        let mut records: Vec<usize> = self.expected(flights).into_iter().collect();
        records.sort_by_key(|record| &flights[*record].date);
        let mut order: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for record in records {
            order.entry(&flights[record].origin).or_default().push(record);
        }
        order
    }

    /// The records that must come out of the queue, by their place in the file.
    pub fn expected(&self, flights: &[Flight]) -> BTreeSet<usize> {
        let all = flights.iter().enumerate();
        all.filter(|(_, flight)| (self.takes)(flight)).map(|(number, _)| number).collect()
    }

    /// Those of them that must end as dead letters.
    pub fn expected_dead(&self, flights: &[Flight]) -> BTreeSet<usize> {
        self.expected(flights).into_iter().filter(|number| self.rejects(&flights[*number])).collect()
    }
}

#[derive(Deserialize)]
struct Routed {
    #[serde(default)]
    date: String,
    delay: i64,
    origin: String,
    destination: String,
}

#[derive(Deserialize)]
struct Delayed {
    delay: i64,
}

/// Reads the records of `file`, else those of the package, in the order of their dates.
pub fn load(file: Option<&Path>, volume: bool) -> Result<Vec<Flight>, Failure> {
    let path = file.map_or_else(|| fetch("flights-20k.json"), |path| Ok(path.to_path_buf()))?;
    let mut routed = parse(&path, &|raw| {
        let Routed { date, delay, origin, destination } = serde_json::from_str(raw)?;
        Ok(Flight { payload: raw.to_owned(), origin, destination, delay, date })
    })?;
    routed.sort_by(|one, other| one.date.cmp(&other.date));
    if volume { load_volume(&routed) } else { Ok(routed) }
}

/// The large file has delays and distances, but no airports: each record flies a route of the small one, in turn.
fn load_volume(routed: &[Flight]) -> Result<Vec<Flight>, Failure> {
    let mut routes = routed.iter().cycle();
    let mut flights = parse(&fetch("flights-200k.json")?, &|raw| {
        let Delayed { delay } = serde_json::from_str(raw)?;
        let (origin, destination, date) = Default::default();
        Ok(Flight { payload: raw.to_owned(), origin, destination, delay, date })
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
        let text = r#"[{"date":"b","delay":60,"distance":1,"origin":"SFO","destination":"OAK"},
            {"date":"a","delay":61,"distance":1,"origin":"SFO","destination":"LAX"},
            {"date":"c","delay":-1,"distance":1,"origin":"LAX","destination":"SFO"}]"#;
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let flights = load(Some(file.path()), false).unwrap();
        let expected: Vec<_> = ROUTES.iter().map(|route| route.expected(&flights)).collect();
        let sets: [&[usize]; 6] = [&[0, 1, 2], &[0, 1], &[0], &[], &[0], &[]];
        assert_eq!(expected, sets.map(|records| BTreeSet::from_iter(records.iter().copied())));
        let dead: Vec<_> = ROUTES.iter().map(|route| route.expected_dead(&flights).len()).collect();
        assert_eq!(dead, [1, 1, 1, 0, 0, 0]);
        assert_eq!(ROUTES[0].expected_order(&flights), BTreeMap::from([("LAX", vec![2]), ("SFO", vec![0, 1])]));
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
