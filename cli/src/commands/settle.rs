//! `ferrymq ack`, `nack` and `extend`.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use ferrymq_client::Error;
use ferrymq_client::v1::{NackMode, SettleStatus};
use serde_json::{Value, json};

use super::{Context, lines};
use crate::args::{AckArgs, ExtendArgs, NackArgs};
use crate::failure::Failure;
use crate::{format, output};

/// What every broker takes in one call.
const IDS_MAX: usize = 1000;

/// What is to be done with deliveries.
pub enum How {
    Ack,
    Nack(NackMode, Option<Duration>, String),
    Extend(Option<Duration>),
}

impl How {
    /// What was done, as one word.
    fn done(&self) -> &'static str {
        match self {
            Self::Ack => "acked",
            Self::Nack(NackMode::Reject, ..) => "rejected",
            Self::Nack(NackMode::Release, ..) => "released",
            Self::Nack(..) => "nacked",
            Self::Extend(_) => "extended",
        }
    }

    async fn call(&self, ids: Vec<Bytes>, context: &Context) -> Result<Vec<SettleStatus>, Error> {
        match self {
            Self::Ack => context.client.ack(ids).await,
            Self::Nack(mode, delay, reason) => context.client.nack(ids, *mode, *delay, reason.clone()).await,
            Self::Extend(lease) => context.client.extend(ids, *lease).await,
        }
    }
}

/// `ferrymq ack`.
pub async fn ack(args: AckArgs, context: &Context) -> Result<(), Failure> {
    these(args.which.ids, &How::Ack, context).await
}

/// `ferrymq nack`.
pub async fn nack(args: NackArgs, context: &Context) -> Result<(), Failure> {
    let mode = match (args.reject, args.release) {
        (true, _) => NackMode::Reject,
        (_, true) => NackMode::Release,
        _ => NackMode::Retry,
    };
    these(args.which.ids, &How::Nack(mode, args.delay, args.reason), context).await
}

/// `ferrymq extend`.
pub async fn extend(args: ExtendArgs, context: &Context) -> Result<(), Failure> {
    these(args.which.ids, &How::Extend(args.lease), context).await
}

/// What was typed, or else what stdin says.
async fn these(ids: Vec<String>, how: &How, context: &Context) -> Result<(), Failure> {
    if ids.is_empty() {
        return of_stdin(how, context).await;
    }
    let ids: Result<Vec<_>, _> = ids.iter().map(|id| ack_id(id).map_err(no_id)).collect();
    all(ids?, how, context).await
}

/// Settles these and says what became of them; fails if it was not done with each.
pub async fn all(ids: Vec<Bytes>, how: &How, context: &Context) -> Result<(), Failure> {
    let mut tally = Tally::default();
    for ids in ids.chunks(IDS_MAX) {
        tally.settle(ids.to_vec(), how, context).await?;
    }
    tally.report(how, context)
}

async fn of_stdin(how: &How, context: &Context) -> Result<(), Failure> {
    let mut lines = lines::of_stdin(|line, number| {
        let id = std::str::from_utf8(&line).map_err(|e| e.to_string()).and_then(of_line);
        id.map_err(|error| no_id(format!("line {number} of stdin: {error}")))
    });
    let mut tally = Tally::default();
    while let Some(first) = lines.recv().await {
        // With it whatever is there already: a slow writer's line is settled at once, a file in large batches.
        let there = std::iter::from_fn(|| lines.try_recv().ok()).take(IDS_MAX - 1);
        let (ids, failed) = until_failure(std::iter::once(first).chain(there));
        tally.settle(ids, how, context).await?;
        if let Some(failure) = failed {
            return Err(failure);
        }
    }
    tally.report(how, context)
}

