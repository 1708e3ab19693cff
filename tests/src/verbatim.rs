//! Calls with requests that are bytes as they are, well formed or not.

use bytes::{Buf as _, BufMut as _, Bytes};
use ferrymq_client::Client;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status, Streaming};

#[derive(Default)]
struct Verbatim;

impl Codec for Verbatim {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}

/// Sends one request to a method, `/ferrymq.v1.Service/Method`, of any kind; what it answers, as a stream.
///
/// # Errors
/// The status, if the call ends with one before it answers.
pub async fn call(client: &Client, method: &str, request: Bytes) -> Result<Streaming<Bytes>, Status> {
    let mut grpc = Grpc::new(client.channel());
    grpc.ready().await.expect("the broker is there");
    let path = method.parse().expect("a path of a method");
    let requests = tokio_stream::iter([request]);
    Ok(grpc.streaming(Request::new(requests), path, Verbatim).await?.into_inner())
}

/// The first answer of a call; an error if it ends without one.
///
/// # Errors
/// The status that the call ended with.
pub async fn call_once(client: &Client, method: &str, request: Bytes) -> Result<Bytes, Status> {
    let answer = call(client, method, request).await?.message().await?;
    answer.ok_or_else(|| Status::ok("no answer"))
}
