//! What is durable survives the loss of power: a workload is recorded system call by system call,
//! the states that the disk may be in after a cut at any moment are built from that, and each has to
//! open and to hold what was promised.
//!
//! `SLEDSTORE_POWERLOSS_STATES` says how many states there are in all; `SLEDSTORE_POWERLOSS_SEED`
//! chooses them. The threads of a run are not bound to a seed, so a state that fails is also kept.

#![cfg(target_os = "linux")]

mod again;
mod boot;
#[path = "../c_library/mod.rs"]
#[allow(dead_code)] // It has more than these tests need.
mod c_library;
mod calls;
mod checker;
#[path = "../common/mod.rs"]
mod common;
#[path = "../c_library/compiler.rs"]
mod compiler;
mod cuts;
mod disk;
mod image;
mod log;
mod operations;
mod oracle;
mod programs;
mod progress;
mod raw;
mod record;
mod recovery;
mod replaying;
mod shim;
mod states;
mod target;
mod workloads;

use std::collections::BTreeSet;
use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use cuts::{Failure, Run};
use log::{Event, Name};
use states::Model;

/// States in a plain test run.
const STATES: usize = 200;

/// The number in this variable of the environment.
fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Prints the seed, so that the run can be repeated.
fn seed(test: &str) -> u64 {
    let now =
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let seed = number("SLEDSTORE_POWERLOSS_SEED").unwrap_or_else(now);
    println!("{test}: SLEDSTORE_POWERLOSS_SEED={seed}");
    seed
}

/// How many states a workload has; each kind of recovery has as many as one of them, or some more.
///
/// The first creation has a quarter of all: nothing else changes so many names at once, and what
/// goes wrong with them goes wrong in few of their combinations. The threads that do everything at
/// once have an eighth.
fn share(workload: &str) -> usize {
    let total = number("SLEDSTORE_POWERLOSS_STATES").map_or(STATES, |count| count as usize);
    let (creation, threads) = (total / 4, total / 8);
    match workload {
        "creation" => creation,
        "threads" => threads,
        // The other workloads and the two kinds of recovery.
        _ => (total - creation - threads).div_ceil(workloads::ALL.len()),
    }
}

/// Records the workload, cuts the power, and demands that every state is good.
fn survives(name: &str) {
    let seed = seed(name);
    let count = share(name);
    let scratch = common::scratch_in_memory();
    let events =
        record::record(record::child_command("run_child", name), &scratch.path().join("run"));
    assert!(
        !events.iter().any(|event| matches!(event, Event::SyncRange { .. })),
        "sled's sync_file_range reached the system"
    );
    if name == "overwrites" {
        assert!(writes_places_again(&events), "no place of the engine's log was used again");
    }
    let (used, settled) = log_files(&events);
    println!("{name}: {used} log files, {settled} of them settled on the way");
    // The first creation is short, so that its states are about little else.
    assert!(name == "creation" || used >= 3 && settled > 0, "the log has too few files");
    let run = Run { workload: name, raw: false, events: &events, start: 0 };
    demand_good(&run, run.judge(count, seed, scratch.path()), count);
    assert!(blobs(&events).is_empty(), "blob files, which sled never syncs: {:?}", blobs(&events));
}

fn demand_good(run: &Run, failures: Vec<Failure>, count: usize) {
    let Run { workload, events, .. } = run;
    println!("{workload}: {} of {count} states bad, {} events", failures.len(), events.len());
    let texts: Vec<&str> = failures.iter().map(|failure| &failure.text[..]).collect();
    assert!(failures.is_empty(), "{} of {count} states:\n{}", failures.len(), texts.join("\n"));
}

/// The files in sled's directory for values that are larger than its pages.
fn blobs(events: &[Event]) -> Vec<&str> {
    let directory = events.iter().find_map(|event| match event {
        Event::CreateDirectory { node, name: (_, name) } if name == "blobs" => Some(*node),
        _ => None,
    });
    let files = events.iter().filter_map(|event| match event {
        Event::CreateFile { name: (parent, name), .. } if Some(*parent) == directory => {
            Some(&name[..])
        }
        _ => None,
    });
    files.collect()
}

