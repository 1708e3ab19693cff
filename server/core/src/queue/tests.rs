//! The machine against a naive model that shares no code with it: plain maps of what a broker owes for each message.

use std::collections::{BTreeMap, BTreeSet};

mod far;
mod given_back;
mod gone;
mod letters;
mod look;
mod order;
mod overflow;
mod promises;

use super::*;
use crate::QueueId;
use crate::cursor::Cursor;

const LOGS: [LogId; 2] = [LogId(10), LogId(11)];
const MAX_ATTEMPTS: u32 = 4;

/// A small deterministic generator (splitmix64, Steele et al. 2014).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What is owed for one message.
#[derive(Default, Clone, Debug)]
struct Owed {
    deliveries: u32,
    failures_max: u32,
    acked: bool,
    dead: bool,
    /// A seek may have counted it as delivered.
    sought: bool,
    expires: Millis,
}

/// What has been handed in to be committed: the outbox, the acks in it, and a seek or a purge at its end.
type Handed = (Outbox, Vec<(LogId, Offset)>, Moved);

enum Moved {
    Not,
    Sought(LogId, Offset, Vec<(Offset, Offset)>),
    Purged(Vec<(LogId, Offset)>),
}

/// A message as it lies in a log.
#[derive(Clone, Copy, Debug)]
struct Published {
    commit: CommitNo,
    log: LogId,
    offset: Offset,
    matches: bool,
    key: u64,
}

struct World {
    ordering: Ordering,
    /// Seeks are among what happens.
    seeks: bool,
    seed: Seeded,
    now: Millis,
    machine: QueueMachine,
    /// On disk: the cursors as the committed records make them.
    disk: BTreeMap<LogId, Cursor>,
    published: Vec<Published>,
    offered: usize,
    /// Where the reading for keys that forgot their messages stands.
    again: Option<BTreeMap<LogId, Offset>>,
    streak: order::Streak,
    committing: Vec<Handed>,
    acks_taken: Vec<(LogId, Offset)>,
    owed: BTreeMap<(LogId, Offset), Owed>,
    held: Vec<Assignment>,
    consumers: Vec<ConsumerId>,
    /// Consumers without a stream, which may come back.
    kept: Vec<ConsumerId>,
    crashed: bool,
    dead_letter_expired: bool,
    promises: promises::Promises,
}

fn config(dead_letter_expired: bool) -> QueueConfig {
    QueueConfig {
        lease_ms: 1_000,
        max_lease_ms: 5_000,
        max_attempts: MAX_ATTEMPTS,
        min_backoff_ms: 10,
        max_backoff_ms: 100,
        multiplier: 2.0,
        dead_letter_expired,
        ordering: Ordering::None,
        rate: None,
    }
}

fn machine(disk: &BTreeMap<LogId, Cursor>) -> QueueMachine {
    machine_with(config(false), disk)
}

fn machine_with(config: QueueConfig, disk: &BTreeMap<LogId, Cursor>) -> QueueMachine {
    let mut machine = QueueMachine::new(QueueId(1), config, 7);
    for log in LOGS {
        machine.add_source(log, disk.get(&log).cloned().unwrap_or_default());
    }
    machine
}

/// Of which a key parks little, so that it soon has to read again, and in which few messages wait.
fn small_machine(disk: &BTreeMap<LogId, Cursor>, config: QueueConfig) -> QueueMachine {
    let mut machine = machine_with(config, disk);
    machine.keys.bounds = lane::Bounds { each: 3, all: 5 };
    machine.far.bounds = self::far::bounds();
    machine
}

impl World {
    fn ordered(seed: u64, ordering: Ordering) -> Self {
        let disk = BTreeMap::new();
        let dead_letter_expired = seed.is_multiple_of(2);
        let promises = promises::Promises::new(seed);
        let config = QueueConfig { ordering, rate: promises.rate, ..config(dead_letter_expired) };
        Self {
            ordering,
            seeks: ordering == Ordering::None || (ordering == Ordering::Key && seed.is_multiple_of(2)),
            seed: Seeded(seed),
            now: 1_000_000,
            machine: small_machine(&disk, config),
            disk,
            published: Vec::new(),
            offered: 0,
            again: None,
            streak: order::Streak::default(),
            committing: Vec::new(),
            acks_taken: Vec::new(),
            owed: BTreeMap::new(),
            held: Vec::new(),
            consumers: Vec::new(),
            kept: Vec::new(),
            crashed: false,
            dead_letter_expired,
            promises,
        }
    }

