//! What the model knows of order: for each message what stands before it, and for STRICT what a reader of the deliveries
//! would see. Then histories of queues that keep order.

use super::*;

type At = (CommitNo, LogId, Offset);

/// What came out of a STRICT queue since order was last broken.
#[derive(Default)]
pub(super) struct Streak {
    delivered: Vec<At>,
    consumer: ConsumerId,
}

impl World {
    /// All of a key that stands before a message is settled for good, or dead, on disk.
    pub(super) fn check_key_order(&self, assignment: &Assignment) {
        let at = |m: &&Published| (m.log, m.offset) == (assignment.log, assignment.offset);
        let message = self.published.iter().find(at).expect("only what is published is delivered");
        let before = self.published.iter().filter(|m| m.matches && m.key == message.key && m.commit < message.commit);
        // A seek moves one log against the others.
        let before = before.filter(|m| m.key != 0 && (!self.seeks || m.log == message.log));
        for earlier in before {
            let owed = &self.owed[&(earlier.log, earlier.offset)];
            // What has expired is never delivered, whether its dead letter is on disk yet or not.
            let has_expired = owed.expires <= self.now;
            assert!(owed.acked || owed.dead || has_expired, "{message:?} overtakes {earlier:?}");
        }
    }

    /// All that stands before a message is settled, or went to the same consumer before it and nothing went wrong since.
    pub(super) fn check_strict_order(&mut self, assignment: &Assignment) {
        let commit = self.commit_of(assignment.log, assignment.offset);
        let at = (commit, assignment.log, assignment.offset);
        if self.streak.consumer != assignment.consumer {
            self.streak.delivered.clear();
            self.streak.consumer = assignment.consumer;
        }
        self.streak.delivered.retain(|earlier| *earlier < at);
        for earlier in self.published.iter().filter(|m| m.matches && m.commit < commit) {
            let owed = &self.owed[&(earlier.log, earlier.offset)];
            let taken = self.acks_taken.contains(&(earlier.log, earlier.offset)) || self.is_committing(earlier);
            let out = self.streak.delivered.contains(&(earlier.commit, earlier.log, earlier.offset));
            assert!(
                owed.acked || owed.dead || taken || out || self.is_gone(earlier, owed),
                "{at:?} overtakes {earlier:?}"
            );
        }
        self.streak.delivered.push(at);
    }

    fn is_gone(&self, message: &Published, owed: &Owed) -> bool {
        let has_expired = owed.expires <= self.now && !self.dead_letter_expired;
        has_expired || self.promises.is_purged((message.log, message.offset))
    }

    fn is_committing(&self, message: &Published) -> bool {
        self.committing.iter().any(|(_, acks, _)| acks.contains(&(message.log, message.offset)))
    }

    pub(super) fn commit_of(&self, log: LogId, offset: Offset) -> CommitNo {
        self.published.iter().find(|m| (m.log, m.offset) == (log, offset)).expect("it is published").commit
    }

    /// A message was given back: a reader has to see it, and all behind it, once more.
    pub(super) fn broken_at(&mut self, log: LogId, offset: Offset) {
        let at = (self.commit_of(log, offset), log, offset);
        self.streak.delivered.retain(|earlier| *earlier < at);
    }

    /// A message was given up: until it is a dead letter nothing may follow.
    pub(super) fn given_up(&mut self, log: LogId, offset: Offset) {
        self.streak.delivered.retain(|(_, of, at)| (*of, *at) != (log, offset));
    }

    /// Leases that ended broke the order where they were.
    pub(super) fn break_where_leases_ended(&mut self) {
        for (commit, log, offset) in self.streak.delivered.clone() {
            let settled = self.machine.cursor(log).is_some_and(|cursor| cursor.is_settled(offset));
            if !settled && self.machine.look((commit, log, offset), self.now).state != MessageState::Unsettled {
                self.streak.delivered.retain(|earlier| *earlier < (commit, log, offset));
            }
        }
    }

