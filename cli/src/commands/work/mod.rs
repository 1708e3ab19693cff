//! `ferrymq work`: a process for each message, settled by its exit code.

mod environment;
mod handler;
mod tail;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrymq_client::HandlerError;
use ferrymq_client::v1::SubscribeRequest;
use ferrymq_client::v1::subscribe_request::Source;
use tokio::sync::watch;

use super::Context;
use super::stop::Stop;
use crate::args::{SourceArgs, WorkArgs};
use crate::failure::Failure;
use crate::output;
use handler::Handler;

/// Runs handlers until told to stop; then those that run may end.
pub async fn run(args: WorkArgs, context: &Context) -> Result<(), Failure> {
    let program = &args.handler[0];
    if !can_be_run(program) {
        let message = format!("cannot run `{}`: no such program", program.to_string_lossy());
        return Err(Failure::usage(message).hint("after `--` comes what is run for each message: -- ./handler"));
    }
    let (kill, killed) = watch::channel(false);
    let handler = Arc::new(Handler {
        command: args.handler.clone(),
        timeout: args.timeout,
        queue: queue_of(&args.source),
        url: context.url.clone(),
        killed,
    });
    let tally = Arc::new(Tally::default());
    let worker = context.client.worker(request(args.source));
    let worker = worker.concurrency(args.concurrency.into()).drain_timeout(args.drain_timeout);
    output::note(&format!("working on `{}`; Ctrl-C drains", handler.queue));
    let counted = Arc::clone(&tally);
    let done = worker.run_until(asked_to_stop(Stop::listen(), kill), move |received| {
        let (handler, tally) = (Arc::clone(&handler), Arc::clone(&counted));
        async move { tally.count(handler.run(received).await) }
    });
    let done = done.await;
    output::note(&tally.to_string());
    Ok(done?)
}

/// Ends with the first signal. The second kills what still runs, the third ends the process.
async fn asked_to_stop(mut stop: Stop, kill: watch::Sender<bool>) {
    stop.asked().await;
    output::note("draining: handlers may end; once more kills them");
    tokio::spawn(async move {
        stop.asked().await;
        kill.send_replace(true);
        stop.next_ends();
    });
}

fn queue_of(source: &SourceArgs) -> String {
    match (&source.queue, &source.topic, &source.group) {
        (Some(queue), ..) => queue.clone(),
        (None, topic, group) => [topic, group].map(|name| name.as_deref().unwrap_or_default()).join("/"),
    }
}

fn request(source: SourceArgs) -> SubscribeRequest {
    let SourceArgs { queue, topic, group, create } = source;
    SubscribeRequest {
        source: queue.map(Source::Queue).or(topic.map(Source::Topic)),
        group: group.unwrap_or_default(),
        create_if_missing: create,
        consumer: format!("ferrymq work {}", std::process::id()),
        ..SubscribeRequest::default()
    }
}

/// Whether it is there: a handler that can never be run would fail every message.
fn can_be_run(program: &OsStr) -> bool {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return path.is_file();
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|dir| dir.join(path).is_file())
}

/// How handlers ended.
#[derive(Debug, Default)]
struct Tally {
    acked: AtomicU64,
    retried: AtomicU64,
    rejected: AtomicU64,
}

impl Tally {
    fn count(&self, outcome: Result<(), HandlerError>) -> Result<(), HandlerError> {
        let counter = match &outcome {
            Ok(()) => &self.acked,
            Err(HandlerError::Reject(_)) => &self.rejected,
            Err(_) => &self.retried,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [acked, retried, rejected] =
            [&self.acked, &self.retried, &self.rejected].map(|counter| counter.load(Ordering::Relaxed));
        write!(f, "{acked} acked, {retried} to be tried again, {rejected} rejected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_run_is_a_file_or_on_the_path() {
        assert!(can_be_run(OsStr::new("sh")));
        assert!(can_be_run(std::env::current_exe().unwrap().as_os_str()));
        assert!(!can_be_run(OsStr::new("./no-such-handler")));
        assert!(!can_be_run(OsStr::new("no-such-handler-on-the-path")));
    }

    #[test]
    fn outcomes_are_counted_by_kind() {
        let tally = Tally::default();
        let _ = tally.count(Ok(()));
        let _ = tally.count(Err(HandlerError::reject("no")));
        let _ = tally.count(Err(HandlerError::Retry("again".into())));
        assert_eq!(tally.to_string(), "1 acked, 1 to be tried again, 1 rejected");
    }
}
