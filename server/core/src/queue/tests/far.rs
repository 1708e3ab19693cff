//! Long delays: messages that leave memory, and come back from the log when their time comes.

use super::*;
use crate::queue::far::Bounds;

impl World {
    /// Reads what the machine asks for.
    pub(super) fn read_far(&mut self) {
        let max = 1 + self.seed.below(5) as usize;
        for wanted in self.machine.wanted(self.now, max) {
            let is_it = |m: &&Published| (m.log, m.offset) == (wanted.log, wanted.offset);
            let message = *self.published.iter().find(is_it).expect("only what is published is wanted");
            assert!(message.matches);
            self.machine.take_far(&wanted, &self.entry(message), self.now);
        }
        assert!(self.machine.waiting.len() <= UNSETTLED_MAX);
    }
}

/// Few wait in memory, and delays of the model are long.
pub(super) fn bounds() -> Bounds {
    Bounds { near: 1, long_ms: 15, early_ms: 5, all: 4 }
}

const LOG: LogId = LOGS[0];
const HOUR: Millis = 3_600_000;

fn entry(offset: Offset) -> Entry {
    Entry { commit: CommitNo(1 + offset), log: LOG, offset, bytes: 10, expires: NEVER, key: 0 }
}

fn commit(machine: &mut QueueMachine, disk: &mut BTreeMap<LogId, Cursor>, now: Millis) {
    while let Some(outbox) = machine.take_outbox() {
        for record in &outbox.records {
            disk.entry(record.log).or_default().apply(&record.change);
        }
        machine.committed(outbox.ticket, now);
    }
}

/// Offers and nacks `count` messages with a delay of an hour, in waves of a thousand.
fn nacked(count: Offset, of: impl Fn(Offset) -> Entry) -> (QueueMachine, BTreeMap<LogId, Cursor>) {
    let mut disk = BTreeMap::new();
    let mut machine = machine(&disk);
    machine.tick(1_000);
    for wave in 0..count / 1_000 {
        (0..1_000).for_each(|nth| machine.offer(of(wave * 1_000 + nth)));
        nack_all(&mut machine, &mut disk, 1_000);
    }
    (machine, disk)
}

fn nack_all(machine: &mut QueueMachine, disk: &mut BTreeMap<LogId, Cursor>, now: Millis) -> usize {
    let mut count = 0;
    loop {
        let mut out = Vec::new();
        machine.pull(1_000, u64::MAX, 1_000, now, &mut out);
        let asked = machine.take_outbox();
        if out.is_empty() && asked.is_none() {
            return count;
        }
        count += out.len();
        asked.into_iter().for_each(|outbox| {
            outbox.records.iter().for_each(|record| disk.entry(record.log).or_default().apply(&record.change));
            machine.committed(outbox.ticket, now);
        });
        for held in out {
            let key = (held.log, held.offset);
            assert_eq!(machine.nack(key, held.delivery, NackMode::Retry, Some(HOUR), "", now), SettleStatus::Ok);
        }
        commit(machine, disk, now);
    }
}

fn read(machine: &mut QueueMachine, now: Millis, of: impl Fn(Offset) -> Entry) -> usize {
    let wanted = machine.wanted(now, 1_000);
    wanted.iter().for_each(|wanted| machine.take_far(wanted, &of(wanted.offset), now));
    wanted.len()
}

fn read_all(machine: &mut QueueMachine, now: Millis, of: impl Fn(Offset) -> Entry + Copy) {
    assert!((0..1_000).any(|_| read(machine, now, of) == 0), "the same is read again and again");
}

#[test]
fn more_messages_than_memory_holds_wait_for_hours_and_all_come_back() {
    let count = 2 * UNSETTLED_MAX as Offset;
    let (mut machine, mut disk) = nacked(count, entry);
    assert_eq!(machine.stats().backing_off, count as i64);
    assert!(machine.waiting.len() <= NEAR_MAX && machine.timers.len() <= 8 * NEAR_MAX);
    assert!(machine.room() > 0, "others go on");
    assert_eq!(read(&mut machine, 1_000, entry), 0);

    let due = 1_000 + HOUR;
    assert!(machine.next_timer().is_some_and(|timer| timer < due));
    let mut came = 0;
    for now in due..due + 1_000 {
        read_all(&mut machine, now, entry);
        assert!(machine.waiting.len() + machine.ready.len() <= UNSETTLED_MAX + PIECE);
        machine.tick(now);
        let mut out = Vec::new();
        machine.pull(10_000, u64::MAX, 1_000, now, &mut out);
        assert!(out.iter().all(|held| held.attempt == 2));
        came += out.len() as Offset;
        machine.ack_all(out.into_iter().map(|held| (held.log, held.offset)));
        commit(&mut machine, &mut disk, now);
        if came == count {
            break;
        }
    }
    assert_eq!(came, count);
    assert_eq!((disk[&LOG].floor(), machine.stats().backing_off), (count, 0));
}

