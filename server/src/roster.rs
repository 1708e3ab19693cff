//! Who consumes: every stream of deliveries that is open, by the id that its client was told.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::queue::QueueHandle;

/// Where a consumer's deliveries come from.
#[derive(Clone)]
pub enum From {
    /// A queue, by name, and the consumer's number there.
    Queue(String, QueueHandle, u64),
    /// A topic itself.
    Topic(String),
}

/// One stream that consumes.
#[derive(Clone)]
pub struct Member {
    /// As in `Opened.consumer_id`.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// Where its deliveries come from.
    pub from: From,
    /// Its connection's id.
    pub connection: String,
    /// Since when.
    pub start_time: SystemTime,
}

/// All of them. The lock is held for a look-up only.
#[derive(Default)]
pub struct Roster {
    members: Mutex<BTreeMap<String, Arc<Member>>>,
    broadcasts: AtomicU64,
}

/// A member while its stream lives.
pub struct Joined {
    roster: Arc<Roster>,
    member: Arc<Member>,
}

impl Roster {
    /// An id for the next broadcast.
    pub fn broadcast_id(&self) -> String {
        format!("b-{:x}", self.broadcasts.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Until what is returned is dropped. Who comes back under its id takes its place.
    pub fn join(self: &Arc<Self>, member: Member) -> Joined {
        let member = Arc::new(member);
        self.lock().insert(member.id.clone(), member.clone());
        Joined { roster: self.clone(), member }
    }

    /// Up to `max` behind the id `after`, by id; of one queue, if it is named.
    pub fn after(&self, after: &str, queue: &str, max: usize) -> Vec<Arc<Member>> {
        let of_queue = |member: &Arc<Member>| match &member.from {
            From::Queue(name, ..) => queue.is_empty() || name == queue,
            From::Topic(_) => queue.is_empty(),
        };
        let members = self.lock();
        let rest = members.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        rest.map(|(_, member)| member).filter(|member| of_queue(member)).take(max).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut members = self.roster.lock();
        if members.get(&self.member.id).is_some_and(|member| Arc::ptr_eq(member, &self.member)) {
            members.remove(&self.member.id);
        }
    }
}
