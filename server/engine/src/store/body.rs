//! How a commit lies in frames.
//!
//! A frame's body: version (u8 = 1), kind (u8), header length (u32, little-endian), header, bytes. The header of every
//! kind begins with the commit of the newest whole state image (varint; 0: none), so that the newest frame tells where a
//! recovery may begin. Batches lie behind the header in the order of their operations, so that one is read by itself.

use bytes::{BufMut as _, Bytes};
use ferrymq_core::codec::{self, Malformed};
use ferrymq_core::{CommitNo, LogId, Offset};

use super::entry::{self, Entries, Entry};
use super::op::{Change, Op, put_op, take_ops, take_place, take_small, take_u32};

const VERSION: u8 = 1;
/// Bytes before the header.
const PREFIX: usize = 6;
/// Bytes of a frame of operations besides them, at most.
pub(super) const FRAME_BYTES: usize = PREFIX + 3 * 10;

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
