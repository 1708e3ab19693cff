//! gRPC-Web: what a page does over plain HTTP/1.1, and whose pages may.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ferrymq_client::v1::subscribe_request::Source;
use ferrymq_client::v1::{
    LogEdge, LogPoint, Message, PublishRequest, PublishResponse, Queue, SubscribeRequest, SubscribeResponse, Topic,
    log_point, publish_request,
};
use ferrymq_tests::{Broker, within};

const PAGE: &str = "https://app.example.com";
const SERVICE: &str = "/ferrymq.v1.MessagingService/";
const READ_WITHIN: Duration = Duration::from_secs(20);

fn broker() -> Broker {
    Broker::ephemeral_with(&[("web_origins", "http://localhost:5173, https://app.example.com")])
}

/// An answer over HTTP/1.1, whole.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn has(&self, header: &str) -> bool {
        self.head.to_ascii_lowercase().lines().any(|line| line == header)
    }

    /// The messages in it, and the trailers behind them.
    fn frames<M: prost::Message + Default>(&self) -> (Vec<M>, String) {
        let (mut messages, mut trailers, mut rest) = (Vec::new(), String::new(), self.body.as_slice());
        while let Some((head, behind)) = rest.split_at_checked(5) {
            let (frame, behind) = behind.split_at(u32::from_be_bytes(head[1..].try_into().unwrap()) as usize);
            match head[0] {
                0 => messages.push(M::decode(frame).unwrap()),
                _ => trailers = String::from_utf8(frame.to_vec()).unwrap(),
            }
            rest = behind;
        }
        (messages, trailers)
    }
}

fn open(broker: &Broker, head: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(broker.address()).unwrap();
    stream.set_read_timeout(Some(READ_WITHIN)).unwrap();
    stream.write_all(format!("{head}\r\nHost: broker\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream
}

fn post(broker: &Broker, method: &str, origin: &str, message: &impl prost::Message) -> TcpStream {
    let head = format!(
        "POST {SERVICE}{method} HTTP/1.1\r\nOrigin: {origin}\r\nContent-Type: application/grpc-web+proto\r\nConnection: close"
    );
    let mut body = vec![0];
    body.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    body.extend(message.encode_to_vec());
    open(broker, &head, &body)
}

fn answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let answer = Answer { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), body: bytes[end + 4..].to_vec() };
    if answer.has("transfer-encoding: chunked") { Answer { body: unchunked(&answer.body), ..answer } } else { answer }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&bytes[end + 2..end + 2 + length]);
        bytes = &bytes[(end + 4 + length).min(bytes.len())..];
    }
    whole
}

fn publish(to: publish_request::Destination) -> PublishRequest {
    let message = Message { payload: "hello".into(), ..Message::default() };
    PublishRequest { destination: Some(to), messages: vec![message], ..PublishRequest::default() }
}

fn to_topic(name: &str) -> PublishRequest {
    publish(publish_request::Destination::Topic(name.to_owned()))
}

fn edge(edge: LogEdge) -> Option<LogPoint> {
    Some(LogPoint { at: Some(log_point::At::Edge(edge.into())) })
}

#[tokio::test]
async fn a_page_publishes_and_subscribes() {
    let broker = broker();
    let topic = Topic { name: "orders".into(), ..Topic::default() };
    broker.client().await.create_topic(topic).await.unwrap();
    let published = answer(post(&broker, "Publish", PAGE, &to_topic("orders")));
    assert!(published.has(&format!("access-control-allow-origin: {PAGE}")), "{}", published.head);
    let (confirms, trailers) = published.frames::<PublishResponse>();
    assert_eq!((confirms[0].results.len(), trailers.trim()), (1, "grpc-status:0"));

    let request = SubscribeRequest {
        source: Some(Source::Topic("orders".into())),
        start: edge(LogEdge::Earliest),
        stop: edge(LogEdge::Latest),
        ..SubscribeRequest::default()
    };
    let (responses, trailers) =
        answer(post(&broker, "Subscribe", "http://localhost:5173", &request)).frames::<SubscribeResponse>();
    let payloads: Vec<_> =
        responses.iter().flat_map(|response| &response.deliveries).map(|delivery| delivery.message.clone()).collect();
    assert_eq!(payloads.len(), 1);
    assert_eq!(payloads[0].as_ref().unwrap().payload, "hello");
    assert_eq!(trailers.trim(), "grpc-status:0");
}

#[tokio::test]
async fn an_error_reaches_the_page_with_its_details() {
    let refused = answer(post(&broker(), "Publish", PAGE, &to_topic("nowhere")));
    assert!(refused.has("grpc-status: 5"), "{}", refused.head);
    assert!(refused.has("access-control-expose-headers: grpc-status,grpc-message,grpc-status-details-bin"));
    assert!(refused.head.to_ascii_lowercase().contains("grpc-status-details-bin: "), "{}", refused.head);
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_before_anything_is_done() {
    let broker = broker();
    let client = broker.client().await;
    client.create_topic(Topic { name: "orders".into(), ..Topic::default() }).await.unwrap();
    for origin in ["https://evil.example.com", "null", "https://app.example.com.evil.com", "http://app.example.com"] {
        let refused = answer(post(&broker, "Publish", origin, &to_topic("orders")));
        assert!(refused.head.starts_with("HTTP/1.1 403 "), "{origin}: {}", refused.head);
        assert!(!refused.head.contains("access-control-allow"), "{}", refused.head);
    }
    let stats = client.stats(vec!["orders".into()], vec![]).await.unwrap();
    assert_eq!(stats.topics["orders"].published, 0);
}

#[tokio::test]
async fn a_browser_is_told_what_it_may_before_it_calls() {
    let broker = broker();
    let ask = |origin: &str| {
        let head = format!(
            "OPTIONS {SERVICE}Publish HTTP/1.1\r\nOrigin: {origin}\r\nConnection: close\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,x-grpc-web"
        );
        answer(open(&broker, &head, b""))
    };
    let allowed = ask(PAGE);
    assert!(allowed.head.starts_with("HTTP/1.1 204 "), "{}", allowed.head);
    assert!(allowed.has(&format!("access-control-allow-origin: {PAGE}")) && allowed.has("vary: origin"));
    assert!(allowed.has("access-control-allow-methods: post"), "{}", allowed.head);
    assert!(allowed.head.contains("content-type,x-grpc-web,x-user-agent,grpc-timeout"), "{}", allowed.head);
    assert!(ask("https://evil.example.com").head.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn what_a_page_held_comes_again_when_it_is_closed() {
    let broker = broker();
    let client = broker.client().await;
    client.create_queue(Queue { name: "work".into(), ..Queue::default() }, vec![]).await.unwrap();
    let to = publish(publish_request::Destination::Queue("work".into()));
    answer(post(&broker, "Publish", PAGE, &to));
    let request = SubscribeRequest { source: Some(Source::Queue("work".into())), ..SubscribeRequest::default() };
    let page = post(&broker, "Subscribe", PAGE, &request);
    let unsettled = |count| {
        let client = client.clone();
        async move { while client.stats(vec![], vec!["work".into()]).await.unwrap().queues["work"].unsettled != count {} }
    };
    within("the page to have it", unsettled(1)).await;
    drop(page);
    within("it to be given back", unsettled(0)).await;
}
