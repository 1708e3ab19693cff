//! `ferrymq work`: a process for each message, settled by its exit code.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use ferrymq_client::v1::{DeadLetterReason, Message};
use ferrymq_tests::cli::{ferrymq, interrupt, run};
use ferrymq_tests::{Broker, message, prepared, publish, pull, pull_some};

/// A worker whose handlers are this shell script, and what they print.
struct Work {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Work {
    fn start(broker: &Broker, flags: &[&str], script: &str) -> Self {
        let arguments = [&["work", "q"], flags, &["--", "sh", "-c", script]].concat();
        let mut child = ferrymq(broker, &arguments).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a handler prints").unwrap()
    }

    fn interrupt(&self) {
        interrupt(&self.child);
    }

    /// Waits until it says this.
    fn said(&mut self, text: &str) {
        let mut lines = BufReader::new(self.child.stderr.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(text)));
    }

    /// What it said until its end, which is a success.
    fn ended(mut self) -> String {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        said
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_gets_the_message_and_its_exit_code_settles() {
    let (broker, client) = prepared().await;
    let attributes = [("trace-id".to_owned(), "7".to_owned())].into();
    publish(&client, "t", vec![Message { attributes, ..message("eu.de", "hello") }]).await;
    let script = r#"echo "$(cat) $FERRYMQ_QUEUE $FERRYMQ_ROUTING_KEY $FERRYMQ_ATTEMPT $FERRYMQ_ATTRIBUTE_TRACE_ID $FERRYMQ_URL""#;
    let mut work = Work::start(&broker, &[], script);
    assert_eq!(work.line(), format!("hello q eu.de 1 7 {}", broker.url()));
    work.interrupt();
    assert!(work.ended().contains("1 acked, 0 to be tried again, 0 rejected"));
    assert_eq!(pull(&client, "q").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says_of_a_failure_is_the_reason() {
    let (broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "bad"), message("", "flaky")]).await;
    let script = r#"
        if [ "$(cat)" = bad ]; then echo 'no such account' >&2; echo rejected; exit 100; fi
        if [ "$FERRYMQ_ATTEMPT" = 1 ]; then exit 7; fi
        echo "attempt $FERRYMQ_ATTEMPT""#;
    let mut work = Work::start(&broker, &["--concurrency", "1"], script);
    assert_eq!((work.line(), work.line()), ("rejected".into(), "attempt 2".into()));
    work.interrupt();
    let said = work.ended();
    assert!(said.contains("no such account") && said.contains("1 acked, 1 to be tried again, 1 rejected"), "{said}");
    let dead = pull_some(&client, "q.dlq").await.remove(0).dead_letter.unwrap();
    assert_eq!((dead.reason(), dead.description.as_str()), (DeadLetterReason::Rejected, "no such account"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_lets_handlers_end_and_begins_nothing() {
    let (broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "first"), message("", "second")]).await;
    let go_on = broker.home().join("go on");
    let script = format!("echo begun; until [ -e '{}' ]; do sleep 0.01; done; echo done", go_on.display());
    let mut work = Work::start(&broker, &["--concurrency", "1"], &script);
    assert_eq!(work.line(), "begun");
    work.interrupt();
    // It says that it drains before the handler may end.
    work.said("draining");
    std::fs::write(go_on, "").unwrap();
    assert_eq!(work.line(), "done");
    assert!(work.lines.next().is_none(), "the second was not begun");
    assert!(work.child.wait().unwrap().success());
    assert_eq!(pull_some(&client, "q").await.len(), 1, "the second is there at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_kills_the_handler_and_its_message_is_tried_again() {
    let (broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "stuck")]).await;
    let mut work = Work::start(&broker, &[], "echo begun; exec sleep 600");
    assert_eq!(work.line(), "begun");
    work.interrupt();
    work.said("draining");
    work.interrupt();
    assert!(work.ended().contains("0 acked, 1 to be tried again, 0 rejected"));
    let stats = client.stats(vec![], vec!["q".to_owned()]).await.unwrap();
    assert_eq!(stats.queues["q"].backing_off, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_killed_and_tried_again() {
    let (broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "slow")]).await;
    let script = r#"[ "$FERRYMQ_ATTEMPT" = 1 ] && sleep 600; echo "attempt $FERRYMQ_ATTEMPT""#;
    let mut work = Work::start(&broker, &["--timeout", "100ms"], script);
    assert_eq!(work.line(), "attempt 2");
    work.interrupt();
    assert!(work.ended().contains("1 acked, 1 to be tried again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_is_not_there_takes_no_message() {
    let (broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "x")]).await;
    let ran = run(&broker, &["work", "q", "--", "./no-such-handler"], "");
    assert!(ran.code == 2 && ran.stderr.contains("no-such-handler"), "{}", ran.stderr);
    assert_eq!(pull_some(&client, "q").await[0].attempt, 1);
    assert_eq!(run(&broker, &["work", "none", "--", "true"], "").code, 3);
}
