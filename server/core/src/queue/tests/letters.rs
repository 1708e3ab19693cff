//! A dead letter and the end of its message are one: what is written before them, though it was told later, does not end it.

use super::*;

/// Three messages, all held; the second is given up, and that is on its way.
fn given_up() -> (QueueMachine, Outbox) {
    let mut machine = machine(&BTreeMap::new());
    for offset in 0..3 {
        machine.offer(Entry { commit: CommitNo(1 + offset), log: LOGS[0], offset, bytes: 10, expires: NEVER, key: 0 });
    }
    machine.add_consumer(Window { messages: 3, bytes: 100 }, 1_000, LeaseMode::Timed);
    let mut out = Vec::new();
    machine.deliver(0, &mut out);
    let bound = machine.take_outbox().unwrap();
    machine.committed(bound.ticket, 0);
    machine.deliver(0, &mut out);
    let key = (out[1].log, out[1].offset);
    assert_eq!(machine.nack(key, out[1].delivery, NackMode::Reject, None, "", 0), SettleStatus::Ok);
    let letter = machine.take_outbox().unwrap();
    assert_eq!(letter.dead_letters.len(), 1);
    (machine, letter)
}

/// What a crash leaves settled if only this has been written.
fn settled_by(outbox: &Outbox) -> Vec<Offset> {
    let mut disk = Cursor::default();
    outbox.records.iter().for_each(|record| disk.apply(&record.change));
    (0..3).filter(|offset| disk.is_settled(*offset)).collect()
}

#[test]
fn a_floor_that_rises_over_a_message_does_not_end_it_before_its_dead_letter() {
    let (mut machine, letter) = given_up();
    assert_eq!(machine.ack(LOGS[0], 0), SettleStatus::Ok);
    let first = machine.take_outbox().unwrap();
    assert_eq!((settled_by(&letter), settled_by(&first)), (vec![1], vec![0]));
    machine.committed(first.ticket, 0);
    machine.committed(letter.ticket, 0);
    assert_eq!(machine.ack(LOGS[0], 2), SettleStatus::Ok);
    assert_eq!(settled_by(&machine.take_outbox().unwrap()), [1, 2], "from then on the floor says it all");
}

#[test]
fn a_purge_does_not_either() {
    let (mut machine, letter) = given_up();
    machine.purge(LOGS[0], 3);
    assert!(machine.take_outbox().is_none(), "all else is held");
    machine.remove_consumer(1, End::BrokerEnded, 0);
    machine.purge(LOGS[0], 3);
    let purge = machine.take_outbox().unwrap();
    assert_eq!(settled_by(&purge), [0, 2]);
    machine.committed(letter.ticket, 0);
    assert_eq!(machine.cursor(LOGS[0]).unwrap().floor(), 3);
}
