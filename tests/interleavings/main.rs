//! Every interleaving of a few threads at the versions of `src/store/versions.rs`, explored by loom: the argument
//! at the head of that file, tried out. The file itself is included, with loom's locks and atomics in the place of
//! the standard library's; sled is replaced by one atomic number for each key, 0 for a key that is not there.
//!
//! What surrounds the versions in the store is here in small: who takes a snapshot keeps writers out by the
//! commit lock, single writers share it and lock their key, a batch has it alone.

#[allow(dead_code)]
#[path = "../../src/store/kept.rs"]
mod kept;
mod locks;
// Not all of it is called here.
#[allow(dead_code)]
#[path = "../../src/store/versions.rs"]
mod versions;

use std::convert::Infallible;
use std::ops::Bound;

use locks::{lock, read, write, AtomicU64, Mutex, Ordering, RwLock};
use loom::sync::Arc;
use loom::thread::{spawn, JoinHandle};

use kept::Moment;
use versions::{Before, Seen, Versions};

const KEYSPACE: u64 = 1;

struct Store {
    live: [AtomicU64; 2],
    locks: [Mutex<()>; 2],
    commit: RwLock<()>,
    versions: Versions<u64>,
}

type Taken = std::sync::Arc<Moment>;

impl Store {
    /// Both keys are 1.
    fn new() -> Arc<Self> {
        Arc::new(Store {
            live: [AtomicU64::new(1), AtomicU64::new(1)],
            locks: [Mutex::new(()), Mutex::new(())],
            commit: RwLock::new(()),
            versions: Versions::new(None),
        })
    }

    fn snapshot(&self) -> Taken {
        let _alone = write(&self.commit);
        self.versions.take()
    }

    /// A single write; 0 removes the key, as the eviction of an expired row does.
    fn put(&self, key: usize, value: u64) {
        let _shared = read(&self.commit);
        let _key = lock(&self.locks[key]);
        self.change(key, value);
    }

    fn batch(&self, value: u64) {
        let _alone = write(&self.commit);
        (0..2).for_each(|key| self.keep(key, value));
        (0..2).for_each(|key| self.live[key].store(value, Ordering::SeqCst));
    }

    fn change(&self, key: usize, value: u64) {
        self.keep(key, value);
        self.live[key].store(value, Ordering::SeqCst);
    }

    fn keep(&self, key: usize, value: u64) {
        let look = || {
            let row = self.live[key].load(Ordering::SeqCst);
            Ok::<_, Infallible>(Before { row, size: 1, differs: row != 0 || value != 0 })
        };
        self.versions
            .keep(KEYSPACE, &[key as u8], value == 0, look)
            .unwrap_or_else(|it| match it {});
    }

    fn get(&self, moment: &Moment, key: usize) -> u64 {
        let live = || Ok::<_, Infallible>(self.live[key].load(Ordering::SeqCst));
        match self.versions.see(moment, KEYSPACE, &[key as u8], live) {
            Ok(Seen::Kept(row) | Seen::Live(row)) => row,
            Err(never) => match never {},
        }
    }

    /// Both keys as an iterator reads them, which has them live before it asks for versions. What was
    /// kept of a key takes its place; 0 is no row.
    fn scan(&self, moment: &Moment) -> [u64; 2] {
        let mut rows = [0, 1].map(|key: usize| self.live[key].load(Ordering::SeqCst));
        let all = (Bound::Unbounded, Bound::Unbounded);
        for (key, row) in self.versions.seen_in(moment, KEYSPACE, all, false, 2) {
            rows[usize::from(key[0])] = row;
        }
        rows
    }

    /// The wrong order.
    fn get_versions_first(&self, moment: &Moment, key: usize) -> u64 {
        let seen = self.versions.seen(moment, KEYSPACE, &[key as u8]);
        let live = self.live[key].load(Ordering::SeqCst);
        seen.unwrap_or(live)
    }

    fn nothing_is_kept(&self) -> bool {
        let stats = self.versions.stats();
        (stats.live, stats.versions, stats.bytes) == (0, 0, 0)
    }
}

/// Does `work` in another thread.
fn aside(store: &Arc<Store>, work: impl FnOnce(&Store) + 'static) -> JoinHandle<()> {
    let store = store.clone();
    spawn(move || work(&store))
}

/// Explores all interleavings with up to three preemptions, which is where such mistakes show.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn a_snapshot_is_not_changed_by_a_writer() {
    explore(|| {
        let store = Store::new();
        let moment = store.snapshot();
        let writer = aside(&store, move |store| {
            store.put(0, 2);
            store.put(0, 3);
        });
        assert_eq!(store.get(&moment, 0), 1);
        assert_eq!(store.get(&moment, 0), 1);
        writer.join().unwrap();
        assert_eq!(store.get(&moment, 0), 1);
        assert!(store.versions.has_changed(&moment, KEYSPACE, &[0]));
        store.versions.end(&moment);
        assert!(store.nothing_is_kept());
    });
}

#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn the_exploration_finds_the_wrong_order_of_reading() {
    explore(|| {
        let store = Store::new();
        let moment = store.snapshot();
        let writer = aside(&store, move |store| store.put(0, 2));
        assert_eq!(store.get_versions_first(&moment, 0), 1);
        writer.join().unwrap();
    });
}

#[test]
fn a_snapshot_is_not_changed_by_an_eviction_and_a_write_after_it() {
    explore(|| {
        let store = Store::new();
        let moment = store.snapshot();
        let evicting = aside(&store, move |store| store.put(0, 0));
        let writer = aside(&store, move |store| store.put(0, 2));
        assert_eq!(store.get(&moment, 0), 1);
        evicting.join().unwrap();
        writer.join().unwrap();
        assert_eq!(store.get(&moment, 0), 1);
    });
}

