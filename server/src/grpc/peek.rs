//! Peek: what a request asks for, and how messages stand.

use ferrymq_proto::server as pb;

use super::Api;
use super::deliver::consumer_id;
use crate::catalogue::settings;
use crate::error::Error;
use crate::peek::{self, Shown, Source, Wish};
use crate::points::{self, Point, point_of_log, timestamp};

/// Messages on a page, unless a request says otherwise.
const PAGE_SIZE: usize = 10;

impl Api {
    /// One page of a queue or topic.
    pub(super) async fn peek_page(&self, request: pb::PeekRequest) -> Result<pb::PeekResponse, Error> {
        let mut wish = wish(&request)?;
        let start = match &request.start {
            None => Point::Earliest,
            given => point_of_log("start", given.as_ref())?,
        };
        let (broker, now) = (&self.broker, self.broker.clock.now_ms());
        let (source, logs) = match &request.source {
            Some(pb::peek_request::Source::Queue(name)) => {
                let queue = broker.queue(name)?;
                let logs = broker.catalogue().logs_of(&queue);
                (Source::Queue(queue), logs)
            }
            Some(pb::peek_request::Source::Topic(name)) => {
                (Source::topic(broker, name).await?, vec![broker.topic(name)?.log()])
            }
            None => return Err(Error::invalid("source", "exactly one of queue, topic must be set")),
        };
        // A token says where to go on. By then a position may be trimmed, and LATEST lie further on.
        if wish.token.is_empty() {
            wish.starts = points::starts(&broker.store, "start", &start, &logs, now).await?;
        }
        let page = peek::page(&broker.store, &source, &wish).await?;
        let messages = page.found.into_iter().map(peeked).collect();
        Ok(pb::PeekResponse { messages, next_page_token: page.next_token })
    }
}

fn wish(request: &pb::PeekRequest) -> Result<Wish, Error> {
    settings::non_negative("max_payload_bytes", request.max_payload_bytes.into())?;
    let messages_max = match request.page_size {
        0 => PAGE_SIZE,
        1..=1_000 => request.page_size as usize,
        other => return Err(Error::invalid("page_size", format!("must be from 1 to 1000, and is {other}"))),
    };
    Ok(Wish {
        states: states(&request.states)?,
        filter: settings::filter("filter", &request.filter)?,
        filter_text: request.filter.clone(),
        messages_max,
        payload_max: request.max_payload_bytes as usize,
        starts: Vec::new(),
        token: request.page_token.clone(),
    })
}

fn states(given: &[i32]) -> Result<Vec<pb::MessageState>, Error> {
    let mut states = Vec::new();
    for (index, number) in given.iter().enumerate() {
        match pb::MessageState::try_from(*number) {
            Ok(state) if state != pb::MessageState::Unspecified => states.push(state),
            _ => return Err(Error::invalid(format!("states[{index}]"), "must be a state of a message")),
        }
    }
    states.sort_unstable();
    states.dedup();
    Ok(states)
}

fn peeked(Shown { delivery, payload_bytes, seen }: Shown) -> pb::PeekedMessage {
    pb::PeekedMessage {
        delivery: Some(delivery),
        state: seen.state.into(),
        due_time: seen.due.map(timestamp),
        payload_bytes,
        consumer_id: seen.consumer.map(|(queue, consumer)| consumer_id(queue, consumer)).unwrap_or_default(),
        failures: i32::try_from(seen.failures).unwrap_or(i32::MAX),
    }
}
