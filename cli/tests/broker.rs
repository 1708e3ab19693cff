//! The commands against a real broker: what they show, and what they say when it does not work.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};

const FERRYMQ: &str = env!("CARGO_BIN_EXE_ferrymq");

/// A broker in memory. Killed when dropped.
struct Broker {
    child: Child,
    url: String,
}

impl Broker {
    fn start() -> Self {
        let mut command = Command::new(FERRYMQ);
        command.args(["serve", "--ephemeral", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        let url = greeting.split_whitespace().last().unwrap().to_owned();
        assert!(url.starts_with("http://"), "{greeting}");
        Self { child, url }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(FERRYMQ);
        command.args(line.split(' ')).args(["--url", &self.url]).env("NO_COLOR", "1");
        command
    }

    /// Runs a command that works; what it prints.
    fn ok(&self, line: &str) -> String {
        let output = self.command(line).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that fails with this exit code; what it says.
    fn fails(&self, line: &str, code: i32) -> String {
        let Output { status, stderr, .. } = self.command(line).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(code), "{line}: {said}");
        said
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_orders() -> Broker {
    let broker = Broker::start();
    broker.ok("topic create orders --keep-for 2h");
    broker.ok("queue create billing --topic orders --pattern eu.#");
    broker.ok("publish orders one --key eu.de");
    broker.ok("publish orders two --key us.ny");
    broker
}

/// The cells of the row that begins with `name`, by heading. Columns are apart by two blanks or more.
fn row<'a>(table: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let cells = |line: &'a str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let mut lines = table.lines();
    let headings = cells(lines.next().unwrap());
    let row = lines.find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} is not in:\n{table}"));
    headings.zip(cells(row)).collect()
}

#[test]
fn lists_show_the_numbers_that_matter_and_json_shows_all() {
    let broker = with_orders();
    let topics = broker.ok("topic list");
    for cell in [("QUEUES", "1"), ("MESSAGES", "2"), ("PUBLISHED", "2"), ("UNROUTABLE", "1"), ("KEEPS", "2h")] {
        assert!(row(&topics, "orders").contains(&cell), "{cell:?} is not in:\n{topics}");
    }
    let queues = broker.ok("queue list");
    for cell in [
        ("READY", "1"),
        ("SIZE", "12 B"),
        ("UNSETTLED", "0"),
        ("CONSUMERS", "0"),
        ("OLDEST", "0s"),
        ("BOUND TO", "orders:eu.#"),
    ] {
        assert!(row(&queues, "billing").contains(&cell) || cell.0 == "OLDEST", "{cell:?} is not in:\n{queues}");
    }
    let json: serde_json::Value = serde_json::from_str(&broker.ok("queue list bill --json")).unwrap();
    assert_eq!(json["name"], "billing");
    assert_eq!(json["stats"]["ready"], 1, "{json}");
    assert_eq!(json["bindings"][0]["pattern"], "eu.#");
    assert_eq!(broker.ok("queue list nothing-begins-so --json"), "");
}

#[test]
fn what_is_not_found_comes_with_what_was_meant_and_how_to_make_it() {
    let broker = with_orders();
    for (line, meant, fix) in [
        ("topic get order", "did you mean `orders`?", "ferrymq topic create order"),
        ("publish order x", "did you mean `orders`?", "ferrymq topic create order"),
        ("topic delete oders", "did you mean `orders`?", "ferrymq topic create oders"),
        ("queue create q --topic order", "did you mean `orders`?", "ferrymq topic create order"),
        ("binding create order billing", "did you mean `orders`?", "ferrymq topic create order"),
        ("queue get biling", "did you mean `billing`?", "ferrymq queue create biling"),
        ("send billin x", "did you mean `billing`?", "ferrymq queue create billin"),
        ("peek Billing", "did you mean `billing`?", "ferrymq queue create Billing"),
        ("stats --queue bill", "queue `bill` not found", "ferrymq queue create bill"),
        ("subscribe --queue billing2", "did you mean `billing`?", "ferrymq queue create billing2"),
        ("subscribe --topic orders --group new", "not found", "ferrymq subscribe --topic orders --group new --create"),
        ("binding get nothing", "binding `nothing` not found", "ferrymq binding list"),
    ] {
        let said = broker.fails(line, 3);
        assert!(said.contains(meant) && said.contains(fix), "{line}:\n{said}");
    }
}

#[test]
fn what_is_refused_comes_with_the_rule_and_the_fix() {
    let broker = with_orders();
    for (line, code, facts) in [
        ("topic create orders --keep-for 3h", 4, ["retention", "delete it and make it anew"]),
        ("topic delete orders", 4, ["billing", "--force"]),
        ("queue delete billing", 4, ["1 messages", "--force"]),
        ("topic create _x", 2, ["must begin with", "letters, digits"]),
        ("binding create orders billing --pattern a..b", 2, ["pattern", "`*` is one word"]),
        ("publish orders x --key us --require-route", 4, ["matches no queue", "ferrymq binding list"]),
        ("queue create q --max-attempts 2000", 2, ["max_attempts", "from 0 to 1000"]),
        ("queue create q --lease soon", 2, ["--lease", "30s"]),
        ("purge billing", 2, ["for good", "--yes"]),
    ] {
        let said = broker.fails(line, code);
        for fact in facts {
            assert!(said.contains(fact), "{line}: {fact} is not in:\n{said}");
        }
    }
    broker.ok("queue get billing");
}

#[test]
fn a_confirm_that_failed_is_told_while_stdin_is_still_open() {
    let broker = with_orders();
    let mut command = broker.command("send nowhere");
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one line\n").unwrap();
    // Its stdin stays open: it has to end by itself.
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(3));
    drop(stdin);
}

#[test]
fn who_consumes_is_shown_and_can_be_cut_off_for_a_moment() {
    let broker = with_orders();
    let mut command = broker.command("subscribe --queue billing");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It has its first message: it is there.
    let mut first = [0; 4];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    let consumers = broker.ok("consumer list --queue billing --json");
    let consumer: serde_json::Value = serde_json::from_str(consumers.trim()).unwrap();
    let id = consumer["connection_id"].as_str().unwrap();
    assert!(broker.ok("consumer list").contains(id) && broker.ok("connection list").contains(id));
    broker.ok(&format!("connection close {id} --reason enough"));
    broker.ok("publish orders two --key eu.de");
    let mut second = [0; 4];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut second).unwrap();
    assert_eq!(&second, b"two\n", "it came back on another connection");
    assert!(!broker.ok("connection list").contains(id));
    child.kill().unwrap();
    child.wait().unwrap();
    broker.fails(&format!("connection close {id}"), 3);
    let stats = broker.ok("stats --queue billing --watch --every 100ms --count 2 --json");
    assert_eq!(stats.lines().filter(|line| line.contains("\"billing\"")).count(), 2);
}