#[test]
fn a_snapshot_shows_a_batch_whole_or_not_at_all() {
    explore(|| {
        let store = Store::new();
        let writer = aside(&store, move |store| store.batch(2));
        let moment = store.snapshot();
        let first = store.get(&moment, 0);
        assert_eq!(store.get(&moment, 1), first);
        writer.join().unwrap();
        assert_eq!((store.get(&moment, 0), store.get(&moment, 1)), (first, first));
    });
}

#[test]
fn a_range_is_not_changed_by_an_eviction_and_a_write() {
    explore(|| {
        let store = Store::new();
        let moment = store.snapshot();
        let evicting = aside(&store, move |store| store.put(0, 0));
        let writer = aside(&store, move |store| store.put(1, 2));
        assert_eq!(store.scan(&moment), [1, 1]);
        evicting.join().unwrap();
        writer.join().unwrap();
        assert_eq!(store.scan(&moment), [1, 1]);
    });
}

#[test]
fn a_range_shows_a_batch_whole_or_not_at_all() {
    explore(|| {
        let store = Store::new();
        let writer = aside(&store, move |store| {
            store.batch(0);
            store.put(1, 3);
        });
        let moment = store.snapshot();
        let rows = store.scan(&moment);
        assert!([[1, 1], [0, 0], [0, 3]].contains(&rows), "{rows:?}");
        writer.join().unwrap();
        assert_eq!(store.scan(&moment), rows);
    });
}

#[test]
fn an_old_snapshot_stays_while_a_newer_one_comes_and_goes() {
    explore(|| {
        let store = Store::new();
        let old = store.snapshot();
        let writer = aside(&store, move |store| store.put(0, 2));
        let other = aside(&store, move |store| {
            let newer = store.snapshot();
            let seen = store.get(&newer, 0);
            assert_eq!(store.get(&newer, 0), seen);
            store.versions.end(&newer);
        });
        assert_eq!(store.get(&old, 0), 1);
        writer.join().unwrap();
        other.join().unwrap();
        assert_eq!(store.get(&old, 0), 1);
        store.versions.end(&old);
        assert!(store.nothing_is_kept());
    });
}

#[test]
fn what_is_handed_down_to_an_older_snapshot_is_never_missing() {
    explore(|| {
        let store = Store::new();
        let old = store.snapshot();
        let newer = store.snapshot();
        // It is kept under the number of the newer one, and the older one needs it too.
        store.put(0, 2);
        let ending = aside(&store, move |store| store.versions.end(&newer));
        let writer = aside(&store, move |store| store.put(0, 3));
        assert_eq!(store.get(&old, 0), 1);
        ending.join().unwrap();
        writer.join().unwrap();
        assert_eq!(store.get(&old, 0), 1);
        store.versions.end(&old);
        assert!(store.nothing_is_kept());
    });
}

#[test]
fn a_commit_that_leaves_its_own_moment_harms_no_other() {
    explore(|| {
        let store = Store::new();
        let (old, own) = (store.snapshot(), store.snapshot());
        let committing = aside(&store, move |store| {
            {
                let _alone = write(&store.commit);
                store.versions.leave_early(&own);
                store.change(0, 2);
            }
            store.versions.end(&own);
        });
        assert_eq!(store.get(&old, 0), 1);
        assert_eq!(store.get(&old, 1), 1);
        committing.join().unwrap();
        assert_eq!(store.get(&old, 0), 1);
        store.versions.end(&old);
        assert!(store.nothing_is_kept());
    });
}

#[test]
fn what_a_commit_has_left_behind_is_settled_by_whoever_ends_another_moment() {
    explore(|| {
        let store = Store::new();
        let (old, middle, own) = (store.snapshot(), store.snapshot(), store.snapshot());
        // It is kept under the number of its own moment, and the others need it.
        store.put(0, 2);
        let committing = aside(&store, move |store| {
            {
                let _alone = write(&store.commit);
                store.versions.leave_early(&own);
                store.change(1, 2);
            }
            store.versions.end(&own);
        });
        store.versions.end(&middle);
        assert_eq!(store.get(&old, 0), 1);
        assert_eq!(store.get(&old, 1), 1);
        committing.join().unwrap();
        assert_eq!(store.get(&old, 0), 1);
        assert_eq!(store.get(&old, 1), 1);
        store.versions.end(&old);
        assert!(store.nothing_is_kept());
    });
}

#[test]
fn a_write_is_seen_as_a_change_by_whoever_took_a_snapshot_before_it() {
    explore(|| {
        let store = Store::new();
        let moment = store.snapshot();
        let writer = aside(&store, move |store| store.put(0, 2));
        // As a transaction does when it commits: no writer is under way.
        {
            let _alone = write(&store.commit);
            let live = store.live[0].load(Ordering::SeqCst);
            assert_eq!(store.versions.has_changed(&moment, KEYSPACE, &[0]), live == 2);
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_snapshot_that_had_to_end_says_so_before_it_shows_anything_else() {
    explore(|| {
        let store = Store::new();
        let moment = store.snapshot();
        let ending = {
            let moment = moment.clone();
            aside(&store, move |store| {
                store.put(0, 2);
                store.versions.end(&moment);
            })
        };
        let seen = store.get(&moment, 0);
        assert!(seen == 1 || moment.has_ended());
        ending.join().unwrap();
    });
}
