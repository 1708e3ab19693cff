//! A frame log that remembers what was asked of the one below it, and what that answered.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ferrymq_core::CommitNo;
use ferrymq_engine::frame_log::{Frame, FrameLog, Limits, LogError, Space};
use ferrymq_engine::journal::Journal;
use ferrymq_engine::journal::sim::SimFs;
use ferrymq_engine::store::Store;
use futures::FutureExt as _;
use futures::future::BoxFuture;

/// One frame: the numbers of changes of the file system between which it was written, and the state with it.
#[derive(Debug, Clone)]
pub struct Written {
    pub commit: u64,
    pub begun: usize,
    /// None: it was not confirmed.
    pub confirmed: Option<usize>,
    /// The store's digest with all up to this frame; none: it stopped there.
    pub digest: Option<u64>,
}

/// What was written, in order. The first is the empty log.
#[derive(Debug, Default)]
pub struct History {
    pub written: Vec<Written>,
}

impl History {
    /// The newest frame that was confirmed before the change `at`.
    pub fn confirmed(&self, at: usize) -> u64 {
        let is_known = |written: &&Written| written.confirmed.is_some_and(|confirmed| confirmed <= at);
        self.written.iter().filter(is_known).map(|written| written.commit).max().unwrap_or(0)
    }

    /// The newest frame that was begun before the change `at`.
    pub fn begun(&self, at: usize) -> u64 {
        let is_begun = |written: &&Written| written.begun < at || written.confirmed == Some(0);
        self.written.iter().filter(is_begun).map(|written| written.commit).max().unwrap_or(0)
    }

    /// An open failed: it may have written a frame of its own.
    pub fn note_failed_open(&mut self, begun: usize) {
        let commit = 1 + self.written.iter().map(|written| written.commit).max().unwrap_or(0);
        self.written.push(Written { commit, begun, confirmed: None, digest: None });
    }

    pub fn digest(&self, commit: u64) -> Option<u64> {
        self.written.iter().rfind(|written| written.commit == commit).and_then(|written| written.digest)
    }
}

/// Wraps a journal.
pub struct Recorder {
    journal: Journal,
    fs: SimFs,
    history: Arc<Mutex<History>>,
    store: Mutex<Option<Store>>,
}

impl Recorder {
    /// `begun` is the number of changes before the journal was opened: it wrote a frame of its own.
    pub fn new(journal: Journal, fs: SimFs, begun: usize, history: Arc<Mutex<History>>) -> Arc<Self> {
        let (commit, confirmed) = (journal.newest().0, Some(fs.changes()));
        history.lock().unwrap().written.push(Written { commit, begun, confirmed, digest: None });
        Arc::new(Self { journal, fs, history, store: Mutex::default() })
    }

    /// Whose digest is noted; none ends that.
    pub fn watch(&self, store: Option<Store>) {
        *self.store.lock().unwrap() = store;
    }

    /// The state includes all that was written so far.
    pub fn note_digest(&self) {
        let store = self.store.lock().unwrap().clone();
        let Some(digest) = store.map(|store| store.digest()) else { return };
        let mut history = self.history.lock().unwrap();
        if let Some(last) = history.written.last_mut().filter(|last| last.confirmed.is_some()) {
            last.digest = Some(digest);
        }
    }
}

impl FrameLog for Recorder {
    fn append(&self, prev: CommitNo, parts: Vec<Bytes>, reserve: bool) -> BoxFuture<'_, Result<CommitNo, LogError>> {
        async move {
            // The store has one writer, which applies a commit before it begins the next one.
            self.note_digest();
            let (commit, begun) = (prev.0 + 1, self.fs.changes());
            self.history.lock().unwrap().written.push(Written { commit, begun, confirmed: None, digest: None });
            let answer = self.journal.append(prev, parts, reserve).await;
            let mut history = self.history.lock().unwrap();
            let last = history.written.last_mut().unwrap();
            match &answer {
                Ok(given) => {
                    assert_eq!(given.0, commit);
                    last.confirmed = Some(self.fs.changes());
                }
                // It was not begun.
                Err(LogError::Full) => drop(history.written.pop()),
                Err(_) => {}
            }
            answer
        }
        .boxed()
    }

    fn read(&self, from: CommitNo, upto: CommitNo, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Frame>, LogError>> {
        self.journal.read(from, upto, bytes_max)
    }

    fn get(&self, commit: CommitNo) -> BoxFuture<'_, Result<Frame, LogError>> {
        self.journal.get(commit)
    }

    fn get_part(&self, commit: CommitNo, at: u32, len: u32) -> BoxFuture<'_, Result<Bytes, LogError>> {
        self.journal.get_part(commit, at, len)
    }

    fn newest(&self) -> CommitNo {
        self.journal.newest()
    }

    fn oldest(&self) -> CommitNo {
        self.journal.oldest()
    }

    fn drop_below(&self, commit: CommitNo) {
        self.journal.drop_below(commit);
    }

    fn drop_commit(&self, commit: CommitNo) {
        self.journal.drop_commit(commit);
    }

    fn give_back(&self) {
        self.journal.give_back();
    }

    fn has_losses(&self) -> bool {
        self.journal.has_losses()
    }

    fn limits(&self) -> Limits {
        self.journal.limits()
    }

    fn space(&self) -> Space {
        self.journal.space()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LogError>> {
        self.journal.close()
    }
}