    fn step(&mut self) {
        match self.seed.below(23) {
            0 | 1 => self.publish(),
            2 | 3 => self.offer(),
            4 => self.come(),
            5 => self.go(),
            6 | 7 => self.deliver(),
            8 | 9 => self.ack(),
            10 => self.nack(),
            11 => self.commit(),
            12 if self.seed.below(6) == 0 => self.purge(),
            12 => self.pass_time(),
            13 if self.seeks && self.seed.below(3) == 0 => self.seek(),
            14 => self.read_again(),
            15 => self.change_window(),
            16 => self.part(),
            17 => self.resume(),
            18 if self.seed.below(2) == 0 => self.drop_overflow(),
            19 if self.seed.below(2) == 0 => self.ack_of_earlier_life(),
            20 => self.read_far(),
            21 if self.seed.below(4) == 0 => self.give_up(),
            _ if self.seed.below(6) == 0 => self.crash(),
            _ if self.seed.below(6) == 0 => self.stop(),
            _ => self.pull(),
        }
        self.check_depth();
        self.check_given_up();
    }

    fn publish(&mut self) {
        let log = LOGS[self.seed.below(2) as usize];
        let offset = self.published.iter().filter(|m| m.log == log).count() as u64;
        let commit = CommitNo(self.published.len() as u64 + 1);
        let matches = self.seed.below(4) > 0;
        let key = self.seed.below(4);
        self.published.push(Published { commit, log, offset, matches, key });
        if matches {
            let expires = if self.seed.below(3) == 0 { self.now + self.seed.below(6_000) } else { NEVER };
            self.owed.insert((log, offset), Owed { expires, ..Owed::default() });
            self.promises.came(offset);
        }
    }

    fn entry(&self, message: Published) -> Entry {
        let Published { commit, log, offset, key, .. } = message;
        Entry {
            commit,
            log,
            offset,
            bytes: promises::bytes_of(offset),
            expires: self.owed[&(log, offset)].expires,
            key,
        }
    }

    fn offer(&mut self) {
        while self.offered < self.published.len() && self.machine.room() > 0 {
            let message = self.published[self.offered];
            self.offered += 1;
            if message.matches {
                self.machine.offer(self.entry(message));
            } else {
                self.machine.passed(message.log, message.offset + 1);
            }
        }
    }

    fn come(&mut self) {
        let window = Window { messages: 1 + self.seed.below(5) as u32, bytes: 5 + self.seed.below(40) };
        let mode = if self.seed.below(2) == 0 { LeaseMode::Stream } else { LeaseMode::Timed };
        let consumer = self.machine.add_consumer(window, 1_000, mode);
        self.promises.windows.insert(consumer, window);
        self.consumers.push(consumer);
    }

    fn go(&mut self) {
        let Some(index) = self.any(self.consumers.len()) else { return };
        self.leave(index);
    }

    fn is_with(&self, held: &Assignment) -> bool {
        self.machine.held.get(&(held.log, held.offset)).is_some_and(|of| of.delivery == held.delivery)
    }

    fn leave(&mut self, index: usize) {
        let consumer = self.consumers.swap_remove(index);
        let lost = self.seed.below(2) == 0;
        for assignment in self.held.iter().filter(|held| held.consumer == consumer && lost) {
            self.owed.get_mut(&(assignment.log, assignment.offset)).unwrap().failures_max += 1;
        }
        self.machine.remove_consumer(consumer, if lost { End::Lost } else { End::BrokerEnded }, self.now);
    }

    fn change_window(&mut self) {
        let Some(index) = self.any(self.consumers.len()) else { return };
        let window = Window { messages: self.seed.below(6) as u32, bytes: 5 + self.seed.below(40) };
        assert!(self.machine.set_window(self.consumers[index], window));
        self.promises.windows.insert(self.consumers[index], window);
    }

