//! A broker for tests: in memory, on a free port, gone with the value that stands for it.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Client, Error};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A broker process, killed when dropped. Needs the `ferrymq` program: the one that `FERRYMQ_PROGRAM` names, else that on the PATH.
///
/// ```no_run
/// # async fn example() -> Result<(), ferrymq_client::Error> {
/// let broker = ferrymq_client::testing::Broker::start().await?;
/// let client = broker.client().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Broker {
    child: Child,
    url: String,
}

impl Broker {
    /// Starts one that keeps everything in memory.
    pub async fn start() -> Result<Self, Error> {
        let program = std::env::var_os("FERRYMQ_PROGRAM").unwrap_or_else(|| "ferrymq".into());
        Self::start_program(program).await
    }

    /// The same, of the `ferrymq` program at this path.
    pub async fn start_program(program: impl AsRef<OsStr>) -> Result<Self, Error> {
        let program = program.as_ref();
        let port_file = PortFile::new();
        let mut command = Command::new(program);
        command.args(["serve", "--ephemeral", "--listen", "127.0.0.1:0", "--port-file"]).arg(&port_file.0);
        // Settings of the program under test are not this broker's.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FERRYMQ_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let not_started = |e: io::Error| {
            Error::unavailable(&format!("`{}` does not start: {e}; set FERRYMQ_PROGRAM", program.to_string_lossy()))
        };
        let mut broker = Self { child: command.spawn().map_err(not_started)?, url: String::new() };
        broker.url = format!("http://{}", broker.address(&port_file).await?);
        Ok(broker)
    }

    /// Where it is, e.g. `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client of it.
    pub async fn client(&self) -> Result<Client, Error> {
        Client::connect(self.url()).await
    }

    async fn address(&mut self, port_file: &PortFile) -> Result<SocketAddr, Error> {
        let deadline = tokio::time::Instant::now() + READY_WITHIN;
        let mut pause = Duration::from_millis(1);
        loop {
            // It is there whole or not at all.
            if let Some(address) = std::fs::read_to_string(&port_file.0).ok().and_then(|text| text.trim().parse().ok())
            {
                return Ok(address);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Error::unavailable(&format!("the broker ended before it was ready: {status}")));
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Error::unavailable("the broker was not ready in time"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file name of its own, removed with the value.
struct PortFile(PathBuf);

impl PortFile {
    fn new() -> Self {
        let number: u64 = rand::random();
        Self(std::env::temp_dir().join(format!("ferrymq-{}-{number:x}.port", std::process::id())))
    }
}

impl Drop for PortFile {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}
