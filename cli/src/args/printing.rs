//! How messages are printed.

use clap::Args;

use crate::format::{Form, Template};

/// What is printed of each message. Not with --json.
#[derive(Debug, Args)]
pub struct Printing {
    /// Print each message like this, e.g. '{routing_key} {payload}'. Also: ordering_key, message_id, content_type, reply_to,
    /// correlation_id, priority, attributes, attributes.NAME, payload_base64, ack_id, topic, position, publish_time, attempt.
    #[arg(long, value_name = "TEMPLATE", value_parser = Template::parse, conflicts_with_all = ["raw", "json"])]
    pub format: Option<Template>,
    /// Print the bytes of payloads and nothing between them.
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
}

impl Printing {
    /// What was asked for, if anything was.
    pub fn form(&self, as_json: bool) -> Option<Form> {
        match &self.format {
            _ if as_json => Some(Form::Json),
            _ if self.raw => Some(Form::Raw),
            Some(template) => Some(Form::Template(template.clone())),
            None => None,
        }
    }
}
