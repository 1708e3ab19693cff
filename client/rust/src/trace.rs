//! Trace context in attributes, as W3C names it (`traceparent`, `tracestate`), for programs with OpenTelemetry.

use std::collections::HashMap;

use ferrymq_proto::v1::Message;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::{Context, global};

/// The message with the current context, unless its program gave it one.
pub(crate) fn with_current(mut message: Message) -> Message {
    if !message.attributes.contains_key("traceparent") {
        global::get_text_map_propagator(|p| {
            p.inject_context(&Context::current(), &mut Attributes(&mut message.attributes))
        });
    }
    message
}

/// The context that a message brings.
pub fn context_of(message: &Message) -> Context {
    global::get_text_map_propagator(|p| p.extract(&Read(&message.attributes)))
}

struct Attributes<'a>(&'a mut HashMap<String, String>);

impl Injector for Attributes<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

struct Read<'a>(&'a HashMap<String, String>);

impl Extractor for Read<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}
