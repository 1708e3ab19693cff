//! Calls as they end, for whoever wants to see them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::Either;
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::transport::Channel;
use tonic::transport::channel::ResponseFuture;
use tonic::{Code, Status};

/// One call that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// As in the path of its request: `ferrymq.v1.MessagingService/Publish`.
    pub method: String,
    /// How it ended. CANCELLED also where this side wanted no more of a stream.
    pub code: Code,
    /// From the request to the end; of a stream, all the time that it was open.
    pub elapsed: Duration,
}

/// Is told of each call; must not block.
pub(crate) type Observer = Arc<dyn Fn(&Call) + Send + Sync>;

/// A connection to the broker, over which stubs are made: gRPC's channel, and whoever observes its calls.
#[derive(Clone)]
pub struct Transport {
    channel: Channel,
    observer: Option<Observer>,
}

impl Transport {
    pub(crate) fn new(channel: Channel, observer: Option<Observer>) -> Self {
        Self { channel, observer }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.channel.fmt(f)
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Either<ResponseFuture, BoxFuture<Response<Body>, tonic::transport::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.channel, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(observer) = self.observer.clone() else {
            return Either::Left(self.channel.call(request));
        };
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let mut open = Open { method, began: Instant::now(), observer: Some(observer) };
        let response = self.channel.call(request);
        Either::Right(Box::pin(async move {
            let response = response.await.inspect_err(|_| open.end(Code::Unavailable))?;
            if let Some(code) = code_in(response.headers()) {
                open.end(code);
            }
            Ok(response.map(|body| Body::new(Observed { body, open })))
        }))
    }
}

/// A call that has not ended yet. Dropped before its end it was cancelled.
struct Open {
    method: String,
    began: Instant,
    observer: Option<Observer>,
}

impl Open {
    fn end(&mut self, code: Code) {
        if let Some(observer) = self.observer.take() {
            let method = std::mem::take(&mut self.method);
            observer(&Call { method, code, elapsed: self.began.elapsed() });
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The body of a response, looked at for its trailers.
struct Observed {
    body: Body,
    open: Open,
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code_in) {
                    self.open.end(code);
                }
            }
            Some(Err(status)) => self.open.end(status.code()),
            None => self.open.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    // Never before the trailers were seen.
    fn is_end_stream(&self) -> bool {
        self.open.observer.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
