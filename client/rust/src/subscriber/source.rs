//! What to subscribe to. Everything else of the request is set as in `SubscribeRequest { prefetch: 1, ..queue("work") }`.

use ferrymq_proto::v1::SubscribeRequest;
use ferrymq_proto::v1::subscribe_request::Source;

/// Asks for a queue's messages, which its consumers share.
pub fn queue(name: impl Into<String>) -> SubscribeRequest {
    SubscribeRequest { source: Some(Source::Queue(name.into())), ..SubscribeRequest::default() }
}

/// Asks for the messages of a topic as a member of `group`, which is made if it is not there.
pub fn group(topic: impl Into<String>, group: impl Into<String>) -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Topic(topic.into())),
        group: group.into(),
        create_if_missing: true,
        ..SubscribeRequest::default()
    }
}

/// Asks for what is published to a topic from now on (or from `start`), without a group: there is nothing to ack.
pub fn broadcast(topic: impl Into<String>) -> SubscribeRequest {
    SubscribeRequest { source: Some(Source::Topic(topic.into())), ..SubscribeRequest::default() }
}
