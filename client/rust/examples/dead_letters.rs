//! Dead letters: looked at, fixed, published again.
//!
//!     cargo run -p ferrymq-client --example dead_letters

mod shared;

use std::collections::BTreeSet;
use std::time::Duration;

use ferrymq_client::v1::{DeadLetterReason, Delivery, NackMode, PeekRequest, Queue, RetryPolicy, peek_request};
use ferrymq_client::{Client, DeliveryExt as _, binding, message, queue};

use crate::shared::{Failure, Names, done, named, next, promise, to_queue, to_topic, topic};

const PAYMENTS: [&str; 5] = ["10 EUR", "twelve EUR", "25 EUR", "7 XYZ", "40 EUR"];
const FAILURES_MAX: i32 = 2;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    shared::play("dead_letters", dead_letters).await
}

async fn dead_letters(client: &Client, names: &Names) -> Result<(), Failure> {
    let shop = topic(client, names.of("shop")).await?;
    let payments = names.of("payments");
    let soon = Some(Duration::from_millis(10).try_into()?);
    let retry = Some(RetryPolicy { max_attempts: Some(FAILURES_MAX), min_backoff: soon, ..RetryPolicy::default() });
    client.create_queue(Queue { retry, ..named(&payments) }, vec![binding(&shop, &payments)]).await?;
    client.publish(to_topic(&shop), PAYMENTS.map(message).to_vec()).await?;
    println!("{} payments, two of them bad", PAYMENTS.len());

    // Three are paid, one is rejected at once, one fails as often as it may.
    let paid = pay(client, &payments, 3 + 1 + FAILURES_MAX).await?;
    promise("the good ones are paid", paid == ["10 EUR", "25 EUR", "40 EUR"].map(str::to_owned).into())?;

    let dead = format!("{payments}.dlq");
    let letters = look(client, &dead).await?;
    promise("the dead letters say why, and where they come from", letters == expected(&payments))?;
    let mut stream = client.subscribe_stream(queue(&dead)).await?;
    let mut fixed = 0;
    while fixed < letters.len() {
        for letter in next(&mut stream).await? {
            fix(client, &letter).await?;
            fixed += 1;
        }
    }

    let paid = pay(client, &payments, 2).await?;
    promise("what was fixed is paid too", paid == ["12 EUR", "7 EUR"].map(str::to_owned).into())?;
    promise("no dead letter is left", look(client, &dead).await?.is_empty())
}

/// Deals with so many deliveries; what was paid.
async fn pay(client: &Client, payments: &str, deliveries: i32) -> Result<BTreeSet<String>, Failure> {
    let mut stream = client.subscribe_stream(queue(payments)).await?;
    let mut paid = BTreeSet::new();
    let mut left = deliveries;
    while left > 0 {
        for payment in next(&mut stream).await? {
            left -= 1;
            match refusal(&payment.text()) {
                Some((mode, reason)) => {
                    client.nack(vec![payment.ack_id], mode, None, reason).await?;
                }
                None => {
                    done(client, std::slice::from_ref(&payment)).await?;
                    paid.insert(payment.text().into_owned());
                }
            }
        }
    }
    Ok(paid)
}

/// What is wrong with a payment, and whether it may be tried again.
fn refusal(payment: &str) -> Option<(NackMode, &'static str)> {
    let (amount, currency) = payment.split_once(' ').unwrap_or((payment, ""));
    match (amount.parse::<u32>(), currency) {
        (Err(_), _) => Some((NackMode::Reject, "the amount is no number")),
        (Ok(_), "EUR") => None,
        (Ok(_), _) => Some((NackMode::Retry, "the bank does not know the currency")),
    }
}

/// Shows the dead letters without taking them: the queue each comes from, why, and what its last consumer said.
async fn look(client: &Client, dead: &str) -> Result<Vec<(String, DeadLetterReason, String)>, Failure> {
    let source = Some(peek_request::Source::Queue(dead.to_owned()));
    let page = client.peek(PeekRequest { source, ..PeekRequest::default() }).await?;
    let mut letters = Vec::new();
    for delivery in page.messages.into_iter().filter_map(|peeked| peeked.delivery) {
        let letter = delivery.dead_letter.clone().ok_or("a dead letter that does not say why")?;
        println!("`{}` after {} attempts: {}", delivery.text(), letter.attempts, letter.description);
        letters.push((letter.queue.clone(), letter.reason(), letter.description));
    }
    Ok(letters)
}

fn expected(payments: &str) -> Vec<(String, DeadLetterReason, String)> {
    let letter = |reason, description: &str| (payments.to_owned(), reason, description.to_owned());
    vec![
        letter(DeadLetterReason::Rejected, "the amount is no number"),
        letter(DeadLetterReason::MaxAttempts, "the bank does not know the currency"),
    ]
}

/// Sends a payment, put right, to the queue that gave it up: not to the topic, whose other queues have had it. Acked only
/// then: a crash between may pay twice, but loses nothing.
async fn fix(client: &Client, letter: &Delivery) -> Result<(), Failure> {
    let from = letter.dead_letter.as_ref().map(|from| from.queue.as_str()).ok_or("where does it come from?")?;
    let right = letter.text().replace("twelve", "12").replace("XYZ", "EUR");
    println!("`{}` becomes `{right}`", letter.text());
    client.publish(to_queue(from), vec![message(right)]).await?;
    done(client, std::slice::from_ref(letter)).await
}
