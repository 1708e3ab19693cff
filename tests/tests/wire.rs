//! What a publisher's encoder wrote is what a consumer gets, byte for byte.

use bytes::Bytes;
use ferrymq_client::v1::Queue;
use ferrymq_proto::raw::{Destination, RawPublishRequest};
use ferrymq_proto::server::{PullRequest, PullResponse, pull_request};
use ferrymq_tests::{Broker, call_once, create_queue, create_topic};
use prost::Message as _;

/// As another implementation may write it: fields out of order, an empty field written out, and numbers from 64 on that
/// this version does not know.
const FOREIGN: &[u8] = b"\x1a\x03a.b\
    \x80\x04\x05\
    \x12\x06\x0a\x01k\x12\x01v\
    \x0a\x02hi\
    \x22\x00\
    \xc2\xb8\x02\x01x";

async fn pulled(broker: &Broker) -> Vec<Bytes> {
    let source = Some(pull_request::Source::Queue("q".into()));
    let request = PullRequest { source, max_messages: 10, ..PullRequest::default() };
    let client = broker.client().await;
    let method = "/ferrymq.v1.MessagingService/Pull";
    let answer = call_once(&client, method, request.encode_to_vec().into()).await.expect("a queue can be pulled");
    let response = PullResponse::decode(answer).expect("an answer of the right type");
    response.deliveries.into_iter().map(|delivery| delivery.message).collect()
}

#[tokio::test]
async fn a_message_of_another_encoder_comes_out_byte_for_byte_also_after_a_restart() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "a.*")]).await;
    let messages = vec![Bytes::from_static(FOREIGN), Bytes::from_static(b"\x1a\x03a.c")];
    let destination = Some(Destination::Topic("t".into()));
    let request = RawPublishRequest { destination, messages: messages.clone(), ..RawPublishRequest::default() };
    let method = "/ferrymq.v1.MessagingService/Publish";
    call_once(&client, method, request.encode_to_vec().into()).await.expect("a confirm");
    assert_eq!(pulled(&broker).await, messages);
    broker.kill9();
    broker.restart();
    assert_eq!(pulled(&broker).await, messages);
}