    /// A stream breaks, and what it held is kept for it.
    fn part(&mut self) {
        let Some(index) = self.any(self.consumers.len()) else { return };
        let consumer = self.consumers.swap_remove(index);
        assert!(self.machine.set_window(consumer, Window { messages: 0, bytes: 1 }));
        self.kept.push(consumer);
    }

    /// It comes back and still holds some; or it never does.
    fn resume(&mut self) {
        let Some(index) = self.any(self.kept.len()) else { return };
        let consumer = self.kept.swap_remove(index);
        self.consumers.push(consumer);
        if self.seed.below(3) == 0 {
            return self.leave(self.consumers.len() - 1);
        }
        let mine: Vec<Assignment> = self.held.iter().filter(|held| held.consumer == consumer).copied().collect();
        let (still, lost): (Vec<_>, Vec<_>) = mine.into_iter().partition(|_| self.seed.below(2) == 0);
        let numbers = still.iter().map(|held| held.delivery).collect();
        let before: Vec<bool> = still.iter().map(|held| self.is_with(held)).collect();
        let window = Window { messages: 1 + self.seed.below(5) as u32, bytes: 5 + self.seed.below(40) };
        self.promises.windows.insert(consumer, window);
        assert!(self.machine.resume_consumer(consumer, (window, 1_000, LeaseMode::Stream), &numbers, self.now));
        assert!(!lost.iter().any(|held| self.is_with(held)), "what was lost on the way is still leased");
        let after: Vec<bool> = still.iter().map(|held| self.is_with(held)).collect();
        if self.ordering == Ordering::Strict {
            // What was lost takes back what is behind it.
            assert!(after.iter().zip(&before).all(|(after, before)| *before || !*after));
        } else {
            assert_eq!(after, before, "what a consumer still holds was taken from it");
        }
        let load = self.machine.loads(&[consumer])[0];
        assert_eq!((load.window, load.unsettled as usize), (window, after.iter().filter(|is| **is).count()));
    }

    fn deliver(&mut self) {
        let mut out = Vec::new();
        self.machine.deliver(self.now, &mut out);
        assert!(out.iter().all(|assignment| self.consumers.contains(&assignment.consumer)));
        let served: BTreeSet<ConsumerId> = out.iter().map(|assignment| assignment.consumer).collect();
        self.sent(out);
        self.check_windows(&served);
    }

    fn pull(&mut self) {
        let mut out = Vec::new();
        self.machine.pull(3, 25, 500, self.now, &mut out);
        assert!(out.len() <= 3);
        self.sent(out.clone());
        // Its caller may have gone.
        if self.seed.below(4) == 0 {
            self.machine.take_back(&out, self.now);
            self.held.retain(|held| !out.contains(held));
            self.break_where_leases_ended();
        }
    }

    fn sent(&mut self, out: Vec<Assignment>) {
        for assignment in out {
            let owed = self.owed.get_mut(&(assignment.log, assignment.offset)).expect("only what matches is delivered");
            assert!(!owed.acked, "an acked message came back: {assignment:?}");
            assert!(!owed.dead, "a dead letter came back: {assignment:?}");
            assert!(owed.expires > self.now, "an expired message was delivered: {assignment:?}");
            owed.deliveries += 1;
            self.promises.sent(&assignment, self.now);
            assert!(owed.deliveries == 1 || assignment.attempt > 1, "a duplicate does not say so: {assignment:?}");
            let is_exact = !self.crashed && !owed.sought;
            assert!(!is_exact || assignment.attempt == owed.deliveries, "without a crash attempts are exact");
            match self.ordering {
                Ordering::None => {}
                Ordering::Key => self.check_key_order(&assignment),
                Ordering::Strict => self.check_strict_order(&assignment),
            }
            self.held.push(assignment);
        }
    }

    fn any(&mut self, len: usize) -> Option<usize> {
        (len > 0).then(|| self.seed.below(len as u64) as usize)
    }

    fn ack(&mut self) {
        let Some(from) = self.any(self.held.len()) else { return };
        if self.promises.exactly_once || self.seed.below(4) == 0 {
            return self.take(from);
        }
        let upto = self.held.len().min(from + 1 + self.seed.below(4) as usize);
        let acked: Vec<_> = self.held.drain(from..upto).map(|held| (held.log, held.offset)).collect();
        let statuses = self.machine.ack_all(acked.iter().copied());
        assert_eq!(statuses.len(), acked.len());
        for (place, status) in acked.into_iter().zip(statuses) {
            match status {
                SettleStatus::Ok => self.acks_taken.push(place),
                SettleStatus::AlreadySettled => {}
                SettleStatus::Gone if self.may_be_gone(place) => {}
                other => panic!("an ack got {other:?}"),
            }
        }
    }

