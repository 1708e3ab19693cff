//! What came out against what the file says, computed from the file alone.

use std::collections::{BTreeMap, BTreeSet};

use ferrymq_client::v1::{DeadLetterReason, Delivery};
use serde::Serialize;

use super::consume::REASON;
use super::drive::Course;
use super::flights::{Flight, ROUTES, Route};
use super::ledger::{Faults, Ledger, Place, QueueLedger, record_of};
use super::order;

/// All that the demo found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Records of the file.
    pub records: usize,
    /// Confirmed when the broker was killed, at least.
    pub confirmed_at_kill: usize,
    /// Until the broker was ready again.
    pub restart_ms: u128,
    /// Records that the publisher sent again, as the crash left them without a confirm.
    pub published_again: usize,
    /// Deliveries that consumers had when they died.
    pub dropped_by_consumers: u64,
    /// One for each queue.
    pub queues: Vec<Row>,
    /// How many things are wrong.
    pub faults: u64,
    /// The first of them.
    pub shown: Vec<String>,
}

/// One queue.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub queue: &'static str,
    /// What it takes.
    pub takes: String,
    /// Records of the file that it has to get.
    pub expected: usize,
    /// Records that came.
    pub received: usize,
    /// Messages that carry a record which had been stored before the crash already.
    pub stored_twice: usize,
    /// Deliveries beyond each message's first.
    pub duplicates: u64,
    /// Those of them with attempt 1: none allowed.
    pub unmarked: u64,
    /// Deliveries after an answered ack or reject: none allowed.
    pub came_back: u64,
    /// Airports whose flights came in the order of their dates; 0 where no order is kept.
    pub keys_in_order: usize,
    /// Records of the file that have to end as dead letters.
    pub dead_expected: usize,
    /// Records that ended as dead letters.
    pub dead: usize,
    /// Dead letters by reason; records stored twice are there twice.
    pub reasons: BTreeMap<String, usize>,
}

/// Holds the outcome against the file.
pub fn compare(flights: &[Flight], ledger: &mut Ledger, course: &Course) -> Report {
    let mut faults = std::mem::take(&mut ledger.faults);
    let queues = std::mem::take(&mut ledger.queues);
    let nothing = QueueLedger::default();
    let of = |route: &Route| queues.get(route.queue).unwrap_or(&nothing);
    let all = of(&ROUTES[0]);
    let rows = ROUTES.iter().map(|route| {
        let mut row = Compare { route, flights, ledger: of(route), faults: &mut faults };
        row.same_messages(all);
        row.row(course)
    });
    let queues = rows.collect();
    Report {
        records: flights.len(),
        confirmed_at_kill: course.confirmed_at_kill,
        restart_ms: course.restart.as_millis(),
        published_again: course.again.len(),
        dropped_by_consumers: ledger.dropped,
        queues,
        faults: faults.count,
        shown: faults.shown,
    }
}

struct Compare<'a> {
    route: &'a Route,
    flights: &'a [Flight],
    ledger: &'a QueueLedger,
    faults: &'a mut Faults,
}

