//! The broker's errors: facts, translated to the wire in one place (`grpc/status.rs`).

use std::collections::BTreeMap;
use std::time::Duration;

use ferrymq_proto::v1::ErrorReason;

/// A canonical gRPC status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 3.
    InvalidArgument = 3,
    /// 5.
    NotFound = 5,
    /// 6.
    AlreadyExists = 6,
    /// 8.
    ResourceExhausted = 8,
    /// 9.
    FailedPrecondition = 9,
    /// 10.
    Aborted = 10,
    /// 11.
    OutOfRange = 11,
    /// 14.
    Unavailable = 14,
    /// 15.
    DataLoss = 15,
}

#[derive(Debug, Clone)]
struct Facts {
    reason: ErrorReason,
    message: String,
    field: Option<(String, String)>,
    metadata: BTreeMap<String, String>,
    retry_after: Option<Duration>,
}

/// Why the broker did not do as it was asked. Boxed, so that results stay small.
#[derive(Debug, Clone)]
pub struct Error(Box<Facts>);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// How long a client should wait while the broker stops, or something is full.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// Longest text of an error. What a client gave may be in it several times, and all of it has to fit into the headers that a
/// client takes, often 8 KiB.
const TEXT_BYTES_MAX: usize = 512;

fn short(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push_str("...");
    }
    text
}

