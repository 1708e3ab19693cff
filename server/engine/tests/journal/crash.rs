//! Crash images: whatever of the last changes reached the disk, all that was confirmed is there, and nothing else.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;

use ferrymq_core::LogId;
use ferrymq_engine::frame_log::FrameLog as _;
use ferrymq_engine::journal::sim::{Call, Fate, SimFs};
use ferrymq_engine::store::{Op, Store};

use super::workload::{self, Run, batch, check_batches, copy_dir, open_journal, store_options};

const STEPS: u64 = 180;

pub fn random(numbers: &[usize]) -> u64 {
    let mut hasher = DefaultHasher::new();
    numbers.hash(&mut hasher);
    hasher.finish()
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// The fates to try for the changes that were not durable after `upto` calls.
fn fates(calls: &[Call], fs: &SimFs, upto: usize) -> Vec<Vec<(usize, Fate)>> {
    let open = fs.not_durable(upto);
    let all = |fate: Fate| open.iter().map(|call| (*call, fate)).collect::<Vec<_>>();
    let subset = |mask: u64| {
        let fate = |nth: usize| if mask >> nth & 1 == 1 { Fate::Kept } else { Fate::Lost };
        open.iter().enumerate().map(|(nth, call)| (*call, fate(nth))).collect::<Vec<_>>()
    };
    let few = open.len() <= 3;
    let masks = if few { (0..1 << open.len()).collect() } else { vec![0, u64::MAX] };
    let mut fates: Vec<Vec<(usize, Fate)>> = masks.into_iter().map(subset).collect();
    if !few {
        fates.extend((0..6).map(|nth| subset(random(&[upto, nth]))));
    }
    if let Some(Call::Write { at, bytes, .. }) = calls[..upto].last() {
        let torn = |fate: Fate| [all(Fate::Kept), vec![(upto - 1, fate)]].concat();
        let sectors = (1..).map(|nth| nth * 512 - *at as usize % 512).take_while(|end| *end < bytes.len());
        let within = [1, 7, 8, 20, 36, 39, 40, 41, bytes.len() / 2, bytes.len().saturating_sub(1)];
        let firsts = within.into_iter().chain(sectors.take(3)).filter(|end| *end < bytes.len());
        fates.extend(firsts.map(|end| torn(Fate::First(end))));
        fates.extend((0..2).map(|nth| torn(Fate::Sectors(random(&[upto, nth, 7])))));
    }
    fates
}

fn image(fs: &SimFs, upto: usize, fates: &[(usize, Fate)]) -> SimFs {
    fs.crashed(upto, |call| fates.iter().rfind(|(of, _)| *of == call).map_or(Fate::Lost, |(_, fate)| *fate))
}

/// Opens an image and compares it with what was confirmed before the change `upto`; the digest of its state.
pub async fn check(run: &Run, image: &SimFs, upto: usize, state_dir: Option<&Path>) -> u64 {
    let journal = open_journal(image).unwrap();
    let found = journal.newest().0 - 1;
    let (confirmed, begun, wanted) = {
        let history = run.history.lock().unwrap();
        (history.confirmed(upto), history.begun(upto), history.digest(found))
    };
    assert!(found >= confirmed, "commit {confirmed} was confirmed, and {found} is the newest that is left");
    assert!(found <= begun, "commit {found} was never written, {begun} is the last that was");
    let store = Store::open(Arc::new(journal), store_options(state_dir.map(Path::to_owned))).await.unwrap();
    let digest = store.digest();
    if let Some(wanted) = wanted {
        assert_eq!(digest, wanted, "the state at commit {found}");
    }
    check_batches(&store).await.unwrap();
    digest
}

#[test]
fn every_crash_image_holds_what_was_confirmed_and_nothing_else() {
    let run = workload::run(SimFs::default(), STEPS, None);
    assert!(run.failure.is_none(), "{:?}", run.failure);
    let calls = run.fs.calls();
    let renames = calls.iter().filter(|call| matches!(call, Call::Rename { .. })).count();
    let removes = calls.iter().filter(|call| matches!(call, Call::Remove { .. })).count();
    assert!(renames > 0 && removes > 0, "{renames} renames, {removes} removes: segments are used again and removed");
    let mut images = 0;
    for upto in 0..=calls.len() {
        for fates in fates(&calls, &run.fs, upto) {
            let image = image(&run.fs, upto, &fates);
            let checked = std::panic::AssertUnwindSafe(|| runtime().block_on(check(&run, &image, upto, None)));
            std::panic::catch_unwind(checked).unwrap_or_else(|_| panic!("crash after {upto} calls, {fates:?}"));
            images += 1;
        }
    }
    assert!(images > 4_000, "{images} images of {} calls", calls.len());
}

#[test]
fn what_a_killed_process_left_in_the_page_cache_alone_is_durable_before_anything_is_built_on_it() {
    let run = workload::run(SimFs::default(), STEPS / 2, None);
    let mut images = 0;
    for upto in 0..=run.fs.changes() {
        let killed = run.fs.killed(upto);
        let digest = runtime().block_on(async {
            let store = Store::open(Arc::new(open_journal(&killed).unwrap()), store_options(None)).await.unwrap();
            let (log, base) = (LogId(20), store.end(LogId(20)));
            let op = Op::Append { log, base, count: 1, batch: batch(log, base) };
            store.commit(vec![op], false).await.unwrap();
            store.digest()
        });
        for nth in 0..4 {
            let fate = |call| match nth {
                0 => Fate::Lost,
                1 => Fate::Kept,
                _ => [Fate::Lost, Fate::Kept][random(&[upto, nth, call]) as usize % 2],
            };
            let image = killed.crashed(killed.changes(), fate);
            let store = Store::open(Arc::new(open_journal(&image).unwrap()), store_options(None));
            assert_eq!(runtime().block_on(store).unwrap().digest(), digest, "killed after {upto} calls, fates {nth}");
            images += 1;
        }
    }
    assert!(images > 1_000, "{images} images");
}

/// The first half of one file, the rest of another.
fn splice(newer: &Path, older: &Path, to: &Path) {
    copy_dir(newer, to);
    let (mut bytes, old) = (std::fs::read(newer.join("db")).unwrap(), std::fs::read(older.join("db")).unwrap());
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    for (at, byte) in bytes.iter_mut().enumerate().skip(used / 2) {
        *byte = old.get(at).copied().unwrap_or(0);
    }
    std::fs::write(to.join("db"), bytes).unwrap();
}

fn damage(dir: &Path) {
    let mut bytes = std::fs::read(dir.join("db")).unwrap();
    bytes.iter_mut().filter(|byte| **byte != 0).step_by(97).for_each(|byte| *byte ^= 0x5a);
    std::fs::write(dir.join("db"), bytes).unwrap();
}

/// Makes the state directories that a crash after `upto` calls may leave.
fn state_dirs(run: &Run, upto: usize, into: &Path) -> Vec<&'static str> {
    let whole: Vec<_> = run.snapshots.iter().filter(|snapshot| snapshot.ended <= upto).collect();
    let Some(newest) = whole.last() else { return Vec::new() };
    let before = &whole[whole.len().saturating_sub(2)];
    let next = run.snapshots.iter().find(|snapshot| snapshot.begun <= upto && upto < snapshot.ended);
    copy_dir(&newest.dir, &into.join("newest"));
    copy_dir(&before.dir, &into.join("older"));
    copy_dir(&whole[0].dir, &into.join("oldest"));
    splice(&next.unwrap_or(newest).dir, &before.dir, &into.join("half"));
    copy_dir(&newest.dir, &into.join("damaged"));
    damage(&into.join("damaged"));
    vec!["newest", "older", "oldest", "half", "damaged"]
}

#[test]
fn what_became_of_the_state_directory_makes_no_difference() {
    let dir = tempfile::tempdir().unwrap();
    let run = workload::run(SimFs::default(), STEPS, Some(dir.path()));
    assert!(run.failure.is_none() && run.snapshots.len() > 6, "{:?}", run.failure);
    let calls = run.fs.calls();
    let mut images = 0;
    for upto in (0..=calls.len()).step_by(11) {
        let fates = fates(&calls, &run.fs, upto);
        let fates = &fates[random(&[upto]) as usize % fates.len()];
        let plain = runtime().block_on(check(&run, &image(&run.fs, upto, fates), upto, None));
        let case = dir.path().join(format!("case{upto}"));
        for name in state_dirs(&run, upto, &case) {
            let image = image(&run.fs, upto, fates);
            let digest = runtime().block_on(check(&run, &image, upto, Some(&case.join(name))));
            assert_eq!(digest, plain, "crash after {upto} calls, state directory {name}");
            images += 1;
        }
        if case.exists() {
            std::fs::remove_dir_all(case).unwrap();
        }
    }
    assert!(images > 150, "{images} images of {} calls", calls.len());
}
