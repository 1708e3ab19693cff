//! What the command line does on a terminal, and only there.

use std::fs::File;

use ferrymq_client::v1::Queue;
use ferrymq_tests::cli::{ferrymq, run};
use ferrymq_tests::terminal::Terminal;
use ferrymq_tests::{Broker, create_queue, prepared};

const BOLD: &str = "\u{1b}[1m";
const REDRAWN: &str = "\u{1b}[H\u{1b}[J";

fn on_terminal(broker: &Broker, arguments: &[&str]) -> Terminal {
    Terminal::start(ferrymq(broker, arguments), 10, 60)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_table_is_drawn_over_itself_and_keeps_to_the_terminal() {
    let (broker, client) = prepared().await;
    let names: Vec<_> = (0..30).map(|number| format!("a-queue-with-a-name-that-is-rather-long-{number}")).collect();
    for name in &names {
        create_queue(&client, Queue { name: name.clone(), ..Queue::default() }, &[]).await;
    }
    let named = names.iter().flat_map(|name| ["--queue", name]);
    let stats: Vec<_> = ["stats", "--watch", "--every", "1s"].into_iter().chain(named).collect();
    let mut table = on_terminal(&broker, &stats);
    table.until(REDRAWN);
    for _ in 0..2 {
        let drawn = table.until(REDRAWN).replace(REDRAWN, "").replace(BOLD, "").replace("\u{1b}[0m", "");
        let lines: Vec<_> = drawn.lines().collect();
        assert_eq!(lines.len(), 9, "{drawn}");
        assert!(lines.iter().all(|line| line.chars().count() <= 60), "{drawn}");
        assert!(lines[8].starts_with("… and ") && lines[8].contains("lines more"), "{drawn}");
    }
    table.interrupt();
    assert_eq!(table.ended().1, 0, "Ctrl-C is how it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_that_want_them() {
    let (broker, _client) = prepared().await;
    let (seen, code) = on_terminal(&broker, &["queue", "list"]).ended();
    assert_eq!((seen.contains(BOLD), code), (true, 0), "{seen}");
    let mut plain = ferrymq(&broker, &["queue", "list"]);
    plain.env("NO_COLOR", "1");
    let (seen, _) = Terminal::start(plain, 10, 60).ended();
    assert!(seen.contains("QUEUE") && !seen.contains('\u{1b}'), "{seen}");
    let piped = run(&broker, &["queue", "list"], "");
    assert!(!piped.stdout.contains(&0x1b), "{piped:?}");

    let (seen, code) = on_terminal(&broker, &["queue", "get", "none"]).ended();
    assert_eq!((seen.contains("\u{1b}[31merror:"), code), (true, 3), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_drawn_on_a_terminal_only() {
    let (broker, _client) = prepared().await;
    let lines = broker.home().join("lines");
    std::fs::write(&lines, "line\n".repeat(20_000)).unwrap();
    let publish = || {
        let mut command = ferrymq(&broker, &["publish", "t"]);
        command.stdin(File::open(&lines).unwrap());
        command
    };
    let (seen, code) = Terminal::start(publish(), 10, 60).ended();
    assert_eq!((seen.contains("messages confirmed, "), code), (true, 0), "{seen}");
    let piped = publish().output().unwrap();
    let said = String::from_utf8_lossy(&piped.stderr).into_owned();
    assert!(piped.status.success() && !said.contains("messages confirmed, ") && !said.contains('\u{1b}'), "{said}");
}
