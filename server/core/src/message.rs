//! Checking an encoded `Message` (proto/ferrymq/v1/message.proto) without decoding it: one pass over its tags.

mod read;

use crate::codec::{self, Malformed};
pub use read::{Part, ordering_key, parts, routing_key, ttl_ms};

/// Most attributes of a message.
pub const ATTRIBUTES_MAX: usize = 64;
/// The longest time to live: 366 days.
pub const TTL_MS_MAX: u64 = 31_622_400_000;
/// Field numbers from here on are carried through unread.
const CARRIED_FROM: u64 = 64;

/// What the broker reads of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// Matched by bindings.
    pub routing_key: &'a str,
    /// What must stay in order.
    pub ordering_key: &'a str,
    /// The publisher's own id.
    pub message_id: &'a str,
    /// Milliseconds from publish after which it is not delivered any more; 0: none of its own.
    pub ttl_ms: u64,
}

/// How a message is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageErrorKind {
    /// It breaks a rule.
    Invalid,
    /// It uses what this broker does not know or honour.
    NotSupported,
    /// It is too large.
    TooLarge,
}

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct MessageError {
    /// The field inside the message; empty for the whole.
    pub field: String,
    /// The rule that it breaks.
    pub rule: String,
    /// In which way.
    pub kind: MessageErrorKind,
}

impl MessageError {
    fn invalid(field: &str, rule: impl Into<String>) -> Self {
        Self { field: field.to_owned(), rule: rule.into(), kind: MessageErrorKind::Invalid }
    }

    fn not_supported(field: impl Into<String>) -> Self {
        let rule = "is not supported by this broker".to_owned();
        Self { field: field.into(), rule, kind: MessageErrorKind::NotSupported }
    }
}

impl From<Malformed> for MessageError {
    fn from(error: Malformed) -> Self {
        Self::invalid("", format!("is not a well-formed message: {}", error.0))
    }
}

/// Wire types of protobuf; groups (3, 4) are not part of proto3.
#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The known fields: number, name, most bytes.
const STRINGS: [(u64, &str, usize); 6] = [
    (3, "routing_key", 255),
    (4, "ordering_key", 255),
    (5, "message_id", 128),
    (6, "content_type", 128),
    (11, "reply_to", 255),
    (12, "correlation_id", 128),
];
const NUMBERS: [(u64, &str); 4] = [(7, "priority"), (8, "ttl_ms"), (9, "delay_ms"), (10, "deliver_at_ms")];

/// Checks a message of at most `bytes_max` bytes.
///
/// # Errors
/// The field and the rule that it breaks.
pub fn scan(message: &[u8], bytes_max: usize) -> Result<Head<'_>, MessageError> {
    if message.len() > bytes_max {
        let rule = format!("must be at most {bytes_max} bytes, and is {}", message.len());
        return Err(MessageError { field: String::new(), rule, kind: MessageErrorKind::TooLarge });
    }
    let mut head = Head::default();
    let mut seen = 0u64;
    let mut keys: [&str; ATTRIBUTES_MAX] = [""; ATTRIBUTES_MAX];
    let mut key_count = 0;
    let mut input = message;
    while !input.is_empty() {
        let (number, value) = take_field(&mut input)?;
        if number >= CARRIED_FROM {
            continue;
        }
        if number == 2 {
            let key = attribute(value)?;
            if keys[..key_count].contains(&key) {
                return Err(MessageError::invalid(
                    "attributes",
                    format!("the key `{}` is given twice", key.escape_debug()),
                ));
            }
            let Some(slot) = keys.get_mut(key_count) else {
                return Err(MessageError::invalid("attributes", "at most 64"));
            };
            (*slot, key_count) = (key, key_count + 1);
            continue;
        }
        field(number, value, &mut head, &mut seen)?;
    }
    Ok(head)
}

/// Checks one field that is not an attribute.
fn field<'a>(number: u64, value: Value<'a>, head: &mut Head<'a>, seen: &mut u64) -> Result<(), MessageError> {
    let name = name_of(number).ok_or_else(|| MessageError::not_supported(format!("field {number}")))?;
    // A field given twice is refused: readers could disagree about which one counts.
    if *seen & (1 << number) != 0 {
        return Err(MessageError::invalid(name, "is given twice"));
    }
    *seen |= 1 << number;
    match value {
        Value::Bytes(_) if number == 1 => Ok(()),
        Value::Bytes(bytes) => string(number, name, bytes, head),
        Value::Number(ttl_ms) if number == 8 => {
            if ttl_ms > TTL_MS_MAX {
                return Err(MessageError::invalid(name, format!("must be from 0 to {TTL_MS_MAX}")));
            }
            head.ttl_ms = ttl_ms;
            Ok(())
        }
        // The other numbers are not honoured yet; 0 is the default and asks for nothing, but for a delay.
        Value::Number(0) if number == 7 => Ok(()),
        Value::Number(_) if NUMBERS.iter().any(|(known, _)| *known == number) => Err(MessageError::not_supported(name)),
        Value::Number(_) | Value::Fixed => Err(MessageError::invalid(name, "has the wrong wire type")),
    }
}

fn string<'a>(number: u64, name: &str, bytes: &'a [u8], head: &mut Head<'a>) -> Result<(), MessageError> {
    let Some((_, _, bytes_max)) = STRINGS.iter().find(|(known, _, _)| *known == number) else {
        return Err(MessageError::invalid(name, "has the wrong wire type"));
    };
    if bytes.len() > *bytes_max {
        let rule = format!("must be at most {bytes_max} bytes, and is {}", bytes.len());
        return Err(MessageError::invalid(name, rule));
    }
    let text = utf8(name, bytes)?;
    match number {
        3 => head.routing_key = text,
        4 => head.ordering_key = text,
        5 => head.message_id = text,
        _ => {}
    }
    Ok(())
}

