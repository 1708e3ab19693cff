//! `OperationsService`: peek, purge, stats.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ferrymq_core::batch::Batch;
use ferrymq_core::{LogId, Offset};
use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::{server as pb, v1};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::Api;
use crate::error::Error;

type Answer<T> = Result<Response<T>, Status>;

/// What was read of a topic's log.
pub(crate) struct LogRead {
    /// Messages as deliveries, and their offsets.
    pub(crate) found: Vec<(RawDelivery, Offset)>,
    /// Bytes of the batches that they are slices of.
    pub(crate) bytes: usize,
}

impl Api {
    /// The next messages of a topic's log; moves `at` behind them.
    pub(crate) async fn read_log(&self, topic: &str, log: LogId, at: &mut Offset) -> Result<LogRead, Error> {
        let damaged = |error: &dyn std::fmt::Display| Error::damaged(&error.to_string());
        let read = self.broker.store.read(log, *at, 256 << 10).await.map_err(|error| damaged(&error))?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        let topic = Bytes::copy_from_slice(topic.as_bytes());
        for stored in read {
            bytes += stored.bytes.len();
            let batch = Batch::parse(stored.bytes).map_err(|error| damaged(&error))?;
            for index in 0..batch.len() {
                let offset = stored.base + index as u64;
                if offset < *at {
                    continue;
                }
                let delivery = RawDelivery {
                    message: batch.message(index),
                    topic: topic.clone(),
                    position: Some(v1::Position { log: log.0 as i64, offset: offset as i64 }),
                    publish_time_ms: batch.publish_time_ms() as i64,
                    attempt: 1,
                    ..RawDelivery::default()
                };
                found.push((delivery, offset));
            }
            *at = (*at).max(stored.base + u64::from(stored.count));
        }
        Ok(LogRead { found, bytes })
    }

    async fn purge_topic(&self, name: &str) -> Result<i64, Error> {
        let topic = self.broker.topic(name)?;
        let (log, store) = (topic.log(), self.broker.store.clone());
        let look = self.broker.committer.pins().look();
        let needed = crate::retention::needed(&store, &self.broker.catalogue(), self.broker.clock.now_ms(), log);
        let before = store.first(log);
        self.broker.committer.trim(look, vec![(log, needed)]).await?.wait().await?;
        Ok((self.broker.store.first(log) - before) as i64)
    }

    pub(super) fn broker_stats(&self) -> pb::BrokerStats {
        let counters = &self.broker.counters;
        let catalogue = self.broker.catalogue();
        let space = self.broker.store.space();
        pb::BrokerStats {
            start_time: Some(self.broker.start_time.into()),
            connections: self.broker.places.open() as i64,
            sync_time: self.broker.sync_times.mean().and_then(|mean| mean.try_into().ok()),
            memory_bytes: crate::process::resident_bytes() as i64,
            consumers: counters.consumers.load(Ordering::Relaxed) as i64,
            topics: catalogue.topics.len() as i64,
            queues: catalogue.queues.len() as i64,
            disk_used_bytes: space.used_bytes as i64,
            disk_free_bytes: i64::try_from(space.free_bytes).unwrap_or(i64::MAX),
            published: counters.published.load(Ordering::Relaxed) as i64,
            delivered: counters.delivered.load(Ordering::Relaxed) as i64,
            acked: counters.acked.load(Ordering::Relaxed) as i64,
            commits: self.broker.store.stats().commits as i64,
        }
    }
}

#[tonic::async_trait]
impl pb::operations_service_server::OperationsService for Api {
    async fn peek(&self, request: Request<pb::PeekRequest>) -> Answer<pb::PeekResponse> {
        Ok(Response::new(self.peek_page(request.into_inner()).await?))
    }

    async fn purge(&self, request: Request<pb::PurgeRequest>) -> Answer<pb::PurgeResponse> {
        self.broker.check_serving()?;
        let messages = match request.into_inner().target {
            Some(pb::purge_request::Target::Queue(name)) => self.broker.queue(&name)?.handle.purge().await? as i64,
            Some(pb::purge_request::Target::Topic(name)) => self.purge_topic(&name).await?,
            None => return Err(Error::invalid("target", "exactly one of queue, topic must be set").into()),
        };
        Ok(Response::new(pb::PurgeResponse { messages }))
    }

    async fn seek(&self, request: Request<pb::SeekRequest>) -> Answer<pb::SeekResponse> {
        Ok(Response::new(self.seek_queue(&request.into_inner()).await?))
    }

    async fn pause(&self, request: Request<pb::PauseRequest>) -> Answer<pb::PauseResponse> {
        self.pause_queue(request.into_inner().queue, true).await?;
        Ok(Response::new(pb::PauseResponse {}))
    }

    async fn resume(&self, request: Request<pb::ResumeRequest>) -> Answer<pb::ResumeResponse> {
        self.pause_queue(request.into_inner().queue, false).await?;
        Ok(Response::new(pb::ResumeResponse {}))
    }

    async fn watch_stats(&self, request: Request<pb::WatchStatsRequest>) -> Answer<BoxStream<pb::WatchStatsResponse>> {
        self.broker.check_serving()?;
        Ok(Response::new(Box::pin(ReceiverStream::new(self.watch(request.into_inner()).await?))))
    }

    async fn list_consumers(&self, request: Request<pb::ListConsumersRequest>) -> Answer<pb::ListConsumersResponse> {
        Ok(Response::new(self.consumers(request.into_inner()).await?))
    }

    async fn list_connections(
        &self,
        request: Request<pb::ListConnectionsRequest>,
    ) -> Answer<pb::ListConnectionsResponse> {
        Ok(Response::new(self.connections(request.into_inner())?))
    }

    async fn close_connection(
        &self,
        request: Request<pb::CloseConnectionRequest>,
    ) -> Answer<pb::CloseConnectionResponse> {
        self.close(request.into_inner())?;
        Ok(Response::new(pb::CloseConnectionResponse {}))
    }

    async fn get_stats(&self, request: Request<pb::GetStatsRequest>) -> Answer<pb::GetStatsResponse> {
        let request = request.into_inner();
        let mut topics = HashMap::new();
        for name in request.topics {
            topics.insert(name.clone(), self.topic_stats(&*self.broker.topic(&name)?));
        }
        let mut queues = HashMap::new();
        for name in request.queues {
            let queue = self.broker.queue(&name)?;
            queues.insert(name, self.queue_stats(&queue).await?);
        }
        let time = Some(std::time::SystemTime::now().into());
        Ok(Response::new(pb::GetStatsResponse { time, broker: Some(self.broker_stats()), topics, queues }))
    }
}
