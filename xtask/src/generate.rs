//! Makes the stubs that are committed for the languages without a build step of their own for them.

use std::fs;

use crate::run::{self, Failure, output, root};

const BUF: &str = "@bufbuild/buf@1.75.0";

/// Runs `client/LANG/generate` of each. It brings its plugin into `$TOOLS` and calls `$BUF generate`.
fn generate(languages: &[String]) -> Result<(), Failure> {
    let tools = root().join("target/tools");
    fs::create_dir_all(&tools)?;
    let buf = tools.join("node_modules/.bin/buf");
    if !buf.exists() {
        let prefix = tools.display().to_string();
        run::run("npm", &["install", "--silent", "--no-audit", "--no-fund", "--prefix", &prefix, BUF], &[])?;
    }
    let environment = [("BUF", buf.display().to_string()), ("TOOLS", tools.display().to_string())];
    for language in languages {
        println!("{language}");
        run::run(&format!("client/{language}/generate"), &[], &environment)?;
    }
    Ok(())
}

/// All languages that have a `generate`, or those named. With `check`, what git then sees as changed below client/ is a failure.
pub fn run(check: bool, only: &[String]) -> Result<(), Failure> {
    let mut languages: Vec<String> = Vec::new();
    for entry in fs::read_dir(root().join("client"))? {
        let entry = entry?;
        if entry.path().join("generate").is_file() {
            languages.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    if let Some(unknown) = only.iter().find(|name| !languages.contains(name)) {
        return Err(format!("no client/{unknown}/generate: there is {}", languages.join(", ")).into());
    }
    languages.retain(|name| only.is_empty() || only.contains(name));
    languages.sort();
    generate(&languages)?;
    let changed = if check { output("git", &["status", "--porcelain", "--", "client"])? } else { Vec::new() };
    if changed.is_empty() {
        return Ok(());
    }
    let changed = String::from_utf8_lossy(&changed).into_owned();
    Err(format!("stale, run `cargo xtask generate` and commit:\n{changed}").into())
}
