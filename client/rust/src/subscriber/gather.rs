//! Settlements as the program asks for them, gathered until they are sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ferrymq_proto::v1::NackMode;
use tokio::sync::mpsc;

use super::held::Slot;
use super::settling::{Answer, Settling};
use crate::Error;
use crate::messaging::wire_duration;

/// The most ack ids in one settlement that every broker takes.
pub(crate) const GROUP_MAX: usize = 1000;

/// What is to be done with a delivery.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Ack,
    Nack(NackMode, Option<Duration>, String),
    Extend(Option<Duration>),
}

impl Action {
    /// Fails if the protocol has no words for it.
    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Nack(_, Some(duration), _) | Self::Extend(Some(duration)) => wire_duration(*duration).map(drop),
            _ => Ok(()),
        }
    }
}

/// Deliveries that are settled together: neighbours with which the same is to be done.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) action: Action,
    pub(crate) slots: Vec<Slot>,
    pub(crate) answer: Answer,
}

impl Group {
    fn new(action: Action) -> Self {
        Self { action, slots: Vec::new(), answer: Answer::default() }
    }

    fn takes(&self, action: &Action) -> bool {
        self.slots.len() < GROUP_MAX && self.action == *action
    }

    fn add(&mut self, slot: Slot) -> Settling {
        self.slots.push(slot);
        self.answer.settling(self.slots.len() - 1)
    }
}

/// Where the program's side and the task that sends meet.
pub(crate) fn gathering() -> (Gatherer, Gathered) {
    let asked = Arc::new(Mutex::new(Asked::default()));
    let (wake, woken) = mpsc::channel(1);
    (Gatherer { asked: Arc::clone(&asked), wake }, Gathered { asked, woken })
}

#[derive(Debug, Default)]
struct Asked {
    groups: VecDeque<Group>,
    /// Nobody takes them any more.
    is_over: bool,
}

impl Asked {
    fn add(&mut self, slot: Slot, action: Action) -> Settling {
        if let Some(group) = self.groups.back_mut().filter(|group| group.takes(&action)) {
            return group.add(slot);
        }
        let mut group = Group::new(action);
        let settling = group.add(slot);
        self.groups.push_back(group);
        settling
    }
}

/// The program's side.
#[derive(Debug)]
pub(crate) struct Gatherer {
    asked: Arc<Mutex<Asked>>,
    wake: mpsc::Sender<()>,
}

impl Gatherer {
    pub(super) fn add(&self, slot: Slot, action: Action) -> Settling {
        if let Err(error) = action.check() {
            return Settling::failed(error);
        }
        let mut asked = lock(&self.asked);
        if asked.is_over {
            return Settling::too_late();
        }
        let is_first = asked.groups.is_empty();
        let settling = asked.add(slot, action);
        drop(asked);
        if is_first {
            // Without room the task is woken already.
            let _ = self.wake.try_send(());
        }
        settling
    }
}

/// The side of the task that sends.
#[derive(Debug)]
pub(crate) struct Gathered {
    asked: Arc<Mutex<Asked>>,
    woken: mpsc::Receiver<()>,
}

impl Gathered {
    /// Waits until there may be something to take; false once nobody is left who could ask.
    pub(crate) async fn wait(&mut self) -> bool {
        self.woken.recv().await.is_some()
    }

    pub(crate) fn has_some(&self) -> bool {
        !lock(&self.asked).groups.is_empty()
    }

    /// All there is, in order.
    pub(crate) fn take(&self) -> VecDeque<Group> {
        std::mem::take(&mut lock(&self.asked).groups)
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        let mut asked = lock(&self.asked);
        asked.is_over = true;
        asked.groups.clear();
    }
}

fn lock(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    // Each critical section leaves the groups whole, so a panic elsewhere does not spoil them.
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use ferrymq_proto::v1::SettleStatus;

    use super::super::held::Held;
    use super::*;

    fn slots<const N: usize>() -> [Slot; N] {
        let mut held = Held::default();
        std::array::from_fn(|at| held.add(at.to_string().into()))
    }

    #[tokio::test]
    async fn neighbours_of_a_kind_go_together_in_the_order_they_came() {
        let (gatherer, mut gathered) = gathering();
        let [a, b, c, d] = slots();
        let reject = || Action::Nack(NackMode::Reject, None, "no".into());
        let settlings =
            [(a, Action::Ack), (b, Action::Ack), (c, reject()), (d, Action::Ack)].map(|(s, a)| gatherer.add(s, a));
        assert!(gathered.wait().await);
        let groups = gathered.take();
        let found: Vec<_> = groups.iter().map(|group| (&group.action, group.slots.as_slice())).collect();
        assert_eq!(found, [(&Action::Ack, [a, b].as_slice()), (&reject(), &[c]), (&Action::Ack, &[d])]);
        for group in groups {
            group.answer.give(Ok(vec![SettleStatus::Ok; group.slots.len()]));
        }
        for settling in settlings {
            assert_eq!(settling.await, Ok(SettleStatus::Ok));
        }
    }

    #[tokio::test]
    async fn the_task_is_woken_again_for_what_comes_after_it_has_taken_and_told_of_the_end() {
        let (gatherer, mut gathered) = gathering();
        let [a, b] = slots();
        for slot in [a, b] {
            drop(gatherer.add(slot, Action::Ack));
            assert!(gathered.wait().await);
            assert_eq!(gathered.take().len(), 1);
        }
        drop(gatherer);
        assert!(!gathered.wait().await);
    }

    #[test]
    fn a_group_has_an_end() {
        let (gatherer, gathered) = gathering();
        let [slot] = slots();
        (0..=GROUP_MAX).for_each(|_| drop(gatherer.add(slot, Action::Extend(None))));
        assert_eq!(gathered.take().iter().map(|group| group.slots.len()).collect::<Vec<_>>(), [GROUP_MAX, 1]);
    }

    #[tokio::test]
    async fn what_cannot_be_sent_fails_and_so_does_what_nobody_sends_any_more() {
        let (gatherer, gathered) = gathering();
        let [slot] = slots();
        let endless = gatherer.add(slot, Action::Extend(Some(Duration::MAX))).await;
        assert!(endless.is_err_and(|error| error.code() == tonic::Code::InvalidArgument));
        let waiting = gatherer.add(slot, Action::Ack);
        drop(gathered);
        assert!(waiting.await.is_err_and(|error| error.code() == tonic::Code::Unavailable));
        assert!(gatherer.add(slot, Action::Ack).await.is_err());
    }
}
