//! A file system in memory, for tests: it records each call that changes something, makes chosen calls fail, and tells
//! what a disk may hold after a crash.
//!
//! Like a real one it promises little: what was written to a file is durable after a sync of that file, names are durable
//! after a sync of the directory, and all else may or may not be on disk, in any order.

mod crash;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::fs::{Fs, FsFile, Held, OpenMode, Site};
use crate::frame_log::LogError;

pub use crash::Fate;

/// A call that changed something, or tried to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// An empty file was made.
    Create {
        /// Its number.
        file: usize,
        /// Its name.
        path: PathBuf,
    },
    /// Bytes were written.
    Write {
        /// The file.
        file: usize,
        /// Where.
        at: u64,
        /// What.
        bytes: Bytes,
    },
    /// A file was synced.
    Sync {
        /// The file.
        file: usize,
    },
    /// The sync of a file failed: what was written since the last one may be lost, whatever a later sync says.
    FailedSync {
        /// The file.
        file: usize,
    },
    /// A file was renamed.
    Rename {
        /// The file.
        file: usize,
        /// Its name.
        from: PathBuf,
        /// Its new name.
        to: PathBuf,
    },
    /// A file was removed.
    Remove {
        /// The file.
        file: usize,
        /// Its name.
        path: PathBuf,
    },
    /// The directory was synced.
    SyncDir,
    /// It changed nothing, as it failed.
    Failed,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error of the device; a write leaves nothing behind.
    Io,
    /// No space left.
    NoSpace,
    /// A write leaves its first half behind, then the device fails. Any other call: an error of the device.
    Short,
    /// As `Short`, but it is the space that ends.
    ShortNoSpace,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Io, Self::NoSpace, Self::Short, Self::ShortNoSpace];

    fn error(self) -> io::Error {
        match self {
            Self::Io | Self::Short => io::Error::other("injected"),
            Self::NoSpace | Self::ShortNoSpace => io::ErrorKind::StorageFull.into(),
        }
    }
}

/// What is in the files and what they are called.
#[derive(Debug, Clone, Default)]
struct Disk {
    names: BTreeMap<PathBuf, usize>,
    files: BTreeMap<usize, Vec<u8>>,
}

impl Disk {
    fn write(&mut self, file: usize, at: u64, bytes: &[u8]) {
        let held = self.files.entry(file).or_default();
        let (from, to) = (at as usize, at as usize + bytes.len());
        held.resize(held.len().max(to), 0);
        held[from..to].copy_from_slice(bytes);
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(file)).map(|bytes| bytes.len() as u64).sum()
    }
}

#[derive(Debug)]
struct State {
    /// What was durable when this began.
    base: Disk,
    /// What a process sees.
    seen: Disk,
    calls: Vec<Call>,
    next_file: usize,
    capacity: u64,
    can_allocate: bool,
    /// Calls of any kind.
    trace: Vec<Site>,
    faults: BTreeMap<usize, Fault>,
    failed: BTreeSet<Site>,
}

/// The file system; clones share it.
#[derive(Debug, Clone)]
pub struct SimFs {
    state: Arc<Mutex<State>>,
    is_held: Arc<AtomicBool>,
}

impl Default for SimFs {
    fn default() -> Self {
        Self::of(Disk::default())
    }
}

impl SimFs {
    fn of(base: Disk) -> Self {
        let state = State {
            seen: base.clone(),
            next_file: base.files.keys().next_back().map_or(0, |last| last + 1),
            base,
            calls: Vec::new(),
            capacity: 1 << 40,
            can_allocate: true,
            trace: Vec::new(),
            faults: BTreeMap::new(),
            failed: BTreeSet::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), is_held: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls that changed something, so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many these are.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.state().calls.len()
    }

    /// Calls of any kind, so far: where they came from.
    #[must_use]
    pub fn trace(&self) -> Vec<Site> {
        self.state().trace.clone()
    }

    /// Makes the `nth` call (from 0) of any kind fail.
    pub fn inject(&self, nth: usize, fault: Fault) {
        self.state().faults.insert(nth, fault);
    }

    /// The sites whose calls were made to fail.
    #[must_use]
    pub fn failed(&self) -> BTreeSet<Site> {
        self.state().failed.clone()
    }

    /// Whether it can take the blocks of a file at once, as it can at first.
    pub fn set_can_allocate(&self, can: bool) {
        self.state().can_allocate = can;
    }

    /// How many bytes fit; 1 TiB at first.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// The names of all files.
    #[must_use]
    pub fn names(&self) -> Vec<PathBuf> {
        self.state().seen.names.keys().cloned().collect()
    }

    /// The bytes of a file; none if it is not there.
    #[must_use]
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.seen.names.get(path).and_then(|file| state.seen.files.get(file)).cloned()
    }

    /// Changes a file behind everybody's back, as a failing disk does. It must be one that was there from the start.
    pub fn damage(&self, path: &Path, mut change: impl FnMut(&mut Vec<u8>)) {
        let mut state = self.state();
        let Some(file) = state.seen.names.get(path).copied() else { return };
        let State { base, seen, .. } = &mut *state;
        for disk in [base, seen] {
            if let Some(bytes) = disk.files.get_mut(&file) {
                change(bytes);
            }
        }
    }
}

