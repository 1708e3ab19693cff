//! Deliveries without a stream, their leases extended until they are settled.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferrymq_proto::v1::{PullRequest, SettleStatus};
use tokio::time::{MissedTickBehavior, interval};

use crate::subscriber::{Action, Delivery, GROUP_MAX, Gathered, Group, Held, Slot, gathering};
use crate::{Client, Error};

impl Client {
    /// Takes messages that wait, as [`Client::pull`], and extends their leases until they are settled or dropped: what is dropped comes
    /// back after its lease. Must be called within a Tokio runtime.
    pub async fn pull_deliveries(&self, request: PullRequest) -> Result<Vec<Delivery>, Error> {
        let response = self.pull(request).await?;
        let lease = response.lease.and_then(|lease| Duration::try_from(lease).ok()).unwrap_or(Duration::from_secs(30));
        let (gatherer, gathered) = gathering();
        let mut pulled = Pulled { client: self.clone(), held: Held::default(), renewed: BTreeSet::new() };
        let gatherer = Arc::new(gatherer);
        let deliveries = response.deliveries.into_iter().map(|delivery| {
            let slot = pulled.add(delivery.ack_id.clone());
            Delivery::new(delivery, slot, Arc::clone(&gatherer))
        });
        let deliveries = deliveries.collect();
        tokio::spawn(pulled.hold(lease, gathered));
        Ok(deliveries)
    }
}

/// The deliveries of one pull.
struct Pulled {
    client: Client,
    held: Held,
    /// Those whose leases are extended.
    renewed: BTreeSet<Slot>,
}

impl Pulled {
    fn add(&mut self, ack_id: Bytes) -> Slot {
        let is_leased = !ack_id.is_empty();
        let slot = self.held.add(ack_id);
        if is_leased {
            self.renewed.insert(slot);
        }
        slot
    }

    /// Until all have been settled or dropped.
    async fn hold(mut self, lease: Duration, mut gathered: Gathered) {
        let mut renewal = interval((lease / 2).max(Duration::from_millis(100)));
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewal.reset();
        loop {
            tokio::select! {
                is_asked = gathered.wait() => match is_asked {
                    true => self.settle(gathered.take()).await,
                    false => return,
                },
                _ = renewal.tick(), if !self.renewed.is_empty() => self.extend().await,
            }
        }
    }

    async fn settle(&mut self, groups: impl IntoIterator<Item = Group>) {
        for Group { action, slots, answer } in groups {
            let ids = slots.iter().map(|slot| self.held.ack_id(*slot).clone()).collect();
            if !matches!(action, Action::Extend(_)) {
                for slot in &slots {
                    self.renewed.remove(slot);
                }
            }
            answer.give(match action {
                Action::Ack => self.client.ack(ids).await,
                Action::Nack(mode, delay, reason) => self.client.nack(ids, mode, delay, reason).await,
                Action::Extend(lease) => self.client.extend(ids, lease).await,
            });
        }
    }

    async fn extend(&mut self) {
        let slots: Vec<Slot> = self.renewed.iter().copied().collect();
        for slots in slots.chunks(GROUP_MAX) {
            let ids = slots.iter().map(|slot| self.held.ack_id(*slot).clone()).collect();
            match self.client.extend(ids, None).await {
                Ok(statuses) => {
                    let lost = slots.iter().zip(statuses).filter(|(_, status)| *status != SettleStatus::Ok);
                    for (slot, _) in lost {
                        self.renewed.remove(slot);
                        tracing::warn!(target: "ferrymq", "the lease of a pulled message was lost");
                    }
                }
                Err(error) => tracing::warn!(target: "ferrymq", "leases of pulled messages were not extended: {error}"),
            }
        }
    }
}
