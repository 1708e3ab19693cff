//! Tasks of the FerryMQ repository, run as `cargo xtask <task>`.

mod dependencies;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::{Failure, run};

/// Tasks of the FerryMQ repository.
#[derive(Parser)]
#[command(name = "xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything a change has to pass: `.ci/run`.
    Check,
    /// The tests of the workspace.
    Test,
    /// Licences, bans and sources of the dependencies, against deny.toml.
    Dependencies,
    /// Kills the broker with SIGKILL under load, again and again, and checks that nothing is lost or comes back.
    Torture {
        /// How many times to kill it.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
        cycles: u32,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<(), Failure> {
    match task {
        Task::Check => run(".ci/run", &[], &[]),
        Task::Test => run("cargo", &["test", "--workspace"], &[]),
        Task::Dependencies => dependencies::check(),
        Task::Torture { cycles } => {
            let arguments = ["test", "-p", "ferrymq-tests", "--test", "torture", "--", "--nocapture"];
            run("cargo", &arguments, &[("TORTURE_CYCLES", cycles.to_string())])
        }
    }
}
