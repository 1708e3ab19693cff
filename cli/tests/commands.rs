//! The binary as a person or a script calls it, against the server that does nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};

const FERRYMQ: &str = env!("CARGO_BIN_EXE_ferrymq");

/// Ends when dropped: its stdin closes.
struct Noop {
    child: Child,
    url: String,
}

impl Noop {
    fn start() -> Self {
        let mut command = Command::new(FERRYMQ);
        command.arg("bench-noop-server").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let url = format!("http://{}", address.trim());
        Self { child, url }
    }

    fn run(&self, line: &str, stdin: &str) -> Output {
        ferrymq(&format!("{line} --url {}", self.url), stdin)
    }
}

impl Drop for Noop {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn ferrymq(line: &str, stdin: &str) -> Output {
    let mut command = Command::new(FERRYMQ);
    command.args(line.split(' ')).env_remove("FERRYMQ_URL");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read stdin may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn an_argument_is_one_message() {
    let output = Noop::start().run("publish orders hello --key eu.de --json", "");
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "{\"published\":1,\"unmatched\":0}\n");
}

#[test]
fn every_line_of_stdin_is_confirmed() {
    let lines = "a line\n".repeat(5000);
    let output = Noop::start().run("send jobs --json", &lines);
    assert_eq!(text(&output.stdout), "{\"published\":5000,\"unmatched\":0}\n");
}

#[test]
fn a_bad_message_line_is_a_usage_error() {
    let output = Noop::start().run("send jobs --messages", "{\"payload\":\"a\"}\n{\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("line 2 of stdin"));
}

#[test]
fn exit_codes_tell_scripts_what_happened() {
    let down = ferrymq("stats --url http://127.0.0.1:1 --json", "");
    assert_eq!(down.status.code(), Some(5));
    let failure: serde_json::Value = serde_json::from_slice(&down.stderr).unwrap();
    assert_eq!(failure["exit_code"], 5);
    assert!(failure["hint"].as_str().unwrap().contains("ferrymq serve"));

    assert_eq!(ferrymq("stats --url nonsense", "").status.code(), Some(2));
    assert_eq!(ferrymq("no-such-command", "").status.code(), Some(2));
    let noop = Noop::start();
    assert_eq!(noop.run("topic get orders", "").status.code(), Some(1));
    assert_eq!(noop.run("purge jobs", "").status.code(), Some(2));
}

#[test]
fn a_reader_of_its_messages_that_has_gone_changes_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(FERRYMQ);
    command.args(["status", "--url", "http://127.0.0.1:1"]).stderr(writer).stdout(Stdio::null());
    assert_eq!(command.status().unwrap().code(), Some(5));
}

#[test]
fn check_reads_a_directory_without_a_broker() {
    let dir = tempfile::tempdir().unwrap();
    let output = ferrymq(&format!("check {} --json", dir.path().display()), "");
    assert!(output.status.success());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["problems"], serde_json::json!([]));
    let missing = dir.path().join("missing");
    assert_eq!(ferrymq(&format!("check {}", missing.display()), "").status.code(), Some(2));
}
