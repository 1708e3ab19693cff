//! What a commit is made of, and how it lies in a frame.
//!
//! A frame's body: version (u8 = 1), kind (u8), header length (u32, little-endian), header, bytes. The header of every
//! kind begins with the commit of the newest whole state image (varint; 0: none), so that the newest frame tells where a
//! recovery may begin. Batches lie behind the header in the order of their operations, so that one is read by itself.

use bytes::{BufMut as _, Bytes};
use ferrymq_core::codec::{self, Malformed};
use ferrymq_core::{CommitNo, LogId, Offset};

use super::entry::{self, Entries, Entry};

const VERSION: u8 = 1;
/// Bytes before the header.
const PREFIX: usize = 6;
/// Bytes of a frame of operations besides them, at most.
pub(super) const FRAME_BYTES: usize = PREFIX + 3 * 10;

/// An operation on the store: absolute, so that it may be applied twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Appends a batch at the end of a log.
    Append {
        /// The log.
        log: LogId,
        /// Offset of the first record: the log's end.
        base: Offset,
        /// Records in the batch.
        count: u32,
        /// The batch, opaque to the store.
        batch: Bytes,
    },
    /// Rewrites a batch in its place, or ends it. It keeps the commit number it was appended with.
    Replace {
        /// The log.
        log: LogId,
        /// Offset of the batch's first record.
        base: Offset,
        /// Records in the batch.
        count: u32,
        /// What is there from now on.
        batch: Option<Bytes>,
    },
    /// Forgets all of a log below `floor`. `Offset::MAX` ends the log for good.
    TrimTo {
        /// The log.
        log: LogId,
        /// The first offset that is kept.
        floor: Offset,
    },
    /// Sets a value.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// Removes a value.
    Delete {
        /// The key.
        key: Bytes,
    },
}

impl Op {
    /// Bytes that it takes in a frame, at most.
    pub(super) fn bytes_max(&self) -> usize {
        /// Numbers, lengths and checksums.
        const FIELDS_BYTES: usize = 80;
        FIELDS_BYTES
            + match self {
                Self::Append { batch, .. } | Self::Replace { batch: Some(batch), .. } => batch.len(),
                Self::Replace { batch: None, .. } | Self::TrimTo { .. } => 0,
                Self::Put { key, value } => key.len() + value.len(),
                Self::Delete { key } => key.len(),
            }
    }
}

/// Where a batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The frame.
    pub frame: CommitNo,
    /// Byte in the frame's body.
    pub at: u32,
    /// Bytes.
    pub len: u32,
    /// CRC32C of the batch.
    pub crc: u32,
}

/// An operation as the state applies it: batches by their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Append {
        log: LogId,
        base: Offset,
        count: u32,
        at: u32,
        len: u32,
        crc: u32,
    },
    Replace {
        log: LogId,
        base: Offset,
        count: u32,
        order: CommitNo,
        /// Frame and bytes of what is replaced: what is accounted for there.
        old: (CommitNo, u32),
        place: Option<(u32, u32, u32)>,
    },
    TrimTo {
        log: LogId,
        floor: Offset,
    },
    Put {
        key: Bytes,
        value: Bytes,
    },
    Delete {
        key: Bytes,
    },
}

/// Index pages for the part of a log that begins in `from..upto`: they take the place of all that said where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reindex {
    pub log: LogId,
    pub from: Offset,
    pub upto: Offset,
    /// Place in the frame (byte, length, CRC) of each page, and its batches.
    pub pages: Vec<(u32, u32, u32, Entries)>,
}

/// Which part of a commit a frame of operations is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Not the last one: without effect until that is there.
    Early,
    /// The last one, behind so many others. All of them are one commit, this one's.
    Last(u64),
}

/// What a frame is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Operations.
    Ops(Part, Vec<Change>),
    /// A part of a state image.
    Slice(Bytes),
    /// The end of a state image.
    Image(ImageEnd),
    /// The store was closed in order.
    Clean,
    /// Parts of the index.
    Pages(Vec<Reindex>),
    /// Empty: the log's own, where a new owner began.
    Epoch,
}

