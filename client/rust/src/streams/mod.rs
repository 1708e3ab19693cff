//! The bare streams: one gRPC stream each, nothing done again. What [`Publisher`](crate::Publisher) and
//! [`Subscriber`](crate::Subscriber) are for is more comfortable; these are for who wants to see a stream end.

mod consume;
mod publish;
mod subscribe;

pub use consume::{ConsumeStream, Settled, Settler};
pub use publish::{BatchConfirm, PublishStream, PublishStreamOptions};
pub use subscribe::SubscribeStream;
