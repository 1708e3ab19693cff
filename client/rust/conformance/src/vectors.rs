//! Messages from and to every language.

use std::collections::BTreeMap;

use ferrymq_client::v1::SubscribeRequest;
use ferrymq_client::{Client, Received, group, point};
use serde_json::Value;

use crate::Failure;
use crate::messages::{compare, one};
use crate::scene::within;

fn vectors(file: &str) -> Result<Vec<Value>, Failure> {
    Ok(serde_saphyr::from_str(&std::fs::read_to_string(file)?)?)
}

pub async fn send(url: &str, topic: &str, language: &str, file: &str) -> Result<(), Failure> {
    let client = Client::connect(url).await?;
    let publisher = client.publisher(topic);
    let mut confirms = Vec::new();
    for vector in vectors(file)? {
        let mut message = one(&vector)?;
        message.attributes.insert("from".to_owned(), language.to_owned());
        confirms.push(publisher.publish(message).await?);
    }
    for confirm in confirms {
        within("a confirm", confirm).await??;
    }
    Ok(publisher.close().await?)
}

pub async fn expect(url: &str, topic: &str, name: &str, file: &str, languages: &[&str]) -> Result<(), Failure> {
    let client = Client::connect(url).await?;
    let vectors = vectors(file)?;
    let request = SubscribeRequest { start: Some(point::earliest()), ..group(topic, name) };
    let mut subscriber = client.subscribe(request).await?;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..languages.len() * vectors.len() {
        let delivery = within("a vector", subscriber.next()).await?.ok_or("the stream has ended")??;
        let (received, settler) = delivery.split();
        let mut inner = received.into_inner();
        let from = inner.message.as_mut().and_then(|message| message.attributes.remove("from")).unwrap_or_default();
        let at = seen.entry(from.clone()).or_default();
        let vector = vectors.get(*at).ok_or_else(|| format!("too many from {from}"))?;
        compare(vector, &Received::from(inner)).map_err(|e| format!("vector {at} from {from}: {e}"))?;
        *at += 1;
        settler.ack();
    }
    subscriber.close().await?;
    let is_whole = languages.iter().all(|language| seen.get(*language) == Some(&vectors.len()));
    if is_whole { Ok(()) } else { Err(format!("came: {seen:?}").into()) }
}
