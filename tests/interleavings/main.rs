//! Every interleaving of a few threads at the memtables, the views and the checkpoint of `src/commit`,
//! explored by loom: the argument at the head of `src/commit/mod.rs`, tried out. The files themselves
//! are included, with loom's locks and atomics in the place of the standard library's. sled is one
//! atomic number for each key.

// Not all of what is included is called here.
#[allow(dead_code)]
#[path = "../../src/commit/deleted_ranges.rs"]
mod deleted_ranges;
#[allow(dead_code)]
#[path = "../../src/commit/entries.rs"]
mod entries;
#[allow(dead_code)]
#[path = "../../src/commit/filter.rs"]
mod filter;
#[path = "../../src/commit/key.rs"]
mod key;
#[allow(dead_code)]
#[path = "../../src/commit/memtable.rs"]
mod memtable;
#[path = "../../src/engine/rows/range.rs"]
mod range;
#[allow(dead_code, unused_imports)]
#[path = "../../src/commit/record.rs"]
mod record;
#[allow(dead_code)]
#[path = "../../src/commit/retained.rs"]
mod retained;
#[allow(dead_code)]
#[path = "../../src/store/revivals.rs"]
mod revivals;
mod store;
mod sync;
#[allow(dead_code)]
#[path = "../../src/commit/tables.rs"]
mod tables;
#[allow(dead_code)]
#[path = "../../src/store/under_way.rs"]
mod under_way;
#[allow(dead_code)]
#[path = "../../src/commit/views.rs"]
mod views;

use std::ops::Bound;

use key::Key;
use loom::sync::Arc;
use loom::thread::{spawn, JoinHandle};
use store::Store;
use sync::{AtomicU64, Mutex, Ordering};

type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

mod engine {
    pub(crate) use crate::range::is_empty_range;

    /// In the place of the engine's own.
    pub type Bytes = Vec<u8>;
}

/// Does `work` in another thread.
fn aside(store: &Arc<Store>, work: impl FnOnce(&Store) + 'static) -> JoinHandle<()> {
    let store = store.clone();
    spawn(move || work(&store))
}

/// Explores all interleavings with up to so many preemptions, which is where such mistakes show.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn a_plain_reader_sees_what_was_acknowledged_and_never_goes_back() {
    explore(3, || {
        let store = Store::new();
        let writer = aside(&store, |store| {
            store.commit(&[(0, 2)]);
            assert_eq!(store.get(0), 2);
            store.rotate();
            store.checkpoint(false);
            assert_eq!(store.get(0), 2);
        });
        let first = store.get(0);
        assert!(store.get(0) >= first);
        writer.join().unwrap();
        assert_eq!(store.get(0), 2);
    });
}

#[test]
fn a_plain_reader_beside_two_commits_of_its_key_sees_one_of_the_three_values() {
    explore(3, || {
        let store = Store::new();
        let writer = aside(&store, |store| {
            store.commit(&[(0, 2)]);
            store.commit(&[(0, 3)]);
        });
        let first = store.get(0);
        let second = store.get(0);
        assert!(1 <= first && first <= second && second <= 3, "{first} {second}");
        writer.join().unwrap();
    });
}

#[test]
fn a_view_is_changed_by_no_commit_and_no_checkpoint() {
    explore(3, || {
        let store = Store::new();
        let view = store.view();
        let writer = aside(&store, |store| {
            store.commit(&[(0, 2)]);
            store.rotate();
            store.checkpoint(false);
        });
        assert_eq!(store.get_at(&view, 0), 1);
        assert_eq!(store.get_at(&view, 0), 1);
        writer.join().unwrap();
        assert_eq!(store.get_at(&view, 0), 1);
        assert_eq!(store.get(0), 2);
        store.end(&view);
    });
}

#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn the_exploration_finds_a_checkpoint_that_tells_readers_too_late() {
    explore(3, || {
        let store = Store::new();
        let view = store.view();
        let writer = aside(&store, |store| {
            store.commit(&[(0, 2)]);
            store.rotate();
            store.checkpoint(true);
        });
        assert_eq!(store.get_at(&view, 0), 1);
        writer.join().unwrap();
    });
}

