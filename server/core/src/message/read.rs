//! Reading single fields of a message that was checked when it was published.

use super::{Value, entry_parts, take_field};

/// The routing key of a message that was checked when it was published.
#[must_use]
pub fn routing_key(message: &[u8]) -> &str {
    std::str::from_utf8(bytes_of(3, message)).unwrap_or_default()
}

/// The ordering key of a message that was checked when it was published.
#[must_use]
pub fn ordering_key(message: &[u8]) -> &[u8] {
    bytes_of(4, message)
}

fn bytes_of(wanted: u64, message: &[u8]) -> &[u8] {
    let mut input = message;
    while let Ok((number, value)) = take_field(&mut input) {
        if let Value::Bytes(bytes) = value
            && number == wanted
        {
            return bytes;
        }
    }
    &[]
}

/// The time to live of a message that was checked when it was published, in ms; 0: none of its own.
#[must_use]
pub fn ttl_ms(message: &[u8]) -> u64 {
    let mut input = message;
    while let Ok((number, value)) = take_field(&mut input) {
        if let (8, Value::Number(ttl_ms)) = (number, value) {
            return ttl_ms;
        }
    }
    0
}

/// What filters read of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// The content.
    Payload(&'a [u8]),
    /// A key and its value.
    Attribute(&'a str, &'a str),
    /// Matched by bindings.
    RoutingKey(&'a str),
    /// What must stay in order.
    OrderingKey(&'a str),
    /// What the payload is.
    ContentType(&'a str),
    /// As it was given.
    Priority(i64),
}

/// The parts of a message that was checked when it was published, in the order of its bytes.
pub fn parts(message: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut input = message;
    std::iter::from_fn(move || {
        while !input.is_empty() {
            let (number, value) = take_field(&mut input).ok()?;
            if let Some(part) = part(number, value) {
                return Some(part);
            }
        }
        None
    })
}

fn part(number: u64, value: Value<'_>) -> Option<Part<'_>> {
    let bytes = match value {
        Value::Bytes(bytes) => bytes,
        Value::Number(given) if number == 7 => return Some(Part::Priority(given as i64)),
        _ => return None,
    };
    let text = || std::str::from_utf8(bytes).unwrap_or_default();
    match number {
        1 => Some(Part::Payload(bytes)),
        2 => entry_parts(bytes).ok().map(|[key, value]| Part::Attribute(key, value)),
        3 => Some(Part::RoutingKey(text())),
        4 => Some(Part::OrderingKey(text())),
        6 => Some(Part::ContentType(text())),
        _ => None,
    }
}
