//! `ferrymq topic`.

use std::time::Duration;

use ferrymq_client::v1::{Limits, Overflow, ResourceView, Retention, Topic};
use ferrymq_server::config::units;

use super::Context;
use crate::args::TopicCommand;
use crate::failure::Failure;
use crate::{json, output, values};

/// Runs one of them.
pub async fn run(command: TopicCommand, context: &Context) -> Result<(), Failure> {
    match command {
        TopicCommand::Create {
            name,
            keep_for,
            keep_bytes,
            keep_forever,
            max_messages,
            max_bytes,
            drop_oldest,
            alternate,
        } => {
            let limits = (max_messages.is_some() || max_bytes.is_some()).then(|| Limits {
                max_messages: max_messages.unwrap_or(0),
                max_bytes: max_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(0),
                overflow: if drop_oldest { Overflow::DropOldest } else { Overflow::Reject }.into(),
            });
            let set = keep_forever || keep_for.is_some() || keep_bytes.is_some();
            let retention = set.then(|| Retention {
                forever: keep_forever,
                max_age: keep_for.map(values::wire),
                max_bytes: keep_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(0),
                ..Retention::default()
            });
            create(Topic { name, retention, limits, alternate_topic: alternate, ..Topic::default() }, context).await
        }
        TopicCommand::Get(which) => {
            let topic = context.client.get_topic(which.name).await?;
            Ok(output::value(&json::of("Topic", &topic), context.json)?)
        }
        TopicCommand::List(which) => list(&which.prefix, context).await,
        TopicCommand::Delete(which) => {
            context.client.delete_topic(&which.name, which.force).await?;
            output::note(&format!("topic `{}` deleted", which.name));
            Ok(())
        }
    }
}

async fn create(topic: Topic, context: &Context) -> Result<(), Failure> {
    let response = context.client.create_topic(topic).await?;
    let topic = response.topic.unwrap_or_default();
    if context.json {
        output::value(&json::of("Topic", &topic), true)?;
    }
    let how = if response.created { "created" } else { "was there already, the same" };
    output::note(&format!("topic `{}` {how}", topic.name));
    Ok(())
}

async fn list(prefix: &str, context: &Context) -> Result<(), Failure> {
    let topics = context.client.list_topics_in(prefix, ResourceView::Full).await?;
    if context.json {
        for topic in &topics {
            output::value(&json::of("Topic", topic), true)?;
        }
        return Ok(());
    }
    let rows: Vec<_> = topics.into_iter().map(row).collect();
    Ok(output::table(&["TOPIC", "QUEUES", "MESSAGES", "BYTES", "PUBLISHED", "UNROUTABLE", "KEEPS"], &rows)?)
}

fn row(topic: Topic) -> Vec<String> {
    let stats = topic.stats.unwrap_or_default();
    let numbers = [stats.queues, stats.messages, stats.bytes, stats.published, stats.unroutable];
    let mut cells = vec![topic.name];
    cells.extend(numbers.map(|number| number.to_string()));
    cells.push(kept(&topic.retention.unwrap_or_default()));
    cells
}

/// What a topic keeps beyond what its queues need: `24h, 1GiB`.
fn kept(retention: &Retention) -> String {
    if retention.forever {
        return "everything".into();
    }
    let age = retention.max_age.and_then(|age| Duration::try_from(age).ok()).map(units::show_duration);
    let bytes = u64::try_from(retention.max_bytes).ok().filter(|bytes| *bytes > 0).map(units::show_bytes);
    let count = (retention.max_messages > 0).then(|| format!("{} messages", retention.max_messages));
    let kept: Vec<String> = [age, bytes, count].into_iter().flatten().collect();
    if kept.is_empty() { "nothing".into() } else { kept.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_keeps_is_said_in_units() {
        let day = prost_types::Duration { seconds: 86_400, nanos: 0 };
        let default = Retention { max_age: Some(day), max_bytes: 1 << 30, ..Retention::default() };
        assert_eq!(kept(&default), "1d, 1GiB");
        assert_eq!(kept(&Retention { forever: true, ..Retention::default() }), "everything");
        assert_eq!(kept(&Retention { max_messages: 5, ..Retention::default() }), "5 messages");
        assert_eq!(kept(&Retention::default()), "nothing");
    }
}
