//! What an ack is told of a message that is gone.

use super::*;
use crate::queue::expiry::GONE_MAX;

fn offer(machine: &mut QueueMachine, log: LogId, offset: Offset, expires: Millis) {
    machine.offer(Entry { commit: CommitNo(offset + 1), log, offset, bytes: 1, expires, key: 0 });
}

fn commit(machine: &mut QueueMachine, now: Millis) {
    while let Some(outbox) = machine.take_outbox() {
        machine.committed(outbox.ticket, now);
    }
}

/// Takes what is ready, once the bound of what may be sent is high enough.
fn pull(machine: &mut QueueMachine, now: Millis) -> Vec<Assignment> {
    for _ in 0..2 {
        let mut taken = Vec::new();
        machine.pull(100_000, u64::MAX / 2, 1_000_000, now, &mut taken);
        commit(machine, now);
        if !taken.is_empty() {
            return taken;
        }
    }
    Vec::new()
}

/// Delivers messages, has them given back, and lets them expire.
fn expire(machine: &mut QueueMachine, log: LogId, from: Offset, count: u64) {
    (from..from + count).for_each(|offset| offer(machine, log, offset, 100));
    let taken = pull(machine, 0);
    assert_eq!(taken.len() as u64, count);
    machine.take_back(&taken, 0);
    commit(machine, 0);
    machine.tick(100);
    commit(machine, 100);
}

#[test]
fn the_messages_that_are_gone_are_remembered_up_to_a_number_the_newest_longest() {
    let mut machine = machine(&BTreeMap::new());
    // Logs are not what decides.
    expire(&mut machine, LOGS[1], 0, 2);
    for from in (0..GONE_MAX as u64 - 1).step_by(1_000) {
        expire(&mut machine, LOGS[0], from, 1_000.min(GONE_MAX as u64 - 1 - from));
    }
    assert_eq!(machine.ack(LOGS[1], 0), SettleStatus::AlreadySettled);
    assert_eq!(machine.ack(LOGS[1], 1), SettleStatus::Gone);
    assert_eq!(machine.ack(LOGS[0], 0), SettleStatus::Gone);
}

#[test]
fn a_message_that_was_purged_is_gone_for_whom_it_was_delivered_to_and_after_a_seek_it_is_there_again() {
    let log = LOGS[0];
    let mut machine = machine(&BTreeMap::new());
    offer(&mut machine, log, 0, NEVER);
    let lost = pull(&mut machine, 0);
    machine.take_back(&lost, 0);
    commit(&mut machine, 0);
    machine.purge(log, 1);
    assert_eq!(machine.ack(log, 0), SettleStatus::Gone);
    assert_eq!(machine.ack_newest((log, 0), lost[0].delivery), SettleStatus::Gone);
    machine.seek(log, 0, &[]);
    commit(&mut machine, 0);
    offer(&mut machine, log, 0, NEVER);
    assert_eq!(pull(&mut machine, 0).len(), 1);
    assert_eq!(machine.ack(log, 0), SettleStatus::Ok);
    assert_eq!(machine.ack(log, 0), SettleStatus::AlreadySettled);
}
