//! The runnable examples of the Rust client.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::broker::cargo_build;

/// The directory of their sources.
pub fn example_sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/rust/examples")
}

/// An example, to be run: built once for each test program, in the profile of that program.
pub fn example(name: impl AsRef<OsStr>) -> Command {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    // With the broker, so that what both need is built once.
    let packages = ["-p", "ferrymq-cli", "-p", "ferrymq-client", "--bin", "ferrymq", "--examples"];
    let directory = DIRECTORY.get_or_init(|| cargo_build(&packages).join("examples"));
    let mut path = directory.join(name.as_ref()).into_os_string();
    path.push(std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}
