//! Recovery: the state anew from the newest whole state image and the frames after it.

use bytes::Bytes;
use ferrymq_core::CommitNo;
use ferrymq_core::codec::Malformed;
use ferrymq_core::settle::{self, SettleRecord};

use super::body::{self, Kind, Part};
use super::items;
use super::op::Change;
use super::sled_state::{Meta, SledState};
use super::state::State;
use super::{SETTLE_LOG, StoreError, StoreOptions, Writer};
use crate::frame_log::{Frame, FrameLog, LogError};

/// Bytes read at once.
const READ_BYTES: usize = 4 << 20;

/// What a recovery found.
pub(super) struct Recovered {
    pub state: State,
    pub writer: Writer,
    pub unclean: bool,
    pub sled: Option<SledState>,
}

/// Makes the state anew.
pub(super) async fn recover(frames: &dyn FrameLog, options: &StoreOptions) -> Result<Recovered, StoreError> {
    let newest = frames.newest();
    let (sled, kept) = open_sled(frames, options).await;
    let mut writer = Writer {
        newest,
        image: CommitNo(0),
        image_includes: CommitNo(0),
        since_image: 0,
        live_at_image: 0,
        index_due_bytes: options.index_bytes_max as u64,
        unfinished: None,
    };
    let mut state = State::new(options.stretch_bytes);
    if newest == CommitNo(0) {
        return Ok(Recovered { state, writer, unclean: false, sled });
    }
    let (unclean, hint) = match last_written(frames, newest).await? {
        Some((commit, last)) => {
            (last.kind != Kind::Clean, if matches!(last.kind, Kind::Image(_)) { commit } else { last.image })
        }
        None => (false, CommitNo(0)),
    };
    let mut after = None;
    let reach = image_reach(frames, hint).await.ok();
    // Behind a copy that is older than both images, frames may be gone.
    let kept = kept.zip(reach).filter(|((meta, _), (_, floor))| meta.includes >= *floor);
    if let Some(((meta, found), (includes, _))) = kept {
        (writer.image, writer.image_includes) = (hint, includes);
        after = Some((meta.includes, meta.hash));
        state = found;
    } else if let Some(image) = newest_whole(frames, hint, options.stretch_bytes).await? {
        (writer.image, writer.image_includes) = (image.commit, image.includes);
        after = Some((image.includes, image.hash));
        state = image.state;
    }
    writer.since_image = replay(frames, &mut state, &mut after, newest).await?;
    writer.live_at_image = state.ledger.live_bytes;
    Ok(Recovered { state, writer, unclean, sled })
}

/// The newest frame that a store wrote.
async fn last_written(
    frames: &dyn FrameLog,
    mut commit: CommitNo,
) -> Result<Option<(CommitNo, body::Body)>, StoreError> {
    while commit != CommitNo(0) {
        let frame = frames.get(commit).await?;
        let body = understand(commit, &frame.body)?;
        if body.kind != Kind::Epoch {
            return Ok(Some((commit, body)));
        }
        commit = frame.prev;
    }
    Ok(None)
}

/// The state directory, and the state in it if that belongs to these frames.
async fn open_sled(frames: &dyn FrameLog, options: &StoreOptions) -> (Option<SledState>, Option<(Meta, State)>) {
    let Some(dir) = options.state_dir.clone() else { return (None, None) };
    let stretch_bytes = options.stretch_bytes;
    let opening = tokio::task::spawn_blocking(move || {
        let sled = SledState::open(&dir)?;
        match sled.load(stretch_bytes) {
            Ok(kept) => Ok((sled, kept)),
            Err(why) => Ok((sled.replace(&why)?, None)),
        }
    });
    let opened: Result<_, String> = opening.await.unwrap_or_else(|error| Err(error.to_string()));
    match opened {
        Ok((sled, Some((meta, state)))) => {
            if frames.get(meta.includes).await.is_ok_and(|frame| frame.hash == meta.hash) {
                return (Some(sled), Some((meta, state)));
            }
            let why = "it belongs to other frames";
            let replaced = tokio::task::spawn_blocking(move || sled.replace(why)).await;
            (replaced.ok().and_then(Result::ok), None)
        }
        Ok((sled, None)) => (Some(sled), None),
        Err(error) => {
            tracing::warn!(error, "the state directory cannot be used; the state is in the frames alone");
            (None, None)
        }
    }
}

/// The last commit that an image includes, and the last one that the image before it includes: behind that no frame is
/// gone.
async fn image_reach(frames: &dyn FrameLog, image: CommitNo) -> Result<(CommitNo, CommitNo), StoreError> {
    let (includes, before) = image_end(frames, image).await?;
    let floor = if before == CommitNo(0) { before } else { image_end(frames, before).await?.0 };
    Ok((includes, floor))
}

