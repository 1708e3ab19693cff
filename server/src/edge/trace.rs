//! A span for each call, at debug: its method, its peer, what it is about, and how it ended. Never what is in a message.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tracing::Span;
use tracing::field::{Empty, debug, display};

/// The span of a call; disabled unless calls are logged.
pub(super) fn span(request: &http::Request<Body>) -> Span {
    let span = tracing::debug_span!("call", method = Empty, peer = Empty, topic = Empty, queue = Empty);
    if !span.is_disabled() {
        span.record("method", request.uri().path());
        let info = request.extensions().get::<TcpConnectInfo>();
        if let Some(peer) = info.and_then(|info| info.remote_addr) {
            span.record("peer", display(peer));
        }
    }
    span
}

/// Writes into the span of the call that is being handled which topic or queue it is about. The name is what a client
/// sent, so it is quoted.
pub fn note(kind: &'static str, name: &str) {
    let span = Span::current();
    if !span.is_disabled() {
        span.record(kind, debug(name.chars().take(NAME_CHARS_MAX).collect::<String>()));
    }
}

const NAME_CHARS_MAX: usize = 320;

/// Follows the answer to its end, to log how it ended.
pub(super) fn follow(span: Span, answer: http::Response<Body>) -> http::Response<Body> {
    if span.is_disabled() {
        return answer;
    }
    let mut call = Call { span, started: Instant::now(), ended: false };
    match Status::from_header_map(answer.headers()) {
        Some(status) => {
            call.end(status.code());
            answer
        }
        None => answer.map(|inner| Body::new(Followed { inner, call })),
    }
}

/// Logs its end once.
struct Call {
    span: Span,
    started: Instant,
    ended: bool,
}

impl Call {
    fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.ended, true) {
            let elapsed = self.started.elapsed();
            self.span.in_scope(|| tracing::debug!(?code, ?elapsed, "ended"));
        }
    }
}

impl Drop for Call {
    /// Nobody waits for the rest of the answer.
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

struct Followed {
    inner: Body,
    call: Call,
}

impl HttpBody for Followed {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                    self.call.end(status.code());
                }
            }
            Poll::Ready(Some(Err(status))) => self.call.end(status.code()),
            Poll::Ready(None) => self.call.end(Code::Ok),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
