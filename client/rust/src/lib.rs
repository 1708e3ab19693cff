//! The Rust client of the FerryMQ message broker.
//!
//! It is thin: generated types ([`v1`]) and stubs, with what every program needs around them. A [`Client`] spreads its calls
//! over a few connections; a [`Publisher`] pipelines batches and hands out a [`Confirm`] for each; a [`Subscriber`] is a stream
//! of deliveries, a [`Consumer`] one with the settlements on it; an [`Error`] carries what the broker said as data.
//!
//! ```no_run
//! use ferrymq_client::{Client, Destination, ack_ids, message, v1};
//!
//! # async fn example() -> Result<(), ferrymq_client::Error> {
//! let client = Client::connect("http://127.0.0.1:7171").await?;
//! client.create_topic(v1::Topic { name: "orders".into(), ..Default::default() }).await?;
//!
//! let mut subscriber = client.subscribe(ferrymq_client::group("orders", "billing")).await?;
//!
//! let publisher = client.publisher(Destination::Topic("orders".into()));
//! let confirm = publisher.publish(vec![message("hello")]).await?;
//! confirm.await?; // It is on disk.
//!
//! if let Some(deliveries) = subscriber.next_batch().await? {
//!     client.ack(ack_ids(&deliveries)).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The programs in `client/rust/examples` tell the best-known patterns, each in one file.

mod admin;
mod client;
mod consumer;
mod error;
mod message;
mod messaging;
mod operations;
pub mod point;
mod publisher;
mod subscriber;

pub use admin::binding;
pub use client::{Admin, Client, ClientBuilder, Messaging, Operations};
pub use consumer::{Consumer, Settled, Settler};
pub use error::{Error, FieldViolation};
pub use ferrymq_proto::v1;
pub use ferrymq_proto::v1::publish_request::Destination;
pub use message::{DeliveryExt, ack_ids, message};
pub use publisher::{Confirm, Publisher, PublisherOptions};
pub use subscriber::{Subscriber, broadcast, group, queue};
pub use tonic::Code;
