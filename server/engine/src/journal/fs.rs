//! The seam between the journal and the disk: every file operation of the journal goes through it.
//!
//! Each call names its [`Site`], so that a test can make exactly that one fail and can tell which ones it has reached.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::lock::DirLock;
use crate::frame_log::LogError;

macro_rules! sites {
    ($($(#[doc = $doc:expr])+ $name:ident,)+) => {
        /// A place in the journal's code that calls the disk.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Site { $($(#[doc = $doc])+ $name,)+ }

        impl Site {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

sites! {
    /// Making the data directory.
    MakeDir,
    /// Listing it.
    List,
    /// Removing a segment that was being filled with zeros.
    RemoveUnfinished,
    /// Opening a spare.
    OpenSpare,
    /// Its length.
    SpareLen,
    /// Removing it, as it has another.
    RemoveSpare,
    /// Opening a segment.
    OpenSegment,
    /// Its length.
    SegmentLen,
    /// Reading its header.
    ReadHeader,
    /// Reading its trailer.
    ReadTrailer,
    /// Reading its seal.
    ReadSeal,
    /// Reading it whole.
    ReadSegment,
    /// Making the file that keeps what is cut off a torn tail.
    CreateCut,
    /// Filling that file.
    WriteCut,
    /// Its sync.
    SyncCut,
    /// Zeros over a torn tail.
    WriteTailZeros,
    /// Their sync.
    SyncTailZeros,
    /// Writing what the last segment ends with again when the journal is opened.
    WriteLastAgain,
    /// Its sync.
    SyncLastAgain,
    /// Syncing the directory again when the journal is opened.
    SyncDirAgain,
    /// Writing zeros where small frames will follow.
    WriteZerosAhead,
    /// Writing a frame.
    WriteFrame,
    /// Its sync.
    SyncFrame,
    /// Writing a seal.
    WriteSeal,
    /// Writing the trailer that tells where the seal is.
    WriteTrailer,
    /// The sync of both.
    SyncSeal,
    /// Asking for the free space before a new segment is filled.
    FreeBytes,
    /// Asking for the free space on behalf of the store.
    FreeBytesStats,
    /// Making a new segment.
    CreateFill,
    /// Taking its blocks.
    Allocate,
    /// Filling it with zeros where that cannot be done.
    WriteFill,
    /// Its sync.
    SyncFill,
    /// Removing it after that failed.
    RemoveFill,
    /// Making the renames of retired segments durable, before one of them is written again.
    SyncDirRetired,
    /// Opening the file of the next segment.
    OpenNext,
    /// Writing a segment's header.
    WriteHeader,
    /// Its sync.
    SyncHeader,
    /// Giving a segment its name.
    RenameNext,
    /// Making that name durable.
    SyncDirNext,
    /// Keeping a retired segment as a spare.
    RenameRetired,
    /// Removing a retired segment.
    RemoveRetired,
    /// Removing a spare that was not used for a while.
    RemoveUnused,
    /// Reading a frame.
    ReadFrame,
    /// Reading a part of a frame.
    ReadPart,
    /// Any call of a repair, which is made offline.
    Repair,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// A file that is there, to read and to write.
    Existing,
    /// A new, empty file, in place of any of that name.
    Create,
}

/// A directory's lock: held until it is dropped.
pub type Held = Box<dyn Send>;

/// A file system, as the journal needs it.
pub trait Fs: Debug + Send + Sync {
    /// Makes a directory with all its parents, durably, if it is not there.
    ///
    /// # Errors
    /// As the system says; so it is with all of these.
    fn make_dir(&self, site: Site, dir: &Path) -> io::Result<()>;

    /// Makes sure that nobody else has the directory.
    ///
    /// # Errors
    /// If somebody has.
    fn lock(&self, dir: &Path) -> Result<Held, LogError>;

    /// The files of a directory.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, site: Site, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Opens a file.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, site: Site, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>>;

    /// Renames a file; it is durable when the directory is synced.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, site: Site, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; it is durable when the directory is synced.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, site: Site, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the system says.
    fn sync_dir(&self, site: Site, dir: &Path) -> io::Result<()>;

    /// Free bytes of the file system that a directory is on.
    ///
    /// # Errors
    /// As the system says.
    fn free_bytes(&self, site: Site, dir: &Path) -> io::Result<u64>;
}

/// An open file.
pub trait FsFile: Debug + Send + Sync {
    /// Its bytes.
    ///
    /// # Errors
    /// As the system says; so it is with all of these.
    fn len(&self, site: Site) -> io::Result<u64>;

    /// Fills `into` with the bytes at `at`.
    ///
    /// # Errors
    /// As the system says, also if the file ends before.
    fn read_exact_at(&self, site: Site, into: &mut [u8], at: u64) -> io::Result<()>;

    /// `len` bytes at `at`.
    ///
    /// # Errors
    /// As [`read_exact_at`](Self::read_exact_at).
    fn read_at(&self, site: Site, len: usize, at: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_exact_at(site, &mut bytes, at)?;
        Ok(bytes)
    }

    /// Writes all of `bytes` at `at`. After a failure any part of them may be there.
    ///
    /// # Errors
    /// As the system says.
    fn write_all_at(&self, site: Site, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Makes a new file `len` bytes of zeros, with all its blocks taken: writing there needs no more room.
    ///
    /// # Errors
    /// `Unsupported` where the file system cannot; otherwise as the system says.
    fn allocate(&self, site: Site, len: u64) -> io::Result<()>;

    /// Makes what was written durable, not the file's times.
    ///
    /// # Errors
    /// As the system says: what was written may be lost for good then, whatever a later sync says.
    fn sync_data(&self, site: Site) -> io::Result<()>;

    /// Makes what was written and all about the file durable.
    ///
    /// # Errors
    /// As [`FsFile::sync_data`].
    fn sync_all(&self, site: Site) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn make_dir(&self, _: Site, dir: &Path) -> io::Result<()> {
        let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
        let missing: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
        std::fs::create_dir_all(dir)?;
        for parent in missing.into_iter().filter_map(Path::parent) {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }

    fn lock(&self, dir: &Path) -> Result<Held, LogError> {
        Ok(Box::new(DirLock::take(dir)?))
    }

    fn list(&self, _: Site, dir: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn open(&self, _: Site, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
        let is_new = mode == OpenMode::Create;
        let file = OpenOptions::new().read(true).write(true).create(is_new).truncate(is_new).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, _: Site, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, _: Site, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, _: Site, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, _: Site, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

#[derive(Debug)]
struct RealFile(File);

impl FsFile for RealFile {
    fn len(&self, _: Site) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_exact_at(&self, _: Site, into: &mut [u8], at: u64) -> io::Result<()> {
        self.0.read_exact_at(into, at)
    }

    /// Without zeros first: they would take a fifth of the time.
    fn read_at(&self, _: Site, len: usize, at: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let from = at + bytes.len() as u64;
            match rustix::io::pread(&self.0, spare_capacity(&mut bytes), from) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // There may have been room for more.
        bytes.truncate(len);
        Ok(bytes)
    }

    fn write_all_at(&self, _: Site, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn allocate(&self, _: Site, len: u64) -> io::Result<()> {
        let allocated = rustix::io::retry_on_intr(|| rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len));
        allocated.map_err(|error| match error {
            Errno::OPNOTSUPP | Errno::NOSYS => io::ErrorKind::Unsupported.into(),
            other => other.into(),
        })
    }

    fn sync_data(&self, _: Site) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self, _: Site) -> io::Result<()> {
        self.0.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_site_is_one_place() {
        let code =
            [include_str!("mod.rs"), include_str!("recover.rs"), include_str!("scan.rs"), include_str!("writer.rs")];
        let code = code.concat();
        for site in Site::ALL.iter().filter(|site| **site != Site::Repair) {
            let name = format!("Site::{site:?}");
            let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
            let places = code.match_indices(&name).filter(|(at, _)| ends(&code[at + name.len()..])).count();
            assert_eq!(places, 1, "{name}");
        }
    }
}
