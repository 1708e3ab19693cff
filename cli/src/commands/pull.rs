//! `ferrymq pull`.

use std::io::{self, Write as _};

use ferrymq_client::ack_ids;
use ferrymq_client::v1::pull_request::Source;
use ferrymq_client::v1::{Delivery, PullRequest};

use super::{Context, settle};
use crate::args::{PullArgs, SourceArgs};
use crate::failure::Failure;
use crate::format::{Form, Template};
use crate::{output, values};

/// Takes messages once and prints them.
pub async fn run(args: PullArgs, context: &Context) -> Result<(), Failure> {
    let form = match args.printing.form(context.json) {
        Some(form) => form,
        None => Form::Template(Template::parse("{ack_id} {payload}").map_err(Failure::other)?),
    };
    let acks = args.ack;
    let response = context.client.pull(request(args)).await?;
    if response.deliveries.is_empty() {
        output::note(&format!("nothing waits in `{}`", response.queue));
        return Ok(());
    }
    print(&response.deliveries, &form)?;
    if acks {
        return settle::all(ack_ids(&response.deliveries), &settle::How::Ack, context).await;
    }
    Ok(())
}

fn request(args: PullArgs) -> PullRequest {
    let SourceArgs { queue, topic, group, create } = args.source;
    PullRequest {
        source: queue.map(Source::Queue).or(topic.map(Source::Topic)),
        group: group.unwrap_or_default(),
        create_if_missing: create,
        max_messages: args.max,
        max_bytes: args.max_bytes.map_or(0, |bytes| i32::try_from(bytes).unwrap_or(i32::MAX)),
        wait: args.wait.map(values::wire),
        lease: args.lease.map(values::wire),
        consumer: format!("ferrymq pull {}", std::process::id()),
        ..PullRequest::default()
    }
}

fn print(deliveries: &[Delivery], form: &Form) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for delivery in deliveries {
        form.write(delivery, &mut out)?;
    }
    out.flush()
}
