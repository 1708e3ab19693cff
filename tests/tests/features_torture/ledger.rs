//! What the clients know of each queue, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrymq_client::v1::DeadLetterReason;

/// What each queue promises beside that nothing is lost or comes back.
pub const QUEUES: [&str; 10] = [ONCE, MOST, REJECTS, DROPS, KEYED, EVEN, BRIEF, BACK, SLOW, STILL];
/// Exactly once: an old delivery settles nothing.
pub const ONCE: &str = "once";
/// Taken at most once.
pub const MOST: &str = "most";
/// Full at [`ROOM`] messages; published to by itself.
pub const REJECTS: &str = "rejects";
/// The oldest goes beyond [`ROOM`] messages.
pub const DROPS: &str = "drops";
/// Each of [`KEYS`] keys in order.
pub const KEYED: &str = "keyed";
/// Filtered to even numbers.
pub const EVEN: &str = "even";
/// Messages live for [`TTL`].
pub const BRIEF: &str = "brief";
/// Goes back to a snapshot.
pub const BACK: &str = "back";
/// Delivers a burst of [`BURST`], and hardly anything beyond.
pub const SLOW: &str = "slow";
/// Paused until the end.
pub const STILL: &str = "still";

pub const ROOM: i64 = 30;
pub const KEYS: u64 = 5;
pub const TTL: Duration = Duration::from_millis(100);
pub const BURST: u32 = 5;

/// One queue, as its consumers see it.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Since it was last sent back.
    pub received: BTreeSet<u64>,
    /// Ack asked for: it may hold.
    pub asked: BTreeSet<u64>,
    /// Ack answered OK: it holds.
    pub acked: BTreeSet<u64>,
    /// Its dead letters.
    pub dead: BTreeSet<u64>,
    ever: BTreeSet<u64>,
    last_of_key: BTreeMap<u64, u64>,
    in_this_life: u32,
}

/// All of them.
#[derive(Debug)]
pub struct Ledger {
    pub queues: BTreeMap<&'static str, Seen>,
    /// Confirmed by the topic, and when.
    pub topic: BTreeMap<u64, Instant>,
    /// Confirmed by the queue that rejects.
    pub direct: BTreeSet<u64>,
    pub faults: Vec<String>,
    pub is_paused: bool,
    /// Ack ids of [`ONCE`] that settle nothing any more, once the broker has been killed.
    pub stale: Vec<Bytes>,
    /// Those that it has.
    pub old: Vec<Bytes>,
    next: u64,
    life_began: Instant,
}

/// A ledger in many hands.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    pub fn new() -> Self {
        let queues = QUEUES.iter().map(|queue| (*queue, Seen::default())).collect();
        let (topic, direct, faults) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Self(Arc::new(Mutex::new(Ledger {
            queues,
            topic,
            direct,
            faults,
            is_paused: true,
            stale: Vec::new(),
            old: Vec::new(),
            next: 0,
            life_began: Instant::now(),
        })))
    }

    pub fn with<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        change(&mut self.0.lock().expect("no thread of the test has panicked"))
    }
}

impl Seen {
    /// The queue was sent back to where it stood then: all whose ack nobody had asked for comes again.
    pub fn go_back(&mut self, then: Self) {
        (self.received, self.asked, self.acked) = (then.asked.clone(), then.asked, then.acked);
    }
}

impl Ledger {
    pub fn queue(&mut self, name: &'static str) -> &mut Seen {
        self.queues.entry(name).or_default()
    }

    /// Numbers that were never published before.
    pub fn take_numbers(&mut self, count: u64) -> Vec<u64> {
        self.next += count;
        (self.next - count..self.next).collect()
    }

    pub fn begin_life(&mut self) {
        self.life_began = Instant::now();
        self.old.append(&mut self.stale);
        self.queues.values_mut().for_each(|seen| seen.in_this_life = 0);
    }

