//! Tasks of the FerryMQ repository, run as `cargo xtask <task>`.

mod clients;
mod compare;
mod demo;
mod dependencies;
mod generate;
mod planted;
mod run;
mod server;

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
    /// Builds a release and measures it: rates and latencies beside the raw disk and a server that does nothing, then
    /// memory, disk and restart with a backlog. Takes some minutes; nothing else should run meanwhile.
    Bench {
        /// How long the rates are measured, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// How large the backlog is.
        #[arg(long, default_value = "5GiB")]
        backlog: String,
        /// Print JSON, one value for each part.
        #[arg(long)]
        json: bool,
    },
    /// Measures two builds of `ferrymq` in turn, and prints for each scenario the median of new over old. Builds nothing.
    Compare(compare::Compare),
    /// Builds a release and measures every language's client, beside its bare stubs against a server that does nothing and against a
    /// broker; writes the table of docs/clients.md. Needs the languages' toolchains; nothing else should run meanwhile.
    BenchClients(clients::Clients),
    /// Builds a release and measures the most memory that a broker takes where there is very much of something. Takes some
    /// minutes.
    Memory {
        /// Only the scenarios whose name contains this.
        #[arg(default_value = "")]
        only: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Makes every language's stubs from proto/ with buf and local plugins, below client/. Needs npm and the languages' toolchains.
    Generate {
        /// Fail if what is committed differs from what is made.
        #[arg(long)]
        check: bool,
        /// Only these languages, by their directory below client/.
        languages: Vec<String>,
    },
    /// Plants bugs in the broker, one after the other, and shows that the tests find each. Takes some minutes.
    Planted {
        /// Only bugs whose name contains this.
        #[arg(default_value = "")]
        only: String,
    },
    /// Real flight records through a topic to queues by pattern and filter, a group and an ordered queue, with a broker killed
    /// with -9 in the middle and consumers that die: prints what was expected and what came, and fails on any difference. Needs npm, or a file.
    Demo(demo::Demo),
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
        Task::Bench { seconds, backlog, json } => bench(seconds, &backlog, json),
        Task::Compare(compare) => compare.run(),
        Task::BenchClients(clients) => clients.run(),
        Task::Memory { only, json } => memory(&only, json),
        Task::Generate { check, languages } => generate::run(check, &languages),
        Task::Planted { only } => planted::run(&only),
        Task::Demo(demo) => demo.run(),
        Task::Torture { cycles } => {
            let arguments = ["test", "-p", "ferrymq-tests", "--test", "torture", "--", "--nocapture"];
            run("cargo", &arguments, &[("TORTURE_CYCLES", cycles.to_string())])
        }
    }
}

fn memory(only: &str, json: bool) -> Result<(), Failure> {
    run("cargo", &["build", "--release", "--quiet", "-p", "ferrymq-cli"], &[])?;
    let mut arguments = vec!["bench", "--dir", "target", "--memory", "--only", only];
    if json {
        arguments.push("--json");
    }
    run("target/release/ferrymq", &arguments, &[])
}

fn bench(seconds: u32, backlog: &str, json: bool) -> Result<(), Failure> {
    run("cargo", &["build", "--release", "--quiet", "-p", "ferrymq-cli"], &[])?;
    let seconds = seconds.to_string();
    // The data goes where the build goes: it is written and removed again.
    let mut rates = vec!["bench", "--dir", "target", "--seconds", &seconds];
    let mut space = vec!["bench", "--dir", "target", "--space", "--backlog", backlog];
    if json {
        rates.push("--json");
        space.push("--json");
    }
    run("target/release/ferrymq", &rates, &[])?;
    run("target/release/ferrymq", &space, &[])
}
