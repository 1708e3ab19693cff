//! The layer around all services: follows each call, and says what tonic itself refuses in our words.

use std::convert::Infallible;
use std::task::{Context, Poll};

use ferrymq_proto::v1::ErrorReason;
use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::trace;
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

/// What a call comes to. Boxed here: [`Web`](super::web::Web) around it passes it on as it is, but for what comes from pages.
pub(super) type Answer = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

/// Wraps the services in [`Calls`].
#[derive(Debug, Clone, Copy)]
pub(super) struct CallsLayer;

impl<S> Layer<S> for CallsLayer {
    type Service = Calls<S>;

    fn layer(&self, inner: S) -> Calls<S> {
        Calls { inner }
    }
}

/// The services, with every call followed.
#[derive(Debug, Clone)]
pub(super) struct Calls<S> {
    inner: S,
}

impl<S> Service<http::Request<Body>> for Calls<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let span = trace::span(&request);
        let answer = span.in_scope(|| self.inner.call(request));
        let followed = span.clone();
        let answer = async move { Ok(trace::follow(followed, in_our_words(answer.await?))) };
        Box::pin(answer.instrument(span))
    }
}

/// Applies [`decode_status`] to an answer that is only a status.
fn in_our_words(answer: http::Response<Body>) -> http::Response<Body> {
    let Some(status) = Status::from_header_map(answer.headers()) else { return answer };
    if status.code() == Code::Ok || !status.details().is_empty() {
        return answer;
    }
    decode_status(status).into_http()
}
