//! The one place where errors become gRPC statuses with google.rpc details.

use std::collections::HashMap;

use ferrymq_proto::{server as pb, v1};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::error::Error;

const DOMAIN: &str = "ferrymq";

/// The reason's name as clients know it.
fn reason(reason: v1::ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

/// What a quota is about: `queue/billing`, or the limit's name.
fn subject(error: &Error) -> String {
    let fact = |key: &str| error.metadata().get(key);
    match (fact("limit"), fact("queue"), fact("topic")) {
        (Some(limit), ..) => limit.clone(),
        (None, Some(queue), _) => format!("queue/{queue}"),
        (None, None, Some(topic)) => format!("topic/{topic}"),
        _ => reason(error.reason()).to_lowercase(),
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let metadata: HashMap<String, String> = error.metadata().clone().into_iter().collect();
        let mut details = ErrorDetails::new();
        details.set_error_info(reason(error.reason()), DOMAIN, metadata);
        if let Some((field, rule)) = error.violation() {
            details.add_bad_request_violation(field, rule);
        }
        if let Some(after) = error.retry() {
            details.set_retry_info(Some(after));
        }
        let code = Code::from(error.code() as i32);
        if code == Code::ResourceExhausted {
            details.add_quota_failure_violation(subject(&error), error.message());
        }
        Status::with_error_details(code, error.message(), details)
    }
}

/// The same facts inside an answer.
pub fn failure(error: &Error) -> pb::Failure {
    pb::Failure {
        code: error.code() as i32,
        reason: error.reason() as i32,
        message: error.message().to_owned(),
        retry_after: error
            .retry()
            .map(|after| prost_types::Duration { seconds: after.as_secs() as i64, nanos: after.subsec_nanos() as i32 }),
        field: error.violation().map(|(field, _)| field.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_code_that_its_definition_names() {
        let definitions = include_str!("../../../proto/ferrymq/v1/errors.proto");
        let lines: Vec<&str> = definitions.lines().map(str::trim).collect();
        let mut seen = 0;
        for (index, line) in lines.iter().enumerate() {
            let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| name.starts_with("ERROR_REASON_")) else {
                continue;
            };
            let reason = v1::ErrorReason::from_str_name(name).unwrap();
            if reason == v1::ErrorReason::Unspecified {
                continue;
            }
            let comment = lines[index - 1].trim_start_matches("// ");
            let code: String = comment.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            let status = Status::from(Error::new(reason, "x"));
            let name = format!("{:?}", status.code()).to_uppercase();
            assert_eq!(name, code.replace('_', ""), "{reason:?}");
            assert!(!status.details().is_empty());
            seen += 1;
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn a_quota_always_says_what_it_is_about() {
        let subject = |error: Error| {
            let details = Status::from(error).get_error_details();
            details.quota_failure().unwrap().violations[0].subject.clone()
        };
        assert_eq!(subject(Error::disk_full()), "disk");
        assert_eq!(subject(Error::limit_reached("queues", 7)), "queues");
        assert_eq!(subject(Error::new(v1::ErrorReason::QueueFull, "full").meta("queue", "q")), "queue/q");
        assert_eq!(subject(Error::new(v1::ErrorReason::ConsumerTooSlow, "slow")), "consumer_too_slow");
    }

    #[test]
    fn a_refused_field_is_named_with_its_rule() {
        let status = Status::from(Error::invalid("messages[3].payload", "is given twice"));
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("FIELD_INVALID", "ferrymq"));
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!(
            (violation.field.as_str(), violation.description.as_str()),
            ("messages[3].payload", "is given twice")
        );
    }
}
