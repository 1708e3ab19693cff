//! Who may connect, and what becomes of those who do not speak gRPC.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ferrymq_client::{Client, Code};
use ferrymq_tests::{Broker, within};

async fn is_served(client: &Client) -> bool {
    match client.server_info().await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code(), Code::Unavailable, "{error:?}");
            false
        }
    }
}

/// A client of its own connection, which is made with the first call.
fn another(broker: &Broker) -> Client {
    Client::builder(broker.url()).connect_lazy().expect("a URL")
}

#[tokio::test]
async fn a_connection_too_many_is_refused_until_another_has_gone() {
    let broker = Broker::ephemeral_with(&[("connections_max", "2")]);
    let (first, second, third) = (another(&broker), another(&broker), another(&broker));
    assert!(is_served(&first).await && is_served(&second).await);
    assert!(!is_served(&third).await);
    drop(second);
    within("a place", async { while !is_served(&third).await {} }).await;
    assert!(is_served(&first).await);
    assert!(broker.log().contains("over_connections_max="), "{}", broker.log());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let broker = Broker::ephemeral_with(&[("connections_per_ip_max", "2")]);
    let (first, second, third) = (another(&broker), another(&broker), another(&broker));
    assert!(is_served(&first).await && is_served(&second).await);
    assert!(!is_served(&third).await);
    // On Linux all of 127.0.0.0/8 is this machine.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let mut other = socket.connect(broker.address()).await.unwrap();
    assert!(is_greeted(&mut other).await, "another address still has its share");
}

/// Says what an HTTP/2 client says first; true if the broker answers in kind.
#[cfg(target_os = "linux")]
async fn is_greeted(stream: &mut tokio::net::TcpStream) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    let mut header = [0; 9];
    within("an answer", stream.read_exact(&mut header)).await.is_ok() && header[3] == 4
}

/// Sends bytes, and waits until the broker has closed the connection.
fn dismissed(broker: &Broker, bytes: &[u8]) {
    let mut stream = TcpStream::connect(broker.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The broker may close while we still write.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{bytes:x?}"),
    }
}

#[tokio::test]
async fn bytes_that_are_no_grpc_are_dismissed_and_others_are_served() {
    let broker = Broker::ephemeral_with(&[("first_bytes_timeout", "50ms"), ("connections_max", "8")]);
    let client = broker.client().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    let settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00".as_slice();
    let mut noise = vec![0_u8; 4_096];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    noise.fill_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let cases: [&[u8]; 8] = [
        b"",
        b"PRI * HT",
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello, more or less",
        &noise,
        &[preface, &noise].concat(),
        // A frame of 16 MiB, and a DATA frame of a stream that was never opened.
        &[preface, settings, b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"].concat(),
        &[preface, settings, b"\x00\x00\x01\x00\x00\x00\x00\x00\x07x"].concat(),
    ];
    for round in 0..3 {
        for bytes in cases {
            dismissed(&broker, bytes);
        }
        assert!(is_served(&client).await, "round {round}");
    }
    within("the places to be free again", async {
        while client.stats(vec![], vec![]).await.unwrap().broker.unwrap().connections != 1 {}
    })
    .await;
    assert!(!broker.log().contains("panicked"), "{}", broker.log());
}

#[test]
fn a_broker_in_memory_is_ready_and_makes_no_file_but_the_one_with_its_port() {
    let broker = Broker::ephemeral();
    let files: Vec<_> = std::fs::read_dir(broker.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // The harness keeps what the broker says there.
        .filter(|name| name != "stderr")
        .collect();
    assert_eq!(files, ["port"]);
    assert!(broker.address().port() != 0);
}