    /// Reads again what keys have forgotten, a few messages at a time: other things happen in between.
    pub(super) fn read_again(&mut self) {
        if self.again.is_none() {
            let from = self.machine.again_from();
            let begin = |from: At| LOGS.map(|log| (log, self.first_at(log, from))).into_iter().collect();
            self.again = from.map(begin);
        }
        for _ in 0..1 + self.seed.below(8) {
            let Some(again) = &mut self.again else { return };
            let unread = |m: &&Published| (again[&m.log]..self.machine.read_to(m.log)).contains(&m.offset);
            let Some(message) = self.published.iter().find(unread).copied() else {
                self.machine.end_again(true);
                self.again = None;
                return;
            };
            again.insert(message.log, message.offset + 1);
            let entry = message.matches.then(|| self.entry(message));
            if let Some(entry) = entry
                && !self.machine.take_again(&entry)
            {
                self.machine.end_again(false);
                self.again = None;
            }
        }
    }

    fn first_at(&self, log: LogId, from: At) -> Offset {
        let of_log = self.published.iter().filter(|m| m.log == log);
        of_log.filter(|m| (m.commit, m.log, m.offset) < from).count() as Offset
    }
}

fn histories(ordering: Ordering, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut world = World::ordered(seed, ordering);
        for _ in 0..250 {
            world.step();
            // It checks what it counts.
            world.machine.keys.size();
        }
        world.drain();
        assert_eq!(world.machine.keys.size(), (0, 0), "lanes are left over");
    }
}

#[test]
fn random_histories_keep_each_key_in_order() {
    histories(Ordering::Key, 0..4_000);
}

#[test]
fn random_histories_keep_a_strict_queue_in_order() {
    histories(Ordering::Strict, 0..4_000);
}

fn keyed(keys: impl Iterator<Item = u64>) -> (QueueMachine, Vec<Entry>) {
    let mut machine = machine_with(QueueConfig { ordering: Ordering::Key, ..config(false) }, &BTreeMap::new());
    let entry = |(n, key)| Entry {
        commit: CommitNo(n as u64 + 1),
        log: LOGS[0],
        offset: n as u64,
        bytes: 10,
        expires: NEVER,
        key,
    };
    let entries: Vec<Entry> = keys.enumerate().map(entry).collect();
    machine.add_consumer(Window { messages: 4_000, bytes: 1 << 30 }, 1_000, LeaseMode::Stream);
    (machine, entries)
}

fn settle_round(machine: &mut QueueMachine, stuck: u64, entries: &[Entry]) -> usize {
    let mut out = Vec::new();
    machine.deliver(0, &mut out);
    let done = out.iter().filter(|held| entries[held.offset as usize].key != stuck);
    let statuses = machine.ack_all(done.map(|held| (held.log, held.offset)));
    while let Some(outbox) = machine.take_outbox() {
        machine.committed(outbox.ticket, 0);
    }
    statuses.len()
}

#[test]
fn a_stuck_key_parks_its_share_and_all_others_drain() {
    let (mut machine, entries) = keyed((0..200_000).map(|n| if n % 2 == 0 { 7 } else { 1_000 + n % 500 }));
    let (mut at, mut acked) = (0, 0);
    while acked < 100_000 {
        while at < entries.len() && machine.room() > 0 {
            machine.offer(entries[at]);
            at += 1;
        }
        acked += settle_round(&mut machine, 7, &entries);
    }
    assert_eq!(machine.keys.size(), (1, PARKED_KEY_MAX));
    assert_eq!((machine.stats().ready, machine.stats().unsettled), (99_999, 1));
}

#[test]
fn a_key_that_was_stuck_goes_on_and_each_of_its_messages_is_read_again_once_or_twice() {
    let (mut machine, entries) = keyed((0..100_000).map(|n| 7 + n % 2 * 100));
    entries.iter().for_each(|entry| machine.offer(*entry));
    let (mut acked, mut read) = (0, 0);
    while acked < 100_000 {
        acked += settle_round(&mut machine, 0, &entries);
        let Some((_, _, from)) = machine.again_from() else { continue };
        let again = entries[from as usize..].iter().take_while(|entry| machine.take_again(entry)).count();
        read += again;
        machine.end_again(from as usize + again == entries.len());
    }
    assert!(read < 300_000, "{read} messages were read again");
    assert_eq!(machine.keys.size(), (0, 0));
    assert_eq!(machine.stats().ready, 0);
}

