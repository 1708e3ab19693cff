//! The state in sled: a second copy of the newest state image, which opens without reading frames.
//!
//! It is never trusted alone. sled 0.34 panics on damage, so each call is under `catch_unwind`; its `flush` does not reach
//! the disk, so its file is synced here; each value carries a CRC and the whole a digest. Whatever is wrong with it, it is
//! set aside and made anew: the frames are the truth.

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ferrymq_core::CommitNo;
use ferrymq_core::codec::{self, Malformed};

use super::items::{self, Item};
use super::state::State;

/// What a value holds at most: sled keeps larger ones in files that nobody syncs.
const CHUNK_BYTES: usize = 8 << 10;
const CACHE_BYTES: u64 = 16 << 20;
const SEGMENT_BYTES: usize = 8 << 20;
/// Changes handed over at once: readers are blocked meanwhile.
const BATCH_ITEMS: usize = 256;
const META_KEY: &[u8] = b"m";

/// Which state the directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    /// The last commit in it.
    pub includes: CommitNo,
    /// Hash of that commit's frame.
    pub hash: u32,
    /// Digest of the state.
    pub digest: u64,
}

/// The open directory.
pub(super) struct SledState {
    db: sled::Db,
    dir: PathBuf,
}

impl SledState {
    /// Opens the directory; what cannot be opened is set aside first.
    pub(super) fn open(dir: &Path) -> Result<Self, String> {
        guarded(|| Self::open_once(dir)).or_else(|error| {
            set_aside(dir, &error)?;
            guarded(|| Self::open_once(dir))
        })
    }

    fn open_once(dir: &Path) -> Result<Self, String> {
        let config = sled::Config::new().path(dir).segment_size(SEGMENT_BYTES).cache_capacity(CACHE_BYTES);
        let db = config.flush_every_ms(None).open().map_err(|error| error.to_string())?;
        Ok(Self { db, dir: dir.to_owned() })
    }

    /// The state it holds; none if it holds no whole one.
    pub(super) fn load(&self, stretch_bytes: u64) -> Result<Option<(Meta, State)>, String> {
        guarded(|| {
            let Some(meta) = self.db.get(META_KEY).map_err(|error| error.to_string())? else { return Ok(None) };
            let meta = decode_meta(checked(&meta)?).map_err(|what| what.to_string())?;
            let items = self.items()?;
            if items::digest(&items) != meta.digest {
                return Err("the state differs from its digest".to_owned());
            }
            let state = State::from_items(meta.includes, stretch_bytes, items).map_err(|what| what.to_string())?;
            Ok(Some((meta, state)))
        })
    }

    fn items(&self) -> Result<Vec<Item>, String> {
        let mut whole: BTreeMap<Bytes, Vec<(u16, Bytes)>> = BTreeMap::new();
        for pair in self.db.iter() {
            let (key, value) = pair.map_err(|error| error.to_string())?;
            if key == META_KEY {
                continue;
            }
            let (name, chunk) = key.split_last_chunk::<2>().ok_or("a key is too short")?;
            let chunks = whole.entry(Bytes::copy_from_slice(name)).or_default();
            chunks.push((u16::from_be_bytes(*chunk), Bytes::copy_from_slice(checked(&value)?)));
        }
        let joined = |chunks: Vec<(u16, Bytes)>| chunks.into_iter().flat_map(|(_, bytes)| bytes).collect::<Bytes>();
        Ok(whole.into_iter().map(|(key, chunks)| (key, joined(chunks))).collect())
    }

    /// Makes it hold `items` and nothing else, durably. Only what differs is written.
    pub(super) fn store(&self, meta: Meta, items: &[Item]) -> Result<(), String> {
        guarded(|| {
            let wanted: BTreeMap<Vec<u8>, Vec<u8>> = items.iter().flat_map(chunks).collect();
            self.db.remove(META_KEY).map_err(|error| error.to_string())?;
            self.sync()?;
            self.write_differences(wanted)?;
            self.db.insert(META_KEY, sealed(&encode_meta(meta))).map_err(|error| error.to_string())?;
            self.sync()
        })
    }

