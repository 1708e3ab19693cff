//! Consume: deliveries as fast as the consumer's window lets them come, its settlements answered at once.

use ferrymq_proto::server as wire;
use ferrymq_proto::server::settlement::Action;
use ferrymq_proto::server::subscribe_request::Source;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::deliveries::Deliveries;
use super::statuses;
use crate::bench::load::BATCH_MESSAGES;

/// As the broker's defaults.
const PREFETCH: i32 = 256;
const PREFETCH_BYTES: i64 = 8 << 20;
/// Results that wait to be sent; above, nothing more is read.
const RESULTS_MAX: usize = 1_024;

/// Serves one stream until the client has ended its side and has all its results.
pub(super) async fn consume(
    mut requests: Streaming<wire::ConsumeRequest>,
    out: &mpsc::Sender<Result<wire::ConsumeResponse, Status>>,
) -> Result<(), Status> {
    let mut first = requests.message().await?.unwrap_or_default();
    let open = first.open.take().ok_or_else(|| Status::invalid_argument("open"))?;
    let mut consumer = Consumer::new(&open)?;
    // The client may be gone at any time: then nobody wants to know.
    let _ = out.send(Ok(consumer.opened())).await;
    consumer.take(first);
    let mut is_open = true;
    while is_open || !consumer.results.is_empty() {
        let has_more = !consumer.results.is_empty() || is_open && consumer.room() > 0;
        tokio::select! {
            request = requests.message(), if is_open && consumer.results.len() < RESULTS_MAX => match request? {
                Some(request) => consumer.take(request),
                None => is_open = false,
            },
            place = out.reserve(), if has_more => match place {
                Ok(place) => place.send(Ok(consumer.next(is_open))),
                Err(_) => return Ok(()),
            },
        }
    }
    Ok(())
}

/// Who gets deliveries, and what it holds.
struct Consumer {
    deliveries: Deliveries,
    unsettled: u64,
    prefetch: u64,
    prefetch_bytes: u64,
    is_draining: bool,
    results: Vec<wire::SettlementResult>,
}

impl Consumer {
    fn new(open: &wire::SubscribeRequest) -> Result<Self, Status> {
        let Some(Source::Queue(queue)) = &open.source else { return Err(Status::invalid_argument("queue")) };
        let mut consumer = Self {
            deliveries: Deliveries::of(queue),
            unsettled: 0,
            prefetch: 0,
            prefetch_bytes: 0,
            is_draining: false,
            results: Vec::new(),
        };
        consumer.resize(wire::Prefetch {
            messages: if open.prefetch == 0 { PREFETCH } else { open.prefetch },
            bytes: if open.prefetch_bytes == 0 { PREFETCH_BYTES } else { open.prefetch_bytes },
        });
        Ok(consumer)
    }

    fn opened(&self) -> wire::ConsumeResponse {
        let opened = wire::Opened {
            prefetch: i32::try_from(self.prefetch).unwrap_or(i32::MAX),
            prefetch_bytes: i64::try_from(self.prefetch_bytes).unwrap_or(i64::MAX),
            ..wire::Opened::default()
        };
        wire::ConsumeResponse { opened: Some(opened), ..wire::ConsumeResponse::default() }
    }

    fn resize(&mut self, window: wire::Prefetch) {
        self.prefetch = u64::try_from(window.messages).unwrap_or(0);
        if window.bytes > 0 {
            self.prefetch_bytes = window.bytes.unsigned_abs();
        }
    }

    fn take(&mut self, request: wire::ConsumeRequest) {
        self.is_draining |= request.drain;
        if let Some(window) = request.prefetch {
            self.resize(window);
        }
        request.settlements.into_iter().for_each(|settlement| self.settle(settlement));
    }

    fn settle(&mut self, settlement: wire::Settlement) {
        let (ids, ended) = match settlement.action {
            Some(Action::Ack(ack)) => (ack.ack_ids.len(), ack.ack_ids.len()),
            Some(Action::Nack(nack)) => (nack.ack_ids.len(), nack.ack_ids.len()),
            Some(Action::Extend(extend)) => (extend.ack_ids.len(), 0),
            None => (0, 0),
        };
        self.unsettled = self.unsettled.saturating_sub(ended as u64);
        if settlement.id != 0 {
            self.results.push(wire::SettlementResult { id: settlement.id, statuses: statuses(ids) });
        }
    }

    /// How many more it may hold. One message always passes, however large.
    fn room(&self) -> u64 {
        if self.is_draining {
            return 0;
        }
        let in_bytes = (self.prefetch_bytes / self.deliveries.message_bytes()).max(1);
        self.prefetch.min(in_bytes).saturating_sub(self.unsettled)
    }

    fn next(&mut self, delivers: bool) -> wire::ConsumeResponse {
        let count = if delivers { self.room().min(BATCH_MESSAGES as u64) } else { 0 };
        self.unsettled += count;
        wire::ConsumeResponse {
            deliveries: self.deliveries.next(count as usize),
            settled: std::mem::take(&mut self.results),
            ..wire::ConsumeResponse::default()
        }
    }
}
