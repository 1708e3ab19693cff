//! What each step of a scenario does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ferrymq_client::v1::{Binding, PublishRequest, PullRequest, SubscribeRequest, binding, pull_request};
use ferrymq_client::{Code, Delivery, Error, HandlerError, Received, Subscriber, broadcast, group, point, queue};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::Failure;
use crate::messages::{self, compare, text, texts};
use crate::scene::{Scene, destination, within};

pub async fn step(scene: &mut Scene, verb: &str, given: &Value) -> Result<(), Failure> {
    match verb {
        "topic" => {
            let created = scene.client.create_topic(messages::topic(given)?).await;
            expect(created, &given["error"]).map(drop)
        }
        "queue" => {
            let created = scene.client.create_queue(messages::queue(given)?, bindings(given)).await;
            expect(created, &given["error"]).map(drop)
        }
        "publish" => publish(scene, given).await,
        "publish_once" => publish_once(scene, given).await,
        "subscribe" => subscribe(scene, given).await,
        "receive" => receive(scene, given).await,
        "settle" => settle_held(scene, given).await,
        "together" => together(scene, given).await,
        "stats" => stats(scene, given).await,
        "pull" => pull(scene, given).await,
        "read" => read(scene, given).await,
        "worker" => worker(scene, given).await,
        "worker_stop" => worker_stop(scene, given).await,
        "drain" => drain(scene, given).await,
        "publish_over_restart" => publish_over_restart(scene, given).await,
        "break_connections" => scene.tell("break").await,
        "close" => {
            let subscriber = scene.subscribers.remove(&text(given)).ok_or("no such subscriber")?;
            let closed = within("a subscriber closes", subscriber.close()).await?;
            scene.held.remove(&text(given));
            Ok(closed?)
        }
        other => Err(format!("`{other}` is no step").into()),
    }
}

/// What is expected: success, or this error.
fn expect<T>(outcome: Result<T, Error>, expected: &Value) -> Result<Option<T>, Failure> {
    let error = match (outcome, expected.is_null()) {
        (Ok(value), true) => return Ok(Some(value)),
        (Ok(_), false) => return Err(format!("succeeded, instead of {expected}").into()),
        (Err(error), true) => return Err(error.into()),
        (Err(error), false) => error,
    };
    let reason = error.reason().as_str_name().trim_start_matches("ERROR_REASON_").to_owned();
    let field = text(&expected["field"]);
    let is_same = code_name(error.code()) == expected["code"]
        && (expected["reason"].is_null() || expected["reason"] == reason)
        && (field.is_empty() || error.field_violations().iter().any(|violation| violation.field == field));
    if is_same { Ok(None) } else { Err(format!("failed with {error:?}, not {expected}").into()) }
}

/// `INVALID_ARGUMENT` for InvalidArgument.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn bindings(given: &Value) -> Vec<Binding> {
    let binding = |given: &Value| Binding {
        topic: text(&given["topic"]),
        target: None::<binding::Target>,
        pattern: text(&given["pattern"]),
        filter: text(&given["filter"]),
        ..Binding::default()
    };
    given["bindings"].as_array().into_iter().flatten().map(binding).collect()
}

async fn publish(scene: &mut Scene, given: &Value) -> Result<(), Failure> {
    let publisher = scene.publisher(given);
    let mut confirms = Vec::new();
    for message in messages::list(given)? {
        confirms.push(within("room to publish", publisher.publish(message)).await??);
    }
    for confirm in confirms {
        let result = expect(within("a confirm", confirm).await?, &given["error"])?;
        let expected = given["queues_matched"].as_i64();
        if let (Some(expected), Some(result)) = (expected, result)
            && i64::from(result.queues_matched) != expected
        {
            return Err(format!("went to {} queues", result.queues_matched).into());
        }
    }
    Ok(())
}