    fn nack(&mut self) {
        let Some(index) = self.any(self.held.len()) else { return };
        let held = self.held.swap_remove(index);
        let mode = [NackMode::Release, NackMode::Retry, NackMode::Reject][self.seed.below(3) as usize];
        let status = self.machine.nack((held.log, held.offset), held.delivery, mode, None, "no", self.now);
        if status == SettleStatus::Ok && mode == NackMode::Reject {
            self.given_up(held.log, held.offset);
        } else if status == SettleStatus::Ok {
            self.broken_at(held.log, held.offset);
        }
        if status == SettleStatus::Ok && mode == NackMode::Retry {
            self.owed.get_mut(&(held.log, held.offset)).unwrap().failures_max += 1;
        }
    }

    /// Takes what is to be committed.
    fn hand_in(&mut self) {
        if let Some(outbox) = self.machine.take_outbox() {
            self.promises.left(outbox.freed);
            self.committing.push((outbox, std::mem::take(&mut self.acks_taken), Moved::Not));
        }
    }

    /// The same; with luck some of it reaches the disk.
    fn commit(&mut self) {
        self.hand_in();
        for _ in 0..self.seed.below(3) {
            self.reach_disk();
        }
    }

    fn reach_disk(&mut self) {
        if self.committing.is_empty() {
            return;
        }
        let (outbox, acks, moved) = self.committing.remove(0);
        for record in &outbox.records {
            self.disk.entry(record.log).or_default().apply(&record.change);
        }
        for letter in &outbox.dead_letters {
            let owed = self.owed.get_mut(&(letter.log, letter.offset)).unwrap();
            assert!(!owed.acked && !owed.dead, "given up twice, or after its ack: {letter:?}");
            if letter.reason == DeadLetterReason::MaxAttempts {
                assert!(owed.failures_max >= MAX_ATTEMPTS, "given up after {} failures", owed.failures_max);
            }
            if letter.reason == DeadLetterReason::Expired {
                assert!(self.dead_letter_expired && owed.expires <= self.now, "expired too early: {letter:?}");
            }
            owed.dead = true;
        }
        for key in acks {
            self.owed.get_mut(&key).unwrap().acked = true;
            self.promises.done(key);
        }
        match moved {
            Moved::Not => {}
            Moved::Sought(log, floor, settled) => self.sought(log, floor, &settled),
            Moved::Purged(purged) => purged.iter().for_each(|key| self.owed.get_mut(key).unwrap().acked = true),
        }
        self.machine.committed(outbox.ticket, self.now);
    }

    /// Somewhere between the log's start and its end, now and then with a few settled above, as of a snapshot.
    fn seek(&mut self) {
        let log = LOGS[self.seed.below(2) as usize];
        let end = self.published.iter().filter(|m| m.log == log).count() as u64;
        let floor = self.seed.below(end + 1);
        let from = floor + self.seed.below(4);
        let settled = if from < end && self.seed.below(3) == 0 { vec![(from, from + 1)] } else { Vec::new() };
        self.hand_in();
        self.machine.seek(log, floor, &settled);
        self.check_sought(log, floor, &settled);
        let outbox = self.machine.take_outbox().expect("a seek is on record");
        assert!(outbox.dead_letters.is_empty());
        self.machine.forget_unread();
        self.count_anew();
        self.committing.push((outbox, std::mem::take(&mut self.acks_taken), Moved::Sought(log, floor, settled)));
        self.held.retain(|held| held.log != log);
        self.promises.forget_ids(log);
        (self.offered, self.again) = (0, None);
    }

    /// A seek is durable: what lies behind it is owed again, what lies before it no more.
    fn sought(&mut self, log: LogId, floor: Offset, settled: &[(Offset, Offset)]) {
        for ((_, offset), owed) in self.owed.range_mut((log, 0)..=(log, Offset::MAX)) {
            let is_done = *offset < floor || settled.iter().any(|(from, to)| (*from..*to).contains(offset));
            (owed.acked, owed.dead, owed.failures_max, owed.sought) = (is_done, false, 0, true);
        }
        self.promises.sought(log);
    }

