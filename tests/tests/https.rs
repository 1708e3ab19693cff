//! `https://`: a proxy in front of the broker ends TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use ferrymq_client::{Client, Code, Error, group, message};
use ferrymq_tests::{Broker, create_topic, within};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A proxy whose certificate is for `localhost`.
struct Proxy {
    port: u16,
    /// What signed its certificate, in PEM: itself.
    authority: String,
}

impl Proxy {
    async fn before(broker: SocketAddr) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder().with_no_client_auth();
        let mut config = config.with_single_cert(vec![made.cert.der().clone()], key.into()).expect("they match");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), broker));
        Self { port, authority: made.cert.pem() }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, broker: SocketAddr) {
    while let Ok((client, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust it ends here.
            let Ok(mut client) = acceptor.accept(client).await else { return };
            let mut broker = TcpStream::connect(broker).await.expect("the broker listens");
            let _ = copy_bidirectional(&mut client, &mut broker).await;
        });
    }
}

async fn refused(url: String, authority: Option<&str>) -> Error {
    let builder = Client::builder(url);
    let builder = if let Some(pem) = authority { builder.ca_certificate(pem) } else { builder };
    within("a refusal", builder.connect()).await.expect_err("it is not to be trusted")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_over_tls_is_consumed_over_tls() {
    let broker = Broker::ephemeral();
    let proxy = Proxy::before(broker.address()).await;
    let client = Client::builder(proxy.url()).ca_certificate(proxy.authority.as_str()).connect().await;
    let client = client.expect("its authority is trusted");
    create_topic(&client, "orders").await;
    let mut subscriber = client.subscribe(group("orders", "billing")).await.expect("the group is made");
    let publisher = client.publisher("orders");
    let confirm = publisher.publish(message("hello")).await.expect("it is taken");
    within("a confirm", confirm).await.expect("it is stored");
    let delivery = within("a delivery", subscriber.next()).await.expect("there is one").expect("it comes");
    assert_eq!(delivery.text(), "hello");
    within("a settlement", delivery.ack()).await.expect("it is acked");
}

#[tokio::test]
async fn a_certificate_of_nobody_we_trust_or_for_another_name_is_refused() {
    let broker = Broker::ephemeral();
    let proxy = Proxy::before(broker.address()).await;
    let unknown = refused(proxy.url(), None).await;
    assert!(unknown.message().contains("certificate"), "{unknown:?}");
    let other = Proxy::before(broker.address()).await;
    let wrong = refused(proxy.url(), Some(&other.authority)).await;
    assert_eq!(wrong.code(), Code::Unavailable);
    assert!(wrong.message().contains("certificate"), "{wrong:?}");
    let unnamed = refused(format!("https://127.0.0.1:{}", proxy.port), Some(&proxy.authority)).await;
    assert!(unnamed.message().contains("certificate"), "{unnamed:?}");
}

#[tokio::test]
async fn an_authority_that_is_none_is_refused_by_its_name() {
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let error = refused("https://localhost:1".into(), Some(key)).await;
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(error.field_violations()[0].field, "ca_certificate");
}
