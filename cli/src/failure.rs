//! Why a command failed, what to do about it, and the exit code that says so to scripts.

use std::fmt;
use std::io;

use ferrymq_client::v1::ErrorReason;
use ferrymq_client::{Client, Code, Error};

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    exit_code: u8,
    rpc: Option<Error>,
}

/// Exit codes, as `--help` documents them.
pub mod exit {
    pub const OTHER: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NOT_FOUND: u8 = 3;
    pub const PRECONDITION: u8 = 4;
    pub const UNAVAILABLE: u8 = 5;
    pub const EXHAUSTED: u8 = 6;
}

impl Failure {
    pub fn other(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit_code: exit::OTHER, rpc: None }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit_code: exit::USAGE, ..Self::other(message) }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self { exit_code: exit::NOT_FOUND, ..Self::other(message) }
    }

    pub fn precondition(message: impl Into<String>) -> Self {
        Self { exit_code: exit::PRECONDITION, ..Self::other(message) }
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { exit_code: exit::UNAVAILABLE, ..Self::other(message) }
    }

    /// Adds what the person can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// The fix, if there is one.
    pub fn fix(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The broker's own error, if it was the broker that refused.
    pub fn rpc(&self) -> Option<&Error> {
        self.rpc.as_ref()
    }

    /// Looks for names close to one that was not found.
    pub async fn with_suggestion(self, client: &Client) -> Self {
        let Some(missing) = self.rpc.as_ref().and_then(Missing::of) else {
            return self;
        };
        let names = match missing.similar.clone() {
            Some(similar) => vec![similar],
            None => missing.existing(client).await,
        };
        let hint = match (missing.making(), closest(&missing.name, &names)) {
            (Making::ByTheBroker(when), _) => when,
            (Making::With(create), Some(close)) => format!("did you mean `{close}`? Or make it: {create}"),
            (Making::With(create), None) => create,
        };
        let message = format!("{} `{}` not found", missing.kind, missing.name);
        Self { message, hint: Some(hint), ..self }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit_code = match error.code() {
            Code::NotFound => exit::NOT_FOUND,
            Code::InvalidArgument => exit::USAGE,
            Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => exit::PRECONDITION,
            Code::Unavailable => exit::UNAVAILABLE,
            Code::ResourceExhausted => exit::EXHAUSTED,
            _ => exit::OTHER,
        };
        let hint = error.metadata().get("hint").cloned().or_else(|| hint_for(&error));
        Self { message: error.to_string(), hint, exit_code, rpc: Some(error) }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::other(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn hint_for(error: &Error) -> Option<String> {
    let hint = match (error.reason(), error.code()) {
        (ErrorReason::Unspecified, Code::Unavailable) => "is the broker running? Start it: ferrymq serve",
        (ErrorReason::WritesStopped, _) => "a write to its disk failed: look at the broker's log, then restart it",
        (ErrorReason::Draining | ErrorReason::Recovering, _) => "try again in a moment",
        (ErrorReason::InUse, _) => "--force deletes it all the same",
        (ErrorReason::SettingsDiffer, _) => "`get` shows how it is; to have it otherwise, delete it and make it anew",
        (ErrorReason::BindingNotFound, _) => "`ferrymq binding list` shows what there is",
        (ErrorReason::NoRoute, _) => "`ferrymq binding list` shows what is bound, and by which patterns",
        (ErrorReason::NameInvalid, _) => "letters, digits, `.`, `_` and `-`; the first one a letter or a digit",
        (ErrorReason::PatternInvalid, _) => "words with dots between; `*` is one word, `#` none or more: eu.*.created",
        (ErrorReason::MessageTooLarge, _) => "the broker's setting message_bytes_max allows larger ones",
        (ErrorReason::BatchTooLarge, _) => {
            "send fewer at once; the broker's settings are request_bytes_max and batch_items_max"
        }
        (ErrorReason::DiskFull, _) => "consume or purge messages, or give the broker more room (--disk-limit)",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// A topic or queue that does not exist.
struct Missing {
    kind: &'static str,
    name: String,
    /// What the broker thinks was meant.
    similar: Option<String>,
}

/// How what is missing comes to be.
#[derive(Debug, PartialEq)]
enum Making {
    /// A command makes it.
    With(String),
    /// It comes by itself; when, for people.
    ByTheBroker(String),
}

impl Missing {
    fn of(error: &Error) -> Option<Self> {
        let kind = match error.reason() {
            ErrorReason::TopicNotFound => "topic",
            ErrorReason::QueueNotFound => "queue",
            _ => return None,
        };
        let facts = error.metadata();
        let name = facts.get(kind).or_else(|| facts.get("name"))?;
        Some(Self { kind, name: name.clone(), similar: facts.get("similar").cloned() })
    }

    fn making(&self) -> Making {
        if let Some(queue) = self.name.strip_suffix(".dlq") {
            return Making::ByTheBroker(format!("it is made when `{queue}` gives a message up for the first time"));
        }
        Making::With(match self.name.split_once('/') {
            // The queue of a group is made by subscribing.
            Some((topic, group)) => format!("ferrymq subscribe --topic {topic} --group {group} --create"),
            None => format!("ferrymq {} create {}", self.kind, self.name),
        })
    }

    /// Best effort: the command has failed already.
    async fn existing(&self, client: &Client) -> Vec<String> {
        if self.kind == "topic" {
            let topics = client.list_topics("").await.unwrap_or_default();
            topics.into_iter().map(|topic| topic.name).collect()
        } else {
            let queues = client.list_queues("").await.unwrap_or_default();
            queues.into_iter().map(|queue| queue.name).collect()
        }
    }
}

fn closest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let score = |other: &String| strsim::jaro_winkler(name, other);
    let best = names.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) >= 0.8).then_some(best.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_broker_makes_is_not_to_be_made() {
        let making = |name: &str| Missing { kind: "queue", name: name.into(), similar: None }.making();
        assert_eq!(making("jobs"), Making::With("ferrymq queue create jobs".into()));
        assert_eq!(making("t/g"), Making::With("ferrymq subscribe --topic t --group g --create".into()));
        assert!(matches!(making("jobs.dlq"), Making::ByTheBroker(when) if when.contains("`jobs`")));
    }

    #[test]
    fn only_close_names_are_suggested() {
        let names = ["orders", "payments"].map(String::from);
        assert_eq!(closest("order", &names), Some("orders"));
        assert_eq!(closest("ordesr", &names), Some("orders"));
        assert_eq!(closest("invoices", &names), None);
        assert_eq!(closest("order", &[]), None);
    }
}
