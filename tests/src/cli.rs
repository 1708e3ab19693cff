//! The command line, as scripts use it.

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

use crate::Broker;
use crate::broker::binary;

/// A command of `ferrymq` to this broker, with nothing of what is set around the test.
pub fn ferrymq(broker: &Broker, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FERRYMQ_")) {
        command.env_remove(name);
    }
    command.env("FERRYMQ_URL", broker.url()).env("XDG_CONFIG_HOME", broker.home()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What Ctrl-C does to a command.
pub fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("kill is everywhere").success(), "it was gone before");
}

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// As bytes: payloads are any.
    pub stdout: Vec<u8>,
    /// For people.
    pub stderr: String,
}

impl Ran {
    /// Its lines.
    pub fn lines(&self) -> Vec<&str> {
        std::str::from_utf8(&self.stdout).expect("this command prints text").lines().collect()
    }

    /// Its lines, each a JSON value.
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.lines().into_iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr }
    }
}

/// Runs a command to its end, with this on stdin.
pub fn run(broker: &Broker, arguments: &[&str], stdin: impl AsRef<[u8]>) -> Ran {
    let mut command = ferrymq(broker, arguments);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary runs");
    let mut input = child.stdin.take().expect("stdin is a pipe");
    // It may have ended without reading.
    let _ = input.write_all(stdin.as_ref());
    drop(input);
    child.wait_with_output().expect("a child can be waited for").into()
}

/// The same, and it has to succeed.
pub fn done(broker: &Broker, arguments: &[&str], stdin: impl AsRef<[u8]>) -> Ran {
    let ran = run(broker, arguments, stdin);
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
    ran
}
