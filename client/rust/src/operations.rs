//! Who is connected, and numbers as they change.

use std::time::Duration;

use ferrymq_proto::v1::{
    CloseConnectionRequest, Connection, Consumer, ListConnectionsRequest, ListConsumersRequest, WatchStatsRequest,
    WatchStatsResponse,
};
use tonic::Streaming;

use crate::admin::PAGE_SIZE;
use crate::{Client, Error};

impl Client {
    /// Everyone who consumes from `queue`, by id; empty means from any, broadcasts among them.
    pub async fn list_consumers(&self, queue: &str) -> Result<Vec<Consumer>, Error> {
        let mut stub = self.operations();
        let mut request =
            ListConsumersRequest { queue: queue.to_owned(), page_size: PAGE_SIZE, ..ListConsumersRequest::default() };
        let mut consumers = Vec::new();
        loop {
            let page = self.call(request.clone(), async |call| stub.list_consumers(call).await).await?;
            consumers.extend(page.consumers);
            if page.next_page_token.is_empty() {
                return Ok(consumers);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Every connection, by id; this client's own among them.
    pub async fn list_connections(&self) -> Result<Vec<Connection>, Error> {
        let mut stub = self.operations();
        let mut request = ListConnectionsRequest { page_size: PAGE_SIZE, ..ListConnectionsRequest::default() };
        let mut connections = Vec::new();
        loop {
            let page = self.call(request.clone(), async |call| stub.list_connections(call).await).await?;
            connections.extend(page.connections);
            if page.next_page_token.is_empty() {
                return Ok(connections);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Ends a connection: what its consumers hold goes back at once. `reason`, at most 255 bytes, is logged and told to them.
    pub async fn close_connection(&self, id: impl Into<String>, reason: impl Into<String>) -> Result<(), Error> {
        let request = CloseConnectionRequest { id: id.into(), reason: reason.into() };
        self.call(request, async |call| self.operations().close_connection(call).await).await.map(drop)
    }

    /// Numbers of the broker and of the topics and queues that are named: now, and again at each interval (100 ms to 1 h; the
    /// broker's default is 1 s).
    pub async fn watch_stats(
        &self,
        topics: Vec<String>,
        queues: Vec<String>,
        interval: Option<Duration>,
    ) -> Result<Streaming<WatchStatsResponse>, Error> {
        let interval = interval.and_then(|interval| prost_types::Duration::try_from(interval).ok());
        let request = WatchStatsRequest { topics, queues, interval };
        Ok(self.operations().watch_stats(request).await?.into_inner())
    }
}
