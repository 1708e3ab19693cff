//! How a delivery is printed: as JSON, as its bytes, or by a template such as `{routing_key} {payload}`.

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ferrymq_client::DeliveryExt as _;
use ferrymq_client::v1::Delivery;

use crate::json;

/// What a template can name, beside `attributes.NAME`.
const FIELDS: [(&str, Field); 15] = [
    ("payload", Field::Payload),
    ("payload_base64", Field::PayloadBase64),
    ("routing_key", Field::RoutingKey),
    ("ordering_key", Field::OrderingKey),
    ("message_id", Field::MessageId),
    ("content_type", Field::ContentType),
    ("reply_to", Field::ReplyTo),
    ("correlation_id", Field::CorrelationId),
    ("priority", Field::Priority),
    ("attributes", Field::Attributes),
    ("ack_id", Field::AckId),
    ("topic", Field::Topic),
    ("position", Field::Position),
    ("publish_time", Field::PublishTime),
    ("attempt", Field::Attempt),
];

/// Text with fields in it. A line is ended after each delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Field(Field),
    Attribute(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Payload,
    PayloadBase64,
    RoutingKey,
    OrderingKey,
    MessageId,
    ContentType,
    ReplyTo,
    CorrelationId,
    Priority,
    Attributes,
    AckId,
    Topic,
    Position,
    PublishTime,
    Attempt,
}

/// An ack id as text, the same as in JSON.
pub fn ack_id(id: &[u8]) -> String {
    BASE64_STANDARD.encode(id)
}

/// What is printed of a delivery.
#[derive(Clone, Debug)]
pub enum Form {
    /// One JSON object on a line.
    Json,
    /// The bytes of the payload and nothing else, not even the end of a line.
    Raw,
    Template(Template),
}

impl Form {
    /// Writes one delivery.
    pub fn write(&self, delivery: &Delivery, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Json => writeln!(out, "{}", json::of("Delivery", &whole(delivery))),
            Self::Raw => out.write_all(&delivery.content().payload),
            Self::Template(template) => template.write(delivery, out),
        }
    }
}

impl Template {
    /// Reads a template: `{field}`, `{attributes.NAME}`, `{{` and `}}` for braces, and `\t`, `\n`, `\0`, `\\`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\\' => plain.push(escaped(rest.next())?),
                '{' | '}' if rest.next_if_eq(&c).is_some() => plain.push(c),
                '{' => {
                    let name: String = rest.by_ref().take_while(|c| *c != '}').collect();
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(field(&name)?);
                }
                '}' => return Err("a `}` without `{`; write `}}` for the character".to_owned()),
                c => plain.push(c),
            }
        }
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }

    fn write(&self, delivery: &Delivery, out: &mut impl Write) -> io::Result<()> {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.write_all(text.as_bytes())?,
                Part::Field(field) => write_field(*field, delivery, out)?,
                Part::Attribute(name) => {
                    let value = delivery.content().attributes.get(name);
                    out.write_all(value.map_or("", String::as_str).as_bytes())?;
                }
            }
        }
        out.write_all(b"\n")
    }
}

fn escaped(c: Option<char>) -> Result<char, String> {
    match c {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some('0') => Ok('\0'),
        Some('\\') => Ok('\\'),
        _ => Err("after `\\` comes n, t, 0 or `\\`".to_owned()),
    }
}

fn field(name: &str) -> Result<Part, String> {
    if let Some(attribute) = name.strip_prefix("attributes.") {
        return Ok(Part::Attribute(attribute.to_owned()));
    }
    let known = FIELDS.iter().find(|(known, _)| *known == name);
    known.map(|(_, field)| Part::Field(*field)).ok_or_else(|| {
        let names: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
        format!("no field `{name}`; there are {}, attributes.NAME", names.join(", "))
    })
}