#[test]
fn a_purge_lets_the_keys_go() {
    let (mut machine, entries) = keyed((0..10).map(|n| 1 + n % 2));
    entries[..8].iter().for_each(|entry| machine.offer(*entry));
    machine.purge(LOGS[0], 8);
    assert_eq!(machine.stats().ready, 0);
    entries[8..].iter().for_each(|entry| machine.offer(*entry));
    assert_eq!(machine.stats().ready, 2);
    let mut acked = 0;
    while acked < 2 {
        acked += settle_round(&mut machine, 0, &entries);
    }
    assert_eq!((machine.cursor(LOGS[0]).unwrap().floor(), machine.keys.size()), (10, (0, 0)));
}

#[test]
fn nothing_goes_out_behind_a_purge_until_that_is_on_disk() {
    let (mut machine, entries) = keyed([9, 1, 1].into_iter());
    let mut out = Vec::new();
    machine.offer(entries[0]);
    machine.deliver(0, &mut out);
    reach_disk(&mut machine);
    machine.deliver(0, &mut out);
    assert_eq!(out.len(), 1);
    machine.purge(LOGS[0], 2);
    machine.offer(entries[2]);
    machine.deliver(0, &mut out);
    assert_eq!((machine.ready_len(), out.len()), (1, 1));
    reach_disk(&mut machine);
    machine.deliver(0, &mut out);
    assert_eq!(out.last().map(|held| held.offset), Some(2));
}

fn reach_disk(machine: &mut QueueMachine) {
    let outbox = machine.take_outbox().expect("there is something to write");
    machine.committed(outbox.ticket, 0);
}

#[test]
fn an_ack_from_before_a_restart_holds_up_its_key_until_it_is_on_disk() {
    let (mut machine, entries) = keyed([1, 1, 2].into_iter());
    assert_eq!(machine.ack(LOGS[0], 0), SettleStatus::Ok);
    entries.iter().for_each(|entry| machine.offer(*entry));
    assert_eq!((machine.first_ready_commit(), machine.ready_len()), (Some(CommitNo(3)), 1));
    reach_disk(&mut machine);
    assert_eq!((machine.first_ready_commit(), machine.ready_len()), (Some(CommitNo(2)), 2));
}

#[test]
fn so_does_an_ack_of_what_is_parked_or_is_to_be_read_again() {
    let (mut machine, entries) = keyed([1, 1, 1, 1, 1].into_iter());
    machine.keys.bounds = lane::Bounds { each: 1, all: 5 };
    entries.iter().for_each(|entry| machine.offer(*entry));
    assert_eq!(machine.ack(LOGS[0], 0), SettleStatus::Ok);
    let first = machine.take_outbox().unwrap();
    assert_eq!(machine.ack(LOGS[0], 1), SettleStatus::Ok);
    machine.committed(first.ticket, 0);
    assert_eq!(machine.ready_len(), 0);
    let parked = machine.take_outbox().unwrap();
    assert_eq!(machine.ack(LOGS[0], 2), SettleStatus::Ok);
    machine.committed(parked.ticket, 0);
    while let Some((_, _, from)) = machine.again_from() {
        let again = entries[from as usize..].iter().take_while(|entry| machine.take_again(entry)).count();
        machine.end_again(from as usize + again == entries.len());
    }
    assert_eq!((machine.ready_len(), machine.stats().ready), (0, 2));
    reach_disk(&mut machine);
    assert_eq!(machine.first_ready_commit(), Some(CommitNo(4)));
}

#[test]
fn what_expires_while_it_is_parked_leaves_at_once_and_the_order_stays() {
    let (mut machine, mut entries) = keyed([1, 1, 1, 1, 2].into_iter());
    (entries[1].expires, entries[2].expires) = (500, 900);
    entries.iter().for_each(|entry| machine.offer(*entry));
    assert_eq!((machine.stats().ready, machine.next_timer()), (5, Some(500)));
    machine.tick(500);
    assert_eq!((machine.stats().ready, machine.stats().expired), (4, 1));
    machine.tick(900);
    assert_eq!((machine.stats().ready, machine.stats().expired, machine.keys.size()), (3, 2, (2, 1)));
    assert_eq!(machine.ack(LOGS[0], 0), SettleStatus::Ok);
    let outbox = machine.take_outbox().unwrap();
    machine.committed(outbox.ticket, 900);
    assert_eq!(machine.first_ready_commit(), Some(CommitNo(4)));
}
