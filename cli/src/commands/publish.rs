//! `ferrymq publish` and `ferrymq send`.

use ferrymq_client::v1::{Message, PublishRequest, PublishResult};
use ferrymq_client::{Confirm, Destination, PublisherOptions};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use super::{Context, lines};
use crate::args::PublishArgs;
use crate::failure::Failure;
use crate::{json, output};

/// Confirms that wait to be counted; the publisher bounds their bytes.
const UNREAD_CONFIRMS_MAX: usize = 16_384;

/// What was confirmed so far.
#[derive(Default)]
struct Tally {
    published: u64,
    unmatched: u64,
}

impl Tally {
    fn add(&mut self, result: &PublishResult) {
        self.published += 1;
        self.unmatched += u64::from(result.queues_matched == 0);
    }
}

/// Publishes all there is, and says what became of it.
pub async fn run(args: PublishArgs, to: Destination, context: &Context) -> Result<(), Failure> {
    let tally = if let Some(payload) = one_payload(&args)? {
        let message = Message { payload: payload.into(), ..template(&args) };
        publish_one(message, &args, to, context).await?
    } else {
        publish_lines(&args, to, context).await?
    };
    report(&tally, &args, context.json)
}

fn one_payload(args: &PublishArgs) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(payload) = &args.payload {
        return Ok(Some(payload.clone().into_bytes()));
    }
    let Some(path) = &args.file else { return Ok(None) };
    let content = std::fs::read(path);
    let content = content.map_err(|e| Failure::other(format!("cannot read {}: {e}", path.display())))?;
    Ok(Some(content))
}

fn template(args: &PublishArgs) -> Message {
    Message {
        routing_key: args.key.clone().unwrap_or_default(),
        ordering_key: args.ordering_key.clone().unwrap_or_default(),
        attributes: args.attributes.iter().cloned().collect(),
        content_type: args.content_type.clone().unwrap_or_default(),
        ttl_ms: args.ttl.map_or(0, |ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)),
        ..Message::default()
    }
}

async fn publish_one(
    message: Message,
    args: &PublishArgs,
    to: Destination,
    context: &Context,
) -> Result<Tally, Failure> {
    let request = PublishRequest {
        destination: Some(to),
        messages: vec![message],
        require_route: args.require_route,
        ..PublishRequest::default()
    };
    let response = context.client.messaging().publish(request).await;
    let response = response.map_err(ferrymq_client::Error::from)?;
    let mut tally = Tally::default();
    response.get_ref().results.iter().for_each(|result| tally.add(result));
    Ok(tally)
}

async fn publish_lines(args: &PublishArgs, to: Destination, context: &Context) -> Result<Tally, Failure> {
    let options = PublisherOptions { require_route: args.require_route, ..PublisherOptions::default() };
    let publisher = context.client.publisher_with(to, options);
    let (confirms, receiver) = mpsc::channel(UNREAD_CONFIRMS_MAX);
    let mut tally = tokio::spawn(count(receiver));

    let (template, whole) = (template(args), args.messages);
    let mut messages = lines::of_stdin(move |line, number| parse(line, &template, whole, number));
    let unread = loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            // It ends early only with a confirm that failed: that is told at once, not after the next line.
            ended = &mut tally => return counted(ended),
        };
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(failure)) => break Some(failure),
            None => break None,
        };
        let confirm = publisher.publish(message).await?;
        // The counting side has the reason: the first confirm that failed.
        if confirms.send(confirm).await.is_err() {
            break None;
        }
    };
    drop(confirms);
    let tally = counted(tally.await)?;
    publisher.close().await?;
    match unread {
        Some(failure) => Err(failure.hint(format!("the {} messages before it are on disk", tally.published))),
        None => Ok(tally),
    }
}

fn counted(ended: Result<Result<Tally, Failure>, tokio::task::JoinError>) -> Result<Tally, Failure> {
    ended.map_err(|error| Failure::other(error.to_string()))?
}

/// Sums up confirms in order; ends with the first that failed.
async fn count(mut confirms: mpsc::Receiver<Confirm>) -> Result<Tally, Failure> {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} messages confirmed, {per_sec}") {
        bar.set_style(style);
    }
    let mut tally = Tally::default();
    while let Some(confirm) = confirms.recv().await {
        tally.add(&confirm.await?);
        bar.set_position(tally.published);
    }
    bar.finish_and_clear();
    Ok(tally)
}

fn parse(line: Vec<u8>, template: &Message, whole: bool, number: u64) -> Result<Message, Failure> {
    if !whole {
        return Ok(Message { payload: line.into(), ..template.clone() });
    }
    let text = std::str::from_utf8(&line).map_err(|e| e.to_string());
    let message = text.and_then(json::to_message);
    let mut message = message.map_err(|e| Failure::usage(format!("line {number} of stdin is no message: {e}")))?;
    if message.routing_key.is_empty() {
        message.routing_key.clone_from(&template.routing_key);
    }
    if message.ordering_key.is_empty() {
        message.ordering_key.clone_from(&template.ordering_key);
    }
    message.attributes.extend(template.attributes.clone());
    Ok(message)
}

fn report(tally: &Tally, args: &PublishArgs, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let value = serde_json::json!({ "published": tally.published, "unmatched": tally.unmatched });
        output::value(&value, true)?;
    } else {
        output::note(&format!("{} published, on disk", tally.published));
    }
    if tally.unmatched > 0 {
        let (count, topic) = (tally.unmatched, &args.destination);
        output::note(&format!("{count} matched no queue: see what is bound: ferrymq binding list --topic {topic}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_command_line_are_for_messages_without() {
        let template = Message { routing_key: "r".into(), ordering_key: "o".into(), ..Message::default() };
        let keys = |line: &[u8]| {
            let message = parse(line.to_vec(), &template, true, 1).unwrap();
            (message.routing_key, message.ordering_key)
        };
        assert_eq!(keys(br#"{"ordering_key": "own"}"#), ("r".into(), "own".into()));
        assert_eq!(keys(br#"{"routing_key": "own"}"#), ("own".into(), "o".into()));
    }

    #[test]
    fn a_bad_line_is_named() {
        let failure = parse(b"{".to_vec(), &Message::default(), true, 7).unwrap_err();
        assert!(failure.to_string().starts_with("line 7 of stdin"));
    }
}
