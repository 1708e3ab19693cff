//! `ferrymq purge`, `stats` and `status`.

use ferrymq_client::v1::{GetStatsResponse, PurgeRequest, QueueStats, TopicStats, purge_request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Context;
use crate::args::{PurgeArgs, StatsArgs};
use crate::failure::Failure;
use crate::{human, json, output};

/// Drops what waits.
pub async fn purge(args: PurgeArgs, context: &Context) -> Result<(), Failure> {
    if !args.yes {
        return Err(Failure::usage("this drops messages for good").hint("add --yes if that is what you want"));
    }
    let target = match (args.queue, args.topic) {
        (Some(queue), _) => Some(purge_request::Target::Queue(queue)),
        (None, topic) => topic.map(purge_request::Target::Topic),
    };
    let messages = context.client.purge(PurgeRequest { target }).await?;
    if context.json {
        output::value(&serde_json::json!({ "messages": messages }), true)?;
    } else {
        output::note(&format!("{messages} messages dropped"));
    }
    Ok(())
}

/// Numbers.
pub async fn stats(args: StatsArgs, context: &Context) -> Result<(), Failure> {
    if args.watch {
        return super::watch::run(args, context).await;
    }
    let response = context.client.stats(args.topics, args.queues).await?;
    if context.json {
        return Ok(output::value(&json::of("GetStatsResponse", &response), true)?);
    }
    print_stats(&response)
}

fn print_stats(response: &GetStatsResponse) -> Result<(), Failure> {
    let broker = response.broker.unwrap_or_default();
    output::value(&json::of("BrokerStats", &broker), false)?;
    let mut topics: Vec<_> = response.topics.iter().map(|(name, stats)| topic_row(name, stats)).collect();
    topics.sort();
    if !topics.is_empty() {
        output::table(&["TOPIC", "MESSAGES", "BYTES", "QUEUES", "PUBLISHED", "UNROUTABLE"], &topics)?;
    }
    let mut queues: Vec<_> = response.queues.iter().map(|(name, stats)| queue_row(name, stats)).collect();
    queues.sort();
    if !queues.is_empty() {
        let headings =
            ["QUEUE", "READY", "SIZE", "UNSETTLED", "BACKING OFF", "CONSUMERS", "OLDEST", "ACKED", "REJECTED"];
        output::table(&headings, &queues)?;
    }
    Ok(())
}

fn topic_row(name: &str, stats: &TopicStats) -> Vec<String> {
    let numbers = [stats.messages, stats.bytes, stats.queues, stats.published, stats.unroutable];
    std::iter::once(name.to_owned()).chain(numbers.map(|n| n.to_string())).collect()
}

fn queue_row(name: &str, stats: &QueueStats) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    row.extend(human::standing(stats));
    row.extend([stats.acked, stats.rejected].map(human::count));
    row
}

/// Health and facts; fails if the broker does not serve.
pub async fn status(context: &Context) -> Result<(), Failure> {
    let mut health = HealthClient::new(context.client.channel());
    let health = health.check(HealthCheckRequest { service: String::new() }).await;
    let health = health.map_err(ferrymq_client::Error::from)?.into_inner().status();
    let info = context.client.server_info().await?;
    let mut value = json::of("GetServerInfoResponse", &info);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("url".into(), context.url.clone().into());
        fields.insert("health".into(), health.as_str_name().into());
    }
    output::value(&value, context.json)?;
    if health == ServingStatus::Serving {
        return Ok(());
    }
    Err(Failure::unavailable("the broker does not serve").hint("its log says why"))
}
