//! Moving over the rows of a keyspace.

use std::ops::Bound;

use oxistore_core::{prefix_upper_bound, StoreError};

use super::expiries::Expiries;
use super::keyspace::Trees;
use super::shared::OpenIterator;
use super::SledStore;
use crate::engine::{Bytes, Cursor, Result};

/// Which rows an iterator shows, and how.
#[derive(Debug, Clone)]
pub struct IterOptions {
    /// Where the rows begin.
    pub lower: Bound<Vec<u8>>,
    /// Where the rows end.
    pub upper: Bound<Vec<u8>>,
    /// Only keys that start with this, within the bounds.
    pub prefix: Vec<u8>,
    /// Leave the values out.
    pub keys_only: bool,
    /// As a Rust `Iterator`, go from the last row down.
    pub reverse: bool,
}

impl Default for IterOptions {
    fn default() -> Self {
        let (lower, upper) = (Bound::Unbounded, Bound::Unbounded);
        Self { lower, upper, prefix: Vec::new(), keys_only: false, reverse: false }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Bytes,
    /// The value; empty where the iterator leaves values out.
    pub value: Bytes,
}

/// Moves over the rows of a keyspace, in the order of their keys compared as bytes.
///
/// It streams: however many rows there are, it holds a few of them. It goes in both directions,
/// turns round and jumps. A new iterator stands outside: its first [`Iter::next_row`] shows the
/// first row, its first [`Iter::prev_row`] the last. Past an end it answers `None`, and turning
/// round there shows the row at that end.
///
/// It shows the keyspace as it is, not as it was: a row that is written or removed while the
/// iterator is open may or may not be shown. A row that is there all the time is shown, and none is
/// shown twice while the iterator goes in one direction.
///
/// After an error each further move answers with the same error, until a jump; as a Rust `Iterator`
/// it shows the error once and ends.
pub struct Iter {
    // The cursor holds a tree of the engine and must go before `_open` lets the store close.
    cursor: Cursor,
    store: SledStore,
    keys_only: bool,
    reverse: bool,
    failed: Option<StoreError>,
    finished: bool,
    walk: Walk,
    _open: OpenIterator,
}

impl SledStore {
    /// All rows with keys from `lo` up to, not including, `hi`, upwards.
    pub fn range(&self, lo: &[u8], hi: &[u8]) -> Result<Iter> {
        self.cursor(IterOptions { ..between(lo, hi) })
    }

    /// All rows with keys from `lo` up to, not including, `hi`, downwards.
    pub fn range_rev(&self, lo: &[u8], hi: &[u8]) -> Result<Iter> {
        self.cursor(IterOptions { reverse: true, ..between(lo, hi) })
    }

    /// All rows whose keys start with `prefix`, upwards.
    pub fn prefix_scan(&self, prefix: &[u8]) -> Result<Iter> {
        self.cursor(IterOptions { prefix: prefix.to_vec(), ..IterOptions::default() })
    }

    /// All rows, upwards.
    pub fn iter(&self) -> Result<Iter> {
        self.cursor(IterOptions::default())
    }

    /// All keys, upwards.
    pub fn keys(&self) -> Result<Keys> {
        Ok(Keys(self.cursor(IterOptions { keys_only: true, ..IterOptions::default() })?))
    }

    /// An iterator with all its choices.
    pub fn cursor(&self, options: IterOptions) -> Result<Iter> {
        let in_use = self.keyspace.in_use(self.shared.path())?;
        let (lower, upper) = limits(&options);
        Ok(Iter {
            cursor: Cursor::new(in_use.trees().data.clone(), lower, upper)
                .keys_only(options.keys_only),
            store: self.clone(),
            keys_only: options.keys_only,
            reverse: options.reverse,
            failed: None,
            finished: false,
            walk: Walk::default(),
            _open: self.shared.count_iterator(),
        })
    }

    /// The number of keys in this keyspace that have not expired. The first count walks the keys,
    /// a page at a time while writers go on; from then on writers keep it up.
    pub fn count(&self) -> Result<u64> {
        let in_use = self.keyspace.in_use(self.shared.path())?;
        self.keyspace.tally().count(&self.shared, &self.keyspace, in_use.trees())
    }
}

impl Iter {
    /// Jumps to the first row.
    pub fn first_row(&mut self) -> Result<Option<Row>> {
        self.jump(Cursor::first, Cursor::next)
    }

    /// Jumps to the last row.
    pub fn last_row(&mut self) -> Result<Option<Row>> {
        self.jump(Cursor::last, Cursor::previous)
    }

    /// Jumps to the first row whose key is `key` or above it.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Row>> {
        self.jump(|cursor| cursor.seek(key), Cursor::next)
    }