impl State {
    /// Counts a call; what is to go wrong with it.
    fn enter(&mut self, site: Site) -> Result<(), Fault> {
        self.trace.push(site);
        let fault = self.faults.remove(&(self.trace.len() - 1));
        self.failed.extend(fault.map(|_| site));
        fault.map_or(Ok(()), Err)
    }

    /// As [`State::enter`], for a call that changes something: then it leaves a mark.
    fn enter_change(&mut self, site: Site) -> io::Result<()> {
        self.enter(site).map_err(|fault| {
            self.calls.push(Call::Failed);
            fault.error()
        })
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.seen.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&mut self, site: Site, file: usize) -> io::Result<()> {
        let entered = self.enter(site);
        self.calls.push(if entered.is_ok() { Call::Sync { file } } else { Call::FailedSync { file } });
        entered.map_err(Fault::error)
    }

    fn write(&mut self, site: Site, file: usize, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut fault = self.enter(site).err();
        let held = self.seen.files.get(&file).map_or(0, Vec::len) as u64;
        let grows = (at + bytes.len() as u64).saturating_sub(held);
        if grows > 0 && self.seen.used() + grows > self.capacity {
            fault = fault.or(Some(Fault::ShortNoSpace));
        }
        let len = match fault {
            None => bytes.len(),
            Some(Fault::Io | Fault::NoSpace) => 0,
            Some(Fault::Short | Fault::ShortNoSpace) => bytes.len() / 2,
        };
        self.seen.write(file, at, &bytes[..len]);
        self.calls.push(Call::Write { file, at, bytes: Bytes::copy_from_slice(&bytes[..len]) });
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }
}

struct SimLock(Arc<AtomicBool>);

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Fs for SimFs {
    fn make_dir(&self, site: Site, _: &Path) -> io::Result<()> {
        self.state().enter(site).map_err(Fault::error)
    }

    fn lock(&self, _: &Path) -> Result<Held, LogError> {
        if self.is_held.swap(true, Ordering::AcqRel) {
            return Err(LogError::Io("the data directory is in use".into()));
        }
        Ok(Box::new(SimLock(self.is_held.clone())))
    }

    fn list(&self, site: Site, _: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        state.enter(site).map_err(Fault::error)?;
        Ok(state.seen.names.keys().cloned().collect())
    }

    fn open(&self, site: Site, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
        let mut state = self.state();
        let file = if mode == OpenMode::Existing {
            state.enter(site).map_err(Fault::error)?;
            state.file(path)?
        } else {
            state.enter_change(site)?;
            let file = state.next_file;
            state.next_file += 1;
            state.seen.names.insert(path.to_owned(), file);
            state.seen.files.insert(file, Vec::new());
            state.calls.push(Call::Create { file, path: path.to_owned() });
            file
        };
        Ok(Arc::new(SimFile { state: self.state.clone(), file }))
    }

    fn rename(&self, site: Site, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.enter_change(site)?;
        let file = state.file(from)?;
        state.seen.names.remove(from);
        state.seen.names.insert(to.to_owned(), file);
        state.calls.push(Call::Rename { file, from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, site: Site, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.enter_change(site)?;
        let file = state.file(path)?;
        state.seen.names.remove(path);
        state.calls.push(Call::Remove { file, path: path.to_owned() });
        Ok(())
    }

    fn sync_dir(&self, site: Site, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.enter_change(site)?;
        state.calls.push(Call::SyncDir);
        Ok(())
    }

    fn free_bytes(&self, site: Site, _: &Path) -> io::Result<u64> {
        let mut state = self.state();
        state.enter(site).map_err(Fault::error)?;
        Ok(state.capacity.saturating_sub(state.seen.used()))
    }
}

#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    file: usize,
}

impl SimFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FsFile for SimFile {
    fn len(&self, site: Site) -> io::Result<u64> {
        let mut state = self.state();
        state.enter(site).map_err(Fault::error)?;
        Ok(state.seen.files.get(&self.file).map_or(0, Vec::len) as u64)
    }

    fn read_exact_at(&self, site: Site, into: &mut [u8], at: u64) -> io::Result<()> {
        let mut state = self.state();
        state.enter(site).map_err(Fault::error)?;
        let held = state.seen.files.get(&self.file);
        let found = held.and_then(|bytes| bytes.get(at as usize..at as usize + into.len()));
        into.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, site: Site, bytes: &[u8], at: u64) -> io::Result<()> {
        self.state().write(site, self.file, at, bytes)
    }

    fn allocate(&self, site: Site, len: u64) -> io::Result<()> {
        let mut state = self.state();
        if !state.can_allocate {
            return Err(io::ErrorKind::Unsupported.into());
        }
        state.write(site, self.file, 0, &vec![0; usize::try_from(len).unwrap_or(0)])
    }

    fn sync_data(&self, site: Site) -> io::Result<()> {
        self.state().sync(site, self.file)
    }

    fn sync_all(&self, site: Site) -> io::Result<()> {
        self.state().sync(site, self.file)
    }
}
