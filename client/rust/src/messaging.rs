//! Publishing one batch, settling and pulling: one call each.

use std::time::Duration;

use bytes::Bytes;
use ferrymq_proto::v1::{
    AckRequest, ExtendLeaseRequest, GetServerInfoRequest, GetServerInfoResponse, Message, NackMode, NackRequest,
    PublishRequest, PublishResponse, PullRequest, PullResponse, SettleStatus,
};

use crate::{Client, Destination, Error};

/// The broker's, where a pull does not say how long it waits.
const PULL_WAIT: Duration = Duration::from_secs(10);

impl Client {
    /// What this broker is, can and allows.
    pub async fn server_info(&self) -> Result<GetServerInfoResponse, Error> {
        self.call(GetServerInfoRequest {}, async |call| self.messaging().get_server_info(call).await).await
    }

    /// Publishes one batch, whole or not at all; the answer means that it is on disk.
    pub async fn publish(&self, destination: Destination, messages: Vec<Message>) -> Result<PublishResponse, Error> {
        let request = PublishRequest { destination: Some(destination), messages, ..PublishRequest::default() };
        self.call(request, async |call| self.messaging().publish(call).await).await
    }

    /// Publishes one batch with everything that a request may say, within this time: DEADLINE_EXCEEDED means that it may or may not
    /// be stored.
    pub async fn publish_request(&self, request: PublishRequest, timeout: Duration) -> Result<PublishResponse, Error> {
        self.call_within(timeout, request, async |call| self.messaging().publish(call).await).await
    }

    /// Takes messages that wait, without a stream. `call_timeout` begins once it has waited for the first.
    pub async fn pull(&self, request: PullRequest) -> Result<PullResponse, Error> {
        let wait = request.wait.map_or(Ok(PULL_WAIT), Duration::try_from).unwrap_or_default();
        let timeout = wait.saturating_add(self.call_timeout);
        self.call_within(timeout, request, async |call| self.messaging().pull(call).await).await
    }

    /// Settles deliveries as done. The statuses are in the order of the ids.
    pub async fn ack(&self, ack_ids: Vec<Bytes>) -> Result<Vec<SettleStatus>, Error> {
        let response = self.call(AckRequest { ack_ids }, async |call| self.messaging().ack(call).await).await?;
        Ok(statuses(&response.statuses))
    }

    /// Gives deliveries back (RELEASE, RETRY) or up (REJECT). Without `delay`: at once for RELEASE, the queue's backoff for RETRY.
    pub async fn nack(
        &self,
        ack_ids: Vec<Bytes>,
        mode: NackMode,
        delay: Option<Duration>,
        reason: impl Into<String>,
    ) -> Result<Vec<SettleStatus>, Error> {
        let request = NackRequest {
            ack_ids,
            mode: mode.into(),
            delay: delay.map(wire_duration).transpose()?,
            reason: reason.into(),
        };
        let response = self.call(request, async |call| self.messaging().nack(call).await).await?;
        Ok(statuses(&response.statuses))
    }

    /// Prolongs leases, from now. Without `lease`: by the queue's lease.
    pub async fn extend(&self, ack_ids: Vec<Bytes>, lease: Option<Duration>) -> Result<Vec<SettleStatus>, Error> {
        let request = ExtendLeaseRequest { ack_ids, lease: lease.map(wire_duration).transpose()? };
        let response = self.call(request, async |call| self.messaging().extend_lease(call).await).await?;
        Ok(statuses(&response.statuses))
    }
}

/// One for each, also for those of a newer broker that have no name here: they are unspecified.
pub(crate) fn statuses(encoded: &[i32]) -> Vec<SettleStatus> {
    encoded.iter().map(|status| SettleStatus::try_from(*status).unwrap_or_default()).collect()
}

pub(crate) fn wire_duration(duration: Duration) -> Result<prost_types::Duration, Error> {
    prost_types::Duration::try_from(duration)
        .map_err(|_| Error::invalid("duration", "longer than the protocol can say"))
}
