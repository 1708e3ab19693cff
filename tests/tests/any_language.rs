//! A program with nothing but generated stubs can use the broker: here one in Python.

use std::path::Path;
use std::process::{Command, Stdio};

use ferrymq_tests::Broker;

const FILES: [&str; 7] =
    ["admin_service", "errors", "message", "messaging_service", "operations_service", "resources", "stats"];

#[test]
fn plain_python_stubs_publish_subscribe_ack_and_nack() {
    let Some(python) = python() else { return };
    let stubs = tempfile::tempdir().unwrap();
    generate(&python, stubs.path());
    let broker = Broker::ephemeral();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/plain_stub.py");
    let address = broker.url().replace("http://", "");
    let mut command = Command::new(python);
    command.arg(script).arg(address).env("PYTHONPATH", stubs.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A Python that has grpcio and grpcio-tools. In CI it has to be there.
fn python() -> Option<String> {
    let python = std::env::var("TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut check = Command::new(&python);
    check.args(["-c", "import grpc, grpc_tools"]).stdin(Stdio::null()).stderr(Stdio::null());
    if check.status().is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{python} has no grpcio and grpcio-tools");
    eprintln!("SKIPPED: the test of plain Python stubs, as {python} has no grpcio and grpcio-tools");
    None
}

fn generate(python: &str, into: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let out = into.display();
    let mut command = Command::new(python);
    command.args(["-m", "grpc_tools.protoc"]).arg(format!("-I{}", root.display()));
    command.arg(format!("--python_out={out}")).arg(format!("--grpc_python_out={out}"));
    command.args(FILES.map(|name| format!("ferrymq/v1/{name}.proto")));
    let output = command.stdin(Stdio::null()).output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
