//! Deliveries without a stream, their leases extended until they are settled.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferrymq_proto::v1::{PullRequest, SettleStatus};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::subscriber::{Action, Command, Delivery};
use crate::{Client, Error};

/// The most ack ids in one request that every broker takes.
const IDS_MAX: usize = 1000;

impl Client {
    /// Takes messages that wait, as [`Client::pull`], and extends their leases until they are settled or dropped: what is dropped comes
    /// back after its lease. Must be called within a Tokio runtime.
    pub async fn pull_deliveries(&self, request: PullRequest) -> Result<Vec<Delivery>, Error> {
        let response = self.pull(request).await?;
        let lease = response.lease.and_then(|lease| Duration::try_from(lease).ok()).unwrap_or(Duration::from_secs(30));
        let (settle, commands) = mpsc::unbounded_channel();
        let settle = Arc::new(settle);
        let held = response.deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect();
        let deliveries = response.deliveries.into_iter().map(|d| Delivery::new(d, Arc::clone(&settle))).collect();
        tokio::spawn(hold(self.clone(), held, lease, commands));
        Ok(deliveries)
    }
}

/// Until all deliveries have been settled or dropped.
async fn hold(
    client: Client,
    mut held: HashSet<Bytes>,
    lease: Duration,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut renewal = interval((lease / 2).max(Duration::from_millis(100)));
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewal.reset();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => settle(&client, command, &mut held).await,
                None => return,
            },
            _ = renewal.tick(), if !held.is_empty() => extend(&client, &mut held).await,
        }
    }
}

async fn settle(client: &Client, command: Command, held: &mut HashSet<Bytes>) {
    let ids = vec![command.ack_id.clone()];
    let statuses = match command.action {
        Action::Ack => client.ack(ids).await,
        Action::Nack(mode, delay, reason) => client.nack(ids, mode, delay, reason).await,
        Action::Extend(lease) => {
            // It is still held.
            let status = client.extend(ids, lease).await.map(first);
            let _ = command.answer.send(status);
            return;
        }
    };
    held.remove(&command.ack_id);
    // The caller may have dropped its Settling: then nobody wants to know.
    let _ = command.answer.send(statuses.map(first));
}

fn first(statuses: Vec<SettleStatus>) -> SettleStatus {
    statuses.first().copied().unwrap_or_default()
}

async fn extend(client: &Client, held: &mut HashSet<Bytes>) {
    let ids: Vec<Bytes> = held.iter().cloned().collect();
    for ids in ids.chunks(IDS_MAX) {
        match client.extend(ids.to_vec(), None).await {
            Ok(statuses) => {
                let lost = ids.iter().zip(statuses).filter(|(_, status)| *status != SettleStatus::Ok);
                for (id, _) in lost {
                    held.remove(id);
                    tracing::warn!(target: "ferrymq", "the lease of a pulled message was lost");
                }
            }
            Err(error) => tracing::warn!(target: "ferrymq", "leases of pulled messages were not extended: {error}"),
        }
    }
}
