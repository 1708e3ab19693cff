//! What a disk may hold after a crash.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;

use super::{Call, Disk, SimFs};

/// A disk writes so many bytes at once, aligned.
const SECTOR: u64 = 512;

/// What becomes of a change that was not durable when the machine went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is on disk.
    Kept,
    /// It is not.
    Lost,
    /// So many bytes of a write are on disk. A change of a name: it is not.
    First(usize),
    /// Some sectors of a write are on disk: those whose bit is set in this number. A change of a name: it is not.
    Sectors(u64),
}

/// A change and whether a sync has made it durable.
struct Change<T> {
    call: usize,
    is_durable: bool,
    is_lost_to_sync: bool,
    what: T,
}

#[derive(Default)]
struct Changes {
    writes: BTreeMap<usize, Vec<Change<(u64, Bytes)>>>,
    names: Vec<Change<Call>>,
}

impl Changes {
    fn of(calls: &[Call]) -> Self {
        let mut changes = Self::default();
        for (index, call) in calls.iter().enumerate() {
            changes.take(index, call);
        }
        changes
    }

    fn take(&mut self, index: usize, call: &Call) {
        match call {
            Call::Write { file, at, bytes } => {
                let what = (*at, bytes.clone());
                let change = Change { call: index, is_durable: false, is_lost_to_sync: false, what };
                self.writes.entry(*file).or_default().push(change);
            }
            Call::Sync { file } => {
                let writes = self.writes.entry(*file).or_default();
                writes.iter_mut().filter(|write| !write.is_lost_to_sync).for_each(|write| write.is_durable = true);
            }
            Call::FailedSync { file } => {
                let writes = self.writes.entry(*file).or_default();
                writes.iter_mut().for_each(|write| write.is_lost_to_sync = true);
            }
            Call::Create { .. } | Call::Rename { .. } | Call::Remove { .. } => {
                let what = call.clone();
                self.names.push(Change { call: index, is_durable: false, is_lost_to_sync: false, what });
            }
            Call::SyncDir => self.names.iter_mut().for_each(|name| name.is_durable = true),
            Call::Failed => {}
        }
    }
}

impl Disk {
    fn rename(&mut self, call: &Call) {
        let mut forget = |path: &PathBuf, file: usize| {
            if self.names.get(path) == Some(&file) {
                self.names.remove(path);
            }
        };
        match call {
            Call::Create { file, path } => drop(self.names.insert(path.clone(), *file)),
            Call::Rename { file, from, to } => {
                forget(from, *file);
                self.names.insert(to.clone(), *file);
            }
            Call::Remove { file, path } => forget(path, *file),
            Call::Write { .. } | Call::Sync { .. } | Call::FailedSync { .. } | Call::SyncDir | Call::Failed => {}
        }
    }

    fn write_some(&mut self, file: usize, at: u64, bytes: &[u8], fate: Fate) {
        match fate {
            Fate::Kept => self.write(file, at, bytes),
            Fate::Lost => {}
            Fate::First(count) => self.write(file, at, &bytes[..count.min(bytes.len())]),
            Fate::Sectors(mask) => {
                let mut done = 0;
                while done < bytes.len() as u64 {
                    let sector = (at + done) / SECTOR;
                    let end = ((sector + 1) * SECTOR - at).min(bytes.len() as u64);
                    if mask >> (sector % 64) & 1 == 1 {
                        self.write(file, at + done, &bytes[done as usize..end as usize]);
                    }
                    done = end;
                }
            }
        }
    }
}

impl SimFs {
    /// The changes among the first `upto` recorded calls that need not be on disk after a crash there.
    #[must_use]
    pub fn not_durable(&self, upto: usize) -> Vec<usize> {
        let changes = Changes::of(&self.state().calls[..upto]);
        let writes = changes.writes.into_values().flatten().filter(|write| !write.is_durable).map(|write| write.call);
        let names = changes.names.into_iter().filter(|name| !name.is_durable).map(|name| name.call);
        let mut all: Vec<usize> = writes.chain(names).collect();
        all.sort_unstable();
        all
    }

