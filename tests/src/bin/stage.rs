//! The stage of the conformance scenarios: brokers behind a proxy whose connections can be cut, told what to do line by line
//! on stdin. So every language plays the same scenarios without knowing how a broker is started, killed or cut off.
//!
//! `ephemeral` or `durable`: a fresh broker, in place of the one before; answers `ok URL`. `kill`: SIGKILL, then started again over the same
//! data, at the same URL; answers `ok`. `break`: every connection is cut; answers `ok`. Ends when stdin ends.

use std::io::{self, BufRead as _};
use std::net::SocketAddr;
use std::sync::Arc;

use ferrymq_tests::Broker;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// So that clients may speak gRPC-Web as well.
const SETTINGS: [(&str, &str); 1] = [("web_origins", "http://localhost")];

#[tokio::main]
async fn main() -> io::Result<()> {
    // Built before the first scenario waits for it.
    ferrymq_tests::binary();
    let mut scene = None;
    for line in io::stdin().lock().lines() {
        match (line?.trim(), &mut scene) {
            ("ephemeral", scene) => *scene = Some(Scene::open(Broker::ephemeral_with(&SETTINGS)).await?),
            ("durable", scene) => *scene = Some(Scene::open(Broker::durable_with(&SETTINGS)).await?),
            ("kill", Some(scene)) => scene.kill(),
            ("break", Some(scene)) => scene.cut().await,
            (other, _) => {
                println!("error `{other}` is not known here");
                continue;
            }
        }
        let url = scene.as_ref().map(|scene| format!("http://{}", scene.address)).unwrap_or_default();
        println!("ok {url}");
    }
    Ok(())
}

/// A broker and the proxy before it.
struct Scene {
    broker: Broker,
    address: SocketAddr,
    /// Where the broker is. A change, also to the same place, cuts all connections.
    target: Arc<watch::Sender<SocketAddr>>,
}

impl Scene {
    async fn open(broker: Broker) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let target = Arc::new(watch::Sender::new(broker.address()));
        tokio::spawn(accept(listener, Arc::downgrade(&target)));
        Ok(Self { broker, address, target })
    }

    fn kill(&mut self) {
        self.broker.kill9();
        self.broker.restart();
        self.target.send_replace(self.broker.address());
    }

    /// Returns once they are: what is published then goes over a new one.
    async fn cut(&self) {
        self.target.send_replace(self.broker.address());
        while self.target.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

async fn accept(listener: TcpListener, target: std::sync::Weak<watch::Sender<SocketAddr>>) {
    while let Ok((client, _)) = listener.accept().await {
        let Some(target) = target.upgrade() else { return };
        tokio::spawn(carry(client, target.subscribe()));
    }
}

/// Carries bytes both ways until one side ends or the scene cuts it.
async fn carry(mut client: TcpStream, mut target: watch::Receiver<SocketAddr>) {
    let address = *target.borrow_and_update();
    let Ok(mut broker) = TcpStream::connect(address).await else { return };
    let _ = client.set_nodelay(true);
    let _ = broker.set_nodelay(true);
    tokio::select! {
        // However it ends, both ends are closed.
        _ = copy_bidirectional(&mut client, &mut broker) => {}
        _ = target.changed() => {}
    }
    // Before the receiver, which is how a cut sees that they are closed.
    drop((client, broker));
}
