//! Calls that end at their deadline, and streams of what the generated stubs have no words for.

use std::time::Duration;

use ferrymq_proto::codec::SizedCodec;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{IntoStreamingRequest as _, Request, Response, Status, Streaming};

use crate::{Client, Error};

/// Longer than this is without end.
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Client {
    /// One call within the client's `call_timeout`.
    pub(crate) async fn call<T, R>(
        &self,
        message: T,
        call: impl AsyncFnOnce(Request<T>) -> Result<Response<R>, Status>,
    ) -> Result<R, Error> {
        self.call_within(self.call_timeout, message, call).await
    }

    /// One call within another time. The broker is told, so that it does not work for nobody.
    pub(crate) async fn call_within<T, R>(
        &self,
        timeout: Duration,
        message: T,
        call: impl AsyncFnOnce(Request<T>) -> Result<Response<R>, Status>,
    ) -> Result<R, Error> {
        let timeout = timeout.min(TIMEOUT_MAX);
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        match tokio::time::timeout(timeout, call(request)).await {
            Ok(response) => Ok(response?.into_inner()),
            Err(_) => Err(Error::late(timeout)),
        }
    }

    /// A stream both ways, on the next connection in turn. Both types are the method's own, or encoded as those are.
    pub(crate) async fn stream<T, R>(
        &self,
        path: &'static str,
        requests: mpsc::Receiver<T>,
        response_bytes_max: usize,
    ) -> Result<Streaming<R>, Error>
    where
        T: Message + 'static,
        R: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel()).max_decoding_message_size(response_bytes_max);
        grpc.ready().await.map_err(|error| Error::disconnected(&error))?;
        let request = ReceiverStream::new(requests).into_streaming_request();
        let codec = SizedCodec::<T, R>::default();
        Ok(grpc.streaming(request, PathAndQuery::from_static(path), codec).await?.into_inner())
    }
}