    /// The disk as a machine finds it that went down after the first `upto` recorded calls: `fate` decides about each
    /// change that was not durable, by the number of its call.
    #[must_use]
    pub fn crashed(&self, upto: usize, mut fate: impl FnMut(usize) -> Fate) -> Self {
        let state = self.state();
        let (mut disk, changes) = (state.base.clone(), Changes::of(&state.calls[..upto]));
        for name in changes.names {
            if name.is_durable || fate(name.call) == Fate::Kept {
                disk.rename(&name.what);
            }
        }
        for (file, writes) in changes.writes {
            disk.files.entry(file).or_default();
            for write in writes {
                let fate = if write.is_durable { Fate::Kept } else { fate(write.call) };
                disk.write_some(file, write.what.0, &write.what.1, fate);
            }
        }
        for file in disk.names.values() {
            disk.files.entry(*file).or_default();
        }
        Self::of(disk)
    }

    /// The disk as the next process finds it if this one was killed after the first `upto` recorded calls, while the
    /// machine went on: all of them are seen, and none of them is more durable than before.
    #[must_use]
    pub fn killed(&self, upto: usize) -> Self {
        let after = self.crashed(upto, |_| Fate::Kept);
        {
            let (mut new, state) = (after.state(), self.state());
            new.base = state.base.clone();
            new.calls = state.calls[..upto].to_vec();
            new.next_file = state.next_file;
            new.can_allocate = state.can_allocate;
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::fs::{Fs as _, OpenMode, Site};
    use super::*;

    /// One durable write, one that is not, and a name that is not.
    fn disk() -> SimFs {
        let fs = SimFs::default();
        let file = fs.open(Site::CreateFill, Path::new("a"), OpenMode::Create).unwrap();
        file.write_all_at(Site::WriteFill, &[1; 1_024], 0).unwrap();
        file.sync_all(Site::SyncFill).unwrap();
        fs.sync_dir(Site::SyncDirNext, Path::new("")).unwrap();
        file.write_all_at(Site::WriteFrame, &[2; 1_024], 0).unwrap();
        fs.rename(Site::RenameNext, Path::new("a"), Path::new("b")).unwrap();
        fs
    }

    fn bytes(fs: &SimFs, name: &str) -> Vec<u8> {
        fs.bytes(Path::new(name)).unwrap()
    }

    #[test]
    fn what_is_not_synced_may_be_on_disk_or_not_or_in_part() {
        let fs = disk();
        assert_eq!(fs.not_durable(fs.changes()), [4, 5]);
        let crashed = fs.crashed(fs.changes(), |_| Fate::Lost);
        assert_eq!((crashed.names(), bytes(&crashed, "a")), (vec!["a".into()], vec![1; 1_024]));
        let crashed = fs.crashed(fs.changes(), |_| Fate::Kept);
        assert_eq!((crashed.names(), bytes(&crashed, "b")), (vec!["b".into()], vec![2; 1_024]));
        let crashed = fs.crashed(5, |_| Fate::First(3));
        assert_eq!(bytes(&crashed, "a"), [vec![2; 3], vec![1; 1_021]].concat());
        let crashed = fs.crashed(5, |_| Fate::Sectors(2));
        assert_eq!(bytes(&crashed, "a"), [vec![1; 512], vec![2; 512]].concat());
        assert_eq!(fs.crashed(2, |_| Fate::Lost).names(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_killed_process_leaves_all_to_be_seen_and_none_of_it_durable() {
        let fs = disk();
        let next = fs.killed(fs.changes());
        assert_eq!(bytes(&next, "b"), vec![2; 1_024]);
        assert_eq!(next.not_durable(next.changes()), [4, 5]);
        assert_eq!(next.crashed(next.changes(), |_| Fate::Lost).names(), [Path::new("a")]);
    }

    #[test]
    fn a_failed_sync_makes_a_later_one_worth_nothing() {
        let fs = disk();
        let file = fs.open(Site::OpenSegment, Path::new("b"), OpenMode::Existing).unwrap();
        fs.inject(fs.trace().len(), super::super::Fault::Io);
        assert!(file.sync_data(Site::SyncFrame).is_err());
        file.sync_data(Site::SyncFrame).unwrap();
        assert_eq!(fs.not_durable(fs.changes()), [4, 5]);
    }
}
