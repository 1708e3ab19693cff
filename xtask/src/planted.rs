//! Shows that the tests can fail: each planted bug has to be caught by the suite, for the right reason.

mod bugs;

use std::process::Command;

use self::bugs::BUGS;
use crate::run::{Failure, root};

/// A bug behind a feature, and what catches it.
struct Bug {
    feature: &'static str,
    what: &'static str,
    /// The package whose tests are run, and which of them.
    tests: (&'static str, &'static [&'static str]),
    /// The bug is in the broker that the tests start, not in the tests' own program.
    in_broker: bool,
    /// What the failing test says.
    says: &'static str,
}

/// Plants each bug whose feature contains `only`, and runs the tests that have to fail.
pub fn run(only: &str) -> Result<(), Failure> {
    let bugs: Vec<&Bug> = BUGS.iter().filter(|bug| bug.feature.contains(only)).collect();
    if bugs.is_empty() {
        return Err(format!("no planted bug has `{only}` in its name").into());
    }
    let mut missed = Vec::new();
    println!("{:<8} {:<24} {:<58} {:<48} because", "", "feature", "bug", "tests");
    for bug in bugs {
        let (is_caught, output) = try_one(bug)?;
        let verdict = if is_caught { "caught" } else { "MISSED" };
        let (package, tests) = bug.tests;
        let tests = format!("{package} {}", tests.join(" "));
        println!("{verdict:<8} {:<24} {:<58} {tests:<48} \"{}\"", bug.feature, bug.what, bug.says);
        if !is_caught {
            eprintln!("{output}");
            missed.push(bug.feature);
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("the tests do not see {}", missed.join(", ")).into()) }
}

fn try_one(bug: &Bug) -> Result<(bool, String), Failure> {
    let (package, tests) = bug.tests;
    let mut command = Command::new("cargo");
    command.args(["test", "--quiet", "-p", package]);
    if bug.in_broker {
        command.env("TEST_FEATURES", bug.feature);
    } else {
        command.args(["--features", bug.feature]);
    }
    // Beside the usual build, so that no program with a bug is left in its place.
    command.env("CARGO_TARGET_DIR", root().join("target/planted")).args(tests).current_dir(root());
    let output = command.output().map_err(|error| format!("cargo: {error}"))?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let has_failed = said.contains("test result: FAILED") && said.contains(bug.says);
    Ok((!output.status.success() && has_failed, said))
}
