//! What the streams of deliveries are made of: `Subscribe` and `Consume` differ in their responses alone.

use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::server as pb;
use tokio::sync::watch;

/// A response of `Subscribe` or `Consume`.
pub(super) trait Response: Default + Send + 'static {
    /// The first one.
    fn opened(opened: pb::Opened) -> Self;
    /// All that was there has been sent.
    fn caught_up() -> Self;
    /// The deliveries in it.
    fn deliveries(&mut self) -> &mut Vec<RawDelivery>;
}

impl Response for pb::SubscribeResponse {
    fn opened(opened: pb::Opened) -> Self {
        Self { opened: Some(opened), ..Self::default() }
    }

    fn caught_up() -> Self {
        Self { caught_up: true, ..Self::default() }
    }

    fn deliveries(&mut self) -> &mut Vec<RawDelivery> {
        &mut self.deliveries
    }
}

impl Response for pb::ConsumeResponse {
    fn opened(opened: pb::Opened) -> Self {
        Self { opened: Some(opened), ..Self::default() }
    }

    fn caught_up() -> Self {
        Self { caught_up: true, ..Self::default() }
    }

    fn deliveries(&mut self) -> &mut Vec<RawDelivery> {
        &mut self.deliveries
    }
}

/// How far a stream's client wants deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// As they come.
    Open,
    /// No more; it still settles.
    Draining,
    /// It has ended its side.
    Over,
}

/// The phase of a stream, as its client tells it; on `Subscribe` there is nobody to tell.
#[derive(Clone, Default)]
pub(super) struct Phases(Option<watch::Receiver<Phase>>);

impl Phases {
    /// Follows what is sent.
    pub(super) fn follow(phases: watch::Receiver<Phase>) -> Self {
        Self(Some(phases))
    }

    /// The phase now.
    pub(super) fn now(&self) -> Phase {
        self.0.as_ref().map_or(Phase::Open, |phases| *phases.borrow())
    }

    /// Waits until the phase changes. A client that has gone changes nothing any more.
    pub(super) async fn change(&mut self) -> Phase {
        if let Some(phases) = &mut self.0
            && phases.changed().await.is_ok()
        {
            return *phases.borrow_and_update();
        }
        std::future::pending().await
    }
}
