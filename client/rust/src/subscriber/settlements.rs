//! Settlements on their way: sent in batches, kept until they are answered.

use std::collections::VecDeque;

use ferrymq_proto::v1::settlement::Action as WireAction;
use ferrymq_proto::v1::{AckRequest, ExtendLeaseRequest, NackRequest, SettleStatus, Settlement, SettlementResult};
use tokio::sync::oneshot;

use super::delivery::{Action, Command};
use crate::Error;
use crate::messaging::wire_duration;

type Answer = oneshot::Sender<Result<SettleStatus, Error>>;

/// What has been settled and not been answered, in order.
#[derive(Debug, Default)]
pub(super) struct Settlements {
    waiting: VecDeque<(Settlement, Vec<Answer>)>,
    last_id: i64,
    /// So many of `waiting` are on their way on this stream.
    sent: usize,
}

impl Settlements {
    /// Neighbours of the same kind become one settlement.
    pub(super) fn add(&mut self, commands: impl Iterator<Item = Command>) {
        let mut last: Option<Action> = None;
        for Command { ack_id, action, answer } in commands {
            if last.as_ref() == Some(&action)
                && let Some((settlement, answers)) = self.waiting.back_mut()
            {
                ack_ids(settlement).push(ack_id);
                answers.push(answer);
                continue;
            }
            match wire(&action, ack_id) {
                Ok(wire) => {
                    self.last_id += 1;
                    let settlement = Settlement { id: self.last_id, action: Some(wire) };
                    self.waiting.push_back((settlement, vec![answer]));
                    last = Some(action);
                }
                Err(error) => drop(answer.send(Err(error))),
            }
        }
    }

    /// What is still to be sent on this stream.
    pub(super) fn unsent(&mut self) -> Vec<Settlement> {
        let unsent = self.waiting.iter().skip(self.sent).map(|(settlement, _)| settlement.clone()).collect();
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

    /// Hands on one result; calls `settled` with each ack id that is not held any more.
    pub(super) fn answered(&mut self, result: &SettlementResult, mut settled: impl FnMut(&[u8])) {
        let Some(at) = self.waiting.iter().position(|(settlement, _)| settlement.id == result.id) else { return };
        let Some((mut settlement, answers)) = self.waiting.remove(at) else { return };
        self.sent = self.sent.saturating_sub(1);
        let is_extension = matches!(settlement.action, Some(WireAction::Extend(_)));
        for ((ack_id, status), answer) in ack_ids(&mut settlement).iter().zip(result.statuses()).zip(answers) {
            if !is_extension {
                settled(ack_id);
            }
            let told = answer.send(Ok(status)).is_ok();
            if !told && !matches!(status, SettleStatus::Ok | SettleStatus::AlreadySettled) {
                let status = status.as_str_name().trim_start_matches("SETTLE_STATUS_");
                tracing::warn!(target: "ferrymq", "a settlement that nobody waits for came too late: {status}");
            }
        }
    }

    /// Nothing more will be answered.
    pub(super) fn fail(&mut self, error: &Error) {
        for answer in self.waiting.drain(..).flat_map(|(_, answers)| answers) {
            // The caller may have dropped its Settling: then nobody wants to know.
            let _ = answer.send(Err(error.clone()));
        }
        self.sent = 0;
    }
}

fn wire(action: &Action, ack_id: bytes::Bytes) -> Result<WireAction, Error> {
    let ack_ids = vec![ack_id];
    Ok(match action {
        Action::Ack => WireAction::Ack(AckRequest { ack_ids }),
        Action::Nack(mode, delay, reason) => {
            let delay = delay.map(wire_duration).transpose()?;
            WireAction::Nack(NackRequest { ack_ids, mode: (*mode).into(), delay, reason: reason.clone() })
        }
        Action::Extend(lease) => {
            WireAction::Extend(ExtendLeaseRequest { ack_ids, lease: lease.map(wire_duration).transpose()? })
        }
    })
}

fn ack_ids(settlement: &mut Settlement) -> &mut Vec<bytes::Bytes> {
    match settlement.action.get_or_insert_with(|| WireAction::Ack(AckRequest::default())) {
        WireAction::Ack(ack) => &mut ack.ack_ids,
        WireAction::Nack(nack) => &mut nack.ack_ids,
        WireAction::Extend(extend) => &mut extend.ack_ids,
    }
}

#[cfg(test)]
mod tests {
    use ferrymq_proto::v1::NackMode;

    use super::*;

    fn command(id: &'static str, action: Action) -> (Command, oneshot::Receiver<Result<SettleStatus, Error>>) {
        let (answer, settled) = oneshot::channel();
        (Command { ack_id: id.into(), action, answer }, settled)
    }

    #[test]
    fn neighbours_go_together_and_what_is_unanswered_goes_again() {
        let mut settlements = Settlements::default();
        let reject = Action::Nack(NackMode::Reject, None, "no".into());
        let (commands, mut answers): (Vec<_>, Vec<_>) =
            [("a", Action::Ack), ("b", Action::Ack), ("c", reject), ("d", Action::Ack)]
                .into_iter()
                .map(|(id, action)| command(id, action))
                .unzip();
        settlements.add(commands.into_iter());
        assert_eq!(settlements.unsent().iter().map(|settlement| settlement.id).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(!settlements.has_unsent());

        let mut gone = Vec::new();
        let ok = SettleStatus::Ok as i32;
        settlements.answered(&SettlementResult { id: 1, statuses: vec![ok, ok] }, |id| gone.push(id.to_vec()));
        assert_eq!(gone, [b"a".to_vec(), b"b".to_vec()]);
        assert_eq!(answers[1].try_recv(), Ok(Ok(SettleStatus::Ok)));

        settlements.start_again();
        assert_eq!(settlements.unsent().iter().map(|settlement| settlement.id).collect::<Vec<_>>(), [2, 3]);
        settlements.fail(&Error::unavailable("gone"));
        assert!(answers[3].try_recv().is_ok_and(|answer| answer.is_err()));
    }
}
