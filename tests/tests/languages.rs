//! Every client plays the same scenarios, and what one language publishes every other receives. See tests/conformance/README.md.
//!
//! A language whose toolchain is not here is skipped, and said to be; in CI that is a failure. With FERRYMQ_UPDATE=1 the table in
//! docs/clients.md is written anew. TEST_LANGUAGES=go,java plays only these.

use std::process::{Command, Output, Stdio};

use ferrymq_tests::Broker;
use ferrymq_tests::languages::{LANGUAGES, Language, root, text};
use serde_json::Value;

#[test]
fn every_client_plays_every_scenario_and_understands_every_other() {
    let here: Vec<_> = LANGUAGES.iter().filter(|language| prepared(language)).collect();
    let results: Vec<_> = here.iter().map(|language| (*language, scenarios(language))).collect();
    let failed: Vec<_> = results.iter().flat_map(|(language, played)| failures(language, played)).collect();
    assert!(failed.is_empty() || updates(), "{}", failed.join("\n"));
    table(&results);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    every_pair(&here);
}

/// Everyone publishes the vectors to one topic, and everyone receives everyone's.
fn every_pair(languages: &[&Language]) {
    let broker = Broker::ephemeral();
    let vectors = conformance("vectors.yaml");
    let names: Vec<_> = languages.iter().map(|language| language.name).collect();
    let created = Command::new(ferrymq_tests::binary())
        .args(["--url", &broker.url(), "topic", "create", "vectors"])
        .stdin(Stdio::null())
        .output();
    let created = created.expect("the command runs");
    assert!(created.status.success(), "{}", text(&created));
    for language in languages {
        must(language, "send", &[&broker.url(), "vectors", language.name, &vectors]);
    }
    for language in languages {
        let mut arguments = vec![broker.url(), "vectors".to_owned(), language.name.to_owned(), vectors.clone()];
        arguments.extend(names.iter().map(|name| (*name).to_owned()));
        must(language, "expect", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// Whether its toolchain is here; then its package is built as it is published.
fn prepared(language: &Language) -> bool {
    let is_here = language.is_here();
    if is_here {
        let prepared = language.script("conformance/prepare").output().expect("prepare runs");
        assert!(prepared.status.success(), "{} does not build:\n{}", language.title, text(&prepared));
    }
    is_here
}

fn scenarios(language: &Language) -> Vec<Value> {
    let output = run(language, "scenarios", &[&conformance("scenarios.yaml")]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let lines = stdout.lines().filter(|line| line.starts_with('{'));
    let played: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert!(!played.is_empty(), "{} played nothing:\n{}", language.title, text(&output));
    let all_ok = played.iter().all(|line| line["ok"] == true);
    assert_eq!(output.status.success(), all_ok, "{} exit code:\n{}", language.title, text(&output));
    played
}

fn must(language: &Language, verb: &str, arguments: &[&str]) {
    let output = run(language, verb, arguments);
    assert!(output.status.success(), "{} {verb}:\n{}", language.title, text(&output));
}

fn run(language: &Language, verb: &str, arguments: &[&str]) -> Output {
    let mut command = language.script("conformance/run");
    command.arg(verb).args(arguments).env("TEST_STAGE", env!("CARGO_BIN_EXE_stage"));
    command.env("TEST_BROKER", ferrymq_tests::binary());
    command.output().expect("the runner runs")
}

fn failures<'a>(language: &'a Language, played: &'a [Value]) -> impl Iterator<Item = String> + 'a {
    let failed = played.iter().filter(|line| line["ok"] != true);
    failed.map(|line| format!("{}: {}: {}", language.title, line["scenario"], line["error"]))
}

/// Compares or writes the table of scenarios by language. Only a run of all languages knows all of it.
fn table(results: &[(&Language, Vec<Value>)]) {
    if results.len() < LANGUAGES.len() {
        return;
    }
    let mut table = String::from("| Scenario |");
    results.iter().for_each(|(language, _)| table += &format!(" {} |", language.title));
    table += &format!("\n|---|{}\n", "---|".repeat(results.len()));
    for (row, scenario) in results[0].1.iter().map(|line| line["scenario"].as_str().unwrap_or_default()).enumerate() {
        table += &format!("| {scenario} |");
        for (language, played) in results {
            let line = played.get(row).filter(|line| line["scenario"] == scenario);
            let line = line.unwrap_or_else(|| panic!("{} did not play: {scenario}", language.title));
            table += if line["ok"] == true { " yes |" } else { " no |" };
        }
        table.push('\n');
    }
    let path = root().join("docs/clients.md");
    let page = std::fs::read_to_string(&path).expect("docs/clients.md");
    let (begin, end) = ("<!-- conformance: begin -->\n", "<!-- conformance: end -->");
    let from = page.find(begin).expect("the table's begin") + begin.len();
    let to = page.find(end).expect("the table's end");
    if updates() {
        std::fs::write(&path, format!("{}{table}{}", &page[..from], &page[to..])).expect("docs/clients.md");
    } else {
        assert_eq!(&page[from..to], table, "the table in docs/clients.md is stale: run with FERRYMQ_UPDATE=1");
    }
}

fn updates() -> bool {
    std::env::var_os("FERRYMQ_UPDATE").is_some()
}

fn conformance(file: &str) -> String {
    root().join("tests/conformance").join(file).display().to_string()
}