    /// A delivery came.
    pub fn receive(&mut self, name: &'static str, number: u64, attempt: i32) {
        let expired = self.topic.get(&number).is_some_and(|confirmed| *confirmed + TTL < self.life_began);
        let (next, is_paused) = (self.next, self.is_paused);
        let seen = self.queues.entry(name).or_default();
        let is_new = seen.ever.insert(number);
        seen.received.insert(number);
        seen.in_this_life += 1;
        let last = seen.last_of_key.insert(number % KEYS, number);
        let wrong = [
            (number >= next, "was never published"),
            (seen.acked.contains(&number), "came back after its ack"),
            (seen.dead.contains(&number), "came back as a dead letter"),
            (!is_new && attempt <= 1, "came twice as attempt 1"),
            (!is_new && name == MOST, "came twice where it may come once at most"),
            (name == KEYED && last > Some(number), "came after a later one of its key"),
            (name == EVEN && number % 2 == 1, "came through a filter that it does not match"),
            (name == BRIEF && expired, "came after it had expired"),
            (name == SLOW && seen.in_this_life > BURST, "came faster than the rate"),
            (name == STILL && is_paused, "came from a queue that is paused"),
        ];
        let wrong = wrong.into_iter().filter(|(is_wrong, _)| *is_wrong);
        self.faults.extend(wrong.map(|(_, what)| format!("{name}: {number} {what}")));
    }

    /// An ack was answered OK.
    pub fn acked(&mut self, name: &'static str, number: u64) {
        if !self.queue(name).acked.insert(number) {
            self.faults.push(format!("{name}: {number} was settled twice"));
        }
    }

    /// A dead letter came.
    pub fn died(&mut self, name: &'static str, number: u64, reason: DeadLetterReason) {
        let due = if name == DROPS { DeadLetterReason::Overflow } else { DeadLetterReason::Expired };
        let seen = self.queues.entry(name).or_default();
        let wrong = [
            (!seen.dead.insert(number), "is a dead letter twice"),
            (seen.acked.contains(&number), "is a dead letter after its ack"),
            (reason != due, "is a dead letter for another reason"),
        ];
        let wrong = wrong.into_iter().filter(|(is_wrong, _)| *is_wrong);
        self.faults.extend(wrong.map(|(_, what)| format!("{name}: {number} {what}")));
    }

    /// Confirmed for a queue, and neither received nor dead.
    pub fn lost(&self, name: &'static str) -> Vec<u64> {
        let seen = &self.queues[name];
        let came = |number: &&u64| !seen.received.contains(number) && !seen.dead.contains(number);
        let matches = |number: &&u64| name != EVEN || number.is_multiple_of(2);
        if name == REJECTS {
            return self.direct.iter().filter(came).copied().collect();
        }
        self.topic.keys().filter(came).filter(matches).copied().collect()
    }
}

/// The checker itself: each kind of fault is seen, and what is allowed is not taken for one.
#[test]
fn the_ledger_sees_each_kind_of_fault() {
    let shared = Shared::new();
    shared.with(|ledger| {
        ledger.take_numbers(20);
        ledger.topic.extend((0..20).map(|number| (number, Instant::now())));
        for (queue, number, attempt) in [(ONCE, 0, 1), (ONCE, 0, 2), (KEYED, 0, 1), (KEYED, 0, 2), (KEYED, 5, 1)] {
            ledger.receive(queue, number, attempt);
        }
        ledger.acked(ONCE, 0);
        ledger.died(DROPS, 3, DeadLetterReason::Overflow);
        assert_eq!((ledger.faults.len(), ledger.lost(ONCE).len(), ledger.lost(DROPS).len()), (0, 19, 19));
        assert_eq!(ledger.lost(EVEN).len(), 10);
        let wrong: [fn(&mut Ledger); 11] = [
            |ledger| ledger.receive(BACK, 99, 1),
            |ledger| ledger.receive(ONCE, 0, 3),
            |ledger| ledger.receive(DROPS, 3, 2),
            |ledger| ledger.receive(KEYED, 5, 1),
            |ledger| (0..2).for_each(|attempt| ledger.receive(MOST, 1, 1 + attempt)),
            |ledger| ledger.receive(KEYED, 0, 3),
            |ledger| ledger.receive(EVEN, 1, 1),
            |ledger| (0..6).for_each(|number| ledger.receive(SLOW, number, 1)),
            |ledger| ledger.receive(STILL, 1, 1),
            |ledger| ledger.acked(ONCE, 0),
            |ledger| ledger.died(DROPS, 4, DeadLetterReason::Rejected),
        ];
        for (count, make) in wrong.iter().enumerate() {
            make(ledger);
            assert_eq!(ledger.faults.len(), count + 1, "{:#?}", ledger.faults);
        }
        ledger.life_began = Instant::now() + 2 * TTL;
        ledger.receive(BRIEF, 7, 1);
        assert_eq!(ledger.faults.last().map(String::as_str), Some("brief: 7 came after it had expired"));
    });
}