fn write_field(field: Field, delivery: &Delivery, out: &mut impl Write) -> io::Result<()> {
    let message = delivery.content();
    let text = match field {
        Field::Payload => return out.write_all(&message.payload),
        Field::PayloadBase64 => BASE64_STANDARD.encode(&message.payload),
        Field::RoutingKey => return out.write_all(message.routing_key.as_bytes()),
        Field::OrderingKey => return out.write_all(message.ordering_key.as_bytes()),
        Field::MessageId => return out.write_all(message.message_id.as_bytes()),
        Field::ContentType => return out.write_all(message.content_type.as_bytes()),
        Field::ReplyTo => return out.write_all(message.reply_to.as_bytes()),
        Field::CorrelationId => return out.write_all(message.correlation_id.as_bytes()),
        Field::Topic => return out.write_all(delivery.topic.as_bytes()),
        Field::Priority => message.priority.to_string(),
        Field::Attributes => json::attributes(message),
        Field::AckId => ack_id(&delivery.ack_id),
        Field::Position => position(delivery),
        Field::PublishTime => time(delivery.publish_time_ms),
        Field::Attempt => delivery.attempt.to_string(),
    };
    out.write_all(text.as_bytes())
}

/// With its message: an empty one is not on the wire, and its line must not look like one that never was a delivery.
fn whole(delivery: &Delivery) -> Delivery {
    Delivery { message: Some(delivery.content().clone()), ..delivery.clone() }
}

/// `LOG:OFFSET`, as `--from` takes it.
pub fn position(delivery: &Delivery) -> String {
    let position = delivery.position.unwrap_or_default();
    format!("{}:{}", position.log, position.offset)
}

fn time(ms: i64) -> String {
    let nanos = i32::try_from(ms.rem_euclid(1000) * 1_000_000).unwrap_or(0);
    prost_types::Timestamp { seconds: ms.div_euclid(1000), nanos }.to_string()
}

#[cfg(test)]
mod tests {
    use ferrymq_client::v1::{Message, Position};

    use super::*;

    fn delivery() -> Delivery {
        let message = Message {
            payload: vec![b'x', 0xff].into(),
            attributes: [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into(),
            routing_key: "eu.de".into(),
            ..Message::default()
        };
        Delivery {
            message: Some(message),
            ack_id: vec![0xfb, 0xff].into(),
            position: Some(Position { log: 3, offset: 4 }),
            publish_time_ms: 1_795_176_000_250,
            attempt: 2,
            ..Delivery::default()
        }
    }

    fn printed(template: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Form::Template(Template::parse(template).unwrap()).write(&delivery(), &mut out).unwrap();
        out
    }

    #[test]
    fn fields_stand_for_their_values() {
        assert_eq!(printed("{routing_key} {payload}"), b"eu.de x\xff\n");
        assert_eq!(printed(r"{ack_id}\t{payload_base64}\n"), b"+/8=\teP8=\n\n");
        assert_eq!(printed("{position} {publish_time} {attempt}"), b"3:4 2026-11-20T12:00:00.250Z 2\n");
        assert_eq!(printed("{attributes} {attributes.a}{attributes.none}{topic}"), b"{\"a\":\"1\",\"b\":\"2\"} 1\n");
        assert_eq!(printed("{{{priority}}} \\\\"), b"{0} \\\n");
    }

    #[test]
    fn every_field_can_be_named() {
        for (name, _) in FIELDS {
            assert!(printed(&format!("{{{name}}}")).ends_with(b"\n"), "{name}");
        }
    }

    #[test]
    fn what_no_field_has_is_refused() {
        for bad in ["{key}", "{", "}", "{}", "\\", "\\x"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert!(Template::parse("{key}").is_err_and(|error| error.contains("routing_key")));
    }

    #[test]
    fn an_empty_message_is_one_in_json() {
        let mut out = Vec::new();
        Form::Json.write(&Delivery { attempt: 1, ..Delivery::default() }, &mut out).unwrap();
        assert_eq!(json::to_message(std::str::from_utf8(&out).unwrap()), Ok(Message::default()));
    }

    #[test]
    fn raw_is_the_payload_alone() {
        let mut out = Vec::new();
        Form::Raw.write(&delivery(), &mut out).unwrap();
        assert_eq!(out, [b'x', 0xff]);
    }
}