    fn pass_time(&mut self) {
        self.now += self.seed.below(2_000);
        // Any lease may have ended: a failure that the model cannot see is allowed for.
        for held in &self.held {
            self.owed.get_mut(&(held.log, held.offset)).unwrap().failures_max += 1;
        }
        self.machine.tick(self.now);
        self.break_where_leases_ended();
    }

    /// What is not on disk is gone.
    fn crash(&mut self) {
        self.committing.clear();
        self.acks_taken.clear();
        self.keep_ids();
        self.held.clear();
        self.consumers.clear();
        self.kept.clear();
        self.crashed = true;
        self.begin_life();
    }

    fn begin_life(&mut self) {
        let rate = self.promises.rate;
        let config = QueueConfig { ordering: self.ordering, rate, ..config(self.dead_letter_expired) };
        self.machine = small_machine(&self.disk, config);
        (self.offered, self.again) = (0, None);
        self.streak = order::Streak::default();
        self.promises.begin_life();
        self.count_anew();
    }

    /// A clean stop and a start: nothing is in doubt behind it.
    fn stop(&mut self) {
        self.machine.release_all(self.now);
        self.hand_in();
        self.machine.lower_sent();
        self.hand_in();
        while !self.committing.is_empty() {
            self.reach_disk();
        }
        self.held.clear();
        self.consumers.clear();
        self.kept.clear();
        self.begin_life();
    }

    /// In the end everything that matched is acked or dead, and nothing else is.
    fn drain(&mut self) {
        for consumer in std::mem::take(&mut self.kept) {
            self.machine.remove_consumer(consumer, End::BrokerEnded, self.now);
        }
        let window = Window { messages: 50, bytes: 1 << 20 };
        self.consumers.push(self.machine.add_consumer(window, 1_000, LeaseMode::Stream));
        for consumer in &self.consumers {
            assert!(self.machine.set_window(*consumer, window));
            self.promises.windows.insert(*consumer, window);
        }
        for _ in 0..200 {
            self.now += 10_000;
            for held in &self.held {
                self.owed.get_mut(&(held.log, held.offset)).unwrap().failures_max += 1;
            }
            self.machine.tick(self.now);
            self.break_where_leases_ended();
            self.offer();
            self.read_again();
            self.read_far();
            self.machine.tick(self.now);
            self.deliver();
            while !self.held.is_empty() {
                self.ack();
            }
            self.commit();
            while !self.committing.is_empty() {
                self.reach_disk();
            }
        }
        let may_be_gone = |owed: &Owed| owed.expires <= self.now && !self.dead_letter_expired;
        let left: Vec<_> =
            self.owed.iter().filter(|(_, owed)| !owed.acked && !owed.dead && !may_be_gone(owed)).collect();
        assert!(left.is_empty(), "lost: {left:?}");
        let stats = self.machine.stats();
        assert_eq!((stats.ready, stats.unsettled, stats.backing_off), (0, 0, 0));
        self.promises.check_empty();
        for log in LOGS {
            let end = self.published.iter().filter(|m| m.log == log).count() as u64;
            let open: BTreeSet<u64> = (0..end).filter(|o| !self.machine.cursor(log).unwrap().is_settled(*o)).collect();
            assert!(open.is_empty(), "never settled: {open:?}");
        }
    }
}

#[test]
fn random_histories_keep_every_promise() {
    for seed in 0..4_000 {
        let mut world = World::ordered(seed, Ordering::None);
        for step in 0..150 {
            world.step();
            if step % 10 == 0 {
                world.look_at_all();
            }
        }
        world.drain();
    }
}

fn one_message() -> (QueueMachine, Assignment) {
    let mut machine = machine(&BTreeMap::new());
    machine.offer(Entry { commit: CommitNo(1), log: LOGS[0], offset: 0, bytes: 10, expires: NEVER, key: 0 });
    machine.add_consumer(Window { messages: 1, bytes: 100 }, 1_000, LeaseMode::Timed);
    let mut out = Vec::new();
    machine.deliver(0, &mut out);
    assert!(out.is_empty(), "nothing goes out before the bound is durable");
    let outbox = machine.take_outbox().unwrap();
    machine.committed(outbox.ticket, 0);
    machine.deliver(0, &mut out);
    let assignment = out[0];
    (machine, assignment)
}

