//! Who may connect: places in all, and places for one address, so that one peer cannot take them all.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connections::Connection;

/// The places there are, and who has them. The lock is held for a look-up only.
#[derive(Debug)]
pub struct Places {
    max: usize,
    per_ip_max: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    by_ip: HashMap<IpAddr, u32>,
    connections: BTreeMap<u64, Arc<Connection>>,
    last_number: u64,
    /// Refused since the last report: because of the limit in all, and because of that for an address.
    refused: (u64, u64),
    refused_last: Option<IpAddr>,
}

/// One connection's place. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    ip: IpAddr,
    pub(super) connection: Arc<Connection>,
}

impl Places {
    /// So many places in all, and for one address.
    #[must_use]
    pub fn new(max: usize, per_ip_max: u32) -> Self {
        Self { max, per_ip_max, state: Mutex::default() }
    }

    /// How many are taken.
    pub fn open(&self) -> usize {
        self.lock().open
    }

    /// Up to `max` open connections behind this number, in order.
    pub fn after(&self, number: u64, max: usize) -> Vec<Arc<Connection>> {
        let state = self.lock();
        let rest = state.connections.range((Bound::Excluded(number), Bound::Unbounded));
        rest.map(|(_, connection)| connection.clone()).take(max).collect()
    }

    /// The connection of this number, while it is open.
    pub fn connection(&self, number: u64) -> Option<Arc<Connection>> {
        self.lock().connections.get(&number).cloned()
    }

    /// A place for a connection from `peer`; none: it is refused, and counted.
    pub(super) fn take(self: &Arc<Self>, peer: SocketAddr) -> Option<Place> {
        let ip = network(peer.ip());
        let mut state = self.lock();
        let State { open, by_ip, refused, connections, last_number, .. } = &mut *state;
        if *open >= self.max {
            refused.0 += 1;
        } else if by_ip.get(&ip).is_some_and(|held| *held >= self.per_ip_max) {
            refused.1 += 1;
        } else {
            *open += 1;
            *by_ip.entry(ip).or_default() += 1;
            *last_number += 1;
            let connection = Arc::new(Connection::new(*last_number, peer));
            connections.insert(*last_number, connection.clone());
            return Some(Place { places: self.clone(), ip, connection });
        }
        state.refused_last = Some(ip);
        None
    }

    /// True if connections were refused that have not been reported.
    pub(super) fn has_refused(&self) -> bool {
        self.lock().refused_last.is_some()
    }

    /// Logs how many were refused since the last report.
    pub(super) fn report(&self) {
        let (refused, last) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.refused), state.refused_last.take())
        };
        let Some(last) = last else { return };
        tracing::warn!(
            over_connections_max = refused.0,
            over_connections_per_ip_max = refused.1,
            %last,
            "connections were refused; the last one came from there"
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.open -= 1;
        state.connections.remove(&self.connection.number);
        if let Some(held) = state.by_ip.get_mut(&self.ip) {
            *held -= 1;
            if *held == 0 {
                state.by_ip.remove(&self.ip);
            }
        }
    }
}

/// What counts as one address: of IPv6 the first 64 bits, since a network of that size is what one peer is given.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    #[test]
    fn no_address_takes_more_than_its_share_and_all_no_more_than_there_are() {
        let places = Arc::new(Places::new(3, 2));
        let mut held: Vec<Place> = (0..2).filter_map(|_| places.take(ip("10.0.0.1"))).collect();
        assert!(places.take(ip("10.0.0.1")).is_none());
        held.extend(places.take(ip("10.0.0.2")));
        assert_eq!((held.len(), places.open()), (3, 3));
        assert!(places.take(ip("10.0.0.3")).is_none());
        assert_eq!(places.lock().refused, (1, 1));
        held.clear();
        assert_eq!(places.open(), 0);
        assert!(places.lock().by_ip.is_empty(), "an address that has gone takes no memory");
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_their_places() {
        let places = Arc::new(Places::new(9, 1));
        let _held = places.take(ip("2001:db8::1"));
        assert!(places.take(ip("2001:db8::ffff:2")).is_none());
        assert!(places.take(ip("2001:db8:0:1::1")).is_some());
        let _mapped = places.take(ip("::ffff:10.0.0.1"));
        assert!(places.take(ip("10.0.0.1")).is_none());
        assert!(places.take(ip("10.0.0.2")).is_some());
    }

    #[test]
    fn refusals_are_reported_once() {
        let places = Arc::new(Places::new(0, 1));
        assert!(!places.has_refused());
        assert!(places.take(ip("::1")).is_none() && places.has_refused());
        places.report();
        assert!(!places.has_refused());
    }
}
