//! The body of a request: one that breaks off is not taken for one that ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tonic::Status;

/// What a caller sends. tonic takes a cancelled stream for one whose caller has ended its side; with this it hears of an
/// error, so that a consumer that went away is told from one that is done.
pub(super) struct RequestBody(pub(super) Incoming);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let polled = Pin::new(&mut self.0).poll_frame(context);
        polled.map_err(|error| Status::unavailable(format!("the caller broke off: {error}")))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
