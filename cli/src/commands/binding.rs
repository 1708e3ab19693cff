//! `ferrymq binding`.

use ferrymq_client::v1::Binding;
use ferrymq_client::v1::binding::Target;

use super::Context;
use crate::args::BindingCommand;
use crate::failure::Failure;
use crate::{json, output};

/// Runs one of them.
pub async fn run(command: BindingCommand, context: &Context) -> Result<(), Failure> {
    match command {
        BindingCommand::Create { topic, queue, to_topic, pattern, filter, from } => {
            let target = queue.map(Target::Queue).or(to_topic.map(Target::ToTopic));
            let binding = Binding { topic, target, pattern, filter, start: from, ..Binding::default() };
            create(binding, context).await
        }
        BindingCommand::Get(which) => {
            let binding = context.client.get_binding(which.name).await?;
            Ok(output::value(&json::of("Binding", &binding), context.json)?)
        }
        BindingCommand::List { topic, queue } => list(&topic, &queue, context).await,
        BindingCommand::Delete(which) => {
            context.client.delete_binding(&which.name).await?;
            output::note(&format!("binding `{}` deleted", which.name));
            Ok(())
        }
    }
}

async fn create(binding: Binding, context: &Context) -> Result<(), Failure> {
    let response = context.client.create_binding(binding).await?;
    let binding = response.binding.unwrap_or_default();
    if context.json {
        output::value(&json::of("Binding", &binding), true)?;
    }
    let how = if response.created { "created" } else { "was there already, the same" };
    output::note(&format!("binding `{}` {how}", binding.name));
    Ok(())
}

async fn list(topic: &str, queue: &str, context: &Context) -> Result<(), Failure> {
    let bindings = context.client.list_bindings(topic, queue).await?;
    if context.json {
        for binding in &bindings {
            output::value(&json::of("Binding", binding), true)?;
        }
        return Ok(());
    }
    let rows: Vec<_> = bindings.into_iter().map(row).collect();
    Ok(output::table(&["TOPIC", "PATTERN", "FILTER", "TARGET", "BINDING"], &rows)?)
}

fn row(binding: Binding) -> Vec<String> {
    let target = match binding.target {
        Some(Target::Queue(queue)) => queue,
        Some(Target::ToTopic(topic)) => format!("topic {topic}"),
        None => String::new(),
    };
    let pattern = if binding.pattern.is_empty() { "#".to_owned() } else { binding.pattern };
    vec![binding.topic, pattern, binding.filter, target, binding.name]
}
