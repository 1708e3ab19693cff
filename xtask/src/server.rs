//! A server that is measured against.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::run::{Failure, root};

/// Killed when dropped.
pub struct Server {
    child: Child,
    url: String,
    /// Read once, and open as long as it may write more.
    stdout: BufReader<ChildStdout>,
    /// A broker's own, removed with it.
    _data: Option<TempDir>,
}

impl Server {
    /// Starts the broker of `program`, a `ferrymq`, with data that nobody has used before.
    pub fn broker(program: &str) -> Result<Self, Failure> {
        let data = tempfile::tempdir_in(root().join("target"))?;
        let place = data.path().display().to_string();
        let mut server = Self::start(program, &["serve", "--listen", "127.0.0.1:0", "--data", &place])?;
        server._data = Some(data);
        Ok(server)
    }

    /// Starts `program` and waits for its first line, which ends in the address or URL.
    pub fn start(program: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FERRYMQ_")) {
            command.env_remove(name);
        }
        // The server that does nothing ends with its stdin.
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let stdout = child.stdout.take().ok_or("a server has an output")?;
        let mut server = Self { child, url: String::new(), stdout: BufReader::new(stdout), _data: None };
        let mut greeting = String::new();
        server.stdout.read_line(&mut greeting)?;
        let address = greeting.split_whitespace().last();
        let address = address.ok_or_else(|| format!("{program} {} did not start", arguments.join(" ")))?;
        server.url = format!("http://{}", address.trim_start_matches("http://"));
        Ok(server)
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
