//! Ordering keys, as in Pub/Sub, and a poison message: it holds up its own key, no other, and in the end not even that.
//!
//!     cargo run -p ferrymq-client --example ordering_keys

mod shared;

use std::collections::BTreeMap;
use std::time::Duration;

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{Delivery, Message, NackMode, Ordering, Queue, RetryPolicy};
use ferrymq_client::{Client, DeliveryExt as _, ack_ids, binding, message, queue};

use crate::shared::{Failure, Names, done, named, next, promise, take, to_topic, topic};

const ACCOUNTS: [&str; 4] = ["ada", "bob", "cyd", "dan"];
const BOOKINGS: usize = 20;
const FAILURES_MAX: i32 = 3;
const POISON: &str = "bob 5";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    shared::play("ordering_keys", ordering_keys).await
}

async fn ordering_keys(client: &Client, names: &Names) -> Result<(), Failure> {
    let bookings = topic(client, names.of("bookings")).await?;
    let ledger = names.of("ledger");
    client.create_queue(in_key_order(&ledger)?, vec![binding(&bookings, &ledger)]).await?;
    client.publish(to_topic(&bookings), batch()).await?;
    println!("{} accounts, {BOOKINGS} bookings of each; `{POISON}` always fails", ACCOUNTS.len());

    let mut stream = client.subscribe_stream(queue(&ledger)).await?;
    let mut books = Books::default();
    let poison = book_around(client, &mut stream, &mut books).await?;
    println!("while `{POISON}` is in hand: {:?}", books.0);
    promise(
        "the other accounts are done meanwhile",
        ACCOUNTS.iter().all(|&a| books.of(a) == if a == "bob" { 4 } else { BOOKINGS }),
    )?;

    let tries = fail_until_given_up(client, &mut stream, poison, &mut books).await?;
    println!("`{POISON}` was tried {tries} times and given up");
    promise("nothing of its account went past it before that", tries == FAILURES_MAX)?;

    while books.of("bob") < BOOKINGS - 1 {
        books.enter(client, &next(&mut stream).await?).await?;
    }
    promise("then its account goes on, in order", true)?;
    let mut given_up = client.subscribe_stream(queue(format!("{ledger}.dlq"))).await?;
    let dead = take(client, &mut given_up, 1).await?;
    promise("it is among the dead letters, and nothing else is missing", dead[0].text() == POISON)
}

fn in_key_order(name: &str) -> Result<Queue, Failure> {
    let soon = Some(Duration::from_millis(10).try_into()?);
    let retry = Some(RetryPolicy { max_attempts: Some(FAILURES_MAX), min_backoff: soon, ..RetryPolicy::default() });
    Ok(Queue { ordering: Ordering::Key.into(), retry, ..named(name) })
}

/// Booking 1 of each account, then booking 2 of each, and so on.
fn batch() -> Vec<Message> {
    let pairs = (1..=BOOKINGS).flat_map(|number| ACCOUNTS.map(|account| (account, number)));
    pairs
        .map(|(account, number)| Message { ordering_key: account.into(), ..message(format!("{account} {number}")) })
        .collect()
}

/// Books all that comes until only the account of the poison is left; the poison, still in hand.
async fn book_around(client: &Client, stream: &mut SubscribeStream, books: &mut Books) -> Result<Delivery, Failure> {
    let mut poison = None;
    let expected = (ACCOUNTS.len() - 1) * BOOKINGS + 4;
    while poison.is_none() || books.total() < expected {
        let (bad, good): (Vec<_>, Vec<_>) = next(stream).await?.into_iter().partition(|d| d.text() == POISON);
        poison = bad.into_iter().next().or(poison);
        books.enter(client, &good).await?;
    }
    Ok(poison.ok_or("the poison did not come")?)
}

/// Fails with the poison whenever it comes, until something else of its account does; how often it came.
async fn fail_until_given_up(
    client: &Client,
    stream: &mut SubscribeStream,
    poison: Delivery,
    books: &mut Books,
) -> Result<i32, Failure> {
    let mut batch = vec![poison];
    let mut tries = 0;
    while batch[0].text() == POISON {
        client.nack(ack_ids(&batch), NackMode::Retry, None, "unknown currency").await?;
        tries += 1;
        batch = next(stream).await?;
    }
    books.enter(client, &batch).await?;
    Ok(tries)
}

/// How many bookings of each account were made.
#[derive(Default)]
struct Books(BTreeMap<String, usize>);

impl Books {
    fn of(&self, account: &str) -> usize {
        self.0.get(account).copied().unwrap_or_default()
    }

    fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Books and acks; each has to be the next one of its account.
    async fn enter(&mut self, client: &Client, bookings: &[Delivery]) -> Result<(), Failure> {
        for booking in bookings {
            let account = &booking.content().ordering_key;
            let number = self.of(account) + 1;
            let skipped = usize::from(account == "bob" && number >= 5);
            if booking.text() != format!("{account} {}", number + skipped) {
                return Err(format!("`{}` came after {} bookings", booking.text(), number - 1).into());
            }
            self.0.insert(account.clone(), number);
        }
        if bookings.is_empty() { Ok(()) } else { done(client, bookings).await }
    }
}
