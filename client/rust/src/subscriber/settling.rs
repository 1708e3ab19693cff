//! What became of settlements, for those who ask.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use ferrymq_proto::v1::SettleStatus;

use crate::Error;
use crate::answer::{self, Waiting};

/// Resolves when the settlement is on disk. It goes its way also when this is dropped; a lost lease is then a line of log.
#[derive(Debug)]
pub struct Settling {
    outcome: Waiting<Statuses>,
    /// Of the delivery in its settlement.
    index: usize,
}

impl Settling {
    /// What cannot be sent.
    pub(super) fn failed(error: Error) -> Self {
        let answer = Answer::default();
        let settling = answer.settling(0);
        answer.give(Err(error));
        settling
    }

    /// What nobody sends any more.
    pub(super) fn too_late() -> Self {
        Answer::default().settling(0)
    }
}

impl Future for Settling {
    type Output = Result<SettleStatus, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.index;
        let gone = "the subscriber ended before the settlement was answered";
        self.outcome.poll(cx, gone).map(|statuses| statuses?.tell(index))
    }
}

/// Tells everyone who waits for a delivery of one settlement.
#[derive(Debug, Default)]
pub(crate) struct Answer(answer::Answer<Statuses>);

impl Answer {
    /// For the delivery at `index` of the settlement.
    pub(super) fn settling(&self, index: usize) -> Settling {
        Settling { outcome: self.0.waiting(), index }
    }

    pub(crate) fn give(self, statuses: Result<Vec<SettleStatus>, Error>) {
        self.0.give(statuses.map(Statuses::new));
    }
}

/// Of the deliveries of one settlement, in order. Gone once nobody waits for one any more.
#[derive(Debug)]
struct Statuses {
    statuses: Vec<SettleStatus>,
    lost: Vec<Lost>,
}

/// A delivery that has come too late to be settled.
#[derive(Debug)]
struct Lost {
    index: usize,
    is_told: AtomicBool,
}

impl Statuses {
    fn new(statuses: Vec<SettleStatus>) -> Self {
        let is_lost = |status| !matches!(status, SettleStatus::Ok | SettleStatus::AlreadySettled);
        let lost = statuses.iter().enumerate().filter(|(_, status)| is_lost(**status));
        let lost = lost.map(|(index, _)| Lost { index, is_told: AtomicBool::new(false) }).collect();
        Self { statuses, lost }
    }

    fn tell(&self, index: usize) -> Result<SettleStatus, Error> {
        if let Some(lost) = self.lost.iter().find(|lost| lost.index == index) {
            lost.is_told.store(true, Ordering::Relaxed);
        }
        let status = self.statuses.get(index).copied();
        status.ok_or_else(|| Error::unavailable("the broker's answer lacks the settlement's status"))
    }
}

impl Drop for Statuses {
    fn drop(&mut self) {
        for lost in self.lost.iter().filter(|lost| !lost.is_told.load(Ordering::Relaxed)) {
            let status = self.statuses[lost.index].as_str_name().trim_start_matches("SETTLE_STATUS_");
            tracing::warn!(target: "ferrymq", "a settlement that nobody waits for came too late: {status}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_gets_its_own_status_also_when_it_asks_late() {
        let answer = Answer::default();
        let [first, second, third] = [0, 1, 2].map(|index| answer.settling(index));
        let early = tokio::spawn(first);
        answer.give(Ok(vec![SettleStatus::Ok, SettleStatus::LeaseLost]));
        assert_eq!(early.await.expect("it does not panic"), Ok(SettleStatus::Ok));
        assert_eq!(second.await, Ok(SettleStatus::LeaseLost));
        assert!(third.await.is_err_and(|error| error.code() == tonic::Code::Unavailable));
    }

    #[test]
    fn what_was_lost_is_told_to_those_who_ask() {
        let statuses = Statuses::new(vec![SettleStatus::LeaseLost, SettleStatus::Ok, SettleStatus::Gone]);
        assert_eq!(statuses.tell(2), Ok(SettleStatus::Gone));
        let untold = |lost: &&Lost| !lost.is_told.load(Ordering::Relaxed);
        assert_eq!(statuses.lost.iter().filter(untold).map(|lost| lost.index).collect::<Vec<_>>(), [0]);
    }

    #[tokio::test]
    async fn what_was_never_answered_has_failed() {
        let answer = Answer::default();
        let settling = answer.settling(0);
        drop(answer);
        assert!(settling.await.is_err());
        assert!(Settling::too_late().await.is_err());
    }
}