impl Error {
    /// An error of that reason.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        let message = short(message.into());
        Self(Box::new(Facts { reason, message, field: None, metadata: BTreeMap::new(), retry_after: None }))
    }

    /// Names the field and the rule that it breaks.
    pub fn field(mut self, path: impl Into<String>, rule: impl Into<String>) -> Self {
        self.0.field = Some((short(path.into()), short(rule.into())));
        self
    }

    /// The same, its field being inside another.
    pub fn under(mut self, path: &str) -> Self {
        if let Some((field, _)) = &mut self.0.field {
            *field = short(format!("{path}{field}"));
        }
        self
    }

    /// Adds a fact.
    pub fn meta(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.metadata.insert(key.into(), short(value.into()));
        self
    }

    /// A retry can help after so long.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Why, for programs.
    pub fn reason(&self) -> ErrorReason {
        self.0.reason
    }

    /// Why, for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The field and the rule, for INVALID_ARGUMENT.
    pub fn violation(&self) -> Option<&(String, String)> {
        self.0.field.as_ref()
    }

    /// The facts.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.metadata
    }

    /// When to try again.
    pub fn retry(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The code that each reason comes with. The one table.
    pub fn code(&self) -> Code {
        use ErrorReason as R;
        match self.0.reason {
            R::TopicNotFound | R::QueueNotFound | R::BindingNotFound => Code::NotFound,
            R::SnapshotNotFound | R::JobNotFound | R::ConnectionNotFound => Code::NotFound,
            R::SettingsDiffer => Code::AlreadyExists,
            R::Unspecified | R::NameInvalid | R::FieldInvalid | R::FieldNotSupported => Code::InvalidArgument,
            R::MessageTooLarge | R::BatchTooLarge | R::FilterInvalid | R::PatternInvalid => Code::InvalidArgument,
            R::PageTokenInvalid | R::PositionUnknown => Code::InvalidArgument,
            R::PositionTrimmed => Code::OutOfRange,
            R::InUse | R::NoRoute | R::NoResponder | R::BindingLoop => Code::FailedPrecondition,
            R::SequenceGap | R::ResponseTooSmall | R::CrossPartition => Code::FailedPrecondition,
            R::EtagMismatch | R::TransactionAborted | R::ConsumerReplaced => Code::Aborted,
            R::QueueFull | R::TopicFull | R::DiskFull => Code::ResourceExhausted,
            R::LimitReached | R::ConsumerTooSlow => Code::ResourceExhausted,
            R::Draining | R::Recovering | R::WritesStopped => Code::Unavailable,
            R::DataDamaged => Code::DataLoss,
        }
    }

    /// No such topic; perhaps `similar` was meant.
    pub fn topic_not_found(name: &str, similar: Option<&str>) -> Self {
        Self::not_found(ErrorReason::TopicNotFound, "topic", name, similar)
    }

    /// No such queue; perhaps `similar` was meant.
    pub fn queue_not_found(name: &str, similar: Option<&str>) -> Self {
        Self::not_found(ErrorReason::QueueNotFound, "queue", name, similar)
    }

    /// No such binding.
    pub fn binding_not_found(name: &str) -> Self {
        // Its name does not say how to make it.
        Self::not_found(ErrorReason::BindingNotFound, "binding", name, None).meta("hint", "ferrymq binding list")
    }

    /// No such snapshot.
    pub fn snapshot_not_found(name: &str) -> Self {
        Self::not_found(ErrorReason::SnapshotNotFound, "snapshot", name, None).meta("hint", "ferrymq snapshot list")
    }

    fn not_found(reason: ErrorReason, what: &str, name: &str, similar: Option<&str>) -> Self {
        let meant = similar.map(|similar| format!("; did you mean `{similar}`?")).unwrap_or_default();
        let error = Self::new(reason, format!("{what} `{name}` not found{meant}")).meta(what, name);
        match similar {
            Some(similar) => error.meta("similar", similar),
            None => error.meta("hint", format!("ferrymq {what} create {name}")),
        }
    }

    /// Topics would lead back to where they began.
    pub fn binding_loop(field: &str, path: &[String]) -> Self {
        let path = path.join(" -> ");
        let rule = format!("leads back to where it began: {path}");
        Self::new(ErrorReason::BindingLoop, format!("{field}: {rule}")).field(field, rule).meta("path", path)
    }

    /// A field breaks a rule.
    pub fn invalid(field: impl Into<String>, rule: impl Into<String>) -> Self {
        let (field, rule) = (field.into(), rule.into());
        Self::new(ErrorReason::FieldInvalid, format!("{field}: {rule}")).field(field, rule)
    }

    /// A field that this broker does not honour.
    pub fn not_supported(field: impl Into<String>) -> Self {
        let field = field.into();
        let rule = "is not supported by this broker";
        Self::new(ErrorReason::FieldNotSupported, format!("{field} {rule}")).field(field, rule)
    }

    /// A message is too large.
    pub fn too_large(field: &str, max: u64, actual: u64) -> Self {
        let rule = format!("must be at most {max} bytes, and is {actual}");
        Self::new(ErrorReason::MessageTooLarge, format!("{field}: {rule}"))
            .field(field, rule)
            .meta("max", max.to_string())
            .meta("actual", actual.to_string())
    }

    /// Something still uses it.
    pub fn in_use(what: &str, by: &str) -> Self {
        let message = format!("{what} is in use ({by}); `force` deletes all the same");
        Self::new(ErrorReason::InUse, message).meta("used_by", by)
    }

    /// It exists with other settings.
    pub fn settings_differ(fields: &str) -> Self {
        Self::new(ErrorReason::SettingsDiffer, format!("it exists with other settings: {fields}"))
            .meta("fields", fields)
    }

    /// The disk is full.
    pub fn disk_full() -> Self {
        Self::new(ErrorReason::DiskFull, "the disk is full: publishes are refused, acks, reads and deletes go on")
            .meta("limit", "disk")
            .retry_after(RETRY_SOON)
    }

    /// A queue is at its limits.
    pub fn queue_full(name: &str) -> Self {
        Self::full(ErrorReason::QueueFull, "queue", name)
    }

    /// A topic is at its limits.
    pub fn topic_full(name: &str) -> Self {
        Self::full(ErrorReason::TopicFull, "topic", name)
    }

    fn full(reason: ErrorReason, what: &str, name: &str) -> Self {
        Self::new(reason, format!("{what} `{name}` is full")).meta(what, name).retry_after(RETRY_SOON)
    }

    /// A limit of the broker.
    pub fn limit_reached(what: &str, max: u64) -> Self {
        Self::new(ErrorReason::LimitReached, format!("at most {max} {what}"))
            .meta("limit", what)
            .meta("max", max.to_string())
    }

    /// The broker is stopping.
    pub fn draining() -> Self {
        Self::new(ErrorReason::Draining, "the broker is stopping").retry_after(RETRY_SOON)
    }

    /// An operator ended the connection.
    pub fn connection_closed(reason: &str) -> Self {
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        Self::new(ErrorReason::Draining, format!("the connection was closed by request{why}")).retry_after(RETRY_SOON)
    }

    /// A write to the disk failed.
    pub fn writes_stopped() -> Self {
        Self::new(
            ErrorReason::WritesStopped,
            "a write to the disk failed: no more writes until the broker is restarted",
        )
    }

    /// What was asked for is damaged, or cannot be read.
    pub fn damaged(what: &str) -> Self {
        Self::new(ErrorReason::DataDamaged, format!("damaged on disk: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_so_that_they_fit_into_headers() {
        let long = "\u{fc}".repeat(300_000);
        let error = Error::topic_not_found(&long, None).field(&long, &long);
        let (field, rule) = error.violation().unwrap();
        let facts = error.metadata().values().map(String::as_str);
        for text in facts.chain([error.message(), field, rule]) {
            assert!(text.len() <= TEXT_BYTES_MAX + 3 && text.ends_with("..."), "{}", text.len());
        }
        assert_eq!(Error::topic_not_found("t", None).metadata()["topic"], "t");
    }
}
