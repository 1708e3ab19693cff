//! A lane: what waits of one ordering key, and where it goes on.

use std::collections::VecDeque;

use super::Entry;
use super::machine::Place;

/// Bounds of what is parked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) each: usize,
    pub(super) all: usize,
}

/// The messages of one key, from the one that goes first. Mostly nothing waits behind that one: lanes are looked up for each
/// message, and have to take little memory for that to be fast.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// One of them is ready, with a consumer, or given back, or its end is not on disk yet.
    pub(super) is_busy: bool,
    pub(super) behind: Option<Box<Behind>>,
}

/// What waits behind the first message of a key.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// In order. Some may be settled meanwhile.
    pub(super) parked: VecDeque<Entry>,
    pub(super) far: Option<Far>,
}

static NOTHING: VecDeque<Entry> = VecDeque::new();

/// Where a lane goes on, on disk.
#[derive(Debug)]
pub(super) struct Far {
    /// What stands from here on is not in memory.
    pub(super) from: Place,
    /// The reading-again in which it had no more room: it takes nothing more from that one.
    pub(super) full_in: u64,
}

impl Lane {
    pub(super) fn parked(&self) -> &VecDeque<Entry> {
        self.behind.as_ref().map_or(&NOTHING, |behind| &behind.parked)
    }

    pub(super) fn far(&self) -> Option<&Far> {
        self.behind.as_ref()?.far.as_ref()
    }

    pub(super) fn behind_mut(&mut self) -> &mut Behind {
        self.behind.get_or_insert_default()
    }

    pub(super) fn has_room(&self, bounds: Bounds, parked: usize) -> bool {
        self.parked().is_empty() || (self.parked().len() < bounds.each && parked < bounds.all)
    }

    /// Where it wants to be read again: when its parked ones go to an end, and there is room for more.
    pub(super) fn hunger(&self, bounds: Bounds, parked: usize) -> Option<Place> {
        let Behind { parked: own, far } = self.behind.as_deref()?;
        let far = far.as_ref()?;
        let is_low = own.is_empty() || (own.len() <= bounds.each / 4 && parked < bounds.all);
        is_low.then_some(far.from)
    }

    /// True if what stands at `at` belongs before what is parked.
    pub(super) fn is_out_of_order(&self, at: Place) -> bool {
        let is_before = |other: Place| at < other;
        self.far().map(|far| far.from).is_some_and(is_before)
            || self.parked().back().map(Entry::place).is_some_and(is_before)
    }

    /// Forgets what is parked behind a place, to be read again from there; how many that were.
    pub(super) fn forget_from(&mut self, at: Place, again: u64) -> usize {
        let Behind { parked, far } = self.behind_mut();
        let before = parked.len();
        parked.retain(|entry| entry.place() < at);
        // The reading under way may be beyond it.
        *far = Some(Far { from: at, full_in: again });
        before - parked.len()
    }
}