#[test]
fn a_failure_is_durable_before_the_message_goes_out_again() {
    let (mut machine, held) = one_message();
    let key = (held.log, held.offset);
    assert_eq!(machine.nack(key, held.delivery, NackMode::Retry, Some(0), "", 0), SettleStatus::Ok);
    let mut out = Vec::new();
    machine.tick(10);
    machine.deliver(10, &mut out);
    assert!(out.is_empty());
    let outbox = machine.take_outbox().unwrap();
    machine.committed(outbox.ticket, 10);
    machine.deliver(10, &mut out);
    assert_eq!((out.len(), out[0].attempt), (1, 2));
}

#[test]
fn a_late_nack_does_nothing_and_a_late_ack_settles() {
    let (mut machine, held) = one_message();
    machine.tick(1_000);
    let key = (held.log, held.offset);
    assert_eq!(machine.nack(key, held.delivery, NackMode::Reject, None, "", 1_000), SettleStatus::LeaseLost);
    assert_eq!(machine.extend(held.log, held.offset, held.delivery, None, 1_000), SettleStatus::LeaseLost);
    assert_eq!(machine.ack(held.log, held.offset), SettleStatus::Ok);
    assert_eq!(machine.ack(held.log, held.offset), SettleStatus::AlreadySettled);
    assert_eq!(machine.stats().backing_off, 0);
}

#[test]
fn a_lease_can_be_prolonged_up_to_the_longest() {
    let (mut machine, held) = one_message();
    assert_eq!(machine.extend(held.log, held.offset, held.delivery, Some(100_000), 900), SettleStatus::Ok);
    machine.tick(4_999);
    assert_eq!(machine.stats().unsettled, 1);
    machine.tick(5_000);
    assert_eq!(machine.stats().leases_lost, 1);
}

#[test]
fn a_busy_consumer_does_not_hoard() {
    let (mut machine, _) = one_message();
    let second = machine.add_consumer(Window { messages: 10, bytes: 1_000 }, 1_000, LeaseMode::Stream);
    for offset in 1..4 {
        machine.offer(Entry { commit: CommitNo(1 + offset), log: LOGS[0], offset, bytes: 10, expires: NEVER, key: 0 });
    }
    let mut out = Vec::new();
    machine.deliver(0, &mut out);
    assert_eq!(out.iter().map(|a| a.consumer).collect::<Vec<_>>(), vec![second; 3]);
}

#[test]
fn purge_settles_what_waits_but_not_what_is_held() {
    let (mut machine, held) = one_message();
    for offset in 1..4 {
        machine.offer(Entry { commit: CommitNo(1 + offset), log: LOGS[0], offset, bytes: 10, expires: NEVER, key: 0 });
    }
    machine.purge(LOGS[0], 4);
    assert_eq!((machine.stats().ready, machine.stats().unsettled), (0, 1));
    assert_eq!(machine.ack(held.log, held.offset), SettleStatus::Ok);
    assert_eq!(machine.cursor(LOGS[0]).unwrap().floor(), 4);
}

#[test]
fn the_oldest_of_a_log_are_given_up_below_a_place_but_not_what_is_held() {
    let (mut machine, held) = one_message();
    for offset in 1..4 {
        machine.offer(Entry { commit: CommitNo(1 + offset), log: LOGS[0], offset, bytes: 10, expires: NEVER, key: 0 });
    }
    machine.give_up_below(LOGS[1], 4);
    machine.give_up_below(LOGS[0], 3);
    assert!(!machine.drop_given_up(), "that was all");
    let stats = machine.stats();
    assert_eq!((stats.ready, stats.unsettled, stats.overflowed), (1, 1, 2));
    let letters = machine.take_outbox().unwrap().dead_letters;
    let given_up: Vec<_> = letters.iter().map(|letter| (letter.offset, letter.reason)).collect();
    assert_eq!(given_up, [(1, DeadLetterReason::Overflow), (2, DeadLetterReason::Overflow)]);
    assert_eq!(machine.ack(held.log, held.offset), SettleStatus::Ok);
    assert_eq!(machine.cursor(LOGS[0]).unwrap().floor(), 3);
}

