//! Each call to the disk fails in turn, in each way that it can: nothing that was confirmed is lost, and nothing is
//! written behind what may be lost.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::LogId;
use ferrymq_engine::frame_log::{FrameLog as _, LogError};
use ferrymq_engine::journal::fs::Site;
use ferrymq_engine::journal::sim::{Call, Fate, Fault, SimFs};
use ferrymq_engine::store::{Op, Store, StoreError};

use super::crash::{check, random, runtime};
use super::recorder::{Recorder, Written};
use super::workload::{self, Run, open, step};

const STEPS: u64 = 44;

/// Opens the store; again, if the fault hits that.
async fn open_again(run: &Run) -> (Store, Arc<Recorder>) {
    match open(run, None).await {
        Ok(opened) => opened,
        Err(StoreError::Log(LogError::Io(_) | LogError::Stopped(_) | LogError::Full)) => {
            check_images(run).await;
            open(run, None).await.unwrap()
        }
        Err(error) => panic!("opening: {error}"),
    }
}

/// A crash now: all that was not durable is lost, or kept, or some of it.
async fn check_images(run: &Run) {
    let upto = run.fs.changes();
    for nth in 0..4 {
        let fate = |call| match nth {
            0 => Fate::Lost,
            1 => Fate::Kept,
            _ => [Fate::Lost, Fate::Kept, Fate::Sectors(random(&[call, nth]))][random(&[upto, nth, call]) as usize % 3],
        };
        check(run, &run.fs.crashed(upto, fate), upto, None).await;
    }
}

/// Goes through the workload, and opens the store again where it stops.
async fn endure(run: &mut Run) {
    let (mut store, mut recorder) = open_again(run).await;
    for at in 0..STEPS {
        if at % 20 == 13 {
            recorder.watch(None);
            drop((store, recorder));
            (store, recorder) = open_again(run).await;
        }
        let done = step(run, &store, at, None).await;
        recorder.note_digest();
        match done {
            Ok(()) => {}
            // There is one fault: what is tried again succeeds.
            Err(StoreError::Log(LogError::Full | LogError::Io(_))) => step(run, &store, at, None).await.unwrap(),
            Err(StoreError::Log(LogError::Stopped(why))) => {
                assert!(!why.contains("thread"), "{why}");
                for _ in 0..3 {
                    let newest = recorder.newest();
                    let again = recorder.append(newest, Vec::new(), true).await;
                    assert!(matches!(again, Err(LogError::Stopped(_))), "{again:?}");
                }
                workload::check_batches(&store).await.unwrap();
                recorder.watch(None);
                drop((store, recorder));
                check_images(run).await;
                (store, recorder) = open_again(run).await;
            }
            Err(error) => panic!("step {at}: {error}"),
        }
    }
    recorder.watch(None);
    drop((store, recorder));
    check_images(run).await;
}

fn faults(site: Site) -> &'static [Fault] {
    let name = format!("{site:?}");
    let is_write = name.starts_with("Write") || site == Site::Allocate;
    if is_write { &Fault::ALL } else { &Fault::ALL[..2] }
}

/// Runs the workload once for each call and each fault at sites that are not in `failed` yet; how often.
fn fail_everywhere(image: &dyn Fn() -> Run, failed: &mut BTreeSet<Site>) -> usize {
    let mut whole = image();
    let begun = whole.fs.trace().len();
    runtime().block_on(endure(&mut whole));
    let calls = whole.fs.trace().into_iter().enumerate().skip(begun);
    let calls: Vec<_> = calls.filter(|(_, site)| !failed.contains(site)).collect();
    let each = |(nth, site)| faults(site).iter().map(move |fault| (nth, site, *fault));
    let mut runs = 0;
    for (nth, site, fault) in calls.into_iter().flat_map(each) {
        let mut run = image();
        run.fs.inject(nth, fault);
        if matches!(site, Site::Allocate | Site::WriteFill | Site::RenameRetired) {
            // What tidies up behind it fails too.
            run.fs.inject(nth + 1, Fault::Io);
        }
        let endured = catch_unwind(AssertUnwindSafe(|| runtime().block_on(endure(&mut run))));
        endured.unwrap_or_else(|_| panic!("{fault:?} at call {nth}, {site:?}"));
        failed.extend(run.fs.failed());
        runs += 1;
    }
    runs
}

