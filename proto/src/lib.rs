//! The FerryMQ protocol, generated from `proto/ferrymq/v1`.
//!
//! [`v1`] has the plain types and client stubs. [`server`] has the same services as the broker implements them, with the
//! messages of the hot path bound to the structs of [`raw`], which leave each `Message` as the bytes it arrived in.

pub mod codec;
pub mod raw;

/// The types and client stubs of `ferrymq.v1`.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/client/ferrymq.v1.rs"));
}

/// The services of `ferrymq.v1` for the broker to implement. An RPC that is not implemented answers UNIMPLEMENTED.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod server {
    include!(concat!(env!("OUT_DIR"), "/server/ferrymq.v1.rs"));
}

/// The encoded `FileDescriptorSet` of all definitions, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// A plain name is a topic's.
impl From<&str> for v1::publish_request::Destination {
    fn from(topic: &str) -> Self {
        Self::Topic(topic.to_owned())
    }
}
