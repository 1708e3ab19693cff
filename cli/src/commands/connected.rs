//! `ferrymq consumer` and `ferrymq connection`.

use ferrymq_client::v1::{Connection, Consumer};

use super::Context;
use crate::args::{ConnectionCommand, ConsumerCommand};
use crate::failure::Failure;
use crate::{json, output};

/// Runs one of `ferrymq consumer`.
pub async fn consumer(command: ConsumerCommand, context: &Context) -> Result<(), Failure> {
    let ConsumerCommand::List { queue } = command;
    let consumers = context.client.list_consumers(&queue).await?;
    if context.json {
        return print_all("Consumer", &consumers);
    }
    let row = |consumer: Consumer| {
        // A broadcast has a topic and no queue.
        let source = if consumer.queue.is_empty() { consumer.topic } else { consumer.queue };
        let numbers = [consumer.unsettled, consumer.prefetch].map(|number| number.to_string());
        let [unsettled, prefetch] = numbers;
        vec![consumer.id, consumer.name, source, unsettled, prefetch, consumer.connection_id]
    };
    let rows: Vec<_> = consumers.into_iter().map(row).collect();
    Ok(output::table(&["CONSUMER", "NAME", "FROM", "UNSETTLED", "PREFETCH", "CONNECTION"], &rows)?)
}

/// Runs one of `ferrymq connection`.
pub async fn connection(command: ConnectionCommand, context: &Context) -> Result<(), Failure> {
    let connections = match command {
        ConnectionCommand::List => context.client.list_connections().await?,
        ConnectionCommand::Close(which) => {
            context.client.close_connection(&which.id, which.reason).await?;
            output::note(&format!("connection `{}` closed", which.id));
            return Ok(());
        }
    };
    if context.json {
        return print_all("Connection", &connections);
    }
    let row = |connection: Connection| {
        let since = connection.start_time.map(|time| time.to_string()).unwrap_or_default();
        vec![connection.id, connection.peer, connection.user_agent, connection.streams.to_string(), since]
    };
    let rows: Vec<_> = connections.into_iter().map(row).collect();
    Ok(output::table(&["CONNECTION", "PEER", "CLIENT", "STREAMS", "SINCE"], &rows)?)
}

fn print_all<M: prost::Message>(name: &str, messages: &[M]) -> Result<(), Failure> {
    for message in messages {
        output::value(&json::of(name, message), true)?;
    }
    Ok(())
}
