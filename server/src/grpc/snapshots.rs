//! Snapshots: thin handlers.

use ferrymq_proto::server as pb;

use super::admin::required;
use super::{Api, Paging};
use crate::catalogue::admin::Command;
use crate::edge::note;
use crate::error::Error;

impl Api {
    pub(super) async fn take_snapshot(
        &self,
        request: pb::CreateSnapshotRequest,
    ) -> Result<pb::CreateSnapshotResponse, Error> {
        self.broker.check_serving()?;
        let snapshot = required("snapshot", request.snapshot)?;
        note("queue", &snapshot.queue);
        let snapshot = self.broker.admin.ask(|reply| Command::CreateSnapshot(snapshot, reply)).await?;
        Ok(pb::CreateSnapshotResponse { snapshot: Some(snapshot) })
    }

    pub(super) fn show_snapshot(&self, name: &str) -> Result<pb::GetSnapshotResponse, Error> {
        let snapshot = self.broker.catalogue().snapshot(name, self.broker.clock.now_ms())?;
        Ok(pb::GetSnapshotResponse { snapshot: Some(snapshot.settings.clone()) })
    }

    pub(super) fn show_snapshots(&self, request: pb::ListSnapshotsRequest) -> Result<pb::ListSnapshotsResponse, Error> {
        let now = self.broker.clock.now_ms();
        let catalogue = self.broker.catalogue();
        let wanted = |snapshot: &pb::Snapshot| request.queue.is_empty() || snapshot.queue == request.queue;
        let all = catalogue.snapshots.iter().filter(|(_, s)| s.expire_ms > now && wanted(&s.settings));
        let all: Vec<_> = all.map(|(name, snapshot)| (name.clone(), snapshot.settings.clone())).collect();
        let total_size = all.len() as i32;
        let (snapshots, next_page_token) = Paging::new(request.page_size, request.page_token)?.page(all);
        Ok(pb::ListSnapshotsResponse { snapshots, next_page_token, total_size })
    }

    pub(super) async fn end_snapshot(
        &self,
        request: pb::DeleteSnapshotRequest,
    ) -> Result<pb::DeleteSnapshotResponse, Error> {
        self.broker.check_serving()?;
        let deleted = self.broker.admin.ask(|reply| Command::DeleteSnapshot(request, reply)).await?;
        Ok(pb::DeleteSnapshotResponse { deleted })
    }
}
