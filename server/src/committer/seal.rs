//! A group of changes while it is put together.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::settle::{self, SettleRecord};
use ferrymq_core::{LogId, Offset};
use ferrymq_engine::store::{Op, SETTLE_LOG, Store};

use super::gate::{Gate, Passage};
use super::{Append, Change};
use crate::depth::Load;

/// One group while it is put together: gives offsets, one append to the settle log for all.
pub(super) struct Seal<'a> {
    store: &'a Store,
    ends: HashMap<LogId, Offset>,
    ops: Vec<Op>,
    settles: Vec<SettleRecord>,
    turned: Turned,
}

/// Gates that a group has turned, and how they stood before.
pub(super) type Turned = Vec<(Arc<Gate>, Passage)>;

impl<'a> Seal<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, ends: HashMap::new(), ops: Vec::new(), settles: Vec::new(), turned: Vec::new() }
    }

    /// The first offset of each append. The appends stay in the change: a publish may have to be put into a later group.
    pub(super) fn add(&mut self, change: &mut Change) -> Vec<Offset> {
        let bases = change.appends.iter().map(|append| self.append(append)).collect();
        change.appends.iter().flat_map(|append| &append.loads).for_each(Load::add);
        self.settles.append(&mut change.settles);
        if let Some(settled) = change.settled.take() {
            settled.apply();
        }
        if let Some(at_ends) = change.at_ends.take() {
            let (ends, store) = (&mut self.ends, self.store);
            let ops = at_ends(&mut |log| *ends.entry(log).or_insert_with(|| store.end(log)));
            self.ops.extend(ops);
        }
        for (gate, to) in change.gates.drain(..) {
            self.turned.push((gate.clone(), gate.passage()));
            gate.turn(to);
        }
        bases
    }

    fn append(&mut self, append: &Append) -> Offset {
        self.push(append.gate.log(), append.count, append.batch.clone())
    }

    fn push(&mut self, log: LogId, count: u32, batch: Bytes) -> Offset {
        let end = self.ends.entry(log).or_insert_with(|| self.store.end(log));
        let base = *end;
        *end += u64::from(count);
        self.ops.push(Op::Append { log, base, count, batch });
        base
    }

    /// The operations, the logs whose readers have something to see, and the gates that were turned. Sorted by log, so that
    /// a log's batches lie together.
    pub(super) fn finish(mut self) -> (Vec<Op>, Vec<LogId>, Turned) {
        if !self.settles.is_empty() {
            let records = std::mem::take(&mut self.settles);
            let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
            self.push(SETTLE_LOG, count, settle::encode(&records));
        }
        self.ops.sort_by_key(|op| match op {
            Op::Append { log, .. } => *log,
            _ => LogId(0),
        });
        let grown = self.ops.iter().filter_map(|op| if let Op::Append { log, .. } = op { Some(*log) } else { None });
        let mut logs: Vec<LogId> = grown.collect();
        logs.dedup();
        logs.extend(self.turned.iter().map(|(gate, _)| gate.log()));
        (self.ops, logs, self.turned)
    }
}
