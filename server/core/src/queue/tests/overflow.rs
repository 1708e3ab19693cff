//! Limits of queues and logs where keys are kept in order: the oldest go, wherever they are, and each key goes on in order.

use super::*;

const LOG: LogId = LOGS[0];

/// A queue that keeps keys in order, and messages with these keys in it.
fn keyed(keys: &[u64]) -> (QueueMachine, Vec<Entry>) {
    parking(PARKED_KEY_MAX, keys)
}

/// The same, in which each key parks so many.
fn parking(each: usize, keys: &[u64]) -> (QueueMachine, Vec<Entry>) {
    let mut machine = machine_with(QueueConfig { ordering: Ordering::Key, ..config(false) }, &BTreeMap::new());
    machine.keys.bounds.each = each;
    let entry = |(n, key): (usize, &u64)| {
        let offset = n as Offset;
        Entry { commit: CommitNo(1 + offset), log: LOG, offset, bytes: 10, expires: NEVER, key: *key }
    };
    let entries: Vec<Entry> = keys.iter().enumerate().map(entry).collect();
    entries.iter().for_each(|entry| machine.offer(*entry));
    (machine, entries)
}

/// Hands out what may go to a pull, the bound of what may be sent being on disk.
fn pulled(machine: &mut QueueMachine, messages_max: u32) -> Vec<Assignment> {
    let mut out = Vec::new();
    machine.pull(messages_max, u64::MAX, 1_000, 0, &mut out);
    assert!(out.is_empty(), "nothing goes out before the bound is on disk");
    commit_all(machine);
    machine.pull(messages_max, u64::MAX, 1_000, 0, &mut out);
    out
}

/// Commits what there is; the letters in it.
fn commit_all(machine: &mut QueueMachine) -> Vec<Offset> {
    let Some(outbox) = machine.take_outbox() else { return Vec::new() };
    machine.committed(outbox.ticket, 0);
    letters(&outbox)
}

fn letters(outbox: &Outbox) -> Vec<Offset> {
    assert!(outbox.dead_letters.iter().all(|letter| letter.reason == DeadLetterReason::Overflow));
    outbox.dead_letters.iter().map(|letter| letter.offset).collect()
}

fn read_again(machine: &mut QueueMachine, entries: &[Entry]) {
    while let Some((_, _, from)) = machine.again_from() {
        let again = entries[from as usize..].iter().take_while(|entry| machine.take_again(entry)).count();
        machine.end_again(from as usize + again == entries.len());
    }
}

#[test]
fn the_oldest_go_though_they_wait_for_others_of_their_key() {
    let (mut machine, _) = keyed(&[1, 1, 1, 2, 0, 2]);
    machine.drop_oldest(4, 0);
    assert_eq!((machine.stats().ready, machine.stats().overflowed), (2, 4));
    assert_eq!(machine.freed(), Freed { messages: 4, bytes: 40 });
    assert_eq!(commit_all(&mut machine), [0, 1, 2, 3]);
    let left: Vec<_> = pulled(&mut machine, 10).iter().map(|held| held.offset).collect();
    assert_eq!(left, [4, 5]);
}

#[test]
fn what_is_held_stays_and_what_waits_behind_it_goes() {
    let (mut machine, _) = keyed(&[1, 1, 1, 1]);
    let held = pulled(&mut machine, 10);
    assert_eq!(held.len(), 1);
    machine.drop_oldest(0, 15);
    assert_eq!(commit_all(&mut machine), [1, 2]);
    machine.drop_oldest(10, 0);
    assert_eq!(commit_all(&mut machine), [3]);
    assert_eq!((machine.stats().ready, machine.stats().unsettled, machine.keys.size()), (0, 1, (1, 0)));
    assert_eq!(machine.ack(LOG, 0), SettleStatus::Ok);
    commit_all(&mut machine);
    assert_eq!((machine.cursor(LOG).unwrap().floor(), machine.keys.size()), (4, (0, 0)));
}

#[test]
fn a_key_does_not_go_on_before_the_letters_that_stood_before_are_on_disk() {
    let (mut machine, _) = keyed(&[1, 1, 1, 1]);
    let held = pulled(&mut machine, 10);
    machine.drop_oldest(2, 0);
    let dropped = machine.take_outbox().unwrap();
    assert_eq!(letters(&dropped), [1, 2]);
    // Dead letters take longer: the ack that comes behind them is on disk first.
    assert_eq!(machine.ack(LOG, held[0].offset), SettleStatus::Ok);
    commit_all(&mut machine);
    assert_eq!(machine.ready_len(), 0);
    machine.committed(dropped.ticket, 0);
    assert_eq!(machine.first_ready_commit(), Some(CommitNo(4)));
}

#[test]
fn what_is_in_no_memory_goes_before_what_is_newer() {
    let (mut machine, entries) = parking(2, &[1, 2, 2, 2, 2, 2, 2, 2, 3]);
    let mut gone = Vec::new();
    for _ in 0..20 {
        machine.drop_oldest(7 - gone.len() as i64, 0);
        gone.extend(commit_all(&mut machine));
        read_again(&mut machine, &entries);
    }
    assert_eq!(gone, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(machine.stats().ready, 2);
}

#[test]
fn what_is_given_up_goes_from_wherever_it_is_and_whenever_it_comes() {
    let (mut machine, mut entries) = keyed(&[1, 1, 2, 1]);
    let held = pulled(&mut machine, 1);
    machine.give_up_below(LOG, 6);
    assert!(!machine.drop_given_up());
    assert_eq!(commit_all(&mut machine), [2, 1, 3]);
    for offset in 4..8 {
        entries.push(Entry { commit: CommitNo(1 + offset), offset, key: offset % 2, ..entries[0] });
        machine.offer(entries[offset as usize]);
    }
    assert_eq!(commit_all(&mut machine), [4, 5]);
    let key = (LOG, held[0].offset);
    assert_eq!(machine.nack(key, held[0].delivery, NackMode::Release, None, "", 0), SettleStatus::Ok);
    assert!(commit_all(&mut machine).is_empty());
    machine.tick(1);
    assert_eq!(commit_all(&mut machine), [0]);
    assert_eq!((machine.stats().ready, machine.cursor(LOG).unwrap().floor()), (2, 6));
}
