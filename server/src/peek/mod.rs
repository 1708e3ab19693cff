//! Peek: one page of what lies in a queue or topic, without taking anything.
//!
//! Logs are read here, beside the queue's task, which is only asked what messages are doing. A page is full when it has
//! enough messages or bytes, or when enough has been read: then it may be short, or empty, and the next one goes on there.

mod lines;
mod source;
mod token;

use bytes::Bytes;
use ferrymq_core::filter::{Filter, MessageView};
use ferrymq_core::{LogId, Offset};
use ferrymq_engine::store::Store;
use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::{server as pb, v1};
use prost::Message as _;

use self::lines::{Candidate, Lines, Step};
pub(crate) use self::source::{Seen, Source};
use crate::error::Error;
use crate::queue::delivery;

/// Bytes of messages on one page, if there is more than one.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Messages that a queue is asked about at a time.
const LOOK_MAX: usize = 256;

/// What is to be shown.
pub(crate) struct Wish {
    /// Only these, each once and in order; none: all.
    pub states: Vec<pb::MessageState>,
    pub filter: Option<Filter>,
    pub filter_text: String,
    pub messages_max: usize,
    /// Payloads are cut to so many bytes; 0: whole.
    pub payload_max: usize,
    /// Where to begin in each log, without a token.
    pub starts: Vec<(LogId, Offset)>,
    pub token: String,
}

/// A message as it lies there.
pub(crate) struct Shown {
    pub delivery: RawDelivery,
    /// Of the whole payload, if it was cut; else 0.
    pub payload_bytes: i64,
    pub seen: Seen,
}

/// One page.
#[derive(Default)]
pub(crate) struct Page {
    pub found: Vec<Shown>,
    /// Empty: that was the last.
    pub next_token: String,
}

/// Looks for one page.
pub(crate) async fn page(store: &Store, source: &Source, wish: &Wish) -> Result<Page, Error> {
    let from = token::open(&wish.token, source, wish)?;
    if !wish.states.is_empty() && !wish.states.iter().any(|state| source.has(*state)) {
        return Ok(Page::default());
    }
    let is_busy = |state: &pb::MessageState| !matches!(state, pb::MessageState::Ready | pb::MessageState::Kept);
    let busy = !wish.states.is_empty() && wish.states.iter().all(is_busy);
    let mut lines = Lines::new(store, source.logs().await?, &wish.starts, from, busy).await?;
    let (mut page, mut bytes) = (Page::default(), 0);
    loop {
        let (candidates, is_last) = chunk(&mut lines, wish, wish.messages_max + 1 - page.found.len()).await?;
        let all = source.look(&candidates).await?;
        for (candidate, seen) in candidates.into_iter().zip(all) {
            let Some(seen) = seen.filter(|seen| wish.states.is_empty() || wish.states.contains(&seen.state)) else {
                continue;
            };
            let shown = shown(&candidate, seen, wish.payload_max)?;
            bytes += shown.delivery.message.len();
            let is_full = page.found.len() == wish.messages_max || bytes > PAGE_BYTES_MAX;
            if is_full && !page.found.is_empty() {
                page.next_token = token::seal(candidate.place, source, wish);
                return Ok(page);
            }
            page.found.push(shown);
        }
        if is_last {
            page.next_token = lines.frontier().map(|place| token::seal(place, source, wish)).unwrap_or_default();
            return Ok(page);
        }
    }
}

/// Some of the next messages that the filter matches; true if no more are to be looked for.
async fn chunk(lines: &mut Lines, wish: &Wish, wanted: usize) -> Result<(Vec<Candidate>, bool), Error> {
    let max = if wish.states.is_empty() { wanted.min(LOOK_MAX) } else { LOOK_MAX };
    let (mut candidates, mut tried) = (Vec::new(), 0_usize);
    while candidates.len() < max {
        match lines.next().await? {
            Step::Found(candidate) if matches(wish, &candidate) => candidates.push(candidate),
            Step::Found(_) => {}
            Step::Spent | Step::End => return Ok((candidates, true)),
        }
        tried += 1;
        if tried.is_multiple_of(LOOK_MAX) {
            // What is read from memory never waits, and filters may be costly: others get their turn.
            tokio::task::yield_now().await;
        }
    }
    Ok((candidates, false))
}

fn matches(wish: &Wish, candidate: &Candidate) -> bool {
    let Some(filter) = &wish.filter else { return true };
    filter.matches(&MessageView::new(&candidate.batch.message(candidate.index)))
}

fn shown(candidate: &Candidate, seen: Seen, payload_max: usize) -> Result<Shown, Error> {
    let (_, log, offset) = candidate.place;
    let mut delivery = delivery(candidate.topic.clone(), (log, offset), &candidate.batch, candidate.index)?;
    delivery.attempt = i32::try_from(seen.attempts).unwrap_or(i32::MAX);
    let payload_bytes = cut(&mut delivery.message, payload_max);
    Ok(Shown { delivery, payload_bytes, seen })
}

/// Cuts the payload: a copy for a person to look at, made by decoding. The size of the whole one, if it was cut.
fn cut(message: &mut Bytes, max: usize) -> i64 {
    if max == 0 || message.len() <= max {
        return 0;
    }
    let Ok(mut decoded) = v1::Message::decode(message.clone()) else { return 0 };
    let whole = decoded.payload.len();
    if whole <= max {
        return 0;
    }
    decoded.payload = decoded.payload.slice(..max);
    *message = Bytes::from(decoded.encode_to_vec());
    whole as i64
}
