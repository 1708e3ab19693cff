#![doc = include_str!("../README.md")]
//!
//! # Beneath
//!
//! Generated types and stubs are in [`v1`], the bare streams in [`streams`].

mod admin;
mod answer;
mod backoff;
mod calls;
mod client;
mod consuming;
mod error;
mod message;
mod messaging;
mod observed;
mod operations;
pub mod point;
mod publisher;
mod pulled;
pub mod streams;
mod subscriber;
pub mod testing;
mod tls;
#[cfg(feature = "opentelemetry")]
pub mod trace;
mod worker;

pub use admin::binding;
pub use client::{Admin, Client, ClientBuilder, Messaging, Operations};
pub use error::{Error, FieldViolation};
pub use ferrymq_proto::v1;
pub use ferrymq_proto::v1::publish_request::Destination;
pub use message::{DeliveryExt, ack_ids, json, message, to_queue};
pub use observed::{Call, Transport};
pub use publisher::{Confirm, Publisher, PublisherOptions};
pub use subscriber::{Delivery, Received, Settler, Settling, Subscriber, broadcast, group, queue};
pub use tonic::Code;
pub use worker::{HandlerError, Worker};
