//! `ferrymq peek` and `ferrymq queue peek`.

use std::io::{self, Write as _};

use ferrymq_client::v1::{MessageState, PeekRequest, PeekedMessage, peek_request::Source};

use super::Context;
use crate::args::{PeekArgs, PeekState, PeekWhich};
use crate::failure::Failure;
use crate::format::Form;
use crate::{human, json, output};

/// Most messages asked for at a time.
const PAGE_SIZE: i32 = 1_000;
/// Characters of a payload in a table.
const TEXT_MAX: usize = 60;

/// Looks into a queue or topic.
pub async fn run(args: PeekArgs, context: &Context) -> Result<(), Failure> {
    let source = match (args.queue, args.topic) {
        (Some(queue), _) => Source::Queue(queue),
        (None, topic) => Source::Topic(topic.unwrap_or_default()),
    };
    show(source, args.which, context).await
}

/// Prints messages page by page, until there are as many as are wanted, or no more.
pub async fn show(source: Source, which: PeekWhich, context: &Context) -> Result<(), Failure> {
    let mut left = if which.limit == 0 { u64::MAX } else { which.limit };
    let form = if context.json { None } else { which.printing.form(false) };
    // Characters of up to four bytes.
    let cut = if context.json || form.is_some() { 0 } else { TEXT_MAX as u64 * 4 };
    let mut request = PeekRequest {
        source: Some(source),
        start: which.from,
        filter: which.filter,
        states: which.states.into_iter().map(|of| state(of).into()).collect(),
        max_payload_bytes: i32::try_from(which.payload.unwrap_or(cut)).unwrap_or(i32::MAX),
        ..PeekRequest::default()
    };
    let mut is_first = true;
    loop {
        request.page_size = i32::try_from(left).unwrap_or(PAGE_SIZE).min(PAGE_SIZE);
        let page = context.client.peek(request.clone()).await?;
        left -= page.messages.len() as u64;
        let is_last = left == 0 || page.next_page_token.is_empty();
        // A page may be empty and not the last.
        if let Some(form) = &form {
            print_in(form, &page.messages)?;
        } else if context.json || !page.messages.is_empty() || (is_first && is_last) {
            print(&page.messages, context.json)?;
            is_first = false;
        }
        if is_last {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}

fn print_in(form: &Form, messages: &[PeekedMessage]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for delivery in messages.iter().filter_map(|message| message.delivery.as_ref()) {
        form.write(delivery, &mut out)?;
    }
    out.flush()
}

fn print(messages: &[PeekedMessage], as_json: bool) -> Result<(), Failure> {
    if as_json {
        for message in messages {
            output::value(&json::of("PeekedMessage", message), true)?;
        }
        return Ok(());
    }
    let headings = ["STATE", "ATTEMPT", "FAILURES", "DUE", "POSITION", "KEY", "SIZE", "PAYLOAD"];
    let rows: Vec<_> = messages.iter().map(row).collect();
    Ok(output::table(&headings, &rows)?)
}

fn state(of: PeekState) -> MessageState {
    match of {
        PeekState::Ready => MessageState::Ready,
        PeekState::Unsettled => MessageState::Unsettled,
        PeekState::BackingOff => MessageState::BackingOff,
        PeekState::Scheduled => MessageState::Scheduled,
        PeekState::Kept => MessageState::Kept,
    }
}

fn row(peeked: &PeekedMessage) -> Vec<String> {
    let delivery = peeked.delivery.clone().unwrap_or_default();
    let message = delivery.message.unwrap_or_default();
    let state = peeked.state().as_str_name().trim_start_matches("MESSAGE_STATE_").to_lowercase().replace('_', " ");
    let position = delivery.position.unwrap_or_default();
    let bytes = if peeked.payload_bytes > 0 { peeked.payload_bytes } else { message.payload.len() as i64 };
    let text = String::from_utf8_lossy(&message.payload);
    // Control characters in a payload are not for a terminal.
    let payload = text.chars().take(TEXT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    vec![
        state,
        delivery.attempt.to_string(),
        peeked.failures.to_string(),
        peeked.due_time.map_or_else(|| "-".into(), |due| due.to_string()),
        format!("{}:{}", position.log, position.offset),
        if message.routing_key.is_empty() { "-".into() } else { message.routing_key },
        human::size(bytes),
        payload,
    ]
}
