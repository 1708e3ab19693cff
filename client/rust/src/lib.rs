//! The Rust client of the FerryMQ message broker.
//!
//! A [`Publisher`] batches and hands out a [`Confirm`] for each message; a [`Subscriber`] is a stream of [`Delivery`]s that are settled on
//! the same connection; both go on by themselves when the connection breaks. A [`Worker`] runs a handler for each delivery. An
//! [`Error`] carries what the broker said as data. Beneath are generated types and stubs ([`v1`]), and the bare [`streams`].
//!
//! ```no_run
//! use ferrymq_client::{Client, group, message};
//!
//! # async fn example() -> Result<(), ferrymq_client::Error> {
//! let client = Client::from_env().await?; // FERRYMQ_URL, else http://127.0.0.1:7171
//! let publisher = client.publisher("orders");
//! publisher.publish(message("hello")).await?.await?; // It is on disk.
//!
//! let mut subscriber = client.subscribe(group("orders", "billing")).await?;
//! while let Some(delivery) = subscriber.next().await {
//!     let delivery = delivery?;
//!     println!("{}", delivery.text());
//!     delivery.ack();
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A worker does the loop, the concurrency and the settling:
//!
//! ```no_run
//! # use ferrymq_client::{Client, HandlerError, queue};
//! # async fn example(client: Client) -> Result<(), ferrymq_client::Error> {
//! client
//!     .worker(queue("billing"))
//!     .concurrency(16)
//!     .run(|order| async move {
//!         let order: serde_json::Value = order.json().map_err(|e| HandlerError::reject(e.to_string()))?;
//!         println!("{order}");
//!         Ok(())
//!     })
//!     .await
//! # }
//! ```
//!
//! The programs in `client/rust/examples` tell the best-known patterns, each in one file.

mod admin;
mod backoff;
mod client;
mod error;
mod message;
mod messaging;
mod operations;
pub mod point;
mod publisher;
mod pulled;
pub mod streams;
mod subscriber;
pub mod testing;
#[cfg(feature = "opentelemetry")]
pub mod trace;
mod worker;

pub use admin::binding;
pub use client::{Admin, Client, ClientBuilder, Messaging, Operations};
pub use error::{Error, FieldViolation};
pub use ferrymq_proto::v1;
pub use ferrymq_proto::v1::publish_request::Destination;
pub use message::{DeliveryExt, ack_ids, json, message, to_queue};
pub use publisher::{Confirm, Publisher, PublisherOptions};
pub use subscriber::{Delivery, Received, Settler, Settling, Subscriber, broadcast, group, queue};
pub use tonic::Code;
pub use worker::{HandlerError, Worker};
