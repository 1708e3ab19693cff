//! What the Rust client has for tests of programs: a broker of their own.

use ferrymq_client::testing::Broker;
use ferrymq_client::{message, queue, to_queue, v1};

#[tokio::test(flavor = "multi_thread")]
async fn a_test_gets_a_broker_of_its_own_that_goes_with_it() {
    let broker = Broker::start_program(ferrymq_tests::binary()).await.unwrap();
    let client = broker.client().await.unwrap();
    client.create_queue(v1::Queue { name: "q".to_owned(), ..v1::Queue::default() }, vec![]).await.unwrap();
    client.publisher(to_queue("q")).publish(message("hello")).await.unwrap().await.unwrap();
    let mut subscriber = client.subscribe(queue("q")).await.unwrap();
    let delivery = subscriber.next().await.unwrap().unwrap();
    assert_eq!(delivery.text(), "hello");
    delivery.ack().await.unwrap();

    drop(broker);
    assert!(client.server_info().await.is_err());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = Broker::start_program("no-such-program").await.unwrap_err();
    assert!(error.message().contains("no-such-program"), "{error}");
}
