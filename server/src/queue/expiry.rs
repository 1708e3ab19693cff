//! When messages expire.

use ferrymq_core::Millis;
use ferrymq_core::batch::Batch;
use ferrymq_core::message;
use ferrymq_core::queue::NEVER;

/// When a message of a batch expires in a queue whose messages live for `queue_ttl_ms` unless they say otherwise; 0: without
/// end. Time runs from the batch's publish time. Messages are looked at only where some of the batch has something to say.
pub(super) fn expires(batch: &Batch, index: usize, queue_ttl_ms: u64) -> Millis {
    let own_ms = if batch.has_ttl() { message::ttl_ms(&batch.message(index)) } else { 0 };
    match if own_ms > 0 { own_ms } else { queue_ttl_ms } {
        0 => NEVER,
        ttl_ms => batch.publish_time_ms().saturating_add(ttl_ms),
    }
}