/// What the `nth` such call leaves behind: the machine went down while it wrote, or the process after it made a file.
fn interrupted(run: &Run, is_it: impl Fn(&Call) -> bool, nth: usize) -> Run {
    let calls = run.fs.calls();
    let at = calls.iter().enumerate().filter(|(_, call)| is_it(call)).nth(nth).unwrap().0;
    let after = Run::on(match calls[at] {
        Call::Create { .. } => run.fs.killed(at + 1),
        Call::Write { .. } => run.fs.crashed(at + 1, |call| if call == at { Fate::First(50) } else { Fate::Kept }),
        _ => run.fs.crashed(at + 1, |_| Fate::Kept),
    });
    let is_known = |written: &&Written| written.confirmed.is_some_and(|confirmed| confirmed <= at);
    let known = run.history.lock().unwrap().written.iter().filter(is_known).cloned().collect::<Vec<_>>();
    let known = known.into_iter().map(|written| Written { begun: 0, confirmed: Some(0), ..written });
    after.history.lock().unwrap().written = known.collect();
    after
}

#[test]
fn a_fault_at_any_call_loses_nothing_and_is_survived() {
    let fresh = || Run::on(SimFs::default());
    let without_allocation = || {
        let run = fresh();
        run.fs.set_can_allocate(false);
        run
    };
    let is_frame = |call: &Call| matches!(call, Call::Write { bytes, .. } if bytes.starts_with(b"FMQF"));
    let whole = workload::run(SimFs::default(), 150, None);
    let torn = || interrupted(&whole, is_frame, 9);
    let unfinished = || interrupted(&whole, |call| matches!(call, Call::Create { .. }), 1);
    let resized = || {
        let is_spare = |path: &Path| path.to_string_lossy().contains("spare-");
        let run = interrupted(&whole, |call| matches!(call, Call::Rename { to, .. } if is_spare(to)), 0);
        let spare = run.fs.names().into_iter().find(|name| is_spare(name)).unwrap();
        run.fs.damage(&spare, |bytes| bytes.truncate(5_000));
        run
    };
    let mut failed = BTreeSet::new();
    let runs = fail_everywhere(&fresh, &mut failed);
    let rare: [&dyn Fn() -> Run; 4] = [&without_allocation, &torn, &unfinished, &resized];
    for image in rare {
        fail_everywhere(image, &mut failed);
    }
    failed.insert(Site::Repair);
    let missed: Vec<_> = Site::ALL.iter().filter(|site| !failed.contains(site)).collect();
    assert!(missed.is_empty(), "no fault at {missed:?}");
    assert!(runs > 600, "{runs} runs");
}

#[test]
fn a_disk_that_fills_refuses_what_may_wait_and_goes_on_when_space_is_back() {
    let run = Run::on(SimFs::default());
    // What is left alone for settlements, and six segments.
    run.fs.set_capacity((64 << 20) + (6 << 13));
    runtime().block_on(async {
        let (store, recorder) = open(&run, None).await.unwrap();
        let append = |size: usize| {
            let base = store.end(LogId(30));
            vec![Op::Append { log: LogId(30), base, count: 1, batch: Bytes::from(vec![base as u8; size]) }]
        };
        let mut count = 0;
        let refused = loop {
            match store.commit(append(900), false).await {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, StoreError::Log(LogError::Full)) && count > 30, "{refused} after {count}");
        for _ in 0..40 {
            store.commit(append(900), true).await.unwrap();
        }
        recorder.note_digest();
        check_images(&run).await;
        run.fs.set_capacity(1 << 30);
        store.commit(append(900), false).await.unwrap();
        recorder.note_digest();
        check_images(&run).await;
        assert_eq!(store.read(LogId(30), 0, usize::MAX).await.unwrap().len(), count + 41);
        recorder.watch(None);
    });
}
