//! The power goes while the store recovers from an earlier ending, or soon after: from another loss of
//! power, or from the end of its process, after which the system still holds what was not synced.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use super::again::Again;
use super::boot::LOG_FILE;
use super::cuts::Run;
use super::disk::Disk;
use super::image::Image;
use super::log::{self, Event, Mark};
use super::oracle::{contents, Expectation};
use super::progress::{Progress, Reached, MOST_THREADS};
use super::record::{child_command, log_of, mark, record, task};
use super::states::{left, Model};
use super::workloads::{self, Workload};
use super::{demand_good, seed, share};
use crate::common::random::Random;
use crate::common::scratch_in_memory;

/// Tell the child what the first cut has left: where it is, and what is to be in it.
const IMAGE: &str = "SLEDSTORE_TEST_IMAGE";
const PROGRESS: &str = "SLEDSTORE_TEST_PROGRESS";

/// Tell the child what the killed process did: its log, and how many events of it.
const LOG: &str = "SLEDSTORE_TEST_LOG";
const EVENTS: &str = "SLEDSTORE_TEST_EVENTS";

/// So many operations follow on a recovery.
const MORE: u64 = 40;

/// Workloads whose logs differ most, and how many first cuts each of them has. A recovery overwrites
/// what it takes for garbage, and after a burst there is most of that.
const WORKLOADS: [(&str, usize); 5] =
    [("bursts", 8), ("batches", 2), ("reopenings", 2), ("large_values", 1), ("threads", 2)];

#[test]
fn a_second_cut_loses_nothing_either() {
    let mut random = Random::new(seed("recovery"));
    let cuts: usize = WORKLOADS.iter().map(|(_, cuts)| cuts).sum();
    let count = share("recovery").div_ceil(cuts).max(3);
    for (name, cuts) in WORKLOADS {
        let scratch = scratch_in_memory();
        let first = record(child_command("run_child", name), &scratch.path().join("first"));
        for cut in 0..cuts {
            // Not before the store is there.
            let moment = 60 + random.index(first.len() - 60);
            let (image, progress) = cut_off(&first[..moment], &mut random);
            let left = scratch.path().join(format!("left-{cut}"));
            image.write(&left);
            let mut command = child_command("recovery::recover_child", name);
            command.env(IMAGE, &left);
            command.env(PROGRESS, progress.to_string());
            let events = record(command, &scratch.path().join(format!("second-{cut}")));
            let start = events.iter().position(|event| matches!(event, Event::Mark(_)));
            // Both marks of each thread at the beginning.
            let start = start.expect("the child makes marks") + 2 * MOST_THREADS;
            let run = Run { workload: name, raw: false, events: &events, start };
            demand_good(&run, run.judge(count, random.next(), scratch.path()), count);
        }
    }
}

/// A state after these events, and what is to be in it.
fn cut_off(events: &[Event], random: &mut Random) -> (Image, Progress) {
    let mut disk = Disk::default();
    let mut progress = Progress::default();
    for event in events {
        disk.apply(event);
        progress.note(event);
    }
    let model = *random.pick(&[Model::Torn, Model::TornJournal]);
    (left(&disk, model, random), progress)
}

#[test]
#[ignore = "the recorded part of the test above"]
fn recover_child() {
    let Some((name, root)) = task() else { return };
    let left: Progress = text(PROGRESS).parse().expect("how far each thread was");
    Image::of(&path(IMAGE)).add_durably(&root).expect("the image can be copied");
    for (thread, Reached { durable, begun, .. }) in left.0.into_iter().enumerate() {
        mark(Mark::Left { thread, count: begun });
        mark(Mark::Durable { thread, count: durable });
    }
    recover(workloads::named(&name), &root, left);
}

