//! Deliveries that reach nobody.

use super::*;

fn pull(machine: &mut QueueMachine, now: Millis) -> Vec<Assignment> {
    let mut taken = Vec::new();
    machine.pull(2, 1_000, 1_000, now, &mut taken);
    while let Some(outbox) = machine.take_outbox() {
        machine.committed(outbox.ticket, now);
    }
    taken
}

#[test]
fn what_a_pull_took_for_nobody_goes_back_at_once_and_without_a_failure() {
    let log = LOGS[0];
    let mut machine = machine(&BTreeMap::new());
    for offset in 0..3 {
        machine.offer(Entry { commit: CommitNo(offset + 1), log, offset, bytes: 1, expires: NEVER, key: 0 });
    }
    // The first one only asks for a higher bound.
    assert!(pull(&mut machine, 0).is_empty());
    let lost = pull(&mut machine, 0);
    assert_eq!(lost.len(), 2);
    machine.take_back(&lost, 1);
    assert_eq!((machine.stats().unsettled, machine.stats().backing_off), (0, 2));
    assert_eq!(pull(&mut machine, 1).len(), 1, "what was given back waits until that is durable");
    let again = pull(&mut machine, 1);
    assert_eq!(again.iter().map(|taken| (taken.offset, taken.attempt)).collect::<Vec<_>>(), [(0, 2), (1, 2)]);
    machine.take_back(&lost, 2);
    assert_eq!(machine.stats().unsettled, 3, "those are others' now");
    assert_eq!(machine.nack((log, 0), again[0].delivery, NackMode::Retry, None, "", 2), SettleStatus::Ok);
    let failures = machine.cursor(log).and_then(|cursor| cursor.retry(0)).map(|retry| retry.failures);
    assert_eq!(failures, Some(1), "that nobody got it was no failure");
}

#[test]
fn acks_that_come_late_together_settle_each_message_once() {
    let log = LOGS[1];
    let mut machine = machine(&BTreeMap::new());
    for offset in 0..10 {
        machine.offer(Entry { commit: CommitNo(offset + 1), log, offset, bytes: 1, expires: NEVER, key: 0 });
    }
    let acked = machine.ack_all([3, 3, 0, 9, 7, 0].into_iter().map(|offset| (log, offset)));
    use SettleStatus::{AlreadySettled, Ok};
    assert_eq!(acked, [Ok, AlreadySettled, Ok, Ok, Ok, AlreadySettled]);
    let ready = machine.ready.keys().map(|(.., offset)| *offset).collect::<Vec<_>>();
    assert_eq!(ready, [1, 2, 4, 5, 6, 8]);
    assert_eq!(machine.freed().messages, 4);
}
