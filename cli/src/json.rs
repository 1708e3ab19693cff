//! Protocol messages as JSON, and back: field names as in the definitions, numbers as numbers, and payloads as text where
//! they are text.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ferrymq_client::v1::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(ferrymq_proto::DESCRIPTORS).expect("the build wrote these descriptors"));

/// `message`, which is a `ferrymq.v1.{name}`, as JSON. Unset fields are left out.
pub fn of<M: prost::Message>(name: &str, message: &M) -> Value {
    let mut dynamic = DynamicMessage::new(descriptor(name));
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    let json = dynamic
        .transcode_from(message)
        .ok()
        .and_then(|()| dynamic.serialize_with_options(serde_json::value::Serializer, &options).ok());
    let mut json = json.unwrap_or(Value::Null);
    readable_payloads(&mut json);
    json
}

/// A message as [`of`] writes it.
pub fn to_message(text: &str) -> Result<Message, String> {
    let mut json: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let object = json.as_object_mut().ok_or("a message is a JSON object")?;
    // What `subscribe --json` prints can be published again.
    if let Some(Value::Object(inner)) = object.remove("message") {
        *object = inner;
    }
    wire_payload(object)?;
    let dynamic = DynamicMessage::deserialize(descriptor("Message"), json).map_err(|e| e.to_string())?;
    dynamic.transcode_to().map_err(|e| e.to_string())
}

/// The attributes of a message as one JSON object, in the order of their names.
pub fn attributes(message: &Message) -> String {
    let sorted: BTreeMap<_, _> = message.attributes.iter().collect();
    serde_json::json!(sorted).to_string()
}

fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("ferrymq.v1.{name}")).expect("only messages of the protocol are asked for")
}

/// `payload` becomes text, or is renamed to `payload_base64` where it is none.
fn readable_payloads(json: &mut Value) {
    match json {
        Value::Object(object) => {
            if let Some(Value::String(encoded)) = object.remove("payload") {
                let (key, value) = readable(encoded);
                object.insert(key.to_owned(), Value::String(value));
            }
            // Maps of strings, such as attributes, hold only strings: a key `payload` in them is no payload.
            for (key, value) in object.iter_mut() {
                if key != "attributes" && key != "labels" {
                    readable_payloads(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(readable_payloads),
        _ => {}
    }
}

fn readable(encoded: String) -> (&'static str, String) {
    let text = BASE64_STANDARD.decode(&encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text {
        Some(text) => ("payload", text),
        None => ("payload_base64", encoded),
    }
}

fn wire_payload(object: &mut Map<String, Value>) -> Result<(), String> {
    let encoded = match (object.remove("payload"), object.remove("payload_base64")) {
        (None, None) => return Ok(()),
        (Some(Value::String(text)), None) => BASE64_STANDARD.encode(text),
        (None, Some(Value::String(encoded))) => encoded,
        (Some(_), None) => return Err("`payload` must be a string (quote JSON inside it)".into()),
        _ => return Err("give either `payload` or `payload_base64`, as a string".into()),
    };
    object.insert("payload".into(), Value::String(encoded));
    Ok(())
}

#[cfg(test)]
mod tests {
    use ferrymq_client::v1::Delivery;
    use ferrymq_client::v1::message::Due;

    use super::*;

    fn round_trip(message: &Message) -> Message {
        to_message(&of("Message", message).to_string()).unwrap()
    }

    #[test]
    fn text_stays_text_and_bytes_are_base64() {
        let text = Message { payload: "grüße".into(), ..Default::default() };
        assert_eq!(of("Message", &text)["payload"], "grüße");
        let bytes = Message { payload: vec![0xff, 0xfe].into(), ..Default::default() };
        assert_eq!(of("Message", &bytes)["payload_base64"], "//4=");
        assert_eq!(round_trip(&text), text);
        assert_eq!(round_trip(&bytes), bytes);
    }

    #[test]
    fn all_fields_come_back() {
        let message = Message {
            payload: "x".into(),
            attributes: [("payload".to_owned(), "eA==".to_owned())].into(),
            routing_key: "a.b".into(),
            ordering_key: "o".into(),
            message_id: "id".into(),
            content_type: "text/plain".into(),
            priority: 3,
            ttl_ms: 5_000_000_000,
            reply_to: "queue/answers".into(),
            correlation_id: "c".into(),
            due: Some(Due::DelayMs(6_000_000_000)),
        };
        assert_eq!(round_trip(&message), message);
        let at = Message { due: Some(Due::DeliverAtMs(1_795_176_000_000)), ..message.clone() };
        assert_eq!(round_trip(&at), at);
        let json = of("Message", &message);
        assert_eq!(json["ttl_ms"], 5_000_000_000_i64);
        // Whoever adds a field to the protocol is told to add it here.
        assert_eq!(json.as_object().map(Map::len), Some(descriptor("Message").fields().len() - 1));
    }

    #[test]
    fn what_subscribe_prints_can_be_published() {
        let message = Message { payload: "x".into(), ..Default::default() };
        let delivery = Delivery { message: Some(message.clone()), attempt: 2, ..Default::default() };
        assert_eq!(to_message(&of("Delivery", &delivery).to_string()), Ok(message));
    }

    #[test]
    fn unknown_fields_and_wrong_kinds_are_refused() {
        for bad in ["[]", "{\"routing\":1}", "{\"payload\":{}}", "{\"payload\":\"a\",\"payload_base64\":\"\"}", "{"] {
            assert!(to_message(bad).is_err(), "{bad}");
        }
    }
}
