//! The Rust client's runner of the conformance scenarios: see tests/conformance/README.md.

mod bench;
mod messages;
mod scene;
mod steps;
mod vectors;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::scene::Scene;

/// Why something did not go as it has to.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["scenarios", file] => scenarios(file).await,
        ["send", url, topic, language, file] => vectors::send(url, topic, language, file).await,
        ["expect", url, topic, group, file, languages @ ..] => vectors::expect(url, topic, group, file, languages).await,
        ["bench", url, noop_url, seconds, names @ ..] => bench::run(url, noop_url, seconds, names).await,
        _ => Err("usage: scenarios FILE | send URL TOPIC LANG FILE | expect URL TOPIC GROUP FILE LANG... | bench URL NOOP_URL SECONDS [NAME...]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn scenarios(file: &str) -> Result<(), Failure> {
    let scenarios: Vec<Value> = serde_saphyr::from_str(&std::fs::read_to_string(file)?)?;
    let mut failed = 0;
    for scenario in &scenarios {
        let name = &scenario["scenario"];
        let line = match play(scenario).await {
            Ok(()) => json!({"scenario": name, "ok": true}),
            Err(failure) => {
                failed += 1;
                json!({"scenario": name, "ok": false, "error": failure.to_string()})
            }
        };
        println!("{line}");
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} scenarios failed").into()) }
}

async fn play(scenario: &Value) -> Result<(), Failure> {
    let mut scene = Scene::open(scenario["durable"] == true).await?;
    for (number, step) in scenario["steps"].as_array().into_iter().flatten().enumerate() {
        let (verb, arguments) = step.as_object().and_then(|step| step.iter().next()).ok_or("a step is one word")?;
        steps::step(&mut scene, verb, arguments).await.map_err(|e| format!("step {} ({verb}): {e}", number + 1))?;
    }
    scene.close().await
}
