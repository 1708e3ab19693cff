//! What filters read of a message, taken from its bytes without decoding it.

use std::cell::OnceCell;

use super::{JSON_BYTES_MAX, json};
use crate::message::{self, Part};

/// A message that was checked when it was published, as filters see it. Made once for all filters that it is tried on: whether
/// its payload is JSON is found out at most once.
#[derive(Debug)]
pub struct MessageView<'a> {
    bytes: &'a [u8],
    payload: &'a [u8],
    pub(super) routing_key: &'a str,
    pub(super) ordering_key: &'a str,
    pub(super) content_type: &'a str,
    pub(super) priority: i64,
    /// That it is JSON (the document's bytes within the payload), once somebody has asked. A place and no slice, so that a view
    /// may be lent for a shorter time.
    json: OnceCell<Option<std::ops::Range<usize>>>,
}

impl<'a> MessageView<'a> {
    /// A view of an encoded message.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut view = Self {
            bytes,
            payload: &[],
            routing_key: "",
            ordering_key: "",
            content_type: "",
            priority: 0,
            json: OnceCell::new(),
        };
        for part in message::parts(bytes) {
            match part {
                Part::Payload(payload) => view.payload = payload,
                Part::RoutingKey(text) => view.routing_key = text,
                Part::OrderingKey(text) => view.ordering_key = text,
                Part::ContentType(text) => view.content_type = text,
                Part::Priority(number) => view.priority = number,
                Part::Attribute(..) => {}
            }
        }
        view
    }

    /// What bindings' patterns are matched against.
    #[must_use]
    pub fn routing_key(&self) -> &'a str {
        self.routing_key
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        message::parts(self.bytes).filter_map(|part| match part {
            Part::Attribute(key, value) => Some((key, value)),
            _ => None,
        })
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The payload, if it says that it is JSON and is.
    pub(super) fn json(&self) -> Option<&'a str> {
        let place = self.json.get_or_init(|| {
            let fits = self.payload.len() <= JSON_BYTES_MAX && is_json(self.content_type);
            if fits { json::document(self.payload) } else { None }
        });
        // Checked as a whole before.
        place.clone().and_then(|place| self.payload.get(place)).and_then(|json| std::str::from_utf8(json).ok())
    }
}

/// `application/json`, or whatever ends in `+json`, with or without parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let suffix = essence.len().checked_sub("+json".len()).and_then(|at| essence.get(at..));
    essence.eq_ignore_ascii_case("application/json") || suffix.is_some_and(|end| end.eq_ignore_ascii_case("+json"))
}