/// What ties the slices of a state image together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageEnd {
    /// The last commit whose effects are in it.
    pub includes: CommitNo,
    /// Hash of that commit's frame.
    pub hash: u32,
    /// Digest of the state.
    pub digest: u64,
    /// Its slices.
    pub slices: Vec<CommitNo>,
}

/// A frame's body, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    /// The newest whole state image when it was written.
    pub image: CommitNo,
    pub kind: Kind,
}

/// The parts of a frame of operations; batches are not copied. `replaced` tells what is replaced.
pub(super) fn encode(image: CommitNo, part: Part, ops: &[Op], replaced: impl Fn(LogId, Offset) -> Entry) -> Vec<Bytes> {
    let mut header = Vec::with_capacity(16 + ops.len() * 24);
    codec::put_varint(&mut header, image.0);
    if let Part::Last(before) = part {
        codec::put_varint(&mut header, before);
    }
    codec::put_varint(&mut header, ops.len() as u64);
    let mut batches = Vec::new();
    for op in ops {
        put_op(&mut header, op, &replaced, &mut batches);
    }
    let kind = match part {
        Part::Whole => 1,
        Part::Early => 6,
        Part::Last(_) => 7,
    };
    let mut parts = vec![with_prefix(kind, &header)];
    parts.append(&mut batches);
    parts
}

fn put_op(out: &mut Vec<u8>, op: &Op, replaced: &impl Fn(LogId, Offset) -> Entry, batches: &mut Vec<Bytes>) {
    match op {
        Op::Append { log, base, count, batch } => {
            put_batch(out, 1, [log.0, *base, (*count).into()], batch);
            batches.push(batch.clone());
        }
        Op::Replace { log, base, count, batch: Some(batch) } => {
            put_batch(out, 2, [log.0, *base, (*count).into()], batch);
            let old = replaced(*log, *base);
            [old.order.0, old.place.frame.0, old.place.len.into()].iter().for_each(|n| codec::put_varint(out, *n));
            batches.push(batch.clone());
        }
        Op::Replace { log, base, count, batch: None } => {
            let old = replaced(*log, *base).place;
            put_numbers(out, 3, &[log.0, *base, (*count).into(), old.frame.0, old.len.into()]);
        }
        Op::TrimTo { log, floor } => put_numbers(out, 4, &[log.0, *floor]),
        Op::Put { key, value } => {
            out.put_u8(5);
            codec::put_bytes(out, key);
            codec::put_bytes(out, value);
        }
        Op::Delete { key } => {
            out.put_u8(6);
            codec::put_bytes(out, key);
        }
    }
}

fn put_numbers(out: &mut Vec<u8>, tag: u8, numbers: &[u64]) {
    out.put_u8(tag);
    numbers.iter().for_each(|number| codec::put_varint(out, *number));
}

fn put_batch(out: &mut Vec<u8>, tag: u8, numbers: [u64; 3], batch: &[u8]) {
    put_numbers(out, tag, &numbers);
    codec::put_varint(out, batch.len() as u64);
    out.put_u32_le(crc32c::crc32c(batch));
}