async fn publish_once(scene: &Scene, given: &Value) -> Result<(), Failure> {
    let wait_for_room = given["wait_for_room_ms"].as_i64();
    let request = PublishRequest {
        destination: Some(destination(given)),
        messages: messages::list(given)?,
        wait_for_room: wait_for_room.map(|ms| prost_types::Duration { seconds: ms / 1000, nanos: 0 }),
        ..PublishRequest::default()
    };
    let timeout = Duration::from_millis(given["timeout_ms"].as_u64().unwrap_or(20_000));
    let outcome = scene.client.publish_request(request, timeout).await;
    expect(outcome, &given["error"]).map(drop)
}

async fn subscribe(scene: &mut Scene, given: &Value) -> Result<(), Failure> {
    let mut request = match (given["queue"].as_str(), given["group"].as_str()) {
        (Some(name), _) => queue(name),
        (None, Some(name)) => {
            SubscribeRequest { create_if_missing: given["create"] == true, ..group(text(&given["topic"]), name) }
        }
        (None, None) => broadcast(text(&given["topic"])),
    };
    request.prefetch = given["prefetch"].as_i64().and_then(|prefetch| prefetch.try_into().ok()).unwrap_or_default();
    request.start = (given["start"] == "earliest").then(point::earliest);
    let opening = async {
        loop {
            match scene.client.subscribe(request.clone()).await {
                Err(error) if error.code() == Code::NotFound && given["wait_for_queue"] == true => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                opened => return opened,
            }
        }
    };
    let opened = within("a stream opens", opening).await?;
    if let Some(subscriber) = expect(opened, &given["error"])? {
        scene.subscribers.insert(text(&given["as"]), subscriber);
    }
    Ok(())
}

async fn take(subscriber: &mut Subscriber) -> Result<Delivery, Failure> {
    Ok(within("a delivery", subscriber.next()).await?.ok_or("the stream has ended")??)
}

/// What a `receive` expects, one for each delivery.
fn expected(given: &Value) -> Vec<Value> {
    if let Some(messages) = given["messages"].as_array() {
        return messages.clone();
    }
    if let Some(payloads) = given["payloads"].as_array() {
        return payloads.iter().map(|payload| json!({"payload": payload})).collect();
    }
    vec![json!({}); given["count"].as_u64().unwrap_or_default() as usize]
}

async fn receive(scene: &mut Scene, given: &Value) -> Result<(), Failure> {
    let subscriber = scene.subscriber(&given["from"])?;
    let mut taken = Vec::new();
    for (number, expected) in expected(given).iter().enumerate() {
        let delivery = take(subscriber).await?;
        compare(expected, &delivery)?;
        let attempt = given["attempts"][number].as_i64();
        if attempt.is_some_and(|attempt| attempt != i64::from(delivery.attempt())) {
            return Err(format!("attempt {} of {expected}", delivery.attempt()).into());
        }
        taken.push(delivery);
    }
    match given["settle"].as_str() {
        Some("hold") => scene.held.entry(text(&given["from"])).or_default().extend(taken),
        Some(action) => settle(taken, action, &text(&given["reason"])).await?,
        None => {}
    }
    Ok(())
}

async fn settle(deliveries: Vec<Delivery>, action: &str, reason: &str) -> Result<(), Failure> {
    let mut settling = Vec::new();
    for delivery in deliveries {
        settling.push(match action {
            "ack" => delivery.ack(),
            "retry" => delivery.retry(reason),
            "reject" => delivery.reject(reason),
            "release" => delivery.release(),
            other => return Err(format!("`{other}` settles nothing").into()),
        });
    }
    for settling in settling {
        let status = within("a settlement", settling).await??;
        if status != ferrymq_client::v1::SettleStatus::Ok {
            return Err(format!("settled with {status:?}").into());
        }
    }
    Ok(())
}

async fn settle_held(scene: &mut Scene, given: &Value) -> Result<(), Failure> {
    let wanted = texts(&given["payloads"]);
    let held = scene.held.entry(text(&given["from"])).or_default();
    let (settled, rest) = std::mem::take(held).into_iter().partition(|d| wanted.contains(&d.text().into_owned()));
    *held = rest;
    let settled: Vec<Delivery> = settled;
    if settled.len() != wanted.len() {
        return Err(format!("{} of {wanted:?} are held", settled.len()).into());
    }
    settle(settled, &text(&given["action"]), "").await
}

