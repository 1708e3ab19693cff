//! The state image: the whole state in frames, written while commits go on, and the space that it frees.
//!
//! Two whole images are kept: what the older one includes is needed no more, except for the batches that live in it.

use std::sync::atomic::Ordering;

use ferrymq_core::CommitNo;

use super::body::{self, ImageEnd};
use super::items::{self, Item};
use super::sled_state::{Meta, SledState};
use super::{Inner, Store, StoreError, Writer};

/// About the bytes of a slice: how long a commit may have to wait for one.
const SLICE_BYTES: usize = 256 << 10;
/// Below this much room, space is freed without waiting for the usual number of bytes.
const ROOM_MIN_BYTES: u64 = 16 << 20;
/// Bytes of dead frames that are left alone in quiet times.
const TIDY_SLACK_BYTES: u64 = 64 << 20;
/// Frames that are written before that happens again.
const PRESSED_EVERY_BYTES: u64 = 1 << 20;

/// The state at one commit.
struct Taken {
    meta: Meta,
    items: Vec<Item>,
}

/// Writes the state into its directory, on a thread that may wait. The directory, if it can be used again.
async fn keep_in_sled(sled: Option<SledState>, taken: Taken) -> Option<SledState> {
    let sled = sled?;
    let write = move || match sled.store(taken.meta, &taken.items) {
        Ok(()) => Some(sled),
        Err(error) => {
            tracing::warn!(error, "the state directory cannot be written; it is left alone until the next start");
            None
        }
    };
    tokio::task::spawn_blocking(write).await.ok().flatten()
}

impl Store {
    /// Writes a state image, gives up the frames that the older one has passed, and copies what keeps space from being
    /// freed. It happens by itself; commits go on meanwhile.
    ///
    /// # Errors
    /// If the image cannot be written, or a batch that is to be copied cannot be read.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        let inner = &*self.inner;
        let mut sled = inner.imaging.lock().await;
        inner.write_trimmed().await?;
        let (passed, taken) = inner.write_image().await?;
        *sled = keep_in_sled(sled.take(), taken).await;
        inner.give_up(passed);
        inner.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        self.copy_live(passed).await
    }

    /// Frees what is dead without waiting for the usual number of bytes, if that is worth it: for quiet times.
    ///
    /// # Errors
    /// As [`Store::checkpoint`].
    pub async fn tidy(&self) -> Result<(), StoreError> {
        self.inner.frames.give_back();
        let written = self.inner.writer().await.since_image;
        let live = self.inner.state().ledger.live_bytes;
        let used = self.inner.frames.space().used_bytes;
        if written < PRESSED_EVERY_BYTES || used <= live * 2 + TIDY_SLACK_BYTES {
            return Ok(());
        }
        // Only what two images have passed is free.
        self.checkpoint().await?;
        self.checkpoint().await
    }

    /// Makes a checkpoint if it is time for one: beside the commits, or here where no runtime could go on with it.
    pub(super) async fn checkpoint_if_due(&self, due: bool) {
        if !due || self.inner.image_due.swap(true, Ordering::AcqRel) {
            return;
        }
        self.beside(self.clone().checkpoint_due()).await;
    }

    /// Does `work` beside the commits, or here where no runtime could go on with it.
    pub(super) async fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(work);
            }
            Err(_) => Box::pin(work).await,
        }
    }

    async fn checkpoint_due(self) {
        let mut made = self.checkpoint().await;
        if made.is_ok() && self.space().free_bytes < ROOM_MIN_BYTES {
            // Only what two images have passed is free.
            made = self.checkpoint().await;
        }
        if let Err(error) = made {
            tracing::warn!(%error, "no state image was written; the next one will be tried in time");
        }
        self.inner.image_due.store(false, Ordering::Release);
    }
}

impl Inner {
    /// True if it is time for a checkpoint.
    pub(super) fn is_due(&self, writer: &Writer) -> bool {
        writer.since_image >= self.options.checkpoint_every_bytes || self.is_pressed(writer)
    }

    /// True if the room runs out while there is something to free.
    fn is_pressed(&self, writer: &Writer) -> bool {
        let space = self.frames.space();
        if space.free_bytes >= ROOM_MIN_BYTES {
            return false;
        }
        let freed = writer.live_at_image.saturating_sub(self.state().ledger.live_bytes);
        writer.since_image >= PRESSED_EVERY_BYTES || (freed > 0 && freed >= space.used_bytes / 8)
    }

    /// Writes one image; the last commit that the image before it includes.
    async fn write_image(&self) -> Result<(CommitNo, Taken), StoreError> {
        let mut taken = self.take().await;
        if taken.meta.includes == CommitNo(0) {
            return Ok((CommitNo(0), taken));
        }
        taken.meta.hash = self.frames.get(taken.meta.includes).await?.hash;
        let Meta { includes, hash, digest } = taken.meta;
        let mut slices = Vec::new();
        for slice in items::slices(&taken.items, SLICE_BYTES) {
            let mut writer = self.writer().await;
            let parts = body::encode_slice(writer.image, slice);
            slices.push(self.append_own(&mut writer, parts).await?);
        }
        let mut writer = self.writer().await;
        let end = ImageEnd { includes, hash, digest, slices };
        let parts = body::encode_image(writer.image, &end);
        let image = self.append_own(&mut writer, parts).await?;
        let passed = writer.image_includes;
        (writer.image, writer.image_includes) = (image, includes);
        Ok((passed, taken))
    }

    /// The state as it is now. The writer is held, so that the newest frame's effects are in it.
    async fn take(&self) -> Taken {
        let mut writer = self.writer().await;
        writer.since_image = 0;
        let (includes, items) = {
            let state = self.state();
            writer.live_at_image = state.ledger.live_bytes;
            (writer.newest, state.items())
        };
        // Commits go on from here.
        drop(writer);
        Taken { meta: Meta { includes, hash: 0, digest: items::digest(&items) }, items }
    }

    /// Gives up the stretches of frames up to `passed` that hold nothing live.
    fn give_up(&self, passed: CommitNo) {
        let (dead, oldest) = {
            let mut state = self.state_mut();
            (state.ledger.give_up(passed), state.ledger.stretches.first_key_value().map(|(start, _)| *start))
        };
        let below = oldest.unwrap_or(passed).min(passed);
        self.frames.drop_below(below);
        for commit in dead.into_iter().flat_map(|range| range.start.max(below).0..range.end.0) {
            self.frames.drop_commit(CommitNo(commit));
        }
    }
}