impl Compare<'_> {
    fn row(&mut self, course: &Course) -> Row {
        let expected = self.route.expected(self.flights);
        self.differ("records", &expected, &self.ledger.records);
        let letters = course.letters.get(self.route.queue).map_or(&[][..], Vec::as_slice);
        let (unmarked, came_back) = (self.ledger.unmarked, self.ledger.came_back);
        self.none("duplicates came as attempt 1", unmarked);
        self.none("deliveries came after an answered ack or reject", came_back);
        Row {
            queue: self.route.queue,
            takes: self.route.rule(),
            expected: expected.len(),
            received: self.ledger.records.len(),
            stored_twice: self.stored_twice(course),
            duplicates: self.ledger.duplicates(),
            unmarked,
            came_back,
            keys_in_order: self.keys_in_order(),
            dead_expected: self.route.expected_dead(self.flights).len(),
            dead: self.dead_letters(letters),
            reasons: reasons(letters),
        }
    }

    /// A record may be there twice only if it was published again after the crash, and at most twice.
    fn stored_twice(&mut self, course: &Course) -> usize {
        let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
        self.ledger.messages.values().for_each(|seen| *copies.entry(seen.record).or_default() += 1);
        copies.retain(|_, copies| *copies > 1);
        for (record, copies) in &copies {
            if *copies > 2 || !course.again.contains(record) {
                self.fault(format!("record {record} is stored {copies} times, and was not published so often"));
            }
        }
        copies.len()
    }

    fn keys_in_order(&mut self) -> usize {
        if !self.route.keeps_order {
            return 0;
        }
        let (in_order, faults) =
            order::compare(&self.route.expected_order(self.flights), &self.ledger.came, self.flights);
        faults.into_iter().for_each(|fault| self.fault(fault));
        in_order
    }

    /// Every queue has the same messages of the topic, as far as the file says that they are its own.
    fn same_messages(&mut self, all: &QueueLedger) {
        let expected = self.route.expected(self.flights);
        let own = all.messages.iter().filter(|(_, seen)| expected.contains(&seen.record));
        let expected: BTreeSet<Place> = own.map(|(place, _)| *place).collect();
        self.differ("messages", &expected, &self.ledger.messages.keys().copied().collect());
    }

    /// Exactly one dead letter for each message with a late flight, rejected by this queue; returns how many records.
    fn dead_letters(&mut self, letters: &[Delivery]) -> usize {
        let (mut records, mut places) = (BTreeSet::new(), BTreeSet::new());
        for letter in letters {
            let Some((record, place)) = self.dead_letter(letter) else { continue };
            records.insert(record);
            if !places.insert(place) {
                self.fault(format!("record {record} is a dead letter twice"));
            }
        }
        self.differ("dead letters", &self.route.expected_dead(self.flights), &records);
        let late = self.ledger.messages.iter().filter(|(_, seen)| self.route.rejects(&self.flights[seen.record]));
        let late: BTreeSet<Place> = late.map(|(place, _)| *place).collect();
        self.differ("dead messages", &late, &places);
        records.len()
    }

    fn dead_letter(&mut self, letter: &Delivery) -> Option<(usize, Place)> {
        let record = record_of(letter, self.flights);
        let why = letter.dead_letter.as_ref().filter(|why| {
            why.reason() == DeadLetterReason::Rejected && why.queue == self.route.queue && why.description == REASON
        });
        let place = why.and_then(|why| why.position).map(|position| (position.log, position.offset));
        if record.is_none() || place.is_none() {
            self.fault(format!("a dead letter that is not one of those rejected: {letter:?}"));
        }
        record.zip(place)
    }

    fn differ<T: Ord + std::fmt::Debug>(&mut self, what: &str, expected: &BTreeSet<T>, found: &BTreeSet<T>) {
        let missing: Vec<&T> = expected.difference(found).take(5).collect();
        let unexpected: Vec<&T> = found.difference(expected).take(5).collect();
        if !missing.is_empty() || !unexpected.is_empty() {
            let (expected, found) = (expected.len(), found.len());
            self.fault(format!(
                "{what}: expected {expected}, found {found}; missing {missing:?}, unexpected {unexpected:?}"
            ));
        }
    }

    fn none(&mut self, what: &str, count: u64) {
        if count > 0 {
            self.fault(format!("{count} {what}"));
        }
    }

    fn fault(&mut self, fault: String) {
        self.faults.push(format!("{}: {fault}", self.route.queue));
    }
}