/// The last commit that an image includes, and the image before it.
async fn image_end(frames: &dyn FrameLog, image: CommitNo) -> Result<(CommitNo, CommitNo), StoreError> {
    let body = understand(image, &frames.get(image).await?.body)?;
    match body.kind {
        Kind::Image(end) => Ok((end.includes, body.image)),
        _ => Err(malformed(image, Malformed("not the end of a state image"))),
    }
}

struct Image {
    commit: CommitNo,
    includes: CommitNo,
    hash: u32,
    state: State,
}

/// The image at `hint`, or else the one before it; none if there never was one.
async fn newest_whole(
    frames: &dyn FrameLog,
    mut hint: CommitNo,
    stretch_bytes: u64,
) -> Result<Option<Image>, StoreError> {
    let mut failure = None;
    while hint != CommitNo(0) {
        match load(frames, hint, stretch_bytes).await {
            Ok(image) => return Ok(Some(image)),
            Err(error) => {
                tracing::warn!(commit = hint.0, %error, "a state image is not whole; the one before it is tried");
                failure.get_or_insert(error);
            }
        }
        let Ok(frame) = frames.get(hint).await else { break };
        let before = understand(hint, &frame.body)?.image;
        if before >= hint {
            break;
        }
        hint = before;
    }
    // Without any image the frames from the very first on will do, if they are still there.
    match (failure, frames.get(frames.oldest()).await) {
        (Some(failure), Ok(frame)) if frame.prev != CommitNo(0) => Err(failure),
        (Some(failure), Err(_)) => Err(failure),
        _ => Ok(None),
    }
}

async fn load(frames: &dyn FrameLog, commit: CommitNo, stretch_bytes: u64) -> Result<Image, StoreError> {
    let wrong = |what| malformed(commit, Malformed(what));
    let Kind::Image(end) = understand(commit, &frames.get(commit).await?.body)?.kind else {
        return Err(wrong("not the end of a state image"));
    };
    let mut items = Vec::new();
    for slice in end.slices {
        let Kind::Slice(bytes) = understand(slice, &frames.get(slice).await?.body)?.kind else {
            return Err(wrong("a slice of the state image is missing"));
        };
        items::take_items(&bytes, &mut items).map_err(|what| malformed(slice, what))?;
    }
    if items::digest(&items) != end.digest {
        return Err(wrong("the state image differs from its digest"));
    }
    let state = State::from_items(end.includes, stretch_bytes, items).map_err(|what| malformed(commit, what))?;
    Ok(Image { commit, includes: end.includes, hash: end.hash, state })
}

/// Applies all frames behind `after` (number and hash) up to `newest`; their bytes.
async fn replay(
    frames: &dyn FrameLog,
    state: &mut State,
    after: &mut Option<(CommitNo, u32)>,
    newest: CommitNo,
) -> Result<u64, StoreError> {
    let mut bytes = 0;
    let mut early = Vec::new();
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
            match follows(after.as_ref(), &frame) {
                Err(error) if frames.has_losses() => {
                    tracing::warn!(commit = frame.commit.0, %error, "passed over: a repair has named what is gone");
                }
                checked => checked?,
            }
            apply(state, &mut early, &frame)?;
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

/// The first parts of a commit that are there, and the settle records in them.
type Early = Vec<(CommitNo, Vec<Change>, Vec<SettleRecord>)>;

/// `early` holds the parts right before this frame.
fn apply(state: &mut State, early: &mut Early, frame: &Frame) -> Result<(), StoreError> {
    state.note_frame(frame.commit, frame.body.len() as u64);
    let wrong = |what| malformed(frame.commit, what);
    let mut parts = std::mem::take(early);
    match understand(frame.commit, &frame.body)?.kind {
        Kind::Ops(part, changes) => {
            let settles = settles(&changes, &frame.body).map_err(wrong)?;
            // What lies before the parts that this commit has is of one that never came to its end.
            let others = match part {
                Part::Whole => Some(parts.len()),
                Part::Early => Some(0),
                Part::Last(before) => usize::try_from(before).ok().and_then(|before| parts.len().checked_sub(before)),
            };
            let others = others.ok_or_else(|| wrong(Malformed("the first parts of a commit are missing")))?;
            parts.drain(..others);
            parts.push((frame.commit, changes, settles));
            if part == Part::Early {
                *early = parts;
                return Ok(());
            }
            let settles: Vec<SettleRecord> = parts.iter_mut().flat_map(|(.., settles)| settles.drain(..)).collect();
            state.apply(frame.commit, parts.iter().map(|(commit, changes, _)| (*commit, &changes[..])), &settles);
        }
        Kind::Pages(parts) => state.reindex(frame.commit, &parts),
        Kind::Slice(_) | Kind::Image(_) | Kind::Clean | Kind::Epoch => {}
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

fn understand(commit: CommitNo, bytes: &Bytes) -> Result<body::Body, StoreError> {
    body::decode(bytes).map_err(|what| malformed(commit, what))
}

fn malformed(commit: CommitNo, what: Malformed) -> StoreError {
    StoreError::Malformed { commit: commit.0, what }
}
