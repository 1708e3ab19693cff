//! Every client plays the same scenarios, and what one language publishes every other receives. See tests/conformance/README.md.
//!
//! A language whose toolchain is not here is skipped, and said to be; in CI that is a failure. With FERRYMQ_UPDATE=1 the table in
//! docs/clients.md is written anew. FERRYMQ_LANGUAGES=go,java plays only these.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ferrymq_tests::Broker;
use serde_json::Value;

const LANGUAGES: [Language; 5] = [
    Language { name: "rust", title: "Rust", needs: &["cargo"] },
    Language { name: "python", title: "Python", needs: &["python3"] },
    Language { name: "typescript", title: "TypeScript", needs: &["node", "npm"] },
    Language { name: "go", title: "Go", needs: &["go"] },
    Language { name: "java", title: "Java", needs: &["java", "mvn"] },
];

struct Language {
    /// Of its directory below client/.
    name: &'static str,
    title: &'static str,
    /// Programs that have to be on the PATH.
    needs: &'static [&'static str],
}

#[test]
fn every_client_plays_every_scenario_and_understands_every_other() {
    let here: Vec<_> = LANGUAGES.iter().filter(|language| language.is_here()).collect();
    let results: Vec<_> = here.iter().map(|language| (*language, language.scenarios())).collect();
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
        language.must("send", &[&broker.url(), "vectors", language.name, &vectors]);
    }
    for language in languages {
        let mut arguments = vec![broker.url(), "vectors".to_owned(), language.name.to_owned(), vectors.clone()];
        arguments.extend(names.iter().map(|name| (*name).to_owned()));
        language.must("expect", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

impl Language {
    /// Whether its toolchain is here and its package could be built; says so if not, and fails in CI.
    fn is_here(&self) -> bool {
        let wanted = std::env::var("FERRYMQ_LANGUAGES").ok();
        if wanted.is_some_and(|wanted| !wanted.split(',').any(|name| name == self.name)) {
            return false;
        }
        let missing: Vec<_> = self.needs.iter().filter(|program| !on_path(program)).collect();
        if missing.is_empty() {
            let prepared = self.script("prepare").output().expect("prepare runs");
            assert!(prepared.status.success(), "{} does not build:\n{}", self.title, text(&prepared));
            return true;
        }
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} needs {missing:?}", self.title);
        eprintln!("SKIPPED: the {} client, as {missing:?} is not on the PATH", self.title);
        false
    }

    fn scenarios(&self) -> Vec<Value> {
        let output = self.run("scenarios", &[&conformance("scenarios.yaml")]);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let lines = stdout.lines().filter(|line| line.starts_with('{'));
        let played: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        assert!(!played.is_empty(), "{} played nothing:\n{}", self.title, text(&output));
        let all_ok = played.iter().all(|line| line["ok"] == true);
        assert_eq!(output.status.success(), all_ok, "{} exit code:\n{}", self.title, text(&output));
        played
    }

    fn must(&self, verb: &str, arguments: &[&str]) {
        let output = self.run(verb, arguments);
        assert!(output.status.success(), "{} {verb}:\n{}", self.title, text(&output));
    }

    fn run(&self, verb: &str, arguments: &[&str]) -> Output {
        let mut command = self.script("run");
        command.arg(verb).args(arguments).env("TEST_STAGE", env!("CARGO_BIN_EXE_stage"));
        command.env("TEST_BROKER", ferrymq_tests::binary());
        command.output().expect("the runner runs")
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(root().join("client").join(self.name).join("conformance").join(name));
        command.stdin(Stdio::null());
        command
    }
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

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn conformance(file: &str) -> String {
    root().join("tests/conformance").join(file).display().to_string()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
