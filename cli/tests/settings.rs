//! `ferrymq serve`'s settings, as the binary shows and refuses them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::process::{Command, Output};

fn serve(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrymq"));
    command.arg("serve").args(arguments).env_clear().envs(variables.iter().copied());
    command.output().unwrap()
}

fn printed(arguments: &[&str], variables: &[(&str, &str)]) -> (String, toml::Table) {
    let output = serve(&[arguments, &["--print-config"]].concat(), variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let table = toml::from_str(&text).unwrap();
    (text, table)
}

fn refusal(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = serve(arguments, variables);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_readme_lists_every_setting_with_its_default() {
    let readme = include_str!("../../README.md");
    let section = readme.split("## Settings").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let listed: BTreeMap<String, String> = rows
        .map(|row| {
            let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned());
            (cells.next().unwrap(), cells.next().unwrap())
        })
        .collect();
    let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let in_force = printed(&[], &[]).1.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    assert_eq!(listed, in_force);
}

#[test]
fn what_is_printed_is_a_file_that_prints_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ferrymq.toml");
    let variables = [("FERRYMQ_KEEPALIVE_TIMEOUT", "3s"), ("FERRYMQ_LOG_FORMAT", "json")];
    let (text, values) = printed(&["--data", "elsewhere", "--drain-timeout", "90s"], &variables);
    assert_eq!((values["data"].as_str(), values["keepalive_timeout"].as_str()), (Some("elsewhere"), Some("3s")));
    std::fs::write(&path, text).unwrap();
    assert_eq!(printed(&["--config", path.to_str().unwrap()], &[]).1, values);
    assert_eq!(printed(&[], &[("FERRYMQ_CONFIG", path.to_str().unwrap())]).1, values);
}

#[test]
fn a_bad_value_is_a_usage_error_that_says_where_it_stands() {
    let flag = refusal(&["--drain-timeout", "soon"], &[]);
    assert!(flag.contains("drain_timeout: `soon` (flag --drain-timeout) must be"), "{flag}");
    let variable = refusal(&[], &[("FERRYMQ_CONNECTIONS_MAX", "many")]);
    assert!(variable.contains("(environment variable FERRYMQ_CONNECTIONS_MAX) must be"), "{variable}");
    let filter = refusal(&["--ephemeral", "--log", "ferrymq=loud"], &[]);
    assert!(filter.contains("log: `ferrymq=loud` (flag --log) is no log filter"), "{filter}");
    let unknown = refusal(&[], &[("FERRYMQ_EPHEMERALL", "true")]);
    assert!(unknown.contains("did you mean environment variable FERRYMQ_EPHEMERAL?"), "{unknown}");
    let open = refusal(&["--listen", "0.0.0.0:7171"], &[]);
    assert!(open.contains("allow_anonymous"), "{open}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_an_error_and_no_panic() {
    use std::os::unix::ffi::OsStrExt as _;
    let bad = std::ffi::OsStr::from_bytes(b"data-\xff");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrymq"));
    let output = command.arg("serve").env_clear().env("FERRYMQ_DATA", bad).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("FERRYMQ_DATA") && stderr.contains("must be UTF-8"), "{stderr}");
}