#[test]
fn a_view_taken_at_any_moment_shows_the_same_whole_commit_for_ever() {
    explore(2, || {
        let store = Store::new();
        let writer = aside(&store, |store| {
            store.commit(&[(0, 2), (1, 2)]);
            store.rotate();
            store.checkpoint(false);
            store.commit(&[(0, 3), (1, 3)]);
        });
        let view = store.view();
        let first = store.get_at(&view, 0);
        assert_eq!(store.get_at(&view, 1), first);
        writer.join().unwrap();
        assert_eq!((store.get_at(&view, 0), store.get_at(&view, 1)), (first, first));
        store.end(&view);
    });
}

#[test]
fn a_range_shows_one_moment_beside_removals_and_a_checkpoint() {
    explore(2, || {
        let store = Store::new();
        let writer = aside(&store, |store| {
            store.commit(&[(0, 0), (1, 0)]);
            store.rotate();
            store.checkpoint(false);
            store.commit(&[(1, 3)]);
        });
        let view = store.view();
        let rows = store.scan(&view);
        assert!([[1, 1], [0, 0], [0, 3]].contains(&rows), "{rows:?}");
        writer.join().unwrap();
        assert_eq!(store.scan(&view), rows);
        store.end(&view);
    });
}

#[test]
fn an_old_view_stays_while_newer_ones_come_and_go_and_two_memtables_are_settled() {
    explore(2, || {
        let store = Store::new();
        let old = store.view();
        let writer = aside(&store, |store| {
            store.commit(&[(0, 2)]);
            store.rotate();
            store.checkpoint(false);
            store.commit(&[(0, 3)]);
            store.rotate();
            store.checkpoint(false);
        });
        let newer = store.view();
        let seen = store.get_at(&newer, 0);
        assert_eq!(store.get_at(&newer, 0), seen);
        store.end(&newer);
        assert_eq!(store.get_at(&old, 0), 1);
        writer.join().unwrap();
        assert_eq!(store.get_at(&old, 0), 1);
        store.end(&old);
    });
}

#[test]
fn of_two_commits_that_depend_on_the_same_view_and_key_one_is_refused() {
    explore(3, || {
        let store = Store::new();
        let add = |store: &Store| {
            let view = store.view();
            let read = store.get_at(&view, 0);
            let is_made =
                store.commit_if(&[(0, read + 1)], |tables| !Store::has_changed(tables, &view, 0));
            store.end(&view);
            is_made
        };
        let made = Arc::new(AtomicU64::new(0));
        let other = {
            let made = made.clone();
            aside(&store, move |store| {
                made.fetch_add(u64::from(add(store)), Ordering::SeqCst);
            })
        };
        made.fetch_add(u64::from(add(&store)), Ordering::SeqCst);
        other.join().unwrap();
        let made = made.load(Ordering::SeqCst);
        assert!(made >= 1);
        assert_eq!(store.get(0), 1 + made);
    });
}

/// A key that expires at 1, and a writer that lets it live for ever if it is not over yet.
struct Mortal {
    clock: AtomicU64,
    expires_at: AtomicU64,
    commit: Mutex<()>,
    revivals: revivals::Revivals,
}

impl Mortal {
    fn revive(&self) -> bool {
        let _commit = self.commit.lock().unwrap();
        let _revival = self.revivals.begin();
        let is_live = self.clock.load(Ordering::SeqCst) < 1;
        if is_live {
            self.expires_at.store(u64::MAX, Ordering::SeqCst);
        }
        is_live
    }

    fn is_live(&self) -> bool {
        let look = || {
            let expires_at = self.expires_at.load(Ordering::SeqCst);
            self.clock.load(Ordering::SeqCst) < expires_at
        };
        look() || self.revivals.look_between(|| self.commit.lock().unwrap(), look)
    }
}

#[test]
fn a_key_that_a_writer_has_found_live_and_lets_live_on_is_absent_for_no_reader() {
    explore(3, || {
        let mortal = Arc::new(Mortal {
            clock: AtomicU64::new(0),
            expires_at: AtomicU64::new(1),
            commit: Mutex::new(()),
            revivals: revivals::Revivals::default(),
        });
        let writer = {
            let mortal = mortal.clone();
            spawn(move || mortal.revive())
        };
        let time = {
            let mortal = mortal.clone();
            spawn(move || mortal.clock.store(1, Ordering::SeqCst))
        };
        let seen = mortal.is_live();
        let was_live = writer.join().unwrap();
        time.join().unwrap();
        assert!(seen || !was_live, "a reader found the key absent, and a writer live");
        assert_eq!(mortal.is_live(), was_live);
    });
}