    /// Jumps to the last row whose key is `key` or below it.
    pub fn seek_for_prev(&mut self, key: &[u8]) -> Result<Option<Row>> {
        self.jump(|cursor| cursor.seek_for_previous(key), Cursor::previous)
    }

    /// Moves up by one row.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        self.go(Cursor::next, Cursor::next)
    }

    /// Moves down by one row.
    pub fn prev_row(&mut self) -> Result<Option<Row>> {
        self.go(Cursor::previous, Cursor::previous)
    }

    fn jump(
        &mut self,
        first_move: impl FnOnce(&mut Cursor) -> Found,
        again: Move,
    ) -> Result<Option<Row>> {
        self.failed = None;
        self.finished = false;
        self.go(first_move, again)
    }

    /// Makes one move, and further ones over rows that have expired.
    fn go(
        &mut self,
        first_move: impl FnOnce(&mut Cursor) -> Found,
        again: Move,
    ) -> Result<Option<Row>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.search(first_move, again);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn search(
        &mut self,
        first_move: impl FnOnce(&mut Cursor) -> Found,
        again: Move,
    ) -> Result<Option<Row>> {
        let Iter { cursor, store, walk, keys_only, .. } = self;
        let in_use = store.keyspace.in_use(store.shared.path())?;
        let expiries = store.keyspace.expiries();
        let mut found = walk.step(cursor, expiries, first_move)?;
        while let Some((key, met)) = found {
            if let Some(value) = live_value(store, in_use.trees(), walk, &key, met)? {
                let value = if *keys_only { Bytes::default() } else { value };
                return Ok(Some(Row { key, value }));
            }
            found = walk.step(cursor, expiries, again)?;
        }
        Ok(None)
    }
}

/// The stretch of moves that the cursor goes without looking its place up anew: the rows that it
/// shows were read when the stretch began or later.
#[derive(Default)]
struct Walk {
    number: u64,
    /// What [`Expiries::losses`] was before the stretch began.
    losses: u64,
}

impl Walk {
    fn step(
        &mut self,
        cursor: &mut Cursor,
        expiries: &Expiries,
        step: impl FnOnce(&mut Cursor) -> Found,
    ) -> Found {
        let losses = expiries.losses();
        let found = step(cursor);
        if cursor.walks_started() != self.number {
            *self = Walk { number: cursor.walks_started(), losses };
        }
        found
    }
}

/// The value of a row that the cursor has met, unless it has expired.
fn live_value(
    store: &SledStore,
    trees: &Trees,
    walk: &Walk,
    key: &[u8],
    met: Bytes,
) -> Result<Option<Bytes>> {
    let expiries = store.keyspace.expiries();
    let has_expired = || expiries.get(key).is_some_and(|at| at <= store.shared.now_ms());
    if has_expired() {
        return Ok(None);
    }
    if expiries.losses() == walk.losses {
        return Ok(Some(met));
    }
    // The row may be an expired one whose key was written again since. Look at the key anew, in the
    // order that `get` uses: the expiry first.
    if has_expired() {
        return Ok(None);
    }
    trees.data.get(key)
}

type Found = Result<Option<(Bytes, Bytes)>>;
type Move = fn(&mut Cursor) -> Found;

impl Iterator for Iter {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let row = if self.reverse { self.prev_row() } else { self.next_row() };
        self.finished = row.is_err();
        row.map(|row| row.map(|row| (row.key.into(), row.value.into()))).transpose()
    }
}

/// The keys of a keyspace, from [`SledStore::keys`].
pub struct Keys(Iter);

impl Iterator for Keys {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|row| row.map(|(key, _)| key))
    }
}

fn between(lo: &[u8], hi: &[u8]) -> IterOptions {
    let (lower, upper) = (Bound::Included(lo.to_vec()), Bound::Excluded(hi.to_vec()));
    IterOptions { lower, upper, ..IterOptions::default() }
}

/// The bounds that the options come to: the narrower of the bounds and the prefix on each side.
fn limits(options: &IterOptions) -> (Bound<Bytes>, Bound<Bytes>) {
    let prefix = &options.prefix;
    let lower = match &options.lower {
        Bound::Included(key) | Bound::Excluded(key) if key < prefix => {
            Bound::Included(prefix.clone())
        }
        Bound::Unbounded => Bound::Included(prefix.clone()),
        bound => bound.clone(),
    };
    let upper = match (&options.upper, prefix_upper_bound(prefix)) {
        // No key that starts with a prefix of nothing but 0xFF bytes has a greater one after it.
        (bound, None) => bound.clone(),
        (Bound::Included(key) | Bound::Excluded(key), Some(end)) if *key < end => {
            options.upper.clone()
        }
        (_, Some(end)) => Bound::Excluded(end),
    };
    (lower.map(Bytes::from), upper.map(Bytes::from))
}
