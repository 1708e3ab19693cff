//! Running other programs from the root of the repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a task failed, for a person to read.
pub type Failure = Box<dyn std::error::Error>;

/// The root of the repository.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// Runs `program` to its end; a non-zero exit is a failure.
pub fn run(program: &str, arguments: &[&str], environment: &[(&str, String)]) -> Result<(), Failure> {
    let mut command = command(program, arguments);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let status = command.status().map_err(|error| format!("{program}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} {}: {status}", arguments.join(" ")).into()) }
}

/// Runs `program` and returns what it prints.
pub fn output(program: &str, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut command = command(program, arguments);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() { Ok(output.stdout) } else { Err(format!("{program}: {}", output.status).into()) }
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let path = if program.contains('/') { root().join(program) } else { PathBuf::from(program) };
    let mut command = Command::new(path);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}