    fn write_differences(&self, mut wanted: BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), String> {
        let mut gone = Vec::new();
        for pair in self.db.iter() {
            let (key, value) = pair.map_err(|error| error.to_string())?;
            match wanted.get(key.as_ref()) {
                Some(same) if same.as_slice() == value.as_ref() => {
                    wanted.remove(key.as_ref());
                }
                Some(_) => {}
                None => gone.push(key),
            }
        }
        for keys in gone.chunks(BATCH_ITEMS) {
            let mut batch = sled::Batch::default();
            keys.iter().for_each(|key| batch.remove(key));
            self.db.apply_batch(batch).map_err(|error| error.to_string())?;
        }
        let pairs: Vec<_> = wanted.into_iter().collect();
        for pairs in pairs.chunks(BATCH_ITEMS) {
            let mut batch = sled::Batch::default();
            pairs.iter().for_each(|(key, value)| batch.insert(key.as_slice(), value.as_slice()));
            self.db.apply_batch(batch).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), String> {
        self.db.flush().map_err(|error| error.to_string())?;
        File::open(self.dir.join("db")).and_then(|file| file.sync_data()).map_err(|error| error.to_string())
    }

    /// Closes it, puts it aside because of `why`, and opens an empty one.
    pub(super) fn replace(self, why: &str) -> Result<Self, String> {
        let Self { db, dir } = self;
        guarded(|| {
            drop(db);
            Ok(())
        })?;
        set_aside(&dir, why)?;
        Self::open(&dir)
    }
}

/// Renames the directory, so that nothing is lost that somebody may want to look at.
fn set_aside(dir: &Path, why: &str) -> Result<(), String> {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    if !dir.exists() {
        return Ok(());
    }
    loop {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!(".aside-{}", NAMES.fetch_add(1, Ordering::Relaxed)));
        let aside = PathBuf::from(name);
        if !aside.exists() {
            tracing::warn!(dir = %dir.display(), aside = %aside.display(), why, "the state directory is set aside and made anew");
            return std::fs::rename(dir, aside).map_err(|error| error.to_string());
        }
    }
}

fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("sled panicked".to_owned()))
}

fn sealed(value: &[u8]) -> Vec<u8> {
    [crc32c::crc32c(value).to_le_bytes().as_slice(), value].concat()
}

fn checked(value: &[u8]) -> Result<&[u8], String> {
    let (crc, value) = value.split_first_chunk::<4>().ok_or("a value is too short")?;
    if crc32c::crc32c(value) == u32::from_le_bytes(*crc) { Ok(value) } else { Err("a value is damaged".to_owned()) }
}

/// An item as it is stored: its key and the chunk's number to the chunk.
fn chunks((key, value): &Item) -> Vec<(Vec<u8>, Vec<u8>)> {
    let count = value.len().div_ceil(CHUNK_BYTES).max(1);
    let chunk = |at: usize| {
        let bytes = &value[at * CHUNK_BYTES..value.len().min((at + 1) * CHUNK_BYTES)];
        ([key.as_ref(), &u16::try_from(at).unwrap_or(u16::MAX).to_be_bytes()].concat(), sealed(bytes))
    };
    (0..count).map(chunk).collect()
}

fn encode_meta(meta: Meta) -> Vec<u8> {
    let mut out = vec![1];
    for number in [meta.includes.0, meta.hash.into(), meta.digest] {
        codec::put_varint(&mut out, number);
    }
    out
}

fn decode_meta(mut input: &[u8]) -> Result<Meta, Malformed> {
    if codec::take(&mut input, 1)? != [1] {
        return Err(Malformed("the state directory is of an unknown version"));
    }
    let includes = CommitNo(codec::take_varint(&mut input)?);
    let hash = u32::try_from(codec::take_varint(&mut input)?).map_err(|_| Malformed("a hash is beyond 32 bits"))?;
    Ok(Meta { includes, hash, digest: codec::take_varint(&mut input)? })
}
