//! Writing index frames: the newest part of the index goes from memory into pages, and pages of which much is replaced or
//! trimmed are written anew.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use ferrymq_core::{LogId, Offset};

use super::append::Effect;
use super::body::{self, Kind};
use super::entry::{self, Entries};
use super::ledger::Ledger;
use super::log_index::{Loaded, LogState, Missing};
use super::state::State;
use super::{Inner, Store, StoreError, Writer};
use crate::frame_log::LogError;

/// About the batches whose places are in one index frame.
const FRAME_BATCHES: u64 = 32 << 10;
/// A page ends after batches of so many bytes, so that trimming in its middle leaves little that is not accounted for.
const SPAN_BYTES_MAX: u64 = 8 << 20;
/// A page is small if it has fewer than one of so many of the most: its neighbour takes it in.
const SMALL_PART: u32 = 4;
/// Newest batches of a log stay in memory if they are fewer than one of so many of a page's most: a reference to a page is
/// not smaller.
const FEW_PART: usize = 32;
/// A page is written anew when so much of it was trimmed: what is left is accounted for exactly then.
const TRIMMED_PART: f64 = 1.0 / 8.0;

/// The part of a log that begins in `from..upto`, to be put into pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub log: LogId,
    pub from: Offset,
    pub upto: Offset,
}

impl Store {
    /// Moves the newest part of the index into index frames if it is too large: beside the commits, or here if it grows
    /// faster than that.
    pub(super) async fn page_if_due(&self, (due, urgent): (bool, bool)) {
        if urgent {
            self.clone().page_newest().await;
        } else if due && !self.inner.paging_due.swap(true, Ordering::AcqRel) {
            self.beside(self.clone().page_newest()).await;
        }
    }

    async fn page_newest(self) {
        if let Err(error) = self.inner.write_newest().await {
            tracing::warn!(%error, "the newest part of the index stays in memory; it will be tried again");
        }
        self.inner.paging_due.store(false, Ordering::Release);
    }
}

impl Inner {
    /// Whether the newest part of the index is too large, and whether it is much too large.
    pub(super) fn is_paging_due(&self, writer: &Writer) -> (bool, bool) {
        let (bytes, due) = (self.state().ledger.newest_bytes(), writer.index_due_bytes);
        (bytes > due, bytes > due.saturating_add(3 * self.options.index_bytes_max as u64))
    }

    /// Moves half of the newest part of the index into index frames, from the logs that have most of it.
    async fn write_newest(&self) -> Result<(), StoreError> {
        let page_batches = self.options.index_page_batches;
        let bytes_max = self.options.index_bytes_max as u64;
        let parts = self.state().newest_parts(bytes_max / 2, page_batches);
        let written = self.write_parts(parts).await;
        // What could not be moved now does not ask for it with each commit.
        let mut writer = self.writer().await;
        let left = self.state().ledger.newest_bytes();
        writer.index_due_bytes = bytes_max.max(left.saturating_add(bytes_max / 2));
        written
    }

    /// Writes the pages anew of which much was trimmed.
    pub(super) async fn write_trimmed(&self) -> Result<(), StoreError> {
        let parts = self.state().logs.iter().filter_map(trimmed_part).collect();
        self.write_parts(parts).await
    }

    /// Puts these parts of the index into pages. One that changes meanwhile is left as it is.
    pub(super) async fn write_parts(&self, parts: Vec<Part>) -> Result<(), StoreError> {
        let (mut group, mut batches) = (Vec::new(), 0);
        for part in parts {
            batches += self.state().logs.get(&part.log).map_or(0, |log| batches_in(log, &part));
            group.push(part);
            if batches >= FRAME_BATCHES {
                self.write_group(std::mem::take(&mut group)).await?;
                batches = 0;
            }
        }
        self.write_group(group).await
    }

