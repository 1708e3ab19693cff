//! Making and deleting topics.

use std::sync::Arc;

use ferrymq_proto::server as pb;
use prost::Message as _;

use super::bindings::target;
use super::{Task, check_etag, differing, put, stamp, uid};
use crate::catalogue::record::{BindingRecord, TopicRecord, topic_key};
use crate::catalogue::{Topic, settings};
use crate::error::Error;

impl Task {
    pub(super) async fn create_topic(&mut self, given: pb::Topic) -> Result<(pb::Topic, bool), Error> {
        let mut settings = settings::topic(given.clone())?;
        if let Some(topic) = self.catalogue.topics.get(settings.name.as_str()) {
            let there = &topic.record.settings;
            let differ = differing(&[
                ("labels", !given.labels.is_empty() && given.labels != there.labels),
                ("retention", given.retention.is_some() && settings.retention != there.retention),
                ("limits", given.limits.is_some() && settings.limits != there.limits),
                (
                    "alternate_topic",
                    !settings.alternate_topic.is_empty() && settings.alternate_topic != there.alternate_topic,
                ),
            ]);
            return match differ {
                None => Ok((there.clone(), false)),
                Some(fields) => Err(Error::settings_differ(&fields)),
            };
        }
        Self::check_count(self.catalogue.topics.len(), "topics")?;
        self.catalogue.check_alternates(&settings.name, &settings.alternate_topic)?;
        let log = self.take_id();
        settings.uid = uid(log);
        stamp(&mut settings.create_time, &mut settings.update_time);
        let record = TopicRecord { settings, log };
        let ops = vec![self.next_op(), put(topic_key(&record.settings.name), record.encode_to_vec().into())];
        self.commit(ops).await?;
        let settings = record.settings.clone();
        self.catalogue.route(record);
        Ok((settings, true))
    }

    pub(super) async fn delete_topic(&mut self, request: pb::DeleteTopicRequest) -> Result<bool, Error> {
        let topic = match self.catalogue.topic(&request.name) {
            Err(_) if request.allow_missing => return Ok(false),
            found => found?,
        };
        check_etag(&request.etag, &topic.record.settings.uid)?;
        let log = topic.log();
        let bindings = &self.catalogue.bindings;
        let there = bindings.over(log.0).chain(bindings.to_topic(&request.name)).map(|binding| binding.id);
        let bound: Vec<BindingRecord> = self.catalogue.with_paths(&there.collect());
        let is_alternate = |of: &&Arc<Topic>| of.record.settings.alternate_topic == request.name;
        let shown = bound.iter().filter(|binding| !binding.is_path());
        let mut used_by: Vec<String> = shown.map(|binding| used_by(binding, &request.name)).collect();
        let alternate_of = self.catalogue.with_alternate().filter(is_alternate);
        used_by.extend(alternate_of.map(|of| format!("alternate of {}", of.record.settings.name)));
        if !used_by.is_empty() && !request.force {
            return Err(Error::in_use(&format!("topic `{}`", request.name), &used_by.join(", ")));
        }
        self.end_bindings(bound, Some(&topic)).await?;
        Ok(true)
    }
}

/// Who uses a topic by a binding.
fn used_by(binding: &BindingRecord, topic: &str) -> String {
    match binding.to_topic() {
        Some(to) if to == topic => format!("topic {}", binding.settings.topic),
        Some(to) => format!("topic {to}"),
        None => target(&binding.settings).to_owned(),
    }
}