/// Pieces are taken whole, so that a bound is passed by less than one.
const PIECE: usize = 64;

#[test]
fn a_restart_finds_delays_again_that_ended_meanwhile_or_not() {
    let (_, disk) = nacked(10_000, entry);
    let mut machine = machine(&disk);
    machine.tick(2_000);
    (0..10_000).for_each(|offset| machine.offer(entry(offset)));
    assert_eq!((machine.stats().backing_off, machine.stats().ready), (10_000, 0));
    assert!(machine.waiting.len() <= NEAR_MAX);
    let look = machine.look((CommitNo(10_000), LOG, 9_999), 2_000);
    assert_eq!((look.state, look.failures), (MessageState::BackingOff(1_000 + HOUR), 1));
    assert_eq!(machine.busy_bytes(), 100_000);
    read_all(&mut machine, 1_000 + HOUR, entry);
    machine.tick(1_000 + HOUR);
    assert_eq!((machine.stats().backing_off, machine.stats().ready), (0, 10_000));
}

#[test]
fn a_late_ack_settles_what_is_out_of_memory_and_its_bytes_are_freed_once_it_is_read() {
    let (mut machine, mut disk) = nacked(10_000, entry);
    machine.take_outbox();
    assert_eq!(machine.ack(LOG, 9_999), SettleStatus::Ok);
    assert_eq!(machine.ack(LOG, 9_999), SettleStatus::AlreadySettled);
    assert_eq!((machine.freed().messages, read(&mut machine, 1_000, entry)), (0, 1));
    assert_eq!((machine.freed().bytes, machine.stats().backing_off), (10, 9_999));
    commit(&mut machine, &mut disk, 1_000);
    assert!(disk[&LOG].is_settled(9_999));
}

#[test]
fn what_expires_out_of_memory_leaves_in_time() {
    let mortal = |offset| Entry { expires: if offset >= 9_000 { 60_000 } else { NEVER }, ..entry(offset) };
    let (mut machine, _) = nacked(10_000, mortal);
    // The leases have ended long ago.
    machine.tick(50_000);
    assert_eq!(machine.next_timer(), Some(60_000));
    read_all(&mut machine, 60_000, mortal);
    assert_eq!((machine.stats().expired, machine.stats().backing_off), (1_000, 9_000));
}

#[test]
fn a_purge_and_a_seek_forget_what_is_out_of_memory() {
    let (mut machine, mut disk) = nacked(10_000, entry);
    machine.purge(LOG, 9_990);
    assert_eq!(machine.stats().backing_off, 10);
    commit(&mut machine, &mut disk, 1_000);
    machine.seek(LOG, 5_000, &[]);
    assert_eq!(machine.stats().backing_off, 0);
    commit(&mut machine, &mut disk, 1_000);
    (5_000..10_000).for_each(|offset| machine.offer(entry(offset)));
    assert_eq!((machine.stats().ready, machine.wanted(2 * HOUR, 10).len()), (5_000, 0));
}

#[test]
fn a_key_whose_first_message_is_out_of_memory_stays_blocked() {
    let of = |offset| Entry { key: 1 + offset % 5_000, ..entry(offset) };
    let mut disk = BTreeMap::new();
    let mut machine = machine_with(QueueConfig { ordering: Ordering::Key, ..config(false) }, &disk);
    machine.tick(1_000);
    (0..10_000).for_each(|offset| machine.offer(of(offset)));
    assert_eq!(nack_all(&mut machine, &mut disk, 1_000), 5_000);
    assert_eq!((machine.stats().backing_off, machine.stats().ready), (5_000, 5_000));
    assert!(machine.far.contains((LOG, 4_500)) && !machine.can_be_pulled());
    // A late ack lets its key go on, once it is on disk.
    assert_eq!(machine.ack(LOG, 4_500), SettleStatus::Ok);
    assert!(!machine.can_be_pulled());
    commit(&mut machine, &mut disk, 1_000);
    assert_eq!(machine.first_ready_commit(), Some(CommitNo(9_501)));
    read_all(&mut machine, 1_000 + HOUR, of);
    machine.tick(1_000 + HOUR);
    assert_eq!(machine.first_ready_commit(), Some(CommitNo(1)));
}

#[test]
fn a_message_that_is_not_in_its_log_any_more_is_done_with() {
    let (mut machine, mut disk) = nacked(5_000, entry);
    let wanted = machine.wanted(1_000 + HOUR, 1);
    wanted.iter().for_each(|wanted| machine.lose_far(wanted));
    commit(&mut machine, &mut disk, 1_000);
    assert!(!wanted.is_empty() && wanted.iter().all(|wanted| disk[&LOG].is_settled(wanted.offset)));
}
