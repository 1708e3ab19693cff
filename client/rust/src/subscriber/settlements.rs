//! Settlements on their way, kept until they are answered.

use std::collections::VecDeque;

use bytes::Bytes;
use ferrymq_proto::v1::SettlementResult;

use super::encoding::settlement;
use super::gather::{Action, Group};
use super::held::Held;
use crate::Error;
use crate::messaging::statuses;

/// What has been settled and not been answered, in order.
#[derive(Debug, Default)]
pub(super) struct Settlements {
    waiting: VecDeque<(i64, Group)>,
    last_id: i64,
    /// So many of `waiting` are on their way on this stream.
    sent: usize,
}

impl Settlements {
    pub(super) fn add(&mut self, groups: impl IntoIterator<Item = Group>) {
        for group in groups {
            self.last_id += 1;
            self.waiting.push_back((self.last_id, group));
        }
    }

    /// What is still to be sent on this stream, encoded.
    pub(super) fn unsent(&mut self, held: &Held) -> Vec<Bytes> {
        let unsent = self.waiting.iter().skip(self.sent).map(|(id, group)| settlement(*id, group, held)).collect();
        self.sent = self.waiting.len();
        unsent
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.waiting.len()
    }

    /// A new stream: everything unanswered has to be sent again. Settling twice does no harm.
    pub(super) fn start_again(&mut self) {
        self.sent = 0;
    }

    /// Hands on one result; what has been settled is not held any more.
    pub(super) fn answered(&mut self, result: &SettlementResult, held: &mut Held) {
        // The broker answers in order: it is the first.
        let Some(at) = self.waiting.iter().position(|(id, _)| *id == result.id) else { return };
        let Some((_, group)) = self.waiting.remove(at) else { return };
        self.sent = self.sent.saturating_sub(1);
        if !matches!(group.action, Action::Extend(_)) {
            group.slots.iter().for_each(|slot| held.remove(*slot));
        }
        group.answer.give(Ok(statuses(&result.statuses)));
    }

    /// Nothing more will be answered.
    pub(super) fn fail(&mut self, error: &Error) {
        for (_, group) in self.waiting.drain(..) {
            group.answer.give(Err(error.clone()));
        }
        self.sent = 0;
    }
}

#[cfg(test)]
mod tests {
    use ferrymq_proto::v1::{NackMode, SettleStatus, Settlement};
    use prost::Message as _;

    use super::super::gather::gathering;
    use super::super::settling::Settling;
    use super::*;

    fn ids(settlements: Vec<Bytes>) -> Vec<i64> {
        settlements.into_iter().map(|encoded| Settlement::decode(encoded).expect("it is one").id).collect()
    }

    /// Ack a and b, reject c, prolong d.
    fn asked(held: &mut Held) -> (Settlements, Vec<Settling>) {
        let (gatherer, gathered) = gathering();
        let reject = Action::Nack(NackMode::Reject, None, "no".into());
        let actions = [("a", Action::Ack), ("b", Action::Ack), ("c", reject), ("d", Action::Extend(None))];
        let settlings = actions.map(|(id, action)| gatherer.add(held.add(id.into()), action));
        let mut settlements = Settlements::default();
        settlements.add(gathered.take());
        (settlements, settlings.into())
    }

    fn result(id: i64, count: usize) -> SettlementResult {
        SettlementResult { id, statuses: vec![SettleStatus::Ok.into(); count] }
    }

    #[tokio::test]
    async fn what_is_unanswered_goes_again_and_fails_with_the_stream() {
        let mut held = Held::default();
        let (mut settlements, mut settlings) = asked(&mut held);
        assert_eq!(ids(settlements.unsent(&held)), [1, 2, 3]);
        assert!(!settlements.has_unsent());

        settlements.answered(&result(1, 2), &mut held);
        assert_eq!(settlings.remove(1).await, Ok(SettleStatus::Ok));

        settlements.start_again();
        assert_eq!(ids(settlements.unsent(&held)), [2, 3]);
        settlements.fail(&Error::unavailable("gone"));
        assert!(settlings.remove(1).await.is_err());
    }

    #[test]
    fn what_is_settled_is_not_held_any_more_and_what_is_prolonged_is() {
        let mut held = Held::default();
        let (mut settlements, _settlings) = asked(&mut held);
        drop(settlements.unsent(&held));
        settlements.answered(&result(1, 2), &mut held);
        settlements.answered(&result(3, 1), &mut held);
        assert_eq!(held.ack_ids().collect::<Vec<_>>(), ["c", "d"]);
    }
}