#[test]
fn a_cut_after_a_kill_loses_nothing_either() {
    let mut random = Random::new(seed("kills"));
    // A creation is made of few events, and each of them may be the last.
    let kills = [("creation", 14, 50), ("bursts", 8, 3000)];
    let count = share("recovery").div_ceil(6);
    for (name, kills, range) in kills {
        let scratch = scratch_in_memory();
        let root = scratch.path().join("first");
        let first = record(child_command("run_child", name), &root);
        for kill in 0..kills {
            // Spread over the range, so that no part of it is left out by chance.
            let step = first.len().min(range) / kills;
            let moment = kill * step + random.index(step);
            let mut command = child_command("recovery::killed_child", name);
            command.env(LOG, log_of(&root)).env(EVENTS, moment.to_string());
            let events = record(command, &scratch.path().join(format!("second-{kill}")));
            println!("{name}: killed after {moment} events");
            let run = Run { workload: name, raw: false, events: &events, start: moment };
            demand_good(&run, run.judge(count, random.next(), scratch.path()), count);
        }
    }
}

/// A kill leaves commits that only the system's memory has. The opening after it must put them on the
/// disk before their rows are in the engine, and before later records say that they are synced. So the
/// kill comes when most of the log is not synced, and a cut after each of the first syncs after it.
#[test]
fn what_a_kill_has_left_unsynced_is_on_the_disk_before_anything_relies_on_it() {
    let name = "bursts";
    let scratch = scratch_in_memory();
    let root = scratch.path().join("first");
    let first = record(child_command("run_child", name), &root);
    let (unsynced, moment) = most_unsynced(&first);
    assert!(unsynced > 32 << 10, "nearly all of the log was synced: {unsynced} bytes were not");
    let mut command = child_command("recovery::killed_child", name);
    command.env(LOG, log_of(&root)).env(EVENTS, moment.to_string());
    let events = record(command, &scratch.path().join("second"));
    let is_sync = |event: &Event| matches!(event, Event::Sync { .. } | Event::SyncData { .. });
    let syncs = (moment..events.len()).filter(|place| is_sync(&events[*place]));
    let moments: Vec<_> = syncs.map(|place| place + 1).take(40).collect();
    println!("{name}: killed after {moment} events, with {unsynced} bytes that were not synced");
    let run = Run { workload: name, raw: false, events: &events, start: moment };
    demand_good(&run, run.judge_each(&moments, scratch.path()), 4 * moments.len());
}

/// The most bytes of log files that were not synced at any moment, and that moment.
fn most_unsynced(events: &[Event]) -> (usize, usize) {
    let mut unsynced = BTreeMap::new();
    let mut most = (0, 0);
    for (place, event) in events.iter().enumerate() {
        match event {
            Event::CreateFile { node, name } if name.1.starts_with(LOG_FILE) => {
                unsynced.insert(*node, 0);
            }
            Event::Write { node, data, .. } => {
                unsynced.entry(*node).and_modify(|bytes| *bytes += data.len());
            }
            Event::Sync { node } | Event::SyncData { node } => {
                unsynced.entry(*node).and_modify(|bytes| *bytes = 0);
            }
            _ => {}
        }
        most = most.max((unsynced.values().sum(), place + 1));
    }
    most
}

/// Does what the killed process did, down to each sync, and then recovers from its end.
#[test]
#[ignore = "the recorded part of the test above"]
fn killed_child() {
    let Some((name, root)) = task() else { return };
    let mut events = log::read(&path(LOG));
    events.truncate(text(EVENTS).parse().expect("a number"));
    let mut again = Again::new(&root);
    let mut left = Progress::default();
    for event in &events {
        again.perform(event).expect("what worked once works again");
        left.note(event);
    }
    drop(again);
    recover(workloads::named(&name), &root, left.of_killed());
}

fn path(name: &str) -> PathBuf {
    env::var_os(name).expect("a path").into()
}

fn text(name: &str) -> String {
    env::var(name).expect("a text")
}

fn recover(workload: &Workload, root: &Path, left: Progress) {
    let store = workload.open(root).expect("the first recovery succeeds");
    let found = contents(&store).expect("the store can be read");
    let expectation = Expectation::of(workload);
    let judged = expectation.judge(&found, &left);
    let done = judged.expect("the first recovery is right");
    // What was read and then flushed is durable, whatever it was before.
    store.flush().expect("a flush after the recovery");
    for (thread, count) in done.into_iter().enumerate() {
        mark(Mark::Durable { thread, count });
    }
    let mut end = workload.end();
    end.iter_mut().zip(done).for_each(|(end, done)| *end = (done + MORE).min(*end));
    workload.go_on(store, root, done, end, mark).expect("the workload goes on");
}
