//! What a handler's environment says of its message.

use std::collections::BTreeMap;

use ferrymq_client::Received;

use crate::{format, json};

/// One variable longer than this many bytes keeps a process from being started.
const VALUE_BYTES_MAX: usize = 100_000;

/// `FERRYMQ_*` of one delivery. Each is always set, but those of attributes.
pub fn of(received: &Received, queue: &str, url: &str) -> BTreeMap<String, String> {
    let (message, delivery) = (received.message(), received.as_inner());
    let fields = [
        ("URL", url.to_owned()),
        ("QUEUE", queue.to_owned()),
        ("TOPIC", delivery.topic.clone()),
        ("POSITION", format::position(delivery)),
        ("PUBLISH_TIME_MS", delivery.publish_time_ms.to_string()),
        ("ATTEMPT", delivery.attempt.to_string()),
        ("ROUTING_KEY", message.routing_key.clone()),
        ("ORDERING_KEY", message.ordering_key.clone()),
        ("MESSAGE_ID", message.message_id.clone()),
        ("CONTENT_TYPE", message.content_type.clone()),
        ("PRIORITY", message.priority.to_string()),
        ("REPLY_TO", message.reply_to.clone()),
        ("CORRELATION_ID", message.correlation_id.clone()),
        ("ATTRIBUTES", json::attributes(message)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (format!("FERRYMQ_{name}"), value));
    let attributes = message.attributes.iter().map(|(name, value)| (attribute(name), value.clone()));
    let all = fields.chain(attributes).filter(|(_, value)| value.len() <= VALUE_BYTES_MAX);
    // A variable ends at its first zero byte: such a value would not start.
    all.map(|(name, value)| (name, value.replace('\0', "\u{fffd}"))).collect()
}

/// `trace-id` is FERRYMQ_ATTRIBUTE_TRACE_ID: whatever a shell can name.
fn attribute(name: &str) -> String {
    let shell = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("FERRYMQ_ATTRIBUTE_{}", name.chars().map(shell).collect::<String>())
}

#[cfg(test)]
mod tests {
    use ferrymq_client::v1::{Delivery, Message};

    use super::*;

    #[test]
    fn a_message_is_told_in_variables() {
        let message = Message {
            attributes: [("trace-id".to_owned(), "a\0b".to_owned()), ("PATH=x".to_owned(), "y".to_owned())].into(),
            routing_key: "eu.de".into(),
            ..Message::default()
        };
        let delivery = Delivery { message: Some(message), attempt: 2, ..Delivery::default() };
        let variables = of(&Received::from(delivery), "q", "http://h:1");
        let value = |name: &str| variables[name].as_str();
        assert_eq!((value("FERRYMQ_ROUTING_KEY"), value("FERRYMQ_ATTEMPT")), ("eu.de", "2"));
        assert_eq!((value("FERRYMQ_QUEUE"), value("FERRYMQ_POSITION"), value("FERRYMQ_TOPIC")), ("q", "0:0", ""));
        assert_eq!(value("FERRYMQ_ATTRIBUTE_TRACE_ID"), "a\u{fffd}b");
        assert_eq!(value("FERRYMQ_ATTRIBUTE_PATH_X"), "y");
        assert!(variables.keys().all(|name| name.starts_with("FERRYMQ_")), "{variables:?}");
    }

    #[test]
    fn what_no_process_can_start_with_is_left_out() {
        let attributes = (0..64).map(|number| (format!("{number}"), "\u{1}".repeat(1_024))).collect();
        let delivery = Delivery { message: Some(Message { attributes, ..Message::default() }), ..Delivery::default() };
        let variables = of(&Received::from(delivery), "q", "");
        assert!(!variables.contains_key("FERRYMQ_ATTRIBUTES"));
        assert!(variables.contains_key("FERRYMQ_ATTRIBUTE_63"));
    }
}
