//! What the catalogue keeps in the store, each under a key of its own.
//!
//! | key | value |
//! |---|---|
//! | `t/NAME` | [`TopicRecord`] |
//! | `q/NAME` | [`QueueRecord`] |
//! | `b/ID` (big-endian) | [`BindingRecord`] |
//! | `s/NAME` | [`SnapshotRecord`] |
//! | `m/next` | the next free number for logs, queues and bindings |
//! | `m/broker`, `m/mac`, `m/epoch` | see `identity.rs` |

use bytes::Bytes;
use ferrymq_core::{LogId, Offset};
use ferrymq_proto::server as pb;

/// A topic.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TopicRecord {
    /// With every default filled in.
    #[prost(message, required, tag = "1")]
    pub settings: pb::Topic,
    /// Its log.
    #[prost(uint64, tag = "2")]
    pub log: u64,
}

/// A queue.
#[derive(Clone, PartialEq, prost::Message)]
pub struct QueueRecord {
    /// With every default filled in.
    #[prost(message, required, tag = "1")]
    pub settings: pb::Queue,
    /// Its number: never used again.
    #[prost(uint64, tag = "2")]
    pub id: u64,
    /// Its inbox log.
    #[prost(uint64, tag = "3")]
    pub inbox: u64,
    /// The dead-letter queue of another queue: no limit of attempts, and no dead-letter queue of its own.
    #[prost(bool, tag = "4")]
    pub is_dlq: bool,
    /// How often it was changed since it was made.
    #[prost(uint64, tag = "5")]
    pub changes: u64,
}

impl QueueRecord {
    /// Changes with every change: the uid, and behind it the number of changes if there were any.
    pub fn etag(&self) -> String {
        let uid = &self.settings.uid;
        if self.changes == 0 { uid.clone() } else { format!("{uid}-{}", self.changes) }
    }
}

/// A binding, alive or ended. An ended one stays until its queue has passed what had matched.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BindingRecord {
    /// As it was made.
    #[prost(message, required, tag = "1")]
    pub settings: pb::Binding,
    /// Its number.
    #[prost(uint64, tag = "2")]
    pub id: u64,
    /// The queue it goes to; [`NO_QUEUE`] if it goes to a topic.
    #[prost(uint64, tag = "3")]
    pub queue: u64,
    /// The topic's log.
    #[prost(uint64, tag = "4")]
    pub log: u64,
    /// The first offset it holds for.
    #[prost(uint64, tag = "5")]
    pub from: Offset,
    /// The first offset it holds for no more.
    #[prost(uint64, optional, tag = "6")]
    pub to: Option<Offset>,
    /// Of a path, the bindings that it is made of: from topic to topic, and the last one to the queue. See `paths.rs`.
    #[prost(uint64, repeated, tag = "7")]
    pub via: Vec<u64>,
    /// The conditions on the way, beside those of the last binding.
    #[prost(message, repeated, tag = "8")]
    pub through: Vec<Step>,
}

/// The conditions of one topic-to-topic binding.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Step {
    /// A pattern; empty: everything.
    #[prost(string, tag = "1")]
    pub pattern: String,
    /// A filter; empty: everything.
    #[prost(string, tag = "2")]
    pub filter: String,
}

/// The queue number of a binding from topic to topic.
pub const NO_QUEUE: u64 = 0;

impl BindingRecord {
    /// The log it reads.
    pub fn log_id(&self) -> LogId {
        LogId(self.log)
    }

    /// True until it is deleted.
    pub fn is_alive(&self) -> bool {
        self.to.is_none()
    }

    /// True if it leads to a topic: it is read by nobody, and ends at once.
    pub fn is_link(&self) -> bool {
        self.queue == NO_QUEUE
    }

    /// The topic that it leads to.
    pub fn to_topic(&self) -> Option<&str> {
        match &self.settings.target {
            Some(pb::binding::Target::ToTopic(topic)) => Some(topic),
            _ => None,
        }
    }

    /// True if the broker made it out of others: no user sees it.
    pub fn is_path(&self) -> bool {
        !self.via.is_empty()
    }
}

/// A snapshot of a queue's progress.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotRecord {
    /// As it was taken.
    #[prost(message, required, tag = "1")]
    pub settings: pb::Snapshot,
    /// The queue's number.
    #[prost(uint64, tag = "2")]
    pub queue: u64,
    /// When it ends, in milliseconds since 1970.
    #[prost(uint64, tag = "3")]
    pub expire_ms: u64,
    /// Where its cursors stood.
    #[prost(message, repeated, tag = "4")]
    pub cursors: Vec<SnapshotCursor>,
}

/// Where one cursor stood.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotCursor {
    /// The log.
    #[prost(uint64, tag = "1")]
    pub log: u64,
    /// All below was settled.
    #[prost(uint64, tag = "2")]
    pub floor: Offset,
    /// The settled ranges above it: first offset and the one after the last, in turn.
    #[prost(uint64, repeated, tag = "3")]
    pub settled: Vec<Offset>,
}

impl SnapshotCursor {
    /// The settled ranges above the floor.
    pub fn settled_ranges(&self) -> Vec<(Offset, Offset)> {
        self.settled.chunks_exact(2).map(|range| (range[0], range[1])).collect()
    }
}

/// The key of a snapshot.
pub fn snapshot_key(name: &str) -> Bytes {
    Bytes::from([b"s/", name.as_bytes()].concat())
}

/// The key of a topic.
pub fn topic_key(name: &str) -> Bytes {
    Bytes::from([b"t/", name.as_bytes()].concat())
}

/// The key of a queue.
pub fn queue_key(name: &str) -> Bytes {
    Bytes::from([b"q/", name.as_bytes()].concat())
}

/// The key of a binding.
pub fn binding_key(id: u64) -> Bytes {
    Bytes::from([b"b/".as_slice(), &id.to_be_bytes()].concat())
}

/// The key of the next free number.
pub const NEXT_KEY: &[u8] = b"m/next";
