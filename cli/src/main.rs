//! `ferrymq`: the broker, and the commands a person types.

mod args;
mod bench;
mod commands;
mod contexts;
mod failure;
mod format;
mod human;
mod json;
mod output;
mod screen;
mod values;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure, json);
            ExitCode::from(failure.exit_code())
        }
    }
}