#[test]
fn a_queue_is_moved_and_a_topic_is_read_from_anywhere() {
    let broker = with_orders();
    broker.ok("publish orders three --key eu.de");
    broker.ok("snapshot create before --queue billing --keep-for 1d");
    assert!(broker.ok("snapshot list --queue billing").contains("before"));
    assert_eq!(broker.ok("subscribe --queue billing --count 2"), "one\nthree\n");
    broker.ok("queue seek billing --to snapshot:before");
    assert_eq!(broker.ok("subscribe --queue billing --count 2"), "one\nthree\n");
    assert!(broker.ok("queue seek billing --to -1h --topic orders --json").contains("\"ready\""));
    broker.ok("queue seek billing --to latest");
    assert_eq!(broker.ok("subscribe --topic orders --from -1h --until latest"), "one\ntwo\nthree\n");
    assert_eq!(broker.ok("subscribe --topic orders --from latest --until latest"), "");
    broker.ok("snapshot get before");
    broker.ok("snapshot delete before");
    broker.fails("queue seek billing --to snapshot:before", 3);
    broker.fails("subscribe --topic orders --from 1:7", 2);
    broker.fails("queue seek billing --to yesterday", 2);
}

#[test]
fn topics_lead_on_to_topics_and_have_alternates_and_limits() {
    let broker = with_orders();
    broker.ok("topic create unrouted --max-messages 100 --drop-oldest");
    broker.ok("topic create sales --alternate unrouted --max-bytes 1GiB");
    broker.ok("binding create sales --to-topic orders --pattern eu.#");
    assert!(broker.ok("binding list --topic sales").contains("topic orders"));
    broker.ok("publish sales three --key eu.fr");
    broker.ok("publish sales four --key us");
    assert_eq!(broker.ok("subscribe --queue billing --count 2"), "one\nthree\n");
    let topics = broker.ok("topic list");
    for cell in [("MESSAGES", "1"), ("PUBLISHED", "1"), ("UNROUTABLE", "1")] {
        assert!(row(&topics, "unrouted").contains(&cell), "{cell:?} is not in:\n{topics}");
    }
    assert!(broker.fails("binding create orders --to-topic sales", 4).contains("orders -> sales -> orders"));
    assert!(broker.fails("topic delete unrouted", 4).contains("alternate of sales"));
    broker.fails("binding create sales", 2);
    broker.fails("binding create sales billing --to-topic orders", 2);
}

#[test]
fn a_peek_shows_states_and_goes_through_pages() {
    let broker = with_orders();
    let lines: String = (0..1_500).map(|number| format!("{number}\n")).collect();
    let mut command = broker.command("send billing");
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let table = broker.ok("queue peek billing --limit 3");
    assert_eq!(table.lines().count(), 4, "{table}");
    let first = row(&table, "ready");
    assert!(first.contains(&("KEY", "eu.de")) && first.contains(&("SIZE", "3 B")), "{table}");
    assert_eq!(broker.ok("queue peek billing --limit 0 --json").lines().count(), 1_501);
    assert_eq!(broker.ok("peek billing --count 1200 --state ready,unsettled --json").lines().count(), 1_200);
    assert_eq!(broker.ok("peek billing --state unsettled --json"), "");
    let mut filtered = broker.command("peek --topic orders --json");
    let filtered = filtered.args(["--filter", "routing_key == 'us.ny'"]).output().unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&filtered.stdout).unwrap();
    assert_eq!(
        (&kept["state"], &kept["delivery"]["message"]["payload"]),
        (&"MESSAGE_STATE_KEPT".into(), &"two".into())
    );
    broker.fails("queue peek billing --state sleeping", 2);
    broker.fails("queue peek nothing", 3);
}

#[test]
fn a_bench_of_one_scenario_runs_what_it_needs() {
    let broker = Broker::start();
    let only = |text: &str| {
        let mut command = broker.command("bench --seconds 1 --payload 8 --json");
        command.args(["--only", text]).current_dir(std::env::temp_dir()).output().unwrap()
    };
    let half: serde_json::Value = serde_json::from_slice(&only("through, half").stdout).unwrap();
    let rows = half["measurements"].as_array().unwrap();
    let broker_rows: Vec<_> = rows.iter().filter(|row| row["server"] == "broker").map(|row| &row["scenario"]).collect();
    assert_eq!(broker_rows, ["through, half"]);
    assert_eq!(only("no such thing").status.code(), Some(2));
}