fn reasons(letters: &[Delivery]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for letter in letters {
        let reason = letter.dead_letter.as_ref().map(|why| why.reason()).unwrap_or_default();
        let name = reason.as_str_name().trim_start_matches("DEAD_LETTER_REASON_").to_owned();
        *reasons.entry(name).or_default() += 1;
    }
    reasons
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ferrymq_client::v1::{DeadLetter, Message, Position, SettleStatus};

    use super::*;
    use crate::demo::ledger::routing_key;

    /// Nobody flies from SFO or to LAX: those queues have nothing.
    fn flights() -> Vec<Flight> {
        let flight = |delay: i64| Flight {
            payload: format!("{{\"delay\":{delay}}}"),
            origin: "OAK".into(),
            destination: "ORD".into(),
            delay,
            date: String::new(),
        };
        vec![flight(1), flight(2), flight(99)]
    }

    fn delivery(flights: &[Flight], record: usize, offset: i64, attempt: i32) -> Delivery {
        let message = Message {
            message_id: record.to_string(),
            payload: flights[record].payload.clone().into(),
            routing_key: routing_key(&flights[record]),
            ordering_key: flights[record].origin.clone(),
            ..Message::default()
        };
        let position = Some(Position { log: 1, offset });
        Delivery { message: Some(message), position, attempt, ..Delivery::default() }
    }

    fn letter(flights: &[Flight], queue: &str, record: usize, offset: i64) -> Delivery {
        let why = DeadLetter {
            queue: queue.into(),
            reason: DeadLetterReason::Rejected.into(),
            description: REASON.into(),
            position: Some(Position { log: 1, offset }),
            ..DeadLetter::default()
        };
        Delivery { dead_letter: Some(why), ..delivery(flights, record, 0, 1) }
    }

    /// The faults of a course where these (record, offset, attempt) came, and these (record, offset) ended as dead letters.
    fn faults(came: &[(usize, i64, i32)], dead: &[(usize, i64)], again: &[usize]) -> Vec<String> {
        let flights = flights();
        let mut ledger = Ledger::default();
        for route in &ROUTES {
            let mut came: Vec<_> = came.iter().filter(|of| route.expected(&flights).contains(&of.0)).collect();
            if route.keeps_order {
                came.sort_by_key(|(_, offset, _)| *offset);
            }
            for (record, offset, attempt) in came {
                let delivery = delivery(&flights, *record, *offset, *attempt);
                ledger.receive(route.queue, &delivery, &flights);
                if *record == 0 {
                    ledger.settled(route.queue, &delivery, SettleStatus::Ok);
                }
            }
        }
        let letters_of = |route: &Route| {
            let dead = dead.iter().filter(|(record, _)| route.expected(&flights).contains(record));
            dead.map(|(record, offset)| letter(&flights, route.queue, *record, *offset)).collect()
        };
        let rejecting = ROUTES.iter().filter(|route| route.rejects_late);
        let letters = rejecting.map(|route| (route.queue, letters_of(route))).collect();
        let again = again.iter().copied().collect();
        let course = Course { again, confirmed_at_kill: 0, restart: Duration::ZERO, letters };
        compare(&flights, &mut ledger, &course).shown
    }

    const WHOLE: [(usize, i64, i32); 3] = [(0, 0, 1), (1, 1, 1), (2, 2, 1)];

    #[test]
    fn what_is_allowed_is_no_difference() {
        assert_eq!(faults(&WHOLE, &[(2, 2)], &[]), [""; 0]);
        let again = [&WHOLE[..], &[(1, 1, 2), (2, 3, 1)]].concat();
        assert_eq!(faults(&again, &[(2, 2), (2, 3)], &[2]), [""; 0]);
    }

    #[test]
    fn each_kind_of_difference_is_found() {
        let with = |more: (usize, i64, i32)| [&WHOLE[..], &[more]].concat();
        let cases = [
            ("missing [1]", faults(&[WHOLE[0], WHOLE[2]], &[(2, 2)], &[])),
            ("1 duplicates came as attempt 1", faults(&with((1, 1, 1)), &[(2, 2)], &[])),
            ("1 deliveries came after an answered ack", faults(&with((0, 0, 2)), &[(2, 2)], &[])),
            ("record 1 is stored 2 times", faults(&with((1, 3, 1)), &[(2, 2)], &[])),
            ("dead letters: expected 1, found 0", faults(&WHOLE, &[], &[])),
            ("unexpected [1]", faults(&WHOLE, &[(2, 2), (1, 1)], &[])),
            ("a dead letter twice", faults(&WHOLE, &[(2, 2), (2, 2)], &[])),
        ];
        for (expected, found) in cases {
            assert!(found.iter().any(|fault| fault.contains(expected)), "{expected}: {found:?}");
        }
    }
}
