//! `ferrymq topic`.

use ferrymq_client::v1::{Retention, Topic};

use super::Context;
use crate::args::TopicCommand;
use crate::failure::Failure;
use crate::{json, output, values};

/// Runs one of them.
pub async fn run(command: TopicCommand, context: &Context) -> Result<(), Failure> {
    match command {
        TopicCommand::Create { name, keep_for, keep_bytes, keep_forever } => {
            let set = keep_forever || keep_for.is_some() || keep_bytes.is_some();
            let retention = set.then(|| Retention {
                forever: keep_forever,
                max_age: keep_for.map(values::wire),
                max_bytes: keep_bytes.and_then(|bytes| i64::try_from(bytes).ok()).unwrap_or(0),
                ..Retention::default()
            });
            create(Topic { name, retention, ..Topic::default() }, context).await
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
    let topics = context.client.list_topics(prefix).await?;
    if context.json {
        for topic in &topics {
            output::value(&json::of("Topic", topic), true)?;
        }
        return Ok(());
    }
    let rows: Vec<_> = topics.into_iter().map(|topic| vec![topic.name]).collect();
    Ok(output::table(&["TOPIC"], &rows)?)
}