fn with_prefix(kind: u8, header: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(PREFIX + header.len());
    out.extend_from_slice(&[VERSION, kind]);
    out.put_u32_le(u32::try_from(header.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(header);
    Bytes::from(out)
}

/// The parts of a slice of a state image.
pub(super) fn encode_slice(image: CommitNo, slice: Bytes) -> Vec<Bytes> {
    let mut header = Vec::new();
    codec::put_varint(&mut header, image.0);
    header.put_u32_le(crc32c::crc32c(&slice));
    vec![with_prefix(2, &header), slice]
}

/// The parts of the end of a state image.
pub(super) fn encode_image(image: CommitNo, end: &ImageEnd) -> Vec<Bytes> {
    let mut header = Vec::new();
    codec::put_varint(&mut header, image.0);
    for number in [end.includes.0, end.hash.into(), end.digest, end.slices.len() as u64] {
        codec::put_varint(&mut header, number);
    }
    end.slices.iter().for_each(|slice| codec::put_varint(&mut header, slice.0));
    vec![with_prefix(3, &header)]
}

/// The parts of a clean stop.
pub(super) fn encode_clean(image: CommitNo) -> Vec<Bytes> {
    let mut header = Vec::new();
    codec::put_varint(&mut header, image.0);
    vec![with_prefix(4, &header)]
}

/// The parts of a frame of index pages.
pub(super) fn encode_pages(image: CommitNo, parts: &[(LogId, Offset, Offset, Vec<Bytes>)]) -> Vec<Bytes> {
    let mut header = Vec::new();
    codec::put_varint(&mut header, image.0);
    codec::put_varint(&mut header, parts.len() as u64);
    for (log, from, upto, pages) in parts {
        [log.0, *from, *upto, pages.len() as u64].iter().for_each(|number| codec::put_varint(&mut header, *number));
        for page in pages {
            codec::put_varint(&mut header, page.len() as u64);
            header.put_u32_le(crc32c::crc32c(page));
        }
    }
    let pages = parts.iter().flat_map(|(.., pages)| pages.iter().cloned());
    std::iter::once(with_prefix(5, &header)).chain(pages).collect()
}

/// The changes in a frame of operations that was just encoded.
pub(super) fn changes(parts: &[Bytes]) -> Result<Vec<Change>, Malformed> {
    let Some(head) = parts.first() else { return Err(Malformed("a frame without a header")) };
    let mut header = head.get(PREFIX..).unwrap_or_default();
    codec::take_varint(&mut header)?;
    if head.get(1) == Some(&7) {
        codec::take_varint(&mut header)?;
    }
    take_ops(&mut header, head.len(), parts.iter().map(Bytes::len).sum())
}

/// Understands a frame's body.
pub(super) fn decode(body: &Bytes) -> Result<Body, Malformed> {
    if body.is_empty() {
        return Ok(Body { image: CommitNo(0), kind: Kind::Epoch });
    }
    let mut input: &[u8] = body;
    let prefix = codec::take(&mut input, PREFIX as u64)?;
    if prefix[0] != VERSION {
        return Err(Malformed("the frame is of an unknown version"));
    }
    let len = u32::from_le_bytes([prefix[2], prefix[3], prefix[4], prefix[5]]);
    let mut header = codec::take(&mut input, len.into())?;
    let image = CommitNo(codec::take_varint(&mut header)?);
    let (at, end) = (body.len() - input.len(), body.len());
    let kind = match prefix[1] {
        1 => Kind::Ops(Part::Whole, take_ops(&mut header, at, end)?),
        6 => Kind::Ops(Part::Early, take_ops(&mut header, at, end)?),
        7 => {
            let part = Part::Last(codec::take_varint(&mut header)?);
            Kind::Ops(part, take_ops(&mut header, at, end)?)
        }
        2 => {
            let crc = take_u32(&mut header)?;
            if crc32c::crc32c(input) != crc {
                return Err(Malformed("a slice of a state image is damaged"));
            }
            Kind::Slice(body.slice(at..))
        }
        3 => Kind::Image(take_image(&mut header)?),
        4 => Kind::Clean,
        5 => Kind::Pages(take_pages(&mut header, at, body)?),
        _ => return Err(Malformed("the frame is of an unknown kind")),
    };
    if header.is_empty() { Ok(Body { image, kind }) } else { Err(Malformed("the frame's header is too long")) }
}

fn take_u32(input: &mut &[u8]) -> Result<u32, Malformed> {
    let bytes = codec::take(input, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn take_small(input: &mut &[u8]) -> Result<u32, Malformed> {
    u32::try_from(codec::take_varint(input)?).map_err(|_| Malformed("a number is beyond 32 bits"))
}

fn take_image(header: &mut &[u8]) -> Result<ImageEnd, Malformed> {
    let includes = CommitNo(codec::take_varint(header)?);
    let hash = take_small(header)?;
    let digest = codec::take_varint(header)?;
    let mut slices = Vec::new();
    for _ in 0..codec::take_varint(header)? {
        slices.push(CommitNo(codec::take_varint(header)?));
    }
    Ok(ImageEnd { includes, hash, digest, slices })
}

/// Index pages that lie from `at` to the end of the body.
fn take_pages(header: &mut &[u8], mut at: usize, body: &[u8]) -> Result<Vec<Reindex>, Malformed> {
    let mut parts = Vec::new();
    for _ in 0..codec::take_varint(header)? {
        let log = LogId(codec::take_varint(header)?);
        let (from, upto) = (codec::take_varint(header)?, codec::take_varint(header)?);
        let mut pages = Vec::new();
        for _ in 0..codec::take_varint(header)? {
            pages.push(take_page(header, &mut at, body)?);
        }
        parts.push(Reindex { log, from, upto, pages });
    }
    if at == body.len() { Ok(parts) } else { Err(Malformed("the frame holds more than its pages")) }
}

fn take_page(header: &mut &[u8], at: &mut usize, body: &[u8]) -> Result<(u32, u32, u32, Entries), Malformed> {
    let (start, len, crc) = take_place(header, at, body.len())?;
    let page = &body[start as usize..start as usize + len as usize];
    if crc32c::crc32c(page) != crc {
        return Err(Malformed("an index page is damaged"));
    }
    Ok((start, len, crc, entry::decode(page)?))
}

/// Operations whose batches lie from `at` to `end` of the body.
fn take_ops(header: &mut &[u8], mut at: usize, end: usize) -> Result<Vec<Change>, Malformed> {
    let mut changes = Vec::new();
    for _ in 0..codec::take_varint(header)? {
        changes.push(take_op(header, &mut at, end)?);
    }
    if at == end { Ok(changes) } else { Err(Malformed("the frame holds more than its batches")) }
}

fn take_op(header: &mut &[u8], at: &mut usize, end: usize) -> Result<Change, Malformed> {
    let tag = codec::take(header, 1)?[0];
    let bytes = |header: &mut &[u8]| codec::take_bytes(header).map(Bytes::copy_from_slice);
    Ok(match tag {
        1..=3 => {
            let (log, base) = (LogId(codec::take_varint(header)?), codec::take_varint(header)?);
            let count = take_small(header)?;
            base.checked_add(count.into()).ok_or(Malformed("an offset is beyond 64 bits"))?;
            match tag {
                1 => {
                    let (at, len, crc) = take_place(header, at, end)?;
                    Change::Append { log, base, count, at, len, crc }
                }
                2 => {
                    let place = Some(take_place(header, at, end)?);
                    let order = CommitNo(codec::take_varint(header)?);
                    Change::Replace { log, base, count, order, old: take_old(header)?, place }
                }
                _ => Change::Replace { log, base, count, order: CommitNo(0), old: take_old(header)?, place: None },
            }
        }
        4 => Change::TrimTo { log: LogId(codec::take_varint(header)?), floor: codec::take_varint(header)? },
        5 => Change::Put { key: bytes(header)?, value: bytes(header)? },
        6 => Change::Delete { key: bytes(header)? },
        _ => return Err(Malformed("an operation is of an unknown kind")),
    })
}

fn take_old(header: &mut &[u8]) -> Result<(CommitNo, u32), Malformed> {
    Ok((CommitNo(codec::take_varint(header)?), take_small(header)?))
}

fn take_place(header: &mut &[u8], at: &mut usize, end: usize) -> Result<(u32, u32, u32), Malformed> {
    const BEYOND: Malformed = Malformed("a batch is beyond its frame");
    let len = take_small(header)?;
    let crc = take_u32(header)?;
    let start = *at;
    *at = start.checked_add(len as usize).filter(|after| *after <= end).ok_or(BEYOND)?;
    Ok((u32::try_from(start).map_err(|_| BEYOND)?, len, crc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn op() -> impl Strategy<Value = Op> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..30).prop_map(Bytes::from);
        let place = || (any::<u64>().prop_map(LogId), any::<u32>().prop_map(u64::from), any::<u32>());
        prop_oneof![
            (place(), bytes()).prop_map(|((log, base, count), batch)| Op::Append { log, base, count, batch }),
            (place(), prop::option::of(bytes())).prop_map(|((log, base, count), batch)| Op::Replace {
                log,
                base,
                count,
                batch
            }),
            (any::<u64>(), any::<u64>()).prop_map(|(log, floor)| Op::TrimTo { log: LogId(log), floor }),
            (bytes(), bytes()).prop_map(|(key, value)| Op::Put { key, value }),
            bytes().prop_map(|key| Op::Delete { key }),
        ]
    }

    fn back(change: Change, body: &Bytes) -> Op {
        let slice = |at: u32, len: u32, crc: u32| {
            let batch = body.slice(at as usize..(at + len) as usize);
            assert_eq!(crc32c::crc32c(&batch), crc);
            batch
        };
        match change {
            Change::Append { log, base, count, at, len, crc } => {
                Op::Append { log, base, count, batch: slice(at, len, crc) }
            }
            Change::Replace { log, base, count, place, .. } => {
                Op::Replace { log, base, count, batch: place.map(|(at, len, crc)| slice(at, len, crc)) }
            }
            Change::TrimTo { log, floor } => Op::TrimTo { log, floor },
            Change::Put { key, value } => Op::Put { key, value },
            Change::Delete { key } => Op::Delete { key },
        }
    }

    proptest! {
        #[test]
        fn operations_come_back(ops in prop::collection::vec(op(), 0..20), nth in 0usize..3) {
            let part = [Part::Whole, Part::Early, Part::Last(4)][nth];
            let parts = encode(CommitNo(9), part, &ops, |_, _| Entry::gone(3));
            let written = changes(&parts).unwrap();
            let body = Bytes::from(parts.concat());
            prop_assert!(body.len() <= ops.iter().map(Op::bytes_max).sum::<usize>() + FRAME_BYTES);
            let decoded = decode(&body).unwrap();
            prop_assert_eq!(decoded.image, CommitNo(9));
            let Kind::Ops(found, changes) = decoded.kind else { panic!("kind") };
            prop_assert_eq!((found, &changes), (part, &written));
            prop_assert_eq!(changes.into_iter().map(|change| back(change, &body)).collect::<Vec<_>>(), ops);
        }

        #[test]
        fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..9, len in 0u8..200) {
            for (at, byte) in [VERSION, kind, len, 0, 0, 0].into_iter().enumerate() {
                if let Some(slot) = bytes.get_mut(at) { *slot = byte; }
            }
            let _ = decode(&Bytes::from(bytes));
        }
    }

    #[test]
    fn the_other_kinds_come_back() {
        let end =
            ImageEnd { includes: CommitNo(7), hash: 8, digest: u64::MAX, slices: vec![CommitNo(9), CommitNo(11)] };
        let decoded = |parts: Vec<Bytes>| decode(&Bytes::from(parts.concat())).unwrap().kind;
        assert_eq!(decoded(encode_image(CommitNo(1), &end)), Kind::Image(end));
        assert_eq!(decoded(encode_clean(CommitNo(1))), Kind::Clean);
        let list = vec![(7, Entry::gone(2)), (9, Entry::gone(3))];
        let page = Bytes::from(entry::encode(list.iter().map(|(base, entry)| (base, entry))));
        let parts = encode_pages(CommitNo(1), &[(LogId(2), 7, 12, vec![page.clone()]), (LogId(3), 0, 9, Vec::new())]);
        let (at, len) = (parts[0].len() as u32, page.len() as u32);
        let pages = vec![(at, len, crc32c::crc32c(&page), list)];
        let whole = Reindex { log: LogId(2), from: 7, upto: 12, pages };
        let empty = Reindex { log: LogId(3), from: 0, upto: 9, pages: Vec::new() };
        assert_eq!(decoded(parts), Kind::Pages(vec![whole, empty]));
        let slice = Bytes::from_static(b"part");
        assert_eq!(decoded(encode_slice(CommitNo(1), slice.clone())), Kind::Slice(slice));
    }
}