#[test]
fn timers_of_settled_messages_do_not_pile_up() {
    let (mut machine, held) = one_message();
    machine.ack(held.log, held.offset);
    for offset in 1..20_000 {
        machine.offer(Entry { commit: CommitNo(1 + offset), log: LOGS[0], offset, bytes: 10, expires: NEVER, key: 0 });
        let mut out = Vec::new();
        machine.deliver(0, &mut out);
        if let Some(outbox) = machine.take_outbox() {
            machine.committed(outbox.ticket, 0);
            machine.deliver(0, &mut out);
        }
        assert_eq!(out.len(), 1);
        assert_eq!(machine.ack(LOGS[0], offset), SettleStatus::Ok);
        assert!(machine.timers.len() <= 1_025, "{} timers", machine.timers.len());
    }
}

#[test]
fn what_expires_leaves_from_any_place_and_what_is_held_may_still_be_acked() {
    let (mut machine, held) = one_message();
    for (offset, expires) in [(1, NEVER), (2, 500), (3, 400)] {
        machine.offer(Entry { commit: CommitNo(1 + offset), log: LOGS[0], offset, bytes: 10, expires, key: 0 });
    }
    assert_eq!(machine.next_timer(), Some(400));
    machine.tick(499);
    assert_eq!((machine.stats().ready, machine.stats().expired), (2, 1));
    machine.tick(500);
    assert_eq!((machine.stats().ready, machine.stats().expired), (1, 2));
    assert!(machine.take_outbox().unwrap().dead_letters.is_empty());
    assert_eq!(machine.ack(held.log, held.offset), SettleStatus::Ok);
}

#[test]
fn an_ack_finds_that_its_message_has_expired() {
    let mut machine = machine(&BTreeMap::from([(LOGS[0], Cursor::default())]));
    machine.offer(Entry { commit: CommitNo(1), log: LOGS[0], offset: 0, bytes: 10, expires: 1_500, key: 0 });
    let mut out = Vec::new();
    machine.pull(1, 100, 1_000, 0, &mut out);
    let outbox = machine.take_outbox().unwrap();
    machine.committed(outbox.ticket, 0);
    machine.pull(1, 100, 1_000, 0, &mut out);
    let held = out[0];
    // The lease ends, and the message expires while it waits for its next attempt.
    machine.tick(1_000);
    machine.tick(1_500);
    assert_eq!(machine.ack(held.log, held.offset), SettleStatus::Gone);
    let key = (held.log, held.offset);
    assert_eq!(machine.nack(key, held.delivery, NackMode::Retry, None, "", 1_500), SettleStatus::Gone);
    assert_eq!(machine.stats().expired, 1);
}

#[test]
fn no_more_goes_out_than_the_rate_allows_to_streams_and_pulls_alike() {
    let config = QueueConfig { rate: Some(Rate { per_second: 2.0, burst: 3 }), ..config(false) };
    let mut machine = machine_with(config, &BTreeMap::from([(LOGS[0], Cursor::default())]));
    machine.add_consumer(Window { messages: 3, bytes: 1_000 }, 100_000, LeaseMode::Timed);
    for offset in 0..10 {
        machine.offer(Entry { commit: CommitNo(1 + offset), log: LOGS[0], offset, bytes: 10, expires: NEVER, key: 0 });
    }
    let mut out = Vec::new();
    machine.deliver(0, &mut out);
    let outbox = machine.take_outbox().unwrap();
    machine.committed(outbox.ticket, 0);
    machine.deliver(0, &mut out);
    assert_eq!(
        (out.len(), machine.next_timer()),
        (3, Some(100_000)),
        "the consumer is full: there is nothing to wait for"
    );
    machine.pull(5, 1_000, 100_000, 0, &mut out);
    assert_eq!((out.len(), machine.next_timer()), (3, Some(500)));
    machine.tick(500);
    machine.pull(5, 1_000, 100_000, 500, &mut out);
    assert_eq!((out.len(), machine.next_timer()), (4, Some(1_000)));
}
