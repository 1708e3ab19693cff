//! Deliveries that are settled before they are sent.

use bytes::Bytes;
use ferrymq_proto::raw::RawDelivery;

use crate::broker::Broker;
use crate::error::Error;
use crate::queue::{SettleStatus, Settlement};

/// Settles deliveries, and leaves those that nobody else has or will get, without an ack id, once that is on disk. After an
/// error none may be sent: it is not known which of them are settled.
pub(super) async fn settle_first(broker: &Broker, deliveries: Vec<RawDelivery>) -> Result<Vec<RawDelivery>, Error> {
    let ids: Vec<Bytes> = deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect();
    let mut statuses = Vec::with_capacity(ids.len());
    for ids in ids.chunks(broker.limits.batch_items_max.max(1)) {
        statuses.extend(broker.settle(ids, &Settlement::Take).await?);
    }
    let taken = deliveries.into_iter().zip(statuses).filter(|(_, status)| *status == SettleStatus::Ok);
    Ok(taken.map(|(delivery, _)| RawDelivery { ack_id: Bytes::new(), ..delivery }).collect())
}
