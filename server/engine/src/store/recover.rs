//! Recovery: the state anew from the newest whole state image and the frames after it.

use bytes::Bytes;
use ferrymq_core::CommitNo;
use ferrymq_core::codec::Malformed;
use ferrymq_core::settle::{self, SettleRecord};

use super::op::{self, Change, Kind};
use super::state::State;
use super::{SETTLE_LOG, StoreError, Writer};
use crate::frame_log::{Frame, FrameLog, LogError};

/// Bytes read at once.
const READ_BYTES: usize = 4 << 20;

/// What a recovery found.
pub(super) struct Recovered {
    pub state: State,
    pub writer: Writer,
    pub unclean: bool,
}

/// Makes the state anew.
pub(super) async fn recover(frames: &dyn FrameLog) -> Result<Recovered, StoreError> {
    let newest = frames.newest();
    let mut writer = Writer { newest, image: CommitNo(0), image_includes: CommitNo(0), since_image: 0 };
    let mut state = State::default();
    if newest == CommitNo(0) {
        return Ok(Recovered { state, writer, unclean: false });
    }
    let last = understand(newest, &frames.get(newest).await?.body)?;
    let unclean = last.kind != Kind::Clean;
    let mut after = None;
    writer.since_image = replay(frames, &mut state, &mut after, newest).await?;
    Ok(Recovered { state, writer, unclean })
}

/// Applies all frames behind `after` (number and hash) up to `newest`; their bytes.
async fn replay(
    frames: &dyn FrameLog,
    state: &mut State,
    after: &mut Option<(CommitNo, u32)>,
    newest: CommitNo,
) -> Result<u64, StoreError> {
    let mut bytes = 0;
    loop {
        let at = after.map_or(CommitNo(0), |(commit, _)| commit);
        if at >= newest {
            return Ok(bytes);
        }
        let read = frames.read(CommitNo(at.0 + 1), newest, READ_BYTES).await?;
        if read.is_empty() {
            return Err(LogError::NotThere(newest.0).into());
        }
        for frame in read {
            follows(after.as_ref(), &frame)?;
            apply(state, &frame)?;
            bytes += frame.body.len() as u64;
            *after = Some((frame.commit, frame.hash));
        }
    }
}

/// A frame that is missing in between would be lost silently.
fn follows(after: Option<&(CommitNo, u32)>, frame: &Frame) -> Result<(), StoreError> {
    match after {
        None if frame.prev == CommitNo(0) => Ok(()),
        None => Err(StoreError::Incomplete(frame.prev.0)),
        Some((commit, _)) if frame.prev != *commit => Err(LogError::NotThere(frame.prev.0).into()),
        Some((_, hash)) if frame.prev_hash != *hash => Err(LogError::Diverged(frame.commit.0).into()),
        Some(_) => Ok(()),
    }
}

fn apply(state: &mut State, frame: &Frame) -> Result<(), StoreError> {
    let written = frame.body.len() as u64;
    match understand(frame.commit, &frame.body)?.kind {
        Kind::Ops(changes) => {
            let settles = settles(&changes, &frame.body).map_err(|what| malformed(frame.commit, what))?;
            state.apply(frame.commit, &changes, &settles, written);
        }
        Kind::Slice(_) | Kind::Image(_) | Kind::Clean => state.note_frame(frame.commit, written),
    }
    Ok(())
}

fn settles(changes: &[Change], body: &Bytes) -> Result<Vec<SettleRecord>, Malformed> {
    let mut records = Vec::new();
    for change in changes {
        if let Change::Append { log: SETTLE_LOG, at, len, .. } = change {
            let end = at.checked_add(*len).ok_or(Malformed("a batch is beyond its frame"))?;
            let batch = body.get(*at as usize..end as usize).ok_or(Malformed("a batch is beyond its frame"))?;
            records.extend(settle::decode(batch)?);
        }
    }
    Ok(records)
}

fn understand(commit: CommitNo, body: &Bytes) -> Result<op::Body, StoreError> {
    op::decode(body).map_err(|what| malformed(commit, what))
}

fn malformed(commit: CommitNo, what: Malformed) -> StoreError {
    StoreError::Malformed { commit: commit.0, what }
}
