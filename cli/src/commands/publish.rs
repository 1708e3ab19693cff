//! `ferrymq publish` and `ferrymq send`.

use std::io::{self, BufRead, Read as _};

use ferrymq_client::Destination;
use ferrymq_client::streams::{BatchConfirm, PublishStreamOptions};
use ferrymq_client::v1::{Message, PublishRequest, PublishResponse};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use super::Context;
use crate::args::PublishArgs;
use crate::failure::Failure;
use crate::{json, output};

const BATCH_MESSAGES_MAX: usize = 500;
const BATCH_BYTES_MAX: usize = 512 << 10;
/// Above every limit that a broker may have: the broker refuses what is too large for it, this only guards our memory.
const LINE_BYTES_MAX: u64 = 256 << 20;
const UNREAD_CONFIRMS_MAX: usize = 1024;

/// What was confirmed so far.
#[derive(Default)]
struct Tally {
    published: u64,
    unmatched: u64,
}

impl Tally {
    fn add(&mut self, response: &PublishResponse) {
        self.published += response.results.len() as u64;
        let unmatched = response.results.iter().filter(|result| result.queues_matched == 0);
        self.unmatched += unmatched.count() as u64;
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
    tally.add(response.get_ref());
    Ok(tally)
}

async fn publish_lines(args: &PublishArgs, to: Destination, context: &Context) -> Result<Tally, Failure> {
    let mut options = PublishStreamOptions::default();
    options.template.require_route = args.require_route;
    let publisher = context.client.publish_stream_with(to, options);
    let (confirms, receiver) = mpsc::channel(UNREAD_CONFIRMS_MAX);
    let mut tally = tokio::spawn(count(receiver));

    let mut lines = stdin_messages(template(args), args.messages);
    loop {
        let batch = tokio::select! {
            batch = next_batch(&mut lines) => batch,
            // It ends early only with a confirm that failed: that is told at once, not after the next line.
            ended = &mut tally => return counted(ended),
        };
        let Some(batch) = batch else { break };
        let sent = publisher.publish(batch?).await;
        // The counting side has the reason: the first confirm that failed.
        if confirms.send(sent?).await.is_err() {
            break;
        }
    }
    drop(confirms);
    let tally = counted(tally.await)?;
    publisher.finish().await?;
    Ok(tally)
}

fn counted(ended: Result<Result<Tally, Failure>, tokio::task::JoinError>) -> Result<Tally, Failure> {
    ended.map_err(|error| Failure::other(error.to_string()))?
}

/// Sums up confirms in order; ends with the first that failed.
async fn count(mut confirms: mpsc::Receiver<BatchConfirm>) -> Result<Tally, Failure> {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} messages confirmed, {per_sec}") {
        bar.set_style(style);
    }
    let mut tally = Tally::default();
    while let Some(confirm) = confirms.recv().await {
        let response = confirm.await?;
        tally.add(&response);
        bar.set_position(tally.published);
    }
    bar.finish_and_clear();
    Ok(tally)
}

/// As many messages as are there already, so that a slow writer's line goes out at once and a file goes in large batches.
async fn next_batch(lines: &mut mpsc::Receiver<Result<Message, Failure>>) -> Option<Result<Vec<Message>, Failure>> {
    let mut next = Some(lines.recv().await?);
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some(line) = next.take() {
        match line {
            Ok(message) => {
                bytes += message.payload.len();
                batch.push(message);
            }
            Err(failure) => return Some(Err(failure)),
        }
        if batch.len() < BATCH_MESSAGES_MAX && bytes < BATCH_BYTES_MAX {
            next = lines.try_recv().ok();
        }
    }
    Some(Ok(batch))
}

fn stdin_messages(template: Message, whole: bool) -> mpsc::Receiver<Result<Message, Failure>> {
    let (sender, receiver) = mpsc::channel(BATCH_MESSAGES_MAX);
    // Not a runtime thread: a read of stdin cannot be cancelled.
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut number = 0_u64;
        loop {
            number += 1;
            let message = match read_line(&mut input) {
                Ok(Some(line)) => parse(line, &template, whole, number),
                Ok(None) => return,
                Err(error) => Err(Failure::other(format!("cannot read stdin: {error}"))),
            };
            let failed = message.is_err();
            if sender.blocking_send(message).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// The next line without its end; `None` when there is none.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        return Err(io::Error::other("a line is longer than 256 MiB"));
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
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
    fn lines_lose_their_ends_and_nothing_else() {
        let mut input = &b"a\r\n\n b \nlast"[..];
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, [&b"a"[..], b"", b" b ", b"last"]);
    }

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