    async fn write_group(&self, parts: Vec<Part>) -> Result<(), StoreError> {
        let mut loaded = Loaded::default();
        for part in &parts {
            match self.ask(part.log, &mut loaded, |log, loaded| within(log, part, loaded)).await {
                Ok(_) | Err(StoreError::Log(LogError::NotThere(_))) => {}
                Err(error) => return Err(error),
            }
        }
        let mut writer = self.writer().await;
        let pages: Vec<_> = {
            let state = self.state();
            parts.iter().filter_map(|part| self.pages_of(&state, part, &loaded)).collect()
        };
        if pages.is_empty() {
            return Ok(());
        }
        let frame = Bytes::from(body::encode_pages(writer.image, &pages).concat());
        // What takes effect is what was written.
        let Kind::Pages(parts) = body::decode(&frame).map_err(|what| StoreError::Refused(what.0))?.kind else {
            return Ok(());
        };
        self.append(&mut writer, vec![vec![frame]], true, Effect::Pages(parts)).await?;
        self.counters.index_frames.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn pages_of(&self, state: &State, part: &Part, loaded: &Loaded) -> Option<(LogId, Offset, Offset, Vec<Bytes>)> {
        let entries = within(state.logs.get(&part.log)?, part, loaded).ok()??;
        let pages = split(entries, self.options.index_page_batches);
        let encoded = |page: Entries| Bytes::from(entry::encode(page.iter().map(|(base, entry)| (base, entry))));
        Some((part.log, part.from, part.upto, pages.into_iter().map(encoded).collect()))
    }
}

/// The batches in a part; none if one of them reaches beyond it.
pub(super) fn within(log: &LogState, part: &Part, loaded: &Loaded) -> Result<Option<Entries>, Missing> {
    let mut entries = Entries::new();
    let mut from = part.from;
    while from < part.upto {
        let Some((base, entry)) = log.next_from(from, loaded)?.filter(|(base, _)| *base < part.upto) else { break };
        from = entry.end(base);
        if base < part.from || from > part.upto {
            return Ok(None);
        }
        entries.push((base, entry));
    }
    Ok(Some(entries))
}

fn split(entries: Entries, page_batches: usize) -> Vec<Entries> {
    let mut pages: Vec<Entries> = Vec::new();
    let mut bytes = 0;
    for (base, entry) in entries {
        match pages.last_mut().filter(|page| page.len() < page_batches && bytes < SPAN_BYTES_MAX) {
            Some(page) => page.push((base, entry)),
            None => {
                bytes = 0;
                pages.push(vec![(base, entry)]);
            }
        }
        bytes += u64::from(entry.place.len);
    }
    pages
}

fn batches_in(log: &LogState, part: &Part) -> u64 {
    let paged: u64 = log.pages.range(part.from..part.upto).map(|(_, page)| u64::from(page.batches)).sum();
    paged + log.newest.range(part.from..part.upto).count() as u64
}

fn trimmed_part((log, state): (&LogId, &LogState)) -> Option<Part> {
    let (from, page, _) = state.trimmed_page().filter(|(.., part)| *part >= TRIMMED_PART)?;
    Some(Part { log: *log, from, upto: page.upto })
}

impl State {
    /// What goes into pages so that the newest part of the index takes no more than `keep_bytes`.
    fn newest_parts(&self, keep_bytes: u64, page_batches: usize) -> Vec<Part> {
        let few = (page_batches / FEW_PART).max(1);
        let mut logs: Vec<_> = self.logs.iter().filter(|(_, log)| log.newest.len() >= few).collect();
        logs.sort_by_key(|(_, log)| std::cmp::Reverse(log.newest.len()));
        let mut left = self.ledger.newest_bytes();
        let goes = logs.into_iter().take_while(|(_, log)| {
            let goes = left > keep_bytes;
            left = left.saturating_sub(Ledger::newest_bytes_of(log.newest.len() as u64));
            goes
        });
        goes.flat_map(|(id, log)| log.newest_parts(*id, page_batches)).collect()
    }
}

impl LogState {
    /// The parts that take all that is among the newest: pages that it hides something of, and what is in no page.
    fn newest_parts(&self, log: LogId, page_batches: usize) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let paged_upto = self.paged_upto();
        for base in self.newest.range(..paged_upto).map(|(base, _)| *base) {
            let is_taken = parts.last().is_some_and(|part| base < part.upto);
            if let Some((from, page)) = self.page_of(base).filter(|_| !is_taken) {
                self.push_part(&mut parts, Part { log, from, upto: page.upto }, page_batches);
            }
        }
        let tail: Vec<(Offset, Offset)> =
            self.newest.range(paged_upto..).map(|(b, entry)| (*b, entry.end(*b))).collect();
        for run in tail.chunks(FRAME_BATCHES as usize) {
            if let (Some((from, _)), Some((_, upto))) = (run.first(), run.last()) {
                self.push_part(&mut parts, Part { log, from: *from, upto: *upto }, page_batches);
            }
        }
        parts
    }

    /// Adds a part, with the small pages before it, so that pages do not become ever smaller.
    fn push_part(&self, parts: &mut Vec<Part>, part: Part, page_batches: usize) {
        let before = parts.last().map_or(0, |last| last.upto);
        let (mut from, mut batches) = (part.from, 0);
        while let Some((left, page)) = self.pages.range(before..from).next_back() {
            batches += page.batches as usize;
            if page.batches >= (page_batches as u32) / SMALL_PART || batches > page_batches {
                break;
            }
            from = *left;
        }
        parts.push(Part { from, ..part });
    }
}
