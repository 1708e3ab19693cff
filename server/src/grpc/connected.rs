//! Who is connected and who consumes; and numbers again and again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ferrymq_core::queue::ConsumerLoad;
use ferrymq_proto::server as pb;
use ferrymq_proto::v1::ErrorReason;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tonic::Status;

use super::{Api, Paging};
use crate::catalogue::settings::{duration, millis};
use crate::error::Error;
use crate::roster::{From, Member};

/// Longest reason of a close.
const REASON_BYTES_MAX: usize = 255;

type Watched = mpsc::Receiver<Result<pb::WatchStatsResponse, Status>>;

impl Api {
    /// One page of those who consume.
    pub(super) async fn consumers(
        &self,
        request: pb::ListConsumersRequest,
    ) -> Result<pb::ListConsumersResponse, Error> {
        let paging = Paging::new(request.page_size, request.page_token)?;
        if !request.queue.is_empty() {
            self.broker.queue(&request.queue)?;
        }
        let mut members = self.broker.roster.after(&paging.after, &request.queue, paging.size + 1);
        let has_more = members.len() > paging.size;
        members.truncate(paging.size);
        let next_page_token = members.last().filter(|_| has_more).map(|last| last.id.clone()).unwrap_or_default();
        let loads = loads(&members).await;
        let now = self.broker.clock.now_ms();
        let consumers = members.iter().map(|member| consumer(member, loads.get(member.id.as_str()), now)).collect();
        Ok(pb::ListConsumersResponse { consumers, next_page_token })
    }

    /// One page of the connections.
    pub(super) fn connections(
        &self,
        request: pb::ListConnectionsRequest,
    ) -> Result<pb::ListConnectionsResponse, Error> {
        let paging = Paging::new(request.page_size, request.page_token)?;
        let after = match paging.after.as_str() {
            "" => 0,
            token => u64::from_str_radix(token, 16).map_err(|_| {
                Error::new(ErrorReason::PageTokenInvalid, "page_token: not of this list")
                    .field("page_token", "not of this list")
            })?,
        };
        let mut found = self.broker.places.after(after, paging.size + 1);
        let has_more = found.len() > paging.size;
        found.truncate(paging.size);
        let next_page_token = found.last().filter(|_| has_more).map(|last| last.id()).unwrap_or_default();
        let connections = found.iter().map(|connection| pb::Connection {
            id: connection.id(),
            peer: connection.peer.to_string(),
            user_agent: connection.user_agent().to_owned(),
            streams: connection.streams(),
            start_time: Some(connection.start_time.into()),
        });
        Ok(pb::ListConnectionsResponse { connections: connections.collect(), next_page_token })
    }

    /// Ends a connection.
    pub(super) fn close(&self, request: pb::CloseConnectionRequest) -> Result<(), Error> {
        if request.reason.len() > REASON_BYTES_MAX {
            return Err(Error::invalid("reason", format!("must be at most {REASON_BYTES_MAX} bytes long")));
        }
        let number = u64::from_str_radix(&request.id, 16).ok();
        let Some(connection) = number.and_then(|number| self.broker.places.connection(number)) else {
            let message = format!("connection `{}` not found", request.id);
            return Err(Error::new(ErrorReason::ConnectionNotFound, message).meta("connection", request.id));
        };
        tracing::info!(peer = %connection.peer, reason = ?request.reason, "a connection is closed by request");
        connection.close(request.reason);
        Ok(())
    }

    /// Numbers, at once and then at each interval; who does not read in time misses some.
    pub(super) async fn watch(&self, request: pb::WatchStatsRequest) -> Result<Watched, Error> {
        let interval = millis("interval", request.interval.as_ref(), 1_000, 100, 3_600_000)?;
        // What does not exist is refused; what goes later is left out.
        for name in &request.topics {
            self.broker.topic(name)?;
        }
        for name in &request.queues {
            self.broker.queue(name)?;
        }
        let (out, watched) = mpsc::channel(1);
        let (api, mut draining) = (self.clone(), self.broker.draining.clone());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(interval));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = out.closed() => return,
                    () = crate::edge::stopped(&mut draining) => {
                        let _ = out.send(Err(Error::draining().into())).await;
                        return;
                    }
                }
                // Only for who has read the last ones: numbers that are old already are of no use.
                if let Ok(place) = out.try_reserve() {
                    place.send(Ok(api.numbers(&request.topics, &request.queues).await));
                }
            }
        });
        Ok(watched)
    }

    async fn numbers(&self, topics: &[String], queues: &[String]) -> pb::WatchStatsResponse {
        let topics = topics.iter().filter_map(|name| {
            let topic = self.broker.topic(name).ok()?;
            Some((name.clone(), self.topic_stats(&topic)))
        });
        let topics: HashMap<_, _> = topics.collect();
        let mut of_queues = HashMap::new();
        for name in queues {
            let Ok(queue) = self.broker.queue(name) else { continue };
            if let Ok(stats) = self.queue_stats(&queue).await {
                of_queues.insert(name.clone(), stats);
            }
        }
        let time = Some(std::time::SystemTime::now().into());
        pb::WatchStatsResponse { time, broker: Some(self.broker_stats()), topics, queues: of_queues }
    }
}

/// What each of a queue holds, by its id: one question for each queue.
async fn loads(members: &[Arc<Member>]) -> BTreeMap<&str, ConsumerLoad> {
    let mut by_queue: BTreeMap<&str, Vec<&Arc<Member>>> = BTreeMap::new();
    for member in members {
        if let From::Queue(name, ..) = &member.from {
            by_queue.entry(name).or_default().push(member);
        }
    }
    let mut found = BTreeMap::new();
    for members in by_queue.into_values() {
        let of = |member: &Arc<Member>| match &member.from {
            From::Queue(_, handle, consumer) => Some((handle.clone(), *consumer)),
            From::Topic(_) => None,
        };
        let Some((handle, _)) = members.first().and_then(|member| of(member)) else { continue };
        let numbers = members.iter().filter_map(|member| of(member)).map(|(_, consumer)| consumer).collect();
        // A queue that is gone has no consumers any more.
        let loads = handle.loads(numbers).await.unwrap_or_default();
        for member in members {
            let load = loads.iter().find(|load| of(member).is_some_and(|(_, consumer)| consumer == load.id));
            found.extend(load.map(|load| (member.id.as_str(), *load)));
        }
    }
    found
}

fn consumer(member: &Member, load: Option<&ConsumerLoad>, now: u64) -> pb::Consumer {
    let (queue, topic) = match &member.from {
        From::Queue(name, ..) => (name.clone(), String::new()),
        From::Topic(name) => (String::new(), name.clone()),
    };
    pb::Consumer {
        id: member.id.clone(),
        name: member.name.clone(),
        queue,
        topic,
        connection_id: member.connection.clone(),
        unsettled: load.map_or(0, |load| load.unsettled as i32),
        prefetch: load.map_or(0, |load| load.window.messages as i32),
        start_time: Some(member.start_time.into()),
        oldest_lease: load.and_then(|load| load.oldest).map(|oldest| duration(now.saturating_sub(oldest))),
    }
}
