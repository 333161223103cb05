//! The power goes again while the store recovers from its first loss, or soon after.

use std::env;
use std::path::{Path, PathBuf};

use super::cuts::{Progress, Run};
use super::disk::Disk;
use super::image::Image;
use super::log::{Event, Mark};
use super::oracle::{contents, Expectation};
use super::record::{child_command, mark, record, scratch, task};
use super::states::{state, Model};
use super::workloads::{self, Workload};
use super::{demand_good, seed, share};
use crate::common::random::Random;

/// Tell the child what the first cut has left: where it is, and what is to be in it.
const IMAGE: &str = "SLEDSTORE_TEST_IMAGE";
const DURABLE: &str = "SLEDSTORE_TEST_DURABLE";
const BEGUN: &str = "SLEDSTORE_TEST_BEGUN";

/// So many operations follow on a recovery.
const MORE: u64 = 40;

/// Workloads whose logs differ most, and how many first cuts each of them has.
const WORKLOADS: [&str; 4] = ["batches", "bursts", "reopenings", "large_values"];
const FIRST_CUTS: usize = 2;

#[test]
fn a_second_cut_loses_nothing_either() {
    let mut random = Random::new(seed("recovery"));
    let count = share("recovery").div_ceil(WORKLOADS.len() * FIRST_CUTS);
    for name in WORKLOADS {
        let scratch = scratch();
        let first = record(child_command("run_child", name), &scratch.path().join("first"));
        for cut in 0..FIRST_CUTS {
            // Not before the store is there.
            let moment = 60 + random.index(first.len() - 60);
            let (image, progress) = cut_off(&first[..moment], &mut random);
            let left = scratch.path().join(format!("left-{cut}"));
            image.write(&left);
            let mut command = child_command("recovery::recover_child", name);
            command.env(IMAGE, &left);
            command.env(DURABLE, progress.durable.to_string());
            command.env(BEGUN, progress.begun.to_string());
            let events = record(command, &scratch.path().join(format!("second-{cut}")));
            let start = events.iter().position(|event| matches!(event, Event::Mark(_)));
            // Both marks of the beginning.
            let start = start.expect("the child makes marks") + 2;
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
    (state(&disk, model, random), progress)
}

#[test]
#[ignore = "the recorded part of the test above"]
fn recover_child() {
    let Some((name, root)) = task() else { return };
    let image = PathBuf::from(env::var_os(IMAGE).expect("an image"));
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok()).expect("a number");
    let left = Progress { durable: number(DURABLE), begun: number(BEGUN) };
    recover(workloads::named(&name), &root, &Image::of(&image), left);
}

fn recover(workload: &Workload, root: &Path, image: &Image, left: Progress) {
    image.add_durably(root).expect("the image can be copied");
    mark(Mark::Begun(left.begun));
    mark(Mark::Durable(left.durable));
    let store = workload.open(root).expect("the first recovery succeeds");
    let found = contents(&store).expect("the store can be read");
    let expectation = Expectation::of(workload);
    let judged = expectation.judge(&found, left.durable, left.begun);
    let done = judged.expect("the first recovery is right");
    // What was read and then flushed is durable, whatever it was before.
    store.flush().expect("a flush after the recovery");
    mark(Mark::Durable(done));
    let end = (done + MORE).min(workload.length);
    workload.go_on(store, root, done..end, mark).expect("the workload goes on");
}
