//! A work queue: workers compete for jobs, and what a worker that dies had in hand goes to another.
//!
//!     cargo run -p ferrymq-client --example work_queue

mod shared;

use std::collections::BTreeSet;
use std::time::Duration;

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{Delivery, Queue, RetryPolicy, SubscribeRequest};
use ferrymq_client::{Client, DeliveryExt as _, message, queue};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::shared::{Failure, Names, done, named, next, promise, to_queue};

const JOBS: usize = 60;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    shared::play("work_queue", work_queue).await
}

async fn work_queue(client: &Client, names: &Names) -> Result<(), Failure> {
    let jobs = names.of("jobs");
    let soon = Some(Duration::from_millis(50).try_into()?);
    let retry = Some(RetryPolicy { min_backoff: soon, ..RetryPolicy::default() });
    client.create_queue(Queue { retry, ..named(&jobs) }, vec![]).await?;

    let (reports, mut finished) = mpsc::channel(JOBS);
    let mut workers = JoinSet::new();
    for name in ["anna", "ben"] {
        let stream = client.subscribe_stream(one_at_a_time(&jobs)).await?;
        workers.spawn(work(name, client.clone(), stream, reports.clone()));
    }
    drop(reports);
    let mut carl = client.subscribe_stream(one_at_a_time(&jobs)).await?;

    let batch = (1..=JOBS).map(|number| message(format!("resize image {number}"))).collect();
    client.publish(to_queue(&jobs), batch).await?;
    println!("{JOBS} jobs are sent; anna, ben and carl are there");

    let in_hand = next(&mut carl).await?[0].text().into_owned();
    drop(carl);
    println!("carl died over `{in_hand}`");

    let mut shares = [0, 0];
    let mut images = BTreeSet::new();
    let mut again = Vec::new();
    while images.len() < JOBS {
        let (name, job) = finished.recv().await.ok_or("the workers are gone")?;
        shares[usize::from(name == "ben")] += 1;
        promise_once(&mut images, &job)?;
        if job.attempt > 1 {
            println!("{name} did `{}`, attempt {}", job.text(), job.attempt);
            again.push(job.text().into_owned());
        }
    }
    println!("anna did {}, ben {}", shares[0], shares[1]);
    promise("every job was done, and acked once", shares[0] + shares[1] == JOBS)?;
    promise("the workers shared them", shares.iter().all(|&share| share > 0))?;
    promise("carl's job went to another, marked as a repetition, and no other did", again == [in_hand])
}

/// The next job comes when this one is acked: so long ones spread evenly.
fn one_at_a_time(jobs: &str) -> SubscribeRequest {
    SubscribeRequest { prefetch: 1, ..queue(jobs) }
}

async fn work(
    name: &'static str,
    client: Client,
    mut stream: SubscribeStream,
    reports: mpsc::Sender<(&'static str, Delivery)>,
) -> Result<(), Failure> {
    loop {
        for job in next(&mut stream).await? {
            done(&client, std::slice::from_ref(&job)).await?;
            reports.send((name, job)).await?;
        }
    }
}

fn promise_once(images: &mut BTreeSet<String>, job: &Delivery) -> Result<(), Failure> {
    if images.insert(job.text().into_owned()) { Ok(()) } else { Err(format!("`{}` was done twice", job.text()).into()) }
}
