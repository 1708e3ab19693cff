//! Who this broker is: made with the data directory, kept for good.

use bytes::Bytes;
use ferrymq_engine::store::{Op, Store, StoreError};

/// The broker's own facts.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Another value means another, or a wiped, broker.
    pub broker_id: String,
    /// The key under which ack ids are sealed.
    pub mac_key: [u8; 16],
    /// One more at every start: leases of an earlier one are gone.
    pub epoch: u64,
}

const BROKER: &[u8] = b"m/broker";
const MAC: &[u8] = b"m/mac";
const EPOCH: &[u8] = b"m/epoch";

impl Identity {
    /// Reads it, making what is missing, and begins a new epoch.
    pub async fn begin(store: &Store) -> Result<Self, StoreError> {
        let broker: [u8; 16] = bytes_of(store, BROKER).unwrap_or_else(random);
        let mac_key = bytes_of(store, MAC).unwrap_or_else(random);
        let epoch = bytes_of(store, EPOCH).map_or(0, u64::from_le_bytes) + 1;
        let ops = vec![put(BROKER, &broker), put(MAC, &mac_key), put(EPOCH, &epoch.to_le_bytes())];
        store.commit(ops, true).await?;
        let broker_id = broker.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { broker_id, mac_key, epoch })
    }
}

fn bytes_of<const N: usize>(store: &Store, key: &[u8]) -> Option<[u8; N]> {
    store.get(key).and_then(|value| value.as_ref().try_into().ok())
}

fn put(key: &'static [u8], value: &[u8]) -> Op {
    Op::Put { key: Bytes::from_static(key), value: Bytes::copy_from_slice(value) }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a source of random bytes");
    bytes
}