async fn together(scene: &mut Scene, given: &Value) -> Result<(), Failure> {
    let names = texts(&given["from"]);
    let held: Vec<Delivery> = names.iter().flat_map(|name| scene.held.remove(name).unwrap_or_default()).collect();
    let mut came: Vec<String> = held.iter().map(|delivery| delivery.text().into_owned()).collect();
    came.sort();
    if came != texts(&given["payloads"]) {
        return Err(format!("together they hold {came:?}").into());
    }
    settle(held, "ack", "").await
}

async fn stats(scene: &Scene, given: &Value) -> Result<(), Failure> {
    let name = text(&given["queue"]);
    let is = |field: &str, value: i64| given[field].as_i64().is_none_or(|expected| expected == value);
    let mut last = None;
    let asking = async {
        loop {
            let stats = scene.client.stats(vec![], vec![name.clone()]).await;
            let queue = stats.ok().and_then(|stats| stats.queues.get(&name).cloned());
            if let Some(queue) = queue {
                if is("ready", queue.ready) && is("unsettled", queue.unsettled) {
                    return;
                }
                last = Some(queue);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let came = within("the numbers", asking).await;
    came.map_err(|e| format!("{e}: {last:?}, not {given}").into())
}

async fn pull(scene: &Scene, given: &Value) -> Result<(), Failure> {
    let wait = given["wait_ms"].as_i64().unwrap_or_default();
    let request = PullRequest {
        source: Some(pull_request::Source::Queue(text(&given["queue"]))),
        max_messages: given["max"].as_i64().unwrap_or(1).try_into()?,
        wait: Some(prost_types::Duration { seconds: wait / 1000, nanos: 0 }),
        ..PullRequest::default()
    };
    let pulled = within("a pull", scene.client.pull_deliveries(request)).await??;
    let payloads: Vec<_> = pulled.iter().map(|delivery| delivery.text().into_owned()).collect();
    if payloads != texts(&given["payloads"]) {
        return Err(format!("pulled {payloads:?}").into());
    }
    if let Some(action) = given["settle"].as_str() { settle(pulled, action, "").await } else { Ok(()) }
}

async fn read(scene: &Scene, given: &Value) -> Result<(), Failure> {
    let request = SubscribeRequest {
        start: Some(point::earliest()),
        stop: Some(point::latest()),
        ..broadcast(text(&given["topic"]))
    };
    let mut subscriber = within("a stream opens", scene.client.subscribe(request)).await??;
    for message in messages::list(given)? {
        let delivery = take(&mut subscriber).await?;
        if delivery.payload() != &message.payload {
            return Err(format!("read `{}`", delivery.text()).into());
        }
    }
    match within("the end", subscriber.next()).await? {
        None => Ok(()),
        Some(more) => Err(format!("read on after the end: {more:?}").into()),
    }
}

async fn worker(scene: &Scene, given: &Value) -> Result<(), Failure> {
    let (fail_once, reject) = (texts(&given["fail_once"]), texts(&given["reject"]));
    let seen = Arc::new(watch::Sender::new((BTreeSet::new(), BTreeSet::new())));
    let mut watching = seen.subscribe();
    let done: BTreeSet<String> = texts(&given["done"]).into_iter().collect();
    let all_rejected: BTreeSet<String> = reject.iter().cloned().collect();
    let stop = async move {
        // The sender lives as long as the handlers.
        let _ = watching.wait_for(|(finished, rejected)| finished == &done && rejected == &all_rejected).await;
    };
    let handler = move |job: Received| {
        let payload = job.text().into_owned();
        let outcome = if reject.contains(&payload) {
            seen.send_modify(|(_, rejected)| drop(rejected.replace(payload)));
            Err(HandlerError::reject("hopeless"))
        } else if fail_once.contains(&payload) && job.attempt() == 1 {
            Err(HandlerError::Retry("the first time".to_owned()))
        } else {
            seen.send_modify(|(finished, _)| drop(finished.replace(payload)));
            Ok(())
        };
        std::future::ready(outcome)
    };
    let worker = scene.client.worker(queue(text(&given["queue"])));
    let concurrency = given["concurrency"].as_u64().unwrap_or(1) as usize;
    within("the worker", worker.concurrency(concurrency).run_until(stop, handler)).await??;
    Ok(())
}

async fn worker_stop(scene: &mut Scene, given: &Value) -> Result<(), Failure> {
    let stop_after = given["stop_after"].as_u64().unwrap_or_default() as usize;
    let handled = Arc::new(Mutex::new(BTreeSet::new()));
    let count = watch::Sender::new(0);
    let mut watching = count.subscribe();
    let stop = async move {
        // The sender lives as long as the handlers.
        let _ = watching.wait_for(|count| *count >= stop_after).await;
    };
    let kept = Arc::clone(&handled);
    let handler = move |job: Received| {
        kept.lock().unwrap_or_else(PoisonError::into_inner).insert(job.text().into_owned());
        count.send_modify(|count| *count += 1);
        std::future::ready(Ok(()))
    };
    let worker = scene.client.worker(queue(text(&given["queue"])));
    let concurrency = given["concurrency"].as_u64().unwrap_or(1) as usize;
    within("the worker stops", worker.concurrency(concurrency).run_until(stop, handler)).await??;
    scene.handled = handled.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(())
}

async fn drain(scene: &mut Scene, given: &Value) -> Result<(), Failure> {
    let total = given["total"].as_u64().unwrap_or_default() as usize;
    let mut subscriber = scene.client.subscribe(queue(text(&given["queue"]))).await?;
    while scene.handled.len() < total {
        let delivery = take(&mut subscriber).await?;
        if !scene.handled.insert(delivery.text().into_owned()) {
            return Err(format!("`{}` came twice", delivery.text()).into());
        }
        settle(vec![delivery], "ack", "").await?;
    }
    Ok(within("a subscriber closes", subscriber.close()).await??)
}

async fn publish_over_restart(scene: &mut Scene, given: &Value) -> Result<(), Failure> {
    let messages = messages::list(given)?;
    let kill_after = given["kill_after"].as_u64().unwrap_or_default() as usize;
    let mut subscriber = scene.subscribers.remove(&text(&given["as"])).ok_or("no such subscriber")?;
    let (total, seen) = (messages.len(), Arc::new(watch::Sender::new(0)));
    let (count, enough) = (Arc::clone(&seen), Arc::new(Notify::new()));
    let stop = Arc::clone(&enough);
    let receiving = tokio::spawn(async move {
        let mut payloads = BTreeSet::new();
        loop {
            tokio::select! {
                () = stop.notified() => return Ok::<_, Failure>(subscriber),
                delivery = subscriber.next() => {
                    let delivery = delivery.ok_or("the stream has ended")??;
                    payloads.insert(delivery.text().into_owned());
                    delivery.ack();
                    count.send_replace(payloads.len());
                }
            }
        }
    });
    let publisher = scene.client.publisher(destination(given));
    let mut confirms = Vec::new();
    for message in messages {
        confirms.push(publisher.publish(message).await?);
    }
    for (number, confirm) in confirms.into_iter().enumerate() {
        if number == kill_after {
            scene.tell("kill").await?;
        }
        within("a confirm", confirm).await??;
    }
    publisher.close().await?;
    let mut watching = seen.subscribe();
    within("everything arrives", watching.wait_for(|seen| *seen == total)).await??;
    stats(scene, &json!({"queue": given["queue"], "ready": 0, "unsettled": 0})).await?;
    enough.notify_one();
    let subscriber = within("the receiver ends", receiving).await???;
    scene.subscribers.insert(text(&given["as"]), subscriber);
    Ok(())
}
