//! What went wrong, as data.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use ferrymq_proto::v1::{ErrorReason, Failure};
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

/// A call that failed: the gRPC code and what the broker said about it.
#[derive(Clone, PartialEq)]
pub struct Error(Box<Facts>);

#[derive(Clone, Debug, PartialEq)]
struct Facts {
    code: Code,
    reason: ErrorReason,
    message: String,
    metadata: HashMap<String, String>,
    violations: Vec<FieldViolation>,
    retry_after: Option<Duration>,
}

/// One field of a request that broke a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// E.g. `messages[3].ttl_ms`.
    pub field: String,
    /// The rule, for people.
    pub rule: String,
}

impl Error {
    /// The gRPC status code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Why, for programs; UNSPECIFIED if the broker gave no reason or one that this client does not know.
    pub fn reason(&self) -> ErrorReason {
        self.0.reason
    }

    /// Why, for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What it is about, e.g. `topic` -> `orders`.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.0.metadata
    }

    /// The fields that were wrong.
    pub fn field_violations(&self) -> &[FieldViolation] {
        &self.0.violations
    }

    /// How long to wait before trying again, if the broker said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call may succeed later. It does not say that repeating it is harmless: a publish without a producer or
    /// message id may be stored twice.
    pub fn is_retryable(&self) -> bool {
        matches!(self.code(), Code::Unavailable | Code::Aborted) || self.retry_after().is_some()
    }

    /// Whether a stream that ended so is to be opened again.
    pub(crate) fn is_passing(&self) -> bool {
        self.code() == Code::Unavailable || self.retry_after().is_some()
    }

    /// An argument that never reached the broker.
    pub(crate) fn invalid(field: &str, rule: &str) -> Self {
        let mut facts = Facts::new(Code::InvalidArgument, rule.to_owned());
        facts.violations.push(FieldViolation { field: field.to_owned(), rule: rule.to_owned() });
        Self(Box::new(facts))
    }

    /// The broker cannot be reached, or went away.
    pub(crate) fn unavailable(message: &str) -> Self {
        Self(Box::new(Facts::new(Code::Unavailable, message.to_owned())))
    }

    /// A call has not been answered in time.
    pub(crate) fn late(timeout: Duration) -> Self {
        Self(Box::new(Facts::new(Code::DeadlineExceeded, format!("not answered within {timeout:?}"))))
    }

    /// The connection of a stub is gone.
    pub(crate) fn disconnected(error: &tonic::transport::Error) -> Self {
        Self::unavailable(&root_cause(error).to_string())
    }

    pub(crate) fn transport(url: &str, error: &tonic::transport::Error) -> Self {
        Self::unavailable(&format!("cannot connect to {url}: {}", root_cause(error)))
    }
}

impl Facts {
    fn new(code: Code, message: String) -> Self {
        Self {
            code,
            reason: ErrorReason::Unspecified,
            message,
            metadata: HashMap::new(),
            violations: Vec::new(),
            retry_after: None,
        }
    }
}

/// The last cause says what happened; those before it only "transport error".
fn root_cause<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}

/// Never empty: a bare status is said by its code.
fn message_of(status: &Status) -> String {
    match (status.source(), status.message()) {
        (Some(source), message) => format!("{message}: {}", root_cause(source)),
        (None, "") => status.code().description().to_owned(),
        (None, message) => message.to_owned(),
    }
}

/// A connection that broke off comes as any code of tonic's making, with a cause; the broker's statuses have none.
fn code_of(status: &Status) -> Code {
    match (status.code(), status.source()) {
        (_, Some(source)) if root_cause(source).is::<TimeoutExpired>() => Code::DeadlineExceeded,
        (Code::Cancelled | Code::Unknown | Code::Internal, Some(_)) => Code::Unavailable,
        (code, _) => code,
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let mut facts = Facts::new(code_of(&status), message_of(&status));
        let details = status.get_error_details();
        if let Some(info) = details.error_info() {
            let name = format!("ERROR_REASON_{}", info.reason);
            facts.reason = ErrorReason::from_str_name(&name).unwrap_or_default();
            facts.metadata.clone_from(&info.metadata);
        }
        if let Some(bad) = details.bad_request() {
            facts.violations.extend(
                bad.field_violations
                    .iter()
                    .map(|v| FieldViolation { field: v.field.clone(), rule: v.description.clone() }),
            );
        }
        facts.retry_after = details.retry_info().and_then(|retry| retry.retry_delay);
        Self(Box::new(facts))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let mut facts = Facts::new(Code::from(failure.code), failure.message.clone());
        facts.reason = failure.reason();
        facts.retry_after = failure.retry_after.and_then(|d| Duration::try_from(d).ok());
        if !failure.field.is_empty() {
            facts.violations.push(FieldViolation { field: failure.field, rule: failure.message });
        }
        Self(Box::new(facts))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        for violation in self.field_violations() {
            if !self.message().contains(&violation.rule) {
                write!(f, "; {}: {}", violation.field, violation.rule)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Error {}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    #[test]
    fn details_of_a_status_become_facts() {
        let mut details = ErrorDetails::new();
        let metadata = HashMap::from([("topic".to_owned(), "order".to_owned())]);
        details.set_error_info("TOPIC_NOT_FOUND", "ferrymq", metadata);
        details.add_bad_request_violation("messages[3].ttl_ms", "at most 366 days");
        details.set_retry_info(Some(Duration::from_millis(250)));
        let error = Error::from(Status::with_error_details(Code::NotFound, "no such topic", details));

        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(error.reason(), ErrorReason::TopicNotFound);
        assert_eq!(error.metadata()["topic"], "order");
        assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));
        assert!(error.is_retryable());
        assert_eq!(error.to_string(), "no such topic; messages[3].ttl_ms: at most 366 days");
    }

    #[test]
    fn unknown_reasons_and_bare_statuses_are_taken_by_their_code() {
        let mut details = ErrorDetails::new();
        details.set_error_info("FROM_A_LATER_VERSION", "ferrymq", HashMap::new());
        let later = Error::from(Status::with_error_details(Code::Aborted, "later", details));
        assert_eq!(later.reason(), ErrorReason::Unspecified);
        assert!(later.is_retryable());

        let bare = Error::from(Status::invalid_argument("no"));
        assert_eq!(bare.reason(), ErrorReason::Unspecified);
        assert!(!bare.is_retryable());
        let silent = Error::from(Status::unimplemented(""));
        assert!(!silent.to_string().is_empty());
    }

    #[test]
    fn a_broken_connection_is_unavailable_and_a_cancelled_call_is_not() {
        let broken = Status::from_error(Box::new(std::io::Error::other("connection closed")));
        assert_eq!(Error::from(broken).code(), Code::Unavailable);
        assert_eq!(Error::from(Status::cancelled("by the caller")).code(), Code::Cancelled);
    }

    #[test]
    fn a_failure_inside_an_answer_says_the_same() {
        let failure = Failure {
            code: Code::ResourceExhausted as i32,
            reason: ErrorReason::DiskFull as i32,
            message: "disk full".into(),
            retry_after: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            field: String::new(),
        };
        let error = Error::from(failure);
        assert_eq!(error.code(), Code::ResourceExhausted);
        assert_eq!(error.reason(), ErrorReason::DiskFull);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        assert!(error.field_violations().is_empty());
    }
}