/// What comes before the first failure; lines without an id are passed over.
fn until_failure(lines: impl Iterator<Item = Result<Option<Bytes>, Failure>>) -> (Vec<Bytes>, Option<Failure>) {
    let mut ids = Vec::new();
    for line in lines {
        match line {
            Ok(id) => ids.extend(id),
            Err(failure) => return (ids, Some(failure)),
        }
    }
    (ids, None)
}

#[derive(Default)]
struct Tally {
    done: usize,
    refused: usize,
}

impl Tally {
    async fn settle(&mut self, ids: Vec<Bytes>, how: &How, context: &Context) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let statuses = how.call(ids.clone(), context).await?;
        for (id, status) in ids.iter().zip(statuses) {
            let (id, name) = (format::ack_id(id), status.as_str_name().trim_start_matches("SETTLE_STATUS_"));
            let is_done = matches!(status, SettleStatus::Ok | SettleStatus::AlreadySettled);
            *(if is_done { &mut self.done } else { &mut self.refused }) += 1;
            if context.json {
                output::value(&json!({ "ack_id": id, "status": name }), true)?;
            } else if !is_done {
                output::note(&format!("{id} was not {}: {}", how.done(), meaning(status)));
            }
        }
        Ok(())
    }

    fn report(&self, how: &How, context: &Context) -> Result<(), Failure> {
        if !context.json {
            output::note(&format!("{} {}", self.done, how.done()));
        }
        match self.refused {
            0 => Ok(()),
            refused => {
                let all = self.done + refused;
                Err(Failure::precondition(format!("{refused} of {all} were not {}", how.done())))
            }
        }
    }
}

fn meaning(status: SettleStatus) -> &'static str {
    match status {
        SettleStatus::LeaseLost => "its lease had ended; it comes again by itself",
        SettleStatus::Gone => "the queue or the message is gone",
        SettleStatus::Invalid => "it is no ack id of this broker",
        other => other.as_str_name(),
    }
}

fn no_id(error: String) -> Failure {
    Failure::usage(error).hint("ids are what `ferrymq pull` prints first, or the `ack_id` of its --json")
}

/// An id, or a delivery in JSON that has one; nothing for an empty line.
fn of_line(line: &str) -> Result<Option<Bytes>, String> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    if !line.starts_with('{') {
        return ack_id(line).map(Some);
    }
    let json: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let id = json.get("ack_id").and_then(Value::as_str).ok_or("there is no `ack_id` in it")?;
    ack_id(id).map(Some)
}

/// Base64 in either alphabet, padded or not.
fn ack_id(text: &str) -> Result<Bytes, String> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = text.replace('-', "+").replace('_', "/");
    let decoded = GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(standard);
    match decoded {
        Ok(id) if !id.is_empty() => Ok(id.into()),
        _ => Err(format!("`{text}` is no ack id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_base64_of_either_kind() {
        for text in ["+/8=", "-_8=", "+/8", "-_8"] {
            assert_eq!(ack_id(text), Ok(vec![0xfb, 0xff].into()), "{text}");
        }
        for bad in ["", "a", "?", "ab cd", "grüße"] {
            assert!(ack_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_line_is_an_id_or_what_pull_prints() {
        let id: Bytes = vec![0xfb, 0xff].into();
        assert_eq!(of_line(" +/8= "), Ok(Some(id.clone())));
        assert_eq!(of_line(r#"{"ack_id":"+/8=","attempt":1}"#), Ok(Some(id)));
        assert_eq!(of_line(""), Ok(None));
        for bad in ["{", "{}", r#"{"ack_id":7}"#, r#"{"ack_id":""}"#] {
            assert!(of_line(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_comes_before_a_bad_line_is_settled() {
        let id: Bytes = vec![1].into();
        let lines = [Ok(Some(id.clone())), Ok(None), Err(Failure::usage("bad")), Ok(Some(id.clone()))];
        let (ids, failed) = until_failure(lines.into_iter());
        assert_eq!((ids, failed.map(|f| f.exit_code())), (vec![id], Some(2)));
    }
}