/// Whether the engine's log was written over whole pieces of itself.
fn writes_places_again(events: &[Event]) -> bool {
    let is_log = |event: &&Event| matches!(event, Event::CreateFile { name, .. } if name.1 == "db");
    let Some(Event::CreateFile { node: log, .. }) = events.iter().find(is_log) else {
        return false;
    };
    let mut log_end = 0;
    events.iter().any(|event| match event {
        Event::Write { node, offset, data } if node == log => {
            let end = offset + data.len() as u64;
            let again = end <= log_end && data.len() >= 4096;
            log_end = log_end.max(end);
            again
        }
        _ => false,
    })
}

/// The log files that came into use, and those that were removed before the last came into use: the
/// checkpoint had settled them meanwhile.
fn log_files(events: &[Event]) -> (usize, usize) {
    let is_log = |(_, name): &Name| name.starts_with(boot::LOG_FILE);
    let mut made = BTreeSet::new();
    let mut used = BTreeSet::new();
    let (mut removed, mut settled) = (0, 0);
    for event in events {
        match event {
            Event::CreateFile { node, name } if is_log(name) => drop(made.insert(*node)),
            Event::Write { node, .. } if made.contains(node) && used.insert(*node) => {
                settled = removed;
            }
            Event::Remove { name } if is_log(name) => removed += 1,
            _ => {}
        }
    }
    (used.len(), settled)
}

macro_rules! survive {
    ($($name:ident)*) => {
        /// The workloads that have a test, so that none is forgotten.
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        mod survive {
            $(#[test] fn $name() { super::survives(stringify!($name)); })*
        }
    };
}

survive! {
    puts batches expiries keyspaces drops erasures large_values creation overwrites bursts small_segments reopenings
    pieces large_batches huge_batches synced threads threads_overwriting threads_synced
}

#[test]
fn every_workload_is_tested() {
    assert_eq!(TESTED, workloads::ALL.each_ref().map(|workload| workload.name));
}

/// The control: the same with plain sled must show losses, or the tests above see nothing. And the
/// losses must come from what was not synced: a killed process, whose writes all reach the disk,
/// loses nothing. (Killed while it creates its files, sled may not open them; nothing is lost then.)
#[test]
fn plain_sled_loses_what_it_acknowledged() {
    for name in ["puts", "overwrites", "threads_overwriting"] {
        let seed = seed(name);
        let scratch = common::scratch_in_memory();
        let events = record::record(
            record::child_command("run_raw_child", name),
            &scratch.path().join("run"),
        );
        let run = Run { workload: name, raw: true, events: &events, start: 0 };
        let failures = run.judge(40, seed, scratch.path());
        let is_loss = |text: &str| text.contains("acknowledged data is lost");
        let losses: Vec<_> = failures.iter().filter(|failure| is_loss(&failure.text)).collect();
        println!("plain sled, {name}: {} of 40 states bad, {} lost", failures.len(), losses.len());
        assert!(!losses.is_empty(), "the harness does not see that sled loses data");
        let killed = losses.iter().find(|failure| failure.model == Model::Everything);
        assert!(killed.is_none(), "{}", killed.map_or("", |failure| &failure.text));
    }
}

#[test]
#[ignore = "the recorded part of the tests above"]
fn run_child() {
    let Some((name, root)) = record::task() else { return };
    workloads::named(&name).run(&root, record::mark).expect("the workload runs");
}

#[test]
#[ignore = "the recorded part of the control"]
fn run_raw_child() {
    let Some((name, root)) = record::task() else { return };
    raw::run(workloads::named(&name), &root, record::mark).expect("the workload runs");
}

#[test]
#[ignore = "opens the states for the tests above"]
fn check_child() {
    if common::child::directory().is_some() {
        checker::serve();
    }
}
