//! What a look at each message says adds up to what the numbers say.

use super::*;

impl World {
    pub(super) fn look_at_all(&self) {
        let (mut unsettled, mut waiting) = (BTreeSet::new(), 0);
        for message in self.published.iter().filter(|m| m.offset < self.machine.read_to(m.log)) {
            let look = self.machine.look((message.commit, message.log, message.offset), self.now);
            assert!(message.matches || look.state == MessageState::Settled, "{message:?}: {look:?}");
            assert!(look.failures <= look.attempts, "{message:?}: {look:?}");
            match look.state {
                MessageState::Unsettled => drop(unsettled.insert((message.log, message.offset))),
                MessageState::Ready | MessageState::BackingOff(_) => waiting += 1,
                MessageState::Settled => assert_eq!(look.consumer, None),
            }
        }
        let stats = self.machine.stats();
        assert_eq!((unsettled.len() as i64, waiting), (stats.unsettled, stats.ready + stats.backing_off));
        assert!(LOGS.into_iter().all(|log| self.machine.busy_to(log) >= self.machine.read_to(log)));
    }
}

#[test]
fn a_look_says_how_often_a_message_was_delivered_and_failed() {
    let (mut machine, held) = one_message();
    let place = (CommitNo(1), held.log, held.offset);
    let look = machine.look(place, 0);
    assert_eq!((look.state, look.attempts, look.consumer), (MessageState::Unsettled, 1, Some(held.consumer)));
    let key = (held.log, held.offset);
    assert_eq!(machine.nack(key, held.delivery, NackMode::Retry, Some(50), "", 0), SettleStatus::Ok);
    let look = machine.look(place, 0);
    let expected = Look { state: MessageState::BackingOff(50), attempts: 1, failures: 1, consumer: None };
    assert_eq!(look, expected);
    let outbox = machine.take_outbox().unwrap();
    machine.committed(outbox.ticket, 0);
    // Before it is read after a restart its record says the same.
    let mut disk = Cursor::default();
    outbox.records.iter().for_each(|record| disk.apply(&record.change));
    let again = machine_with(config(false), &BTreeMap::from([(held.log, disk)]));
    assert_eq!((again.look(place, 0), again.look(place, 50).state), (expected, MessageState::Ready));
    machine.tick(50);
    assert_eq!(machine.look(place, 50), Look { state: MessageState::Ready, ..expected });
    machine.ack(held.log, held.offset);
    assert_eq!(machine.look(place, 50).state, MessageState::Settled);
}
