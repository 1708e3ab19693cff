//! Messages and settings as the scenarios write them.

use std::collections::HashMap;
use std::fmt::Write as _;

use ferrymq_client::v1::{Message, Queue, Topic};
use ferrymq_client::{Received, message};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};

use crate::Failure;

/// `messages`, or `count` with `prefix`.
pub fn list(arguments: &Value) -> Result<Vec<Message>, Failure> {
    if let Some(count) = arguments["count"].as_u64() {
        let prefix = text(&arguments["prefix"]);
        return Ok((0..count).map(|number| message(format!("{prefix}{number}"))).collect());
    }
    arguments["messages"].as_array().into_iter().flatten().map(one).collect()
}

pub fn one(given: &Value) -> Result<Message, Failure> {
    let attributes = given["attributes"].as_object().into_iter().flatten();
    Ok(Message {
        payload: payload(given)?.unwrap_or_default().into(),
        attributes: attributes.map(|(key, value)| (key.clone(), text(value))).collect(),
        routing_key: text(&given["routing_key"]),
        ordering_key: text(&given["ordering_key"]),
        message_id: text(&given["message_id"]),
        content_type: text(&given["content_type"]),
        correlation_id: text(&given["correlation_id"]),
        ttl_ms: given["ttl_ms"].as_i64().unwrap_or_default(),
        ..Message::default()
    })
}

fn payload(given: &Value) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(hex) = given["payload_hex"].as_str() {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16);
        return Ok(Some((0..hex.len()).step_by(2).map(byte).collect::<Result<_, _>>()?));
    }
    if let Some(size) = given["payload_size"].as_u64() {
        return Ok(Some((0..size).map(|at| (at % 251) as u8).collect()));
    }
    Ok(given["payload"].as_str().map(|text| text.as_bytes().to_vec()))
}

/// Whether what came is what is expected, in the fields that are given.
pub fn compare(expected: &Value, received: &Received) -> Result<(), Failure> {
    let came = received.message();
    if let Some(payload) = payload(expected)?
        && payload != came.payload
    {
        return Err(format!("payload {}, not {}", shown(&came.payload), shown(&payload)).into());
    }
    let dead = received.dead_letter();
    let dead = dead.map(|dead| {
        let reason = dead.reason().as_str_name().trim_start_matches("DEAD_LETTER_REASON_");
        json!({"queue": dead.queue, "reason": reason, "attempts": dead.attempts, "description": dead.description})
    });
    let fields: HashMap<&str, Value> = HashMap::from([
        ("attributes", json!(came.attributes)),
        ("routing_key", json!(came.routing_key)),
        ("ordering_key", json!(came.ordering_key)),
        ("message_id", json!(came.message_id)),
        ("content_type", json!(came.content_type)),
        ("correlation_id", json!(came.correlation_id)),
        ("ttl_ms", json!(came.ttl_ms)),
        ("dead_letter", json!(dead)),
    ]);
    for (field, value) in expected.as_object().into_iter().flatten() {
        match fields.get(field.as_str()) {
            Some(came) if came != value => return Err(format!("{field} is {came}, not {value}").into()),
            None if !field.starts_with("payload") => return Err(format!("{field} is no field here").into()),
            _ => {}
        }
    }
    Ok(())
}

fn shown(payload: &[u8]) -> String {
    let mut shown = String::new();
    for byte in payload.iter().take(40) {
        // A String takes everything.
        let _ = write!(shown, "{}", byte.escape_ascii());
    }
    format!("`{shown}` ({} bytes)", payload.len())
}

pub fn topic(arguments: &Value) -> Result<Topic, Failure> {
    let encoded = encoded("ferrymq.v1.Topic", &arguments["settings"])?;
    Ok(Topic { name: text(&arguments["name"]), ..Topic::decode(encoded.as_slice())? })
}

pub fn queue(arguments: &Value) -> Result<Queue, Failure> {
    let encoded = encoded("ferrymq.v1.Queue", &arguments["settings"])?;
    Ok(Queue { name: text(&arguments["name"]), ..Queue::decode(encoded.as_slice())? })
}

/// Proto3 JSON as bytes.
fn encoded(kind: &str, settings: &Value) -> Result<Vec<u8>, Failure> {
    if settings.is_null() {
        return Ok(Vec::new());
    }
    let pool = DescriptorPool::decode(ferrymq_proto::DESCRIPTORS)?;
    let descriptor = pool.get_message_by_name(kind).ok_or("a message of the protocol")?;
    Ok(DynamicMessage::deserialize(descriptor, settings)?.encode_to_vec())
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}
