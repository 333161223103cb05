//! The promised interval: a process that is killed loses no more than it wrote in the last 500
//! milliseconds.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sledstore::{SledBatch, SledStore};

use crate::common::child::{self, Process};
use crate::common::random::Random;
use crate::common::{ms, rows, scratch};

/// What a child does: its pause between two writes in microseconds, and every so many writes one that
/// is a batch over two keyspaces.
#[derive(Clone, Copy)]
struct Habit {
    pause: u64,
    batch_every: u64,
}

/// A batch makes the engine write out what came before it, and enough bytes do too. With neither,
/// nothing but the time does.
const HABITS: [Habit; 3] = [
    Habit { pause: 0, batch_every: 100 },
    Habit { pause: 1000, batch_every: 700 },
    Habit { pause: 1000, batch_every: u64::MAX },
];

/// How often the engine flushes, unless the builder says otherwise.
const INTERVAL: Duration = Duration::from_millis(500);

/// What the disk and the cores may take beyond that: several processes share them here. A store that
/// does not flush by itself loses what it wrote in [`LEAST_LIFE`].
const SLACK: Duration = Duration::from_millis(1500);
const LEAST_LIFE: Duration = Duration::from_millis(3000);

/// Fewer writes than these in a life say nothing about it.
const LEAST_WRITES: usize = 300;

/// Where the disk or the cores stand still for longer than [`SLACK`], a life says nothing, or the store is as late
/// as they are. Only the time is tried again; what must hold at any speed must hold in every life.
const TRIES: usize = 4;

/// By the clock that all processes have.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than that")
}

/// Writes each number as a key, and says it when that is acknowledged, with the time.
#[test]
#[ignore = "runs as a child process of the test below"]
fn child_writes_until_it_is_killed() {
    let Some(directory) = child::directory() else { return };
    let pause = Duration::from_micros(child::listen().parse().expect("microseconds"));
    let batch_every = child::listen().parse::<u64>().expect("a number");
    let store = SledStore::open(directory.join("db")).unwrap();
    let mirror = store.keyspace("mirror").unwrap();
    let mut batch = SledBatch::new();
    for number in 1_u64.. {
        let key = number.to_be_bytes();
        if number % batch_every == 0 {
            batch.clear();
            batch.put(&key, &key).unwrap();
            batch.put_in(&mirror, &key, &key).unwrap();
            store.apply(&batch).unwrap();
        } else {
            store.put(&key, &key).unwrap();
        }
        child::say(&format!("{number} {}", now().as_micros()));
        sleep(pause);
    }
}

/// When each write was acknowledged.
fn acknowledged(message: &str) -> Duration {
    let (_, time) = message.split_once(' ').expect("a number and a time");
    Duration::from_micros(time.parse().expect("a time"))
}

/// Kills the process, and answers with how old the oldest write was that it had acknowledged and that
/// is lost; `None` if it wrote too little to tell.
fn kill(process: Process, directory: &Path, batch_every: u64) -> Option<Duration> {
    let end = now();
    let messages = process.kill();
    let store = SledStore::open(directory.join("db")).unwrap();
    let keys = |store: &SledStore| -> Vec<u64> {
        let keys = rows(store).into_iter().map(|(key, _)| key);
        keys.map(|key| u64::from_be_bytes(key.try_into().expect("8 bytes"))).collect()
    };
    let there = keys(&store);
    let count = there.len() as u64;
    assert!(there.into_iter().eq(1..=count), "what is lost is what was written last");
    let batches = (1..=count).filter(|number| number % batch_every == 0);
    assert!(keys(&store.keyspace("mirror").unwrap()).into_iter().eq(batches), "half of a batch");
    let lost = messages.get(count as usize).map_or(end, |message| acknowledged(message));
    let lost = end.saturating_sub(lost);
    let written = messages.len() as u64;
    println!("{} of {written} are lost, {lost:?} old", written.saturating_sub(count));
    (messages.len() >= LEAST_WRITES).then_some(lost)
}

/// Three lives at the same time, one for each habit, and how much each of them lost.
fn live_and_die(random: &mut Random) -> [Option<Duration>; 3] {
    let children = HABITS.map(|habit| {
        let directory = scratch();
        let part = "interval::child_writes_until_it_is_killed";
        let mut process = child::start(part, directory.path());
        process.tell(&habit.pause.to_string());
        process.tell(&habit.batch_every.to_string());
        (process, directory, habit.batch_every)
    });
    sleep(LEAST_LIFE + ms(random.below(1000)));
    children.map(|(process, directory, batch_every)| kill(process, directory.path(), batch_every))
}

#[test]
fn a_kill_loses_no_more_than_was_written_in_the_last_interval() {
    let mut random = Random::new(500);
    let mut lost_anything = false;
    for _ in 0..3 {
        let mut least = [None; HABITS.len()];
        let kept = |lost: &Option<Duration>| lost.is_some_and(|lost| lost <= INTERVAL + SLACK);
        for _ in 0..TRIES {
            for (least, lost) in least.iter_mut().zip(live_and_die(&mut random)) {
                lost_anything |= lost > Some(Duration::ZERO);
                *least = [*least, lost].into_iter().flatten().min();
            }
            if least.iter().all(kept) {
                break;
            }
        }
        assert!(least.iter().all(kept), "the oldest writes that are lost, at best: {least:?}");
    }
    assert!(lost_anything, "a kill that loses nothing at all says nothing");
}