fn name_of(number: u64) -> Option<&'static str> {
    if number == 1 {
        return Some("payload");
    }
    let string = STRINGS.iter().find(|(known, _, _)| *known == number).map(|(_, name, _)| *name);
    string.or_else(|| NUMBERS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name))
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, MessageError> {
    std::str::from_utf8(bytes).map_err(|_| MessageError::invalid(name, "must be valid UTF-8"))
}

/// Checks one entry of the map, and gives its key.
fn attribute(value: Value<'_>) -> Result<&str, MessageError> {
    let Value::Bytes(entry) = value else {
        return Err(MessageError::invalid("attributes", "has the wrong wire type"));
    };
    let [key, value] = entry_parts(entry)?;
    if !(1..=128).contains(&key.len()) {
        return Err(MessageError::invalid("attributes", "a key must be 1 to 128 bytes long"));
    }
    if value.len() > 1_024 {
        return Err(MessageError::invalid("attributes", "a value must be at most 1024 bytes long"));
    }
    Ok(key)
}

/// Key and value of one entry.
fn entry_parts(mut entry: &[u8]) -> Result<[&str; 2], MessageError> {
    let mut parts: [Option<&str>; 2] = [None, None];
    while !entry.is_empty() {
        let (number, value) = take_field(&mut entry)?;
        let (Value::Bytes(bytes), 1 | 2) = (value, number) else {
            return Err(MessageError::invalid("attributes", "an entry has only a key and a value"));
        };
        let part = &mut parts[number as usize - 1];
        if part.replace(utf8("attributes", bytes)?).is_some() {
            return Err(MessageError::invalid("attributes", "an entry gives its key or value twice"));
        }
    }
    Ok(parts.map(Option::unwrap_or_default))
}

fn take_field<'a>(input: &mut &'a [u8]) -> Result<(u64, Value<'a>), Malformed> {
    let tag = codec::take_varint(input)?;
    let number = tag >> 3;
    if number == 0 || tag > u64::from(u32::MAX) {
        return Err(Malformed("a field number is out of range"));
    }
    let value = match tag & 7 {
        0 => Value::Number(codec::take_varint(input)?),
        1 => codec::take(input, 8).map(|_| Value::Fixed)?,
        2 => Value::Bytes(codec::take_bytes(input)?),
        5 => codec::take(input, 4).map(|_| Value::Fixed)?,
        _ => return Err(Malformed("a wire type is unknown")),
    };
    Ok((number, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_field(number: u32, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        codec::put_varint(&mut out, u64::from(number << 3 | 2));
        codec::put_bytes(&mut out, bytes);
        out
    }

    fn number_field(number: u32, value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        codec::put_varint(&mut out, u64::from(number << 3));
        codec::put_varint(&mut out, value);
        out
    }

    fn entry(key: &str, value: &str) -> Vec<u8> {
        bytes_field(2, &[bytes_field(1, key.as_bytes()), bytes_field(2, value.as_bytes())].concat())
    }

    #[test]
    fn reads_fields_in_any_order_and_carries_high_numbers() {
        let message = [
            bytes_field(100, b"\xff\xfe"),
            bytes_field(4, b"key"),
            entry("a", "1"),
            bytes_field(3, b"eu.de"),
            entry("b", ""),
            number_field(64, 9),
            number_field(8, TTL_MS_MAX),
            bytes_field(1, b"body"),
            bytes_field(5, b"id"),
        ]
        .concat();
        let head = scan(&message, 1_000).unwrap();
        assert_eq!(head, Head { routing_key: "eu.de", ordering_key: "key", message_id: "id", ttl_ms: TTL_MS_MAX });
        assert_eq!((routing_key(&message), ordering_key(&message)), ("eu.de", &b"key"[..]));
        assert_eq!(ttl_ms(&message), TTL_MS_MAX);
    }

    #[test]
    fn names_the_field_and_the_kind_of_what_it_refuses() {
        use MessageErrorKind::{Invalid, NotSupported};
        let many: Vec<u8> = (0..65).flat_map(|n| entry(&n.to_string(), "")).collect();
        for (message, field, kind) in [
            (bytes_field(3, &[b'a'; 256]), "routing_key", Invalid),
            (bytes_field(6, b"\xff"), "content_type", Invalid),
            ([bytes_field(1, b"a"), bytes_field(1, b"b")].concat(), "payload", Invalid),
            ([entry("a", "1"), entry("a", "2")].concat(), "attributes", Invalid),
            (entry("", "1"), "attributes", Invalid),
            (entry("a", &"x".repeat(1_025)), "attributes", Invalid),
            (many, "attributes", Invalid),
            (number_field(3, 1), "routing_key", Invalid),
            (bytes_field(7, b""), "priority", Invalid),
            (number_field(7, 1), "priority", NotSupported),
            (number_field(8, TTL_MS_MAX + 1), "ttl_ms", Invalid),
            (number_field(8, u64::MAX), "ttl_ms", Invalid),
            (number_field(9, 0), "delay_ms", NotSupported),
            (number_field(10, 5), "deliver_at_ms", NotSupported),
            (number_field(13, 5), "field 13", NotSupported),
            (bytes_field(1, b"abc")[..3].to_vec(), "", Invalid),
        ] {
            let error = scan(&message, 100_000).unwrap_err();
            assert_eq!((error.field.as_str(), error.kind), (field, kind), "{error}");
        }
        assert_eq!(scan(&[0; 11], 10).unwrap_err().kind, MessageErrorKind::TooLarge);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = scan(&bytes, 1_000);
            let _ = (routing_key(&bytes), ordering_key(&bytes), ttl_ms(&bytes));
        }
    }
}
