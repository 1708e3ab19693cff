//! A log in memory that behaves otherwise where a test wants it to.

use bytes::Bytes;
use ferrymq_core::CommitNo;
use ferrymq_engine::frame_log::{Frame, FrameLog, Limits, LogError, Space};
use ferrymq_engine::memory::MemoryLog;
use futures::FutureExt as _;
use futures::future::BoxFuture;

pub struct Wrapped {
    pub log: MemoryLog,
    /// A frame that has another body if it is asked for by itself.
    pub swapped: Option<(CommitNo, Bytes)>,
    /// The largest body of one frame.
    pub commit_bytes_max: usize,
    /// An append is answered only when it was asked for so often.
    pub delays: usize,
}

impl Wrapped {
    pub fn new(log: MemoryLog) -> Self {
        Self { commit_bytes_max: log.limits().commit_bytes_max, log, swapped: None, delays: 0 }
    }
}

impl FrameLog for Wrapped {
    fn append(&self, prev: CommitNo, parts: Vec<Bytes>, reserve: bool) -> BoxFuture<'_, Result<CommitNo, LogError>> {
        assert!(parts.iter().map(Bytes::len).sum::<usize>() <= self.commit_bytes_max);
        async move {
            // It is on disk before anybody is told.
            let appended = self.log.append(prev, parts, reserve).await;
            for _ in 0..self.delays {
                tokio::task::yield_now().await;
            }
            appended
        }
        .boxed()
    }

    fn read(&self, from: CommitNo, upto: CommitNo, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Frame>, LogError>> {
        self.log.read(from, upto, bytes_max)
    }

    fn get(&self, commit: CommitNo) -> BoxFuture<'_, Result<Frame, LogError>> {
        async move {
            let frame = self.log.get(commit).await?;
            Ok(match &self.swapped {
                Some((at, body)) if *at == commit => Frame { body: body.clone(), ..frame },
                _ => frame,
            })
        }
        .boxed()
    }

    fn get_part(&self, commit: CommitNo, at: u32, len: u32) -> BoxFuture<'_, Result<Bytes, LogError>> {
        self.log.get_part(commit, at, len)
    }

    fn newest(&self) -> CommitNo {
        self.log.newest()
    }

    fn oldest(&self) -> CommitNo {
        self.log.oldest()
    }

    fn drop_below(&self, commit: CommitNo) {
        self.log.drop_below(commit);
    }

    fn drop_commit(&self, commit: CommitNo) {
        self.log.drop_commit(commit);
    }

    fn give_back(&self) {
        self.log.give_back();
    }

    fn has_losses(&self) -> bool {
        self.log.has_losses()
    }

    fn limits(&self) -> Limits {
        Limits { commit_bytes_max: self.commit_bytes_max, ..self.log.limits() }
    }

    fn space(&self) -> Space {
        self.log.space()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LogError>> {
        self.log.close()
    }
}
