//! The gRPC surface: thin handlers over the broker.

mod admin;
mod at_most_once;
mod connected;
mod consume;
mod deliver;
mod messaging;
mod operations;
mod outlet;
mod pause;
mod peek;
mod publish;
mod response;
mod seek;
mod snapshots;
mod status;

use std::sync::Arc;

use ferrymq_proto::DESCRIPTORS;
use ferrymq_proto::server::admin_service_server::AdminServiceServer;
use ferrymq_proto::server::messaging_service_server::MessagingServiceServer;
use ferrymq_proto::server::operations_service_server::OperationsServiceServer;
use tonic::service::Routes;

use crate::broker::Broker;
use crate::error::Error;

/// Requests without payloads may be so large.
const SMALL_REQUEST_BYTES: usize = 1 << 20;
/// What a request may have beyond its messages.
const REQUEST_EXTRA_BYTES: usize = 64 << 10;
/// Largest answer: what a client may ask for with max_response_bytes.
const RESPONSE_BYTES_MAX: usize = 257 << 20;

/// Implements the services.
#[derive(Clone)]
pub(crate) struct Api {
    broker: Arc<Broker>,
}

/// All services but health.
///
/// # Errors
/// If the descriptors are not what reflection takes.
pub fn routes(broker: Arc<Broker>) -> Result<tonic::service::RoutesBuilder, tonic_reflection::server::Error> {
    let api = Api { broker: broker.clone() };
    let request_bytes = broker.limits.request_bytes_max + REQUEST_EXTRA_BYTES;
    let mut routes = Routes::builder();
    routes
        .add_service(
            MessagingServiceServer::new(api.clone())
                .max_decoding_message_size(request_bytes)
                .max_encoding_message_size(RESPONSE_BYTES_MAX),
        )
        .add_service(AdminServiceServer::new(api.clone()).max_decoding_message_size(SMALL_REQUEST_BYTES))
        .add_service(OperationsServiceServer::new(api).max_decoding_message_size(SMALL_REQUEST_BYTES))
        .add_service(
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .build_v1()?,
        );
    Ok(routes)
}

/// One page of named things. The token is the last name given out.
pub(crate) struct Paging {
    pub size: usize,
    pub after: String,
}

impl Paging {
    /// Checks page_size and page_token.
    pub fn new(page_size: i32, page_token: String) -> Result<Self, Error> {
        crate::catalogue::settings::non_negative("page_size", i64::from(page_size))?;
        let size = if page_size == 0 { 100 } else { page_size.min(1_000) as usize };
        Ok(Self { size, after: page_token })
    }

    /// The page of `all`, which is sorted by name, and the token of the next one.
    pub fn page<T>(&self, all: Vec<(Arc<str>, T)>) -> (Vec<T>, String) {
        let mut rest = all.into_iter().filter(|(name, _)| **name > *self.after).peekable();
        let (mut page, mut last) = (Vec::new(), String::new());
        while page.len() < self.size {
            let Some((name, item)) = rest.next() else { return (page, String::new()) };
            last = name.to_string();
            page.push(item);
        }
        (page, if rest.peek().is_some() { last } else { String::new() })
    }
}
