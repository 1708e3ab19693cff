//! Servers started for a measurement, and what they use.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::failure::Failure;

const START_MAX: Duration = Duration::from_secs(15);
/// What Linux counts CPU time in, for every program, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// A server, of which the process is known if it was started here. Ends with this value.
pub struct Server {
    pub url: String,
    child: Option<Child>,
}

impl Server {
    /// One that runs already.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), child: None }
    }

    /// A broker of this same program, with its data under `dir`.
    pub async fn broker(dir: &Path) -> Result<Self, Failure> {
        let port_file = dir.join("port");
        // The port of an earlier start must not be taken for this one's.
        let _ = std::fs::remove_file(&port_file);
        let mut command = ours()?;
        command.args(["serve", "--listen", "127.0.0.1:0", "--port-file"]).arg(&port_file);
        command.arg("--data").arg(dir.join("data"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn()?;
        let start = Instant::now();
        while start.elapsed() < START_MAX {
            if let Some(port) = port_in(&port_file) {
                return Ok(Self { url: format!("http://127.0.0.1:{port}"), child: Some(child) });
            }
            if let Some(status) = child.try_wait()? {
                return Err(Failure::unavailable(format!("the broker to measure did not start: {status}")));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(Failure::unavailable("the broker to measure was not ready in time"))
    }

    /// Ends it with SIGKILL.
    pub async fn kill(&mut self) -> Result<(), Failure> {
        match &mut self.child {
            Some(child) => Ok(child.kill().await?),
            None => Err(Failure::usage("only a broker that was started here is killed")),
        }
    }

    /// The server that does nothing.
    pub async fn noop() -> Result<Self, Failure> {
        let mut command = ours()?;
        command.arg("bench-noop-server").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::other("no output of the no-op server"))?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address).await?;
        Ok(Self { url: format!("http://{}", address.trim()), child: Some(child) })
    }

    /// Seconds of CPU so far, where the system tells.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let stat = self.proc_file("stat")?;
        // The name, in brackets, may hold anything; what follows is numbers.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(ticks / TICKS_PER_SECOND)
    }

    /// Peak resident memory in bytes, where the system tells.
    pub fn peak_memory_bytes(&self) -> Option<u64> {
        self.status_bytes("VmHWM:")
    }

    /// Resident memory in bytes, where the system tells.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.status_bytes("VmRSS:")
    }

    fn status_bytes(&self, name: &str) -> Option<u64> {
        let status = self.proc_file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
    }

    fn proc_file(&self, name: &str) -> Option<String> {
        let pid = self.child.as_ref()?.id()?;
        std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok()
    }
}

fn ours() -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.kill_on_drop(true).env_remove("FERRYMQ_URL");
    Ok(command)
}

/// The port, or the port at the end of an address.
fn port_in(file: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(file).ok()?;
    text.trim().rsplit(':').next()?.parse().ok()
}
