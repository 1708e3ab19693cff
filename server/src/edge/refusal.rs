//! What tonic itself refuses, in our words.

use std::task::{Context, Poll};

use ferrymq_proto::v1::ErrorReason;
use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::error::Error;

/// Parts of what tonic says of a request that it cannot read.
const MALFORMED: [&str; 5] = ["decode", "decoding", "Missing request message", "protocol error", "compress"];

/// What tonic says of a request that is too large or malformed, in our words.
pub fn decode_status(status: Status) -> Status {
    let message = status.message().to_owned();
    match status.code() {
        Code::OutOfRange if message.contains("message length too large") => {
            let rule = format!("the request is too large ({message})");
            Error::new(ErrorReason::BatchTooLarge, rule.clone()).field("", rule).into()
        }
        Code::Internal if MALFORMED.iter().any(|part| message.contains(part)) => {
            let rule = format!("the request is not a well-formed protobuf message ({message})");
            Error::invalid("", rule).into()
        }
        _ => status,
    }
}

/// Wraps the services in [`Refusal`].
#[derive(Debug, Clone, Copy)]
pub(super) struct RefusalLayer;

impl<S> Layer<S> for RefusalLayer {
    type Service = Refusal<S>;

    fn layer(&self, inner: S) -> Refusal<S> {
        Refusal { inner }
    }
}

/// Applies [`decode_status`] to answers that are only a status.
#[derive(Debug, Clone)]
pub(super) struct Refusal<S> {
    inner: S,
}

impl<S> Service<http::Request<Body>> for Refusal<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let Some(status) = Status::from_header_map(answer.headers()) else { return Ok(answer) };
            if status.code() == Code::Ok || !status.details().is_empty() {
                return Ok(answer);
            }
            Ok(decode_status(status).into_http())
        })
    }
}
