//! One life of the broker, between two starts.

/// Where the broker is, and how far the publisher may go before the kill.
#[derive(Clone, Debug)]
pub struct Life {
    /// `http://ip:port`.
    pub url: String,
    /// Records from here on are published in a later life.
    pub publish_upto: usize,
}
